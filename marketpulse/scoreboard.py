"""A visitor's calls of up or down, counted beside what the trees leaned to and what a coin said.

Whoever pointed the way that the price went was right; where it came out exactly as it was, nobody
was. Judged by the same rule as the trees are, against what a fair coin gets on average, so that no
verdict hangs on the luck of one coin.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from marketpulse.evaluation import Verdict, block_of, skill_interval, verdict
from marketpulse.horizons import Horizon

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Scoreboard:
    """What became of a visitor's calls.

    Attributes
    ----------
    n : int
        Calls whose outcome is known.
    you, trees, coin : int
        How many of these each got right.
    waiting : int
        Calls on record whose outcome is still to come.
    verdict : {"beats naive", "no evidence", "worse than naive"}
        Of the visitor; naive is a fair coin.
    """

    n: int
    you: int
    trees: int
    coin: int
    waiting: int
    verdict: Verdict


def scoreboard(calls: pd.DataFrame, horizon: Horizon, n: int) -> Scoreboard:
    """The last ``n`` settled calls of one visitor.

    Parameters
    ----------
    calls : pandas.DataFrame
        Theirs alone, as `marketpulse.store.ForecastRecord.calls` returns them; may be without
        columns if there are none.
    horizon : Horizon
        Of all of them.
    n : int
    """
    if calls.empty:
        return Scoreboard(0, 0, 0, 0, 0, "no evidence")
    known = calls[calls["actual_price"].notna()].tail(n)
    waiting = int(calls["actual_price"].isna().sum())
    if known.empty:
        return Scoreboard(0, 0, 0, 0, waiting, "no evidence")
    move = np.sign((known["actual_price"] - known["close"]).to_numpy())
    sides = (known["raw"].to_numpy(), known["trees"].to_numpy(), coin(known["id"]))
    you, trees, tossed = ((move != 0) & (np.sign(side) == move) for side in sides)
    missed, fair = np.where(you, 0.0, 1.0), np.where(move == 0, 1.0, 0.5)
    overlap = most_at_once(pd.DatetimeIndex(known.index), horizon)
    low, high = skill_interval(missed, fair, block=block_of(overlap))
    return Scoreboard(
        n=len(known),
        you=int(you.sum()),
        trees=int(trees.sum()),
        coin=int(tossed.sum()),
        waiting=waiting,
        verdict=verdict(low, high),
    )


def coin(ids: pd.Series) -> Array:
    """+1 for up, -1 for down: the last bit of each forecast's id.

    An id is a hash of what the forecast is of, so that the coin is fair, the same for everybody,
    and thrown before anybody knows what comes.
    """
    return np.array([1.0 if int(id[-1], 16) % 2 else -1.0 for id in ids])


def most_at_once(as_of: pd.DatetimeIndex, horizon: Horizon) -> int:
    """The most forecasts that wait for their outcome at any time: ``steps``, if none is left out.

    Parameters
    ----------
    as_of : pandas.DatetimeIndex
        Increasing, with at least one entry.
    horizon : Horizon
    """
    first = as_of.searchsorted(as_of - horizon.span, side="right")
    return int((np.arange(len(as_of)) - first).max()) + 1
