"""Where a backtest's net P&L stands among those of the same days in another order.

The whole pipeline runs on each set: walk, signals, book. The rule is the *Lean* preset without
costs, since the default one hardly trades, and with costs the net would mostly count its trades.

A set has every day of the record once, as it was and at the same times of day, which is a feature.
Of a day that was drawn twice, a model would be asked what it had been taught. So it is not told
whether the forecasts know anything, for which there are placebos, but how much of the net is due to
the order of the days: of the first ones the models learn, and on the others the rule trades.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from marketpulse.broker import Trading
from marketpulse.candles import PRICES
from marketpulse.costs import Costs
from marketpulse.horizons import LONG, MINUTE
from marketpulse.settings import PRESETS, Settings
from marketpulse.sources.recorded import load, load_sample
from marketpulse.trial import trial_of
from marketpulse.walks import walk

DAY, FEWEST_BLOCKS = 1_440, 4
CASH, AMOUNT = 10_000, 1_000


@dataclass(frozen=True, slots=True)
class Outcome:
    """Round trips of a run and its P&L at the last close, quote currency."""

    trips: int
    net: float


def bootstrapped(candles: pd.DataFrame, seed: int) -> pd.DataFrame:
    """The candles with their days in another order, chained from the first open.

    Parameters
    ----------
    candles : pandas.DataFrame
        One-minute candles, at least `FEWEST_BLOCKS`. Where they are fewer than as many days, a
        quarter of them counts as a day. What is left over after the last whole day stays there.
    seed : int

    Returns
    -------
    pandas.DataFrame
        Of the same times. Each bar moves from the close before it as it did, with its own wicks
        and volume.
    """
    rows = _drawn(len(candles), seed)
    first = candles["open"].iloc[0]
    before = candles["close"].shift(fill_value=first)
    moved = np.log(candles[list(PRICES)].div(before, axis=0)).iloc[rows]
    close = first * np.exp(np.cumsum(moved["close"].to_numpy()))
    chained = np.append(first, close[:-1])
    opening, high, low = (
        chained * np.exp(moved[name].to_numpy()) for name in ("open", "high", "low")
    )
    made = candles.iloc[rows].set_axis(candles.index)
    # Rounding may put the end of a bar without a wick outside of it.
    ends = np.array([opening, high, low, close])
    return made.assign(open=opening, high=ends.max(axis=0), low=ends.min(axis=0), close=close)


def _drawn(length: int, seed: int) -> np.ndarray:
    """Rows of a record with its days in another order. Shape (length,)."""
    block = min(DAY, length // FEWEST_BLOCKS)
    whole = length // block * block
    days = np.arange(whole).reshape(-1, block)
    return np.append(np.random.default_rng(seed).permutation(days), np.arange(whole, length))


def outcome(candles: pd.DataFrame) -> Outcome:
    """What the whole pipeline makes of candles."""
    made = walk(candles, (MINUTE, LONG))
    if made is None:
        raise RuntimeError("nobody stopped the walk")
    trading = Trading("BTC/USD", CASH, AMOUNT, Costs(0))
    figures = trial_of(made, Settings().changed(**PRESETS["Lean"]), trading).result.summary
    return Outcome(figures.trips.count, float(figures.equity - figures.deposits))


def outcomes(candles: pd.DataFrame, count: int) -> Iterator[Outcome]:
    """What it makes of each of so many sets, which are told as they come."""
    for seed in range(count):
        made = outcome(bootstrapped(candles, seed))
        print(f"  set {seed}: {made.net:+.2f} in {made.trips:,} round trips", flush=True)
        yield made


def publish_nets(count: int, file: str | None) -> int:
    """Print the real net among so many others, and all as JSON on the last line.

    There is no bar to keep, so the exit code is 0.
    """
    recording = load(file) if file else load_sample()
    candles = recording.candles
    span = f"{len(candles):,} bars from {candles.index[0]:%Y-%m-%d %H:%M} UTC"
    print(f"Bootstrap: {recording.name}, {span};")
    print(f"  {count} times its days in another order", flush=True)
    real = outcome(candles)
    print(f"  real: {real.net:+.2f} in {real.trips:,} round trips", flush=True)
    nets = [made.net for made in outcomes(candles, count)]
    beaten = sum(net < real.net for net in nets) / count
    print(f"The real net is better than {beaten:.0%} of {count}")
    figures = {"data": recording.name, "net": real.net, "nets": nets, "beaten": beaten}
    print(json.dumps({"benchmark": "bootstrap", "claims": [], **figures}))
    return 0
