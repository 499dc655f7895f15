"""What stands between this process and one venue: one call at a time, and none that is unwelcome.

`Standing` is what the outcomes of past calls mean for the next one, as a value; `Gateway` keeps it,
and lets callers that ask the same at the same time share one call, its failure included.
"""

import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

import pandas as pd

from marketpulse.errors import (
    DataError,
    SourceUnavailable,
    UnknownSymbol,
    VenueRefused,
    VenueTroubled,
)
from marketpulse.sources import NO_OFFSET, VenueState

if TYPE_CHECKING:
    from marketpulse.sources.wire import Wire

Answer = TypeVar("Answer")

# A venue that failed so often within so many seconds is left alone, and then tried once.
MOST_FAILURES, FAILURE_WINDOW_S, REST_S = 3, 60.0, 30.0
# One venue may take so long with everything that a call needs; the chain knows others.
DEADLINE_S = 6.0
# A venue that failed, or broke off, is asked once more after a wait between these.
RETRY_AFTER_S = (0.5, 1.5)
# How long a question that failed fails again without a call; and how long a pair stays unknown.
FAILURE_KEPT_S, UNKNOWN_KEPT_S = 10.0, 3600.0

_NEVER = float("-inf")


@dataclass(frozen=True, slots=True)
class Standing:
    """How it stands with a venue. Times are monotonic seconds.

    Attributes
    ----------
    failures : tuple of float
        When it failed within the last `FAILURE_WINDOW_S`, since it last answered.
    rests_until, banned_until : float
        Before these it is not asked: because it kept failing, or because it said so.
    error : str
        What went wrong last; empty if the last call worked.
    answered : float
        When it last gave a good answer.
    """

    failures: tuple[float, ...] = ()
    rests_until: float = _NEVER
    banned_until: float = _NEVER
    error: str = ""
    answered: float = _NEVER

    def after(self, error: DataError | None, at: float) -> "Standing":
        """The standing after a call that ended at ``at``, with an error or with an answer."""
        if error is None or isinstance(error, UnknownSymbol):
            return Standing(answered=at, banned_until=self.banned_until)
        if isinstance(error, VenueRefused) and error.seconds > 0:
            until = max(self.banned_until, at + error.seconds)
            return replace(self, banned_until=until, error=str(error))
        recent = tuple(t for t in self.failures if t > at - FAILURE_WINDOW_S)
        rests = at + REST_S if len(recent) + 1 >= MOST_FAILURES else self.rests_until
        return replace(self, failures=(*recent, at), rests_until=rests, error=str(error))

    def wait(self, at: float) -> float:
        """Seconds until it may be asked again; 0 or less if it may be now."""
        return max(self.rests_until, self.banned_until) - at


@dataclass(slots=True)
class _Flight:
    """One call that others may share, and until when its outcome may be used again."""

    outcome: Future[Any] = field(default_factory=Future)
    usable_until: float = float("inf")


