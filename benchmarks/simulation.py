"""Candles of which the truth is known: walks that nothing forecasts, and walks with one signal.

A planted walk moves on by a little in the direction of the bar before: ``r[t+1] = drift *
sign(r[t]) + noise``. The sign alone says all there is to know, it is a Markov chain, and so the
share of the variance that it explains over any number of bars has a closed form.
"""

from math import erf, pi, sqrt

import numpy as np
import numpy.typing as npt
import pandas as pd

from marketpulse.horizons import ONE_MINUTE

Array = npt.NDArray[np.float64]

START = pd.Timestamp("2026-01-05", tz="UTC")
PRICE = 60_000.0
# Volatility of one bar: about that of Bitcoin over one minute.
BAR_VOLATILITY = 6e-4


def candles(returns: Array, seed: int, *, bar: pd.Timedelta = ONE_MINUTE) -> pd.DataFrame:
    """A candle table of log returns, with wicks and volumes that know nothing of the next bar."""
    random = np.random.default_rng((seed, 1))
    close = PRICE * np.exp(np.cumsum(returns))
    opening = np.concatenate(([PRICE], close[:-1]))
    reach = np.abs(returns).mean() * random.exponential(0.5, (2, len(returns)))
    volume = random.lognormal(0.0, 1.0, len(returns)) * (1.0 + np.abs(returns) / BAR_VOLATILITY)
    return pd.DataFrame(
        {
            "open": opening,
            "high": np.maximum(opening, close) * (1.0 + reach[0]),
            "low": np.minimum(opening, close) * (1.0 - reach[1]),
            "close": close,
            "volume": volume,
            "filled": np.zeros(len(returns), dtype=bool),
        },
        index=pd.date_range(START, periods=len(returns), freq=bar, unit="us", name="open_time"),
    )


def walk(count: int, seed: int) -> Array:
    """Log returns of a walk whose volatility clusters and whose tails are heavy, without drift.

    GARCH(1, 1) with Student's t of 5 degrees of freedom. Shape (count,).
    """
    random = np.random.default_rng(seed)
    shocks = random.standard_t(5, count) / sqrt(5 / 3)
    variance, returns = 1.0, np.empty(count)
    for row, shock in enumerate(shocks.tolist()):
        returns[row] = sqrt(variance) * shock
        variance = 0.02 + 0.05 * returns[row] ** 2 + 0.93 * variance
    return BAR_VOLATILITY * returns


def planted(count: int, seed: int, *, steps: int, share: float) -> Array:
    """Log returns of which one signal explains ``share`` of the variance over ``steps`` bars.

    Shape (count,).
    """
    drift = drift_for(steps, share)
    noise = np.random.default_rng(seed).normal(0.0, 1.0, count).tolist()
    last, returns = 1.0, np.empty(count)
    for row, shock in enumerate(noise):
        last = (drift if last > 0 else -drift) + shock
        returns[row] = last
    return BAR_VOLATILITY * returns


def drift_for(steps: int, share: float) -> float:
    """The drift, in standard deviations of the noise, that gives a signal so large a share."""
    drifts = np.linspace(0.0, 1.0, 2_001)
    return float(np.interp(share, [explained(drift, steps) for drift in drifts], drifts))


def explained(drift: float, steps: int) -> float:
    """Share of the variance of the return over ``steps`` bars that the last sign explains."""
    persistence = erf(drift / sqrt(2.0))  # of the sign, from one bar to the next
    density = np.exp(-(drift**2) / 2.0) / sqrt(2.0 * pi)
    size = 2.0 * density + drift * persistence  # mean size of one return
    ahead = drift * sum(persistence**k for k in range(steps))
    # A return goes with the one k bars on through the sign that it leaves behind.
    together = sum((steps - k) * drift * size * persistence ** (k - 1) for k in range(1, steps))
    return float(ahead**2 / (steps * (1.0 + drift**2) + 2.0 * together))
