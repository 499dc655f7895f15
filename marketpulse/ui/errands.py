"""Work that takes longer than a rerun may: done behind the page, which looks how it goes."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Event, Lock, Thread
from typing import Generic, TypeVar

from marketpulse.errors import MarketPulseError
from marketpulse.parallel import Progress

Thing = TypeVar("Thing")
Stop = Callable[[], bool]
Work = Callable[[Progress, Stop], Thing | None]

# Each uses all cores, so one that is begun meanwhile waits.
_turn = Lock()


class Errand(Generic[Thing]):
    """One piece of work, in a thread of its own.

    Parameters
    ----------
    work : callable
        Of a function to tell progress to and one that says whether to stop; None if it did.
    before : object, optional
        What stands as the result until the work is done, and if it is stopped or fails.
    """

    def __init__(self, work: Work[Thing], before: Thing | None = None) -> None:
        self._work, self._stop = work, Event()
        self.result = before
        self.problem = ""
        self.done, self.all = 0, 0
        self._thread = Thread(target=self._run, name="errand", daemon=True)
        self._thread.start()

    @property
    def running(self) -> bool:
        """Whether there is something to wait for."""
        return self._thread.is_alive()

    @property
    def share(self) -> float:
        """How much is done, 0 to 1."""
        return self.done / self.all if self.all else 0.0

    def stop(self) -> None:
        """End as soon as possible, without a new result."""
        self._stop.set()

    def join(self, seconds: float) -> None:
        """Wait for the end, at most so long."""
        self._thread.join(seconds)

    def _run(self) -> None:
        with _turn:
            if self._stop.is_set():
                return
            try:
                made = self._work(self._note, self._stop.is_set)
            except MarketPulseError as error:
                self.problem = str(error)
                return
            if made is not None and not self._stop.is_set():
                self.result = made

    def _note(self, done: int, of: int) -> None:
        self.done, self.all = done, of


class Errands(Generic[Thing]):
    """The last errands by what they are for; safe to use from any thread.

    Parameters
    ----------
    places : int
        How many it holds; the one that was begun longest ago is stopped and forgotten first.
    """

    def __init__(self, places: int) -> None:
        self._places, self._lock = places, Lock()
        self._kept: OrderedDict[Hashable, Errand[Thing]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Hashable) -> Errand[Thing] | None:
        """The errand of a key, if there is one."""
        with self._lock:
            return self._kept.get(key)

    def begin(self, key: Hashable, work: Work[Thing]) -> Errand[Thing]:
        """Begin an errand; the one that runs for this key already, if one does."""
        with self._lock:
            before = self._kept.pop(key, None)
            if before is None or not before.running:
                before = Errand(work, None if before is None else before.result)
            self._kept[key] = before
            while len(self._kept) > self._places:
                self._kept.popitem(last=False)[1].stop()
            return before
