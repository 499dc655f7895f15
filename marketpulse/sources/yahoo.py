"""Candles of Yahoo Finance, over yfinance: a last resort without an exchange's guarantees.

Its prices are an average over exchanges, and its one-minute volumes are often missing.
"""

import atexit
import logging
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from functools import cache
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
from marketpulse.sources.exchange import refusal

_PAGE = pd.Timedelta(days=7)
_DEEPEST = pd.Timedelta(days=29)
_QUOTE_WINDOW = pd.Timedelta(hours=2)
_TIMEOUT_S = 6.0

# yfinance keeps one connection, one cookie and one memory of replies for the whole process.
_LOCK = Lock()


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
        self._session: Any = None
        self._status = 0

    @property
    def venue(self) -> str:
        """Always ``yahoo``."""
        return "yahoo"

    def pages(self, symbol: str, *, start: pd.Timestamp, now: pd.Timestamp) -> Iterator[Cleaned]:
        """Closed one-minute candles of at most 29 days, in pages of 7 days, newest first.

        Raises
        ------
        SourceUnavailable, UnknownSymbol
            As `CandleSource` says.
        """
        oldest = max(start, now - _DEEPEST)
        end = now.floor("min") + ONE_MINUTE
        newest = True
        while newest or end > oldest:
            begin = max(oldest, end - _PAGE)
            # A window of a minute or two may hold no trade; one of two hours does.
            asked = min(begin, end - _QUOTE_WINDOW) if newest else begin
            rows = self._history(symbol, asked, end, newest=newest)
            if rows.empty:
                return
            yield _page(rows, begin, now)
            end, newest = begin, False

    def quote(self, symbol: str, *, now: pd.Timestamp) -> Quote:
        """The close of the newest row, which is the last trade that Yahoo knows.

        Raises
        ------
        SourceUnavailable, UnknownSymbol
            As `CandleSource` says.
        """
        rows = self._history(symbol, now - _QUOTE_WINDOW, now + ONE_MINUTE, newest=True)
        price = float(rows["Close"].iloc[-1])
        if not (np.isfinite(price) and price > 0):
            raise SourceUnavailable(f"yahoo sent no price of {symbol}.")
        return Quote(price, rows.index[-1])

    def _history(
        self, symbol: str, begin: pd.Timestamp, end: pd.Timestamp, *, newest: bool
    ) -> pd.DataFrame:
        """Yahoo's rows in [begin, end), in UTC; may be none unless they are the ``newest``."""
        with _LOCK:
            rows = self._ask(symbol, begin, end, newest=newest)
        if rows.empty and newest:
            raise SourceUnavailable(f"yahoo sent no candle of {symbol}.")
        return rows if rows.empty else rows.tz_convert("UTC")

    def _ask(
        self, symbol: str, begin: pd.Timestamp, end: pd.Timestamp, *, newest: bool
    ) -> pd.DataFrame:
        """What yfinance answers; every way in which it fails becomes one of our errors."""
        from yfinance.exceptions import YFException, YFPricesMissingError, YFRateLimitError

        try:
            return self._request(symbol, begin, end)
        except YFRateLimitError as error:
            raise SourceUnavailable("yahoo is asked too often (429).") from error
        except YFPricesMissingError as error:
            reason = error.yahoo_reason
            if reason and "delisted" in reason:
                raise UnknownSymbol(f"yahoo has no pair {symbol}.") from error
            if self._status < 400 and not newest:
                return pd.DataFrame()
            raise SourceUnavailable(f"yahoo {self._why(error)}.") from error
        except (OSError, YFException) as error:  # all that curl_cffi raises is an OSError
            raise SourceUnavailable(f"yahoo {self._why(error)}.") from error
        except (LookupError, TypeError, AttributeError, ValueError) as error:
            raise SourceUnavailable("yahoo sent a page that is no data.") from error

    def _request(self, symbol: str, begin: pd.Timestamp, end: pd.Timestamp) -> pd.DataFrame:
        yfinance = _prepared()
        if self._session is None:
            self._session = _session(self._base_url, self._note_status)
        self._status = 0
        ticker = yfinance.Ticker(symbol.replace("/", "-"), session=self._session)
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
                timeout=_TIMEOUT_S,
            )
        finally:
            # It remembers replies by their address, failures too: a page that failed once would
            # fail until the process ends.
            yfinance.data.YfData.cache_get.cache_clear()
        return rows

    def _note_status(self, status: int) -> None:
        self._status = status

    def _why(self, error: Exception) -> str:
        """Why a request failed, in words that follow the venue's name."""
        if "Timeout" in type(error).__name__:
            return "did not answer in time"
        if self._status >= 400:
            return refusal(self._status)
        if isinstance(error, ValueError):
            return "sent a page that is no data"
        return "cannot be reached" if isinstance(error, OSError) else "sent no candles"


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


def _session(base_url: str | None, note_status: Callable[[int], None]) -> Any:
    """A connection that gives up in time, and asks ``<base_url>/yahoo`` if there is one.

    yfinance writes two of its hosts out in full and waits 30 s for a cookie, so neither can be
    had by setting its constants.
    """
    from curl_cffi.requests import Session

    session: Any = Session(impersonate="chrome")
    send = session.request

    def request(method: str, url: str, **options: Any) -> Any:
        if base_url is not None:
            url = f"{base_url}/yahoo{urlsplit(url).path}"
        response = send(method, url, **{**options, "timeout": _TIMEOUT_S})
        note_status(response.status_code)
        return response

    session.request = request
    return session


def _page(rows: pd.DataFrame, begin: pd.Timestamp, now: pd.Timestamp) -> Cleaned:
    """Yahoo's rows that open at or after ``begin`` as closed candles."""
    # The newest row is stamped with the second of its last trade and is no bar.
    time = pd.DatetimeIndex(rows.index, name="open_time").as_unit("us")
    wanted = (time == time.floor("min")) & (time >= begin)
    values = rows[wanted].rename(columns=str.lower)
    try:
        return candle_table.clean(candle_table.table(time[wanted], values), ONE_MINUTE, now)
    except MalformedCandles as error:
        raise SourceUnavailable(f"yahoo sent no usable candles: {error}") from error
