"""Features and targets on one time line, and the time-ordered slices that a model may see."""

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from marketpulse import features
from marketpulse.errors import NotEnoughCandles
from marketpulse.horizons import ONE_MINUTE, Horizon

# A window in which more bars than this are filled says little about the market (rule F16).
MAX_FILLED_IN_WINDOW = 3
VOLATILITY_WINDOW = 60
# Floor of volatility per bar: 0.1 bps, so that a market that stood still can be divided by.
MIN_VOLATILITY = 1e-5


@dataclass(frozen=True, slots=True)
class Dataset:
    """Everything a model of one horizon learns from, one row per closed bar.

    Attributes
    ----------
    horizon : Horizon
    as_of : pandas.DatetimeIndex, shape (n,)
        Close time of each row's bar.
    close : ndarray of shape (n,)
        Last price at ``as_of``, in quote currency.
    X : ndarray of shape (n, f)
        Features; row t depends on bars up to t only.
    scale : ndarray of shape (n,)
        Volatility of the log return over the horizon as known at t (fraction, positive).
    y : ndarray of shape (n,)
        Target: log return over (t, t + steps] divided by ``scale``; NaN while it is unknown, or if
        a filled bar lies in its way.
    usable : ndarray of bool, shape (n,)
        Whether a forecast may be made from the row: its volatility is known, and it is not
        stitched over a gap.
    """

    horizon: Horizon
    as_of: pd.DatetimeIndex
    close: npt.NDArray[np.float64]
    X: npt.NDArray[np.float64]
    scale: npt.NDArray[np.float64]
    y: npt.NDArray[np.float64]
    usable: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.as_of)

    def position(self, when: pd.Timestamp) -> int:
        """Number of rows with ``as_of`` before ``when``."""
        return int(self.as_of.searchsorted(when, side="left"))

    def settled_by(self, when: pd.Timestamp) -> int:
        """Number of rows whose target was known at ``when``."""
        return int(self.as_of.searchsorted(when - self.horizon.span, side="right"))


def build(candles: pd.DataFrame, horizon: Horizon) -> Dataset:
    """The data set of one horizon from candles on its own grid.

    Parameters
    ----------
    candles : pandas.DataFrame, shape (n, 6)
        Bars of ``horizon.bar``.
    """
    steps = horizon.steps
    close = candles["close"].to_numpy()
    filled = candles["filled"].to_numpy().astype("float64")
    per_bar = features.volatility(candles, VOLATILITY_WINDOW)
    scale = np.maximum(per_bar, MIN_VOLATILITY) * np.sqrt(steps)
    ahead = np.full(len(close), np.nan)
    ahead[:-steps] = (np.log(close[steps:]) - np.log(close[:-steps])) if len(close) > steps else ()
    in_the_way = np.full(len(close), np.nan)
    in_the_way[:-steps] = features.rolling_sum(filled, steps)[steps:]
    in_window = features.rolling_sum(filled, VOLATILITY_WINDOW)
    return Dataset(
        horizon=horizon,
        as_of=pd.DatetimeIndex(candles.index + horizon.bar, name="as_of"),
        close=close,
        X=features.build(candles).to_numpy(),
        scale=scale,
        y=np.where(in_the_way == 0, ahead / scale, np.nan),
        usable=np.isfinite(scale) & (in_window <= MAX_FILLED_IN_WINDOW) & (filled == 0),
    )


@dataclass(frozen=True, slots=True)
class Slices:
    """Row ranges of one fit, in time order: train, purge, calibrate."""

    train: slice
    calibrate: slice


def slices(
    data: Dataset,
    fit_at: pd.Timestamp,
    *,
    train_bars: int,
    min_train_bars: int,
    calibration_bars: int,
) -> Slices:
    """The rows that a model fitted at ``fit_at`` may see.

    The calibration slice ends with the last row whose target was known at ``fit_at``; the train
    slice ends ``steps`` rows before the calibration slice begins, so that no train target reaches
    into it (purge).

    Raises
    ------
    NotEnoughCandles
        If fewer than ``min_train_bars`` rows are left to train on.
    """
    stop = data.settled_by(fit_at)
    start = stop - calibration_bars
    train_stop = start - data.horizon.steps
    train_start = max(features.WARM_UP, train_stop - train_bars)
    if train_stop - train_start < min_train_bars:
        missing = min_train_bars - (train_stop - train_start)
        raise NotEnoughCandles(
            f"The {data.horizon.minutes}-minute model needs {missing:,} more"
            f" {data.horizon.bar / ONE_MINUTE:.0f}-minute bars of history to train on."
        )
    return Slices(slice(train_start, train_stop), slice(start, stop))


def fingerprint(data: Dataset, rows: Slices) -> str:
    """SHA-256 of everything that a fit on these rows sees: equal text, equal model."""
    seen = hashlib.sha256()
    for part in (rows.train, rows.calibrate):
        for values in (data.X[part], data.y[part], data.scale[part], data.usable[part]):
            seen.update(np.ascontiguousarray(values).tobytes())
    return seen.hexdigest()
