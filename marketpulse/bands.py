"""Bands that hold: conformal quantiles of past errors, widened or narrowed as outcomes settle."""

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

Array = npt.NDArray[np.float64]

# Quantiles of the bands, and the columns of a prediction that hold them.
BANDS: Mapping[str, float] = {"low_90": 0.05, "low_50": 0.25, "high_50": 0.75, "high_90": 0.95}
_PAIRS = (("low_90", "high_90"), ("low_50", "high_50"))

# The width stays within a factor of two of what the quantiles say: never endless, never nothing.
MAX_LOG_WIDTH = math.log(2.0)


def bands(
    error: Array, *, fitted: int, window: int, fewest: int, steps: int, rate: float
) -> dict[str, Array]:
    """Ends of the bands around the centre for each row, in units of the spread.

    The quantiles of row t are those of the last ``window`` errors that were known at t, none of
    which any fit has seen. Their width follows adaptive conformal inference (Gibbs & Candès 2021)
    in logs: an outcome outside widens the bands, one inside narrows them, each when it is known.

    Parameters
    ----------
    error : ndarray of shape (n,)
        Outcome less centre in units of the spread, from the first row of the calibration slice on;
        NaN where the outcome is unknown or the row unusable.
    fitted : int
        Number of rows whose outcome was known when the model was fitted. The width warms up on
        them, with the quantiles of all of them.
    window, fewest : int
        Most and fewest past errors for a quantile.
    steps : int
        Rows until an outcome is known.
    rate : float
        How far one outcome moves the log of a width.

    Returns
    -------
    dict of str to ndarray of shape (n,)
        By the names of `BANDS`, not decreasing in that order; NaN where too few errors are known.
    """
    past = pd.Series(error).shift(steps).rolling(window, min_periods=fewest)
    enough = np.isfinite(error[:fitted]).sum() >= max(1, fewest)
    ends = {}
    for name, level in BANDS.items():
        rank = _conformal(level, window)
        ends[name] = past.quantile(rank).to_numpy(copy=True)
        ends[name][:fitted] = np.nanquantile(error[:fitted], rank) if enough else np.nan
    for low, high in _PAIRS:
        missed = 1.0 - (BANDS[high] - BANDS[low])
        width = _widths(error, ends[low], ends[high], missed, steps, rate)
        ends[low], ends[high] = ends[low] * width, ends[high] * width
    # Each pair has a width of its own, so they could cross where moves come in whole ticks.
    ends["low_90"] = np.minimum(ends["low_90"], ends["low_50"])
    ends["high_90"] = np.maximum(ends["high_90"], ends["high_50"])
    return ends


def _widths(error: Array, low: Array, high: Array, missed: float, steps: int, rate: float) -> Array:
    """The factor on both ends at each row, from the outcomes known by then. Shape (n,)."""
    outcome, lows, highs = error.tolist(), low.tolist(), high.tolist()
    log_width, widths = 0.0, [1.0] * len(outcome)
    for row in range(len(outcome)):
        known = row - steps
        if known >= 0 and not math.isnan(outcome[known] * lows[known] * highs[known]):
            width = widths[known]
            outside = not lows[known] * width <= outcome[known] <= highs[known] * width
            log_width += rate * (outside - missed)
            log_width = min(MAX_LOG_WIDTH, max(-MAX_LOG_WIDTH, log_width))
        widths[row] = math.exp(log_width)
    return np.array(widths)


def _conformal(level: float, count: int) -> float:
    """The quantile of ``count`` past errors that covers the next one at ``level``.

    Vovk, Gammerman & Shafer (2005): the (count + 1)-th error is part of the ranking.
    """
    outward = 1.0 + 1.0 / count
    return min(1.0, level * outward) if level > 0.5 else 1.0 - min(1.0, (1.0 - level) * outward)
