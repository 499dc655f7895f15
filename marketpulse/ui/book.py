"""The visitor's book of the market on screen, as it was written last."""

from dataclasses import replace

import streamlit as st

from marketpulse import health
from marketpulse.books import Book, BookKey, unwritten
from marketpulse.errors import JournalError
from marketpulse.events import Order
from marketpulse.hub import Hub
from marketpulse.ledger import Ledger
from marketpulse.office import OPENING
from marketpulse.rules import due
from marketpulse.snapshot import MarketKey, Snapshot
from marketpulse.sources.catalogue import place_of
from marketpulse.ui import session
from marketpulse.zones import time_text


def key_of(market: MarketKey) -> BookKey:
    """The key of the visitor's book of a market."""
    return BookKey(session.owner(), *place_of(market.source, market.symbol, market.run_id))


def current(hub: Hub, snapshot: Snapshot) -> Book:
    """The visitor's book of a market, from memory but for the first time.

    It is written only when something happens to it. While the journal cannot be read, the book is
    as it was seen last, or empty, and takes nothing.
    """
    key = key_of(snapshot.key)
    kept = session.kept_book(key.id)
    if hub.desk is None:
        return _closed(key, kept, hub.office.problem)
    known = hub.desk.journal.book(key)
    # One that was written to is never unwritten: this process has only forgotten it.
    if known is None and (kept is None or kept.sequence > 1):
        try:
            known = hub.desk.journal.find(key)
        except JournalError as error:
            return _closed(key, kept, str(error))
    if known is None and kept is None and not snapshot.has_candles:
        return unwritten(key, snapshot.now)
    return session.keep_book(known or kept or unwritten(key, snapshot.now))


def _closed(key: BookKey, kept: Book | None, why: str) -> Book:
    empty = Book(key.id, key.source, key.symbol, key.run_id, 0, Ledger())
    return replace(kept or empty, damage=why)


def moved_on(hub: Hub, drawn: Book) -> bool:
    """Whether more was written to a book since it was taken to be drawn."""
    now = None if hub.desk is None else hub.desk.journal.book(drawn)
    return now is not None and now.sequence > drawn.sequence


def problem(hub: Hub, book: Book) -> str:
    """What is wrong with the journal of a book, in one sentence; empty if nothing is."""
    return book.damage or ("" if hub.desk is None else hub.desk.problems.get(book.id, ""))


def refusal(book: Book, snapshot: Snapshot) -> str:
    """Why nothing can be ordered now, as a sentence; empty if it can."""
    if book.damage == OPENING:
        return health.refusal(snapshot) or OPENING
    return health.refusal(snapshot) or ("No trade: see above." if book.damage else "")


def waiting(book: Book) -> tuple[Order, ...]:
    """The orders that wait for a price, the oldest first."""
    return tuple(book.ledger.pending.values())


def draw_waiting(book: Book, zone: str) -> None:
    """Say of every order that waits that it does."""
    for order in waiting(book):
        st.caption(
            f":material/hourglass_top: Order placed: waits for the first price after"
            f" {time_text(due(order), zone, '%H:%M:%S')}."
        )
