"""A walk-forward of thirty days with a stopwatch around every call of the trees."""

import resource
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks import simulation
from benchmarks.claims import Claim, at_most
from marketpulse import model
from marketpulse.evaluation import walked
from marketpulse.horizons import LONG, MINUTE, Horizon
from marketpulse.sources.recorded import load

MINUTES = 30 * 24 * 60
SEED = 30
MEGABYTE = 1024  # in the kilobytes of ru_maxrss


@dataclass(slots=True)
class Stopwatch:
    """CPU seconds inside ``fit`` and ``predict`` of every estimator, once it is installed.

    CPU time, because what else the machine does falls on what is inside and outside by chance.

    Attributes
    ----------
    seconds : dict of str to float
    calls : dict of str to int
    """

    seconds: dict[str, float] = field(default_factory=lambda: {"fit": 0.0, "predict": 0.0})
    calls: dict[str, int] = field(default_factory=lambda: {"fit": 0, "predict": 0})

    @property
    def bare(self) -> float:
        """All the seconds."""
        return sum(self.seconds.values())

    def install(self, estimator: Any) -> None:
        """Time these two methods of a class from now on."""
        for name in self.seconds:
            setattr(estimator, name, self._timed(name, getattr(estimator, name)))

    def _timed(self, name: str, method: Any) -> Any:
        def timed(*args: Any, **options: Any) -> Any:
            begun = time.process_time()
            try:
                return method(*args, **options)
            finally:
                self.seconds[name] += time.process_time() - begun
                self.calls[name] += 1

        return timed


@dataclass(frozen=True, slots=True)
class Walk:
    """What one walk took.

    Attributes
    ----------
    horizon : Horizon
    seconds : float
        By the clock: data set, fits, forecasts, bands, outcomes.
    cpu, bare : float
        CPU seconds of all of it, and those inside ``fit`` and ``predict`` of the trees.
    beyond : float
        CPU seconds outside `marketpulse.model.fit` and outside ``predict`` of the trees.
    fits, forecasts : int
        Estimators fitted, and settled forecasts made.
    megabytes : float
        Most memory that the process ever held.
    """

    horizon: Horizon
    seconds: float
    cpu: float
    bare: float
    beyond: float
    fits: int
    forecasts: int
    megabytes: float


def candles_of(paths: Sequence[Path]) -> tuple[str, pd.DataFrame]:
    """Thirty days: the end of the first file that is so long, or a simulation; with their name."""
    for path in paths:
        candles = load(path).candles
        if len(candles) >= MINUTES:
            return path.name, candles.iloc[-MINUTES:]
    returns = simulation.walk(MINUTES, SEED)
    return f"a simulation with seed {SEED}", simulation.candles(returns, SEED)


def walk(candles: pd.DataFrame, horizon: Horizon) -> Walk:
    """Walk in a fresh process, so that its memory is its own."""
    stopwatch, around = Stopwatch(), [0.0]
    stopwatch.install(model.regressor())

    def fitted(*args: Any) -> model.HorizonModel:
        before = time.process_time() - stopwatch.bare
        try:
            return model.fit(*args)
        finally:  # what a fit does besides its trees is no part of the time per bar
            around[0] += time.process_time() - stopwatch.bare - before

    begun, worked = time.perf_counter(), time.process_time()
    settled = walked(candles, horizon, fitted)
    seconds, cpu = time.perf_counter() - begun, time.process_time() - worked
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MEGABYTE
    bare, fits = stopwatch.bare, stopwatch.calls["fit"]
    return Walk(horizon, seconds, cpu, bare, cpu - bare - around[0], fits, len(settled), held)


def claims(paths: Sequence[Path]) -> Iterator[Claim]:
    """What is claimed of the time and memory that a walk of both horizons takes."""
    name, candles = candles_of(paths)
    print(f"Speed: {MINUTES:,} minutes of {name}, one process for each horizon", flush=True)
    begun = time.perf_counter()
    with ProcessPoolExecutor(2, get_context("spawn"), max_tasks_per_child=1) as pool:
        walks = list(pool.map(walk, (candles, candles), (MINUTE, LONG)))
    seconds = time.perf_counter() - begun
    for each in walks:
        print(line(each), flush=True)
    ratio = sum(each.cpu for each in walks) / sum(each.bare for each in walks)
    beyond = 1_000 * sum(w.beyond for w in walks) / sum(w.forecasts for w in walks)
    yield at_most("30 days of both horizons on 2 cores, s", seconds, 300)
    yield at_most("30 days, time over that of bare fit and predict", ratio, 1.2)
    yield at_most("30 days, memory of both processes, MB", sum(w.megabytes for w in walks), 1_000)
    yield at_most("30 days, beyond predict, ms a bar", beyond, 0.2)


def line(each: Walk) -> str:
    """One horizon's walk."""
    return (
        f"  {each.horizon.minutes:>2} min: {each.seconds:.1f} s; {each.cpu:.1f} s of CPU,"
        f" {each.cpu / each.bare:.3f} times that in fit and predict of {each.fits} models;"
        f" {each.forecasts:,} forecasts, {1_000 * each.beyond / each.forecasts:.3f} ms a bar beyond"
        f" predict; {each.megabytes:.0f} MB"
    )
