"""A small exchange on loopback: real HTTP in the wire formats of five venues, with faults to order.

By hand: ``python -m tests.exchange_server --port 9000``, then give sources the base URL
``http://127.0.0.1:9000``. Bitstamp answers under ``/bitstamp/...``, Yahoo under ``/yahoo/...``.

The candles are shifted in time so that they look as if they happened now. The last bar that a
venue sends is still forming: its close walks from the bar's open to its close, and its high, low
and volume grow with it.
"""

import argparse
import json
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, NamedTuple, Self
from urllib.parse import parse_qs, urlsplit

import pandas as pd

from marketpulse.sources.recorded import load_sample

Kind = Literal["markets", "candles", "ticker", "other"]
Fault = int | Literal["hang", "html", "empty", "truncated"]

KINDS: tuple[Kind, ...] = ("markets", "candles", "ticker", "other")

PAIRS = (("BTC", "USD", True), ("ETH", "USD", True), ("LUNA", "USD", False))
"""Base, quote and whether it is traded. Every pair has the same candles."""

HTML = b"<html><body>Checking your browser before accessing the exchange</body></html>"
_MINUTE_S = 60
_LONGEST_HANG_S = 60


class Bar(NamedTuple):
    """One candle as a venue knows it: open time in seconds since 1970, prices, volume."""

    time: int
    open: float
    high: float
    low: float
    close: float
    volume: float


@dataclass(frozen=True, slots=True)
class Ask:
    """One request: its path without the venue, its query, and what the venue knows at that time."""

    path: str
    query: dict[str, str]
    now: pd.Timestamp
    bars: list[Bar]
    rows: bool = True

    def between(self, start: float, end: float) -> list[Bar]:
        """Bars that open in [start, end], oldest first; none if the reply is to be empty."""
        return [bar for bar in self.bars if self.rows and start <= bar.time <= end]


def bitstamp(ask: Ask) -> tuple[Kind, Any]:
    """Texts in an object per bar; at most 1000, from ``start`` on or the newest."""
    if ask.path.startswith("/api/v2/markets"):
        return "markets", [_bitstamp_market(*pair) for pair in PAIRS]
    if ask.path.startswith("/api/v2/ohlc/"):
        limit = min(int(ask.query.get("limit", 1000)), 1000)
        start, end = float(ask.query.get("start", 0)), float(ask.query.get("end", "inf"))
        bars = ask.between(start, end)
        bars = bars[:limit] if "start" in ask.query else bars[-limit:]
        names = ("timestamp", "open", "high", "low", "close", "volume")
        rows = [dict(zip(names, map(str, bar), strict=True)) for bar in bars]
        return "candles", {"data": {"pair": "BTC/USD", "ohlc": rows}}
    last = ask.bars[-1]
    ticker: dict[str, Any] = {"timestamp": str(int(ask.now.timestamp())), "last": str(last.close)}
    return "ticker", ticker | {"bid": str(last.close - 1), "ask": str(last.close + 1)}


def _bitstamp_market(base: str, quote: str, active: bool) -> dict[str, Any]:
    return {
        "name": f"{base}/{quote}",
        "market_symbol": f"{base}{quote}".lower(),
        "base_currency": base,
        "base_decimals": 8,
        "counter_currency": quote,
        "counter_decimals": 2,
        "minimum_order_value": "10",
        "trading": "Enabled" if active else "Disabled",
        "market_type": "SPOT",
    }


def coinbase(ask: Ask) -> tuple[Kind, Any]:
    """Texts in an object per bar, newest first; at most 350 between ``start`` and ``end``."""
    if ask.path.endswith("/products"):
        future = ask.query.get("product_type") == "FUTURE"
        return "markets", {"products": [] if future else [_coinbase_product(*p) for p in PAIRS]}
    if ask.path.endswith("/candles"):
        bars = ask.between(float(ask.query["start"]), float(ask.query["end"]))
        names = ("start", "open", "high", "low", "close", "volume")
        rows = [dict(zip(names, map(str, bar), strict=True)) for bar in bars[::-1][:350]]
        return "candles", {"candles": rows}
    last = ask.bars[-1]
    time = ask.now.tz_localize(None).isoformat() + "Z"
    trade = {"trade_id": "1", "price": str(last.close), "size": "0.01", "time": time}
    quotes = {"best_bid": str(last.close - 1), "best_ask": str(last.close + 1)}
    return "ticker", {"trades": [trade | {"product_id": "BTC-USD", "side": "BUY"}]} | quotes


def _coinbase_product(base: str, quote: str, active: bool) -> dict[str, Any]:
    return {
        "product_id": f"{base}-{quote}",
        "base_increment": "0.00000001",
        "quote_increment": "0.01",
        "price_increment": "0.01",
        "status": "online" if active else "delisted",
        "trading_disabled": not active,
        "product_type": "SPOT",
        "base_currency_id": base,
        "quote_currency_id": quote,
    }


