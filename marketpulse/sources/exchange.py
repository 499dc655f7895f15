"""Candles of a crypto exchange, over ccxt's synchronous client.

ccxt answers politely to almost anything: an HTML page with status 200 becomes one candle per
character, a cut-off reply becomes some hundreds. So a reply is judged by what it holds, never by
the absence of an exception: by `marketpulse.sources.wire` before ccxt sees it, and here after.
"""

import importlib
import time
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np
import pandas as pd

from marketpulse import candles as candle_table
from marketpulse.candles import Cleaned
from marketpulse.errors import (
    BadReply,
    DataError,
    MalformedCandles,
    SourceUnavailable,
    UnknownSymbol,
    VenueTroubled,
    VenueUnreachable,
)
from marketpulse.horizons import ONE_MINUTE
from marketpulse.packages import without_init
from marketpulse.sources import Provenance, Quote, replies
from marketpulse.sources.gateway import Gateway
from marketpulse.sources.venues import KNOWN, UNKNOWN

if TYPE_CHECKING:
    from marketpulse.sources.wire import Wire

# The newest page asks for at least this many bars, however few are wanted: a quiet quarter of an
# hour is no failure, and one impossible row is not yet 1 % of the reply.
_LEAST_BARS = 300

_LEAST_READABLE_SHARE = 0.9

# For how long two markets of one venue may use the same reply. Less than a market waits before it
# asks again for a bar that was not there yet.
_PAGE_KEPT_S, _QUOTE_KEPT_S = 4.0, 1.5
# How old the list of pairs may get, and how old when a pair is not in it.
_LIST_KEPT_S, _SHORT_LIST_KEPT_S = 86_400.0, 3_600.0
# Lists of pairs are long: Binance's has more than 10 MB.
_MOST_LIST_BYTES = 32_000_000

# Derivatives are never asked for, and their lists cost a request each.
_SPOT_ONLY = {"binance": {"types": ["spot"]}, "okx": {"types": ["spot"]}}

# What ccxt's parsers raise on JSON of a shape that they do not expect.
_SHAPE_ERRORS = (LookupError, TypeError, AttributeError, ValueError)


def import_client() -> None:
    """Import what a call to any venue needs, and of no venue what it alone needs."""
    without_init("ccxt")
    importlib.import_module("ccxt.base.exchange")
    importlib.import_module("marketpulse.sources.wire")


