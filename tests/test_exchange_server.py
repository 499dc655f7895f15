"""The exchange server: healthy, it is what real clients read; at fault, it is wrong as ordered."""

import gzip
import http.client
import json
import math
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

import ccxt
import pandas as pd
import pytest

from tests.exchange_server import (
    FORMATS,
    HTML,
    NAMES,
    SCRIPTS,
    ExchangeServer,
    Fault,
    Refusal,
    cannot,
    ramp,
    refused_url,
    silent_url,
    spelled,
    typed,
    unresolvable_url,
)
from tests.exchange_server.damage import DAMAGE, FUTURE_S
from tests.exchange_server.faults import DATA_FAULTS

NOW = pd.Timestamp("2026-03-03 02:00:30", tz="UTC")
MINUTE_S = 60
NEWEST = int(NOW.floor("min").timestamp())
STRUCK = NEWEST - 3 * MINUTE_S
EXCHANGES = [venue for venue in FORMATS if venue != "yahoo"]

# Half an hour and the forming bar, asked for as the client library does.
_S, _MS = f"{NEWEST - 1800}", f"{NEWEST - 1800}000"
PAGES = {
    "bitstamp": f"/api/v2/ohlc/btcusd/?step=60&limit=31&start={_S}",
    "coinbase": f"/api/v3/brokerage/market/products/BTC-USD/candles?start={_S}&end={NEWEST}",
    "kraken": f"/0/public/OHLC?pair=XXBTZUSD&interval=1&since={int(_S) - 1}",
    "gemini": "/v2/candles/btcusd/1m",
    "binance": f"/api/v3/klines?symbol=BTCUSD&interval=1m&limit=31&startTime={_MS}",
    "binanceus": f"/api/v3/klines?symbol=BTCUSD&interval=1m&limit=31&startTime={_MS}",
    "okx": f"/api/v5/market/candles?instId=BTC-USD&bar=1m&limit=31&before={int(_MS) - 1}",
    "yahoo": f"/v8/finance/chart/BTC-USD?period1={_S}&period2={NEWEST + 60}&interval=1m",
}
LISTS = {
    "bitstamp": "/api/v2/markets/",
    "coinbase": "/api/v3/brokerage/market/products",
    "kraken": "/0/public/AssetPairs",
    "gemini": "/v1/symbols",
    "binance": "/api/v3/exchangeInfo",
    "binanceus": "/api/v3/exchangeInfo",
    "okx": "/api/v5/public/instruments?instType=SPOT",
}
UNIT = {"gemini": 1000, "binance": 1000, "binanceus": 1000, "okx": 1000}

Row = tuple[int, Any, Any, Any, Any, Any]


def serving() -> ExchangeServer:
    return ExchangeServer(ramp(3020), offset=pd.Timedelta(0), clock=lambda: NOW)


@pytest.fixture(scope="module")
def running() -> Iterator[ExchangeServer]:
    with serving() as started:
        yield started


@pytest.fixture
def server(running: ExchangeServer) -> Iterator[ExchangeServer]:
    """One server for all tests, healthy again after each."""
    yield running
    running.skew = pd.Timedelta(0)
    for venue in FORMATS:
        running.heal(venue)


@pytest.fixture
def unasked() -> Iterator[ExchangeServer]:
    """A server of its own, for a test that counts."""
    with serving() as started:
        yield started


def reply(server: ExchangeServer, venue: str, path: str) -> tuple[int, Any, bytes]:
    """Status, headers and body."""
    try:
        with urllib.request.urlopen(f"{server.url}/{venue}{path}", timeout=5) as answer:
            return answer.status, answer.headers, answer.read()
    except HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


def rows(server: ExchangeServer, venue: str, count: int = 31) -> list[Row]:
    """The last rows of a page as they are on the wire, but in the usual order of columns."""
    content = json.loads(reply(server, venue, PAGES[venue])[2])
    names = ("open", "high", "low", "close", "volume")
    match venue:
        case "bitstamp":
            sent = [(b["timestamp"], *(b[n] for n in names)) for b in content["data"]["ohlc"]]
        case "coinbase":
            sent = [(b["start"], *(b[n] for n in names)) for b in content["candles"][::-1]]
        case "kraken":
            sent = [(*r[:5], r[6]) for r in content["result"]["XXBTZUSD"]]
        case "gemini":
            sent = [tuple(r) for r in content[::-1]]
        case "okx":
            sent = [tuple(r[:6]) for r in content["data"][::-1]]
        case "yahoo":
            (result,) = content["chart"]["result"]
            (quote,) = result["indicators"]["quote"]
            columns = [quote.get(name, []) for name in names]
            sent = list(zip(result["timestamp"], *columns, strict=True))
        case _:
            sent = [tuple(r[:6]) for r in content]
    return [(int(time), *values) for time, *values in sent[-count:]]


