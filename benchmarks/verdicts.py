"""How often the verdict is right, on series of which the truth is known.

Each series is forecast by the shipped pipeline with one model, which keeps all that it was fitted
with until the last scored bar: a retrain every four hours would cost forty times as much.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from joblib import Parallel, delayed

from benchmarks import simulation
from benchmarks.claims import Claim, at_least, at_most
from marketpulse import dataset
from marketpulse.evaluation import Tail, tail
from marketpulse.features import WARM_UP
from marketpulse.forecast import settle
from marketpulse.horizons import LONG, MINUTE, Horizon
from marketpulse.model import PLANS, fit, predict

TRAIN_BARS = 12_000
HORIZONS = (MINUTE, LONG)
WALKS, FEW_WALKS = 200, 40
PLANTED, FEW_PLANTED = 100, 20
# Seeds of the planted series begin here, so that they share no noise with the walks.
FIRST_PLANTED = 1_000
JOBS = 2


@dataclass(frozen=True, slots=True)
class Cell:
    """One kind of series.

    Attributes
    ----------
    horizon : Horizon
    share : float
        Of the variance of the return over the horizon that the planted signal explains; 0 is a
        random walk.
    scored : int
        Forecasts of each series that are scored.
    """

    horizon: Horizon
    share: float
    scored: int

    def __str__(self) -> str:
        steps = f"{self.horizon.steps} step{'s' if self.horizon.steps > 1 else ''}"
        kind = f"signal of {self.share:.0%} of R²" if self.share else "random walk"
        return f"{kind}, {self.scored:,} scored, {steps}"


WALK_CELLS = tuple(Cell(horizon, 0.0, 8_000) for horizon in HORIZONS)
PLANTED_CELLS = tuple(
    Cell(horizon, share, scored)
    for horizon in HORIZONS
    for share, scored in ((0.01, 8_000), (0.02, 4_000))
)


def judged(cell: Cell, seed: int) -> tuple[Tail, float]:
    """Metrics of one series, and the mean trust in its forecasts."""
    horizon, steps = cell.horizon, cell.horizon.steps
    plan = replace(PLANS[horizon.label], train_bars=TRAIN_BARS)
    count = WARM_UP + TRAIN_BARS + plan.calibration_bars + 3 * steps + cell.scored
    if cell.share:
        returns = simulation.planted(count, seed, steps=steps, share=cell.share)
    else:
        returns = simulation.walk(count, seed)
    data = dataset.build(simulation.candles(returns, seed, bar=horizon.bar), horizon)
    start = len(data) - steps - cell.scored
    model = fit(data, data.as_of[start], plan)
    settled = settle(predict(model, data, start, len(data)), data)
    metrics = tail(settled, horizon)
    if metrics is None or metrics.n != cell.scored:
        raise RuntimeError(f"{cell}: not every bar of series {seed} was forecast")
    return metrics, float(settled["trust"].mean())


def share_claimed(cell: Cell, seeds: range) -> float:
    """Percent of the series that are said to beat naive; prints what was found of them."""
    results = Parallel(JOBS)(delayed(judged)(cell, seed) for seed in seeds)
    metrics, trusts = zip(*results, strict=True)
    percent = {
        verdict: 100 * np.mean([each.verdict == verdict for each in metrics])
        for verdict in ("beats naive", "worse than naive")
    }
    print(
        f"  {cell}, {len(seeds)} series: beats naive {percent['beats naive']:.1f} %,"
        f" worse than naive {percent['worse than naive']:.1f} %,"
        f" mean skill {100 * np.mean([each.skill for each in metrics]):+.3f} %,"
        f" mean trust {np.mean(trusts):.2f}, above 0 in {np.mean(np.array(trusts) > 0):.0%}",
        flush=True,
    )
    return float(percent["beats naive"])


def claims(full: bool) -> Iterator[Claim]:
    """What is claimed of the verdict; fewer series unless ``full``."""
    slices = " and ".join(f"{PLANS[h.label].calibration_bars:,}" for h in HORIZONS)
    print(
        f"Verdicts: simulated series, one model each, {TRAIN_BARS:,} bars to train on besides the"
        f" calibration slice ({slices} bars)",
        flush=True,
    )
    walks = range(WALKS if full else FEW_WALKS)
    for cell in WALK_CELLS:
        beaten = share_claimed(cell, walks)
        yield at_most(f"Said to beat naive, % of {len(walks)}: {cell}", beaten, 5)
    planted = range(FIRST_PLANTED, FIRST_PLANTED + (PLANTED if full else FEW_PLANTED))
    for cell in PLANTED_CELLS:
        beaten = share_claimed(cell, planted)
        yield at_least(f"Said to beat naive, % of {len(planted)}: {cell}", beaten, 80)
