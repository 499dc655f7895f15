"""One model per horizon: a centre, a spread, and what the calibration slice says of both."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from marketpulse.bands import BANDS, bands
from marketpulse.dataset import Dataset, Slices, fingerprint, slices
from marketpulse.errors import NotEnoughCandles
from marketpulse.features import FEATURES, SPREAD_ONLY
from marketpulse.horizons import Horizon, Label
from marketpulse.packages import without_init

Array = npt.NDArray[np.float64]

TRUST_GRID = np.linspace(0.0, 1.0, 21)
# A shrink factor must improve on naive by this many standard errors over blocks of evidence. Many
# overlapping outcomes come from few stretches of market, and what beat naive there often ends.
TRUST_Z, TRUST_Z_OVERLAPPING = 1.0, 3.0
# Parts of the train slice that are each forecast by trees fitted to the others, as evidence.
# More of them leave more to learn from, and stumps are cheap.
FOLDS, FOLDS_OVERLAPPING = 3, 8
RETRAIN_EVERY = pd.Timedelta(hours=4)
# How far one outcome moves the log of a band's width. Larger reacts faster and costs sharpness.
RATE = 0.02
# What importing the trees brings along, and they never call: half of the time that it takes.
NOT_OURS = {
    "numpy.f2py": (),
    "scipy.optimize": ("linear_sum_assignment", "linprog", "minimize"),
    "scipy.stats": ("chi2", "gmean", "rankdata"),
}
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

# Fixed seed: the same candles always make the same model. Little can be learned of where a price
# goes, so the trees are few and small.
CENTRE_TREES: Mapping[str, Any] = {
    "loss": "absolute_error",
    "learning_rate": 0.05,
    "max_iter": 100,
    "max_leaf_nodes": 3,
    "max_features": 0.5,
    "max_bins": 32,
    "early_stopping": False,
    "random_state": 0,
}
# Outcomes that overlap hold the less the more they do: stumps, and the mean, which needs fewer.
CENTRE_STUMPS: Mapping[str, Any] = {
    **CENTRE_TREES,
    "loss": "squared_error",
    "max_iter": 25,
    "max_leaf_nodes": 2,
}
MIN_ROWS_IN_LEAF = 400
ROWS_IN_LEAF_PER_STEP = 100
# The centre learns from outcomes of at most so many volatilities: beyond, they are news.
MAX_OUTCOME = 2.0
# The size of a move can be learned from more features, if each tree is small and sees few of them.
# One step is fitted in the median; volatility on the way in the mean of its log.
SPREAD_TREES: Mapping[str, Any] = {
    "loss": "absolute_error",
    "learning_rate": 0.03,
    "max_iter": 120,
    "max_leaf_nodes": 5,
    "min_samples_leaf": 60,
    "max_features": 0.3,
    "early_stopping": False,
    "random_state": 0,
}
SPREAD_TREES_OVERLAPPING: Mapping[str, Any] = {
    **SPREAD_TREES,
    "loss": "squared_error",
    "max_iter": 200,
}
TREES = (CENTRE_TREES, CENTRE_STUMPS, SPREAD_TREES, SPREAD_TREES_OVERLAPPING)
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
        Where the target lies, in units of volatility.
    spread : HistGradientBoostingRegressor or TransformedTargetRegressor
        Size of the move, in units of volatility: `Dataset.size`.
    trust : float
        Share of the raw centre that is earned, 0 to 1.
    usual : tuple of float
        5 % and 95 % quantiles of the calibration slice's returns (log, over the horizon): the band
        of constant width that the model's own has to beat.
    usual_moves : ndarray of shape (24,)
        Median size of the return over the horizon (log) by the UTC hour of ``as_of``, over all rows
        that the model has seen: this hour's norm.
    trained_on : tuple of pandas.Timestamp
        ``as_of`` of the first and of the last train row.
    id : str
        Horizon, fit time, and the beginning of the fingerprint of the rows it has seen.
    """

    horizon: Horizon
    plan: Plan
    fit_at: pd.Timestamp
    centre: Any
    spread: Any
    trust: float
    usual: tuple[float, float]
    usual_moves: Array
    trained_on: tuple[pd.Timestamp, pd.Timestamp]
    id: str


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
    train, calibrate = _known(data, rows.train), _known(data, rows.calibrate)
    train_X, train_y = data.X[train], data.y[train]
    calibration_X, calibration_y = data.X[calibrate], data.y[calibrate]
    if len(train_y) < plan.min_train_bars or len(calibration_y) < plan.fewest_errors:
        minutes = data.horizon.minutes
        raise NotEnoughCandles(f"The {minutes}-minute model has too many gaps in its history.")
    trees, centre_X = centre_trees(data.horizon, len(train_y)), train_X[:, CENTRE_COLUMNS]
    aims = np.clip(train_y, -MAX_OUTCOME, MAX_OUTCOME)
    centre = _fitted(centre_X, aims, trees)
    spread = _spread(train_X, data.size[train], data.horizon)
    trained_on = (data.as_of[rows.train.start], data.as_of[rows.train.stop - 1])
    overlapping = data.horizon.steps > 1
    folds = FOLDS_OVERLAPPING if overlapping else FOLDS
    unseen = held_out(centre_X, aims, trees, gap=data.horizon.steps, folds=folds)
    trust = earned_trust(
        np.concatenate((train_y, calibration_y)),
        np.concatenate((unseen, centre.predict(calibration_X[:, CENTRE_COLUMNS]))),
        block=block_length(data.horizon),
        z=TRUST_Z_OVERLAPPING if overlapping else TRUST_Z,
    )
    returns = data.y[rows.calibrate] * data.scale[rows.calibrate]
    low, high = np.nanquantile(returns, (BANDS["low_90"], BANDS["high_90"]))
    return HorizonModel(
        horizon=data.horizon,
        plan=plan,
        fit_at=fit_at,
        centre=centre,
        spread=spread,
        trust=trust,
        usual=(float(low), float(high)),
        usual_moves=hourly_moves(data, slice(rows.train.start, rows.calibrate.stop)),
        trained_on=trained_on,
        id=f"{data.horizon.label}-{fit_at:%Y%m%dT%H%MZ}-{fingerprint(data, rows)[:8]}",
    )


