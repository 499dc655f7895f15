"""What a book refuses whatever it holds, and what it says when it refuses.

Every refusal is a `LedgerError` whose message is one sentence for the user.
"""

import math
from decimal import ROUND_DOWN, ROUND_UP, Decimal

import pandas as pd

from marketpulse.errors import InvalidOrder
from marketpulse.events import ORIGINS, Deposit, Fill, Order, Receipt, Side
from marketpulse.money import (
    CONTEXT,
    LIMIT,
    PLACES,
    PRICE_PLACES,
    decimal,
    not_negative,
    on_grid,
    positive,
)

_SIDES = frozenset(Side)


def check_deposit(deposit: Deposit) -> None:
    """Refuse a deposit of no possible amount.

    Raises
    ------
    InvalidOrder
        If it is zero, negative, not finite, 1e15 or more, or finer than 8 decimal places.
    """
    on_grid("deposit", positive("deposit", deposit.amount))


def check_order(order: Order) -> None:
    """Refuse an order that could be filled at no price.

    Raises
    ------
    InvalidOrder
        If its side, kind or origin is unknown, it asks for an amount and a quantity, it buys
        neither, or a figure is impossible, as for `check_deposit`. A quantity may be finer than 8
        decimal places: it is cut when it is filled.
    """
    _check_side(order.side)
    _check_origin(order)
    if order.kind != "market":
        raise InvalidOrder(f"Only market orders can be carried out, not {order.kind} orders.")
    if order.amount is not None and order.quantity is not None:
        raise InvalidOrder("An order names an amount or a quantity, not both.")
    if order.amount is None and order.quantity is None and order.side == Side.BUY:
        raise InvalidOrder("A purchase needs an amount or a quantity.")
    if order.amount is not None:
        on_grid("amount", positive("amount", order.amount))
    if order.quantity is not None:
        on_grid("quantity", positive("quantity", order.quantity), PRICE_PLACES)
    on_grid("price", positive("price", order.seen), PRICE_PLACES)


def check_fill(fill: Fill) -> None:
    """Refuse a fill that could come of no order.

    Raises
    ------
    InvalidOrder
        If a figure is impossible, as for `check_deposit` (a price may have 12 decimal places), if
        a purchase costs nothing, or if its receipt does not add up to its price.
    """
    _check_side(fill.side)
    _check_origin(fill)
    on_grid("quantity", positive("quantity", fill.quantity))
    on_grid("price", positive("price", fill.price), PRICE_PLACES)
    on_grid("fee", not_negative("fee", fill.fee))
    # A sale of dust may bring nothing, or the position could never be closed.
    notional = fill.notional
    if notional >= LIMIT or (fill.side == Side.BUY and not notional):
        raise InvalidOrder(f"{_deed(fill)} at {fill.price:.6g} is no tradable amount.")
    if fill.receipt is not None:
        _check_receipt(fill, fill.receipt)


def check_answer(fill: Fill, order: Order | None) -> None:
    """Refuse a fill that does not answer a waiting order.

    Raises
    ------
    InvalidOrder
        If the order does not wait (None), the fill is of another symbol, side or origin, it trades
        more than was asked for, or its price was stamped before the order's time and latency.
    """
    if order is None:
        raise InvalidOrder(f"The order {fill.order} does not wait, so it cannot be filled.")
    if (fill.symbol, fill.side, fill.origin) != (order.symbol, order.side, order.origin):
        raise InvalidOrder(f"{_deed(fill)} is no answer to the order {fill.order}.")
    if order.quantity is not None and fill.quantity > order.quantity:
        raise InvalidOrder(f"{_deed(fill)} is more than the order {fill.order} asks for.")
    if order.amount is not None and fill.notional > order.amount:
        raise InvalidOrder(f"{_deed(fill)} is worth more than the order {fill.order} asks for.")
    stamped = fill.time if fill.receipt is None else fill.receipt.reference_time
    if stamped < due(order):
        raise InvalidOrder(f"The price of {stamped} came before the order {fill.order} was due.")
    if fill.receipt is not None and fill.receipt.delay != stamped - order.time:
        raise InvalidOrder(f"The delay on the receipt of {fill.id} is not that of its price.")


def due(order: Order) -> pd.Timestamp:
    """The time from which on a price may fill an order: its own and the latency, in whole µs."""
    if not order.costs.latency_s:
        return order.time
    micros = math.ceil(decimal(order.costs.latency_s).scaleb(6))
    return order.time + pd.Timedelta(micros, "us")


def _check_receipt(fill: Fill, receipt: Receipt) -> None:
    for what, price in (("price", receipt.seen), ("price", receipt.reference)):
        on_grid(what, positive(what, price), PRICE_PLACES)
    for what, part in (("spread", receipt.spread), ("impact", receipt.impact)):
        on_grid(what, not_negative(what, part), PRICE_PLACES)
    slippage = CONTEXT.add(receipt.spread, receipt.impact)
    signed = slippage if fill.side == Side.BUY else -slippage
    if fill.price != CONTEXT.add(receipt.reference, signed):
        raise InvalidOrder(f"The receipt of {fill.id} does not add up to its price.")
    if receipt.reference_time > fill.time:
        raise InvalidOrder(f"The fill {fill.id} is older than its price.")


def _check_side(side: str) -> None:
    if side not in _SIDES:
        raise InvalidOrder(f"An order buys or sells; it cannot {side}.")


def _check_origin(event: Order | Fill) -> None:
    if event.origin not in ORIGINS:
        raise InvalidOrder(f"An order is {' or '.join(ORIGINS)}, not {event.origin}.")


# Sentences ----------------------------------------------------------------------------------------


def nothing_held(symbol: str) -> str:
    """Why there is nothing to sell, in words."""
    return f"No {_base(symbol)} is held, so there is none to sell."


def overspent(cash: Decimal, fill: Fill) -> str:
    """Why a fill cannot be paid, in words; ``cash`` is what there is."""
    # Rounded apart, so that the two figures never read the same.
    cost, there = _money(-fill.cash_flow, fill, ROUND_UP), _money(cash, fill, ROUND_DOWN)
    return f"{_deed(fill)} costs {cost} with the fee, but the cash is {there}."


def oversold(held: Decimal, fill: Fill) -> str:
    """Why a fill sells too much, in words; ``held`` is the quantity that there is."""
    if not held:
        return nothing_held(fill.symbol)
    asked = _money(fill.notional, fill, ROUND_UP)
    worth = _money(CONTEXT.multiply(held, fill.price), fill, ROUND_DOWN)
    there = f"{held.normalize():,f} {_base(fill.symbol)}"
    return f"{_deed(fill)} for {asked} is more than is held: {there}, worth {worth}."


def _base(symbol: str) -> str:
    return symbol.partition("/")[0]


def _deed(fill: Fill) -> str:
    verb = "Buying" if fill.side == Side.BUY else "Selling"
    return f"{verb} {fill.quantity.normalize():,f} {_base(fill.symbol)}"


def _money(amount: Decimal, fill: Fill, rounding: str) -> str:
    """An amount of quote currency for people: cents, or all 8 places below one unit."""
    places = Decimal("0.01") if amount >= 1 else PLACES
    cut = amount.quantize(places, rounding, CONTEXT)
    text = f"{cut:,f}" if amount >= 1 else f"{cut.normalize():f}"
    return f"{text} {fill.symbol.partition('/')[2]}".rstrip()
