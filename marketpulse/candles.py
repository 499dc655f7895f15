"""The candle table and everything that makes a raw reply into one.

The contract, checked here once and trusted everywhere else: a DataFrame indexed by ``open_time``
(UTC, unique, strictly increasing, one bar apart) with float64 columns ``open high low close
volume`` and a bool column ``filled``. Closed bars only. One frame is one (venue, symbol, bar).
A filled row stands where the venue reported no trade: open = high = low = close = the previous
close, volume 0, ``filled`` True. A longer bar made by `resample` is marked as filled if more than
half of it is. A volume that the venue did not report, or not as a number that can be, is NaN.

What becomes of a bar depends on rows of its own time and before, never on later ones.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from marketpulse.errors import MalformedCandles

PRICES = ("open", "high", "low", "close")
COLUMNS = (*PRICES, "volume")
Column = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Unit = Literal["s", "ms", "us", "ns"]

# Bitcoin's first block. An earlier time is a counter or a wrong unit, and would be filled up with
# millions of bars.
EARLIEST = pd.Timestamp("2009-01-03", tz="UTC")

# One wei of a coin, and ten million times the price of a bitcoin in Iranian rial. Beyond them lie
# only mistakes, of which ratios and squares would overflow: no fit survives an infinite target.
LEAST_PRICE, MOST_PRICE = 1e-18, 1e18
MOST_VOLUME = 1e36

# More impossible rows than this share and the whole reply is not believed.
MAX_IMPOSSIBLE_SHARE = 0.01

# Two rows of one bar that differ by more in a price are two opinions, not a repetition (F14).
MAX_DISAGREEMENT = 0.001

# Ten weeks of minutes. A longer span must have rows for at least this share of its bars: one
# stray time of 2009 would otherwise be filled up with nine million bars.
SPARSE_BARS = 100_000
MIN_REPORTED_SHARE = 0.05

# A wick reaches further out of the body than so many times the median range of the bars before,
# and than this share of the price (F20). Without the share, ordinary bars after an hour of hardly
# any trade would: 22 of the bundled sample, 36 of 259,000 on a liquid venue, 4 % on a thin one.
# With it none of these do, of one minute or of five, but 8 of 654,000 on two thin venues, which
# are stabs through an empty book. With 1 % a real move in the sample would be one, at five minutes.
WICK_WINDOW, WICK_RANGES, LEAST_WICK = 60, 10.0, 0.03

# From one close to the next bar's open or close (F20). The largest factor in a million minutes of
# real candles is 1.17.
JUMP = 1.5

# A price that changed by less is the same number written in another way (F31).
SAME_PRICE = 1e-9

# Thresholds of magnitude that tell s, ms, us and ns since 1970 apart: 1e11 s is the year 5138,
# 1e11 ms is 1973, and the next two steps repeat that a thousand times further on.
_UNIT_BY_MAGNITUDE: tuple[tuple[float, Unit], ...] = (
    (1e11, "s"),
    (1e14, "ms"),
    (1e17, "us"),
    (np.inf, "ns"),
)
# The last time that can be printed. What lies beyond, in whatever unit, is as far in the future.
_LATEST_SECOND = 253_402_300_799
_PER_SECOND: dict[Unit, float] = {"s": 1, "ms": 1e3, "us": 1e6, "ns": 1e9}
# No time of the next 200 years is a larger number, not even in ns.
_LARGEST_TIME = 9e18


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
        Bars that were kept although something is odd about them, by rule: ``conflict`` (rows of
        one bar disagreed), and those of `oddities`.
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
        numbers = numbers.where(numbers.abs() < _LARGEST_TIME)
        if numbers.notna().mean() > 0.5:  # one bad cell does not make a column of numbers ISO texts
            stamps = _counted_times(numbers)
        else:
            stamps = pd.to_datetime(raw.astype(str), utc=True, errors="coerce", format="ISO8601")
    if stamps.isna().any():
        row = int(np.flatnonzero(stamps.isna())[0])
        raise MalformedCandles(f"Row {row + 1} has no readable time: {raw.iloc[row]!r}.")
    return pd.DatetimeIndex(stamps, name="open_time").as_unit("us")


def _counted_times(numbers: pd.Series) -> pd.Series:
    """Times of numbers in the unit that most of them are in.

    One in another unit lands in 1970, or in the year 9999 at the latest, where `clean` drops it.
    """
    magnitude = float(numbers.abs().median())
    unit = next(unit for limit, unit in _UNIT_BY_MAGNITUDE if magnitude < limit)
    latest = min(_LATEST_SECOND * _PER_SECOND[unit], _LARGEST_TIME)
    return pd.to_datetime(numbers.clip(-latest, latest), unit=unit, utc=True, errors="coerce")


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

    ``price`` if a price is missing, infinite, zero, negative, or so small or large that nothing
    can cost it; ``range`` if high or low do not enclose open and close.
    """
    prices = raw[list(PRICES)].to_numpy("float64")
    with np.errstate(invalid="ignore"):
        bad_price = ~((prices >= LEAST_PRICE) & (prices <= MOST_PRICE)).all(axis=1)
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
        If more than 1 % of the rows are impossible, one does not open on the grid of whole bars,
        or there are far too few for the time between the first and the last.
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
    closed = _without_bad_volume(raw[~impossible.to_numpy()])
    merged = _merge_duplicates(closed)
    _check_span(merged, bar)
    candles = fill_gaps(merged, bar)
    dropped = {
        "price": int((rule == "price").sum()),
        "range": int((rule == "range").sum()),
        "future": int(future.sum()),
        "time": int(early.sum()),
        "duplicate": len(closed) - len(merged),
    }
    flagged = {"conflict": _conflicts(closed), **dict(oddities(candles))}
    filled = int(candles["filled"].sum())
    return Cleaned(candles, CandleReport(_counted(dropped), filled, _counted(flagged)))


