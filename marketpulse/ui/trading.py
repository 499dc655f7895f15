"""The ticket: buttons that write one order each into the visitor's book."""

import streamlit as st

from marketpulse.books import BookKey
from marketpulse.events import Event, Fill, Order, Rejection
from marketpulse.hub import Hub
from marketpulse.market import Market
from marketpulse.report import visitor_limits
from marketpulse.tickets import Deed, Ticket, ordered
from marketpulse.ui import book, session
from marketpulse.ui.frame import Frame
from marketpulse.words import money_text, price_text
from marketpulse.zones import time_text


def carry_out(ticket: Ticket, hub: Hub, market: Market, key: BookKey) -> None:
    """Write a ticket's order into the book, once.

    Runs as a button's callback. It touches no Streamlit state, because a rerun may interrupt any
    access to it and would tear the order.
    """
    snapshot, now = market.snapshot.seen_at(hub.clock()), market.now(hub.clock())
    hub.place(market, key, ticket.id, lambda ledger: ordered(ticket, ledger, snapshot, now), now)


def draw_ticket(frame: Frame) -> None:
    """The amount, the buttons, and what became of the last order."""
    symbol = frame.snapshot.key.symbol
    base, currency = symbol.split("/")
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
    said = f"{amount:,.0f}" if float(amount).is_integer() else f"{amount:,.2f}"
    held = symbol in frame.book.ledger.positions
    labels: tuple[tuple[Deed, str, bool], ...] = (
        ("buy", f"Buy {said} {currency} of {base}", True),
        ("sell", f"Sell {said} {currency} of {base}", held),
        ("sell all", f"Sell all {base}", held),
    )
    refusal = book.refusal(frame.book, frame.snapshot)
    # One order at a time: what a burst of clicks means is what the first of them says.
    free = not (refusal or book.waiting(frame.book))
    for deed, label, possible in labels:
        _draw_button(frame, deed, label, amount, possible and free)
    # Below the buttons: above, it would move them when it comes and goes.
    if refusal:
        st.caption(f":material/block: {refusal}")
    book.draw_waiting(frame.book, frame.zone)
    if not book.waiting(frame.book):
        _draw_last_order(frame.book.ledger.events, currency, frame.zone)


def _draw_button(frame: Frame, deed: Deed, label: str, amount: float, possible: bool) -> None:
    ticket = Ticket(
        id=f"{frame.book.sequence}-{label}",
        deed=deed,
        symbol=frame.snapshot.key.symbol,
        amount=amount,
        seen=frame.snapshot.price or 0.0,
        costs=frame.report.costs,
        limits=visitor_limits(frame.settings),
    )
    st.button(
        label,
        key=f"ticket-{ticket.id}",
        on_click=carry_out,
        args=(ticket, frame.hub, frame.market, book.key_of(frame.snapshot.key)),
        disabled=not possible,
        type="primary" if deed == "buy" else "secondary",
        width="stretch",
    )


def _draw_last_order(events: tuple[Event, ...], currency: str, zone: str) -> None:
    """What became of the last order: a receipt, or the reason why there is none."""
    answers = (event for event in reversed(events) if isinstance(event, Order | Fill | Rejection))
    last = next(answers, None)
    if isinstance(last, Rejection):
        st.warning(last.sentence, icon=":material/block:")
    elif isinstance(last, Fill):
        fee = money_text(float(last.fee), currency)
        when = time_text(last.time, zone, "%H:%M:%S")
        who = " by the auto-pilot" if last.origin == "auto-pilot" else ""
        st.caption(
            f":material/check: {last.side.capitalize()} {last.quantity.normalize():f}"
            f" at {price_text(float(last.price))}, fee {fee}, {when}{who}"
        )
