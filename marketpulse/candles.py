"""The candle table and everything that makes a raw reply into one.

The contract, checked here once and trusted everywhere else: a DataFrame indexed by ``open_time``
(UTC, unique, strictly increasing, one bar apart) with float64 columns ``open high low close
volume`` and a bool column ``filled``. Closed bars only. One frame is one (venue, symbol, bar).
A filled row stands where the venue reported no trade: open = high = low = close = the previous
close, volume 0, ``filled`` True. A longer bar made by `resample` is marked as filled if more than
half of it is.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from marketpulse.errors import MalformedCandles

PRICES = ("open", "high", "low", "close")
COLUMNS = (*PRICES, "volume")
Unit = Literal["s", "ms", "us", "ns"]

# Bitcoin's first block. An earlier time is a counter or a wrong unit, and would be filled up with
# millions of bars.
EARLIEST = pd.Timestamp("2009-01-03", tz="UTC")

# More impossible rows than this share and the whole reply is not believed.
MAX_IMPOSSIBLE_SHARE = 0.01

# Thresholds of magnitude that tell s, ms, us and ns since 1970 apart: 1e11 s is the year 5138,
# 1e11 ms is 1973, and the next two steps repeat that a thousand times further on.
_UNIT_BY_MAGNITUDE: tuple[tuple[float, Unit], ...] = (
    (1e11, "s"),
    (1e14, "ms"),
    (1e17, "us"),
    (np.inf, "ns"),
)


@dataclass(frozen=True, slots=True)
class CandleReport:
    """What cleaning did to a reply.

    Attributes
    ----------
    dropped : tuple of (rule, count)
        Rows dropped or merged, by rule: ``price``, ``range``, ``future``, ``time`` (from before
        there were crypto prices), ``duplicate``.
    filled : int
        Bars inside the span for which the venue reported nothing.
    flagged : tuple of (rule, count)
        Rows that were kept although something is odd about them, by rule.
    """

    dropped: tuple[tuple[str, int], ...] = ()
    filled: int = 0
    flagged: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Cleaned:
    """A clean candle table and the report of what it took."""

    candles: pd.DataFrame
    report: CandleReport


def empty() -> pd.DataFrame:
    """A candle table of no rows."""
    index = pd.DatetimeIndex([], dtype="datetime64[us, UTC]", name="open_time")
    frame = pd.DataFrame({name: pd.Series(dtype="float64") for name in COLUMNS}, index=index)
    return frame.assign(filled=pd.Series(dtype=bool))


def times(raw: pd.Series) -> pd.DatetimeIndex:
    """UTC times of a column that holds seconds, ms, us, ns or ISO texts.

    Parameters
    ----------
    raw : pandas.Series, shape (n,)

    Raises
    ------
    MalformedCandles
        If a value is no time at all; names the row.
    """
    if pd.api.types.is_datetime64_any_dtype(raw.dtype):
        stamps = pd.to_datetime(raw, utc=True)
    else:
        numbers = pd.to_numeric(raw, errors="coerce")
        numbers = numbers.where(np.isfinite(numbers))
        if numbers.notna().mean() > 0.5:  # one bad cell does not make a column of numbers ISO texts
            magnitude = float(numbers.abs().median())
            unit = next(unit for limit, unit in _UNIT_BY_MAGNITUDE if magnitude < limit)
            stamps = pd.to_datetime(numbers, unit=unit, utc=True, errors="coerce")
        else:
            stamps = pd.to_datetime(raw, utc=True, errors="coerce", format="ISO8601")
    if stamps.isna().any():
        row = int(np.flatnonzero(stamps.isna())[0])
        raise MalformedCandles(f"Row {row + 1} has no readable time: {raw.iloc[row]!r}.")
    return pd.DatetimeIndex(stamps, name="open_time").as_unit("us")


def table(open_time: pd.DatetimeIndex, values: pd.DataFrame) -> pd.DataFrame:
    """Unchecked candle rows: ``values`` as floats (no number becomes NaN) under their times.

    Parameters
    ----------
    open_time : pandas.DatetimeIndex, shape (n,)
    values : pandas.DataFrame, shape (n, >= 5)
        Has the columns of `COLUMNS`.
    """
    columns = {name: pd.to_numeric(values[name], errors="coerce") for name in COLUMNS}
    frame = pd.DataFrame({k: v.to_numpy("float64") for k, v in columns.items()}, index=open_time)
    return frame.rename_axis("open_time")


def faults(raw: pd.DataFrame) -> pd.Series:
    """The rule that each row breaks, or the empty text.

    ``price`` if a price is missing, infinite, zero or negative; ``range`` if high or low do not
    enclose open and close.
    """
    prices = raw[list(PRICES)].to_numpy("float64")
    with np.errstate(invalid="ignore"):
        bad_price = ~(np.isfinite(prices) & (prices > 0)).all(axis=1)
        high, low = prices[:, 1], prices[:, 2]
        body = prices[:, [0, 3]]
        bad_range = (high < body.max(axis=1)) | (low > body.min(axis=1))
    rule = np.where(bad_price, "price", np.where(bad_range, "range", ""))
    return pd.Series(rule, index=raw.index, dtype=str)


def clean(raw: pd.DataFrame, bar: pd.Timedelta, now: pd.Timestamp) -> Cleaned:
    """Closed, valid, gap-marked candles of a raw table.

    Parameters
    ----------
    raw : pandas.DataFrame
        Rows as made by `table`, in any order.
    bar : pandas.Timedelta
        Length of one bar.
    now : pandas.Timestamp
        A bar that has not closed by then is left out: by time, not by position, because some
        venues send the forming bar and some do not.

    Raises
    ------
    MalformedCandles
        If more than 1 % of the rows are impossible.
    """
    opens = pd.DatetimeIndex(raw.index)
    future, early = opens > now, opens < EARLIEST
    raw = raw[(opens + bar <= now) & ~early]
    rule = faults(raw)
    impossible = rule != ""
    if impossible.mean() > MAX_IMPOSSIBLE_SHARE:
        first = int(np.flatnonzero(impossible)[0])
        raise MalformedCandles(
            f"{int(impossible.sum())} of {len(raw)} candles are impossible,"
            f" the first at {raw.index[first]:%Y-%m-%d %H:%M} UTC ({rule.iloc[first]})."
        )
    closed = raw[~impossible.to_numpy()]
    merged = _merge_duplicates(_without_bad_volume(closed))
    counts = {
        "price": int((rule == "price").sum()),
        "range": int((rule == "range").sum()),
        "future": int(future.sum()),
        "time": int(early.sum()),
        "duplicate": len(closed) - len(merged),
    }
    filled = fill_gaps(merged, bar)
    dropped = tuple((name, count) for name, count in counts.items() if count)
    return Cleaned(filled, CandleReport(dropped, int(filled["filled"].sum())))


def _without_bad_volume(candles: pd.DataFrame) -> pd.DataFrame:
    """The same rows with every impossible volume as NaN: unknown is not zero."""
    volume = candles["volume"]
    return candles.assign(volume=volume.where(np.isfinite(volume) & (volume >= 0)))


def _merge_duplicates(candles: pd.DataFrame) -> pd.DataFrame:
    """One row per time, in order: first open, highest high, lowest low, last close, top volume."""
    if candles.index.is_unique:
        return candles.sort_index()
    how = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "max"}
    return candles.groupby(level="open_time", sort=True).agg(how)


def fill_gaps(candles: pd.DataFrame, bar: pd.Timedelta) -> pd.DataFrame:
    """The rows on an unbroken grid, absent bars marked as `filled`.

    Raises
    ------
    MalformedCandles
        If a row does not open on the grid of whole bars.
    """
    if candles.empty:
        return empty()
    opens = pd.DatetimeIndex(candles.index)
    off_grid = opens != opens.floor(bar)
    if off_grid.any():
        when = opens[int(np.flatnonzero(off_grid)[0])]
        minutes = int(bar / pd.Timedelta(minutes=1))
        raise MalformedCandles(
            f"A candle at {when:%Y-%m-%d %H:%M:%S} UTC"
            f" does not open on a whole {minutes}-minute bar."
        )
    grid = pd.date_range(candles.index[0], candles.index[-1], freq=bar, unit="us", name="open_time")
    on_grid = candles[list(COLUMNS)].reindex(grid)
    filled = on_grid["close"].isna()
    on_grid["close"] = on_grid["close"].ffill()
    for name in ("open", "high", "low"):
        on_grid[name] = on_grid[name].where(~filled, on_grid["close"])
    on_grid["volume"] = on_grid["volume"].where(~filled, 0.0)
    return on_grid.assign(filled=filled.to_numpy())


def merge(older: pd.DataFrame, newer: pd.DataFrame, bar: pd.Timedelta) -> pd.DataFrame:
    """Both tables as one; where they overlap, what the venue said last counts."""
    reported = [part[~part["filled"]] for part in (older, newer) if len(part)]
    if not reported:
        return empty()
    both = pd.concat(reported)
    return fill_gaps(both[~both.index.duplicated(keep="last")].sort_index(), bar)


def resample(candles: pd.DataFrame, bar: pd.Timedelta) -> pd.DataFrame:
    """Longer bars, each built from a complete group of shorter ones.

    A group is marked as filled if more than half of its bars are. Incomplete groups at either end
    are left out.
    """
    if len(candles) < 2:
        return empty()
    opens = pd.DatetimeIndex(candles.index)
    step = opens[1] - opens[0]
    size = int(bar / step)
    first = int(np.argmax(opens == opens[0].ceil(bar)))
    count = (len(candles) - first) // size
    if opens[first] != opens[0].ceil(bar) or count == 0:
        return empty()
    block = candles.iloc[first : first + count * size]
    grouped = {name: block[name].to_numpy().reshape(count, size) for name in (*COLUMNS, "filled")}
    return pd.DataFrame(
        {
            "open": grouped["open"][:, 0],
            "high": grouped["high"].max(axis=1),
            "low": grouped["low"].min(axis=1),
            "close": grouped["close"][:, -1],
            "volume": _row_sum(grouped["volume"]),
            "filled": grouped["filled"].mean(axis=1) > 0.5,
        },
        index=pd.DatetimeIndex(block.index[::size], name="open_time"),
    )


def _row_sum(values: np.ndarray) -> np.ndarray:
    """Sum of each row, column by column: the same bits however many rows there are."""
    total: np.ndarray = values[:, 0].copy()
    for column in range(1, values.shape[1]):
        total += values[:, column]
    return total


def concat_reports(reports: Iterable[CandleReport]) -> CandleReport:
    """One report that adds up several."""
    totals: dict[str, int] = {}
    filled = 0
    for report in reports:
        filled += report.filled
        for rule, count in report.dropped:
            totals[rule] = totals.get(rule, 0) + count
    return CandleReport(tuple(sorted(totals.items())), filled)