class Gateway:
    """The one way to a venue. Safe to share between threads.

    Parameters
    ----------
    venue : str
    connect : callable
        Makes the wire when the first call needs it, because that imports much.
    clock, sleep : callable
        Monotonic seconds, and a wait before the venue is asked once more.
    """

    def __init__(
        self,
        venue: str,
        connect: Callable[[], "Wire"],
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._venue, self._connect = venue, connect
        self._clock, self._sleep = clock, sleep
        self._wire: Wire | None = None
        self._calling, self._noting = Lock(), Lock()
        self._standing = Standing()
        self._flights: dict[Hashable, _Flight] = {}
        self._unknown: dict[str, tuple[float, UnknownSymbol]] = {}

    @property
    def clock_offset(self) -> pd.Timedelta:
        """By how much the venue's clock is ahead of this machine's; zero if it never said."""
        told = None if self._wire is None else self._wire.clock_offset
        return NO_OFFSET if told is None else told

    def call(
        self,
        symbol: str,
        question: Hashable,
        ask: Callable[["Wire"], Answer],
        *,
        now: pd.Timestamp,
        kept: float = 0.0,
    ) -> Answer:
        """What the venue answers, or answered somebody who asked the same a moment ago.

        Parameters
        ----------
        symbol : str
        question : hashable
            What is asked of the pair: equal questions have equal answers.
        ask : callable
            Sends the requests; all of them together have `DEADLINE_S`.
        now : pandas.Timestamp
            The machine's time.
        kept : float
            Seconds for which the answer is good for others.

        Raises
        ------
        SourceUnavailable
            If the venue must not be asked now, without a call; or as the call raised it.
        UnknownSymbol
            As the call raised it, and for an hour after it without a call.
        """
        with self._noting:
            self._forget(self._clock())
            if symbol in self._unknown:
                raise self._unknown[symbol][1]
            mine = (symbol, question) not in self._flights
            flight = self._flights.setdefault((symbol, question), _Flight())
        if mine:
            self._fly(flight, symbol, lambda: self._asked(ask, now), kept)
        answer: Answer = flight.outcome.result()
        return answer

    def state(self, now: pd.Timestamp) -> VenueState:
        """How it stands at the machine's time ``now``."""
        with self._noting:
            standing, at = self._standing, self._clock()
            wire = self._wire
            calls, told = (0, None) if wire is None else (wire.calls, wire.clock_offset)
        asked = standing.answered > _NEVER
        answered = now - pd.Timedelta(seconds=at - standing.answered) if asked else None
        facts = (standing.error, calls, told, answered)
        if standing.banned_until == float("inf"):
            return VenueState(self._venue, "blocked", None, *facts)
        if standing.wait(at) > 0:
            banned = standing.banned_until > at
            until = now + pd.Timedelta(seconds=standing.wait(at))
            return VenueState(self._venue, "banned" if banned else "resting", until, *facts)
        if standing.error:
            return VenueState(self._venue, "failing", None, *facts)
        return VenueState(self._venue, "ok" if asked else "unasked", None, *facts)

    def _forget(self, at: float) -> None:
        self._flights = {k: f for k, f in self._flights.items() if f.usable_until > at}
        self._unknown = {k: kept for k, kept in self._unknown.items() if kept[0] > at}

    def _fly(self, flight: _Flight, symbol: str, ask: Callable[[], Any], kept: float) -> None:
        """Bring the outcome about; there is one whatever happens, because others wait for it."""
        try:
            answer = ask()
        except BaseException as error:
            self._note_failure(flight, symbol, error)
            flight.outcome.set_exception(error)
        else:
            flight.usable_until = self._clock() + kept
            flight.outcome.set_result(answer)

    def _note_failure(self, flight: _Flight, symbol: str, error: BaseException) -> None:
        at = self._clock()
        flight.usable_until = at
        if isinstance(error, UnknownSymbol):
            with self._noting:
                self._unknown[symbol] = (at + UNKNOWN_KEPT_S, error)
        elif isinstance(error, SourceUnavailable):
            flight.usable_until = at + FAILURE_KEPT_S

    def _asked(self, ask: Callable[["Wire"], Any], now: pd.Timestamp) -> Any:
        if not self._calling.acquire(timeout=DEADLINE_S):
            raise SourceUnavailable(f"{self._venue} is busy with other questions.")
        try:
            self._require_welcome(now)
            if self._wire is None:
                self._wire = self._connect()
            self._wire.begin(now, DEADLINE_S)
            return self._noted(self._wire, ask)
        finally:
            self._calling.release()

    def _require_welcome(self, now: pd.Timestamp) -> None:
        """Raise while the venue is to be left alone."""
        standing, wait = self._standing, self._standing.wait(self._clock())
        if wait > 0:
            reason = standing.error.rstrip(".")
            if wait == float("inf"):
                raise SourceUnavailable(f"{reason}.")
            until = now + pd.Timedelta(seconds=wait)
            raise SourceUnavailable(f"{reason}; it is left alone until {until:%H:%M:%S} UTC.")

    def _noted(self, wire: "Wire", ask: Callable[["Wire"], Any]) -> Any:
        """The answer, its outcome added to the standing."""
        try:
            answer = self._retried(lambda: ask(wire))
        except DataError as error:
            self._note(error)
            raise
        self._note(None)
        return answer

    def _note(self, error: DataError | None) -> None:
        with self._noting:
            self._standing = self._standing.after(error, self._clock())

    def _retried(self, ask: Callable[[], Any]) -> Any:
        """The answer, asked for once more if the venue failed in a way that often passes."""
        from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random

        retrying = Retrying(
            stop=stop_after_attempt(2),
            wait=wait_random(*RETRY_AFTER_S),
            retry=retry_if_exception_type(VenueTroubled),
            sleep=self._sleep,
            reraise=True,
        )
        return retrying(ask)
