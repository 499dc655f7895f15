"""What was bought when: purchases matched with sales, first in, first out.

For showing the age of what is held, and for those whose tax law asks for it. The book itself goes
by average cost; the two are never mixed.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext

import pandas as pd

from marketpulse.errors import InsufficientPosition
from marketpulse.events import Fill, Side
from marketpulse.money import CONTEXT


@dataclass(frozen=True, slots=True)
class Lot:
    """A ``quantity`` of base currency, bought at a ``price`` without fees at a ``time``."""

    quantity: Decimal
    price: Decimal
    time: pd.Timestamp


def first_out(lots: Iterable[Lot], quantity: Decimal) -> tuple[tuple[Lot, ...], tuple[Lot, ...]]:
    """The lots that a sale takes, and those that it leaves; each from the oldest on.

    Parameters
    ----------
    lots : iterable of Lot
        In any order.
    quantity : decimal.Decimal
        Base currency to sell, at least 0.

    Raises
    ------
    InsufficientPosition
        If there is less. The sale is refused whole.
    """
    taken: list[Lot] = []
    left: list[Lot] = []
    with localcontext(CONTEXT):
        for lot in sorted(lots, key=lambda lot: lot.time):
            part = min(lot.quantity, quantity)
            quantity -= part
            if part:
                taken.append(replace(lot, quantity=part))
            if part < lot.quantity:
                left.append(replace(lot, quantity=lot.quantity - part))
    if quantity:
        raise InsufficientPosition(f"There are not enough lots: {quantity.normalize():f} short.")
    return tuple(taken), tuple(left)


def held_lots(fills: Iterable[Fill], symbol: str) -> tuple[Lot, ...]:
    """The lots of a symbol that its fills, in their order, leave in the book; the oldest first."""
    lots: tuple[Lot, ...] = ()
    for fill in fills:
        if fill.symbol != symbol:
            continue
        if fill.side == Side.BUY:
            lots = (*lots, Lot(fill.quantity, fill.price, fill.time))
        else:
            _, lots = first_out(lots, fill.quantity)
    return lots
