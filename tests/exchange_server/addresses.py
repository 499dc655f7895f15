"""Addresses at which there is no exchange, each in its own way."""

import select
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

_SETTLED_S = 0.1


def refused_url() -> str:
    """Where nobody listens: a connection is refused at once."""
    with socket.create_server(("127.0.0.1", 0)) as closed_soon:
        return _url(closed_soon)


def unresolvable_url() -> str:
    """A name that no resolver knows: RFC 6761, section 6.4."""
    return "http://no-such-host.invalid"


@contextmanager
def silent_url() -> Iterator[str]:
    """Where a connection is neither accepted nor refused: the queue of those that wait is full."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        connected = True
        while connected:
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
            connected = bool(select.select([], [waiting], [], _SETTLED_S)[1])
        yield _url(listener)


def _url(listener: socket.socket) -> str:
    return f"http://127.0.0.1:{listener.getsockname()[1]}"
