"""Random raw tables with every defect that a venue's reply may have, and what must hold after all.

Nothing here uses the cleaner: what it should have made is worked out once more, in another way.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from marketpulse.candles import Cleaned, table
from marketpulse.errors import MalformedCandles
from tests.build import walk

PRICES = ("open", "high", "low", "close")
MINUTE_US = 60_000_000
DAY_US = 1440 * MINUTE_US
# 2009-01-03, the first block, and the last day that a calendar of four digits knows.
FIRST_US = 1_230_940_800_000_000
LAST_US = 253_402_214_400_000_000
NAN, INF = float("nan"), float("inf")

UNUSABLE_PRICES = (0.0, -0.0, -1.0, NAN, INF, -INF, 5e-324, 1e-300, 1e300, 1.7e308)
UNUSABLE_VOLUMES = (NAN, -1.0, INF, -INF, 1e300)


@dataclass
class Rows:
    """Raw rows while they are spoilt: times in microseconds, and prices and volume side by side."""

    time: np.ndarray
    values: np.ndarray

    def some(self, random, share):
        """Positions of about that share of the rows, at least one."""
        chosen = np.flatnonzero(random.random(len(self.time)) < share)
        return chosen if len(chosen) else random.integers(0, len(self.time), 1)

    def take(self, positions):
        """Only the rows at these positions, in that order."""
        self.time, self.values = self.time[positions], self.values[positions]

    def add(self, time, values):
        """More rows, in places of their own."""
        self.time = np.concatenate((self.time, time))
        self.values = np.concatenate((self.values, values))


# Defects: each spoils about a share of the rows ---------------------------------------------------

Defect = Callable[[np.random.Generator, Rows, float], None]


def gaps(random, rows, share):
    rows.take(np.flatnonzero(random.random(len(rows.time)) >= share))


def shuffled(random, rows, share):
    moved = rows.some(random, share)
    order = np.arange(len(rows.time))
    order[moved] = random.permutation(moved)
    rows.take(order)


def newest_first(_random, rows, _share):
    rows.take(np.arange(len(rows.time))[::-1])


def repeated(random, rows, share):
    chosen = random.choice(rows.some(random, share), size=int(random.integers(1, 4)))
    rows.add(rows.time[chosen], rows.values[chosen])


def conflicting(random, rows, share):
    chosen = rows.some(random, share)
    other = rows.values[chosen]
    other[:, :4] *= 1 + random.choice((1e-12, 5e-4, 2e-3, 0.5), (len(chosen), 1))
    other[:, 4] *= random.uniform(0, 2, len(chosen))
    place = int(random.integers(0, len(rows.time) + 1))
    rows.time = np.insert(rows.time, place, rows.time[chosen])
    rows.values = np.insert(rows.values, place, other, axis=0)


def unusable_prices(random, rows, share):
    chosen = rows.some(random, share)
    rows.values[chosen, random.integers(0, 4, len(chosen))] = random.choice(
        UNUSABLE_PRICES, len(chosen)
    )


def impossible_ranges(random, rows, share):
    chosen, column = rows.some(random, share), random.integers(1, 3)
    rows.values[chosen, column] *= 1e-3 if column == 1 else 1e3


def unusable_volumes(random, rows, share):
    chosen = rows.some(random, share)
    rows.values[chosen, 4] = random.choice(UNUSABLE_VOLUMES, len(chosen))


def stabs(random, rows, share):
    chosen, size = rows.some(random, share), random.choice((1.005, 1.04, 2.0, 1e6))
    if random.random() < 0.5:
        rows.values[chosen, 1] *= size
    else:
        rows.values[chosen, 2] /= size


def spikes(random, rows, share):
    rows.values[rows.some(random, share), :4] *= random.choice((1e6, 1e-6, 1.4, 3.0))


def from_the_future(random, rows, share):
    chosen = rows.some(random, share)
    ahead = random.integers(1, random.choice((3, 600, 40_000_000)), len(chosen))
    rows.time[chosen] = rows.time.max() + ahead * MINUTE_US


def from_1970(random, rows, share):
    chosen = rows.some(random, share)
    rows.time[chosen] = random.integers(0, 10_000, len(chosen)) * MINUTE_US


def in_another_unit(random, rows, share):
    chosen, factor = rows.some(random, share), random.choice((1e-6, 1e-3, 1e3))
    rows.time[chosen] = np.minimum(rows.time[chosen] * factor, LAST_US).astype("int64")


def off_the_grid(random, rows, share):
    rows.time[rows.some(random, share)] += random.integers(1, MINUTE_US)


def from_long_ago(random, rows, share):
    chosen = rows.some(random, share)
    days = random.integers(1, random.choice((3, 60, 5_000)), len(chosen))
    rows.time[chosen] = np.maximum(rows.time[chosen] - days * DAY_US, FIRST_US)


def constant(_random, rows, _share):
    rows.values[:, :4] = rows.values[0, 0]


def of_another_size(random, rows, _share):
    rows.values[:, :4] *= random.choice((5e-324, 1e-300, 1e-16, 1e12, 1e300))


# Each with the share of the frames that it is let loose on.
DEFECTS: dict[Defect, float] = {
    gaps: 0.3,
    constant: 0.05,
    stabs: 0.2,
    spikes: 0.1,
    of_another_size: 0.02,
    repeated: 0.2,
    conflicting: 0.2,
    unusable_prices: 0.15,
    impossible_ranges: 0.15,
    unusable_volumes: 0.2,
    from_the_future: 0.15,
    from_1970: 0.1,
    in_another_unit: 0.1,
    from_long_ago: 0.05,
    off_the_grid: 0.04,
    shuffled: 0.3,
    newest_first: 0.2,
}


def bad_frame(random: np.random.Generator) -> tuple[pd.DataFrame, pd.Timestamp]:
    """A raw table of one-minute rows and the time at which it was asked for.

    Any mixture of `DEFECTS` in any proportion; the last row is mostly that of the forming bar.
    """
    now = int(random.integers(FIRST_US + 10 * DAY_US, LAST_US // 60))
    rows = _walk(random, now)
    for defect, often in DEFECTS.items():
        if random.random() < often and len(rows.time):
            with np.errstate(over="ignore", invalid="ignore"):
                defect(random, rows, _share(random))
    names = (*PRICES, "volume")
    values = pd.DataFrame({name: rows.values[:, n] for n, name in enumerate(names)})
    opens = pd.DatetimeIndex(rows.time.astype("datetime64[us]"), tz="UTC")
    return table(opens, values), pd.Timestamp(now, unit="us", tz="UTC")


def _share(random):
    """Mostly one row or less than the cleaner puts up with, and sometimes any share up to all."""
    return random.choice((0.0, random.uniform(0, 0.008), random.uniform(0, 0.05), random.random()))


def _walk(random, now):
    """Good rows up to the bar that ``now`` is in, at any level of price that coins have."""
    count = int(random.choice((0, 1, 2, random.integers(3, 130), random.integers(130, 500)),
                              p=(0.02, 0.03, 0.03, 0.32, 0.6)))  # fmt: skip
    opens = now // MINUTE_US - np.arange(count, dtype="int64")[::-1] - (random.random() < 0.2)
    close = 10 ** random.uniform(-9, 6) * np.exp(np.cumsum(random.normal(0, 1e-3, count)))
    opening = close * np.exp(random.normal(0, 3e-4, count))
    high = np.maximum(opening, close) * (1 + random.exponential(2e-4, count))
    low = np.minimum(opening, close) * (1 - random.exponential(2e-4, count).clip(0, 0.5))
    volume = np.where(random.random(count) < 0.1, 0.0, random.lognormal(0, 1, count))
    return Rows(opens * MINUTE_US, np.column_stack((opening, high, low, close, volume)))


def stabbed(n, seed):
    """A clean walk of which one bar in ten has a wick, some one after the other."""
    random = np.random.default_rng(seed)
    frame = walk(n, seed, rough=True)
    size = np.where(random.random(n) < 0.1, 10 ** random.uniform(0, 6, n), 1.0)
    up = random.random(n) < 0.5
    return frame.assign(
        high=frame["high"] * np.where(up, size, 1), low=frame["low"] / np.where(up, 1, size)
    )


# What must hold ----------------------------------------------------------------------------------


@dataclass
class Expected:
    """What cleaning a raw table must give: the bars that are told of, in order, and the counts.

    ``refused`` says why nothing may be given.
    """

    time: np.ndarray
    values: np.ndarray
    dropped: dict
    conflicts: int
    forming: int
    refused: str


def expected(raw: pd.DataFrame, now: pd.Timestamp) -> Expected:
    """Worked out in whole microseconds, row by row where rows meet."""
    time = raw.index.tz_convert(None).to_numpy().astype("datetime64[us]").astype("int64")
    at = int(now.value // 1000)
    prices, volume = raw[list(PRICES)].to_numpy(), raw["volume"].to_numpy().copy()
    volume[~((volume >= 0) & (volume <= 1e36))] = NAN
    early, future = time < FIRST_US, time > at
    closed = ~early & (time + MINUTE_US <= at)
    with np.errstate(invalid="ignore"):
        usable = ((prices >= 1e-18) & (prices <= 1e18)).all(axis=1)
        opening, high, low, close = prices.T
        held = (high >= opening) & (high >= close) & (low <= opening) & (low <= close)
    dropped = {
        "price": int((closed & ~usable).sum()),
        "range": int((closed & usable & ~held).sum()),
        "future": int(future.sum()),
        "time": int(early.sum()),
    }
    kept = np.flatnonzero(closed & usable & held)
    kept = kept[np.argsort(time[kept], kind="stable")]
    times, starts = np.unique(time[kept], return_index=True)
    values, conflicts = _bars(prices[kept], volume[kept], starts)
    dropped["duplicate"] = len(kept) - len(times)
    return Expected(
        time=times,
        values=values,
        dropped={rule: count for rule, count in dropped.items() if count},
        conflicts=conflicts,
        forming=int((~early & ~future & ~closed).sum()),
        refused=_why_refused(times, dropped["price"] + dropped["range"], int(closed.sum())),
    )


def _bars(prices, volume, starts):
    """First open, highest high, lowest low, last close, most volume of rows that share a bar."""
    if not len(starts):
        return np.empty((0, 5)), 0
    last = np.append(starts[1:], len(prices)) - 1
    most, least = (
        np.column_stack([part.reduceat(prices[:, n], starts) for n in range(4)])
        for part in (np.maximum, np.minimum)
    )
    values = np.column_stack(
        (prices[starts, 0], most[:, 1], least[:, 2], prices[last, 3],
         np.fmax.reduceat(volume, starts))
    )  # fmt: skip
    return values, int(((most - least) > 0.001 * least).any(axis=1).sum())


def _why_refused(times, impossible, closed):
    if impossible > 0.01 * closed:
        return "too many impossible rows"
    if (times % MINUTE_US).any():
        return "a row off the grid"
    bars = (times[-1] - times[0]) // MINUTE_US + 1 if len(times) else 0
    if bars > 100_000 and len(times) < 0.05 * bars:
        return "a span that hardly any row is from"
    return ""


def broken_invariants(
    raw: pd.DataFrame, now: pd.Timestamp, result: Cleaned | MalformedCandles
) -> list[str]:
    """What does not hold of a cleaned raw table, or of the refusal to clean it."""
    should = expected(raw, now)
    if isinstance(result, MalformedCandles):
        return [] if should.refused else [f"refused without a reason: {result}"]
    if should.refused:
        return [f"not refused in spite of {should.refused}"]
    broken = _broken_index(result.candles, now)
    if broken:
        return broken
    return [*_broken_bars(result.candles, should), *_broken_counts(result, should, len(raw))]


def _broken_index(candles, now):
    index = candles.index
    if not isinstance(index, pd.DatetimeIndex) or str(index.tz) != "UTC":
        return ["the index is not in UTC"]
    if index.name != "open_time":
        return ["the index has another name"]
    time = index.tz_convert(None).to_numpy().astype("datetime64[us]").astype("int64")
    if (np.diff(time) != MINUTE_US).any():
        return ["bars are not one apart"]
    if len(time) and time[-1] + MINUTE_US > now.value // 1000:
        return ["a bar had not closed"]
    if list(candles.columns) != [*PRICES, "volume", "filled"] or candles["filled"].dtype != bool:
        return ["it is no candle table"]
    return []


def _broken_bars(candles, should):
    prices, volume = candles[list(PRICES)].to_numpy(), candles["volume"].to_numpy()
    filled = candles["filled"].to_numpy()
    time = candles.index.tz_convert(None).to_numpy().astype("datetime64[us]").astype("int64")
    opening, high, low, close = prices.T
    before = np.concatenate(([NAN], close[:-1]))
    told = np.column_stack((prices, volume))[~filled]
    rules = {
        "a price is not above zero": (np.isfinite(prices) & (prices > 0)).all(),
        "a range does not hold its body": (
            (high >= np.maximum(opening, close)) & (low <= np.minimum(opening, close))
        ).all(),
        "a volume cannot be": not ((volume < 0) | np.isinf(volume)).any(),
        "a filled bar is not flat at the close before": (
            (prices[filled] == before[filled, None]).all()
        ),
        "a filled bar has volume": (volume[filled] == 0).all(),
        "it begins or ends with a filled bar": not filled[:1].any() and not filled[-1:].any(),
        "a bar was lost or made up": np.array_equal(time[~filled], should.time),
        "a bar is not what its rows say": np.array_equal(told, should.values, equal_nan=True),
    }
    return [what for what, holds in rules.items() if not holds]


def _broken_counts(result, should, rows):
    report, filled = result.report, result.candles["filled"].to_numpy()
    dropped = dict(report.dropped)
    flagged = {"conflict": should.conflicts, **_odd(result.candles)}
    rules = {
        "rows do not add up": (
            int((~filled).sum()) + sum(dropped.values()) + should.forming == rows
        ),
        "dropped rows are counted wrongly": dropped == should.dropped,
        "filled bars are counted wrongly": report.filled == filled.sum(),
        "flagged bars are counted wrongly": dict(report.flagged) == +Counter(flagged),
    }
    return [what for what, holds in rules.items() if not holds]


def _odd(candles):
    """Counts of what is odd, the median of each long bar by itself."""
    opening, high, low, close = candles[list(PRICES)].to_numpy().T
    top, bottom = np.maximum(opening, close), np.minimum(opening, close)
    found = Counter(volume=int(np.isnan(candles["volume"].to_numpy()).sum()))
    for n in np.flatnonzero(np.maximum(high - top, bottom - low) > 0.0299 * bottom):
        if n >= 60:
            usual = float(np.median(high[n - 60 : n] - low[n - 60 : n]))
            allowed = max(10 * usual, 0.03 * bottom[n])
            found["wick"] += bool(high[n] > top[n] + allowed or low[n] < bottom[n] - allowed)
    last, body = close[:-1], np.column_stack((top, bottom))[1:]
    found["jump"] = int(((body[:, 0] > last * 1.5) | (body[:, 1] * 1.5 < last)).sum())
    return found