def times(server: ExchangeServer, venue: str) -> list[int]:
    """When a page's candles open, in the minutes of their seconds."""
    return [row[0] // UNIT.get(venue, 1) // MINUTE_S * MINUTE_S for row in rows(server, venue)]


def struck(server: ExchangeServer, venue: str) -> Row:
    """The candle that a fault of one candle strikes."""
    (row,) = (row for row in rows(server, venue) if row[0] // UNIT.get(venue, 1) == STRUCK)
    return row


def having(fault: Fault) -> list[str]:
    return [venue for venue in FORMATS if not cannot(venue, fault)]


def client(server: ExchangeServer, venue: str) -> Any:
    """The real client library, its addresses moved."""
    made = getattr(ccxt, venue)({"enableRateLimit": False, "timeout": 5000})
    made.urls["api"] = moved(made.urls["api"], f"{server.url}/{venue}")
    made.has["fetchCurrencies"] = False
    if venue in ("binance", "okx"):
        made.options["fetchMarkets"] = {"types": ["spot"]}
    return made


def moved(urls: Any, root: str) -> Any:
    if isinstance(urls, dict):
        return {name: moved(url, root) for name, url in urls.items()}
    return root + urlsplit(urls).path


def last_trade(server: ExchangeServer, venue: str) -> float | None:
    """Price of the last trade as the client library reads it; None if it stumbles over it."""
    try:
        last: float | None = client(server, venue).fetch_ticker("BTC/USD")["last"]
    except ValueError:
        return None
    return last


def names_main_pair(body: bytes) -> bool:
    """Whether a list of pairs has BTC against USD in it, in whatever spelling."""
    return re.search(rb'"X?(BTC|XBT)[-/]?Z?USD"', body.upper()) is not None


def is_price(value: float | None) -> bool:
    return value is not None and math.isfinite(value) and value > 0


# Health -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("venue", EXCHANGES)
def test_the_real_client_reads_pairs_candles_and_the_last_trade(
    server: ExchangeServer, venue: str
) -> None:
    real = client(server, venue)
    real.load_markets()
    traded = {name for name, market in real.markets.items() if market["active"] is not False}
    assert traded == {"BTC/USD", "ETH/USD", "BTC/USDT", "BTC/USDC"}
    since = (NEWEST - 4 * MINUTE_S) * 1000
    candles = real.fetch_ohlcv("BTC/USD", "1m", since, 5)
    assert [row[0] for row in candles[-5:]] == [since + i * 60_000 for i in range(5)]
    assert candles[-2][1:] == [3099, 3100, 3099, 3100, 2]
    assert candles[-1][1:] == [3100, 3100.5, 3100, 3100.5, 1]
    assert real.fetch_ticker("BTC/USD")["last"] == 3100.5


@pytest.mark.parametrize("venue", EXCHANGES)
def test_other_quotes_have_prices_of_their_own(server: ExchangeServer, venue: str) -> None:
    real = client(server, venue)
    since = (NEWEST - 4 * MINUTE_S) * 1000
    closes = {
        quote: real.fetch_ohlcv(f"BTC/{quote}", "1m", since, 5)[-2][4]
        for quote in ("USD", "USDT", "USDC")
    }
    assert closes == {"USD": 3100, "USDT": 3103.1, "USDC": 3096.9}
    assert real.fetch_ticker("BTC/USDT")["last"] == pytest.approx(3100.5 * 1.001)


@pytest.mark.parametrize("venue", FORMATS)
def test_every_venue_sends_the_same_candles_and_the_forming_one_last(
    server: ExchangeServer, venue: str
) -> None:
    page = rows(server, venue)
    assert times(server, venue) == list(range(NEWEST - 1800, NEWEST + 1, MINUTE_S))
    assert [float(value) for value in page[-2][1:]] == [3099, 3100, 3099, 3100, 2]
    assert [float(value) for value in page[-1][1:]] == [3100, 3100.5, 3100, 3100.5, 1]


@pytest.mark.parametrize(
    ("venue", "query", "first", "count"),
    [
        ("binance", "", -499, 500),
        ("binance", "&limit=5000", -999, 1000),
        ("binance", f"&startTime={_MS}", -30, 31),
        ("binance", f"&startTime={_MS}&limit=3", -30, 3),
        ("binance", f"&startTime={_MS}&endTime={NEWEST - 120}000", -30, 29),
        ("binance", f"&startTime={int(_MS) + 1}&limit=3", -29, 3),
        ("okx", "", 0, 100),
        ("okx", "&limit=5000", 0, 300),
        ("okx", f"&before={_MS}", 0, 30),
        ("okx", f"&before={_MS}&after={NEWEST}000", -1, 29),
        ("okx", f"&after={NEWEST}000&limit=2", -1, 2),
    ],
)
def test_bounds_and_limits_are_those_of_the_venue(
    server: ExchangeServer, venue: str, query: str, first: int, count: int
) -> None:
    path = {
        "binance": "/api/v3/klines?symbol=BTCUSD",
        "okx": "/api/v5/market/candles?instId=BTC-USD",
    }
    content = json.loads(reply(server, venue, path[venue] + query)[2])
    sent = content["data"] if venue == "okx" else content
    assert (int(sent[0][0]) // 1000 - NEWEST) // MINUTE_S == first
    assert len(sent) == count


def test_okx_says_which_candle_still_forms(server: ExchangeServer) -> None:
    content = json.loads(reply(server, "okx", PAGES["okx"])[2])
    assert [row[8] for row in content["data"]] == ["0"] + ["1"] * 30


def test_the_date_header_is_by_the_venues_clock(server: ExchangeServer) -> None:
    def told() -> pd.Timestamp:
        headers = reply(server, "kraken", PAGES["kraken"])[1]
        return pd.Timestamp(parsedate_to_datetime(headers["Date"]))

    assert told() == NOW
    server.skew = pd.Timedelta(minutes=7)
    assert told() == NOW + server.skew
    assert times(server, "kraken")[-1] == NEWEST + 7 * MINUTE_S


def test_a_venue_that_does_not_exist_and_a_request_that_lacks_something_are_refused(
    server: ExchangeServer,
) -> None:
    assert reply(server, "mtgox", "/ticker")[0] == 404
    assert reply(server, "kraken", "/0/public/OHLC")[0] == 400


# Counting -----------------------------------------------------------------------------------------


def test_requests_are_counted_and_timed(unasked: ExchangeServer) -> None:
    begun = time.monotonic()
    reply(unasked, "gemini", "/v1/symbols")
    reply(unasked, "gemini", "/v1/symbols")
    reply(unasked, "kraken", PAGES["kraken"])
    assert unasked.requests["gemini", "/v1/symbols"] == unasked.asked("gemini") == 2
    assert [(each.venue, each.kind) for each in unasked.log] == [
        ("gemini", "markets"),
        ("gemini", "markets"),
        ("kraken", "candles"),
    ]
    first, second = unasked.times("gemini")
    assert begun <= first <= second <= time.monotonic()


def test_one_client_after_another_is_one_at_a_time(unasked: ExchangeServer) -> None:
    for _ in range(50):
        reply(unasked, "gemini", "/v1/symbols")
    assert unasked.in_flight_most("gemini") == 1
    assert unasked.in_flight_most("kraken") == 0


def test_clients_that_wait_at_the_same_time_are_counted(unasked: ExchangeServer) -> None:
    unasked.fail("kraken", "hang")

    def ask() -> None:
        with pytest.raises(TimeoutError):
            urllib.request.urlopen(f"{unasked.url}/kraken{PAGES['kraken']}", timeout=0.8)

    with ThreadPoolExecutor(3) as pool:
        for each in [pool.submit(ask) for _ in range(3)]:
            each.result()
    assert unasked.in_flight_most("kraken") == 3


def test_a_client_that_gave_up_waits_no_more(unasked: ExchangeServer) -> None:
    unasked.fail("kraken", "hang", times=3)
    for _ in range(3):
        with pytest.raises(TimeoutError):
            urllib.request.urlopen(f"{unasked.url}/kraken{PAGES['kraken']}", timeout=0.1)
    reply(unasked, "kraken", PAGES["kraken"])
    assert unasked.in_flight_most("kraken") == 1


# Orders -------------------------------------------------------------------------------------------


def test_a_fault_lasts_until_it_is_healed_and_is_its_venues_alone(server: ExchangeServer) -> None:
    server.fail("bitstamp", 503)
    assert [reply(server, "bitstamp", PAGES["bitstamp"])[0] for _ in range(3)] == [503] * 3
    assert reply(server, "gemini", PAGES["gemini"])[0] == 200
    server.heal("bitstamp")
    assert reply(server, "bitstamp", PAGES["bitstamp"])[0] == 200


def test_a_fault_that_happens_so_many_times_heals_by_itself(server: ExchangeServer) -> None:
    server.fail("gemini", 503, times=2)
    assert [reply(server, "gemini", PAGES["gemini"])[0] for _ in range(3)] == [503, 503, 200]
    assert [reply(server, "gemini", "/v1/symbols")[0] for _ in range(3)] == [503, 503, 200]


def test_a_fault_may_be_of_one_kind_of_request_or_of_one_pair(server: ExchangeServer) -> None:
    server.fail("gemini", 429, on=("markets",))
    server.fail("gemini", 500, symbol="BTC/USDT")
    assert reply(server, "gemini", "/v1/symbols")[0] == 429
    assert reply(server, "gemini", "/v2/candles/btcusdt/1m")[0] == 500
    assert reply(server, "gemini", "/v2/candles/btcusd/1m")[0] == 200


@pytest.mark.parametrize(
    ("order", "sentence"),
    [
        ({"venue": "mtgox", "fault": 429}, "There is no venue 'mtgox'."),
        ({"venue": "gemini", "fault": "hangs"}, "There is no fault 'hangs'."),
        ({"venue": "gemini", "fault": "thousands"}, "This venue cannot have 'thousands': gemini"),
        ({"venue": "gemini", "fault": 429, "on": ("candle",)}, "no kind of request 'candle'."),
        ({"venue": "gemini", "fault": 429, "symbol": "btcusd"}, "There is no pair 'btcusd'."),
        ({"venue": "gemini", "fault": 429, "times": 0}, "A fault happens at least once."),
    ],
)
def test_an_order_that_cannot_be_carried_out_is_refused_in_a_sentence(
    server: ExchangeServer, order: Any, sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        server.fail(**order)


# Faults of the transport --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "status", "wait", "kind"),
    [
        (429, 429, None, "application/json"),
        (520, 520, None, "application/json"),
        (Refusal(429, "120"), 429, "120", "application/json"),
        (Refusal(503, html=True), 503, None, "text/html"),
        (Refusal(418, "5", html=True), 418, "5", "text/html"),
        ("restricted", 403, None, "application/json"),
        ("html", 200, None, "text/html"),
    ],
)
def test_a_refusal_has_its_status_and_headers(
    server: ExchangeServer, fault: Fault, status: int, wait: str | None, kind: str
) -> None:
    server.fail("okx", fault)
    told, headers, body = reply(server, "okx", PAGES["okx"])
    assert (told, headers["Retry-After"], headers["Content-Type"]) == (status, wait, kind)
    assert (body == HTML) == (kind == "text/html")


@pytest.mark.parametrize(
    ("fault", "body"),
    [("blank", b""), ("null", b"null"), ("object", b"{}"), ("foo", b'{"foo": 1}')],
)
def test_a_reply_may_be_of_no_use_though_the_status_is_200(
    server: ExchangeServer, fault: Fault, body: bytes
) -> None:
    server.fail("coinbase", fault)
    assert reply(server, "coinbase", PAGES["coinbase"])[::2] == (200, body)


@pytest.mark.parametrize("fault", ["truncated", "binary"])
def test_a_reply_may_be_no_json_and_complete_by_its_length(
    server: ExchangeServer, fault: Fault
) -> None:
    server.fail("kraken", fault)
    status, headers, body = reply(server, "kraken", PAGES["kraken"])
    assert (status, int(headers["Content-Length"])) == (200, len(body))
    with pytest.raises(ValueError):  # noqa: PT011  # whichever of its kinds
        json.loads(body)


def test_a_short_reply_ends_before_its_length(server: ExchangeServer) -> None:
    server.fail("kraken", "short")
    with pytest.raises(http.client.IncompleteRead) as caught:
        reply(server, "kraken", PAGES["kraken"])
    assert caught.value.expected == 1000
    assert json.loads(caught.value.partial)


def test_a_bad_archive_cannot_be_unpacked(server: ExchangeServer) -> None:
    server.fail("kraken", "bad-gzip")
    _, headers, body = reply(server, "kraken", PAGES["kraken"])
    assert headers["Content-Encoding"] == "gzip"
    with pytest.raises((EOFError, gzip.BadGzipFile)):
        gzip.decompress(body)


def test_a_bomb_is_small_on_the_wire_and_huge_in_memory(server: ExchangeServer) -> None:
    server.fail("kraken", "zip-bomb")
    _, headers, body = reply(server, "kraken", PAGES["kraken"])
    assert headers["Content-Encoding"] == "gzip"
    assert len(body) < 1_000_000
    # The last four bytes of an archive are the length of what is in it.
    assert int.from_bytes(body[-4:], "little") > 200_000_000


def test_a_huge_reply_is_right_but_long(server: ExchangeServer) -> None:
    server.fail("kraken", "huge")
    body = reply(server, "kraken", PAGES["kraken"])[2]
    assert len(body) > 6_000_000
    assert len(json.loads(body)["result"]["XXBTZUSD"]) == 31


@pytest.mark.parametrize("venue", FORMATS)
def test_numbers_may_be_none_that_json_knows(server: ExchangeServer, venue: str) -> None:
    server.fail(venue, "nan-json")
    body = reply(server, venue, PAGES[venue])[2]
    assert b"NaN" in body
    assert b"1e400" in body
    found: list[str] = []
    json.loads(body, parse_constant=found.append)
    assert set(found) == {"NaN"}


def conversation(server: ExchangeServer, fault: Fault) -> socket.socket:
    """A connection on which a request was sent that is answered with a fault."""
    server.fail("gemini", fault)
    connection = socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])))
    connection.sendall(b"GET /gemini/v1/symbols HTTP/1.1\r\nHost: gemini\r\n\r\n")
    return connection


