"""Orders as people and the auto-pilot give them: plain figures turned into the book's decimals."""

from decimal import ROUND_HALF_EVEN, Decimal
from typing import TypedDict, Unpack

import pandas as pd

from marketpulse.costs import Costs
from marketpulse.events import Order, Origin, Side
from marketpulse.money import PLACES, Number, positive, to_price, to_step


class Terms(TypedDict):
    """What every order says.

    As the attributes of an `Order`; ``seen`` may be a float.
    """

    id: str
    time: pd.Timestamp
    symbol: str
    seen: Number
    costs: Costs
    origin: Origin
    reason: str


def buy(amount: Number, **terms: Unpack[Terms]) -> Order:
    """The order to spend ``amount`` of quote currency, the fee on top.

    What is left over when the quantity is cut down to 8 places is not spent.

    Raises
    ------
    InvalidOrder
        If the amount or the price seen is zero, negative, not finite, or 1e15 or more.
    """
    return _order(Side.BUY, amount, terms)


def sell(amount: Number, **terms: Unpack[Terms]) -> Order:
    """The order to raise ``amount`` of quote currency, the fee taken off; raises as `buy` does."""
    return _order(Side.SELL, amount, terms)


def sell_all(**terms: Unpack[Terms]) -> Order:
    """The order to sell all that is held of a symbol; raises as `buy` does."""
    return _order(Side.SELL, None, terms)


def amount_of(value: Number) -> Decimal:
    """An amount of quote currency at 8 decimal places, the nearest one; raises as `buy` does."""
    return to_step(positive("amount", value), PLACES, ROUND_HALF_EVEN)


def _order(side: Side, amount: Number | None, terms: Terms) -> Order:
    return Order(
        id=terms["id"],
        time=terms["time"],
        symbol=terms["symbol"],
        side=side,
        amount=None if amount is None else amount_of(amount),
        quantity=None,
        kind="market",
        origin=terms["origin"],
        reason=terms["reason"],
        seen=to_price(terms["seen"]),
        costs=terms["costs"],
    )
