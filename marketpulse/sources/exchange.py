"""Candles of a crypto exchange, over ccxt's synchronous client.

ccxt answers politely to almost anything: an HTML page with status 200 becomes one candle per
character, a cut-off reply becomes some hundreds. So a reply is judged by what it holds, never by
the absence of an exception.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from difflib import get_close_matches
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pandas as pd

from marketpulse import candles as candle_table
from marketpulse.candles import Cleaned
from marketpulse.errors import MalformedCandles, SourceUnavailable, UnknownSymbol
from marketpulse.horizons import ONE_MINUTE
from marketpulse.sources import Quote

VENUES = ("bitstamp", "coinbase", "kraken", "gemini")
"""The default order: all of them serve BTC/USD, and answer to hosts in the United States."""

# Kraken has the last 720 minutes and no more; Gemini ignores how far back it is asked to go.
_ONE_REPLY = frozenset({"kraken", "gemini"})

# The newest page asks for at least this many bars, however few are wanted: a quiet quarter of an
# hour is no failure, and one impossible row is not yet 1 % of the reply.
_LEAST_BARS = 300

_DEFAULT_PAGE_BARS = 300
_TIMEOUT_MS = 6000
_LEAST_READABLE_SHARE = 0.9

# Derivatives are never asked for, and their lists cost a request each.
_SPOT_ONLY = {"binance": {"types": ["spot"]}, "okx": {"types": ["spot"]}}

# What ccxt's parsers raise on JSON of a shape that they do not expect.
_SHAPE_ERRORS = (LookupError, TypeError, AttributeError, ValueError)

_REFUSALS = {
    403: "refused this server (403)",
    418: "has banned this server for asking too often (418)",
    429: "is asked too often (429)",
    451: "is not available from this server's country (451)",
}


class ExchangeSource:
    """A `CandleSource` over one exchange. Safe to share between threads.

    Parameters
    ----------
    venue : str
        ccxt's name of the exchange.
    base_url : str, optional
        Root to which ``/<venue>/...`` is sent instead of the exchange, for tests on loopback.

    Raises
    ------
    SourceUnavailable
        If there is no exchange of that name.
    """

    def __init__(self, venue: str, base_url: str | None = None) -> None:
        self._venue = venue
        self._base_url = base_url
        # ccxt's rate limiter does not hold across threads: without the lock, 20 threads send 20
        # requests at once.
        self._lock = Lock()
        self._client: Any = None
        self._status: int | None = None

    @property
    def venue(self) -> str:
        """Name of the exchange, as ccxt spells it."""
        return self._venue

    def pages(self, symbol: str, *, start: pd.Timestamp, now: pd.Timestamp) -> Iterator[Cleaned]:
        """Closed one-minute candles, newest page first, each of at most the venue's page size.

        An older page without a candle ends the iterator: the venue goes no further back.

        Raises
        ------
        SourceUnavailable, UnknownSymbol
            As `CandleSource` says.
        """
        end = now.floor("min") + ONE_MINUTE
        newest = True
        while newest or end > start:
            size = self._page_bars(symbol)
            begin = max(start, end - size * ONE_MINUTE)
            if newest:
                begin = min(begin, end - min(size, _LEAST_BARS) * ONE_MINUTE)
            page = self._page(symbol, begin, int((end - begin) / ONE_MINUTE), now)
            if page is None and not newest:
                return
            if page is None or page.candles.empty:
                raise SourceUnavailable(f"{self._venue} sent no closed candle of {symbol}.")
            yield _cut(page, start)
            if self._venue in _ONE_REPLY:
                return
            end, newest = begin, False

    def quote(self, symbol: str, *, now: pd.Timestamp) -> Quote:
        """The last trade's price, or the middle of bid and ask where the venue names none.

        Raises
        ------
        SourceUnavailable, UnknownSymbol
            As `CandleSource` says.
        """
        with self._lock:
            client = self._ready(symbol)
            ticker = self._ask(lambda: client.fetch_ticker(symbol))
            self._require_json(client)
        price = ticker.get("last")
        if price is None and ticker.get("bid") and ticker.get("ask"):
            price = (ticker["bid"] + ticker["ask"]) / 2
        if price is None or not (np.isfinite(price) and price > 0):
            raise SourceUnavailable(f"{self._venue} sent no price of {symbol}.")
        sent = ticker.get("timestamp")
        time = now if sent is None else pd.Timestamp(sent, unit="ms", tz="UTC")
        return Quote(float(price), time)

    def _page_bars(self, symbol: str) -> int:
        with self._lock:
            limits = self._ready(symbol).features.get("spot") or {}
        return int((limits.get("fetchOHLCV") or {}).get("limit") or _DEFAULT_PAGE_BARS)

    def _page(
        self, symbol: str, begin: pd.Timestamp, bars: int, now: pd.Timestamp
    ) -> Cleaned | None:
        """One reply's candles, or None if the reply is a list of none."""
        whole = self._venue in _ONE_REPLY
        since, limit = (None, None) if whole else (int(begin.timestamp()) * 1000, bars)
        with self._lock:
            client = self._ready(symbol)
            rows = self._ask(lambda: client.fetch_ohlcv(symbol, "1m", since, limit))
            self._require_json(client)
        if rows == []:
            return None
        try:
            return candle_table.clean(_table(rows), ONE_MINUTE, now)
        except MalformedCandles as error:
            raise SourceUnavailable(f"{self._venue} sent no usable candles: {error}") from error

    def _ready(self, symbol: str) -> Any:
        """The client, its markets loaded, once it is sure to have the pair."""
        if self._client is None:
            self._client = self._connect()
        client = self._client
        markets = self._ask(client.load_markets)
        pairs = [name for name, m in markets.items() if m["spot"] and m["active"] is not False]
        if not pairs:
            raise SourceUnavailable(f"{self._venue} sent no list of its pairs.")
        if symbol not in pairs:
            raise UnknownSymbol(_unknown(self._venue, symbol, pairs))
        return client

    def _connect(self) -> Any:
        import ccxt

        if self._venue not in ccxt.exchanges:
            raise SourceUnavailable(f"There is no exchange named {self._venue}.")
        client = getattr(ccxt, self._venue)({"timeout": _TIMEOUT_MS})
        # What currencies there are changes no candle, and costs Coinbase three requests.
        client.has["fetchCurrencies"] = False
        if self._venue in _SPOT_ONLY:
            client.options["fetchMarkets"] = _SPOT_ONLY[self._venue]
        if self._base_url is not None:
            client.urls["api"] = _moved(client.urls["api"], f"{self._base_url}/{self._venue}")
        client.session.hooks["response"].append(self._note_status)
        return client

    def _note_status(self, response: Any, **_: Any) -> None:
        self._status = response.status_code

    def _ask(self, request: Callable[[], Any]) -> Any:
        """What the client answers; every way in which it fails becomes one of our errors."""
        import ccxt

        self._status = None
        try:
            return request()
        except ccxt.BadSymbol as error:
            raise UnknownSymbol(f"{self._venue} does not know this pair.") from error
        except (ccxt.BaseError, OSError) as error:  # all that requests raises is an OSError
            raise SourceUnavailable(f"{self._venue} {_why(error, self._status)}.") from error
        except _SHAPE_ERRORS as error:
            raise SourceUnavailable(f"{self._venue} sent a page that is no data.") from error

    def _require_json(self, client: Any) -> None:
        try:
            json.loads(client.last_http_response)
        except (ValueError, TypeError) as error:
            raise SourceUnavailable(f"{self._venue} sent a page that is no data.") from error


