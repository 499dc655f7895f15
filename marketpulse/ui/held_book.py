"""What became of every order of one book: the events that it carried and the orders it refused."""

from collections.abc import Callable, Iterable
from threading import Lock

import pandas as pd

from marketpulse.errors import LedgerError
from marketpulse.events import Event, Rejection
from marketpulse.ledger import Ledger, append, fold

Entry = Event


class Journal:
    """The entries of one book in memory: append-only, safe to share between threads.

    Parameters
    ----------
    entries : iterable of Entry
        Those of an earlier journal, in order.

    Raises
    ------
    LedgerError
        If the entries are no possible history.
    """

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self._lock = Lock()
        self._entries: dict[str, Entry] = {}
        for entry in entries:
            self._entries.setdefault(entry.id, entry)
        history = self._entries.values()
        self._ledger = fold(entry for entry in history if not isinstance(entry, Rejection))

    @property
    def sequence(self) -> int:
        """Number of entries, refused orders included."""
        return len(self._entries)

    @property
    def ledger(self) -> Ledger:
        """The fold of all entries so far."""
        return self._ledger

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All entries in order."""
        with self._lock:
            return tuple(self._entries.values())

    def entry(self, id: str) -> Entry | None:
        """What became of the order with this id; None if it never came."""
        return self._entries.get(id)

    def record(self, event: Event) -> Ledger:
        """The ledger after ``event``; refused and repeated events are treated as by `place`."""
        return self.place(lambda _: event, id=event.id, time=event.time)

    def place(self, order: Callable[[Ledger], Event], *, id: str, time: pd.Timestamp) -> Ledger:
        """The ledger after an order that is priced, checked and appended in one step.

        A refused order moves no money and raises nothing: it is kept as a `Rejection`, which
        `entry` returns. An id that is known, refused or not, returns the current ledger without
        calling ``order``.

        Parameters
        ----------
        order : callable
            Given the current ledger, returns the event with this id, as `buy` and `sell` do. Runs
            inside the journal's lock, so it must not use the journal itself. If it raises
            anything but a `LedgerError`, nothing is kept and the id stays free.
        id : str
            Of the order's ticket.
        time : pandas.Timestamp
            Of a rejection, with a time zone.

        Raises
        ------
        ValueError
            If ``order`` returns an event with another id.
        """
        with self._lock:
            if id in self._entries:
                return self._ledger
            entry, ledger = self._outcome(order, id, time)
            self._entries[id], self._ledger = entry, ledger
            return ledger

    def _outcome(
        self, order: Callable[[Ledger], Event], id: str, time: pd.Timestamp
    ) -> tuple[Entry, Ledger]:
        before = self._ledger
        try:
            event = order(before)
            if event.id != id:
                raise ValueError(f"the order {id!r} returned an event with the id {event.id!r}")
            return event, append(before, event)
        except LedgerError as refusal:
            return Rejection(id, time, id, str(refusal)), before
