"""One model per horizon: a centre, a spread, and what the calibration slice says of both."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from marketpulse.bands import BANDS, bands
from marketpulse.dataset import Dataset, Slices, slices
from marketpulse.errors import NotEnoughCandles
from marketpulse.features import FEATURES, SPREAD_ONLY
from marketpulse.horizons import Horizon, Label

Array = npt.NDArray[np.float64]

TRUST_GRID = np.linspace(0.0, 1.0, 21)
# A shrink factor must improve on naive by this many standard errors over calibration blocks.
TRUST_Z = 2.0
RETRAIN_EVERY = pd.Timedelta(hours=4)
# Smallest spread that may be predicted, in units of current volatility.
MIN_SPREAD = 0.05


@dataclass(frozen=True, slots=True)
class Plan:
    """How much a model sees and how often it is made anew: the same live as in evaluation.

    Attributes
    ----------
    train_bars, min_train_bars : int
        Most and fewest rows to train on.
    calibration_bars : int
        Rows held back from every fit; also the window over which the bands stay calibrated.
    retrain_every : pandas.Timedelta
        Fits happen at whole multiples of it since 1970, so that a restart finds the same models.
    """

    train_bars: int
    min_train_bars: int
    calibration_bars: int
    retrain_every: pd.Timedelta = RETRAIN_EVERY

    @property
    def fewest_errors(self) -> int:
        """Past errors below which no band is drawn."""
        return self.calibration_bars // 4

    def fit_time(self, as_of: pd.Timestamp) -> pd.Timestamp:
        """When the model that is in use at ``as_of`` was fitted."""
        return as_of.floor(self.retrain_every)


PLANS: Mapping[Label, Plan] = {
    "minute": Plan(train_bars=14_000, min_train_bars=1_000, calibration_bars=2_000),
    "long": Plan(train_bars=2_500, min_train_bars=500, calibration_bars=800),
}

# Fixed seed: the same candles always make the same model.
CENTRE_TREES: Mapping[str, Any] = {
    "learning_rate": 0.05,
    "max_iter": 80,
    "max_leaf_nodes": 8,
    "min_samples_leaf": 100,
    "early_stopping": False,
    "random_state": 0,
}
# The size of a move can be learned from more features, if each tree is small and sees few of them.
SPREAD_TREES: Mapping[str, Any] = {
    "learning_rate": 0.03,
    "max_iter": 120,
    "max_leaf_nodes": 5,
    "min_samples_leaf": 60,
    "max_features": 0.3,
    "early_stopping": False,
    "random_state": 0,
}
CENTRE_COLUMNS = [n for n, name in enumerate(FEATURES) if name not in SPREAD_ONLY]


@dataclass(frozen=True, slots=True)
class HorizonModel:
    """A fitted and calibrated model of one horizon.

    Attributes
    ----------
    horizon : Horizon
    plan : Plan
    fit_at : pandas.Timestamp
        Nothing that was unknown then has touched the model.
    centre : HistGradientBoostingRegressor
        Median of the target, in units of volatility.
    spread : HistGradientBoostingRegressor
        Median size of the target, in units of volatility.
    trust : float
        Share of the raw centre that the calibration slice has earned, 0 to 1.
    usual : tuple of float
        5 % and 95 % quantiles of the calibration slice's returns (log, over the horizon): the band
        of constant width that the model's own has to beat.
    trained_on : tuple of pandas.Timestamp
        ``as_of`` of the first and of the last train row.
    """

    horizon: Horizon
    plan: Plan
    fit_at: pd.Timestamp
    centre: Any
    spread: Any
    trust: float
    usual: tuple[float, float]
    trained_on: tuple[pd.Timestamp, pd.Timestamp]


def rows_seen(data: Dataset, fit_at: pd.Timestamp, plan: Plan) -> Slices:
    """The rows that a fit at ``fit_at`` sees.

    Raises
    ------
    NotEnoughCandles
        If too few were known by then.
    """
    return slices(
        data,
        fit_at,
        train_bars=plan.train_bars,
        min_train_bars=plan.min_train_bars,
        calibration_bars=plan.calibration_bars,
    )


def fit(data: Dataset, fit_at: pd.Timestamp, plan: Plan) -> HorizonModel:
    """A model that knows what was known at ``fit_at``.

    Raises
    ------
    NotEnoughCandles
        If too few rows were known by then, or too many of them lie beside gaps.
    """
    rows = rows_seen(data, fit_at, plan)
    train_X, train_y = _known(data, rows.train)
    calibration_X, calibration_y = _known(data, rows.calibrate)
    if len(train_y) < plan.min_train_bars or len(calibration_y) < plan.fewest_errors:
        minutes = data.horizon.minutes
        raise NotEnoughCandles(f"The {minutes}-minute model has too many gaps in its history.")
    centre = _fitted(train_X[:, CENTRE_COLUMNS], train_y, CENTRE_TREES)
    spread = _fitted(train_X, np.abs(train_y), SPREAD_TREES)
    trained_on = (data.as_of[rows.train.start], data.as_of[rows.train.stop - 1])
    block = block_length(data.horizon)
    trust = earned_trust(
        calibration_y, centre.predict(calibration_X[:, CENTRE_COLUMNS]), block=block
    )
    returns = data.y[rows.calibrate] * data.scale[rows.calibrate]
    low, high = np.nanquantile(returns, (BANDS["low_90"], BANDS["high_90"]))
    usual = (float(low), float(high))
    return HorizonModel(data.horizon, plan, fit_at, centre, spread, trust, usual, trained_on)


def _known(data: Dataset, rows: slice) -> tuple[Array, Array]:
    """Features and targets of the usable rows of a slice whose target is known."""
    known = data.usable[rows] & np.isfinite(data.y[rows])
    return data.X[rows][known], data.y[rows][known]


def regressor() -> Any:
    """The class of the trees. scikit-learn takes a second to import, so only when it is needed."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    return HistGradientBoostingRegressor


