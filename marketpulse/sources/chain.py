"""The ordered fallback: the first venues that answer are asked, and one of them is kept.

How one is chosen: the venues are asked in their order, each ``stagger`` seconds after the one
before it, or at once when that one has failed. As soon as there is an answer nobody else is asked,
and the best-ranked answer is taken at the first moment at which every venue ranked above it has
failed or has had ``patience`` seconds. So a venue that is merely a little slower than a worse one
still wins, and a venue that hangs costs at most ``patience``.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import reduce
from itertools import chain
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Any

import pandas as pd

from marketpulse import candles as candle_table
from marketpulse.candles import CandleReport, Cleaned
from marketpulse.errors import CacheError, ClockOff, DataError, SourceUnavailable, UnknownSymbol
from marketpulse.horizons import ONE_MINUTE
from marketpulse.sources import NO_OFFSET, CandleSource, Provenance, Quote
from marketpulse.sources.candle_cache import CandleCache

# Closed bars that are read again, because venues revise them (rule F31).
REREAD = 3 * ONE_MINUTE
# So little history is asked for rather than read from disk.
SHORT = pd.Timedelta(minutes=15)


class ChainSource:
    """A `CandleSource` that is one of several. One instance serves one market.

    Once chosen, a venue is kept until it fails to send candles, and then another one is chosen at
    once. A caller that sees another `venue` than before reads its whole window again, because
    candles of two venues never share a frame.

    Parameters
    ----------
    sources : sequence of CandleSource
        The best first. May be shared with other chains.
    cache : CandleCache, optional
        Where closed candles are kept: what is there is not asked for again, and when nobody
        answers, it is all there is.
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
        cache: CandleCache | None = None,
        *,
        stagger: float = 0.7,
        patience: float = 2.5,
        deadline: float = 12.0,
    ) -> None:
        if not sources:
            raise ValueError("a chain needs at least one source")
        self._sources = tuple(sources)
        self._cache = cache
        self._cache_problem = ""
        self._timing = (stagger, patience, deadline)
        self._lock = Lock()
        self._chosen: CandleSource | None = None
        self._venue = "auto"

    @property
    def venue(self) -> str:
        """The venue chosen last, or ``auto`` before there was one."""
        return self._venue

    def provenance(self, now: pd.Timestamp) -> Provenance:
        """How it stands with every venue, and with the clock of the chosen one."""
        told = [(source, source.provenance(now)) for source in self._sources]
        venues = tuple(state for _, each in told for state in each.venues)
        offsets = [each.clock_offset for source, each in told if source is self._chosen]
        return Provenance(venues, offsets[0] if offsets else NO_OFFSET, self._cache_problem)

    def pages(self, symbol: str, *, start: pd.Timestamp, now: pd.Timestamp) -> Iterator[Cleaned]:
        """Closed candles of one venue, newest page first; those kept on disk are the last page.

        Raises
        ------
        SourceUnavailable
            If no venue answers, with each one's reason, after the page that is kept on disk if no
            venue was ever chosen; or the chosen one fails on a later page.
        UnknownSymbol
            If those venues that answer have no such pair.
        """

        def first_page(source: CandleSource) -> tuple[Iterator[Cleaned], pd.DataFrame]:
            kept = self._kept(source, symbol, start, now)
            begin = start if kept.empty else kept.index[-1] - REREAD
            pages = source.pages(symbol, start=max(start, begin), now=now)
            first = next(pages, None)
            return (pages if first is None else chain((first,), pages)), kept

        try:
            source, (pages, kept) = self._call(symbol, first_page)
        except SourceUnavailable:
            yield from self._offline(symbol, start, now)
            raise
        yield from self._joined(source, symbol, pages, kept)

    def quote(self, symbol: str, *, now: pd.Timestamp) -> Quote:
        """The price at the chosen venue, which is chosen now if there is none.

        Raises
        ------
        SourceUnavailable, UnknownSymbol
            As for `pages`. A venue that has no price keeps its place: its candles may be fine.
        """

        def ask(source: CandleSource) -> Quote:
            return source.quote(symbol, now=now)

        chosen = self._chosen
        price: Quote = ask(chosen) if chosen is not None else self._call(symbol, ask)[1]
        return price

    def _call(self, symbol: str, ask: Callable[[CandleSource], Any]) -> tuple[CandleSource, Any]:
        """The source that answered, and what it answered."""
        with self._lock:  # two callers without a venue are to get the same one
            chosen = self._chosen
            if chosen is None:
                return self._choose(symbol, ask)
        try:
            return chosen, ask(chosen)
        except DataError:
            # It is asked again with the others, but its gateway knows the answer.
            with self._lock:
                return self._choose(symbol, ask)

    def _choose(self, symbol: str, ask: Callable[[CandleSource], Any]) -> tuple[CandleSource, Any]:
        self._chosen = None
        race = _Race(self._sources, ask, *self._timing)
        winner = race.run()
        if winner is None:
            raise _nobody(symbol, race)
        source = race.sources[winner]
        self._chosen, self._venue = source, source.venue
        return source, race.answers[winner]

    def _joined(
        self, source: CandleSource, symbol: str, pages: Iterator[Cleaned], kept: pd.DataFrame
    ) -> Iterator[Cleaned]:
        """A venue's pages and, if they reach back to it, what is kept of the same venue."""
        arrived: list[pd.DataFrame] = []
        try:
            for page in pages:
                arrived.append(page.candles)
                yield page
        except DataError:
            self._chosen = None
            self._keep(source, symbol, arrived)
            raise
        oldest = arrived[-1].index.min() if arrived else pd.NaT
        if not kept.empty and oldest <= kept.index[-1] + ONE_MINUTE:
            arrived.append(kept.tail(1))
            yield _page(kept[kept.index < oldest])
        self._keep(source, symbol, arrived)

    def _kept(
        self, source: CandleSource, symbol: str, start: pd.Timestamp, now: pd.Timestamp
    ) -> pd.DataFrame:
        """Candles on disk from ``start`` on; none if it is quicker to ask for them."""
        if self._cache is None or now - start < SHORT:
            return candle_table.empty()
        try:
            kept = self._cache.load(source.venue, symbol)
        except CacheError as error:
            self._cache_problem = str(error)
            return candle_table.empty()
        # A clock that was ahead may have left candles that are still to come.
        return kept[(kept.index >= start) & (kept.index < now)]

    def _keep(self, source: CandleSource, symbol: str, newest_first: list[pd.DataFrame]) -> None:
        """Put what arrived on disk; without a cache the candles are good all the same."""
        found = [page for page in reversed(newest_first) if len(page)]
        if self._cache is None or not found:
            return
        whole = reduce(lambda older, newer: candle_table.merge(older, newer, ONE_MINUTE), found)
        try:
            self._cache.append(source.venue, symbol, whole)
            self._cache_problem = ""
        except CacheError as error:
            self._cache_problem = str(error)

    def _offline(self, symbol: str, start: pd.Timestamp, now: pd.Timestamp) -> Iterator[Cleaned]:
        """The newest candles on disk of any venue, for a market that never had any."""
        if self._venue != "auto":
            return
        found = [(source, self._kept(source, symbol, start, now)) for source in self._sources]
        newest = [(kept.index[-1], -rank) for rank, (_, kept) in enumerate(found) if len(kept)]
        if newest:
            source, kept = found[-max(newest)[1]]
            self._venue = source.venue
            yield _page(kept)


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


def _page(kept: pd.DataFrame) -> Cleaned:
    return Cleaned(kept, CandleReport(filled=int(kept["filled"].sum())))


def _nobody(symbol: str, race: _Race) -> DataError:
    """The one error that stands for everybody's."""
    unknown = [rank for rank in sorted(race.failed) if isinstance(race.failed[rank], UnknownSymbol)]
    if unknown:
        best, *others = unknown
        also = ", ".join(race.sources[rank].venue for rank in others)
        message = str(race.failed[best]).rstrip(".")
        return UnknownSymbol(f"{message}; neither has {also}." if also else f"{message}.")
    reasons = "; ".join(str(race.failed[rank]).rstrip(".") for rank in sorted(race.failed))
    # One venue's clock is enough to doubt ours while no other one says that it is right.
    doubted = any(isinstance(error, ClockOff) for error in race.failed.values())
    kind = ClockOff if doubted else SourceUnavailable
    if len(race.sources) == 1:
        return kind(f"{reasons}.")
    return kind(f"No venue answers for {symbol}: {reasons}.")