def kraken(ask: Ask) -> tuple[Kind, Any]:
    """Rows of eight; the newest 720 and the forming one, whatever ``since`` says."""
    if ask.path == "/0/public/AssetPairs":
        result: Any = {_kraken_id(b, q): _kraken_pair(b, q, active) for b, q, active in PAIRS}
        return "markets", {"error": [], "result": result}
    if ask.path == "/0/public/OHLC":
        bars = ask.between(float(ask.query.get("since", 0)) + 1, float("inf"))[-721:]
        rows = [[b.time, *map(str, (*b[1:5], b.close, b.volume)), 9] for b in bars]
        return "candles", {"error": [], "result": {ask.query["pair"]: rows, "last": 0}}
    if ask.path == "/0/public/Ticker":
        last = ask.bars[-1]
        ticker: dict[str, Any] = {"a": [str(last.close + 1), "1"], "b": [str(last.close - 1), "1"]}
        ticker |= {"c": [str(last.close), "0.1"], "v": ["1", "1"], "p": ["1", "1"]}
        ticker |= {"l": ["1", "1"], "h": ["1", "1"], "o": "1"}
        return "ticker", {"error": [], "result": {ask.query["pair"]: ticker}}
    return "other", {"error": [], "result": {}}


def _kraken_id(base: str, quote: str) -> str:
    return f"X{'XBT' if base == 'BTC' else base}Z{quote}"


def _kraken_pair(base: str, quote: str, active: bool) -> dict[str, Any]:
    code = "XBT" if base == "BTC" else base
    return {
        "altname": f"{code}{quote}",
        "wsname": f"{code}/{quote}",
        "base": f"X{code}",
        "quote": f"Z{quote}",
        "pair_decimals": 1,
        "lot_decimals": 8,
        "leverage_buy": [],
        "fees": [[0, 0.26]],
        "fees_maker": [[0, 0.16]],
        "status": "online" if active else "cancel_only",
    }


def gemini(ask: Ask) -> tuple[Kind, Any]:
    """Rows of six numbers, newest first: always the last day."""
    if ask.path == "/v1/symbols":
        return "markets", [f"{base}{quote}".lower() for base, quote, active in PAIRS if active]
    if ask.path.startswith("/v2/candles/"):
        bars = ask.between(0, float("inf"))[-1440:]
        return "candles", [[bar.time * 1000, *bar[1:]] for bar in bars[::-1]]
    last = ask.bars[-1]
    volume = {"BTC": "1", "USD": "1", "timestamp": int(ask.now.timestamp() * 1000)}
    prices = {"bid": str(last.close - 1), "ask": str(last.close + 1), "last": str(last.close)}
    return "ticker", prices | {"volume": volume}


def yahoo(ask: Ask) -> tuple[Kind, Any]:
    """Columns; the newest row is stamped with the second of the last trade, as Yahoo does."""
    if not ask.path.startswith("/v8/finance/chart/"):
        return "other", "crumb" if ask.path.endswith("/getcrumb") else "<p></p>"
    symbol = ask.path.rpartition("/")[2]
    if symbol not in {f"{base}-{quote}" for base, quote, active in PAIRS if active}:
        reason = "No data found, symbol may be delisted"
        return "candles", {"chart": {"result": None, "error": {"description": reason}}}
    start, end = float(ask.query["period1"]), float(ask.query["period2"])
    bars = ask.between(start, end - 1)
    times = [bar.time for bar in bars]
    if bars and bars[-1] == ask.bars[-1]:
        times[-1] = int(ask.now.timestamp())
    names = ("open", "high", "low", "close", "volume")
    quote = {name: [getattr(bar, name) for bar in bars] for name in names} if bars else {}
    meta: dict[str, Any] = {"currency": "USD", "symbol": symbol, "instrumentType": "CRYPTOCURRENCY"}
    meta |= {"exchangeTimezoneName": "UTC", "timezone": "UTC", "validRanges": ["1d", "max"]}
    result = {"meta": meta, "timestamp": times, "indicators": {"quote": [quote]}}
    return "candles", {"chart": {"result": [result], "error": None}}


FORMATS: dict[str, Callable[[Ask], tuple[Kind, Any]]] = {
    "bitstamp": bitstamp,
    "coinbase": coinbase,
    "kraken": kraken,
    "gemini": gemini,
    "yahoo": yahoo,
}


def ramp(count: int, first: str = "2026-03-01") -> pd.DataFrame:
    """A candle table that can be checked by eye: bar i opens at 100 + i and closes one higher."""
    index = pd.date_range(first, periods=count, freq="min", tz="UTC", name="open_time")
    opens = pd.Series(range(100, 100 + count), index=index, dtype="float64")
    prices = {"open": opens, "high": opens + 1, "low": opens, "close": opens + 1}
    return pd.DataFrame({**prices, "volume": 2.0, "filled": False})


