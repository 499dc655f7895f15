"""A stretch of closed bars as a backtest reads it, over and over: arrays, made once.

Times are microseconds since 1970, UTC.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC

import numpy as np
import numpy.typing as npt
import pandas as pd

from marketpulse.costs import Costs
from marketpulse.fills import WAIT, mean_volume
from marketpulse.horizons import ONE_MINUTE
from marketpulse.money import decimal

Rows = npt.NDArray[np.int64]
Column = npt.NDArray[np.float64]

MINUTE_US = int(ONE_MINUTE / pd.Timedelta(1, "us"))
_WAIT_US = int(WAIT / pd.Timedelta(1, "us"))
_NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class Tape:
    """What was known at every closed bar, and which price an order given then would get.

    Attributes
    ----------
    known : mapping of str to ndarray of shape (n,)
        The columns of `marketpulse.signals.decision_table`.
    times : ndarray of shape (n,)
        When each bar closed and was decided on: bars in which something was traded, because an
        empty one is told from one that is late only when the next trade comes.
    candle : ndarray of shape (n,)
        The candle at whose open an order of that time is filled; -1 if no price comes in time.
    again : ndarray of shape (n,)
        First row that is decided on after such an order: while it waits, nothing is.
    opened, opens, volume : ndarray of shape (m,)
        Of all candles.
    traded : ndarray of shape (m,)
        How many candles there are up to the last one that was traded in.
    venue : str
        Whose candles these are.
    """

    known: Mapping[str, Column]
    times: Rows
    candle: Rows
    again: Rows
    opened: Rows
    opens: Column
    volume: Column
    traded: Rows
    venue: str

    def __len__(self) -> int:
        return len(self.times)

    def shifted(self, rows: int) -> "Tape":
        """The tape on which each bar's forecasts are those of ``rows`` bars later, in a circle.

        What was forecast is moved in proportion to the price, so that moves, errors and bands stay
        what they were.
        """
        moved = {name: np.roll(column, -rows) for name, column in self.known.items()}
        price = self.known["price"]
        for name in ("minute_price", "long_price", "minute_mae", "long_mae"):
            moved[name] = moved[name] / moved["price"] * price
        return replace(self, known={**moved, "price": price, "volume": self.known["volume"]})

    def volume_before(self, candle: int) -> float | None:
        """Mean volume before a candle opened, as a fill has it."""
        closed = int(self.opened.searchsorted(self.opened[candle] - MINUTE_US, side="right"))
        return mean_volume(self.volume, int(self.traded[closed - 1]) if closed else 0)


def taped(decisions: pd.DataFrame, candles: pd.DataFrame, costs: Costs, *, venue: str = "") -> Tape:
    """The tape of a decision table.

    Parameters
    ----------
    decisions : pandas.DataFrame
        As `marketpulse.signals.decision_table` returns.
    candles : pandas.DataFrame
        Closed one-minute candles, those after the decisions included.
    costs : Costs
        For the latency.
    venue : str
        Whose candles these are.
    """
    opened, filled = _microseconds(candles.index), candles["filled"].to_numpy()
    decisions = decisions[~_empty(decisions.index, opened[filled])]
    times = _microseconds(decisions.index)
    earliest = times + math.ceil(decimal(costs.latency_s).scaleb(6))
    latest = earliest + _WAIT_US
    # A bar without trades has no price of its own.
    real = np.flatnonzero(~filled)
    found = np.append(real, -1)[opened[real].searchsorted(earliest)]
    stamped = np.append(opened, _NEVER)[found]
    in_time = stamped <= latest
    free = np.where(in_time, times.searchsorted(stamped), times.searchsorted(latest, side="right"))
    return Tape(
        known={str(name): column.to_numpy() for name, column in decisions.items()},
        times=times,
        candle=np.where(in_time, found, -1),
        again=np.maximum(free, np.arange(1, len(times) + 1)),
        opened=opened,
        opens=candles["open"].to_numpy(dtype="float64"),
        volume=candles["volume"].to_numpy(dtype="float64"),
        traded=np.maximum.accumulate(np.where(filled, 0, np.arange(1, len(opened) + 1))),
        venue=venue,
    )


def _empty(as_of: pd.Index, filled: Rows) -> npt.NDArray[np.bool_]:
    """Whether nothing was traded in the bar that closed at each time. Shape (n,)."""
    return np.isin(_microseconds(as_of) - MINUTE_US, filled)


def timestamp(microseconds: np.int64) -> pd.Timestamp:
    """A time of a tape."""
    return pd.Timestamp(int(microseconds), unit="us", tz=UTC)


def _microseconds(index: pd.Index) -> Rows:
    return pd.DatetimeIndex(index).as_unit("us").asi8