def _counted(counts: Mapping[str, int]) -> tuple[tuple[str, int], ...]:
    """The rules that applied, and how often."""
    return tuple((rule, count) for rule, count in counts.items() if count)


def _without_bad_volume(candles: pd.DataFrame) -> pd.DataFrame:
    """The same rows with every impossible volume as NaN: unknown is not zero."""
    volume = candles["volume"]
    return candles.assign(volume=volume.where((volume >= 0) & (volume <= MOST_VOLUME)))


def _merge_duplicates(candles: pd.DataFrame) -> pd.DataFrame:
    """One row per time, in order: first open, highest high, lowest low, last close, top volume."""
    if candles.index.is_unique:
        return candles.sort_index()
    how = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "max"}
    return candles.groupby(level="open_time", sort=True).agg(how)


def _conflicts(candles: pd.DataFrame) -> int:
    """Bars of which two rows disagree by more than `MAX_DISAGREEMENT` in a price."""
    if candles.index.is_unique:
        return 0
    prices = candles[list(PRICES)].groupby(level="open_time")
    disagree = prices.max() > prices.min() * (1.0 + MAX_DISAGREEMENT)
    return int(disagree.any(axis=1).sum())


def _check_span(candles: pd.DataFrame, bar: pd.Timedelta) -> None:
    """Raise if a grid from the first to the last row would be made up almost entirely."""
    if candles.empty:
        return
    first, last = candles.index[0], candles.index[-1]
    bars = int((last - first) / bar) + 1
    if bars > SPARSE_BARS and len(candles) < MIN_REPORTED_SHARE * bars:
        raise MalformedCandles(
            f"There are {len(candles):,} candles for the {bars:,} bars"
            f" from {first:%Y-%m-%d} to {last:%Y-%m-%d}, too few to fill up the others."
        )


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


def oddities(candles: pd.DataFrame) -> tuple[tuple[str, int], ...]:
    """What is odd about bars of a clean table, by rule, where anything is.

    ``volume``: unknown. ``wick``: see `wicks`. ``jump``: see `jumps`.
    """
    return _counted(
        {
            "volume": int(candles["volume"].isna().sum()),
            "wick": int(wicks(candles).sum()),
            "jump": int(jumps(candles).sum()),
        }
    )


def wicks(candles: pd.DataFrame) -> Flags:
    """Whether a bar's high or low lies further from its body than trade explains. Shape (n,).

    Further than `WICK_RANGES` times the median range of the `WICK_WINDOW` bars before it, and than
    `LEAST_WICK` of the price. Bars with fewer before them are never said to have a wick.
    """
    highest, lowest = _reach(candles)
    flags: Flags = (candles["high"].to_numpy() > highest) | (candles["low"].to_numpy() < lowest)
    return flags


def without_wicks(candles: pd.DataFrame) -> pd.DataFrame:
    """A copy in which every wick ends where a bar's high or low would begin to be one."""
    highest, lowest = _reach(candles)
    return candles.assign(
        high=np.fmin(candles["high"].to_numpy(), highest),
        low=np.fmax(candles["low"].to_numpy(), lowest),
    )


def _reach(candles: pd.DataFrame) -> tuple[Column, Column]:
    """The highest high and the lowest low that are no wick; NaN while there is no telling."""
    opening, high, low, close = (candles[name].to_numpy() for name in PRICES)
    top, bottom = np.maximum(opening, close), np.minimum(opening, close)
    usual = pd.Series(high - low).rolling(WICK_WINDOW).median().shift(1).to_numpy()
    reach = np.maximum(WICK_RANGES * usual, LEAST_WICK * bottom)
    return top + reach, bottom - reach


def jumps(candles: pd.DataFrame) -> Flags:
    """Whether a bar opens or closes at more than `JUMP` times, or below, the close before it.

    A price that is wrong for one bar is two jumps, there and back. Shape (n,).
    """
    before = candles["close"].shift(1).to_numpy()
    flags = np.zeros(len(candles), dtype=bool)
    for name in ("open", "close"):
        price = candles[name].to_numpy()
        flags |= (price > before * JUMP) | (price * JUMP < before)
    return flags


def revised(before: pd.DataFrame, after: pd.DataFrame) -> pd.DatetimeIndex:
    """Open times of the bars of which a venue now tells other prices than it did.

    A bar that it had not told of, and that was filled, is revised unless it stood still all the
    same. A bar that is only missing now, or of which only the volume changed, is not.
    """
    both = before.index.intersection(after.index)
    was, is_now = (part.loc[both, list(PRICES)].to_numpy() for part in (before, after))
    changed = (np.abs(is_now - was) > SAME_PRICE * was).any(axis=1)
    told = ~after.loc[both, "filled"].to_numpy()
    return pd.DatetimeIndex(both[changed & told], name="open_time")


def concat_reports(reports: Iterable[CandleReport]) -> CandleReport:
    """One report that adds up several."""
    dropped: Counter[str] = Counter()
    flagged: Counter[str] = Counter()
    filled = 0
    for report in reports:
        filled += report.filled
        dropped.update(dict(report.dropped))
        flagged.update(dict(report.flagged))
    return CandleReport(tuple(sorted(dropped.items())), filled, tuple(sorted(flagged.items())))
