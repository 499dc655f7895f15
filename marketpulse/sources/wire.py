"""One venue's HTTP: every request ends in time, and every reply is judged before a parser sees it.

libcurl keeps one deadline over the whole of a request, which a server that sends a byte now and
then cannot stretch; the clients' own library only bounds the time between two bytes.
"""

import json
import time
from collections import deque
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import pandas as pd
from curl_cffi.curl import CURL_WRITEFUNC_ERROR
from curl_cffi.requests import Response, Session
from curl_cffi.requests.exceptions import (
    ChunkedEncodingError,
    HTTPError,
    IncompleteRead,
    RequestException,
    Timeout,
)

from marketpulse.errors import (
    BadReply,
    ClockOff,
    SourceUnavailable,
    VenueRefused,
    VenueTroubled,
    VenueUnreachable,
)

CONNECT_S = 3.0
DEFAULT_INTERVAL_S = 0.2
MOST_BYTES = 5_000_000
# Beyond this nobody can tell which candle is closed.
MOST_OFFSET = pd.Timedelta(seconds=30)
# A Date header counts whole seconds, and a reply takes its time: less than this is no offset.
LEAST_OFFSET = pd.Timedelta(seconds=2)

_HOUR_S = 3600.0
_NO_TIME = pd.Timedelta(0)
_ONE_SECOND = pd.Timedelta(seconds=1)

# What a status asks for when it names no time itself: seconds, and at most.
_BAN_S = {429: 60.0, 418: 120.0, 403: 600.0, 451: float("inf")}
_LONGEST_BAN_S = 3 * 86_400.0

_REFUSALS = {
    403: "refused this server (403)",
    418: "has banned this server for asking too often (418)",
    429: "is asked too often (429)",
    451: "is not available from this server's country (451)",
}


class Wire(Session):  # type: ignore[type-arg]  # it is generic in its response
    """A connection to one venue, for a client library to send its requests through.

    Not for several threads at once: `marketpulse.sources.gateway.Gateway` sees to that.

    Parameters
    ----------
    venue : str
        For messages.
    is_data : callable
        Whether a path is answered with JSON.
    readable : frozenset of int
        Refusals that the client reads for itself.
    moved : callable
        The address to ask instead of one.
    **options
        Of the session.

    Attributes
    ----------
    interval : float
        Least seconds between the starts of two requests.
    most_bytes : int
        A longer reply is not read to its end.
    clock_offset : pandas.Timedelta or None
        By how much the venue's clock is ahead of this machine's; None if it never said.
    made_at : pandas.Timestamp or None
        The venue's time when it made the last reply, cut to a whole second; None if it did not say.
    """

    def __init__(
        self,
        venue: str,
        *,
        is_data: Callable[[str], bool] = lambda _: True,
        readable: frozenset[int] = frozenset(),
        moved: Callable[[str], str] = lambda url: url,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.venue = venue
        self.interval = DEFAULT_INTERVAL_S
        self.most_bytes = MOST_BYTES
        self.clock_offset: pd.Timedelta | None = None
        self.made_at: pd.Timestamp | None = None
        self._is_data, self._readable, self._moved = is_data, readable, moved
        self._sent: deque[float] = deque()
        self._until, self._begun, self._began = float("inf"), 0.0, pd.Timestamp(0, tz="UTC")

    def begin(self, now: pd.Timestamp, seconds: float) -> None:
        """Start a call at the machine's time ``now`` that has to be over in so many seconds."""
        self._begun, self._began = time.monotonic(), now
        self._until = self._begun + seconds

    @property
    def calls(self) -> int:
        """Requests sent within the last hour."""
        while self._sent and self._sent[0] < time.monotonic() - _HOUR_S:
            self._sent.popleft()
        return len(self._sent)

    def closed_by(self, now: pd.Timestamp) -> pd.Timestamp:
        """The venue's time at which everything was over that the last reply tells as closed.

        The offset alone would do if it were exact: a clock that is ahead by less than what a reply
        proves takes a candle for closed that was still forming when the reply was made.
        """
        estimated = now + (_NO_TIME if self.clock_offset is None else self.clock_offset)
        return estimated if self.made_at is None else min(estimated, self.made_at)

    def request(self, method: Any, url: str, **options: Any) -> Response:  # type: ignore[override]
        """The reply to a request, once it is sure to be one.

        Raises
        ------
        SourceUnavailable
            The subclass says what is to be done about it.
        """
        self._keep_to_the_rate()
        body = bytearray()

        def take(chunk: bytes) -> int:
            body.extend(chunk)
            return len(chunk) if len(body) <= self.most_bytes else CURL_WRITEFUNC_ERROR

        left = self._left()
        connect = min(CONNECT_S, left / 2)
        wanted = {**options, "timeout": (connect, left - connect), "content_callback": take}
        sent = self._machine_time()
        try:
            reply: Response = super().request(method, self._moved(url), **wanted)
        except RequestException as error:
            raise self._failed(error, len(body)) from error
        reply.content = bytes(body)
        self._judge(reply, urlsplit(url).path, sent)
        return reply

    def _keep_to_the_rate(self) -> None:
        if self._sent:
            # By the caller's thread, which is a worker of a market and never a page's.
            time.sleep(max(0.0, self._sent[-1] + self.interval - time.monotonic()))
        self._sent.append(time.monotonic())

    def _left(self) -> float:
        left = self._until - time.monotonic()
        if left <= 0:
            raise VenueUnreachable(f"{self.venue} did not answer in time.")
        return min(left, 60.0)

    def _machine_time(self) -> pd.Timestamp:
        """The time on this machine, from the call's begin and a clock without steps."""
        return self._began + pd.Timedelta(seconds=time.monotonic() - self._begun)

    def _failed(self, error: RequestException, size: int) -> SourceUnavailable:
        if size > self.most_bytes:
            return BadReply(f"{self.venue} sent more than {self.most_bytes / 1e6:.0f} MB.")
        if isinstance(error, Timeout):
            return VenueUnreachable(f"{self.venue} did not answer in time.")
        if isinstance(error, IncompleteRead | ChunkedEncodingError):
            return VenueTroubled(f"{self.venue} broke off in the middle of its reply.")
        if isinstance(error, HTTPError):
            return BadReply(f"{self.venue} sent a page that is no data.")
        return VenueUnreachable(f"{self.venue} cannot be reached.")

    def _judge(self, reply: Response, path: str, sent: pd.Timestamp) -> None:
        told, self.made_at = _told_time(reply.headers), _http_time(reply.headers.get("Date"))
        status, told_off = int(reply.status_code), b"restricted location" in reply.content.lower()
        if status in _BAN_S or told_off:
            asked = retry_seconds(reply.headers.get("Retry-After"), told or self._machine_time())
            raise refused(self.venue, 451 if told_off else status, asked)
        if 400 <= status < 500 and status not in self._readable:
            raise refused(self.venue, status)
        if status == 504:
            raise VenueUnreachable(f"{self.venue} did not answer in time (504).")
        if status >= 500:
            raise VenueTroubled(f"{self.venue} {refusal(status)}.")
        if told is not None:
            self.clock_offset = offset(told, sent, self._machine_time())
            self._require_clock(self.clock_offset)
        if status < 400 and self._is_data(path) and not _is_json(reply):
            raise BadReply(f"{self.venue} sent a page that is no data.")

    def _require_clock(self, ahead: pd.Timedelta) -> None:
        if abs(ahead) > MOST_OFFSET:
            seconds = abs(ahead.total_seconds())
            span = f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:,.0f} min"
            side = "behind" if ahead > _NO_TIME else "ahead of"
            raise ClockOff(
                f"This machine's clock is {span} {side} that of {self.venue},"
                " so nobody can tell which candle is closed."
            )