class ExchangeSource:
    """A `CandleSource` over one exchange. Safe to share between threads.

    Parameters
    ----------
    venue : str
        ccxt's name of the exchange.
    base_url : str, optional
        Root to which ``/<venue>/...`` is sent instead of the exchange, for tests on loopback.
    """

    def __init__(self, venue: str, base_url: str | None = None) -> None:
        self._venue = venue
        self._base_url = base_url
        self._facts = KNOWN.get(venue, UNKNOWN)
        self._gateway = Gateway(venue, self._wire)
        self._client: Any = None
        self._listed = float("-inf")

    @property
    def venue(self) -> str:
        """Name of the exchange, as ccxt spells it."""
        return self._venue

    def provenance(self, now: pd.Timestamp) -> Provenance:
        """How it stands with this one venue."""
        return Provenance((self._gateway.state(now),), self._gateway.clock_offset)

    def pages(self, symbol: str, *, start: pd.Timestamp, now: pd.Timestamp) -> Iterator[Cleaned]:
        """Closed one-minute candles, newest page first, each of at most the venue's page size.

        An older page without a candle ends the iterator: the venue goes no further back.

        Raises
        ------
        SourceUnavailable, UnknownSymbol
            As `CandleSource` says.
        """
        start, end = start.ceil("min"), now.floor("min") + ONE_MINUTE
        size = self._facts.page_bars
        newest = True
        while newest or end > start:
            begin = max(start, end - size * ONE_MINUTE)
            if newest:
                begin = min(begin, end - min(size, _LEAST_BARS) * ONE_MINUTE)
            page = self._page(symbol, begin, end, now, newest=newest)
            if page is None:
                return
            yield replies.from_start(page, start)
            if self._facts.depth_bars is not None:
                return
            end, newest = replies.next_end(page, begin, end), False

    def quote(self, symbol: str, *, now: pd.Timestamp) -> Quote:
        """The last trade's price, or the middle of bid and ask where the venue names none.

        Raises
        ------
        SourceUnavailable, UnknownSymbol
            As `CandleSource` says.
        """
        return self._gateway.call(
            symbol, "quote", lambda wire: self._quoted(wire, symbol, now),
            now=now, kept=_QUOTE_KEPT_S,
        )  # fmt: skip

    def _quoted(self, wire: "Wire", symbol: str, now: pd.Timestamp) -> Quote:
        client = self._ready(wire, symbol)
        ticker = self._ask(lambda: client.fetch_ticker(symbol))
        price = ticker.get("last")
        if price is None and ticker.get("bid") and ticker.get("ask"):
            price = (ticker["bid"] + ticker["ask"]) / 2
        venue_now, sent = now + self._gateway.clock_offset, ticker.get("timestamp")
        try:
            time = venue_now if sent is None else candle_table.times(pd.Series([sent]))[0]
        except MalformedCandles as error:
            raise BadReply(f"{self._venue} sent a price of {symbol} of no time.") from error
        return replies.quote(self._venue, symbol, price, time, venue_now)

    def _page(
        self, symbol: str, begin: pd.Timestamp, end: pd.Timestamp, now: pd.Timestamp, *,
        newest: bool,
    ) -> Cleaned | None:  # fmt: skip
        """One reply's candles; None if an older page has none."""
        return self._gateway.call(
            symbol, (begin, end), lambda wire: self._cleaned(wire, symbol, begin, end, now, newest),
            now=now, kept=_PAGE_KEPT_S if newest else 0.0,
        )  # fmt: skip

    def _cleaned(
        self, wire: "Wire", symbol: str, begin: pd.Timestamp, end: pd.Timestamp,
        now: pd.Timestamp, newest: bool,
    ) -> Cleaned | None:  # fmt: skip
        client = self._ready(wire, symbol)
        since, limit = int(begin.timestamp()) * 1000, int((end - begin) / ONE_MINUTE)
        whole = self._facts.depth_bars is not None
        span = (None, None) if whole else (since, limit)
        rows = self._ask(lambda: client.fetch_ohlcv(symbol, "1m", *span))
        if rows == [] and not newest:
            return None
        if rows == []:
            raise BadReply(f"{self._venue} sent no closed candle of {symbol}.")
        try:
            return replies.page(
                self._venue, symbol, _table(rows),
                since=None if whole else begin, closed_by=wire.closed_by(now),
                may_form=newest and self._facts.sends_forming,
            )  # fmt: skip
        except MalformedCandles as error:
            raise BadReply(f"{self._venue} sent no usable candles: {error}") from error

    def _ready(self, wire: "Wire", symbol: str) -> Any:
        """The client, its markets loaded, once it is sure to have the pair."""
        if self._client is None:
            self._client = self._connected(wire)
        pairs = self._pairs(wire, _LIST_KEPT_S)
        if pairs and symbol not in pairs:
            pairs = self._pairs(wire, _SHORT_LIST_KEPT_S)
        if not pairs:
            raise BadReply(f"{self._venue} sent no list of its pairs.")
        if symbol not in pairs:
            raise UnknownSymbol(_unknown(self._venue, symbol, pairs))
        if "1m" not in self._client.timeframes:
            raise SourceUnavailable(f"{self._venue} has no one-minute candles.")
        return self._client

    def _pairs(self, wire: "Wire", kept: float) -> list[str]:
        """The pairs that are traded there, as listed at most ``kept`` seconds ago."""
        client, old = self._client, time.monotonic() - self._listed > kept
        if old:
            usual, wire.most_bytes = wire.most_bytes, _MOST_LIST_BYTES
            try:
                self._ask(lambda: client.load_markets(reload=True))
            finally:
                wire.most_bytes = usual
        pairs = [
            name for name, m in client.markets.items() if m["spot"] and m["active"] is not False
        ]
        if pairs and old:
            self._listed = time.monotonic()
        return pairs

    def _wire(self) -> "Wire":
        # Before the clock of the first call starts.
        import_client()

        from marketpulse.sources.wire import Wire

        return Wire(self._venue)

    def _connected(self, wire: "Wire") -> Any:
        # The wire keeps to the rate: ccxt's own limiter does not hold across threads.
        client = _exchange(self._venue)({"session": wire, "enableRateLimit": False})
        wire.interval = client.rateLimit / 1000
        # What currencies there are changes no candle, and costs Coinbase three requests.
        client.has["fetchCurrencies"] = False
        # It would cut a reply to what was asked for before anybody has judged it: of one in which
        # bars come twice, the newest would be lost.
        client.filter_by_since_limit = lambda rows, *_, **__: rows
        if self._venue in _SPOT_ONLY:
            client.options["fetchMarkets"] = _SPOT_ONLY[self._venue]
        if self._base_url is not None:
            client.urls["api"] = _rooted(client.urls["api"], f"{self._base_url}/{self._venue}")
        return client

    def _ask(self, request: Callable[[], Any]) -> Any:
        """What the client answers; every way in which it fails becomes one of our errors."""
        from ccxt.base import errors

        try:
            return request()
        except errors.BadSymbol as error:
            raise UnknownSymbol(f"{self._venue} does not know this pair.") from error
        except errors.BaseError as error:
            raise _translated(self._venue, error) from error
        except _SHAPE_ERRORS as error:
            raise BadReply(f"{self._venue} sent a page that is no data.") from error


