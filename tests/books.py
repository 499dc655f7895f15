"""Builders of paper books, shared by the tests of the ledger and of what stands on it."""

from decimal import Decimal

import pandas as pd

from marketpulse.ledger import Deposit, Fill, Side, apply, fold

NOON = pd.Timestamp("2026-01-02 12:00", tz="UTC")
BTC = "BTC/USD"
GRID = Decimal("1e-8")


def deposit(amount="10000", id="deposit", time=NOON):
    return Deposit(id, time, Decimal(amount))


def fill(side, quantity, price, fee="0", id="fill", symbol=BTC, time=NOON):
    return Fill(
        id, time, symbol, Side(side), Decimal(str(quantity)), Decimal(str(price)), Decimal(fee), ""
    )


def book_of(orders, *, rate="0", cash="1000000000"):
    """The ledgers after the deposit and after each (side, quantity, price)."""
    ledgers = [fold([deposit(cash)])]
    for number, (side, quantity, price) in enumerate(orders):
        fee = (Decimal(str(quantity)) * Decimal(str(price)) * Decimal(rate)).quantize(GRID)
        ledgers.append(apply(ledgers[-1], fill(side, quantity, price, str(fee), id=str(number))))
    return ledgers


def terms(**changes):
    standard = {"id": "order", "time": NOON, "symbol": BTC, "price": 50_000, "fee_rate": 0.004}
    return {**standard, "reason": "by hand", **changes}
