"""Walk-forward forecasts of whole candle tables: on all cores, and kept on disk.

What was forecast depends on the candles, the horizon, the plan and the code alone, so a file with
that fingerprint in its name is never wrong; a damaged one is made again.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd

from marketpulse import features
from marketpulse.dataset import build
from marketpulse.errors import NotEnoughCandles
from marketpulse.evaluation import first_fit, on_grid
from marketpulse.forecast import settled_part, walk_forward, with_outcomes
from marketpulse.horizons import Horizon
from marketpulse.model import PLANS, HorizonModel, Plan, fit
from marketpulse.model_store import code_versions
from marketpulse.parallel import Progress, in_parallel
from marketpulse.settings import Centre
from marketpulse.signals import decision_table

# One task forecasts as many days, so that none is long and each is worth its data.
DAYS_A_TASK = {"minute": 1, "long": 4}
MOST_FILES = 200

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Walk:
    """The forecasts of both horizons over the same candles.

    Attributes
    ----------
    candles : pandas.DataFrame
        One-minute candles.
    horizons : tuple of Horizon
        Minute and long.
    minute, long : pandas.DataFrame
        As `marketpulse.forecast.with_outcomes` returns.
    """

    candles: pd.DataFrame
    horizons: tuple[Horizon, Horizon]
    minute: pd.DataFrame
    long: pd.DataFrame

    def decisions(self, tail: int, centre: Centre) -> pd.DataFrame:
        """What was known at each bar, from the first one on of which both horizons had said.

        As `marketpulse.signals.decision_table`; both centres have the same bars.

        Raises
        ------
        NotEnoughCandles
            If gaps forbade every forecast.
        """
        if self.minute.empty or self.long.empty:
            raise NotEnoughCandles("Gaps in the candles forbid every forecast, so nothing is done.")
        settled = settled_part(self.minute), settled_part(self.long)
        first = max(self.minute.index[0], self.long.index[0])
        minute = self.minute[self.minute.index >= first]
        return decision_table(minute, self.long, settled, self.horizons, tail, centre, self.candles)


def walk(
    candles: pd.DataFrame,
    horizons: tuple[Horizon, Horizon],
    *,
    folder: Path | None = None,
    progress: Progress | None = None,
    stop: Callable[[], bool] | None = None,
) -> Walk | None:
    """Forecast a candle table as the live app would have; None if it was stopped.

    Parameters
    ----------
    candles : pandas.DataFrame
        One-minute candles.
    horizons : tuple of Horizon
        Minute and long.
    folder : pathlib.Path, optional
        Where forecasts are kept and looked for; they are not, if None.
    progress, stop : callable, optional
        As for `marketpulse.parallel.in_parallel`.

    Raises
    ------
    NotEnoughCandles
        If the table is too short for a first model and a forecast by it.
    """
    found = {horizon: _read(folder, candles, horizon) for horizon in horizons}
    tables = {horizon: table for horizon, table in found.items() if table is not None}
    tasks = {each: list(_tasks(candles, each)) for each in horizons if each not in tables}
    flat = [task for each in tasks.values() for task in each]
    made = list(in_parallel(forecast_part, flat, progress=progress, stop=stop))
    if len(made) < len(flat):
        return None
    for horizon, each in tasks.items():
        parts, made = made[: len(each)], made[len(each) :]
        full = [part for part in parts if not part.empty]
        tables[horizon] = pd.concat(full) if full else pd.DataFrame()
        _write(folder, candles, horizon, tables[horizon])
    return Walk(candles, horizons, tables[horizons[0]], tables[horizons[1]])


def _tasks(
    candles: pd.DataFrame, horizon: Horizon
) -> Iterator[tuple[pd.DataFrame, Horizon, Plan, pd.Timestamp, pd.Timestamp]]:
    """The stretches to be forecast, each with the candles that it depends on."""
    plan = PLANS[horizon.label]
    as_of = pd.DatetimeIndex(on_grid(candles, horizon).index + horizon.bar)
    start, last = first_fit(as_of, horizon, plan), as_of[-1]
    step = DAYS_A_TASK[horizon.label] * pd.Timedelta(days=1)
    while start <= last:
        stop = min(start.floor(step) + step, last + horizon.bar)
        known = candles[candles.index >= start - _memory(horizon, plan)]
        yield known[known.index < stop + horizon.span], horizon, plan, start, stop
        start = stop


def _memory(horizon: Horizon, plan: Plan) -> pd.Timedelta:
    """How far back a forecast may depend on candles: its model's slices, and their features'."""
    bars = plan.train_bars + plan.calibration_bars + 2 * features.WARM_UP + 4 * horizon.steps
    # Whole days before, so that bars of every length begin where they do in the whole table.
    return (bars * horizon.bar + plan.retrain_every).ceil("D") + pd.Timedelta(days=1)


def forecast_part(
    candles: pd.DataFrame,
    horizon: Horizon,
    plan: Plan,
    start: pd.Timestamp,
    stop: pd.Timestamp,
) -> pd.DataFrame:
    """The forecasts from ``start`` to before ``stop``, with what came of them."""
    data = build(on_grid(candles, horizon), horizon)

    def model_at(fit_at: pd.Timestamp) -> HorizonModel | None:
        try:
            return fit(data, fit_at, plan)
        except NotEnoughCandles:  # over gaps there is no model, and so no forecast
            return None

    return with_outcomes(walk_forward(data, plan, start, model_at, stop), data)


def fingerprint(candles: pd.DataFrame, horizon: Horizon) -> str:
    """SHA-256 of all that the forecasts of a table depend on, in hexadecimal."""
    what = (horizon, PLANS[horizon.label], sorted(code_versions().items()))
    seen = sha256(repr(what).encode())
    seen.update(pd.DatetimeIndex(candles.index).as_unit("us").asi8.tobytes())
    for name in ("open", "high", "low", "close", "volume", "filled"):
        seen.update(np.ascontiguousarray(candles[name].to_numpy()).tobytes())
    return seen.hexdigest()


def _path(folder: Path, candles: pd.DataFrame, horizon: Horizon) -> Path:
    return folder / f"{horizon.label}-{horizon.steps}-{fingerprint(candles, horizon)[:32]}.parquet"


def _read(folder: Path | None, candles: pd.DataFrame, horizon: Horizon) -> pd.DataFrame | None:
    if folder is None:
        return None
    path = _path(folder, candles, horizon)
    if not path.exists():
        return None
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:  # pyarrow's errors are ValueErrors
        _log.warning("%s is damaged, and made again: %s", path.name, error)
        return None


def _write(
    folder: Path | None, candles: pd.DataFrame, horizon: Horizon, table: pd.DataFrame
) -> None:
    """Keep a table; a full disk only means that it is not kept."""
    if folder is None or table.empty:
        return
    path = _path(folder, candles, horizon)
    part = path.with_suffix(".part")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        table.to_parquet(part)
        part.replace(path)
        _forget_oldest(folder)
    except OSError as error:
        _log.warning("Forecasts are not kept in %s: %s", folder, error)


def _forget_oldest(folder: Path) -> None:
    files = sorted(folder.glob("*.parquet"), key=lambda path: path.stat().st_mtime)
    for path in files[:-MOST_FILES]:
        path.unlink(missing_ok=True)


def walk_all(
    tables: Mapping[str, pd.DataFrame],
    horizons: tuple[Horizon, Horizon],
    *,
    folder: Path | None = None,
    progress: Progress | None = None,
) -> Iterator[tuple[str, Walk]]:
    """Forecast many candle tables one after the other, each on all cores or the whole cluster.

    Parameters
    ----------
    tables : mapping of name to pandas.DataFrame
    horizons, folder, progress
        As for `walk`.
    """
    for name, candles in tables.items():
        made = walk(candles, horizons, folder=folder, progress=progress)
        if made is not None:
            yield name, made