def refusal(status: int) -> str:
    """What an HTTP status of 400 or above means, in words that follow the venue's name."""
    if status in _REFUSALS:
        return _REFUSALS[status]
    return f"has trouble of its own ({status})" if status >= 500 else f"refused us ({status})"


def _why(error: Exception, status: int | None) -> str:
    """Why a request failed, in words that follow the venue's name."""
    import ccxt

    if status is not None and status >= 400:
        return refusal(status)
    if isinstance(error, ccxt.RestrictedLocation):
        return "is not available from this server's country"
    if isinstance(error, ccxt.RequestTimeout):
        return "did not answer in time"
    if isinstance(error, ccxt.NetworkError | OSError) and status is None:
        return "cannot be reached"
    return "answered with an error"


def _table(rows: Any) -> pd.DataFrame:
    """Rows of ``[time in ms, open, high, low, close, volume, ...]`` as an unchecked candle table.

    Raises
    ------
    MalformedCandles
        If they are not that, or fewer than 90 % of them hold six finite numbers.
    """
    if not isinstance(rows, list) or not all(isinstance(r, list) and len(r) >= 6 for r in rows):
        raise MalformedCandles("Its rows are no candles.")
    values = pd.DataFrame([row[:6] for row in rows], columns=["time", *candle_table.COLUMNS])
    numbers = values.apply(pd.to_numeric, errors="coerce").to_numpy("float64")
    readable = np.isfinite(numbers).all(axis=1).mean()
    if readable < _LEAST_READABLE_SHARE:
        raise MalformedCandles(f"Only {readable:.0%} of its {len(rows)} rows are numbers.")
    return candle_table.table(candle_table.times(values["time"]), values)


def _cut(page: Cleaned, start: pd.Timestamp) -> Cleaned:
    kept = page.candles[page.candles.index >= start]
    return Cleaned(kept, replace(page.report, filled=int(kept["filled"].sum())))


def _unknown(venue: str, symbol: str, pairs: list[str]) -> str:
    near = get_close_matches(symbol.upper(), pairs, n=3)
    hint = f"; near matches: {', '.join(near)}" if near else ""
    return f"{venue} has no pair {symbol}{hint}."


def _moved(urls: Any, root: str) -> Any:
    """The table of API roots with every host replaced by ``root``, its paths kept."""
    if isinstance(urls, dict):
        return {name: _moved(url, root) for name, url in urls.items()}
    return root + urlsplit(urls).path
