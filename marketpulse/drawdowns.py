"""How far and for how long a balance was below its high.

A drawdown is a fraction of the high, at most 0. The start of a balance is its first high, so that a
loss on the first bar counts.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd


def drawdown(equity: pd.Series, deposits: pd.Series | float) -> pd.Series:
    """Fraction by which equity is below its highest so far, at most 0.

    The deposits stand before the first value, so that a loss on the first bar counts, and a later
    deposit is no gain: what is compared with its highest is the profit, ``equity - deposits``.
    """
    profit = equity - deposits
    highest = profit.cummax().clip(lower=0.0)
    return ((profit - highest) / (highest + deposits)).fillna(0.0).rename("drawdown")


@dataclass(frozen=True, slots=True)
class Fall:
    """The deepest fall of a balance from its high.

    Attributes
    ----------
    amount : float
        From the high to the low, at least 0.
    share : float or None
        The same as a fraction of the balance at the high; None if that was not above 0.
    high, low : int
        How many of the profits had come in by then; 0 is the start.
    """

    amount: float
    share: float | None
    high: int
    low: int


def deepest_fall(profits: npt.ArrayLike, start: float = 0.0, *, relative: bool = False) -> Fall:
    """The deepest fall of a balance that begins at ``start`` and takes in one profit after another.

    Parameters
    ----------
    profits : array-like, shape (n,)
        In quote currency, in time order: one for each trade or bar.
    start : float
        Balance before the first.
    relative : bool
        Whether the deepest is that of the largest share, and not of the largest amount.
    """
    balance = start + np.concatenate([[0.0], np.cumsum(np.asarray(profits, dtype="float64"))])
    highest = np.maximum.accumulate(balance)
    below = highest - balance
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = np.where(highest > 0, below / highest, 0.0)
    low = int(np.argmax(shares if relative else below))
    high = int(np.argmax(balance[: low + 1]))
    share = float(shares[low]) if highest[low] > 0 else None
    return Fall(float(below[low]), share, high, low)


def drawdown_spells(drawdown: pd.Series) -> pd.DataFrame:
    """Every spell below a high, from that high to the bar that reached it again.

    Parameters
    ----------
    drawdown : pandas.Series
        0 at a high, and anything else below it; by time or by number of the bar.

    Returns
    -------
    pandas.DataFrame, shape (spells, 3)
        By the bar of recovery, or the last bar if there was none: ``since`` (the bar of the high),
        ``duration`` (between the two) and ``deepest`` (the value furthest from 0). A spell that is
        there from the first bar is counted from it.
    """
    values, times = drawdown.to_numpy(dtype="float64"), drawdown.index
    under = np.concatenate([[False], values != 0, [False]]).astype(np.int8)
    first, after = np.flatnonzero(np.diff(under) == 1), np.flatnonzero(np.diff(under) == -1)
    since = times[np.maximum(first - 1, 0)]
    ends = times[np.minimum(after, max(len(values) - 1, 0))]
    spells = (values[a:b] for a, b in zip(first, after, strict=True))
    deepest = [float(spell[np.argmax(np.abs(spell))]) for spell in spells]
    columns = {"since": since, "duration": ends - since, "deepest": deepest}
    return pd.DataFrame(columns, index=ends)
