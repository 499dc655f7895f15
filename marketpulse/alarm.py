"""The alarm for a pipeline that sees the future.

It knows nothing of what the pipeline does: it changes what came after a moment, and compares
everything that was said before it bit for bit.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Literal

import numpy as np
import pandas as pd

from marketpulse.dataset import Dataset, build
from marketpulse.evaluation import Built, Fitted, on_grid
from marketpulse.features import FEATURES
from marketpulse.forecast import walk_forward
from marketpulse.horizons import Horizon
from marketpulse.model import HorizonModel, Plan, fit

Change = Literal["cut off", "shuffled and scaled"]
Table = Literal["rows", "forecasts"]


@dataclass(frozen=True, slots=True)
class Alarm:
    """That something said before a moment depends on what came after it.

    Attributes
    ----------
    cut : pandas.Timestamp
        What closed later was changed.
    change : {"cut off", "shuffled and scaled"}
    table : {"rows", "forecasts"}
        Where the difference is: in the rows of the data set, or in forecasts from equal rows.
    column : str
        A column that differs in the first row that does.
    first : pandas.Timestamp
        ``as_of`` of that row.
    changed, checked : int
        Rows that differ, and rows compared.
    """

    cut: pd.Timestamp
    change: Change
    table: Table
    column: str
    first: pd.Timestamp
    changed: int
    checked: int

    @property
    def sentence(self) -> str:
        """What rang, in one sentence."""
        return (
            f"{self.changed:,} of {self.checked:,} {self.table} up to {_minute(self.cut)} change"
            f" when what came after is {self.change},"
            f" the first at {_minute(self.first)} in '{self.column}'."
        )


def _minute(when: pd.Timestamp) -> str:
    return f"{when:%Y-%m-%d %H:%M}"


def cut_off(candles: pd.DataFrame, known: int, _: int) -> pd.DataFrame:
    """The first ``known`` candles only."""
    return candles.iloc[:known]


def shuffled_and_scaled(candles: pd.DataFrame, known: int, seed: int) -> pd.DataFrame:
    """The candles with all behind the first ``known`` in another order, times 0.1 or 10 each."""
    random = np.random.default_rng(seed)
    other = candles.iloc[known + random.permutation(len(candles) - known)].copy()
    numbers = candles.columns.drop("filled")
    other[numbers] = other[numbers].mul(random.choice((0.1, 10.0), len(other)), axis=0)
    return pd.concat([candles.iloc[:known], other.set_index(candles.index[known:])])


CHANGES: Mapping[Change, Callable[[pd.DataFrame, int, int], pd.DataFrame]] = {
    "cut off": cut_off,
    "shuffled and scaled": shuffled_and_scaled,
}


def cuts(horizon: Horizon, fit_at: pd.Timestamp) -> tuple[pd.Timestamp, pd.Timestamp]:
    """Where leaks show: at a fit, over which a target may reach, and inside every longer bar."""
    return fit_at, fit_at + 31 * horizon.bar


def alarm(
    candles: pd.DataFrame,
    horizon: Horizon,
    plan: Plan,
    cuts: Iterable[pd.Timestamp],
    *,
    fitted: Fitted = fit,
    built: Built = build,
    changes: Iterable[Change] = tuple(CHANGES),
    seed: int = 0,
) -> Alarm | None:
    """The first sign that the future has been seen, or None.

    First the rows of the data set up to each cut are compared, then the forecasts up to each cut by
    the model that was in use then.

    Parameters
    ----------
    candles : pandas.DataFrame
        One-minute candles.
    horizon : Horizon
    plan : Plan
    cuts : iterable of pandas.Timestamp
        Moments up to which everything must stay as it is; see `cuts`. There must be enough history
        for the model that is in use then.
    fitted : callable
        The model of a data set, fit time and plan.
    built : callable
        The data set of bars on the horizon's grid.
    changes : iterable of str
        What becomes of the candles that close later.
    seed : int
    """
    tables: dict[Table, Callable[[Dataset, pd.Timestamp], pd.DataFrame]] = {
        "rows": _known_rows,
        "forecasts": partial(_forecasts, fitted, plan),
    }
    whole = built(on_grid(candles, horizon), horizon)
    for (table, said), cut in product(tables.items(), cuts):
        known = int(candles.index.searchsorted(cut))
        before = said(whole, cut)
        for change in changes:
            other = built(on_grid(CHANGES[change](candles, known, seed), horizon), horizon)
            found = _difference(before, said(other, cut))
            if found:
                return Alarm(cut, change, table, *found)
    return None


def _known_rows(data: Dataset, cut: pd.Timestamp) -> pd.DataFrame:
    """What the data set says up to a cut; a target only once it is known."""
    table = pd.DataFrame(data.X, index=data.as_of, columns=list(FEATURES))
    table = table.assign(close=data.close, scale=data.scale, usable=data.usable)
    known = np.arange(len(data)) < data.settled_by(cut)
    return table.assign(target=np.where(known, data.y, np.nan))[:cut]


def _forecasts(fitted: Fitted, plan: Plan, data: Dataset, cut: pd.Timestamp) -> pd.DataFrame:
    """The forecasts up to a cut by the model that was in use then."""

    def model_at(fit_at: pd.Timestamp) -> HorizonModel | None:
        return fitted(data, fit_at, plan) if fit_at <= cut else None

    return walk_forward(data, plan, plan.fit_time(cut), model_at)[:cut]


def _difference(
    said: pd.DataFrame, other: pd.DataFrame
) -> tuple[str, pd.Timestamp, int, int] | None:
    """Column and row of the first difference, how many rows differ, and of how many."""
    left, right = said.align(other)
    differs = ((left != right) & ~(left.isna() & right.isna())).to_numpy()
    rows = np.flatnonzero(differs.any(axis=1))
    if not len(rows):
        return None
    column = left.columns[int(np.argmax(differs[rows[0]]))]
    return column, left.index[rows[0]], len(rows), len(left)
