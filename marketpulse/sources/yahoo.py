"""Candles of Yahoo Finance, over yfinance: a last resort without an exchange's guarantees.

Its prices are an average over exchanges, and its one-minute volumes are often missing.
"""

import atexit
import logging
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import pandas as pd

from marketpulse import candles as candle_table
from marketpulse.candles import Cleaned
from marketpulse.errors import (
    BadReply,
    DataError,
    MalformedCandles,
    SourceUnavailable,
    UnknownSymbol,
)
from marketpulse.horizons import ONE_MINUTE
from marketpulse.sources import Provenance, Quote, replies
from marketpulse.sources.gateway import Gateway

if TYPE_CHECKING:
    from marketpulse.sources.wire import Wire

_PAGE = pd.Timedelta(days=7)
_DEEPEST = pd.Timedelta(days=29)
_QUOTE_WINDOW = pd.Timedelta(hours=2)
# For how long two markets may use the same reply.
_KEPT_S = 1.5

# A session without a cookie, a pair or a span that does not exist: yfinance knows what to do.
_READ_BY_YFINANCE = frozenset({400, 401, 404, 422})

# What yfinance raises on JSON of a shape that it does not expect.
_SHAPE_ERRORS = (LookupError, TypeError, AttributeError, ValueError)

# yfinance keeps one connection, one cookie and one memory of replies for the whole process.
_LOCK = Lock()


class _Reply(NamedTuple):
    """Closed candles, and the last trade's price and time."""

    page: Cleaned
    price: float
    time: pd.Timestamp


class YahooSource:
    """A `CandleSource` over Yahoo Finance. Safe to share between threads.

    Parameters
    ----------
    base_url : str, optional
        Root to which ``/yahoo/...`` is sent instead of Yahoo, for tests on loopback. yfinance
        keeps one connection per process, so the source made last decides for all of them.
    """

    def __init__(self, base_url: str | None = None) -> None:
        self._base_url = base_url
        self._gateway = Gateway("yahoo", self._wire)

    @property
    def venue(self) -> str:
        """Always ``yahoo``."""
        return "yahoo"

    def provenance(self, now: pd.Timestamp) -> Provenance:
        """How it stands with Yahoo."""
        return Provenance((self._gateway.state(now),), self._gateway.clock_offset)

    def pages(self, symbol: str, *, start: pd.Timestamp, now: pd.Timestamp) -> Iterator[Cleaned]:
        """Closed one-minute candles of at most 29 days, in pages of 7 days, newest first.

        Raises
        ------
        SourceUnavailable, UnknownSymbol
            As `CandleSource` says.
        """
        oldest = max(start, now - _DEEPEST).ceil("min")
        end = now.floor("min") + ONE_MINUTE
        newest = True
        while newest or end > oldest:
            begin = max(oldest, end - _PAGE)
            # A window of a minute or two may hold no trade; one of two hours does.
            asked = min(begin, end - _QUOTE_WINDOW) if newest else begin
            reply = self._reply(symbol, asked, end, now, newest=newest)
            if reply is None:
                return
            yield replies.from_start(reply.page, begin)
            end, newest = replies.next_end(reply.page, begin, end), False

    def quote(self, symbol: str, *, now: pd.Timestamp) -> Quote:
        """The close of the newest row, which is the last trade that Yahoo knows.

        Raises
        ------
        SourceUnavailable, UnknownSymbol
            As `CandleSource` says.
        """
        end = now.floor("min") + ONE_MINUTE
        reply = self._reply(symbol, end - _QUOTE_WINDOW, end, now, newest=True)
        if reply is None:
            raise BadReply(f"yahoo sent no price of {symbol}.")
        venue_now = now + self._gateway.clock_offset
        return replies.quote("yahoo", symbol, reply.price, reply.time, venue_now)

    def _reply(
        self, symbol: str, begin: pd.Timestamp, end: pd.Timestamp, now: pd.Timestamp, *,
        newest: bool,
    ) -> _Reply | None:  # fmt: skip
        """What Yahoo knows of [begin, end); None if that is nothing, and not the ``newest``."""

        def ask(wire: "Wire") -> _Reply | None:
            with _LOCK:
                rows = self._ask(wire, symbol, begin, end, newest=newest)
            if rows.empty and newest:
                raise BadReply(f"yahoo sent no candle of {symbol}.")
            return None if rows.empty else _read(rows, symbol, begin, wire.closed_by(now))

        return self._gateway.call(
            symbol, (begin, end), ask, now=now, kept=_KEPT_S if newest else 0.0
        )

    def _ask(
        self, wire: "Wire", symbol: str, begin: pd.Timestamp, end: pd.Timestamp, *, newest: bool
    ) -> pd.DataFrame:
        """What yfinance answers; every way in which it fails becomes one of our errors."""
        from yfinance.exceptions import YFException, YFPricesMissingError, YFRateLimitError

        from marketpulse.sources.wire import refused

        try:
            return _answer(wire, symbol, begin, end)
        except DataError:
            raise
        except YFRateLimitError as error:
            raise refused("yahoo", 429) from error
        except YFPricesMissingError as error:
            reason = error.yahoo_reason
            if reason and "delisted" in reason:
                raise UnknownSymbol(f"yahoo has no pair {symbol}.") from error
            if not newest:
                return pd.DataFrame()
            raise BadReply("yahoo sent no candles.") from error
        except YFException as error:
            raise SourceUnavailable("yahoo sent no candles.") from error
        except _SHAPE_ERRORS as error:
            raise BadReply("yahoo sent a page that is no data.") from error

    def _wire(self) -> "Wire":
        """A connection that asks ``<base_url>/yahoo`` if there is one.

        yfinance writes two of its hosts out in full, so they cannot be had by its constants.
        """
        from marketpulse.sources.wire import Wire

        root = self._base_url
        return Wire(
            "yahoo",
            is_data=lambda path: "/v8/finance/chart/" in path,
            readable=_READ_BY_YFINANCE,
            moved=lambda url: url if root is None else f"{root}/yahoo{urlsplit(url).path}",
            impersonate="chrome",
        )


