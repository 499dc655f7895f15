"""Builders of candles and models, shared by the tests."""

import numpy as np
import pandas as pd

from marketpulse.horizons import MINUTE, ONE_MINUTE
from marketpulse.model import HorizonModel, Plan

START = pd.Timestamp("2026-01-05", tz="UTC")


def candles(closes, *, volume=1.0, filled=(), bar=ONE_MINUTE, start=START):
    """Candles that close at the given prices; each opens where the one before closed."""
    close = np.asarray(closes, dtype="float64")
    opening = np.concatenate((close[:1], close[:-1]))
    frame = pd.DataFrame(
        {
            "open": opening,
            "high": np.maximum(opening, close),
            "low": np.minimum(opening, close),
            "close": close,
            "volume": np.broadcast_to(np.asarray(volume, dtype="float64"), close.shape).copy(),
        },
        index=pd.date_range(start, periods=len(close), freq=bar, unit="us", name="open_time"),
    )
    return frame.assign(filled=np.isin(np.arange(len(close)), list(filled)))


def walk(n, seed=0, *, memory=0.0, rough=False, bar=ONE_MINUTE, start=START):
    """Candles of a random walk with 10 bps bars.

    With ``memory`` each log return carries that share of the one before; a ``rough`` walk has flat
    runs, zero volumes and filled bars.
    """
    random = np.random.default_rng(seed)
    returns = random.normal(0, 1e-3, n)
    for row in range(1, n):
        returns[row] += memory * returns[row - 1]
    volume = random.lognormal(0, 1, n)
    filled = np.zeros(n, dtype=bool)
    if rough:
        filled = random.random(n) < 0.02
        returns = np.where((random.random(n) < 0.1) | filled, 0.0, returns)
        run = int(random.integers(0, n))
        returns[run : run + 25] = 0.0
        volume = np.where((random.random(n) < 0.1) | filled, 0.0, volume)
    frame = candles(
        60_000 * np.exp(np.cumsum(returns)), volume=volume, bar=bar, start=start
    ).assign(filled=filled)
    wick = np.where(filled, 0.0, random.exponential(2e-4, n))
    return frame.assign(high=frame["high"] * (1 + wick), low=frame["low"] * (1 - wick))


class Says:
    """A stand-in for fitted trees that says the same of every row."""

    def __init__(self, value):
        self.value = value

    def predict(self, X):
        """The value, once for each row. Shape (n,)."""
        return np.full(len(X), float(self.value))


def model_saying(centre, *, horizon=MINUTE, window=20, trust=1.0, spread=1.0, fit_at=START):
    """A model that forecasts ``centre`` and ``spread``, in units of volatility, for every row."""
    return HorizonModel(
        horizon=horizon,
        plan=Plan(train_bars=100, min_train_bars=50, calibration_bars=window),
        fit_at=fit_at,
        centre=Says(centre),
        spread=Says(spread),
        trust=trust,
        usual=(-0.001, 0.001),
        usual_moves=np.full(24, 0.0005),
        trained_on=(fit_at, fit_at),
        id="model",
    )