def hourly_moves(data: Dataset, rows: slice) -> Array:
    """Median size of the known returns (log) by the UTC hour of ``as_of``. Shape (24,).

    An hour without any has the median of all.
    """
    moves = pd.Series(np.abs(data.y[rows] * data.scale[rows]))
    by_hour = moves.groupby(data.as_of[rows].hour.to_numpy()).median().reindex(range(24))
    return np.asarray(by_hour.fillna(moves.median()), dtype="float64")


def _known(data: Dataset, rows: slice) -> npt.NDArray[np.int64]:
    """Positions of the usable rows of a slice whose target is known."""
    return np.arange(len(data))[rows][data.usable[rows] & np.isfinite(data.y[rows])]


def regressor() -> Any:
    """The class of the trees. scikit-learn takes a second to import, so only when it is needed."""
    for package, names in NOT_OURS.items():
        without_init(package, *names)
    from sklearn.ensemble import HistGradientBoostingRegressor

    return HistGradientBoostingRegressor


def centre_trees(horizon: Horizon, rows: int) -> dict[str, Any]:
    """Parameters of the trees that forecast where the price goes, from so many rows."""
    leaf = max(MIN_ROWS_IN_LEAF, ROWS_IN_LEAF_PER_STEP * horizon.steps)
    trees = CENTRE_TREES if horizon.steps == 1 else CENTRE_STUMPS
    return {**trees, "min_samples_leaf": min(leaf, rows // 3)}


def _fitted(X: Array, y: Array, trees: Mapping[str, Any]) -> Any:
    return regressor()(**trees).fit(_learnable(X), y)


def _learnable(X: Array) -> Array:
    """The same rows, a column of which nothing is known as a constant, which teaches nothing.

    There are some at a venue that tells no volume, and scikit-learn fails over them.
    """
    return np.where(np.isnan(X).all(axis=0), 0.0, X)


def _spread(X: Array, size: Array, horizon: Horizon) -> Any:
    """Trees fitted to the size of the move."""
    if horizon.steps == 1:
        return _fitted(X, size, SPREAD_TREES)
    from sklearn.compose import TransformedTargetRegressor

    trees = regressor()(**SPREAD_TREES_OVERLAPPING)
    in_logs = TransformedTargetRegressor(trees, func=np.log, inverse_func=np.exp)
    return in_logs.fit(_learnable(X), np.maximum(size, MIN_SPREAD))


def held_out(
    X: Array, y: Array, trees: Mapping[str, Any], *, gap: int, folds: int = FOLDS
) -> Array:
    """What the trees would say of each row if they had not seen it.

    The rows are cut into ``folds`` parts in time order; each is forecast by trees fitted to the
    others, less ``gap`` rows on either side of it, whose outcomes overlap its own.

    Returns
    -------
    ndarray of shape (n,)
    """
    said, edges = np.empty(len(y)), np.linspace(0, len(y), folds + 1).astype(int)
    for start, stop in pairwise(edges.tolist()):
        others = np.r_[0 : max(0, start - gap), min(len(y), stop + gap) : len(y)]
        said[start:stop] = _fitted(X[others], y[others], trees).predict(X[start:stop])
    return said


def block_length(horizon: Horizon) -> int:
    """Rows per block of evidence: an hour of bars, or five horizons if that is longer.

    Overlapping targets are correlated over ``steps`` rows, so shorter blocks would count the same
    evidence several times.
    """
    return max(60 if horizon.label == "minute" else 12, 5 * horizon.steps)


def earned_trust(actual: Array, centre: Array, *, block: int, z: float) -> float:
    """Share of the centre that beats naive beyond doubt.

    For each factor of a grid the gain over naive in absolute error is averaged within blocks; the
    factor with the largest mean gain less ``z`` standard errors over blocks wins, if that is
    positive.

    Parameters
    ----------
    actual, centre : ndarray of shape (n,)
        Returns and their raw forecasts, same unit.
    block : int
        Rows per block.
    z : float
        How much doubt there is.

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
    proven = blocks.mean(axis=0) - z * blocks.std(axis=0, ddof=1) / np.sqrt(count)
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
    pandas.DataFrame, shape (k, 15)
        Indexed by ``as_of``, unusable rows left out. ``close`` in quote currency; as log returns
        over the horizon ``raw``, ``trusted``, the ends of the bands, ``usual_low``,
        ``usual_high``, ``volatility`` (standard deviation as known then), ``expected_move`` (median
        size, by the 50 % band) and ``usual_move`` (that of this hour of the day); ``trust`` 0 to 1;
        ``fit_at``; ``model``, its id.
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
        rate=RATE,
    )
    columns = {"close": data.close[rows], "raw": centre * scale, "trusted": trusted * scale}
    columns |= {name: (trusted + end * spread) * scale for name, end in ends.items()}
    table = pd.DataFrame(columns, index=data.as_of[rows])
    table["usual_low"], table["usual_high"] = model.usual
    table["volatility"] = scale
    table["expected_move"] = (table["high_50"] - table["low_50"]) / 2.0
    table["usual_move"] = model.usual_moves[data.as_of[rows].hour.to_numpy()]
    table["trust"], table["fit_at"], table["model"] = model.trust, model.fit_at, model.id
    wanted = usable & np.isfinite(table["low_90"].to_numpy()) & (np.arange(first, stop) >= start)
    made: pd.DataFrame = table[wanted]
    return made
