"""Rules on walks that nothing can forecast: they must not trade, and beat no placebo by skill."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import mean, stdev

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from scipy.stats import kstest

from benchmarks import simulation
from benchmarks.claims import Claim, above, at_most
from marketpulse.broker import Broker, Trading
from marketpulse.chain import Gated
from marketpulse.costs import Costs, taker_fee_bps
from marketpulse.dataset import build
from marketpulse.evaluation import first_fit, on_grid
from marketpulse.forecast import with_outcomes
from marketpulse.horizons import LONG, MINUTE, Horizon
from marketpulse.model import PLANS, fit, predict
from marketpulse.paths import net, path_of
from marketpulse.placebo import placebo_fan
from marketpulse.settings import PRESETS, Settings
from marketpulse.signals import Thresholds
from marketpulse.tape import taped
from marketpulse.walks import Walk

# Bars that the rule decides on, after as many as a first long model needs.
BARS = 3_000
HISTORY = 8_160
SYMBOL = "BTC/USD"
PLACEBO = {"centre": "raw", "buy_mae": 0, "sell_mae": 0, "margin": 0, "fee": 0}


@dataclass(frozen=True, slots=True)
class Lot:
    """One walk: time in the market and P&L of the default rule, percentile of the blind one."""

    in_market: float
    net: float
    percentile: float | None


def one_fit(candles: pd.DataFrame, horizon: Horizon, start: pd.Timestamp) -> pd.DataFrame:
    """Forecasts of all bars from ``start`` on by the one model that was fitted then."""
    data = build(on_grid(candles, horizon), horizon)
    model = fit(data, start, PLANS[horizon.label])
    return with_outcomes(predict(model, data, data.position(start), len(data)), data)


def drawn(seed: int, shifts: int) -> Lot:
    """What becomes of both rules on one walk; no placebos if ``shifts`` is 0."""
    candles = simulation.candles(simulation.walk(HISTORY + BARS, seed), seed)
    as_of = on_grid(candles, LONG).index + LONG.bar
    start = candles.index[HISTORY]
    assert first_fit(pd.DatetimeIndex(as_of), LONG, PLANS["long"]) <= start
    made = (one_fit(candles, horizon, start) for horizon in (MINUTE, LONG))
    walk = Walk(candles, (MINUTE, LONG), *made)
    usual = Settings().changed(**PRESETS["After costs"])
    costs = Costs(taker_fee_bps("bitstamp"))
    tape = taped(walk.decisions(usual.tail, usual.centre), candles, costs)
    broker = Broker(tape, Trading(SYMBOL, 10_000, 1_000, costs))
    path = path_of(tape, broker, Gated(Thresholds.of(usual), costs))
    inside = (np.minimum(path.sold, len(tape)) - path.bought).sum() / len(tape)
    share = percentile(walk, candles, seed, shifts) if shifts else None
    return Lot(float(inside), net(tape, 10_000, path), share)


def percentile(walk: Walk, candles: pd.DataFrame, seed: int, shifts: int) -> float:
    """That of the rule without doubt and costs among its placebos."""
    blind, free = Settings().changed(**PLACEBO), Costs(0)
    tape = taped(walk.decisions(blind.tail, "raw"), candles, free)
    broker = Broker(tape, Trading(SYMBOL, 10_000, 1_000, free))
    rule = Gated(Thresholds.of(blind), free)
    return placebo_fan(tape, broker, rule, count=shifts, seed=seed).percentile


def claims(full: bool) -> Iterator[Claim]:
    walks, blind, shifts = (200, 100, 500) if full else (100, 50, 100)
    print(f"Luck: {walks} walks of {HISTORY:,} bars and {BARS:,} more to decide on, one fit each,")
    print(f"  {blind} of them beside {shifts} placebos", flush=True)
    tasks = (delayed(drawn)(seed, shifts if seed < blind else 0) for seed in range(walks))
    lots = Parallel(min(2, os.cpu_count() or 1))(tasks)
    nets, shares = [lot.net for lot in lots], [lot.percentile for lot in lots[:blind]]
    bound = mean(nets) + 1.96 * stdev(nets) / np.sqrt(len(nets))
    inside = 100 * mean(lot.in_market for lot in lots)
    yield at_most(f"Default rule on {walks} walks: percent of the time in the market", inside, 1)
    yield at_most(f"Default rule on {walks} walks: upper bound of mean P&L, USD", bound, 0)
    p = float(kstest(shares, "uniform").pvalue)
    print(f"  placebo percentiles: {np.quantile(shares, (0, 0.25, 0.5, 0.75, 1)).round(2)}")
    yield above(f"Placebo percentiles of {blind} walks are uniform: KS p", p, 0.001)
