"""Skill and bands over files of candles, forecast exactly as the live app would have.

A set is gappy if 1 % or more of its minutes are absent. Nothing is claimed of the skill on such a
set; its forecasts must keep away from gaps, and what cannot be known must be null.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import mean

import numpy as np
import numpy.typing as npt
import pandas as pd
from joblib import Parallel, delayed

from benchmarks.claims import Claim, above, at_least, at_most
from marketpulse.candles import fill_gaps
from marketpulse.evaluation import Tail, on_grid, tail, walked
from marketpulse.horizons import LONG, MINUTE, ONE_MINUTE, Horizon

THIN_VENUE = "binanceus_spot_BTCUSDT_20230301_20230321"
MOST_ABSENT = 0.01
# Rule F16, written down here once more so that the benchmark does not take the code's word for it.
WINDOW, MOST_FILLED = 60, 3
# Share of minutes in which an outage begins, for a set that is gappy on purpose.
OUTAGES = 0.003
JOBS = 2
# Floors of what is claimed: worst 500 in a row, and the gain in interval score, in percent.
WORST_500 = {MINUTE: 84.0, LONG: 83.0}
INTERVAL_GAIN = {MINUTE: 12.0, LONG: 8.0}
MEAN_SKILL = {MINUTE: 0.1, LONG: 0.0}


@dataclass(frozen=True, slots=True)
class Score:
    """What became of the forecasts of one horizon over one set.

    Attributes
    ----------
    name : str
        What is forecast.
    horizon : Horizon
    absent : float
        Share of its minutes for which there is no row.
    refused : float
        Share of the bars from the first forecast on (of all bars, if there is none) of which rule
        F16 forbids one.
    forbidden : int
        Forecasts that were made all the same.
    tail : Tail or None
        None if there was no forecast at all.
    """

    name: str
    horizon: Horizon
    absent: float
    refused: float
    forbidden: int
    tail: Tail | None

    @property
    def gappy(self) -> bool:
        """Whether no skill is claimed of it."""
        return self.absent >= MOST_ABSENT

    @property
    def not_numbers(self) -> int:
        """Metrics that are NaN or infinite, where null is meant."""
        values = [] if self.tail is None else asdict(self.tail).values()
        return sum(isinstance(value, float) and not math.isfinite(value) for value in values)

    @property
    def gain(self) -> float:
        """How much better the interval score is than that of the constant band, in percent."""
        known = _known(self)
        return 100 * (1 - known.winkler_bps / known.winkler_naive_bps)


def _known(score: Score) -> Tail:
    if score.tail is None:
        raise RuntimeError(f"{score.name} has no {score.horizon.minutes}-minute forecast")
    return score.tail


def too_filled(bars: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """The bars of which rule F16 forbids a forecast. Shape (n,)."""
    filled = np.concatenate(([0], np.cumsum(bars["filled"].to_numpy())))
    before = np.maximum(np.arange(1, len(filled)) - WINDOW, 0)
    too_many: npt.NDArray[np.bool_] = filled[1:] - filled[before] > MOST_FILLED
    return too_many


def with_gaps(candles: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """The candles without the minutes of outages that are drawn: up to twenty minutes each."""
    random = np.random.default_rng(seed)
    absent = np.zeros(len(candles), dtype=bool)
    for start in np.flatnonzero(random.random(len(candles)) < OUTAGES):
        absent[start : start + random.integers(1, 21)] = True
    return fill_gaps(candles[~absent], ONE_MINUTE)


def scored(name: str, candles: pd.DataFrame, horizon: Horizon) -> Score:
    """Walk one set."""
    bars = on_grid(candles, horizon)
    forbidden = pd.Series(too_filled(bars), index=bars.index + horizon.bar)
    absent = float(candles["filled"].mean())
    settled = walked(candles, horizon)
    if settled.empty:
        return Score(name, horizon, absent, float(forbidden.mean()), 0, None)
    refused = float(forbidden[settled.index[0] :].mean())
    made = int(forbidden[settled.index].sum())
    return Score(name, horizon, absent, refused, made, tail(settled, horizon))


def scores(sets: Mapping[str, pd.DataFrame]) -> list[Score]:
    """Walk every set at both horizons on two processes, and print each result when it is there."""
    tasks = [
        delayed(scored)(name, candles, horizon)
        for horizon in (MINUTE, LONG)
        for name, candles in sets.items()
    ]
    found = []
    for each in Parallel(JOBS, return_as="generator")(tasks):
        print(line(each), flush=True)
        found.append(each)
    return found


def line(score: Score) -> str:
    """One row of the table."""
    names = ("skill", "skill_low", "skill_high", "coverage_90", "worst_coverage_500")
    skill, low, high, held, worst = (_percent(getattr(score.tail, n, None)) for n in names)
    n, verdict = (score.tail.n, score.tail.verdict) if score.tail else (0, "no forecast")
    gain = f"{score.gain:.2f} %" if score.tail else "null"
    return (
        f"  {score.name:<44} {score.horizon.minutes:>2} min  absent {score.absent:7.2%}"
        f"  refused {score.refused:7.2%}  n {n:>7,}  skill {skill} ({low} to {high})  {verdict}"
        f"  90 % band held {held}, worst 500 {worst}  interval score better by {gain}"
    )


def _percent(value: float | None) -> str:
    return "null" if value is None else f"{100 * value:.3f} %"


def claims(found: Sequence[Score], *, several: bool) -> Iterator[Claim]:
    """What is claimed of the sets; means of skill only if there are ``several`` to average."""
    for horizon in (MINUTE, LONG):
        every = [each for each in found if each.horizon == horizon]
        whole = [each for each in every if not each.gappy]
        if whole:
            yield from skill_claims(whole, horizon, several)
            yield from band_claims(whole, horizon)
    gappy = [each for each in found if each.gappy]
    if gappy:
        forbidden = sum(each.forbidden for each in gappy)
        yield at_most("Gappy sets: forecasts that rule F16 forbids", forbidden, 0)
        nans = sum(each.not_numbers for each in gappy)
        yield at_most("Gappy sets: metrics that are NaN instead of null", nans, 0)


def skill_claims(whole: Sequence[Score], horizon: Horizon, several: bool) -> Iterator[Claim]:
    skills = {each.name: 100 * (_known(each).skill or 0.0) for each in whole}
    where = f"{horizon.minutes} min, %"
    yield at_least(f"Skill, lowest of {len(skills)}, {where}", min(skills.values()), -0.1)
    if several:
        how = above if horizon == MINUTE else at_least
        yield how(f"Skill, mean, {where}", mean(skills.values()), MEAN_SKILL[horizon])
    if horizon == MINUTE and THIN_VENUE in skills:
        yield at_least(f"Skill, thin venue, {where}", skills[THIN_VENUE], 0.5)


def band_claims(whole: Sequence[Score], horizon: Horizon) -> Iterator[Claim]:
    held = [100 * _known(each).coverage_90 for each in whole]
    worst = [100 * (_known(each).worst_coverage_500 or 0.0) for each in whole]
    gains = [each.gain for each in whole]
    where = f"{horizon.minutes} min, %"
    yield at_least(f"90 % band held, lowest, {where}", min(held), 88.5)
    yield at_most(f"90 % band held, highest, {where}", max(held), 91.5)
    yield at_least(f"90 % band, worst 500, {where}", min(worst), WORST_500[horizon])
    gain = "Interval score better than the constant band's"
    yield at_least(f"{gain}, mean, {where}", mean(gains), INTERVAL_GAIN[horizon])
    yield at_least(f"{gain}, lowest, {where}", min(gains), 0)
