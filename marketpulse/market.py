"""One market: polls its source, closes bars, forecasts, retrains, and publishes a snapshot.

`Market.step` is one whole pass, synchronous and deterministic: the same candles at the same times
publish the same snapshots. It never sleeps and never reads a clock; `marketpulse.hub` calls it.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import pandas as pd

from marketpulse import candles as candle_table
from marketpulse.calls import Call, Calls
from marketpulse.candles import CandleReport, Cleaned
from marketpulse.errors import (
    ClockOff,
    DataError,
    RecordError,
    SourceUnavailable,
    UnknownSymbol,
)
from marketpulse.horizons import LONG, MINUTE, ONE_MINUTE, Horizon
from marketpulse.model_store import FitOrLoad
from marketpulse.settings import DEFAULTS
from marketpulse.snapshot import MarketKey, Snapshot
from marketpulse.sources import CandleSource
from marketpulse.sources.chain import REREAD
from marketpulse.sources.recorded import Replay
from marketpulse.track import Record, Track

# Enough for a full train slice of the long model and the longest tail before it.
HISTORY = pd.Timedelta(days=14)
# Venues publish a closed bar a little late; an early poll would only have to be repeated.
PUBLISHING_DELAY = pd.Timedelta(seconds=2)
RETRY = pd.Timedelta(seconds=5)
# What no poll in the future can mend is asked for again only this often.
RETRY_UNKNOWN = pd.Timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Feed:
    """An opened source.

    Attributes
    ----------
    source : CandleSource
    replay : Replay or None
        The clock, if it is a recording.
    open_record : callable or None
        Opens the record on which live forecasts are put; may raise `RecordError`.
    """

    source: CandleSource
    replay: Replay | None = None
    open_record: Callable[[], Record] | None = None


class Market:
    """The candles, forecasts and models of one (source, symbol).

    Parameters
    ----------
    key : MarketKey
    open_feed : callable
        Given the wall-clock time of the first step, opens the source. Raises `DataError`.
    fitted : callable
        Fits or loads a model, as `ModelStore.fitted` does.
    asked_at : pandas.Timestamp
        Wall-clock time of the request that opened it.

    Attributes
    ----------
    prepare : callable
        Given each snapshot with something new before it is published: does at once, in the worker,
        what every visitor's next rerun would have to do.
    announce : callable
        Called when a snapshot has been published.
    calls : Calls
        Visitors' calls that wait for their forecast.
    gives_way : bool
        Whether the last step ended with something that visitors have waited for.
    """

    def __init__(
        self,
        key: MarketKey,
        open_feed: Callable[[pd.Timestamp], Feed],
        fitted: FitOrLoad,
        *,
        asked_at: pd.Timestamp,
    ) -> None:
        self.key = key
        self._open_feed = open_feed
        self._feed: Feed | None = None
        self._record: Record | None = None
        self._fitted = fitted
        self._wanted, self._tail = frozenset({MINUTE, LONG}), DEFAULTS.tail
        self._refresh = pd.Timedelta(seconds=DEFAULTS.refresh)
        self._tracks: dict[Horizon, Track] = {}
        self._history: Iterator[Cleaned] | None = None
        self._complete = False
        self._renewing = False
        self._due = self._quote_due = self._stepped = asked_at
        self._snapshot = Snapshot(
            key, 0, asked_at, asked_at, "", candle_table.empty(), progress="Asking for candles"
        )
        self._published = self._snapshot
        self.prepare: Callable[[Snapshot], object] = _nothing
        self.announce: Callable[[], object] = _nothing
        self.calls = Calls()
        self.gives_way = False

    @property
    def snapshot(self) -> Snapshot:
        """The newest published snapshot; safe to read from any thread."""
        return self._published

    @property
    def busy(self) -> bool:
        """Whether the next step has work that need not wait for the clock."""
        if not self._snapshot.has_candles:
            return self._history is not None
        growing = any(track.short_of(self._tail) for track in self._tracks.values())
        unfinished = self.gives_way or not self._complete
        return growing or unfinished or self._tracks.keys() != self._wanted

    def want(self, horizons: Iterable[Horizon], *, tail: int, refresh: pd.Timedelta) -> None:
        """Forecast these horizons from the next step on, and the two defaults always.

        Parameters
        ----------
        horizons : iterable of Horizon
        tail : int
            Settled forecasts that each of them should have, if there is enough history.
        refresh : pandas.Timedelta
            How often to ask for the price.
        """
        self._wanted, self._tail = frozenset({MINUTE, LONG, *horizons}), tail
        self._refresh = refresh

    def now(self, wall: pd.Timestamp) -> pd.Timestamp:
        """The market's own time at a wall-clock time; safe to ask from any thread."""
        shown = self._published
        machine = wall if shown.replay is None else shown.replay.now(wall)
        return machine + shown.clock_offset

    def call(self, call: Call, wall: pd.Timestamp) -> None:
        """Take a visitor's call at a wall-clock time, or refuse it; safe from any thread.

        It is put on record together with the forecast that it stands beside.
        """
        self.calls.take(call, replace(self._published, now=self.now(wall)))

    def pause(self, wall: pd.Timestamp) -> pd.Timedelta:
        """How long nothing will be due."""
        if self.busy:
            return pd.Timedelta(0)
        replay = self._snapshot.replay
        if replay is not None:
            now = self._now(wall)
            left = ONE_MINUTE - (now - now.floor("min"))
            return left / replay.speed
        return max(min(self._due, self._quote_due) - wall, pd.Timedelta(0))

    def step(self, wall: pd.Timestamp, *, in_haste: bool = False) -> Snapshot:
        """One whole pass at the wall-clock time ``wall``: poll, close, settle, forecast, publish.

        A source that fails leaves the last good snapshot in place, with the reason beside it. With
        the first candles, and with the first forecast of a default horizon, the pass is over: what
        nobody waits for is left to the next one.

        Parameters
        ----------
        wall : pandas.Timestamp
        in_haste : bool
            Ask for the price however young the last one is, and leave for later what can wait.
        """
        self._note_clock(wall)
        if in_haste:
            self._quote_due = wall
        self._snapshot = replace(self._snapshot, now=self._now(wall), progress="")
        try:
            source = self._opened(wall).source
            self._poll(source, wall)
        except DataError as error:
            self._fail(error, wall)
        else:
            self._ask_price(source, wall)
        self._take_provenance(wall)
        had = _firsts(self._published)
        if not self._snapshot.outlooks:
            self._publish()
        if _firsts(self._published) == had:
            self._forecast()
            self._publish()
        self.gives_way = _firsts(self._published) > had
        if self._complete and not self.gives_way:
            self._put_on_record()
            if not in_haste:
                self._grow_tail()
        return self._published

    def explain(self) -> None:
        """Measure what the features are worth to one model of which that is not known yet.

        Takes up to a second, so it is no part of a step.
        """
        if any(track.explain(self._snapshot.candles) for track in self._tracks.values()):
            self._take_outlooks()
            self._publish()

    def _opened(self, wall: pd.Timestamp) -> Feed:
        if self._feed is None:
            if wall < self._due:
                raise SourceUnavailable(self._snapshot.problem)
            self._feed = self._open_feed(wall)
            self._snapshot = replace(self._snapshot, replay=self._feed.replay)
            self._snapshot = replace(self._snapshot, now=self._now(wall))
        return self._feed

    def _track(self, horizon: Horizon) -> Track:
        return Track(horizon, lambda *what: self._fitted(self._market_name(), *what))

    def _market_name(self) -> str:
        return f"{self._snapshot.venue}_{self.key.symbol}"

    def _now(self, wall: pd.Timestamp) -> pd.Timestamp:
        """The market's own time: a replay's, or the venue's as far as its clock is known."""
        return self._machine_time(wall) + self._snapshot.clock_offset

    def _machine_time(self, wall: pd.Timestamp) -> pd.Timestamp:
        replay = self._snapshot.replay
        return wall if replay is None else replay.now(wall)

    def _note_clock(self, wall: pd.Timestamp) -> None:
        """After this machine's clock was set back nothing is known to be fresh, and all is due."""
        if wall < self._stepped:
            self._due = self._quote_due = wall
            self._snapshot = replace(self._snapshot, clock_known=self._snapshot.replay is not None)
        self._stepped = wall

    def _take_provenance(self, wall: pd.Timestamp) -> None:
        if self._feed is None:
            return
        told = self._feed.source.provenance(self._machine_time(wall))
        self._snapshot = replace(
            self._snapshot,
            venues=told.venues,
            clock_offset=told.clock_offset,
            cache_problem=told.cache_problem,
        )
        self._snapshot = replace(self._snapshot, now=self._now(wall))

    def _fail(self, error: DataError, wall: pd.Timestamp) -> None:
        retry = RETRY_UNKNOWN if isinstance(error, UnknownSymbol) else RETRY
        self._due = self._quote_due = wall + retry
        self._complete |= self._history is not None and self._snapshot.has_candles
        self._history = None
        known = self._snapshot.clock_known and not isinstance(error, ClockOff)
        self._snapshot = replace(self._snapshot, problem=str(error), clock_known=known)

    def _poll(self, source: CandleSource, wall: pd.Timestamp) -> None:
        """Fetch one page of history, or what is new."""
        symbol, now = self.key.symbol, self._machine_time(wall)
        if self._history is None and not self._complete and wall >= self._due:
            self._history = source.pages(symbol, start=now - HISTORY, now=now)
        if self._history is not None:
            page = next(self._history, None)
            self._take_history(source.venue, page)
            self._wait(source, wall, at_least=wall)
        elif self._complete and (wall >= self._due or self._snapshot.replay is not None):
            start = max(self._snapshot.candles.index[-1] - REREAD, now - HISTORY)
            # All of them before the first is taken: a page alone may leave a hole before it.
            pages = list(source.pages(symbol, start=start, now=now))
            self._take_new(source.venue, pages)
            self._wait(source, wall, at_least=wall + RETRY)

    def _wait(self, source: CandleSource, wall: pd.Timestamp, at_least: pd.Timestamp) -> None:
        """Let candles be due again when the next one has closed, unless some are still missing."""
        if self._complete:
            offset = source.provenance(self._machine_time(wall)).clock_offset
            closes = self._snapshot.candles.index[-1] + 2 * ONE_MINUTE - offset
            self._due = max(closes + PUBLISHING_DELAY, at_least)

    def _take_history(self, venue: str, page: Cleaned | None) -> None:
        if page is not None:
            self._take(venue, page, whole=self._renewing)
            self._renewing = False
            return
        self._history = None
        self._complete = self._snapshot.has_candles

    def _take_new(self, venue: str, pages: list[Cleaned]) -> None:
        """Add what is new, unless it does not join what is there: then all is read again."""
        known = self._snapshot.candles.index[-1]
        opens = [page.candles.index[0] for page in pages if len(page.candles)]
        if venue != self._snapshot.venue or (opens and min(opens) > known + ONE_MINUTE):
            # It fell back to another venue, or the venue does not reach back to what we have.
            self._complete, self._renewing = False, True
            return
        for page in reversed(pages):
            self._take(venue, page)

    def _take(self, venue: str, page: Cleaned, *, whole: bool = False) -> None:
        """Merge a page, or replace everything by it: candles of two venues never share a frame."""
        before = self._snapshot
        if whole:
            self._tracks = {}
            before = replace(
                before, candles=candle_table.empty(), outlooks={}, report=CandleReport()
            )
        both = candle_table.merge(before.candles, page.candles, ONE_MINUTE)
        changed = not both.equals(before.candles)
        revised = candle_table.revised(before.candles, page.candles)
        if len(revised):
            # What was said from an older word of the venue is said again from the newer one.
            for track in self._tracks.values():
                track.forget(revised[0])
        if changed and before.has_candles and len(both):
            both = both[both.index >= both.index[-1] - HISTORY]
        told_again = CandleReport(flagged=(("revised", len(revised)),) if len(revised) else ())
        added = candle_table.concat_reports((before.report, page.report, told_again))
        self._snapshot = replace(
            before,
            candles=both,
            venue=venue,
            report=replace(added, filled=int(both["filled"].sum())),
            problem="",
            clock_known=True,
            revision=before.revision + changed,
        )

    def _ask_price(self, source: CandleSource, wall: pd.Timestamp) -> None:
        """Ask for the price if it is due; without it the last close stands.

        Not before the first candles are published: nobody waits for both.
        """
        if not self._published.has_candles:
            return
        if wall >= self._quote_due or self._snapshot.replay is not None:
            self._quote_due = wall + self._refresh
            try:
                quote = source.quote(self.key.symbol, now=self._machine_time(wall))
            except ClockOff as error:  # then nobody knows how old the candles are, either
                self._fail(error, wall)
            except DataError as error:
                self._quote_due = wall + max(self._refresh, RETRY)
                self._snapshot = replace(self._snapshot, problem=str(error))
            else:
                self._snapshot = replace(self._snapshot, quote=quote, problem="")

    def _forecast(self) -> None:
        """Forecast every bar that closed."""
        if not self._snapshot.has_candles:
            return
        self._tracks = {
            h: self._tracks.get(h) or self._track(h) for h in sorted(self._wanted, key=_cost)
        }
        moved = False
        for track in self._tracks.values():
            moved |= track.advance(self._snapshot.candles, self._complete, self._say)
        if moved:
            self._take_outlooks()

    def _put_on_record(self) -> None:
        """Put down what was said live; without a record the forecasts go on all the same."""
        shown, problem, moved = self._snapshot, "", False
        if self._feed is None or self._feed.open_record is None or not shown.outlooks:
            return
        try:
            self._record = self._record or self._feed.open_record()
            market = (self._record, shown.venue, self.key.symbol, shown.candles, shown.now)
            for horizon, track in self._tracks.items():
                moved |= track.put_on_record(*market, self.calls.waiting(horizon))
        except RecordError as error:
            problem = str(error)
        self.calls.forget(shown.now)
        self._snapshot = replace(shown, record_problem=problem)
        if moved:
            self._take_outlooks()
        self._publish()

    def _grow_tail(self) -> None:
        """Let the shortest tail that is too short reach back by one model's span."""
        short = [track for track in self._tracks.values() if track.short_of(self._tail)]
        if short:
            shortest = min(short, key=lambda track: len(track.outlook.settled))
            shortest.extend(self._snapshot.candles, self._say)
            self._take_outlooks()
            self._publish()

    def _take_outlooks(self) -> None:
        outlooks = {horizon: track.outlook for horizon, track in self._tracks.items()}
        revision = self._snapshot.revision + 1
        self._snapshot = replace(self._snapshot, outlooks=outlooks, revision=revision)

    def _say(self, progress: str) -> None:
        """Tell the visitors what is being done before doing it.

        What they see stays the same, but for the first forecasts: those do not wait for it.
        """
        made = any(track.outlook.forecast is not None for track in self._tracks.values())
        if made and not self._published.outlooks:
            self._take_outlooks()
            self._publish()
        self._published = replace(self._published, progress=progress)

    def _publish(self) -> None:
        self._snapshot = replace(self._snapshot, progress=self._loading())
        shown = self._snapshot
        if self._only_reaches_back():
            # Pages would be drawn anew for candles that they do not show.
            before = self._published
            shown = replace(
                shown, candles=before.candles, report=before.report, revision=before.revision
            )
        if shown.revision != self._published.revision:
            self.prepare(shown)
        self._published = shown
        self.announce()

    def _only_reaches_back(self) -> bool:
        """Whether older candles are still coming, and they are all that is new."""
        known, before = self._snapshot, self._published
        same = known.venue == before.venue and known.outlooks is before.outlooks
        return self._history is not None and before.has_candles and same

    def _loading(self) -> str:
        if not self._snapshot.has_candles:
            return "Asking for candles"
        if self._history is None:
            return ""
        wanted = int(HISTORY / ONE_MINUTE)
        return f"Loading history: {len(self._snapshot.candles):,} of {wanted:,} minutes"


def _firsts(shown: Snapshot) -> tuple[bool, int]:
    """What every visitor waits for at a start: candles, and a forecast of each default horizon."""
    known = (shown.outlooks.get(horizon) for horizon in (MINUTE, LONG))
    return shown.has_candles, sum(each is not None and each.forecast is not None for each in known)


def _cost(horizon: Horizon) -> tuple[bool, int]:
    """Order of work: the quick default model first, asked-for horizons last."""
    return horizon not in (MINUTE, LONG), horizon.minutes


def _nothing(*_: object) -> None:
    """What is prepared and announced if nobody asks for it."""
