"""What has been asked, when, and how much of it at the same time."""

import socket
import time
from collections import Counter
from threading import Lock
from typing import NamedTuple

from tests.exchange_server.formats import Kind


class Asked(NamedTuple):
    """One request of a venue, and when it came, in seconds of the monotonic clock."""

    at: float
    venue: str
    path: str
    kind: Kind


class Traffic:
    """The record of it. Safe to share between threads."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, str]] = Counter()
        self.log: list[Asked] = []
        self._most: Counter[str] = Counter()
        self._open: dict[socket.socket, str] = {}
        self._lock = Lock()

    def begin(self, connection: socket.socket, venue: str, path: str) -> float:
        """Note that a request has come, and when."""
        with self._lock:
            self.requests[venue, path] += 1
            self._open[connection] = venue
            # One that gave up a moment ago no longer waits, whether or not its thread knows.
            waiting = [c for c, asked in self._open.items() if asked == venue and not gone(c)]
            self._most[venue] = max(self._most[venue], len(waiting))
        return time.monotonic()

    def name(self, at: float, venue: str, path: str, kind: Kind) -> None:
        """Note what kind of request it is."""
        with self._lock:
            self.log.append(Asked(at, venue, path, kind))

    def end(self, connection: socket.socket) -> None:
        """Note that the request on a connection is answered."""
        with self._lock:
            self._open.pop(connection, None)

    def most(self, venue: str) -> int:
        """Most requests of a venue that waited for an answer at the same time."""
        return self._most[venue]


def gone(connection: socket.socket) -> bool:
    """Whether the other side has hung up."""
    try:
        return connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True
