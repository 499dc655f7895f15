"""The ordered fallback: the first venues that answer are asked, and one of them is kept.

How one is chosen: the venues are asked in their order, each ``stagger`` seconds after the one
before it, or at once when that one has failed. As soon as there is an answer nobody else is asked,
and the best-ranked answer is taken at the first moment at which every venue ranked above it has
failed or has had ``patience`` seconds. So a venue that is merely a little slower than a worse one
still wins, and a venue that hangs costs at most ``patience``.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Any

import pandas as pd

from marketpulse.candles import Cleaned
from marketpulse.errors import DataError, SourceUnavailable, UnknownSymbol
from marketpulse.sources import CandleSource, Quote


class ChainSource:
    """A `CandleSource` that is one of several. One instance serves one market.

    Once chosen, a venue is kept until it fails; the call after that chooses anew. A caller that
    sees another `venue` than before reads its whole window again, because candles of two venues
    never share a frame.

    Parameters
    ----------
    sources : sequence of CandleSource
        The best first. May be shared with other chains.
    stagger : float
        Seconds between the starts of two venues.
    patience : float
        Seconds that a better-ranked venue is waited for while there is a worse-ranked answer.
    deadline : float
        Seconds after which nobody is waited for any longer.

    Raises
    ------
    ValueError
        If there are no sources.
    """

    def __init__(
        self,
        sources: Sequence[CandleSource],
        *,
        stagger: float = 0.7,
        patience: float = 2.5,
        deadline: float = 12.0,
    ) -> None:
        if not sources:
            raise ValueError("a chain needs at least one source")
        self._sources = tuple(sources)
        self._timing = (stagger, patience, deadline)
        self._lock = Lock()
        self._chosen: CandleSource | None = None
        self._venue = "auto"
        self._failures: dict[str, str] = {}

    @property
    def venue(self) -> str:
        """The venue chosen last, or ``auto`` before there was one."""
        return self._venue

    @property
    def failures(self) -> Mapping[str, str]:
        """Why each venue failed that has not answered since, as one sentence by venue."""
        return dict(self._failures)

    def pages(self, symbol: str, *, start: pd.Timestamp, now: pd.Timestamp) -> Iterator[Cleaned]:
        """Closed candles of one venue, newest page first.

        Raises
        ------
        SourceUnavailable
            If no venue answers, with each one's reason; or the chosen one fails on a later page.
        UnknownSymbol
            If those venues that answer have no such pair.
        """

        def first_page(source: CandleSource) -> tuple[Cleaned | None, Iterator[Cleaned]]:
            rest = source.pages(symbol, start=start, now=now)
            return next(rest, None), rest

        source, (first, rest) = self._call(symbol, first_page)
        if first is not None:
            yield first
            yield from self._watched(source, rest)

    def quote(self, symbol: str, *, now: pd.Timestamp) -> Quote:
        """The price at the chosen venue, which is chosen now if there is none.

        Raises
        ------
        SourceUnavailable, UnknownSymbol
            As for `pages`.
        """
        price: Quote = self._call(symbol, lambda source: source.quote(symbol, now=now))[1]
        return price

    def _call(self, symbol: str, ask: Callable[[CandleSource], Any]) -> tuple[CandleSource, Any]:
        """The source that answered, and what it answered."""
        with self._lock:  # two callers without a venue are to get the same one
            chosen = self._chosen
            if chosen is None:
                return self._choose(symbol, ask)
        try:
            answer = ask(chosen)
        except DataError as error:
            self._failed(chosen, error)
            raise
        self._failures.pop(chosen.venue, None)
        return chosen, answer

    def _choose(self, symbol: str, ask: Callable[[CandleSource], Any]) -> tuple[CandleSource, Any]:
        race = _Race(self._candidates(), ask, *self._timing)
        winner = race.run()
        for rank, error in race.failed.items():
            self._failures[race.sources[rank].venue] = str(error)
        if winner is None:
            raise _nobody(symbol, race)
        source = race.sources[winner]
        self._failures.pop(source.venue, None)
        self._chosen, self._venue = source, source.venue
        return source, race.answers[winner]

    def _candidates(self) -> tuple[CandleSource, ...]:
        """Who is asked, the best first: where bans and an open breaker are to leave venues out."""
        return self._sources

    def _failed(self, source: CandleSource, error: DataError) -> None:
        """Forget a venue that failed: where a ban or a breaker is to take note of it."""
        self._failures[source.venue] = str(error)
        if self._chosen is source:
            self._chosen = None

    def _watched(self, source: CandleSource, rest: Iterator[Cleaned]) -> Iterator[Cleaned]:
        try:
            yield from rest
        except DataError as error:
            self._failed(source, error)
            raise


@dataclass(slots=True)
class _Race:
    """One round of asking several venues; ranks are positions in ``sources``."""

    sources: tuple[CandleSource, ...]
    ask: Callable[[CandleSource], Any]
    stagger: float
    patience: float
    deadline: float
    started: list[float] = field(default_factory=list)
    answers: dict[int, Any] = field(default_factory=dict)
    failed: dict[int, DataError] = field(default_factory=dict)
    arrivals: SimpleQueue[tuple[int, Any, BaseException | None]] = field(
        default_factory=SimpleQueue
    )

    def run(self) -> int | None:
        """The winner's rank, or None if nobody answered in time."""
        begun = time.monotonic()
        while (left := begun + self.deadline - time.monotonic()) > 0:
            if len(self.failed) == len(self.sources):
                return None
            moment = time.monotonic()
            if self.answers and self._wait_for_better(moment) <= 0:
                break
            if not self.answers and self._wait_for_next(moment) <= 0:
                self._start()
                continue
            wait = self._wait_for_better if self.answers else self._wait_for_next
            self._arrive(min(left, wait(moment)))
        for rank in set(range(len(self.started))) - set(self.failed) - set(self.answers):
            late = SourceUnavailable(f"{self.sources[rank].venue} did not answer in time.")
            self.failed[rank] = late
        return min(self.answers, default=None)

    def _wait_for_next(self, moment: float) -> float:
        """Seconds until the next venue is to be asked."""
        if len(self.started) == len(self.sources):
            return float("inf")
        newest = len(self.started) - 1
        if newest < 0 or newest in self.failed:
            return 0.0
        return self.started[newest] + self.stagger - moment

    def _wait_for_better(self, moment: float) -> float:
        """Seconds until the best answer so far is to be taken."""
        better = set(range(min(self.answers))) - set(self.failed)
        return max((self.started[rank] + self.patience - moment for rank in better), default=0.0)

    def _start(self) -> None:
        rank = len(self.started)
        self.started.append(time.monotonic())
        name = f"ask-{self.sources[rank].venue}"
        # A daemon, so that a venue that never answers does not keep the process from ending.
        Thread(target=self._ask, args=(rank,), name=name, daemon=True).start()

    def _ask(self, rank: int) -> None:
        try:
            self.arrivals.put((rank, self.ask(self.sources[rank]), None))
        except BaseException as error:  # carried to the thread that waits, and raised there
            self.arrivals.put((rank, None, error))

    def _arrive(self, timeout: float) -> None:
        """Take in one venue's answer or failure; a programmer's mistake is raised as it is."""
        try:
            rank, answer, error = self.arrivals.get(timeout=timeout)
        except Empty:
            return
        if error is None:
            self.answers[rank] = answer
        elif isinstance(error, DataError):
            self.failed[rank] = error
        else:
            raise error


def _nobody(symbol: str, race: _Race) -> DataError:
    """The one error that stands for everybody's."""
    unknown = [rank for rank in sorted(race.failed) if isinstance(race.failed[rank], UnknownSymbol)]
    if unknown:
        best, *others = unknown
        also = ", ".join(race.sources[rank].venue for rank in others)
        message = str(race.failed[best]).rstrip(".")
        return UnknownSymbol(f"{message}; neither has {also}." if also else f"{message}.")
    reasons = "; ".join(str(race.failed[rank]).rstrip(".") for rank in sorted(race.failed))
    return SourceUnavailable(f"No venue answers for {symbol}: {reasons}.")
