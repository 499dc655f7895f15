"""What a paper book is known by, and what is known of it."""

import json
import re
import secrets
from collections.abc import Set
from dataclasses import dataclass, field
from decimal import Decimal
from hashlib import sha256
from typing import Protocol

import pandas as pd

from marketpulse.events import Deposit
from marketpulse.ledger import Ledger, fold

# What a book begins with, in quote currency, and what that event is called.
STARTING_CASH = Decimal(10_000)
OPENING = "opening"
OWNER_PATTERN = re.compile(r"[A-Za-z0-9_-]{22}")


class Named(Protocol):
    """Whatever says which book is meant: a key, a book, or what is known of one."""

    @property
    def id(self) -> str:
        """Of the book: a SHA-256 hash in hexadecimal."""
        ...


@dataclass(frozen=True, slots=True)
class BookKey:
    """Whose book it is, and of which market.

    Attributes
    ----------
    owner : str
        A secret that nobody can guess: who has it, has the books. It is never stored.
    source : str
        Live venues or the name of a recording; their fills never mix.
    symbol : str
        Base and quote currency, as in ``BTC/USD``.
    run_id : str
        Of a replay; empty for a live market.
    """

    owner: str = field(repr=False)
    source: str
    symbol: str
    run_id: str = ""

    @property
    def owner_hash(self) -> str:
        """What the journal knows the owner by."""
        return owner_hash(self.owner)

    @property
    def id(self) -> str:
        """What the journal knows the book by: a SHA-256 hash in hexadecimal."""
        return book_id(self.owner_hash, self.source, self.symbol, self.run_id)


@dataclass(frozen=True, slots=True)
class BookInfo:
    """What a list of books tells of each.

    Attributes
    ----------
    id, source, symbol, run_id : str
        As of `BookKey`.
    opened_at : pandas.Timestamp
        In UTC.
    sequence : int
        Number of its events.
    armed : bool
        Whether the auto-pilot is on.
    pending : int
        Orders that wait for a price.
    """

    id: str
    source: str
    symbol: str
    run_id: str
    opened_at: pd.Timestamp
    sequence: int
    armed: bool
    pending: int


@dataclass(frozen=True, slots=True)
class Book:
    """A book after so many events.

    Attributes
    ----------
    id, source, symbol, run_id : str
        As of `BookKey`.
    sequence : int
        Number of its events.
    ledger : Ledger
        Their fold.
    damage : str
        What is wrong with the journal from here on, in one sentence; nothing more can be written
        then. Empty as long as all is well.
    """

    id: str
    source: str
    symbol: str
    run_id: str
    sequence: int
    ledger: Ledger
    damage: str = ""


def unwritten(key: BookKey, now: pd.Timestamp) -> Book:
    """A book that is in no journal yet, as it will be when it is opened."""
    start = fold([Deposit(OPENING, now, STARTING_CASH)])
    return Book(key.id, key.source, key.symbol, key.run_id, len(start.events), start)


def new_owner() -> str:
    """A secret that nobody can guess, safe in a URL: the one thing here that is left to chance."""
    return secrets.token_urlsafe(16)


def owner_hash(owner: str) -> str:
    """What the journal stores instead of an owner."""
    return sha256(owner.encode()).hexdigest()


def book_id(owner_hash: str, source: str, symbol: str, run_id: str) -> str:
    """The id of a book whose owner is known by a hash only."""
    return sha256(json.dumps([owner_hash, source, symbol, run_id]).encode()).hexdigest()


def order_of(id: str) -> str:
    """The id of the order, of its id or that of its answer."""
    return id.removesuffix("/fill").removesuffix("/rejected")


def is_known(id: str, ids: Set[str]) -> bool:
    """Whether a deed was done, or refused, in a book whose events have these ids.

    An order has one answer, and none before it was given.
    """
    order = order_of(id)
    return not ids.isdisjoint((id, f"{order}/fill", f"{order}/rejected"))
