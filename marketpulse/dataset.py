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
    came : ndarray of shape (n,)
        Price at the target time, in quote currency; NaN while it is unknown, or if a filled bar
        lies in its way.
    y : ndarray of shape (n,)
        Target: log return over (t, t + steps] divided by ``scale``; NaN as ``came``.
    size : ndarray of shape (n,)
        How far the price moves over (t, t + steps], divided by ``scale``, not negative: for one
        step the size of the return, for more the volatility on the way; NaN as ``y``.
    usable : ndarray of bool, shape (n,)
        Whether a forecast may be made from the row: its volatility is known, and it is not
        stitched over a gap.
    """

    horizon: Horizon
    as_of: pd.DatetimeIndex
    close: npt.NDArray[np.float64]
    X: npt.NDArray[np.float64]
    scale: npt.NDArray[np.float64]
    came: npt.NDArray[np.float64]
    y: npt.NDArray[np.float64]
    size: npt.NDArray[np.float64]
    usable: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.as_of)

    def position(self, when: pd.Timestamp) -> int:
        """Number of rows with ``as_of`` before ``when``."""
        return int(self.as_of.searchsorted(when, side="left"))

    def fingerprint_of(self, row: int) -> str:
        """SHA-256 of everything that a forecast from this row depends on, besides its model."""
        seen = hashlib.sha256(np.ascontiguousarray(self.X[row]).tobytes())
        seen.update(np.array((self.close[row], self.scale[row])).tobytes())
        return seen.hexdigest()

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
    per_bar = features.volatility(candles, VOLATILITY_WINDOW)
    scale = np.maximum(per_bar, MIN_VOLATILITY) * np.sqrt(steps)
    came = prices_that_came(candles, steps)
    y = (np.log(came) - np.log(close)) / scale
    way = np.abs(y) if steps == 1 else volatility_ahead(candles, steps) / scale
    return Dataset(
        horizon=horizon,
        as_of=pd.DatetimeIndex(candles.index + horizon.bar, name="as_of"),
        close=close,
        X=features.build(candles).to_numpy(),
        scale=scale,
        came=came,
        y=y,
        size=np.where(np.isfinite(y), way, np.nan),
        usable=np.isfinite(scale) & ~beside_gaps(candles),
    )


def beside_gaps(candles: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Whether no forecast may be made from a bar: it is filled, or too many before it are (F16).

    Shape (n,).
    """
    filled = candles["filled"].to_numpy().astype("float64")
    in_window = features.rolling_sum(filled, VOLATILITY_WINDOW)
    beside: npt.NDArray[np.bool_] = (in_window > MAX_FILLED_IN_WINDOW) | (filled > 0)
    return beside


def prices_that_came(candles: pd.DataFrame, steps: int) -> npt.NDArray[np.float64]:
    """Close ``steps`` bars on; NaN while unknown, or with a filled bar on the way. Shape (n,)."""
    filled = features.rolling_sum(candles["filled"].to_numpy().astype("float64"), steps)
    came = np.full(len(candles), np.nan)
    came[:-steps] = np.where(filled == 0, candles["close"].to_numpy(), np.nan)[steps:]
    return came


def volatility_ahead(candles: pd.DataFrame, steps: int) -> npt.NDArray[np.float64]:
    """Volatility of the log return over (t, t + steps], from highs and lows on the way.

    Parkinson (1980): the range of a bar says five times as much of its variance as its return, and
    the bars on the way say more than where the price ends up. NaN for the last rows. Shape (n,).
    """
    high, low = candles["high"].to_numpy(), candles["low"].to_numpy()
    variance = np.log(high / low) ** 2 / (4.0 * np.log(2.0))
    ahead = np.full(len(variance), np.nan)
    ahead[:-steps] = np.sqrt(features.rolling_sum(variance, steps)[steps:])
    return ahead


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
        for values in (data.X, data.y, data.size, data.scale, data.usable):
            seen.update(np.ascontiguousarray(values[part]).tobytes())
    return seen.hexdigest()