def received(connection: socket.socket, seconds: float) -> bytes:
    """What comes within so many seconds."""
    until, data = time.monotonic() + seconds, b""
    while (left := until - time.monotonic()) > 0:
        connection.settimeout(left)
        try:
            data += connection.recv(4096)
        except TimeoutError:
            break
    return data


def test_a_venue_that_hangs_says_nothing(server: ExchangeServer) -> None:
    with conversation(server, "hang") as connection:
        assert received(connection, 0.3) == b""
        connection.settimeout(0.1)
        with pytest.raises(TimeoutError):
            connection.recv(1)


def test_a_reply_may_come_by_drops(server: ExchangeServer) -> None:
    with conversation(server, "drip") as connection:
        head, _, body = received(connection, 0.7).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.0 200 OK")
    assert 1 <= len(body) <= 4


def test_even_the_headers_may_come_by_drops(server: ExchangeServer) -> None:
    with conversation(server, "drip-head") as connection:
        head = received(connection, 0.7)
    assert head
    assert b"HTTP".startswith(head)


def test_a_connection_may_be_reset(server: ExchangeServer) -> None:
    with conversation(server, "reset") as connection, pytest.raises(ConnectionResetError):
        connection.recv(1)


def test_a_connection_may_be_closed_without_a_word(server: ExchangeServer) -> None:
    with conversation(server, "close") as connection:
        assert connection.recv(1) == b""


