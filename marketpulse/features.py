"""One function per feature column; row t uses bars up to and including t.

Every feature is scale-free: multiplying all prices, or all volumes, by a constant changes nothing.
Every window is summed bar by bar in a fixed order, so that a row has the same bits whether it is
computed alone, in a batch, or with more history before it. `build` gives the features candles
without wicks, so that one impossible high or low does not move the ranges of the bars after it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import pandas as pd

from marketpulse.candles import without_wicks

Column = npt.NDArray[np.float64]
Feature = Callable[[pd.DataFrame], Column]

# The longest window below, and the one more bar that a return inside it needs. The longest window
# of ranges and the one before it that tells wicks are shorter together.
WARM_UP = 241


def lagged(values: Column, bars: int) -> Column:
    """The values of ``bars`` bars ago; NaN where there is none. Shape (n,)."""
    out = np.full(len(values), np.nan)
    out[bars:] = values[: max(len(values) - bars, 0)]
    return out


def rolling_sum(values: Column, window: int) -> Column:
    """Sum over the last ``window`` bars; NaN until there are as many. Shape (n,)."""
    total = values.copy()
    for bars in range(1, window):
        total += lagged(values, bars)
    return total


def rolling_mean(values: Column, window: int) -> Column:
    """Mean over the last ``window`` bars. Shape (n,)."""
    return rolling_sum(values, window) / window


def rolling_std(values: Column, window: int) -> Column:
    """Standard deviation over the last ``window`` bars, around their own mean. Shape (n,)."""
    mean = rolling_mean(values, window)
    total = np.zeros(len(values))
    for bars in range(window):
        total += (lagged(values, bars) - mean) ** 2
    deviation: Column = np.sqrt(total / window)
    return deviation


def log_return(candles: pd.DataFrame, bars: int = 1) -> Column:
    """Log return over the last ``bars`` bars (fraction)."""
    close = np.log(candles["close"].to_numpy())
    change: Column = close - lagged(close, bars)
    return change


def simple_return(candles: pd.DataFrame, bars: int = 1) -> Column:
    """Relative change over the last ``bars`` bars (fraction)."""
    close = candles["close"].to_numpy()
    return close / lagged(close, bars) - 1.0


def mean_distance(candles: pd.DataFrame, window: int) -> Column:
    """Log distance of the close from its rolling mean (fraction)."""
    close = candles["close"].to_numpy()
    distance: Column = np.log(close / rolling_mean(close, window))
    return distance


def volatility(candles: pd.DataFrame, window: int) -> Column:
    """Standard deviation of one-bar log returns over the window (fraction per square-root bar)."""
    return rolling_std(log_return(candles), window)


def range_fraction(candles: pd.DataFrame) -> Column:
    """(high - low) / close of the bar (fraction)."""
    high, low, close = (candles[name].to_numpy() for name in ("high", "low", "close"))
    fraction: Column = (high - low) / close
    return fraction


def _ratio(numerator: Column, denominator: Column) -> Column:
    """Quotient, NaN where the denominator is zero."""
    safe = np.where(denominator > 0, denominator, np.nan)
    return numerator / safe


def volume_mean_ratio(candles: pd.DataFrame, window: int = 20) -> Column:
    """Volume of the bar over its rolling mean."""
    volume = candles["volume"].to_numpy()
    return _ratio(volume, rolling_mean(volume, window))


def volume_std_ratio(candles: pd.DataFrame, window: int = 20) -> Column:
    """Rolling standard deviation of volume over its rolling mean."""
    volume = candles["volume"].to_numpy()
    return _ratio(rolling_std(volume, window), rolling_mean(volume, window))


def volume_ema_ratio(candles: pd.DataFrame, window: int = 20) -> Column:
    """Exponential mean of volume over its rolling mean.

    The exponential weights (alpha = 2 / (window + 1)) end after ``window`` bars: without an end the
    value would depend on how much history was loaded.
    """
    volume = candles["volume"].to_numpy()
    weights = (1.0 - 2.0 / (window + 1)) ** np.arange(window)
    total = np.zeros(len(volume))
    for bars, weight in enumerate(weights / weights.sum()):
        total += weight * lagged(volume, bars)
    return _ratio(total, rolling_mean(volume, window))


def close_position(candles: pd.DataFrame) -> Column:
    """Where the close lies in the bar's range: 0 at the low, 1 at the high; 0.5 without one."""
    high, low, close = (candles[name].to_numpy() for name in ("high", "low", "close"))
    width = high - low
    return np.where(width > 0, (close - low) / np.where(width > 0, width, 1.0), 0.5)