def _fitted(X: Array, y: Array, trees: Mapping[str, Any]) -> Any:
    """Trees fitted to the median."""
    return regressor()(loss="absolute_error", **trees).fit(X, y)


def block_length(horizon: Horizon) -> int:
    """Rows per block of evidence: an hour of bars, or five horizons if that is longer.

    Overlapping targets are correlated over ``steps`` rows, so shorter blocks would count the same
    evidence several times.
    """
    return max(60 if horizon.label == "minute" else 12, 5 * horizon.steps)


def earned_trust(actual: Array, centre: Array, *, block: int) -> float:
    """Share of the centre that beats naive beyond doubt.

    For each factor of a grid the gain over naive in absolute error is averaged within blocks; the
    factor with the largest mean gain less `TRUST_Z` standard errors over blocks wins, if that is
    positive.

    Parameters
    ----------
    actual, centre : ndarray of shape (n,)
        Returns and their raw forecasts, same unit.
    block : int
        Rows per block.

    Returns
    -------
    float
        0 to 1.
    """
    count = len(actual) // block
    if count < 2:
        return 0.0
    used = slice(len(actual) - count * block, None)
    y, c = actual[used], centre[used]
    gain = np.abs(y)[:, None] - np.abs(y[:, None] - c[:, None] * TRUST_GRID)  # (n, factors)
    blocks = gain.reshape(count, block, -1).mean(axis=1)  # (blocks, factors)
    proven = blocks.mean(axis=0) - TRUST_Z * blocks.std(axis=0, ddof=1) / np.sqrt(count)
    best = int(np.argmax(proven))
    return float(TRUST_GRID[best]) if proven[best] > 0 else 0.0


def predict(model: HorizonModel, data: Dataset, start: int, stop: int) -> pd.DataFrame:
    """Forecast returns for rows ``start`` to ``stop``, as each would have been made at its time.

    The bands are those of `marketpulse.bands`, which always begin at the model's own calibration
    slice: a row has the same bits however many others are asked for with it.

    Parameters
    ----------
    model : HorizonModel
    data : Dataset
        Must reach back to the model's calibration slice.
    start, stop : int
        Row range; all rows lie at or after the model's ``fit_at``.

    Returns
    -------
    pandas.DataFrame, shape (k, 11)
        Indexed by ``as_of``, unusable rows left out. ``close`` in quote currency; ``raw``,
        ``trusted``, ``low_90``, ``low_50``, ``high_50``, ``high_90``, ``usual_low``,
        ``usual_high`` as log returns over the horizon; ``trust`` 0 to 1; ``fit_at``.
    """
    window = model.plan.calibration_bars
    known = data.settled_by(model.fit_at)
    first = max(0, known - window)
    rows = slice(first, stop)
    centre = model.centre.predict(data.X[rows][:, CENTRE_COLUMNS])
    spread = np.maximum(model.spread.predict(data.X[rows]), MIN_SPREAD)
    trusted, scale, usable = model.trust * centre, data.scale[rows], data.usable[rows]
    ends = bands(
        np.where(usable, (data.y[rows] - trusted) / spread, np.nan),
        fitted=known - first,
        window=window,
        fewest=model.plan.fewest_errors,
        steps=model.horizon.steps,
    )
    columns = {"close": data.close[rows], "raw": centre * scale, "trusted": trusted * scale}
    columns |= {name: (trusted + end * spread) * scale for name, end in ends.items()}
    table = pd.DataFrame(columns, index=data.as_of[rows])
    table["usual_low"], table["usual_high"] = model.usual
    table["trust"] = model.trust
    table["fit_at"] = model.fit_at
    wanted = usable & np.isfinite(table["low_90"].to_numpy()) & (np.arange(first, stop) >= start)
    made: pd.DataFrame = table[wanted]
    return made
