"""A book as one process knows it, and how it catches up with what others wrote."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Any

import sqlalchemy as sa

from marketpulse.books import Book, book_id
from marketpulse.errors import LedgerError
from marketpulse.events import Event
from marketpulse.journal_rows import Head, book_row, events_between
from marketpulse.ledger import Ledger, append, fold


@dataclass(slots=True)
class KeptBook:
    """A copy of a book.

    Attributes
    ----------
    lock : threading.Lock
        Only who holds it may call a method.
    book : Book or None
        None until it was read. It is replaced, never changed, so that anybody may take it.
    head : Head
        Up to where it was read.
    ids : set of str
        Of its events.
    damage : str
        Why no book of this database can be written; empty if it is sound.
    """

    lock: Lock = field(default_factory=Lock)
    book: Book | None = None
    head: Head = field(default_factory=Head)
    ids: set[str] = field(default_factory=set)
    damage: str = ""

    def advance(self, book: Book, head: Head, events: Iterable[Event]) -> Book:
        """Take over what was read, or what was written and committed."""
        self.ids.update(event.id for event in events)
        self.book, self.head = book, head
        return book

    def catch_up(self, connection: sa.Connection, id: str, *, locked: bool = False) -> Book | None:
        """The book as it is in the database; None if it is not there.

        Parameters
        ----------
        connection : sqlalchemy.Connection
        id : str
            Of the book.
        locked : bool
            Keep others from writing to the book until the transaction ends.
        """
        row = book_row(connection, id, locked=locked)
        if row is None:
            return None
        book = self.book or Book(id, row.source, row.symbol, row.run_id, 0, Ledger())
        head = Head(row.sequence, row.checksum)
        if book.damage or (self.book and head == self.head):
            return book
        if not _is_sound(row):
            return self.advance(_damaged(book, "its name or its end cannot be read"), self.head, ())
        return self._read(connection, book, head)

    def _read(self, connection: sa.Connection, book: Book, head: Head) -> Book:
        stretch = events_between(connection, book.id, self.head, head)
        ledger, problem = _continued(book.ledger, stretch.events)
        problem = problem or stretch.damage
        events = ledger.events[book.sequence :]
        book = replace(book, sequence=len(ledger.events), ledger=ledger, damage=self.damage)
        return self.advance(_damaged(book, problem) if problem else book, stretch.head, events)


def _is_sound(row: Any) -> bool:
    """Whether a book's row says whose it is, and where it ends."""
    names = (row.owner, row.source, row.symbol, row.run_id)
    ends = isinstance(row.sequence, int) and isinstance(row.checksum, str)
    return ends and all(isinstance(name, str) for name in names) and book_id(*names) == row.id


def _continued(ledger: Ledger, events: Sequence[Event]) -> tuple[Ledger, str]:
    """The ledger after the events, or after those before the first that it cannot carry."""
    try:
        return fold(events, ledger), ""
    except LedgerError:
        for event in events:
            try:
                ledger = append(ledger, event)
            except LedgerError as error:
                number = len(ledger.events) + 1
                return ledger, f"event {number} is no possible one ({str(error).rstrip('.')})"
        raise


def _damaged(book: Book, problem: str) -> Book:
    kept = f"the {book.sequence} events before it are kept" if book.sequence else "nothing is kept"
    sentence = f"The journal of this book is damaged: {problem}; {kept}, and it takes no more."
    return replace(book, damage=sentence)