def flat_share(candles: pd.DataFrame, window: int = 20) -> Column:
    """Share of the bars in the window that closed where the bar before did."""
    moved = log_return(candles)
    return rolling_mean(np.where(np.isnan(moved), np.nan, moved == 0.0), window)


def signed_volume(candles: pd.DataFrame, window: int = 20) -> Column:
    """Volume of rising less that of falling bars over the window, as a share of all of it."""
    volume = candles["volume"].to_numpy()
    signed = np.sign(log_return(candles)) * volume
    return _ratio(rolling_sum(signed, window), rolling_sum(volume, window))


def current_volatility(candles: pd.DataFrame) -> Column:
    """Volatility per bar, in which most features are told (fraction). Shape (n,)."""
    return volatility(candles, 60)


@dataclass(frozen=True, slots=True)
class InVolatilities:
    """A feature in units of the current volatility per bar.

    Attributes
    ----------
    feature : Feature
        The same in its own unit.
    """

    feature: Feature

    def __call__(self, candles: pd.DataFrame) -> Column:
        """The feature of its candles, in volatilities. Shape (n,)."""
        return self.over(current_volatility(candles), candles)

    def over(self, per_bar: Column, candles: pd.DataFrame) -> Column:
        """The same, given the `current_volatility` of its candles. Shape (n,)."""
        return _ratio(self.feature(candles), per_bar)


def time_of_day(candles: pd.DataFrame) -> Column:
    """Minutes since midnight UTC at the open of the bar."""
    opens = pd.DatetimeIndex(candles.index)
    return (opens.hour * 60 + opens.minute).to_numpy().astype("float64")


def mean_range(candles: pd.DataFrame, window: int) -> Column:
    """Rolling mean of (high - low) / close (fraction)."""
    return rolling_mean(range_fraction(candles), window)


FEATURES: dict[str, Feature] = {
    "time_of_day": time_of_day,
    "volatility_5": InVolatilities(partial(volatility, window=5)),
    "volatility_240": InVolatilities(partial(volatility, window=240)),
    "mean_range_5": InVolatilities(partial(mean_range, window=5)),
    "mean_range_20": InVolatilities(partial(mean_range, window=20)),
    "return_1": InVolatilities(simple_return),
    "return_2": InVolatilities(partial(log_return, bars=2)),
    "return_5": InVolatilities(partial(log_return, bars=5)),
    "momentum_10": InVolatilities(partial(log_return, bars=10)),
    "mean_distance_5": InVolatilities(partial(mean_distance, window=5)),
    "mean_distance_15": InVolatilities(partial(mean_distance, window=15)),
    "mean_distance_60": InVolatilities(partial(mean_distance, window=60)),
    "volatility_15": InVolatilities(partial(volatility, window=15)),
    "volatility_60": current_volatility,
    "range_fraction": InVolatilities(range_fraction),
    "close_position": close_position,
    "flat_share_20": flat_share,
    "signed_volume_20": signed_volume,
    "volume_mean_ratio_20": volume_mean_ratio,
    "volume_std_ratio_20": volume_std_ratio,
    "volume_ema_ratio_20": volume_ema_ratio,
}

# These say how far the price may go, not where to: the centre only learns noise from them.
SPREAD_ONLY = frozenset(
    ("time_of_day", "volatility_5", "volatility_240", "mean_range_5", "mean_range_20")
)


def build(candles: pd.DataFrame) -> pd.DataFrame:
    """Feature table of a candle table.

    Parameters
    ----------
    candles : pandas.DataFrame, shape (n, 6)

    Returns
    -------
    pandas.DataFrame, shape (n, len(FEATURES))
        Same index; NaN during the warm-up of a window and where volume is unknown.
    """
    clipped = without_wicks(candles)
    # All share it, and it is most of the work.
    per_bar = current_volatility(clipped)
    columns = {
        name: feature.over(per_bar, clipped)
        if isinstance(feature, InVolatilities)
        else feature(clipped)
        for name, feature in FEATURES.items()
    }
    return pd.DataFrame(columns, index=candles.index)
