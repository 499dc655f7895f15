"""Time per fitted model, beside skforecast and mlforecast: ``python -m benchmarks.peers``.

All get the same feature table, the same trees, as many rows to train on and as many refits; feature
tables are built outside the clock. The peers forecast a centre; ours fits a centre and a spread,
calibrates both and draws bands, and is measured whole and, for comparison, the centre alone. The
peers' one lag is the least that skforecast accepts. They never see that outcomes overlap: that
would not change the time. Prints seconds as JSON on the last line.
"""

import argparse
import json
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd

from benchmarks import simulation
from benchmarks.claims import Claim, above, unmeasured
from benchmarks.speed import Stopwatch
from marketpulse.dataset import Dataset, build
from marketpulse.features import WARM_UP
from marketpulse.forecast import settle, walk_forward
from marketpulse.horizons import LONG, MINUTE, Horizon
from marketpulse.model import CENTRE_COLUMNS, PLANS, Plan, fit

ROOT = Path(__file__).parents[1]
INSTALL = "pip install -r benchmarks/requirements.txt"
PEERS = ("skforecast", "mlforecast")
REFITS, ROUNDS = 4, 5
SEED = 7


@dataclass(frozen=True, slots=True)
class Task:
    """What everybody has to do.

    Attributes
    ----------
    data : Dataset
    plan : Plan
    start : int
        First row to forecast: the first refit's.
    block : int
        Rows that each refit's model forecasts.
    trees : HistGradientBoostingRegressor
        The centre's estimator, not fitted.
    """

    data: Dataset
    plan: Plan
    start: int
    block: int
    trees: Any

    @property
    def rows(self) -> slice:
        """What a peer sees: as many rows to train on as ours, then all blocks."""
        return slice(self.start - self.plan.train_bars, self.start + REFITS * self.block)


def task(horizon: Horizon) -> Task:
    from sklearn.base import clone

    plan = PLANS[horizon.label]
    block = int(plan.retrain_every / horizon.bar)
    history = WARM_UP + plan.train_bars + plan.calibration_bars + 2 * horizon.steps
    start = -(-history // block) * block - 1  # as_of of row n is n + 1 bars after midnight
    count = start + REFITS * block + horizon.steps
    data = build(simulation.candles(simulation.walk(count, SEED), SEED, bar=horizon.bar), horizon)
    return Task(data, plan, start, block, clone(fit(data, data.as_of[start], plan).centre))


def ours(todo: Task) -> int:
    """Centre, spread, trust, bands and outcomes of every block; returns the forecasts made."""
    data, plan = todo.data, todo.plan
    stop = todo.start + REFITS * todo.block

    def model_at(fit_at: pd.Timestamp) -> Any:
        return fit(data, fit_at, plan) if fit_at < data.as_of[stop] else None

    return len(settle(walk_forward(data, plan, data.as_of[todo.start], model_at), data))


def our_centre(todo: Task) -> int:
    """The centre alone, without calibration: the least that any backtest does."""
    from sklearn.base import clone

    X, made = todo.data.X[:, CENTRE_COLUMNS], 0
    for start in range(todo.start, todo.start + REFITS * todo.block, todo.block):
        known = slice(start - todo.plan.train_bars, start)
        trees = clone(todo.trees).fit(X[known], todo.data.y[known])
        made += len(trees.predict(X[start : start + todo.block]))
    return made


def skforecast(todo: Task) -> int:
    from skforecast.model_selection import TimeSeriesFold, backtesting_forecaster
    from skforecast.recursive import ForecasterRecursive

    y = pd.Series(todo.data.y[todo.rows], name="y")
    folds = TimeSeriesFold(
        steps=todo.block, initial_train_size=todo.plan.train_bars, refit=True,
        fixed_train_size=True, verbose=False,
    )  # fmt: skip
    made = backtesting_forecaster(
        ForecasterRecursive(todo.trees, lags=1), y, folds, "mean_absolute_error",
        exog=_columns(todo), n_jobs=1, verbose=False, show_progress=False,
    )[1]  # fmt: skip
    return len(made)


def mlforecast(todo: Task) -> int:
    from mlforecast import MLForecast

    table = _columns(todo)
    table.insert(0, "y", todo.data.y[todo.rows])
    table.insert(0, "ds", np.arange(len(table)))
    table.insert(0, "unique_id", "one")
    made = MLForecast(todo.trees, freq=1, lags=[1]).cross_validation(
        table, n_windows=REFITS, h=todo.block, step_size=todo.block, refit=True,
        input_size=todo.plan.train_bars, static_features=[],
    )  # fmt: skip
    return len(made)


def _columns(todo: Task) -> pd.DataFrame:
    values = todo.data.X[todo.rows][:, CENTRE_COLUMNS]
    return pd.DataFrame(values, columns=[f"x{n}" for n in range(values.shape[1])])


def measured(horizon: Horizon) -> dict[str, float]:
    """Median seconds for each refit, everybody in turn; and how many models each of ours fits."""
    todo, stopwatch = task(horizon), Stopwatch()
    stopwatch.install(type(todo.trees))
    ours(todo)
    models = stopwatch.calls["fit"] / REFITS
    everybody: dict[str, Callable[[Task], int]] = {
        "ours": ours, "our centre": our_centre, "skforecast": skforecast, "mlforecast": mlforecast
    }  # fmt: skip
    seconds: dict[str, list[float]] = {name: [] for name in everybody}
    for _ in range(ROUNDS):
        for name, backtest in everybody.items():
            begun = time.perf_counter()
            made = backtest(todo)
            seconds[name].append((time.perf_counter() - begun) / REFITS)
            if made != REFITS * todo.block:
                raise RuntimeError(f"{name} made {made} forecasts, not {REFITS * todo.block}")
    return {name: median(each) for name, each in seconds.items()} | {"models": models}


def claims(python: str) -> Iterator[Claim]:
    """What is claimed beside the peers that this interpreter has."""
    name = "time per fitted model over ours"
    done = subprocess.run(
        [python, "-m", "benchmarks.peers"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    found = json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else {}
    print("Peers: " + (done.stdout.strip() if found else done.stderr.strip()[-500:]), flush=True)
    for horizon in (MINUTE, LONG):
        seconds = found.get(horizon.label)
        for peer in PEERS:
            claim = f"{peer}, {name}, {horizon.minutes} min"
            if seconds is None:
                yield unmeasured(claim, 1, INSTALL)
            else:  # ours fits a spread too at each refit, the peers one model
                yield above(claim, seconds[peer] * seconds["models"] / seconds["ours"], 1)


def main() -> int:
    argparse.ArgumentParser(description=__doc__).parse_args()
    missing = [peer for peer in PEERS if find_spec(peer) is None]
    if missing:
        print(f"No {' and no '.join(missing)} here: {INSTALL}", file=sys.stderr)
        return 1
    warnings.simplefilter("ignore")  # the peers warn of what they themselves do
    found = {horizon.label: measured(horizon) for horizon in (MINUTE, LONG)}
    print(f"seconds per refit, medians of {ROUNDS} rounds of {REFITS} refits, and models per refit")
    for label, each in found.items():
        for peer in PEERS:
            whole, centre = each[peer] / each["ours"], each[peer] / each["our centre"]
            print(
                f"  {peer}, {label}: {whole:.2f} times ours with spread and bands for each refit,"
                f" {whole * each['models']:.2f} for each fitted model,"
                f" {centre:.2f} times a centre alone"
            )
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
