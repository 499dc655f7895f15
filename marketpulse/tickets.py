"""Tickets: what a button on the screen asks of a paper book, and what becomes of it at once.

A ticket says what its label says, bound when it is drawn. The price is not part of it: an order is
filled at the first price after it was given.
"""

from dataclasses import dataclass
from typing import Literal

import pandas as pd

from marketpulse import health, orders
from marketpulse.costs import Costs
from marketpulse.errors import LedgerError
from marketpulse.events import Order, Rejection
from marketpulse.fills import Price, filled, volume_before
from marketpulse.ledger import Ledger, append
from marketpulse.risk import Limits, Mark, blocked
from marketpulse.rules import due
from marketpulse.snapshot import Snapshot

Deed = Literal["buy", "sell", "sell all"]


@dataclass(frozen=True, slots=True)
class Ticket:
    """One order as its button says it.

    Attributes
    ----------
    id : str
        Of the order: the same label on an unchanged book is the same order, however often it is
        clicked.
    deed : {"buy", "sell", "sell all"}
    symbol : str
    amount : float
        Quote currency; for "sell all" without meaning.
    seen : float
        Price on the screen beside the button.
    costs : Costs
    limits : Limits
    """

    id: str
    deed: Deed
    symbol: str
    amount: float
    seen: float
    costs: Costs
    limits: Limits


def ordered(
    ticket: Ticket, ledger: Ledger, snapshot: Snapshot, now: pd.Timestamp
) -> tuple[Order | Rejection, ...]:
    """The order of a ticket, and its rejection if it may not or cannot be carried out.

    Parameters
    ----------
    ticket : Ticket
    ledger : Ledger
    snapshot : Snapshot
        Of the market, the newest one.
    now : pandas.Timestamp
        The market's own time of the click.

    Raises
    ------
    InvalidOrder
        If the ticket's amount or price is none.
    """
    order = _order(ticket, now)
    why = health.refusal(snapshot) or judged(order, ledger, snapshot, now, ticket.limits)
    return (order, rejected(order, why)) if why else (order,)


def judged(
    order: Order, ledger: Ledger, snapshot: Snapshot, now: pd.Timestamp, limits: Limits
) -> str:
    """Why an order may not be placed, or could not be paid for at the present price; or nothing."""
    price = snapshot.price
    if price is None:
        return health.refusal(snapshot)
    mark = Mark.of(snapshot.candles, price, now)
    return blocked(order, ledger, mark, limits) or _impossible(order, ledger, snapshot, price)


def rejected(order: Order, sentence: str) -> Rejection:
    """The rejection of an order when it is given."""
    return Rejection(f"{order.id}/rejected", order.time, order.id, sentence)


def _impossible(order: Order, ledger: Ledger, snapshot: Snapshot, price: float) -> str:
    at = Price.of(due(order), price, snapshot.venue)
    try:
        filled(order, append(ledger, order), at, volume_before(order.time, snapshot.candles))
    except LedgerError as refusal:
        return str(refusal)
    return ""


def _order(ticket: Ticket, now: pd.Timestamp) -> Order:
    terms = orders.Terms(
        id=ticket.id,
        time=now,
        symbol=ticket.symbol,
        seen=ticket.seen,
        costs=ticket.costs,
        origin="manual",
        reason="By hand.",
    )
    if ticket.deed == "sell all":
        return orders.sell_all(**terms)
    order = orders.buy if ticket.deed == "buy" else orders.sell
    return order(ticket.amount, **terms)
