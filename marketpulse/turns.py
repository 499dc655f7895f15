"""Who goes first while a market starts: only one thread of a process runs at a time."""

import time
from threading import Event

# Seconds for which work waits at most until a visitor has drawn what is new.
LONGEST_LOOK = 2.0


class Turns:
    """Lets visitors draw what they have waited for before work begins that nobody waits for."""

    def __init__(self) -> None:
        self._drawn = Event()
        self._new_since = 0.0

    def tell(self) -> None:
        """From now on there is something that visitors have waited for."""
        self._drawn.clear()
        self._new_since = time.perf_counter()

    def note_rerun(self, seconds: float) -> None:
        """A rerun that took so long ends now; what was new before it began is drawn."""
        if time.perf_counter() - seconds >= self._new_since:
            self._drawn.set()

    def let_look(self) -> None:
        """Wait until what is new has been drawn, or until `LONGEST_LOOK` is over."""
        self._drawn.wait(LONGEST_LOOK)

    def stop(self) -> None:
        """Nobody waits any longer."""
        self._drawn.set()
