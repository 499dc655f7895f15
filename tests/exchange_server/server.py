"""The server: it puts candles, formats and faults together, and sends what comes of them."""

import socket
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import pandas as pd

from marketpulse.sources.recorded import load_sample
from tests.exchange_server.bars import Bar, bars_at, bars_of, shift_to
from tests.exchange_server.control import ROOT, controlled
from tests.exchange_server.damage import DAMAGE
from tests.exchange_server.faults import CLOCKS, Fault
from tests.exchange_server.formats import FACTORS, FORMATS, KINDS, Ask, Kind, pair_asked
from tests.exchange_server.line import Line
from tests.exchange_server.orders import Order, Orders
from tests.exchange_server.replies import Reply, healthy, spoiled
from tests.exchange_server.traffic import Asked, Traffic


class ExchangeServer:
    """The server, as a context manager. Its ``url`` is a source's ``base_url``.

    Parameters
    ----------
    candles : pandas.DataFrame, optional
        Candle table to serve; the bundled sample unless given. Filled bars are not sent.
    offset : pandas.Timedelta, optional
        Added to the candles' times; unless given, so that they end a day after now.
    clock : callable, optional
        Tells the wall clock's time.
    port : int
        0 takes any free one.

    Attributes
    ----------
    skew : pandas.Timedelta
        By how much all venues' clocks are ahead of the wall clock: their Date headers and data.
    """

    def __init__(
        self,
        candles: pd.DataFrame | None = None,
        *,
        offset: pd.Timedelta | None = None,
        clock: Callable[[], pd.Timestamp] = lambda: pd.Timestamp.now("UTC"),
        port: int = 0,
    ) -> None:
        table = load_sample().candles if candles is None else candles
        shift = shift_to(table, clock()) if offset is None else offset
        self._bars = {"USD": bars_of(table, shift)}
        self._clock = clock
        self.skew = pd.Timedelta(0)
        self.orders = Orders()
        self.traffic = Traffic()
        self.closing = threading.Event()
        self._http = _Http(("127.0.0.1", port), _handler(self))

    @property
    def url(self) -> str:
        """The root of every venue."""
        return f"http://127.0.0.1:{self._http.server_port}"

    def fail(
        self,
        venue: str,
        fault: Fault,
        *,
        on: tuple[Kind, ...] = KINDS,
        times: int | None = None,
        symbol: str | None = None,
    ) -> None:
        """Let a venue answer with a fault from now on.

        Parameters
        ----------
        venue : str
        fault : Fault
        on : tuple of Kind
            The kinds of request that fail; the others are answered as ever.
        times : int, optional
            Only the next so many requests of each kind fail.
        symbol : str, optional
            Only requests that name this pair fail.

        Raises
        ------
        ValueError
            In one sentence, if there is no such venue or fault, or it cannot have that fault.
        """
        self.orders.place(venue, fault, on, times, symbol)

    def heal(self, venue: str) -> None:
        """Let a venue answer as it should again."""
        self.orders.cancel(venue)

    @property
    def requests(self) -> Counter[tuple[str, str]]:
        """How often each (venue, path) was asked for."""
        return self.traffic.requests

    @property
    def log(self) -> list[Asked]:
        """Every request of a venue in the order of their coming."""
        return self.traffic.log

    def asked(self, venue: str) -> int:
        """How many requests a venue has had."""
        return sum(count for (name, _), count in self.requests.items() if name == venue)

    def times(self, venue: str) -> list[float]:
        """When a venue's requests came, in seconds of the monotonic clock."""
        return [each.at for each in self.log if each.venue == venue]

    def in_flight_most(self, venue: str) -> int:
        """Most requests of a venue that waited for an answer at the same time."""
        return self.traffic.most(venue)

    def answer(self, path: str, query: dict[str, str], connection: socket.socket) -> Reply:
        """The reply to a request."""
        now = self._clock() + self.skew
        if path == ROOT or path.startswith(f"{ROOT}/"):
            return replace(controlled(self.orders, path, query), date=now)
        venue, _, rest = path.lstrip("/").partition("/")
        at = self.traffic.begin(connection, venue, f"/{rest}")
        if venue not in FORMATS:
            return Reply(b'{"error": "no such venue"}', 404, date=now)
        try:
            return self._answered(venue, f"/{rest}", query, now, at)
        except (LookupError, ValueError):
            return Reply(b'{"error": "This request lacks a parameter."}', 400, date=now)

    def _answered(
        self, venue: str, path: str, query: dict[str, str], now: pd.Timestamp, at: float
    ) -> Reply:
        pair = pair_asked(venue, path, query)
        bars = self._priced("USD" if pair is None else pair[1])
        ask = Ask(path, query, now, bars_at(bars, now.timestamp()))
        kind, content = FORMATS[venue](ask)
        self.traffic.name(at, venue, path, kind)
        order = self.orders.take(venue, kind, None if pair is None else "/".join(pair))
        if order is None:
            return replace(healthy(content), date=now)
        if order.fault in CLOCKS:
            then = now + CLOCKS[order.fault]
            ask = replace(ask, now=then, bars=bars_at(bars, then.timestamp()))
        reply = healthy(_damaged(venue, ask, kind, order))
        return replace(spoiled(reply, order.fault), date=ask.now)

    def _priced(self, quote: str) -> list[Bar]:
        if quote not in self._bars:
            self._bars[quote] = [bar.times(FACTORS[quote]) for bar in self._bars["USD"]]
        return self._bars[quote]

    def __enter__(self) -> Self:
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()


def _damaged(venue: str, ask: Ask, kind: Kind, order: Order) -> Any:
    """What a venue answers with a fault of the data, or as ever if the fault is none of those."""
    if order.fault == "empty" and kind != "candles":
        return []
    if order.fault == "revised" and kind == "candles":
        ask = order.revisions.damage(ask)
    damage = DAMAGE.get(order.fault) if isinstance(order.fault, str) else None
    return FORMATS[venue](ask if damage is None else damage(ask))[1]


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128


def _handler(server: ExchangeServer) -> type[BaseHTTPRequestHandler]:
    """A handler class for one server."""

    class Handler(BaseHTTPRequestHandler):
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            query = {name: values[-1] for name, values in parse_qs(url.query).items()}
            connection = self.connection
            line = Line(connection, server.closing, lambda: server.traffic.end(connection))
            try:
                line.send(server.answer(url.path, query, connection))
            finally:
                server.traffic.end(connection)

        def handle(self) -> None:
            try:
                super().handle()
            except ConnectionError:
                return  # the client gave up first, as it does on a hang

        def log_message(self, *_: Any) -> None:
            """Say nothing: the counters tell."""

    return Handler
