"""One connection to a client, and the ways in which a reply goes over it."""

import os
import select
import socket
import struct
import time
from collections.abc import Callable
from threading import Event

from tests.exchange_server.replies import Reply
from tests.exchange_server.traffic import gone

DRIP_S = 0.2
_LONGEST_HANG_S = 60.0
_GLANCE_S = 0.1
_RESET = struct.pack("ii", 1, 0)


class Line:
    """A connection on which a request has come in.

    Parameters
    ----------
    connection : socket.socket
    closing : threading.Event
        When set, slow replies are given up.
    answered : callable
        Called before the last byte is sent.
    """

    def __init__(
        self, connection: socket.socket, closing: Event, answered: Callable[[], None]
    ) -> None:
        self._connection = connection
        self._closing = closing
        self._answered = answered

    def send(self, reply: Reply) -> None:
        """Send a reply in its manner; whoever called closes the connection."""
        match reply.manner:
            case "whole":
                self._whole(reply.head + reply.body)
            case "hang":
                self._waits(_LONGEST_HANG_S)
            case "drip":
                self._connection.sendall(reply.head)
                self._drips(reply.body)
            case "drip-head":
                self._drips(reply.head + reply.body)
            case "reset":
                self._reset()
            case "close":
                pass

    def _whole(self, data: bytes) -> None:
        # Whoever has the last byte may ask again before this thread goes on.
        self._connection.sendall(data[:-1])
        self._answered()
        self._connection.sendall(data[-1:])

    def _drips(self, data: bytes) -> None:
        for byte in data:
            self._connection.sendall(bytes([byte]))
            if not self._waits(DRIP_S):
                return

    def _waits(self, seconds: float) -> bool:
        """Whether the client and this server are still there after so many seconds."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            select.select([self._connection], [], [], min(left, _GLANCE_S))
            if self._closing.is_set() or gone(self._connection):
                return False
        return True

    def _reset(self) -> None:
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        # The streams of the handler share the descriptor, so close() would put it off.
        os.close(self._connection.detach())