def _exchange(venue: str) -> Any:
    """The class of ccxt's client for a venue."""
    from ccxt.base.exchange import Exchange

    try:
        found = getattr(importlib.import_module(f"ccxt.{venue}"), venue, None)
    except ModuleNotFoundError as error:
        if error.name != f"ccxt.{venue}":  # something that ccxt needs is missing
            raise
        found = None
    if not (isinstance(found, type) and issubclass(found, Exchange)):
        raise SourceUnavailable(f"There is no exchange named {venue}.")
    return found


def _translated(venue: str, error: Exception) -> DataError:
    """Our error for one that ccxt read out of a reply whose status told of none."""
    from ccxt.base import errors

    from marketpulse.sources.wire import refused

    if isinstance(error, errors.RestrictedLocation):
        return refused(venue, 451)
    if isinstance(error, errors.RateLimitExceeded | errors.DDoSProtection):
        return refused(venue, 429)
    if isinstance(error, errors.OnMaintenance):
        return VenueTroubled(f"{venue} is being maintained.")
    if isinstance(error, errors.RequestTimeout):
        return VenueUnreachable(f"{venue} did not answer in time.")
    return SourceUnavailable(f"{venue} answered with an error.")


def _table(rows: Any) -> pd.DataFrame:
    """Rows of ``[time in ms, open, high, low, close, volume, ...]`` as an unchecked candle table.

    Raises
    ------
    MalformedCandles
        If they are not that, or fewer than 90 % of them hold a time and four prices.
    """
    if not isinstance(rows, list) or not all(isinstance(r, list) and len(r) >= 6 for r in rows):
        raise MalformedCandles("Its rows are no candles.")
    values = pd.DataFrame([row[:6] for row in rows], columns=["time", *candle_table.COLUMNS])
    # An unknown volume is no reason to doubt the prices.
    needed = values[["time", *candle_table.PRICES]]
    numbers = needed.apply(pd.to_numeric, errors="coerce").to_numpy("float64")
    readable = np.isfinite(numbers).all(axis=1).mean()
    if readable < _LEAST_READABLE_SHARE:
        raise MalformedCandles(f"Only {readable:.0%} of its {len(rows)} rows are numbers.")
    return candle_table.table(candle_table.times(values["time"]), values)


def _unknown(venue: str, symbol: str, pairs: list[str]) -> str:
    near = get_close_matches(symbol.upper(), pairs, n=3)
    hint = f"; near matches: {', '.join(near)}" if near else ""
    return f"{venue} has no pair {symbol}{hint}."


def _rooted(urls: Any, root: str) -> Any:
    """The table of API roots with every host replaced by ``root``, its paths kept."""
    if isinstance(urls, dict):
        return {name: _rooted(url, root) for name, url in urls.items()}
    return root + urlsplit(urls).path