def test_leaving_the_server_ends_what_hangs() -> None:
    before = set(threading.enumerate())
    with serving() as server, conversation(server, "hang") as connection:
        assert received(connection, 0.1) == b""
        started = set(threading.enumerate()) - before
    assert len(started) >= 2
    for thread in started:
        thread.join(2)
    assert not any(thread.is_alive() for thread in started)


def test_nobody_listens_at_the_refused_address() -> None:
    with pytest.raises(URLError) as caught:
        urllib.request.urlopen(refused_url(), timeout=1)
    assert isinstance(caught.value.reason, ConnectionRefusedError)


def test_nobody_knows_the_unresolvable_address() -> None:
    with pytest.raises(URLError) as caught:
        urllib.request.urlopen(unresolvable_url(), timeout=5)
    assert isinstance(caught.value.reason, socket.gaierror)


def test_nobody_picks_up_at_the_silent_address() -> None:
    with silent_url() as url:
        begun = time.monotonic()
        with pytest.raises(URLError) as caught:
            urllib.request.urlopen(url, timeout=0.5)
    assert isinstance(caught.value.reason, TimeoutError)
    assert time.monotonic() - begun >= 0.5


# Faults of the data -------------------------------------------------------------------------------


@pytest.mark.parametrize("venue", FORMATS)
def test_candles_may_be_none_at_all(server: ExchangeServer, venue: str) -> None:
    server.fail(venue, "empty")
    assert rows(server, venue) == []


