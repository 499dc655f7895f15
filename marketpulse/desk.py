"""The desk: fills the orders that wait, and lets armed books decide, after each step of a market.

It works from the published snapshot alone. Everything it does has an id that says what it is about,
so a second desk that does the same, in this process or in another, changes nothing.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache, lru_cache
from threading import Lock

import pandas as pd

from marketpulse import pilot, report
from marketpulse.bookfile import Imported
from marketpulse.books import STARTING_CASH, Book, BookKey, Named, owner_hash
from marketpulse.errors import JournalError
from marketpulse.events import Armed, Disarmed, Fill, Order, Rejection
from marketpulse.fills import Price, outcome
from marketpulse.journal import Decide, Journal
from marketpulse.ledger import Ledger
from marketpulse.report import Report
from marketpulse.rules import due
from marketpulse.settings import Settings
from marketpulse.snapshot import Snapshot
from marketpulse.sources.catalogue import Place

_ENDED = "The replay ended before a price came."
_OVER = "The replay has ended."

settings_of = lru_cache(maxsize=256)(pilot.settings_of)


class Desk:
    """All books with something to do; safe to use from several threads.

    Parameters
    ----------
    journal : Journal

    Attributes
    ----------
    problems : dict of str to str
        What the journal could not do for a book, as a sentence, by the book's id; it is taken back
        as soon as the journal works again.
    adopted : int
        How many books of files were opened.
    """

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.problems: dict[str, str] = {}
        self.adopted = 0
        self._busy: dict[Place, dict[str, Book]] = {}
        self._decided: dict[str, pd.Timestamp] = {}
        self._lock = Lock()

    def load(self) -> tuple[Place, ...]:
        """Take up the books that another process left with something to do, and where they trade.

        Books of a replay are left alone: its run ended with its process, if that has ended.

        Raises
        ------
        JournalError
            If the journal cannot be read.
        """
        for info in self.journal.busy():
            if not info.run_id:
                self.note(self.journal.refresh(info))
        with self._lock:
            return tuple(self._busy)

    def place(self, key: BookKey, id: str, decide: Decide, time: pd.Timestamp) -> Book | None:
        """Carry out a visitor's deed, in a new book if they have none yet; None if that failed.

        Arguments are those of `Journal.place`. What goes wrong is put into `problems`.
        """
        with self._told(key):
            if self.journal.book(key) is None:
                self.journal.open(key, STARTING_CASH, time)
            return self.note(self.journal.place(key, id, decide, time=time))
        return None

    def adopt(self, owner: str, imported: Imported, now: pd.Timestamp) -> None:
        """Open the book of a file; what goes wrong is put into `problems`, under the owner's hash.

        Arguments are those of `Journal.adopt`.
        """
        try:
            self.journal.adopt(owner, imported, now)
        except JournalError as error:
            self.problems[owner_hash(owner)] = str(error)
        else:
            self.problems.pop(owner_hash(owner), None)
            self.adopted += 1

    def note(self, book: Book) -> Book:
        """Remember whether a book has something to do."""
        busy = (book.ledger.pending or book.ledger.armed) and not book.damage
        at = (book.source, book.symbol, book.run_id)
        with self._lock:
            known = self._busy.setdefault(at, {})
            if busy:
                known[book.id] = book
            else:
                known.pop(book.id, None)
            if not known:
                del self._busy[at]
        return book

    def busy(self, at: Place) -> tuple[Book, ...]:
        """The books of a market that have something to do."""
        with self._lock:
            return tuple(self._busy.get(at, {}).values())

    def armed(self) -> tuple[tuple[Place, Settings], ...]:
        """What armed books were armed with, and where they trade."""
        with self._lock:
            books = [(at, book) for at, each in self._busy.items() for book in each.values()]
        return tuple(
            (at, settings_of(book.ledger.armed)) for at, book in books if book.ledger.armed
        )

    def waits(self, at: Place, now: pd.Timestamp) -> bool:
        """Whether an order waits for the next price of a market, its latency over."""
        return any(due(order) <= now for book in self.busy(at) for order in _pending(book))

    def work(self, at: Place, snapshot: Snapshot) -> None:
        """Do what is to be done at a snapshot. Without a busy book this costs nothing."""
        books = self.busy(at)
        if not books or not snapshot.has_candles:
            return
        read = _reader(snapshot)
        decided = [book for book in books if self._worked(book, snapshot, read)]
        if decided and snapshot.as_of is not None and not snapshot.key.run_id:
            with suppress(JournalError):  # some bars would be listed as missed, no more
                self.journal.note_decided(decided, snapshot.as_of)

    def _worked(self, known: Book, snapshot: Snapshot, read: Callable[[Settings], Report]) -> bool:
        """Whether a book decided on a bar that was new to it."""
        decided = False
        with self._told(known):
            book = self.journal.book(known) or self.journal.refresh(known)
            book = self._answered(book, snapshot)
            if snapshot.ended:
                book = self._ended(book, snapshot.now)
            elif book.ledger.armed is not None:
                decided, book = self._decide(book, book.ledger.armed, snapshot, read)
            self.note(book)
        return decided

    @contextmanager
    def _told(self, name: Named) -> Iterator[None]:
        """Keep the journal's trouble with a book for its pages, instead of failing."""
        try:
            yield
        except JournalError as error:
            self.problems[name.id] = str(error)
        else:
            self.problems.pop(name.id, None)

    def _answered(self, book: Book, snapshot: Snapshot) -> Book:
        """The book after its orders were filled or given up, as far as prices have come."""
        for order in _pending(book):
            if _answer(order, book.ledger, snapshot) is not None:

                def answer(ledger: Ledger, order: Order = order) -> tuple[Fill | Rejection, ...]:
                    waits = order.id in ledger.pending
                    made = _answer(order, ledger, snapshot) if waits else None
                    return () if made is None else (made,)

                book = self.journal.place(book, f"{order.id}/fill", answer, time=snapshot.now)
        return book

    def _decide(
        self, book: Book, armed: Armed, snapshot: Snapshot, read: Callable[[Settings], Report]
    ) -> tuple[bool, Book]:
        as_of, since = snapshot.as_of, self._since(book)
        if as_of is None or as_of <= since or snapshot.stale:
            return False, book
        seen = read(settings_of(armed))
        if not pilot.ready(seen):
            return False, book
        book = self._listed(self.journal.refresh(book), since, as_of, snapshot.now)
        if pilot.decided(book.ledger, seen, snapshot):
            book = self.journal.place(
                book,
                pilot.order_id(as_of),
                lambda now: pilot.decided(now, seen, snapshot) if now.armed == armed else (),
                time=snapshot.now,
            )
        self._decided[book.id] = as_of
        return True, book

    def _since(self, book: Book) -> pd.Timestamp:
        """Close of the last bar that the book's auto-pilot has dealt with."""
        known = self._decided.get(book.id)
        if known is None:
            noted = None if book.run_id else self.journal.decided_up_to(book)
            shown = pilot.decided_up_to(book.ledger)
            known = shown if noted is None else max(noted, shown)
            self._decided[book.id] = known
        armed = book.ledger.armed
        return known if armed is None else max(known, armed.time)

    def _listed(
        self, book: Book, since: pd.Timestamp, as_of: pd.Timestamp, now: pd.Timestamp
    ) -> Book:
        """The book with the bars on which nothing was decided, if there are any."""
        gap = pilot.missed(since, as_of, now)
        if gap is None:
            return book
        if not book.run_id:
            # Another process may have decided on them.
            noted = self.journal.decided_up_to(book)
            gap = pilot.missed(since if noted is None else max(noted, since), as_of, now)
        if gap is None:
            return book
        return self.journal.place(book, gap.id, lambda _: gap, time=now)

    def _ended(self, book: Book, now: pd.Timestamp) -> Book:
        """The book after the end of its replay: nothing waits, and nothing is armed."""
        for order in _pending(book):
            book = self._given_up(book, Rejection(f"{order.id}/rejected", now, order.id, _ENDED))
        if book.ledger.armed is None:
            return book
        over = Disarmed(f"ended/{book.sequence}", now, _OVER)
        return self.journal.place(book, over.id, lambda _: over, time=now)

    def _given_up(self, book: Book, answer: Rejection) -> Book:
        def unless_answered(ledger: Ledger) -> tuple[Rejection, ...]:
            return (answer,) if answer.order in ledger.pending else ()

        return self.journal.place(book, answer.id, unless_answered, time=answer.time)


def _pending(book: Book) -> tuple[Order, ...]:
    return tuple(book.ledger.pending.values())


def _answer(order: Order, ledger: Ledger, snapshot: Snapshot) -> Fill | Rejection | None:
    quote = snapshot.quote
    price = None if quote is None else Price.of(quote.time, quote.price, snapshot.venue)
    return outcome(order, ledger, snapshot.candles, price, snapshot.now, venue=snapshot.venue)


def _reader(snapshot: Snapshot) -> Callable[[Settings], Report]:
    """What the screen shows of a snapshot for settings, built once for equal ones."""

    @cache
    def read(settings: Settings) -> Report:
        return report.basis(snapshot, settings)

    return read
