"""The ticket: two buttons that write one event each into the visitor's book."""

from dataclasses import dataclass, replace
from typing import Literal

import pandas as pd
import streamlit as st

from marketpulse import health, orders
from marketpulse.costs import Costs
from marketpulse.errors import InvalidOrder
from marketpulse.events import Fill, Order, Rejection
from marketpulse.fills import Price, filled
from marketpulse.journal import Journal
from marketpulse.ledger import Ledger, append
from marketpulse.market import Market
from marketpulse.snapshot import Snapshot
from marketpulse.ui import session
from marketpulse.ui.frame import Frame
from marketpulse.words import money_text, price_text


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
    fee_rate : float
        Fraction.
    """

    id: str
    deed: Literal["buy", "sell", "sell all"]
    symbol: str
    amount: float
    fee_rate: float


def carry_out(ticket: Ticket, market: Market, journal: Journal) -> None:
    """Fill a ticket at the market's price of this moment, or note why not.

    Runs as a button's callback. It touches no Streamlit state, because a rerun may interrupt any
    access to it and would tear the trade.
    """
    snapshot = market.snapshot
    journal.place(lambda ledger: _filled(ticket, snapshot, ledger), id=ticket.id, time=snapshot.now)


def _filled(ticket: Ticket, snapshot: Snapshot, ledger: Ledger) -> Fill:
    price, refusal = snapshot.price, health.refusal(snapshot)
    if price is None or refusal:
        raise InvalidOrder(refusal)
    order = _order(ticket, snapshot.now, price)
    seen = Price.of(snapshot.now, price, snapshot.venue)
    fill = filled(order, append(ledger, order), seen, None)
    return replace(fill, id=ticket.id, order="")


def _order(ticket: Ticket, now: pd.Timestamp, price: float) -> Order:
    terms = orders.Terms(
        id=ticket.id,
        time=now,
        symbol=ticket.symbol,
        seen=price,
        costs=Costs(ticket.fee_rate * 10_000),
        origin="manual",
        reason="manual",
    )
    if ticket.deed == "sell all":
        return orders.sell_all(**terms)
    order = orders.buy if ticket.deed == "buy" else orders.sell
    return order(ticket.amount, **terms)


def draw_ticket(frame: Frame) -> None:
    """The amount and the buttons."""
    symbol, currency = frame.snapshot.key.symbol, frame.snapshot.key.symbol.split("/")[1]
    amount = st.number_input(
        f"Amount ({currency})",
        value=float(frame.settings.ticket),
        step=100.0,
        format="%.2f",
        key="ticket-amount",
        help="Spent on a purchase, fee on top; or raised by a sale, fee taken off.",
    )
    if amount > 0 and amount != frame.settings.ticket:
        session.save_settings(session.settings().changed(ticket=amount))
    base = symbol.split("/")[0]
    said = f"{amount:,.0f}" if float(amount).is_integer() else f"{amount:,.2f}"
    held = symbol in frame.journal.ledger.positions
    labels = (
        ("buy", f"Buy {said} {currency} of {base}", True),
        ("sell", f"Sell {said} {currency} of {base}", held),
        ("sell all", f"Sell all {base}", held),
    )
    refusal = health.refusal(frame.snapshot)
    if refusal:
        st.caption(f":material/block: {refusal}")
    for deed, label, possible in labels:
        _draw_button(frame, deed, label, amount, possible and not refusal)  # type: ignore[arg-type]
    _draw_last_order(frame.journal, currency)


def _draw_button(
    frame: Frame,
    deed: Literal["buy", "sell", "sell all"],
    label: str,
    amount: float,
    possible: bool,
) -> None:
    book = frame.journal
    symbol = frame.snapshot.key.symbol
    ticket = Ticket(f"{book.sequence}-{label}", deed, symbol, amount, frame.report.costs.fee_rate)
    st.button(
        label,
        key=f"ticket-{ticket.id}",
        on_click=carry_out,
        args=(ticket, frame.market, book),
        disabled=not possible,
        type="primary" if deed == "buy" else "secondary",
        width="stretch",
    )


def _draw_last_order(journal: Journal, currency: str) -> None:
    """What became of the last order: a receipt, or the reason why there is none."""
    last = journal.entries[-1]
    if isinstance(last, Rejection):
        st.warning(last.sentence, icon=":material/block:")
    elif isinstance(last, Fill):
        fee = money_text(float(last.fee), currency)
        st.caption(
            f":material/check: {last.side.capitalize()} {last.quantity.normalize():f}"
            f" at {price_text(float(last.price))}, fee {fee}, {last.time:%H:%M:%S} UTC"
        )
