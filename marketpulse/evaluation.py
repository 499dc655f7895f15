"""How good settled forecasts were, always beside the forecast that the price stays where it is.

Errors are forecast less actual: positive is too high. The *tail* is the most recent N settled
forecasts, each made before its outcome was known and by a model that never saw it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from marketpulse import candles as candle_table
from marketpulse.dataset import Dataset, beside_gaps, build
from marketpulse.errors import NotEnoughCandles
from marketpulse.features import WARM_UP
from marketpulse.forecast import settle, walk_forward
from marketpulse.horizons import ONE_MINUTE, Horizon
from marketpulse.model import PLANS, HorizonModel, Plan, fit

Array = npt.NDArray[np.float64]
Built = Callable[[pd.DataFrame, Horizon], Dataset]
Fitted = Callable[[Dataset, pd.Timestamp, Plan], HorizonModel]
Verdict = Literal["beats naive", "no evidence", "worse than naive"]

RESAMPLES = 1_000
INTERVAL_LEVEL = 0.95
# Fewer blocks than this cannot carry an interval: the verdict is then that there is no evidence.
MIN_BLOCKS = 8
WORST_WINDOW = 500
# Share of the bars that must be left to score if the first model is to have a full train slice.
ENOUGH_TO_SCORE = 1 / 3


@dataclass(frozen=True, slots=True)
class Tail:
    """Metrics of one tail.

    Attributes
    ----------
    n : int
        Settled forecasts in the tail.
    mae, rmse : float
        Mean absolute and root mean squared error, in quote currency.
    mse : float
        Mean squared error, in quote currency squared.
    r2_price, r2_return : float or None
        Share of variance explained, of the price and of the return; None if nothing varied. The
        first measures the window rather than the skill: persistence alone often scores 0.9.
    mae_naive, rmse_naive, r2_price_naive : float
        The same of the forecast that the price stays.
    skill : float or None
        1 - MAE / MAE of naive; None if the price never moved.
    skill_low, skill_high : float or None
        95 % block-bootstrap interval of the skill; None if the tail is too short for one.
    verdict : {"beats naive", "no evidence", "worse than naive"}
    direction_hit_rate : float or None
        Share of right directions of the raw centre, where it leaned and the price moved.
    direction_n : int
        How many such forecasts there are.
    coverage_50, coverage_90 : float
        Share of outcomes inside the bands.
    worst_coverage_500 : float or None
        Lowest share inside the 90 % band over 500 consecutive forecasts; None below 500.
    width_bps : float
        Mean width of the 90 % band, in basis points of the last price.
    winkler_bps : float
        Mean interval score of the 90 % band (Gneiting & Raftery 2007), in basis points.
    winkler_naive_bps : float
        The same of a band of constant width around the last price: the 5 % to 95 % quantiles of
        the returns in the model's own calibration slice.
    fits : int
        Models that made these forecasts.
    """

    n: int
    mae: float
    mse: float
    rmse: float
    r2_price: float | None
    r2_return: float | None
    mae_naive: float
    rmse_naive: float
    r2_price_naive: float | None
    skill: float | None
    skill_low: float | None
    skill_high: float | None
    verdict: Verdict
    direction_hit_rate: float | None
    direction_n: int
    coverage_50: float
    coverage_90: float
    worst_coverage_500: float | None
    width_bps: float
    winkler_bps: float
    winkler_naive_bps: float
    fits: int


def tail(settled: pd.DataFrame, horizon: Horizon, n: int | None = None) -> Tail | None:
    """Metrics of the most recent ``n`` settled forecasts (of all, if ``n`` is None).

    Parameters
    ----------
    settled : pandas.DataFrame
        As `marketpulse.forecast.settle` returns.
    horizon : Horizon
        Sets the length of the bootstrap's blocks: outcomes overlap over ``steps`` rows.
    """
    rows = settled if n is None else settled.tail(n)
    if rows.empty:
        return None
    error, naive = rows["error"].to_numpy(), rows["naive_error"].to_numpy()
    actual = rows["actual"].to_numpy()
    low, high = skill_interval(np.abs(error), np.abs(naive), block=block_of(horizon.steps))
    hits, directions = _directions(rows)
    inside = ((rows["actual"] >= rows["low_90"]) & (rows["actual"] <= rows["high_90"])).to_numpy()
    mse = float(np.mean(error**2))
    return Tail(
        n=len(rows),
        mae=float(np.mean(np.abs(error))),
        mse=mse,
        rmse=float(np.sqrt(mse)),
        r2_price=r_squared(rows["actual_price"].to_numpy(), rows["price"].to_numpy()),
        r2_return=r_squared(actual, rows["trusted"].to_numpy()),
        mae_naive=float(np.mean(np.abs(naive))),
        rmse_naive=float(np.sqrt(np.mean(naive**2))),
        r2_price_naive=r_squared(rows["actual_price"].to_numpy(), rows["close"].to_numpy()),
        skill=skill(np.abs(error), np.abs(naive)),
        skill_low=low,
        skill_high=high,
        verdict=verdict(low, high),
        direction_hit_rate=hits / directions if directions else None,
        direction_n=directions,
        coverage_50=float(rows["actual"].between(rows["low_50"], rows["high_50"]).mean()),
        coverage_90=float(inside.mean()),
        worst_coverage_500=worst_coverage(inside),
        width_bps=float((rows["high_90"] - rows["low_90"]).mean() * 1e4),
        winkler_bps=_mean_winkler_bps(rows, "low_90", "high_90"),
        winkler_naive_bps=_mean_winkler_bps(rows, "usual_low", "usual_high"),
        fits=rows["fit_at"].nunique(),
    )


def r_squared(actual: Array, forecast: Array) -> float | None:
    """1 - squared error / squared distance from the mean; None if nothing varied."""
    spread = float(np.sum((actual - actual.mean()) ** 2))
    return 1.0 - float(np.sum((forecast - actual) ** 2)) / spread if spread > 0 else None


def skill(error: Array, naive: Array) -> float | None:
    """1 - mean absolute error / that of naive; None if naive never erred."""
    total = float(np.sum(naive))
    return 1.0 - float(np.sum(error)) / total if total > 0 else None


def block_of(overlap: int) -> int:
    """Rows of a bootstrap's block if so many outcomes in a row overlap."""
    return max(5, 2 * overlap)