@pytest.mark.parametrize("venue", FORMATS)
def test_candles_may_come_twice(server: ExchangeServer, venue: str) -> None:
    healthy = rows(server, venue)
    server.fail(venue, "duplicates")
    twice = sorted([*healthy, *healthy[-6:-1]], key=lambda row: row[0])
    assert rows(server, venue, count=36) == twice


@pytest.mark.parametrize("venue", FORMATS)
def test_candles_that_come_twice_may_differ(server: ExchangeServer, venue: str) -> None:
    server.fail(venue, "conflicts")
    twins = [row for row in rows(server, venue) if row[0] // UNIT.get(venue, 1) == STRUCK]
    closes = sorted(float(row[4]) for row in twins)
    assert closes == [3098, pytest.approx(3098 * 1.01)]


@pytest.mark.parametrize("venue", FORMATS)
def test_candles_may_be_out_of_order(server: ExchangeServer, venue: str) -> None:
    healthy = rows(server, venue)
    server.fail(venue, "reversed")
    if venue != "gemini":  # of whose day only the end is looked at here
        assert rows(server, venue) == healthy[::-1]
    server.fail(venue, "shuffled")
    mixed = rows(server, venue)
    assert mixed not in (sorted(mixed), sorted(mixed)[::-1])


@pytest.mark.parametrize("venue", FORMATS)
def test_five_minutes_may_be_absent(server: ExchangeServer, venue: str) -> None:
    healthy = times(server, venue)
    server.fail(venue, "gap")
    absent = sorted(set(healthy) - set(times(server, venue)))
    assert absent == [NEWEST - minutes * MINUTE_S for minutes in range(17, 12, -1)]


@pytest.mark.parametrize("venue", FORMATS)
def test_the_forming_candle_may_be_kept_back(server: ExchangeServer, venue: str) -> None:
    healthy = rows(server, venue)
    server.fail(venue, "closed-only")
    assert rows(server, venue)[-30:] == healthy[-31:-1]


@pytest.mark.parametrize("venue", FORMATS)
def test_nothing_newer_than_an_hour_ago_may_be_known(server: ExchangeServer, venue: str) -> None:
    server.fail(venue, "stale")
    then = NOW - pd.Timedelta(hours=1)
    assert all(time + MINUTE_S <= then.timestamp() for time in times(server, venue))
    if venue != "yahoo":
        ticker = client(server, venue).fetch_ticker("BTC/USD")
        assert ticker["last"] == 3040
        # Kraken does not say when it traded last.
        assert ticker["timestamp"] == (None if venue == "kraken" else then.timestamp() * 1000)


@pytest.mark.parametrize("venue", FORMATS)
def test_a_wick_may_be_absurd_while_open_and_close_are_sane(
    server: ExchangeServer, venue: str
) -> None:
    server.fail(venue, "wick")
    assert [float(value) for value in struck(server, venue)[1:5]] == [3097, 3098e6, 3.097, 3098]


@pytest.mark.parametrize("venue", FORMATS)
@pytest.mark.parametrize(
    ("fault", "price"), [("zero", 0), ("negative", -1), ("infinite", math.inf), ("nan", math.nan)]
)
def test_a_price_may_be_impossible(
    server: ExchangeServer, venue: str, fault: Fault, price: float
) -> None:
    server.fail(venue, fault)
    close = struck(server, venue)[4]
    if (venue, fault) == ("yahoo", "nan"):
        assert close is None
    else:
        assert float(close) == pytest.approx(price, nan_ok=True)
        assert isinstance(close, str) == (venue not in ("gemini", "yahoo"))
    if venue != "yahoo":
        assert not is_price(last_trade(server, venue))


@pytest.mark.parametrize("venue", FORMATS)
def test_a_twentieth_of_the_candles_may_be_zeros(server: ExchangeServer, venue: str) -> None:
    server.fail(venue, "many-zeros")
    zero = [row[0] // UNIT.get(venue, 1) for row in rows(server, venue) if float(row[1]) == 0]
    assert zero == [STRUCK - 20 * MINUTE_S, STRUCK]


@pytest.mark.parametrize("venue", FORMATS)
def test_volumes_may_be_absent_or_negative(server: ExchangeServer, venue: str) -> None:
    server.fail(venue, "no-volume")
    assert {row[5] for row in rows(server, venue)} <= {None, ""}
    server.fail(venue, "negative-volume")
    assert float(struck(server, venue)[5]) == -1


@pytest.mark.parametrize("venue", FORMATS)
def test_a_high_may_be_below_its_low(server: ExchangeServer, venue: str) -> None:
    server.fail(venue, "high-below-low")
    row = struck(server, venue)
    assert float(row[2]) < float(row[3])


@pytest.mark.parametrize("venue", FORMATS)
def test_a_candle_may_be_of_the_year_2099(server: ExchangeServer, venue: str) -> None:
    server.fail(venue, "future")
    sent = times(server, venue)
    assert sent[-2:] == [NEWEST, FUTURE_S]


@pytest.mark.parametrize(
    ("fault", "unit"),
    [("seconds", 1), ("milliseconds", 10**3), ("microseconds", 10**6), ("nanoseconds", 10**9)],
)
def test_times_may_be_in_another_unit(server: ExchangeServer, fault: Fault, unit: int) -> None:
    for venue in having(fault):
        server.fail(venue, fault)
        assert rows(server, venue)[0][0] == (NEWEST - 1800) * unit
        assert unit != UNIT.get(venue, 1)


@pytest.mark.parametrize("venue", FORMATS)
def test_a_closed_candle_may_be_revised_once_it_was_seen(
    server: ExchangeServer, venue: str
) -> None:
    server.fail(venue, "revised")
    first, second, third = (rows(server, venue) for _ in range(3))
    assert float(first[-3][4]) == 3099
    assert float(second[-3][4]) == pytest.approx(3099 * 1.01)
    assert float(second[-3][2]) >= float(second[-3][4])
    assert second[:-3] == first[:-3]
    assert second[-2:] == first[-2:]
    assert second == third


@pytest.mark.parametrize("venue", FORMATS)
def test_a_reply_may_have_few_candles(server: ExchangeServer, venue: str) -> None:
    server.fail(venue, "few")
    assert times(server, venue) == [NEWEST - i * MINUTE_S for i in range(4, -1, -1)]


@pytest.mark.parametrize("venue", FORMATS)
def test_times_may_be_local(server: ExchangeServer, venue: str) -> None:
    server.fail(venue, "local-time")
    assert times(server, venue)[-1] == NEWEST - 5 * 3600


@pytest.mark.parametrize("venue", having("thousands"))
def test_prices_may_have_commas(server: ExchangeServer, venue: str) -> None:
    server.fail(venue, "thousands")
    assert struck(server, venue)[4] == "3,098.0"


@pytest.mark.parametrize("venue", EXCHANGES)
def test_the_list_of_pairs_may_lack_one_or_say_that_it_is_not_traded(
    server: ExchangeServer, venue: str
) -> None:
    def traded() -> set[str]:
        markets = client(server, venue).load_markets()
        return {name for name, market in markets.items() if market["active"] is not False}

    for fault in ("delisted", "unlisted"):
        if not cannot(venue, fault):
            server.fail(venue, fault)
            assert traded() == {"ETH/USD", "BTC/USDT", "BTC/USDC"}
            listed = names_main_pair(reply(server, venue, LISTS[venue])[2])
            assert listed == (fault == "delisted")
    server.fail(venue, "other-quote")
    assert traded() == {"BTC/USDT", "BTC/USDC"}


@pytest.mark.parametrize("fault", ["delisted", "unlisted", "other-quote"])
def test_yahoo_says_of_a_pair_itself_that_it_has_it_no_more(
    server: ExchangeServer, fault: Fault
) -> None:
    server.fail("yahoo", fault)
    chart = json.loads(reply(server, "yahoo", PAGES["yahoo"])[2])["chart"]
    assert chart["result"] is None


@pytest.mark.parametrize("venue", FORMATS)
@pytest.mark.parametrize(("fault", "minutes"), [("fast-clock", 5), ("slow-clock", -5)])
def test_the_clock_of_one_venue_may_be_off(
    server: ExchangeServer, venue: str, fault: Fault, minutes: int
) -> None:
    server.fail(venue, fault)
    headers = reply(server, venue, PAGES[venue])[1]
    assert pd.Timestamp(parsedate_to_datetime(headers["Date"])) == NOW + pd.Timedelta(
        minutes=minutes
    )


# Scripts ------------------------------------------------------------------------------------------


def test_every_failure_mode_but_that_of_the_client_library_has_a_script() -> None:
    assert list(SCRIPTS) == [f"F{number:02}" for number in range(1, 35)]
    assert all(SCRIPTS.values())


def test_every_named_fault_is_in_a_script() -> None:
    assert set(NAMES) == {f for faults in SCRIPTS.values() for f in faults if isinstance(f, str)}


def test_every_named_fault_of_the_data_does_something() -> None:
    assert set(DATA_FAULTS) == {*DAMAGE, "revised"}


def test_every_fault_is_ordered_of_every_venue_that_can_have_it(server: ExchangeServer) -> None:
    faults = {fault for faults in SCRIPTS.values() for fault in faults}
    for venue in FORMATS:
        for fault in faults:
            if not cannot(venue, fault):
                server.fail(venue, fault)


def test_a_fault_is_typed_as_it_is_spelled() -> None:
    for faults in SCRIPTS.values():
        for fault in faults:
            assert typed(spelled(fault)) == fault
    assert typed("503:30:html") == Refusal(503, "30", html=True)


@pytest.mark.parametrize("text", ["", "hangs", "200", "42", "4290", "429:1:2:3", "html:5"])
def test_a_text_that_is_no_fault_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="There is no fault"):
        typed(text)


# By hand ------------------------------------------------------------------------------------------


def test_faults_are_ordered_listed_and_healed_over_http(server: ExchangeServer) -> None:
    state = json.loads(reply(server, "control", "")[2])
    assert state["ordered"] == []
    assert set(NAMES) < set(state["faults"])
    assert state["venues"]["gemini"]["cannot"] == ["milliseconds", "thousands", "delisted"]

    order = "/fail?venue=bitstamp&fault=429:120&on=candles&times=3"
    state = json.loads(reply(server, "control", order)[2])
    assert state["ordered"] == [
        {"venue": "bitstamp", "on": "candles", "symbol": None, "fault": "429:120", "times": 3}
    ]
    assert reply(server, "bitstamp", PAGES["bitstamp"])[1]["Retry-After"] == "120"
    assert json.loads(reply(server, "control", "")[2])["ordered"][0]["times"] == 2

    assert json.loads(reply(server, "control", "/heal?venue=bitstamp")[2])["ordered"] == []
    assert reply(server, "bitstamp", PAGES["bitstamp"])[0] == 200
    assert server.asked("control") == 0


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("/fail?venue=mtgox&fault=429", "There is no venue 'mtgox'."),
        ("/fail?venue=okx&fault=hangs", "There is no fault 'hangs'."),
        ("/fail?venue=okx", "A fault needs a fault."),
        ("/fail?fault=429", "A fault needs a venue."),
        ("/fail?venue=okx&fault=429&on=all", "There is no kind of request 'all'."),
        ("/fail?venue=okx&fault=429&times=some", "'some' is no number of times."),
        ("/heal?venue=mtgox", "There is no venue 'mtgox'."),
        ("/break", "Ask /control, /control/fail or /control/heal."),
    ],
)
def test_an_order_over_http_that_cannot_be_carried_out_is_one_sentence(
    server: ExchangeServer, path: str, sentence: str
) -> None:
    status, _, body = reply(server, "control", path)
    assert (status, body.decode()) == (400, f"{sentence}\n")


