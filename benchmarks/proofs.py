"""What must hold exactly: bar by bar is the same as in one call, and leaks are caught."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from benchmarks import simulation
from benchmarks.claims import Claim, at_least, at_most
from marketpulse.alarm import alarm, cuts
from marketpulse.dataset import Dataset, build
from marketpulse.evaluation import on_grid
from marketpulse.horizons import LONG, MINUTE, ONE_MINUTE, Horizon
from marketpulse.leaks import LEAKS
from marketpulse.model import PLANS, HorizonModel, Plan, fit, predict

HORIZONS = (MINUTE, LONG)
BLOCKS, MORE_BLOCKS = 2, 8
# Of so many bars in each block one is forecast again from candles that end with it.
CUT_EVERY = 12
FEWEST_LEAKS = 20
# Small enough for some hundred fits in a minute; leaks are mistakes of kind, not of size.
SMALL = Plan(train_bars=700, min_train_bars=400, calibration_bars=300)
SMALL_BARS = 1_800
# Bars behind the fit, for leaks that look far ahead, and cuts after it besides the alarm's own.
AFTER_FIT = 100
MORE_PLACES = (9, 17, 44)
# A leak that chooses among few values may by chance choose the same of another future: two walks.
SEEDS = (20, 21)
HONEST_RUNS = 5
JOBS = 2


def differences(said: pd.DataFrame, again: pd.DataFrame) -> int:
    """Cells that do not hold the same bits; a row that only one side has counts as one."""
    rows = said.index.intersection(again.index)
    left, right = said.loc[rows], again.loc[rows]
    differs = ((left != right) & ~(left.isna() & right.isna())).to_numpy()
    return int(differs.sum()) + len(said.index.symmetric_difference(again.index))


def bar_by_bar(bars: pd.DataFrame, horizon: Horizon, blocks: int) -> tuple[int, int, int]:
    """Differences between one call and many, then with no later candles; and bars compared."""
    data, plan = build(bars, horizon), PLANS[horizon.label]
    full = len(data) - plan.train_bars - plan.calibration_bars
    many, cut, compared = 0, 0, 0
    for part in range(1, blocks + 1):
        after = plan.fit_time(data.as_of[len(data) - 1 - (full * part) // (blocks + 2)])
        start, stop = data.position(after), data.position(after + plan.retrain_every)
        model = fit(data, after, plan)
        block = predict(model, data, start, stop)
        single = [predict(model, data, row, row + 1) for row in range(start, stop)]
        many += differences(block, pd.concat(single))
        cut += sum(
            differences(block.loc[data.as_of[row : row + 1].intersection(block.index)], made)
            for row, made in cut_off(model, bars, data, range(start, stop, CUT_EVERY))
        )
        compared += stop - start
    return many, cut, compared


def cut_off(
    model: HorizonModel, bars: pd.DataFrame, data: Dataset, rows: range
) -> Iterator[tuple[int, pd.DataFrame]]:
    """Forecasts of some rows from candles that end there: no later outcome can have moved them."""
    for row in rows:
        known = build(bars.iloc[: row + 1], data.horizon)
        yield row, predict(model, known, row, row + 1)


def online_claims(candles: pd.DataFrame, name: str, full: bool) -> Iterator[Claim]:
    """That what is forecast bar by bar is what is forecast in one call, and needs no later bar."""
    blocks = MORE_BLOCKS if full else BLOCKS
    tasks = (delayed(bar_by_bar)(on_grid(candles, h), h, blocks) for h in HORIZONS)
    found = Parallel(JOBS)(tasks)
    many, cut, compared = (sum(each) for each in zip(*found, strict=True))
    print(f"Proofs: {compared} bars of {name}, of {blocks} refits for each horizon", flush=True)
    yield at_most("Online less batch, cells that differ", many, 0)
    yield at_most("Forecasts without later candles, cells that differ", cut, 0)


def rings(candles: pd.DataFrame, horizon: Horizon, name: str | None) -> bool:
    """Whether the alarm rings for the pipeline with this leak, or with none."""
    hooks = {"fitted": LEAKS[name].fitted, "built": LEAKS[name].built} if name else {}
    fit_at = SMALL.fit_time(candles.index[-1] + ONE_MINUTE - AFTER_FIT * horizon.bar)
    places = (*cuts(horizon, fit_at), *(fit_at + bars * horizon.bar for bars in MORE_PLACES))
    return alarm(candles, horizon, SMALL, places, **hooks) is not None


def with_a_signal(horizon: Horizon, seed: int) -> pd.DataFrame:
    """One-minute candles with a plain signal from bar to bar: some leaks only tell of one."""
    minutes = int(horizon.bar / ONE_MINUTE)
    returns = simulation.planted(SMALL_BARS, seed, steps=1, share=0.05)
    return simulation.candles(np.repeat(returns / minutes, minutes), seed)


def pieces(candles: pd.DataFrame, horizon: Horizon) -> list[pd.DataFrame]:
    """Stretches of some candles from their whole length."""
    length = SMALL_BARS * int(horizon.bar / ONE_MINUTE)
    starts = np.linspace(0, len(candles) - length, HONEST_RUNS).astype(int)
    return [candles.iloc[start : start + length] for start in starts]


def leak_claims(candles: pd.DataFrame) -> Iterator[Claim]:
    """That every mistake made on purpose is heard, and nothing else."""
    planted = {(h, seed): with_a_signal(h, seed) for h in HORIZONS for seed in SEEDS}
    seeded = [(*walk, name) for walk in planted for name in LEAKS]
    honest = [(part, horizon) for (horizon, _), part in planted.items()]
    honest += [(part, horizon) for horizon in HORIZONS for part in pieces(candles, horizon)]
    rung = Parallel(JOBS)(delayed(rings)(planted[h, seed], h, name) for h, seed, name in seeded)
    false = sum(Parallel(JOBS)(delayed(rings)(part, h, None) for part, h in honest))
    heard = {(h, name) for (h, _, name), rang in zip(seeded, rung, strict=True) if rang}
    missed = sorted({name for h in HORIZONS for name in LEAKS if (h, name) not in heard})
    print(
        f"Leaks: {len(LEAKS)} at both horizons, missed: {', '.join(missed) or 'none'}", flush=True
    )
    yield at_least("Leaks made on purpose", len(LEAKS), FEWEST_LEAKS)
    yield at_most(f"Leaks of {len(LEAKS)} not caught at one horizon or both", len(missed), 0)
    yield at_most(f"False alarms in {len(honest)} runs without a leak", false, 0)