def skill_interval(error: Array, naive: Array, *, block: int) -> tuple[float | None, float | None]:
    """95 % interval of the skill by circular block bootstrap (Politis & Romano 1992).

    Parameters
    ----------
    error, naive : ndarray of shape (n,)
        Absolute errors of the forecast and of naive, in time order.
    block : int
        Rows per block, at least the span over which outcomes overlap.

    Returns
    -------
    tuple of float or None
        Low and high end; both None if there are fewer than `MIN_BLOCKS` blocks.
    """
    count = len(error) // block
    if count < MIN_BLOCKS or not np.sum(naive) > 0:
        return None, None
    starts = np.random.default_rng(0).integers(0, len(error), size=(RESAMPLES, count))
    sums = [_block_sums(values, block)[starts].sum(axis=1) for values in (error, naive)]
    with np.errstate(divide="ignore", invalid="ignore"):
        draws = 1.0 - sums[0] / sums[1]
    edge = (1.0 - INTERVAL_LEVEL) / 2.0
    low, high = np.quantile(draws[np.isfinite(draws)], (edge, 1.0 - edge))
    return float(low), float(high)


def _block_sums(values: Array, block: int) -> Array:
    """Sum of the ``block`` values that begin at each row, wrapping round at the end."""
    running = np.concatenate(([0.0], np.cumsum(np.concatenate((values, values[: block - 1])))))
    return running[block:] - running[:-block]


def verdict(low: float | None, high: float | None) -> Verdict:
    """What a skill interval allows one to say."""
    if low is not None and low > 0:
        return "beats naive"
    if high is not None and high < 0:
        return "worse than naive"
    return "no evidence"


