"""The candles that all venues have in common, and how much of them is known at a moment."""

from bisect import bisect_right
from collections.abc import Iterable
from typing import NamedTuple

import pandas as pd

MINUTE_S = 60
_DAY_BARS = 1440


class Bar(NamedTuple):
    """One candle as a venue knows it: open time in seconds since 1970, prices, volume.

    A volume of None is one that the venue does not tell.
    """

    time: int
    open: float
    high: float
    low: float
    close: float
    volume: float | None

    def times(self, factor: float) -> "Bar":
        """The bar with every price multiplied."""
        return self._replace(
            open=round(self.open * factor, 8),
            high=round(self.high * factor, 8),
            low=round(self.low * factor, 8),
            close=round(self.close * factor, 8),
        )


def ramp(count: int, first: str = "2026-03-01") -> pd.DataFrame:
    """A candle table that can be checked by eye: bar i opens at 100 + i and closes one higher."""
    index = pd.date_range(first, periods=count, freq="min", tz="UTC", name="open_time")
    opens = pd.Series(range(100, 100 + count), index=index, dtype="float64")
    prices = {"open": opens, "high": opens + 1, "low": opens, "close": opens + 1}
    return pd.DataFrame({**prices, "volume": 2.0, "filled": False})


def shift_to(candles: pd.DataFrame, now: pd.Timestamp) -> pd.Timedelta:
    """What to add to the candles' times so that ``now`` is a day before the last of them."""
    last = candles.index[max(0, len(candles) - 1 - _DAY_BARS)]
    return pd.Timedelta(now.floor("min") - last)


def bars_of(candles: pd.DataFrame, shift: pd.Timedelta) -> list[Bar]:
    """A candle table's bars, their times shifted. Filled bars are left out: nobody traded."""
    sent = candles[~candles["filled"]]
    seconds = (pd.DatetimeIndex(sent.index) + shift).as_unit("s").asi8.tolist()
    columns = (sent[name].tolist() for name in ("open", "high", "low", "close", "volume"))
    return [Bar(*row) for row in zip(seconds, *columns, strict=True)]


def bars_at(bars: list[Bar], moment: float) -> list[Bar]:
    """What is known at ``moment`` (seconds since 1970): closed bars, and the one that forms."""
    known = bars[: bisect_right(bars, moment, key=lambda bar: bar.time)]
    if not known or closed(known[-1], moment):
        return known
    bar = known.pop()
    part = (moment - bar.time) / MINUTE_S
    close = round(bar.open + (bar.close - bar.open) * part, 8)
    high, low = max(bar.open, close), min(bar.open, close)
    volume = None if bar.volume is None else round(bar.volume * part, 8)
    return [*known, Bar(bar.time, bar.open, high, low, close, volume)]


def closed(bar: Bar, moment: float) -> bool:
    """Whether a bar is over at ``moment`` (seconds since 1970)."""
    return bar.time + MINUTE_S <= moment


def closed_by(bars: Iterable[Bar], moment: float) -> list[Bar]:
    """The bars that are over at ``moment``."""
    return [bar for bar in bars if closed(bar, moment)]
