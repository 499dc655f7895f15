"""Mistakes made on purpose, each of which sees the future, for `marketpulse.alarm` to hear.

A leak is the pipeline with one function replaced. Beside them stands the mistake that needs no
future to fail: a price for a target.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from marketpulse.bands import BANDS
from marketpulse.dataset import MIN_VOLATILITY, Dataset, build
from marketpulse.evaluation import Built, Fitted, on_grid, walked
from marketpulse.features import FEATURES, SPREAD_ONLY, InVolatilities, log_return, volatility
from marketpulse.forecast import settle
from marketpulse.horizons import Horizon
from marketpulse.model import TRUST_GRID, HorizonModel, Plan, fit, predict

Array = npt.NDArray[np.float64]

# A leaking column takes the place of the first one that the centre sees.
PLACE = next(n for n, name in enumerate(FEATURES) if name not in SPREAD_ONLY)


@dataclass(frozen=True, slots=True)
class Leak:
    """A pipeline with one mistake in it.

    Attributes
    ----------
    name : str
    mistake : str
        What it does wrong, as a sentence.
    built : callable
        The data set of bars on a horizon's grid.
    fitted : callable
        The model of a data set, fit time and plan.
    """

    name: str
    mistake: str
    built: Built = build
    fitted: Fitted = fit


LEAKS: dict[str, Leak] = {}


# Each function below is one leak: its name is the leak's, its docstring the mistake --------------


def _leak(mistake: Callable[..., Any], built: Built = build, fitted: Fitted = fit) -> Leak:
    name = mistake.__name__.replace("_", "-")
    LEAKS[name] = Leak(name, mistake.__doc__ or "", built, fitted)
    return LEAKS[name]


def _column_of_all(values: Callable[[pd.DataFrame, Dataset], Any]) -> Leak:
    """A column made of all candles and all targets."""

    def built(candles: pd.DataFrame, horizon: Horizon) -> Dataset:
        data = build(candles, horizon)
        X = data.X.copy()
        X[:, PLACE] = values(candles, data)
        return replace(data, X=X)

    return _leak(values, built)


def _column(values: Callable[[pd.DataFrame], Any]) -> Leak:
    """A column made of all candles."""

    def column(candles: pd.DataFrame, _: Dataset) -> Any:
        return values(candles)

    column.__name__, column.__doc__ = values.__name__, values.__doc__
    return _column_of_all(column)


def _level(level: Callable[[pd.DataFrame], Any]) -> Leak:
    """The distance of a price that is not known yet from the close, in volatilities."""

    def distance(candles: pd.DataFrame) -> Array:
        beyond: Array = np.log(np.asarray(level(candles) / candles["close"]))
        return beyond

    scaled = InVolatilities(distance)

    def column(candles: pd.DataFrame) -> Any:
        return scaled(candles)

    column.__name__, column.__doc__ = level.__name__, level.__doc__
    return _column(column)


def _rows(built: Built) -> Leak:
    """A data set with other scales, targets or rows."""
    return _leak(built, built)


def _fit(fitted: Fitted) -> Leak:
    """A model that saw more than was known when it is said to have been fitted."""
    return _leak(fitted, fitted=fitted)


def _moves(candles: pd.DataFrame) -> Any:
    return pd.Series(log_return(candles), index=candles.index)


def _longer(candles: pd.DataFrame, length: str | int) -> Any:
    """Candles grouped into longer bars: a length of time, or so many bars."""
    opens = pd.DatetimeIndex(candles.index)
    bar = pd.Timedelta(length) if isinstance(length, str) else length * (opens[1] - opens[0])
    return candles.groupby(opens.floor(bar))


def _place(close: Any, low: Any, high: Any) -> Any:
    """Where a close lies between two prices, 0 to 1."""
    return (close - low) / (high - low).where(high > low)


def _without_thin_bars(candles: pd.DataFrame) -> Any:
    """The close, missing where little was traded."""
    usual = candles["volume"].rolling(20, min_periods=1).median()
    return candles["close"].where(candles["volume"] > usual)


@_level
def next_close(candles: pd.DataFrame) -> Any:
    """A negative shift puts the next close beside the bar before it."""
    return candles["close"].shift(-1)


@_level
def centred_mean(candles: pd.DataFrame) -> Any:
    """A mean is centred on its bar, so that half of its window is still to come."""
    return candles["close"].rolling(5, center=True).mean()


@_column
def centred_deviation(candles: pd.DataFrame) -> Any:
    """A standard deviation is centred on its bar, so that half of its window is still to come."""
    return _moves(candles).rolling(21, center=True).std()


@_level
def smoothed_both_ways(candles: pd.DataFrame) -> Any:
    """A smoother without lag runs over the prices forwards and then backwards."""
    return candles["close"].ewm(span=5).mean()[::-1].ewm(span=5).mean()[::-1]


@_level
def gaps_filled_backwards(candles: pd.DataFrame) -> Any:
    """A missing close is taken from the bar after it."""
    return _without_thin_bars(candles).bfill()


@_level
def gaps_interpolated(candles: pd.DataFrame) -> Any:
    """A missing close is drawn on the line between the bars beside it."""
    return _without_thin_bars(candles).interpolate()


@_level
def joined_at_open(candles: pd.DataFrame) -> Any:
    """Bars five times as long are joined at the time they open, with the close they end at."""
    return _longer(candles, 5)["close"].transform("last")


@_level
def unfinished_hour(candles: pd.DataFrame) -> Any:
    """The close of an hour is known to every bar within the hour."""
    return _longer(candles, "1h")["close"].transform("last")


@_column
def range_of_the_hour(candles: pd.DataFrame) -> Any:
    """The high and low of an hour are known before it ends."""
    hours = _longer(candles, "1h")
    return _place(candles["close"], hours["low"].transform("min"), hours["high"].transform("max"))


@_column
def range_of_the_day(candles: pd.DataFrame) -> Any:
    """The high and low of a day are known before it ends."""
    days = _longer(candles, "1D")
    return _place(candles["close"], days["low"].transform("min"), days["high"].transform("max"))


@_level
def mean_price_of_the_day(candles: pd.DataFrame) -> Any:
    """The volume-weighted mean price of a day is known before it ends."""
    traded = candles.assign(value=candles["close"] * candles["volume"])
    value, volume = (_longer(traded, "1D")[name].transform("sum") for name in ("value", "volume"))
    return value / volume.where(volume > 0)


@_column
def range_of_the_next_bar(candles: pd.DataFrame) -> Any:
    """The close is placed in the range of the bar after it."""
    return _place(candles["close"], candles["low"].shift(-1), candles["high"].shift(-1))


@_column
def next_volume(candles: pd.DataFrame) -> Any:
    """The volume of the next bar stands beside the bar before it."""
    return np.log1p(candles["volume"].shift(-1))


@_level
def trend_of_all_rows(candles: pd.DataFrame) -> Any:
    """The trend that is taken out of the price was fitted to all rows."""
    bars = np.arange(len(candles))
    return np.exp(np.polyval(np.polyfit(bars, np.log(candles["close"]), 1), bars))


@_level
def distance_to_the_end(candles: pd.DataFrame) -> Any:
    """The close is measured from the last one in the table."""
    return candles["close"].iloc[-1]


@_column
def bars_left(candles: pd.DataFrame) -> Any:
    """A column counts the bars that are left."""
    return np.arange(len(candles))[::-1]


@_column
def z_score_of_all_rows(candles: pd.DataFrame) -> Any:
    """A column is standardised by the mean and deviation of all rows."""
    return (candles["close"] - candles["close"].mean()) / candles["close"].std()


@_column
def range_of_all_rows(candles: pd.DataFrame) -> Any:
    """A column is brought between 0 and 1 by the extremes of all rows."""
    close = candles["close"]
    return (close - close.min()) / (close.max() - close.min())


@_column
def rank_of_all_rows(candles: pd.DataFrame) -> Any:
    """A column holds the rank of each close among all rows."""
    return candles["close"].rank(pct=True)


@_column
def bins_of_all_rows(candles: pd.DataFrame) -> Any:
    """The edges of bins are quantiles of all rows."""
    return pd.qcut(_moves(candles), 20, labels=False, duplicates="drop")


@_column
def clipped_by_all_rows(candles: pd.DataFrame) -> Any:
    """Outliers are clipped at quantiles of all rows."""
    moves = _moves(candles)
    return moves.clip(moves.quantile(0.05), moves.quantile(0.95))


@_column
def volatility_of_all_rows(candles: pd.DataFrame) -> Any:
    """Returns are in units of the volatility of all rows."""
    return _moves(candles) / _moves(candles).std()


@_column_of_all
def component_of_all_rows(_: pd.DataFrame, data: Dataset) -> Any:
    """The first principal component of the features was found in all rows."""
    deviation = np.maximum(np.nanstd(data.X, axis=0), 1e-12)
    whitened = np.nan_to_num((data.X - np.nanmean(data.X, axis=0)) / deviation)
    return whitened @ np.linalg.eigh(whitened.T @ whitened)[1][:, -1]


@_column_of_all
def mean_target(candles: pd.DataFrame, data: Dataset) -> Any:
    """The time of day is encoded by the mean target of all rows, its own among them."""
    opens = pd.DatetimeIndex(candles.index)
    return pd.Series(data.y).groupby(opens.hour * 60 + opens.minute).transform("mean")


@_column_of_all
def selected_on_all_rows(candles: pd.DataFrame, data: Dataset) -> Any:
    """Of the last sixty returns those ten are kept that go with the target most over all rows."""
    moves = _moves(candles)
    lagged = pd.DataFrame({bars: moves.shift(bars) for bars in range(60)})
    fits = lagged.corrwith(pd.Series(data.y, index=candles.index))
    best = fits.abs().nlargest(10).index
    return (lagged[best] * np.sign(fits[best])).sum(axis=1)


@_rows
def volatility_to_come(candles: pd.DataFrame, horizon: Horizon) -> Dataset:
    """The target is in units of the volatility of the bars to come."""
    data = build(candles, horizon)
    ahead = pd.Series(volatility(candles, 20) * np.sqrt(horizon.steps)).shift(-20)
    scale = ahead.clip(lower=MIN_VOLATILITY).fillna(pd.Series(data.scale)).to_numpy()
    return replace(data, scale=scale, y=data.y * data.scale / scale)


@_rows
def surprises_dropped(candles: pd.DataFrame, horizon: Horizon) -> Dataset:
    """Rows whose outcome was large are dropped as outliers before the forecasts are scored."""
    data = build(candles, horizon)
    return replace(data, usable=data.usable & ~(np.abs(data.y) > 1.5))


@_fit
def shuffled_rows(data: Dataset, fit_at: pd.Timestamp, plan: Plan) -> HorizonModel:
    """Rows are shuffled before they are split into train, calibration and test."""
    order = np.random.default_rng(0).permutation(len(data))
    rows = {name: getattr(data, name)[order] for name in ("X", "y", "scale", "usable")}
    return fit(replace(data, **rows), fit_at, plan)


@_fit
def no_purge(data: Dataset, fit_at: pd.Timestamp, plan: Plan) -> HorizonModel:
    """Rows are learned from whose outcome was not known yet when the model was fitted."""
    return replace(fit(data, fit_at + data.horizon.span, plan), fit_at=fit_at)


@_fit
def next_model(data: Dataset, fit_at: pd.Timestamp, plan: Plan) -> HorizonModel:
    """Each block is forecast by the model that was fitted at its end."""
    return replace(fit(data, fit_at + plan.retrain_every, plan), fit_at=fit_at)


@_fit
def trust_by_outcome(data: Dataset, fit_at: pd.Timestamp, plan: Plan) -> HorizonModel:
    """How far the trees are trusted is chosen on the block for which they are trusted."""
    model = fit(data, fit_at, plan)
    block = data.position(fit_at), data.position(fit_at + plan.retrain_every)
    made = settle(predict(model, data, *block), data)
    if made.empty:
        return model
    raw, actual = made["raw"].to_numpy(), made["actual"].to_numpy()
    errors = np.abs(actual[:, None] - raw[:, None] * TRUST_GRID).mean(axis=0)
    return replace(model, trust=float(TRUST_GRID[np.argmin(errors)]))


# A target that trees cannot reach -----------------------------------------------------------------


def _priced(candles: pd.DataFrame, horizon: Horizon) -> Dataset:
    """The data set with the price itself as a column, and the price to come as the target."""
    data = build(candles, horizon)
    X, price = data.X.copy(), np.log(data.close / data.close[0])
    X[:, PLACE] = price
    return replace(data, X=X, y=price + data.y * data.scale, scale=np.ones(len(data)))


def _believed(data: Dataset, fit_at: pd.Timestamp, plan: Plan) -> HorizonModel:
    """Trust is earned against a return of nothing; there is no such thing to a price."""
    return replace(fit(data, fit_at, plan), trust=1.0)


def price_target(candles: pd.DataFrame, horizon: Horizon, plan: Plan | None = None) -> pd.DataFrame:
    """Settled forecasts by the same trees, taught the price instead of the return.

    Parameters
    ----------
    candles : pandas.DataFrame
        One-minute candles.
    horizon : Horizon
    plan : Plan, optional
        That of the live app, if None.
    """
    made = walked(candles, horizon, _believed, _priced, plan)
    bars = on_grid(candles, horizon)
    prices = ["raw", "trusted", *BANDS, "usual_low", "usual_high"]
    made[prices] = made[prices].sub(np.log(made["close"] / bars["close"].iloc[0]), axis=0)
    return settle(made, build(bars, horizon))