def refusal(status: int) -> str:
    """What an HTTP status of 400 or above means, in words that follow the venue's name."""
    if status in _REFUSALS:
        return _REFUSALS[status]
    return f"has trouble of its own ({status})" if status >= 500 else f"refused us ({status})"


def refused(venue: str, status: int, asked: float | None = None) -> VenueRefused:
    """The error of a status that tells us to stay away.

    Parameters
    ----------
    venue : str
    status : int
    asked : float, optional
        Seconds for which the venue itself wants to be left alone.
    """
    least = _BAN_S.get(status, 0.0)
    # Asked too often, we go by what the venue says; every other ban may only get longer by it.
    seconds = asked if asked and status == 429 else max(least, asked or 0.0)
    if least < float("inf"):
        seconds = min(seconds, _LONGEST_BAN_S)
    return VenueRefused(f"{venue} {refusal(status)}.", status=status, seconds=seconds)


def retry_seconds(header: str | None, now: pd.Timestamp) -> float | None:
    """Seconds that a Retry-After header asks for, at least 1; None if it says nothing usable.

    It holds seconds, or an HTTP date: RFC 9110, section 10.2.3.
    """
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return max(1.0, float(text[:9]))
    until = _http_time(text)
    if until is None:
        return None
    return max(1.0, (until - now).total_seconds())


def _http_time(text: str | None) -> pd.Timestamp | None:
    try:
        return pd.Timestamp(parsedate_to_datetime(text or "")).tz_convert("UTC")
    except (ValueError, TypeError, OverflowError):
        return None


def _told_time(headers: Any) -> pd.Timestamp | None:
    """The time at which a reply says that it was sent; None if it does not say.

    A cache on the way adds the age of what it passes on: RFC 9111, section 5.1.
    """
    told = _http_time(headers.get("Date"))
    age = str(headers.get("Age") or "0")
    if told is None or not (age.isascii() and age.isdigit() and len(age) < 7):
        return told
    return told + pd.Timedelta(seconds=int(age))


def offset(told: pd.Timestamp, sent: pd.Timestamp, received: pd.Timestamp) -> pd.Timedelta:
    """By how much a venue's clock is ahead of ours, as far as one reply proves it.

    Parameters
    ----------
    told : pandas.Timestamp
        The venue's time, cut to a whole second.
    sent, received : pandas.Timestamp
        Our times before the request and after the reply.

    Returns
    -------
    pandas.Timedelta
        Zero if both clocks may well be right.
    """
    if told > received:
        ahead = told - received
    elif told + _ONE_SECOND < sent:
        ahead = told + _ONE_SECOND - sent
    else:
        ahead = _NO_TIME
    return ahead if abs(ahead) >= LEAST_OFFSET else _NO_TIME


def _is_json(reply: Response) -> bool:
    """Whether the body is a JSON list or object, and is not said to be a page."""
    if "html" in str(reply.headers.get("Content-Type")).lower():
        return False
    try:
        content = json.loads(reply.content, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return False
    return isinstance(content, list | dict)


def _no_constant(name: str) -> None:
    """NaN and Infinity, which Python reads although JSON has none."""
    raise ValueError(name)