def test_the_command_says_how_it_is_used_and_starts_with_the_faults_it_was_given() -> None:
    command = [sys.executable, "-m", "tests.exchange_server", "--port", "0"]
    faults = ["--fail", "bitstamp=429@candles", "--fail", "kraken=html"]
    root = Path(__file__).parents[1]
    with subprocess.Popen([*command, *faults], cwd=root, stdout=subprocess.PIPE, text=True) as run:
        try:
            assert run.stdout is not None
            lines = [run.stdout.readline() for _ in range(3)]
            url = lines[0].split()[-1]
            with urllib.request.urlopen(f"{url}/control", timeout=5) as answer:
                ordered = json.load(answer)["ordered"]
        finally:
            os.kill(run.pid, signal.SIGINT)
    assert lines[1].endswith(f"MARKETPULSE_EXCHANGE_SERVER={url} streamlit run app.py\n")
    assert lines[2].endswith(f"{url}/control\n")
    assert [(each["venue"], each["on"]) for each in ordered] == [
        ("bitstamp", "candles"),
        *(("kraken", kind) for kind in ("markets", "candles", "ticker", "other")),
    ]
    assert run.returncode == 0


def test_the_command_refuses_a_fault_that_there_is_not() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "tests.exchange_server", "--fail", "okx=hangs"],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert run.returncode == 2
    assert run.stderr.endswith("There is no fault 'hangs'.\n")
