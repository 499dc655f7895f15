"""The one place where shell and core meet: every market that somebody watches, and its worker.

A rerun of a page calls `Hub.watch`, which renews a lease and returns at once; a worker thread for
each market does the rest. With ``threads=False`` nothing happens until a test calls
`Market.step`.
"""

import gc
import logging
import secrets
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from threading import Condition, Event, Lock, RLock, Thread
from typing import TYPE_CHECKING

import pandas as pd

from marketpulse.books import BookKey
from marketpulse.counters import Counters
from marketpulse.dataset import Dataset
from marketpulse.errors import TooManyHorizons
from marketpulse.leases import MAX_FURTHER_HORIZONS, Lease, Leases
from marketpulse.market import Feed, Market
from marketpulse.model import HorizonModel, Plan, regressor
from marketpulse.model_store import ModelStore, Say, signing_key
from marketpulse.office import Office
from marketpulse.places import home_folder, journal_url, models_folder
from marketpulse.process import give_back_memory
from marketpulse.settings import Settings
from marketpulse.snapshot import MarketKey, Snapshot
from marketpulse.sources import CandleSource
from marketpulse.sources.catalogue import (
    Place,
    is_recording,
    live_source,
    place_of,
    recording,
    stand_in,
    traded_source,
)
from marketpulse.sources.exchange import import_client
from marketpulse.sources.recorded import RecordedSource, Replay
from marketpulse.turns import Turns

if TYPE_CHECKING:
    from marketpulse.desk import Desk
    from marketpulse.journal import Decide
    from marketpulse.store import ForecastRecord

Clock = Callable[[], pd.Timestamp]

# Of a replay, so that no run can see an earlier run's settled future; and of a test server, whose
# candles never happened.
IN_MEMORY = "sqlite://"
# Seconds that a worker waits after it failed, twice as long each time.
FIRST_BACKOFF, LAST_BACKOFF = 1.0, 60.0
# Seconds after which a worker looks at what its visitors want, even if no candle is due.
LONGEST_PAUSE = 1.0
# The same while an order waits for a venue's price.
HASTE = 0.25

NO_TIME = pd.Timedelta(0)

# Visitors for whom a worker does ahead what their next rerun needs; most want the same.
MOST_PREPARED = 20

_log = logging.getLogger(__name__)


def wall_clock() -> pd.Timestamp:
    """The time now, UTC."""
    return pd.Timestamp.now("UTC")


