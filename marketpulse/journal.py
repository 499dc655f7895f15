"""The journal of all paper books, in an SQL database: the truth of which the screen is a copy.

An event is durable before anybody hears of it. Each has its place in its book and an id, and
neither is given twice, whoever else writes at the same moment: other threads, tabs or processes.
The database knows an owner by a hash only, so that it gives nobody access to a book.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import replace
from decimal import Decimal
from functools import partial
from threading import Lock
from typing import cast

import pandas as pd
import sqlalchemy as sa

from marketpulse.bookfile import Imported
from marketpulse.books import (
    OPENING,
    Book,
    BookInfo,
    BookKey,
    Named,
    is_known,
    order_of,
    owner_hash,
)
from marketpulse.database import Database, is_damage
from marketpulse.errors import InvalidOrder, JournalError, LedgerError
from marketpulse.event_json import decoded, encoded
from marketpulse.events import Deposit, Disarmed, Event, Fill, Order, Rejection
from marketpulse.journal_rows import (
    BOOKS,
    BUSY,
    DECIDED,
    EPOCH,
    MICROSECOND,
    TABLES,
    Head,
    info_of,
    microseconds,
    row_of,
    write,
)
from marketpulse.kept_book import KeptBook
from marketpulse.ledger import Ledger, append, fold

Decide = Callable[[Ledger], Event | Sequence[Event]]

# Books of which a process keeps a copy; of the others it reads one again when it is needed.
MOST_KEPT = 1_000
_LEFT_WAITING = "The order was still waiting when the book was saved to a file."
_LEFT_ARMED = "A book from a file trades by hand at first."
_UNKNOWN = "This book is not in the journal."
_C = BOOKS.c


class Journal:
    """The books of a database, and a copy of those that were in use lately.

    It may be used from several threads, and its database by several processes. A write is one
    transaction in which the book is locked, brought up to date, decided on and written.

    Parameters
    ----------
    url : str
        ``sqlite:///`` and a path, or ``postgresql://``.

    Raises
    ------
    JournalError
        If the database cannot be opened; from any method but `book`, if it cannot be read or
        written. Of a damaged file, what can still be read is, and nothing is written.
    """

    def __init__(self, url: str) -> None:
        # Why nothing can be written, if the file as a whole is damaged.
        self._damage = ""
        open_database = partial(Database, url, TABLES, name="journal", error=JournalError)
        try:
            self._database = open_database()
        except JournalError as error:
            if not is_damage(error.__cause__):
                raise
            self._damage = str(error)
            self._database = open_database(salvage=True)
        self._books: OrderedDict[str, KeptBook] = OrderedDict()
        self._lock = Lock()

    def open(self, key: BookKey, deposit: Decimal, now: pd.Timestamp) -> Book:
        """The book of a key; a new one, if there is none yet, with a first deposit.

        Parameters
        ----------
        key : BookKey
        deposit : decimal.Decimal
            In quote currency.
        now : pandas.Timestamp

        Raises
        ------
        InvalidOrder
            If the deposit is no possible amount.
        """
        opening = _as_read(Deposit(OPENING, now, deposit))
        return self._opened(key, fold([opening]), now)

    def adopt(self, owner: str, imported: Imported, now: pd.Timestamp) -> Book:
        """The book of a file, as one more book of the owner; the same file is the same book.

        Its auto-pilot is switched off, and no order waits in it.
        """
        run_id = f"import-{imported.checksum[:12]}"
        key = BookKey(owner, imported.source, imported.symbol, run_id)
        ledger = imported.ledger
        for order in imported.ledger.pending:
            ledger = append(ledger, Rejection(f"{order}/rejected", now, order, _LEFT_WAITING))
        if ledger.armed:
            ledger = append(ledger, Disarmed(f"{run_id}/disarmed", now, _LEFT_ARMED))
        return self._opened(key, ledger, now)

    def place(self, name: Named, id: str, decide: Decide, *, time: pd.Timestamp) -> Book:
        """The book after a deed that is decided on, checked and written in one step, once.

        An id that is known, whatever became of it, returns the book as it is and decides nothing.
        An order has two ids: its own, and that of its answer, which is either ``/fill`` or
        ``/rejected`` behind the order's id. What the book refuses is written as the rejection of
        the order.

        Parameters
        ----------
        name : Named
            The key of a book or the book itself.
        id : str
            Of the deed; printable ASCII, at most 150 characters.
        decide : callable
            Given the ledger as it is, returns the event with this id, or several of which one has
            it, or none to leave the book as it is. It holds the book locked, so it must be quick
            and must not use the journal. If it raises anything but a `LedgerError`, nothing is
            written and the id stays free.
        time : pandas.Timestamp
            Of a rejection.

        Raises
        ------
        JournalError
            If there is no such book, or it is damaged.
        ValueError
            If ``decide`` returned events without this id, or one that cannot be written.
        """
        self._require_sound()
        kept = self._kept(name)
        with kept.lock:
            with self._database.writing() as connection:
                book = kept.catch_up(connection, name.id, locked=True)
                if book is None or book.damage:
                    raise JournalError(book.damage if book else _UNKNOWN)
                if is_known(id, kept.ids):
                    return book
                events, ledger = _decided(book, kept.ids, id, decide, time)
                head = write(connection, book.id, kept.head, events, ledger)
            # Only now it is durable.
            after = replace(book, sequence=head.sequence, ledger=ledger)
            return kept.advance(after, head, events)

    def book(self, name: Named) -> Book | None:
        """The book as this process knows it, from memory; None if it does not know it."""
        with self._lock:
            kept = self._books.get(name.id)
            if kept:
                self._books.move_to_end(name.id)
            return kept.book if kept else None

    def find(self, name: Named) -> Book | None:
        """The book as it is now, with what other processes wrote; None if there is none."""
        kept = self._kept(name)
        with kept.lock, self._database.reading() as connection:
            return kept.catch_up(connection, name.id)

    def refresh(self, name: Named) -> Book:
        """The book as it is now, with what other processes wrote.

        Raises
        ------
        JournalError
            If there is no such book.
        """
        book = self.find(name)
        if book is None:
            raise JournalError(_UNKNOWN)
        return book

    def note_decided(self, books: Iterable[Named], as_of: pd.Timestamp) -> None:
        """Remember up to which bar's close the auto-pilots of some books have decided.

        It moves no money and is no event, because on most bars they decide to hold.
        """
        rows = [{"book": book.id, "as_of": microseconds(as_of)} for book in books]
        if not rows:
            return
        statement = self._database.insert(DECIDED)
        newer = statement.excluded.as_of
        statement = statement.on_conflict_do_update(
            index_elements=["book"], set_={"as_of": newer}, where=DECIDED.c.as_of < newer
        )
        with self._database.writing() as connection:
            connection.execute(statement, rows)

    def decided_up_to(self, name: Named) -> pd.Timestamp | None:
        """What was noted last by `note_decided`, in any process; None if nothing ever was."""
        query = sa.select(DECIDED.c.as_of).where(DECIDED.c.book == name.id)
        with self._database.reading() as connection:
            noted = connection.execute(query).scalar_one_or_none()
        return None if noted is None else EPOCH + noted * MICROSECOND

    def books_of(self, owner: str) -> tuple[BookInfo, ...]:
        """All books of an owner, the newest first."""
        return self._infos(_C.owner == owner_hash(owner))

    def busy(self) -> tuple[BookInfo, ...]:
        """The books whose auto-pilot is on or that have an order waiting, the newest first."""
        return self._infos(BUSY)

    def armed(self) -> tuple[BookInfo, ...]:
        """The books whose auto-pilot is on, the newest first."""
        return tuple(info for info in self.busy() if info.armed)

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def _require_sound(self) -> None:
        if self._damage:
            raise JournalError(self._damage)

    def _kept(self, name: Named) -> KeptBook:
        with self._lock:
            kept = self._books.setdefault(name.id, KeptBook(damage=self._damage))
            self._books.move_to_end(name.id)
            if len(self._books) > MOST_KEPT:
                self._books.popitem(last=False)
            return kept

    def _opened(self, key: BookKey, start: Ledger, now: pd.Timestamp) -> Book:
        """The book of a key, begun with the events of a ledger if it is new."""
        kept = self._kept(key)
        with kept.lock:
            with self._database.reading() as connection:
                found = kept.catch_up(connection, key.id)
            if found:
                return found
            self._require_sound()
            with self._database.writing() as connection:
                if not self._create(connection, key, now):
                    found = kept.catch_up(connection, key.id)
                    return cast(Book, found)  # another process was quicker
                head = write(connection, key.id, Head(), start.events, start)
            book = Book(key.id, key.source, key.symbol, key.run_id, head.sequence, start)
            return kept.advance(book, head, start.events)

    def _create(self, connection: sa.Connection, key: BookKey, now: pd.Timestamp) -> bool:
        """Whether the book was not there yet; it is now, with no events."""
        statement = self._database.insert(BOOKS).on_conflict_do_nothing().returning(_C.id)
        return connection.execute(statement, row_of(key, now)).first() is not None

    def _infos(self, which: sa.ColumnElement[bool]) -> tuple[BookInfo, ...]:
        query = sa.select(BOOKS).where(which).order_by(_C.opened_at.desc(), _C.id)
        with self._database.reading() as connection:
            return tuple(info_of(row) for row in connection.execute(query))


def _decided(
    book: Book, ids: Set[str], id: str, decide: Decide, time: pd.Timestamp
) -> tuple[list[Event], Ledger]:
    """What is to be written, and the ledger after it; ``ids`` are those of the book's events."""
    try:
        events = _events(decide(book.ledger), book)
        if events and not is_known(id, events.keys()):
            raise ValueError(f"of the events decided on as {id!r}, none has that id")
        ledger, fresh = book.ledger, [e for e in events.values() if e.id not in ids]
        for event in fresh:
            ledger = append(ledger, event)
    except LedgerError as refusal:
        order = order_of(id)
        rejection = _as_read(Rejection(f"{order}/rejected", time, order, str(refusal)))
        return [rejection], append(book.ledger, rejection)
    return fresh, ledger


def _events(decided_on: Event | Sequence[Event], book: Book) -> dict[str, Event]:
    """The events by id."""
    listed = decided_on if isinstance(decided_on, Sequence) else (decided_on,)
    events: dict[str, Event] = {}
    for event in listed:
        if isinstance(event, Order | Fill) and event.symbol != book.symbol:
            raise InvalidOrder(f"This book trades {book.symbol}, not {event.symbol}.")
        events.setdefault(event.id, _as_read(event))
    return events


def _as_read(event: Event) -> Event:
    """The event exactly as it will be read again."""
    return decoded(encoded(event))
