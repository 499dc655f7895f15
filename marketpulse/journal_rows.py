"""The journal's tables, and the chain of checksums that ties the events of a book together.

The checksum of an event covers that of the event before it, so that nothing can be changed, left
out or moved without a trace. A book knows its head: the number of its events and the last checksum.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.exc import DatabaseError

from marketpulse.books import BookInfo, BookKey
from marketpulse.database import is_damage
from marketpulse.event_json import decoded, encoded, kind_of
from marketpulse.events import Event
from marketpulse.ledger import Ledger

EPOCH = pd.Timestamp(0, tz="UTC")
MICROSECOND = pd.Timedelta(microseconds=1)

TABLES = sa.MetaData()
BOOKS = sa.Table(
    "books",
    TABLES,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("owner", sa.String(64), nullable=False, index=True),
    sa.Column("source", sa.Text(), nullable=False),
    sa.Column("symbol", sa.Text(), nullable=False),
    sa.Column("run_id", sa.Text(), nullable=False),
    sa.Column("opened_at", sa.BigInteger(), nullable=False),
    sa.Column("sequence", sa.BigInteger(), nullable=False),
    sa.Column("checksum", sa.String(64), nullable=False),
    sa.Column("armed", sa.Integer(), nullable=False),
    sa.Column("pending", sa.Integer(), nullable=False),
)
# So that the few that somebody must work for are found at once.
BUSY = sa.or_(BOOKS.c.armed > 0, BOOKS.c.pending > 0)
sa.Index("books_busy", BOOKS.c.id, sqlite_where=BUSY, postgresql_where=BUSY)
EVENTS = sa.Table(
    "events",
    TABLES,
    sa.Column("book", sa.String(64), primary_key=True),
    sa.Column("sequence", sa.BigInteger(), primary_key=True, autoincrement=False),
    sa.Column("event_id", sa.Text(), nullable=False),
    sa.Column("kind", sa.Text(), nullable=False),
    sa.Column("time", sa.BigInteger(), nullable=False),
    sa.Column("body", sa.Text(), nullable=False),
    sa.Column("checksum", sa.String(64), nullable=False),
    sa.UniqueConstraint("book", "event_id"),
    sqlite_with_rowid=False,
)
# Up to which bar's close an armed book has decided, most often to hold.
DECIDED = sa.Table(
    "decided",
    TABLES,
    sa.Column("book", sa.String(64), primary_key=True),
    sa.Column("as_of", sa.BigInteger(), nullable=False),
)

# Built once: that takes longer than to run them.
_BOOK = sa.select(BOOKS).where(BOOKS.c.id == sa.bindparam("book"))
_LOCKED_BOOK = _BOOK.with_for_update()
_INSERT = sa.insert(EVENTS)
_MOVE_HEAD = (
    sa.update(BOOKS)
    .where(BOOKS.c.id == sa.bindparam("book"))
    .values({name: sa.bindparam(name) for name in ("sequence", "checksum", "armed", "pending")})
)


@dataclass(frozen=True, slots=True)
class Head:
    """Where a book's chain ends: how many events it has, and the checksum of the last."""

    sequence: int = 0
    checksum: str = ""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Events that were read, up to the ``head`` or to the ``damage``, if there is any."""

    events: tuple[Event, ...]
    head: Head
    damage: str = ""


def row_of(key: BookKey, opened_at: pd.Timestamp) -> dict[str, Any]:
    """The row of a new book without events."""
    return {
        "id": key.id,
        "owner": key.owner_hash,
        "source": key.source,
        "symbol": key.symbol,
        "run_id": key.run_id,
        "opened_at": microseconds(opened_at),
        "sequence": 0,
        "checksum": "",
        "armed": 0,
        "pending": 0,
    }


def book_row(connection: sa.Connection, book: str, *, locked: bool) -> Any:
    """The row of a book, if wanted locked until the transaction ends; None if there is none."""
    query = _LOCKED_BOOK if locked else _BOOK
    return connection.execute(query, {"book": book}).one_or_none()


def info_of(row: Any) -> BookInfo:
    """What the row of a book tells in a list."""
    return BookInfo(
        id=row.id,
        source=row.source,
        symbol=row.symbol,
        run_id=row.run_id,
        opened_at=EPOCH + row.opened_at * MICROSECOND,
        sequence=row.sequence,
        armed=row.armed > 0,
        pending=row.pending,
    )


def write(
    connection: sa.Connection, book: str, head: Head, events: Sequence[Event], ledger: Ledger
) -> Head:
    """Write events behind the head of a book, and return its new one.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        In a transaction that has the book locked.
    book : str
        Its id.
    head : Head
    events : sequence of Event
        None of which the book has yet.
    ledger : Ledger
        The book after them.
    """
    rows = []
    for event in events:
        body = encoded(event)
        head = _next(head, book, event.id, body)
        rows.append(_event_row(event, book, head, body))
    if rows:
        connection.execute(_INSERT, rows)
        changed = {"book": book, "sequence": head.sequence, "checksum": head.checksum}
        changed |= {"armed": int(ledger.armed is not None), "pending": len(ledger.pending)}
        connection.execute(_MOVE_HEAD, changed)
    return head


def events_between(connection: sa.Connection, book: str, known: Head, head: Head) -> Stretch:
    """The events of a book from a known head on, each checked, as far as they are sound."""
    events: list[Event] = []
    if head == known:
        return Stretch((), known)
    try:
        for row in _rows(connection, book, known.sequence, head.sequence):
            event = _checked(row, known)
            known = Head(row.sequence, row.checksum)
            events.append(event)
    except ValueError as error:
        return Stretch(tuple(events), known, f"event {known.sequence + 1} {error}")
    if known.sequence < head.sequence:
        return Stretch(tuple(events), known, f"event {known.sequence + 1} is missing")
    if known != head:
        return Stretch(tuple(events), known, "its end is not as it was written")
    return Stretch(tuple(events), known)


def _event_row(event: Event, book: str, head: Head, body: str) -> dict[str, Any]:
    return {
        "book": book,
        "sequence": head.sequence,
        "event_id": event.id,
        "kind": kind_of(event),
        "time": microseconds(event.time),
        "body": body,
        "checksum": head.checksum,
    }


def microseconds(time: pd.Timestamp) -> int:
    """A time as the tables keep it: microseconds since 1970."""
    return time.value // 1_000


def _next(head: Head, book: str, event_id: str, body: str) -> Head:
    sequence = head.sequence + 1
    content = json.dumps([head.checksum, book, sequence, event_id, body])
    return Head(sequence, sha256(content.encode()).hexdigest())


def _rows(connection: sa.Connection, book: str, after: int, last: int) -> Iterator[Any]:
    c = EVENTS.c
    query = (
        sa.select(c.book, c.sequence, c.event_id, c.body, c.checksum)
        .where(c.book == book, c.sequence > after, c.sequence <= last)
        .order_by(c.sequence)
    )
    try:
        yield from connection.execute(query)
    except DatabaseError as error:
        if not is_damage(error):
            raise
        raise ValueError("cannot be read") from error


def _checked(row: Any, before: Head) -> Event:
    if row.sequence != before.sequence + 1:
        raise ValueError("is missing")
    if not (isinstance(row.event_id, str) and isinstance(row.body, str)):
        raise ValueError("is no text")
    if row.checksum != _next(before, row.book, row.event_id, row.body).checksum:
        raise ValueError("is not as it was written")
    try:
        return decoded(row.body)
    except ValueError as error:
        raise ValueError(f"cannot be understood ({error})") from error