class Hub:
    """Every market that is being watched in this process.

    Parameters
    ----------
    clock : callable
        The time now.
    threads : bool
        Whether each market gets a worker.
    home : pathlib.Path or None
        Folder for keys and recordings; `home_folder` if None.
    models : pathlib.Path or None
        Folder for fitted models; `models_folder` if None.
    open_live : callable or None
        Live source of a name; `live_source` with its files in ``home`` if None.
    database : str or None
        URL of the journal's database, unless the environment names one; a file in ``home`` if None.

    Attributes
    ----------
    worker_errors : dict of MarketKey to str
        What a worker failed with, until it works again.
    office : Office
        Where the desk is.
    """

    def __init__(
        self,
        clock: Clock = wall_clock,
        *,
        threads: bool = True,
        home: Path | None = None,
        models: Path | None = None,
        open_live: Callable[[str], CandleSource] | None = None,
        database: str | None = None,
    ) -> None:
        self.clock = clock
        self.home = home or home_folder()
        self.models = models or models_folder()
        self._store = ModelStore(self.models, signing_key(self.home))
        self._threads = threads
        self._open_live = open_live or partial(live_source, home=self.home)
        self._lock = RLock()
        self._training = Lock()
        self._opening = Lock()
        self._counting = Lock()
        self._stop = Event()
        self._begun = Event()
        self._news = Condition()
        self._turns = Turns()
        self._importing = self._frozen = False
        self._ready_at = None if threads else clock()
        self._markets: dict[MarketKey, Market] = {}
        self._records: dict[MarketKey | None, ForecastRecord] = {}
        self._leases = Leases()
        self._wakes: dict[MarketKey, Event] = {}
        self._runs: dict[tuple[str, str, int], str] = {}
        self.worker_errors: dict[MarketKey, str] = {}
        self.counters = Counters()
        self.prepare: Callable[[Snapshot, Settings], object] = _nothing
        self.office = Office(journal_url(self.home, database), self._resume, threads=threads)
        self.office.start(self._begun)

    @property
    def desk(self) -> "Desk | None":
        """The desk, once the journal is open; the office knows why it is not."""
        return self.office.desk

    def watch(self, visitor: str, settings: Settings) -> Market:
        """The market of a visitor's settings, kept alive for them.

        Parameters
        ----------
        visitor : str
            Tells sessions apart; a newer request of the same one replaces its older one.
        settings : Settings

        Raises
        ------
        TooManyHorizons
            If others have taken every place for further horizons. The market is watched all the
            same, with the default horizons.
        """
        now = self.clock()
        with self._lock:
            key = self._key(settings)
            market = self._markets.get(key) or self._opened(key, settings, now)
            self._leases.forget_expired(now)
            granted = self._leases.renew(visitor, key, settings, now, self._armed())
            self._tell(market)
        if not granted:
            raise TooManyHorizons(
                f"{MAX_FURTHER_HORIZONS} other horizons are being forecast already;"
                " this one keeps to the defaults until one of them is free."
            )
        return market

    def place(
        self, market: Market, key: BookKey, id: str, decide: "Decide", time: pd.Timestamp
    ) -> None:
        """Carry out a visitor's deed in their book, and let the market's worker act on it now.

        Safe as a button's callback: it uses no Streamlit. What goes wrong is told by the desk.

        Parameters
        ----------
        market : Market
            That the book trades in.
        key : BookKey
        id, decide, time
            As for `marketpulse.journal.Journal.place`.
        """
        desk = self.desk
        if desk is None:
            return
        desk.place(key, id, decide, time)
        with self._lock:
            if market.key in self._markets:
                self._tell(market)
            wake = self._wakes.get(market.key)
        if wake is not None:
            wake.set()

    def step(self, market: Market) -> None:
        """One pass of a market, and of the books that trade in it."""
        now, at = self.clock(), _place(market.key)
        desk = self.desk
        market.step(now, in_haste=desk is not None and desk.waits(at, market.now(now)))
        if desk is not None:
            desk.work(at, market.snapshot)

    def await_news(self, shown: Snapshot, market: Market, seconds: float) -> None:
        """Wait until a market publishes something else than what is shown, but not longer."""
        with self._news:
            self._news.wait_for(lambda: market.snapshot.revision != shown.revision, seconds)

    def replay_again(self, settings: Settings) -> None:
        """Let the next `watch` of this recording begin a new run."""
        with self._lock:
            self._runs.pop((settings.source, settings.symbol, settings.speed), None)

    def note_rerun(self, seconds: float) -> None:
        """Count a rerun that took so long and ends now."""
        self._turns.note_rerun(seconds)
        with self._counting:
            self.counters = self.counters.after_rerun(seconds)

    def waited(self, snapshot: Snapshot) -> pd.Timedelta:
        """How long a market has been waited for since its venues could be asked."""
        ready = self._ready_at
        return NO_TIME if ready is None else self.clock() - max(ready, snapshot.asked_at)

    @property
    def visitors(self) -> int:
        """How many sessions were there within `LEASE`."""
        with self._lock:
            return self._leases.visitors

    @property
    def markets(self) -> int:
        """How many markets have a worker."""
        return len(self._markets)

    def close(self) -> None:
        """Stop every worker and close the records; may be called twice."""
        self._stop.set()
        self._turns.stop()
        with self._lock:
            for wake in self._wakes.values():
                wake.set()
        with self._opening:
            for record in self._records.values():
                record.close()
            self._records = {}
        self.office.close()

    def _resume(self, places: Sequence[Place]) -> None:
        """Open the markets of books that were left armed, or with an order waiting."""
        for name, symbol, _ in places:
            source = traded_source(name)
            if source is None:
                continue
            key, now = MarketKey(source, symbol), self.clock()
            with self._lock:
                market = self._markets.get(key) or self._opened(key, Settings(), now)
                self._tell(market)

    def _armed(self) -> list[tuple[MarketKey, Lease]]:
        """What armed books want of their markets."""
        places = {_place(key): key for key in self._markets}
        armed = () if self.desk is None else self.desk.armed()
        return [(places[at], Lease.of_book(each)) for at, each in armed if at in places]

    def _key(self, settings: Settings) -> MarketKey:
        if not is_recording(settings.source):
            return MarketKey(settings.source, settings.symbol)
        run = (settings.source, settings.symbol, settings.speed)
        return MarketKey(*run[:2], self._runs.setdefault(run, secrets.token_hex(4)))

    def _opened(self, key: MarketKey, settings: Settings, now: pd.Timestamp) -> Market:
        market = self._market(key, settings, now)
        self._markets[key] = market
        self._wakes[key] = Event()
        if self._threads:
            worker = (key, market, self._wakes[key])
            Thread(target=self._work, args=worker, name=f"market-{key.symbol}", daemon=True).start()
        return market

    def _market(self, key: MarketKey, settings: Settings, now: pd.Timestamp) -> Market:
        def open_feed(wall: pd.Timestamp) -> Feed:
            if not key.run_id:
                return Feed(self._open_live(key.source), open_record=self._live_record)
            kept = recording(key.source, self.home, key.symbol)
            index = kept.candles.index
            replay = Replay(index[0], index[-1], settings.speed, wall, key.run_id)
            return Feed(RecordedSource(kept), replay, partial(self._record, key, IN_MEMORY))

        market = Market(key, open_feed, self._fitted, asked_at=now)
        market.prepare = self._prepare
        market.announce = self._announce
        return market

    def _live_record(self) -> "ForecastRecord":
        """The one record of all live markets."""
        url = IN_MEMORY if stand_in() else f"sqlite:///{self.home / 'forecasts.db'}"
        return self._record(None, url)

    def _record(self, key: MarketKey | None, url: str) -> "ForecastRecord":
        # SQLAlchemy takes a quarter of a second to import: not at the start, and not in a rerun.
        from marketpulse.store import ForecastRecord

        with self._opening:
            if key not in self._records:
                self._records[key] = ForecastRecord(url)
            return self._records[key]

    def _fitted(
        self, market: str, data: Dataset, fit_at: pd.Timestamp, plan: Plan, say: Say
    ) -> HorizonModel:
        """A stored or fresh model; one training at a time in the whole process."""
        with self._training:
            begun = time.perf_counter()
            model = self._store.fitted(market, data, fit_at, plan, say)
            spent = time.perf_counter() - begun
        with self._counting:
            self.counters = self.counters.after_training(spent)
        return model

    def _tell(self, market: Market) -> None:
        """Let a market serve the most demanding of those who look at it."""
        leases = self._leases.of(market.key)
        leases += [lease for key, lease in self._armed() if key == market.key]
        if leases:
            market.want(
                frozenset().union(*(lease.horizons for lease in leases)),
                tail=max(lease.tail for lease in leases),
                refresh=min(lease.refresh for lease in leases),
            )

    def _get_ready(self) -> None:
        """Import what asks venues, so that neither their race nor a visitor waits for that."""
        if self._ready_at is None:
            import_client()
            self._ready_at = self.clock()

    def _go_on(self, shown: Snapshot, *, gives_way: bool) -> None:
        """After a step: let begin what had to wait for the chart, or for the forecasts."""
        if gives_way:
            self._turns.tell()
        if not self._importing and (shown.has_candles or shown.problem):
            self._importing = True
            Thread(target=self._import, name="import", daemon=True).start()
        if gives_way and shown.outlooks:
            self._turns.let_look()
        if shown.problem or (shown.outlooks and not shown.progress):
            self._begun.set()

    def _import(self) -> None:
        """Import what fits need, once the first candles have been drawn."""
        self._turns.let_look()
        # Two threads that import parts of the same package at once can block each other.
        with self._training:
            regressor()

    def _tidy(self) -> None:
        """Collect what Streamlit would after every rerun, of which there are many more.

        From the first time on, what is there by then is left alone: walking through all that was
        imported takes longer than a rerun.
        """
        gc.collect()
        give_back_memory()
        if not self._frozen:
            self._frozen = True
            gc.freeze()

    def _watched(self, key: MarketKey) -> bool:
        """Whether anybody still looks, or a book has something to do; else it is dropped."""
        with self._lock:
            self._leases.forget_expired(self.clock())
            busy = self.desk is not None and bool(self.desk.busy(_place(key)))
            watched = bool(self._leases.of(key)) or busy
            if watched and key in self._markets:
                self._tell(self._markets[key])
            if not watched:
                self._markets.pop(key, None)
                self._wakes.pop(key, None)
                self.worker_errors.pop(key, None)
                self._forget_record(key)
                self._runs = {run: id for run, id in self._runs.items() if id != key.run_id}
            return watched

    def _forget_record(self, key: MarketKey) -> None:
        """A replay's record ends with it."""
        with self._opening:
            record = self._records.pop(key, None)
        if record is not None:
            record.close()

    def _work(self, key: MarketKey, market: Market, wake: Event) -> None:
        """Step a market until nobody watches it or the hub is closed."""
        if not key.run_id:
            self._get_ready()
        backoff, due, tidied = FIRST_BACKOFF, time.monotonic(), -1
        while not self._stop.is_set() and self._watched(key):
            wake.clear()
            try:
                self.step(market)
                self._count_step(time.monotonic() - due)
                if not market.busy and market.snapshot.revision != tidied:
                    tidied = market.snapshot.revision
                    self._tidy()
                if not market.busy and not wake.is_set():
                    with self._training:
                        market.explain()
            except Exception as error:  # the worker must outlive its mistakes; they are shown
                _log.exception("The worker of %s failed; it starts again.", key)
                self.worker_errors[key] = f"{type(error).__name__}: {error}"
                self._stop.wait(backoff)
                backoff = min(2 * backoff, LAST_BACKOFF)
            else:
                self._go_on(market.snapshot, gives_way=market.gives_way)
                self.worker_errors.pop(key, None)
                backoff = FIRST_BACKOFF
                pause = self._pause(market)
                due = time.monotonic() + pause
                wake.wait(pause)

    def _pause(self, market: Market) -> float:
        """Seconds until the market's next step."""
        now = self.clock()
        pause = min(market.pause(now).total_seconds(), LONGEST_PAUSE)
        desk = self.desk
        # A market in haste leaves what can wait undone, so that it stays busy: it must not spin.
        waits = desk is not None and desk.waits(_place(market.key), market.now(now))
        return HASTE if waits else pause

    def _count_step(self, lag: float) -> None:
        with self._counting:
            self.counters = self.counters.after_step(lag)

    def _announce(self) -> None:
        """Wake those who wait for news of a market."""
        with self._news:
            self._news.notify_all()

    def _prepare(self, shown: Snapshot) -> None:
        """Do for its visitors what their next rerun would have to."""
        with self._lock:
            wanted = self._leases.settings_of(shown.key)
        for settings in wanted[-MOST_PREPARED:]:
            self.prepare(shown, settings)


def _nothing(*_: object) -> None:
    """What is prepared if nobody says what to prepare."""


def _place(key: MarketKey) -> Place:
    """Where the books of a market say that they trade."""
    return place_of(key.source, key.symbol, key.run_id)
