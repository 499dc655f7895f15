"""Orders on a book: an amount of money, priced and checked, as the fill that it would be.

A quantity is cut down to 8 decimal places and a fee rounded up to them, both against the user.
"""

from dataclasses import replace
from decimal import ROUND_DOWN, ROUND_UP, Decimal, localcontext
from typing import TypedDict, Unpack

import pandas as pd

from marketpulse.errors import InsufficientPosition, InvalidOrder
from marketpulse.ledger import (
    CONTEXT,
    FLAT,
    LIMIT,
    PLACES,
    Fill,
    Ledger,
    Number,
    Side,
    append,
    nothing_held,
    positive,
)


class Terms(TypedDict):
    """What every order is priced with.

    ``id``, ``time``, ``symbol``, ``price`` and ``reason`` are those of the `Fill`; ``fee_rate`` is
    a fraction of the notional, at least 0 and below 1.
    """

    id: str
    time: pd.Timestamp
    symbol: str
    price: Number
    fee_rate: Number
    reason: str


def buy(ledger: Ledger, *, amount: Number, **terms: Unpack[Terms]) -> Fill:
    """The fill that buys for ``amount``; it is checked against the ledger, but not applied.

    Parameters
    ----------
    amount : Decimal or float
        Quote currency to spend; the fee comes on top. What is left over when the quantity is cut
        down to 8 places is not spent.
    **terms
        See `Terms`.

    Raises
    ------
    InvalidOrder, InsufficientCash
        As `apply` does; also if the amount is too small to buy anything.
    ValueError
        If the fee rate is out of bounds.
    """
    return _priced(ledger, Side.BUY, _quantity(amount, terms["price"]), terms)


def sell(ledger: Ledger, *, amount: Number, **terms: Unpack[Terms]) -> Fill:
    """The fill that sells for ``amount``, of which the fee is taken; checked, but not applied.

    Parameters and errors are those of `buy`, with InsufficientPosition if the amount is worth more
    than is held.
    """
    return _priced(ledger, Side.SELL, _quantity(amount, terms["price"]), terms)


def sell_all(ledger: Ledger, **terms: Unpack[Terms]) -> Fill:
    """The fill that sells all that is held of a symbol; otherwise as `sell`."""
    held = ledger.positions.get(terms["symbol"], FLAT).quantity
    if not held:
        raise InsufficientPosition(nothing_held(terms["symbol"]))
    return _priced(ledger, Side.SELL, held, terms)


def _quantity(amount: Number, price: Number) -> Decimal:
    """The quantity that an amount of quote currency is worth, cut down to 8 places."""
    money, at = positive("amount", amount), positive("price", price)
    with localcontext(CONTEXT):
        small = money < at * PLACES
        # Compared before dividing, which overflows at an absurd price.
        if small or money >= at * LIMIT:
            size = "small" if small else "large"
            raise InvalidOrder(f"{money:.6g} is too {size} an amount to trade at {at:.6g}.")
        return (money / at).quantize(PLACES, ROUND_DOWN)


def _priced(ledger: Ledger, side: Side, quantity: Decimal, terms: Terms) -> Fill:
    rate = terms["fee_rate"]
    if not 0 <= rate < 1:
        raise ValueError(f"fee_rate must be at least 0 and below 1, got {rate}")
    free = Fill(
        id=terms["id"],
        time=terms["time"],
        symbol=terms["symbol"],
        side=side,
        quantity=quantity,
        price=positive("price", terms["price"]),
        fee=Decimal(0),
        reason=terms["reason"],
    )
    with localcontext(CONTEXT):
        fee = (free.notional * Decimal(str(rate))).quantize(PLACES, ROUND_UP)
    fill = replace(free, fee=fee)
    append(ledger, fill)  # raises what the ledger would refuse
    return fill
