"""Builders of paper books along a line of closes, shared by the tests of what they made."""

from decimal import Decimal

import pandas as pd

from marketpulse.events import Deposit, Fill, Receipt, Side
from marketpulse.ledger import fold

NOON = pd.Timestamp("2026-01-02 12:00", tz="UTC")
MINUTE = pd.Timedelta(minutes=1)
BTC = "BTC/USD"


def deposit(amount=1000, minute=0, id="deposit"):
    return Deposit(id, NOON + minute * MINUTE, Decimal(amount))


def fill(side, quantity, price, minute, fee=0, symbol=BTC, **more):
    time = NOON + minute * MINUTE
    figures = (Decimal(str(figure)) for figure in (quantity, price, fee))
    return Fill(f"{side}{minute}{symbol}", time, symbol, Side(side), *figures, "by hand", **more)


def priced(side, quantity, minute, *, seen, reference, spread=0, impact=0, fee=0, **more):
    """A fill with a receipt; spread and impact per unit of base currency."""
    seen, reference, spread, impact = (
        Decimal(str(number)) for number in (seen, reference, spread, impact)
    )
    away = spread + impact
    price = reference + away if side == "buy" else reference - away
    delay = pd.Timedelta(seconds=2)
    at = NOON + minute * MINUTE
    receipt = Receipt(seen, reference, at, spread, impact, delay, "bitstamp")
    return fill(side, quantity, price, minute, fee, receipt=receipt, **more)


def closes(*prices, first=1):
    """Closes of the bars that closed 1, 2, ... minutes after noon."""
    index = pd.date_range(NOON + first * MINUTE, periods=len(prices), freq=MINUTE, unit="us")
    return pd.Series(prices, index=index, dtype="float64")


def round_trips(*profits):
    """A book that made these profits, one flat-to-flat trip each."""
    events = [deposit()]
    for trip, profit in enumerate(profits):
        events.append(fill("buy", 1, 100, 2 * trip))
        events.append(fill("sell", 1, 100 + profit, 2 * trip + 1))
    return fold(events)
