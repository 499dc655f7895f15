"""Builders of paper books, shared by the tests of the ledger and of what stands on it."""

from decimal import Decimal

import pandas as pd

from marketpulse.costs import Costs
from marketpulse.events import Deposit, Fill, Order, Side
from marketpulse.fills import Price, filled
from marketpulse.ledger import apply, fold

NOON = pd.Timestamp("2026-01-02 12:00", tz="UTC")
BTC = "BTC/USD"
GRID = Decimal("1e-8")


def deposit(amount="10000", id="deposit", time=NOON):
    return Deposit(id, time, Decimal(amount))


def fill(side, quantity, price, fee="0", id="fill", symbol=BTC, time=NOON, **more):
    figures = Decimal(str(quantity)), Decimal(str(price)), Decimal(fee)
    return Fill(id, time, symbol, Side(side), *figures, "", **more)


def book_of(orders, *, rate="0", cash="1000000000"):
    """The ledgers after the deposit and after each (side, quantity, price)."""
    ledgers = [fold([deposit(cash)])]
    for number, (side, quantity, price) in enumerate(orders):
        fee = (Decimal(str(quantity)) * Decimal(str(price)) * Decimal(rate)).quantize(GRID)
        ledgers.append(apply(ledgers[-1], fill(side, quantity, price, str(fee), id=str(number))))
    return ledgers


def terms(**changes):
    """What an order says besides its amount."""
    standard = {"id": "order", "time": NOON, "symbol": BTC, "seen": 50_000, "costs": Costs(40)}
    return {**standard, "origin": "manual", "reason": "by hand", **changes}


def ordered(side, *, amount=None, quantity=None, **changes):
    """An order, its figures in whatever form."""
    asked = [None if figure is None else Decimal(str(figure)) for figure in (amount, quantity)]
    said = terms(**changes)
    return Order(
        side=Side(side),
        amount=asked[0],
        quantity=asked[1],
        kind="market",
        **{**said, "seen": Decimal(str(said["seen"]))},
    )


def carried_out(ledger, order, price=None, volume=None, time=None):
    """The fill of an order and the ledger after it, at the price seen unless another is given."""
    at = Price.of(time or order.time, order.seen if price is None else price, "bitstamp")
    asked = apply(ledger, order)
    fill = filled(order, asked, at, volume)
    return fill, apply(asked, fill)