def shift_to(candles: pd.DataFrame, now: pd.Timestamp) -> pd.Timedelta:
    """What to add to the candles' times so that ``now`` is a day before the last of them."""
    last = candles.index[max(0, len(candles) - 1 - 1440)]
    return pd.Timedelta(now.floor("min") - last)


def bars_at(bars: list[Bar], moment: float) -> list[Bar]:
    """What is known at ``moment`` (seconds since 1970): closed bars, and the one that forms."""
    known = [bar for bar in bars if bar.time <= moment]
    if not known or known[-1].time + _MINUTE_S <= moment:
        return known
    bar = known[-1]
    part = (moment - bar.time) / _MINUTE_S
    close = round(bar.open + (bar.close - bar.open) * part, 8)
    high, low = max(bar.open, close), min(bar.open, close)
    return [*known[:-1], Bar(bar.time, bar.open, high, low, close, round(bar.volume * part, 8))]


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
    requests : collections.Counter
        How often each (venue, path) was asked for.
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
        sent = table[~table["filled"]]
        seconds = (pd.DatetimeIndex(sent.index) + shift).as_unit("s").asi8.tolist()
        columns = (sent[name].tolist() for name in ("open", "high", "low", "close", "volume"))
        self._bars = [Bar(*row) for row in zip(seconds, *columns, strict=True)]
        self._clock = clock
        self._faults: dict[tuple[str, Kind], Fault] = {}
        self._closing = threading.Event()
        self.requests: Counter[tuple[str, str]] = Counter()
        self._http = ThreadingHTTPServer(("127.0.0.1", port), _handler(self))
        self._http.daemon_threads = True
        self._http.block_on_close = False

    @property
    def url(self) -> str:
        """The root of every venue."""
        return f"http://127.0.0.1:{self._http.server_port}"

    def fail(self, venue: str, fault: Fault, *, on: tuple[Kind, ...] = KINDS) -> None:
        """Let a venue answer with a fault from now on, to some kinds of request or to all."""
        self._faults |= {(venue, kind): fault for kind in on}

    def heal(self, venue: str) -> None:
        """Let a venue answer as it should again."""
        self._faults = {key: fault for key, fault in self._faults.items() if key[0] != venue}

    def asked(self, venue: str) -> int:
        """How many requests a venue has had."""
        return sum(count for (name, _), count in self.requests.items() if name == venue)

    def answer(self, path: str, query: dict[str, str]) -> tuple[int, str, bytes] | None:
        """Status, type and body of the reply to a request, or None to hang up without one."""
        venue, _, rest = path.lstrip("/").partition("/")
        self.requests[venue, f"/{rest}"] += 1
        if venue not in FORMATS:
            return 404, "application/json", b'{"error": "no such venue"}'
        now = self._clock()
        ask = Ask(f"/{rest}", query, now, bars_at(self._bars, now.timestamp()))
        kind, content = FORMATS[venue](ask)
        fault = self._faults.get((venue, kind))
        if fault == "hang":
            self._closing.wait(_LONGEST_HANG_S)
            return None
        if fault == "empty":
            bare = Ask(ask.path, query, now, ask.bars, rows=False)
            content = FORMATS[venue](bare)[1] if kind == "candles" else []
        return _reply(content, fault)

    def __enter__(self) -> Self:
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._http.shutdown()
        self._http.server_close()


def _reply(content: Any, fault: Fault | None) -> tuple[int, str, bytes]:
    if fault == "html":
        return 200, "text/html", HTML
    body = content.encode() if isinstance(content, str) else json.dumps(content).encode()
    if isinstance(fault, int):
        return fault, "application/json", b'{"message": "scripted fault"}'
    if fault == "truncated":
        body = body[: len(body) * 2 // 3]
    return 200, "application/json", body


def _handler(server: ExchangeServer) -> type[BaseHTTPRequestHandler]:
    """A handler class for one server; plain HTTP/1.0, so no connection outlives its reply."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            query = {name: values[-1] for name, values in parse_qs(url.query).items()}
            reply = server.answer(url.path, query)
            if reply is None:
                return
            status, kind, body = reply
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def handle(self) -> None:
            try:
                super().handle()
            except ConnectionError:
                return  # the client gave up first, as it does on a hang

        def log_message(self, *_: Any) -> None:
            """Say nothing: the counters tell."""

    return Handler


def main() -> None:
    """Serve the bundled sample until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m tests.exchange_server")
    parser.add_argument("--port", type=int, default=9000)
    with ExchangeServer(port=parser.parse_args().port) as server:
        print(f"Serving {', '.join(FORMATS)} at {server.url}")
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
