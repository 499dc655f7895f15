"""The office: where the desk stands as soon as the journal of paper books is open."""

from collections.abc import Callable, Sequence
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING

from marketpulse.errors import JournalError
from marketpulse.sources.catalogue import Place

if TYPE_CHECKING:
    from marketpulse.desk import Desk

# Seconds after which a journal that could not be opened is tried again.
RETRY = 5.0
# Seconds that the first forecasts have the processor to themselves, if they take as long.
HEAD_START = 15.0
OPENING = "The journal of paper books is being opened."


class Office:
    """Opens the journal in a thread of its own, again and again until it works.

    Parameters
    ----------
    url : str
        Of the journal's database.
    resume : callable
        Told once, after the opening, where the books trade that have something to do.
    threads : bool
        Without threads the journal is opened when the desk is first asked for.

    Attributes
    ----------
    url : str
    problem : str
        Why there is no desk yet, in one sentence; empty once there is one.
    """

    def __init__(
        self, url: str, resume: Callable[[Sequence[Place]], None], *, threads: bool
    ) -> None:
        self.url = url
        self.problem = OPENING
        self._resume = resume
        self._threads = threads
        self._desk: Desk | None = None
        self._lock = Lock()
        self._stop = Event()

    def start(self, after: Event) -> None:
        """Open the journal once ``after`` is set, or `HEAD_START` is over, if there may be threads.

        The first forecasts come half a second sooner by that.
        """
        if self._threads:
            Thread(target=self._open, args=(after,), name="journal", daemon=True).start()

    @property
    def desk(self) -> "Desk | None":
        """The desk; None until the journal is open."""
        if self._desk is None and not self._threads:
            self._try_to_open()
        return self._desk

    def close(self) -> None:
        """Close the journal; may be called twice."""
        self._stop.set()
        with self._lock:
            if self._desk is not None:
                self._desk.journal.close()

    def _open(self, after: Event) -> None:
        after.wait(HEAD_START)
        while not self._stop.is_set() and not self._try_to_open():
            self._stop.wait(RETRY)

    def _try_to_open(self) -> bool:
        # SQLAlchemy takes a quarter of a second to import: not at the start, and not in a rerun.
        from marketpulse.desk import Desk
        from marketpulse.journal import Journal

        try:
            desk = Desk(Journal(self.url))
            places = desk.load()
        except JournalError as error:
            self.problem = str(error)
            return False
        with self._lock:
            self._desk, self.problem = desk, ""
        self._resume(places)
        return True
