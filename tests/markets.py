"""Builders of what a rule decides on, and of the candles at which it trades."""

import numpy as np
import pandas as pd

from marketpulse.costs import Costs
from marketpulse.horizons import ONE_MINUTE
from marketpulse.signals import Thresholds
from tests.build import START, candles, walk

FREE = Costs(0)
NAN = float("nan")


def rule(**changes):
    asked = {
        "buy_mae": 0.0,
        "sell_mae": 0.0,
        "margin_bps": 0.0,
        "hold_minutes": None,
        "amount": 1_000,
    }
    return Thresholds(**{**asked, "centre": "raw", "reference": "last buy", **changes})


def decisions(prices, *, rises=(), minute=None, mae=1.0):
    """Decision rows, one a minute; a long forecast of +10 % at the rows of ``rises``."""
    price = np.asarray(prices, dtype=float)
    up = np.isin(np.arange(len(price)), list(rises))
    columns = {
        "price": price,
        "minute_price": price if minute is None else np.asarray(minute, dtype=float),
        "long_price": np.where(up, price * 1.1, price * 0.9),
        "minute_mae": mae,
        "long_mae": mae,
        "volume": 5.0,
    }
    index = pd.DatetimeIndex([START + (row + 1) * ONE_MINUTE for row in range(len(price))])
    return pd.DataFrame(columns, index=index)


def traded(table, opens, volume=1.0):
    """Candles of which one opens at the time of each decision, at the given price; NaN for none."""
    known = candles(np.nan_to_num(opens), volume=volume)
    frame = known.assign(open=opens).set_axis(table.index)
    return frame[frame["open"].notna()]


def rough_market(seed, n=160):
    """Decisions without rows beside gaps, and candles of which some have no price of their own."""
    frame = walk(n, seed, rough=True)
    random = np.random.default_rng(seed + 7)
    gap = int(random.integers(20, n - 20))
    filled = frame["filled"].to_numpy().copy()
    filled[gap : gap + 6] = True
    frame = frame.assign(filled=filled, volume=np.where(random.random(n) < 0.1, NAN, 5.0))
    table = decisions(frame["close"], mae=20.0).set_axis(frame.index + ONE_MINUTE)
    close = table["price"].to_numpy()
    for name in ("long_price", "minute_price"):
        table[name] = close * np.exp(random.normal(0, 2e-3, n))
    return table[~filled], frame