def _answer(wire: "Wire", symbol: str, begin: pd.Timestamp, end: pd.Timestamp) -> pd.DataFrame:
    """The rows as yfinance reads them."""
    yfinance = _prepared()
    ticker = yfinance.Ticker(symbol.replace("/", "-"), session=wire)
    # All crypto pairs are in UTC. Unasked, yfinance would look it up: one request more, and
    # five for a pair that Yahoo does not know.
    ticker._tz = "UTC"
    try:
        rows: pd.DataFrame = ticker.history(
            interval="1m",
            start=begin.to_pydatetime(),
            end=end.to_pydatetime(),
            prepost=True,
            auto_adjust=False,
            keepna=True,
        )
    finally:
        # It remembers replies by their address, failures too: a page that failed once would
        # fail until the process ends.
        yfinance.data.YfData.cache_get.cache_clear()
    # Yahoo's way to say that nobody traded. Unasked, yfinance would drop rows of zeros as well,
    # which are no prices and are to be judged.
    return rows.dropna(how="all", subset=["Open", "High", "Low", "Close"])


@cache
def _prepared() -> Any:
    """yfinance, made to raise its errors, and to keep its SQLite caches to this process.

    Shared caches in the user's folder answer "database is locked" to a second process.
    """
    import yfinance

    folder = tempfile.mkdtemp(prefix="yfinance-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    yfinance.set_tz_cache_location(folder)
    yfinance.config.debug.hide_exceptions = False
    yfinance.config.network.retries = 0
    # Its own use of pandas is for it to mend.
    warnings.filterwarnings("ignore", category=DeprecationWarning, module="yfinance")
    # It would print each failure as well; ours is one sentence on the screen.
    logging.getLogger("yfinance").setLevel(logging.CRITICAL)
    return yfinance


def _read(rows: pd.DataFrame, symbol: str, begin: pd.Timestamp, closed_by: pd.Timestamp) -> _Reply:
    """Yahoo's rows as closed candles, and the price of the newest one."""
    time = pd.DatetimeIndex(rows.index, name="open_time").tz_convert("UTC").as_unit("us")
    values = rows.rename(columns=str.lower)
    # Where there was a trade, none means that nobody counted.
    values["volume"] = values["volume"].where(values["volume"] != 0)
    # The newest row is stamped with the second of its last trade and is no bar.
    bars = time == time.floor("min")
    raw = candle_table.table(time[bars], values[bars])
    try:
        page = replies.page("yahoo", symbol, raw, since=begin, closed_by=closed_by)
    except MalformedCandles as error:
        raise BadReply(f"yahoo sent no usable candles: {error}") from error
    return _Reply(page, float(values["close"].iloc[-1]), time[-1])