def _directions(rows: pd.DataFrame) -> tuple[int, int]:
    """Right directions of the raw centre, and how many could be judged: flat bars cannot."""
    lean, move = np.sign(rows["raw"].to_numpy()), np.sign(rows["actual"].to_numpy())
    judged = (lean != 0) & (move != 0)
    return int(np.sum((lean == move) & judged)), int(judged.sum())


def worst_coverage(inside: npt.NDArray[np.bool_], window: int = WORST_WINDOW) -> float | None:
    """Lowest share inside the band over ``window`` forecasts in a row; None if there are fewer."""
    if len(inside) < window:
        return None
    running = np.concatenate(([0], np.cumsum(inside)))
    return float((running[window:] - running[:-window]).min() / window)


def _mean_winkler_bps(rows: pd.DataFrame, low: str, high: str) -> float:
    ends = (rows[name].to_numpy() for name in (low, high))
    return float(np.mean(winkler(rows["actual"].to_numpy(), *ends, level=0.9)) * 1e4)


def winkler(actual: Array, low: Array, high: Array, *, level: float) -> Array:
    """Interval score of each forecast: width, plus 2 / (1 - level) times the miss; low is good."""
    missed = np.maximum(low - actual, 0.0) + np.maximum(actual - high, 0.0)
    scores: Array = high - low + 2.0 / (1.0 - level) * missed
    return scores


def on_grid(candles: pd.DataFrame, horizon: Horizon) -> pd.DataFrame:
    """One-minute candles as bars of the horizon."""
    return candles if horizon.bar == ONE_MINUTE else candle_table.resample(candles, horizon.bar)


def walked(
    candles: pd.DataFrame,
    horizon: Horizon,
    fitted: Fitted = fit,
    built: Built = build,
    plan: Plan | None = None,
) -> pd.DataFrame:
    """Settled forecasts of a whole candle table, as the live app would have made them.

    Parameters
    ----------
    candles : pandas.DataFrame
        One-minute candles.
    horizon : Horizon
    fitted : callable
        The model of a data set, fit time and plan.
    built : callable
        The data set of bars on the horizon's grid.
    plan : Plan, optional
        That of the live app, if None.

    Returns
    -------
    pandas.DataFrame
        As `marketpulse.forecast.settle`; empty if gaps forbid every forecast.

    Raises
    ------
    NotEnoughCandles
        If the table is too short for a first model and a forecast by it.
    """
    plan = plan or PLANS[horizon.label]
    data = built(on_grid(candles, horizon), horizon)
    start = first_fit(data.as_of, horizon, plan)

    def model_at(fit_at: pd.Timestamp) -> HorizonModel | None:
        try:
            return fitted(data, fit_at, plan)
        except NotEnoughCandles:  # over gaps there is no model, and so no forecast
            return None

    return settle(walk_forward(data, plan, start, model_at), data)


def refused_share(candles: pd.DataFrame, horizon: Horizon) -> float:
    """Share of a candle table's bars from which gaps forbid a forecast."""
    return float(beside_gaps(on_grid(candles, horizon)).mean())


def first_fit(as_of: pd.DatetimeIndex, horizon: Horizon, plan: Plan) -> pd.Timestamp:
    """The first scheduled fit: that of a full train slice, as live, if enough is left to score.

    Parameters
    ----------
    as_of : pandas.DatetimeIndex
        Close times of all bars on the horizon's grid.
    horizon : Horizon
    plan : Plan

    Raises
    ------
    NotEnoughCandles
        If there are too few.
    """
    margin = WARM_UP + plan.calibration_bars + 2 * horizon.steps
    needed, full = margin + plan.min_train_bars, margin + plan.train_bars
    if len(as_of) <= needed:
        raise NotEnoughCandles(
            f"The {horizon.minutes}-minute model needs more than {needed} bars"
            f" of {horizon.bar / ONE_MINUTE:.0f} min; there are {len(as_of)}."
        )
    first = full if len(as_of) - full >= len(as_of) * ENOUGH_TO_SCORE else needed
    return as_of[first].ceil(plan.retrain_every)
