"""The one place where shell and core meet: every market that somebody watches, and its worker.

A rerun of a page calls `Hub.watch`, which renews a lease and returns at once; a worker thread for
each market does the rest. With ``threads=False`` nothing happens until a test calls
`Market.step`.
"""

import logging
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING

import pandas as pd

from marketpulse.dataset import Dataset
from marketpulse.errors import TooManyHorizons
from marketpulse.horizons import LONG, MINUTE, Horizon
from marketpulse.market import Feed, Market
from marketpulse.model import HorizonModel, Plan, regressor
from marketpulse.model_store import ModelStore, signing_key
from marketpulse.settings import Settings
from marketpulse.snapshot import MarketKey
from marketpulse.sources import CandleSource
from marketpulse.sources.catalogue import is_recording, live_source, recording, stand_in
from marketpulse.sources.recorded import RecordedSource, Replay

if TYPE_CHECKING:
    from marketpulse.store import ForecastRecord

Clock = Callable[[], pd.Timestamp]

LEASE = pd.Timedelta(minutes=10)
MAX_FURTHER_HORIZONS = 6
# Of a replay, so that no run can see an earlier run's settled future; and of a test server, whose
# candles never happened.
IN_MEMORY = "sqlite://"
HOME_VARIABLE = "MARKETPULSE_HOME"
MODELS_VARIABLE = "MARKETPULSE_MODELS"
# Seconds that a worker waits after it failed, twice as long each time.
FIRST_BACKOFF, LAST_BACKOFF = 1.0, 60.0
# Seconds after which a worker looks at what its visitors want, even if no candle is due.
LONGEST_PAUSE = 1.0

_log = logging.getLogger(__name__)


def wall_clock() -> pd.Timestamp:
    """The time now, UTC."""
    return pd.Timestamp.now("UTC")


def home_folder() -> Path:
    """Where the process keeps its files: ``MARKETPULSE_HOME``, or ``var`` beside the app."""
    return Path(os.environ.get(HOME_VARIABLE) or Path(__file__).parents[1] / "var")


def models_folder() -> Path:
    """Where fitted models are kept: ``MARKETPULSE_MODELS``, or ``models`` beside the app."""
    return Path(os.environ.get(MODELS_VARIABLE) or Path(__file__).parents[1] / "models")


@dataclass(frozen=True, slots=True)
class Lease:
    """One visitor's claim on a market: kept for `LEASE` after its last rerun."""

    horizons: frozenset[Horizon]
    tail: int
    refresh: pd.Timedelta
    until: pd.Timestamp


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
    """

    def __init__(
        self,
        clock: Clock = wall_clock,
        *,
        threads: bool = True,
        home: Path | None = None,
        models: Path | None = None,
        open_live: Callable[[str], CandleSource] | None = None,
    ) -> None:
        self.clock = clock
        self.home = home or home_folder()
        self._store = ModelStore(models or models_folder(), signing_key(self.home))
        self._threads = threads
        self._open_live = open_live or partial(live_source, home=self.home)
        self._lock = Lock()
        self._training = Lock()
        self._opening = Lock()
        self._stop = Event()
        self._imported = False
        self._markets: dict[MarketKey, Market] = {}
        self._records: dict[MarketKey | None, ForecastRecord] = {}
        self._leases: dict[tuple[str, MarketKey], Lease] = {}
        self._runs: dict[tuple[str, str, int], str] = {}
        self.worker_errors: dict[MarketKey, str] = {}

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
            self._forget_expired(now)
            refused = self._lease(visitor, key, settings, now)
            self._tell(market)
        if refused:
            raise TooManyHorizons(
                f"{MAX_FURTHER_HORIZONS} other horizons are being forecast already;"
                " this one keeps to the defaults until one of them is free."
            )
        return market

    def replay_again(self, settings: Settings) -> None:
        """Let the next `watch` of this recording begin a new run."""
        with self._lock:
            self._runs.pop((settings.source, settings.symbol, settings.speed), None)

    def close(self) -> None:
        """Stop every worker and close the records; may be called twice."""
        self._stop.set()
        with self._opening:
            for record in self._records.values():
                record.close()
            self._records = {}

    def _key(self, settings: Settings) -> MarketKey:
        if not is_recording(settings.source):
            return MarketKey(settings.source, settings.symbol)
        run = (settings.source, settings.symbol, settings.speed)
        return MarketKey(*run[:2], self._runs.setdefault(run, secrets.token_hex(4)))

    def _opened(self, key: MarketKey, settings: Settings, now: pd.Timestamp) -> Market:
        market = self._market(key, settings, now)
        self._markets[key] = market
        if self._threads:
            Thread(
                target=self._work, args=(key, market), name=f"market-{key.symbol}", daemon=True
            ).start()
        return market

    def _market(self, key: MarketKey, settings: Settings, now: pd.Timestamp) -> Market:
        def open_feed(wall: pd.Timestamp) -> Feed:
            if not key.run_id:
                return Feed(self._open_live(key.source), open_record=self._live_record)
            kept = recording(key.source, self.home, key.symbol)
            index = kept.candles.index
            replay = Replay(index[0], index[-1], settings.speed, wall, key.run_id)
            return Feed(RecordedSource(kept), replay, partial(self._record, key, IN_MEMORY))

        return Market(key, open_feed, self._fitted, asked_at=now)

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

    def _fitted(self, market: str, data: Dataset, fit_at: pd.Timestamp, plan: Plan) -> HorizonModel:
        """A stored or fresh model; one training at a time in the whole process."""
        with self._training:
            return self._store.fitted(market, data, fit_at, plan)

    def _tell(self, market: Market) -> None:
        """Let a market serve the most demanding of its visitors."""
        leases = [lease for (_, key), lease in self._leases.items() if key == market.key]
        market.want(
            frozenset().union(*(lease.horizons for lease in leases)),
            tail=max(lease.tail for lease in leases),
            refresh=min(lease.refresh for lease in leases),
        )

    def _lease(self, visitor: str, key: MarketKey, settings: Settings, now: pd.Timestamp) -> bool:
        """Note what the visitor wants; True if there was no place for a further horizon."""
        horizons = frozenset(settings.horizons)
        others = {k: lease for k, lease in self._leases.items() if k != (visitor, key)}
        taken = {(k[1], h) for k, lease in others.items() for h in lease.horizons - {MINUTE, LONG}}
        asked = {(key, h) for h in horizons - {MINUTE, LONG}}
        refused = len(taken | asked) > MAX_FURTHER_HORIZONS and not asked <= taken
        granted = frozenset({MINUTE, LONG}) if refused else horizons
        refresh = pd.Timedelta(seconds=settings.refresh)
        self._leases[visitor, key] = Lease(granted, settings.tail, refresh, now + LEASE)
        return refused

    def _forget_expired(self, now: pd.Timestamp) -> None:
        self._leases = {k: lease for k, lease in self._leases.items() if lease.until > now}

    def _import_trees(self) -> None:
        """Import what fits need while the first history is still on its way."""
        if not self._imported:
            self._imported = True
            Thread(target=self._import, name="import", daemon=True).start()

    def _import(self) -> None:
        # Two threads that import parts of the same package at once can block each other.
        with self._training:
            regressor()

    def _watched(self, key: MarketKey) -> bool:
        """Whether anybody still looks; a market that nobody looks at is dropped."""
        with self._lock:
            self._forget_expired(self.clock())
            watched = any(k == key for _, k in self._leases)
            if not watched:
                self._markets.pop(key, None)
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

    def _work(self, key: MarketKey, market: Market) -> None:
        """Step a market until nobody watches it or the hub is closed."""
        backoff = FIRST_BACKOFF
        while not self._stop.is_set() and self._watched(key):
            try:
                market.step(self.clock())
                if not market.busy:
                    with self._training:
                        market.explain()
            except Exception as error:  # the worker must outlive its mistakes; they are shown
                _log.exception("The worker of %s failed; it starts again.", key)
                self.worker_errors[key] = f"{type(error).__name__}: {error}"
                pause, backoff = backoff, min(2 * backoff, LAST_BACKOFF)
            else:
                self._import_trees()
                self.worker_errors.pop(key, None)
                pause = min(market.pause(self.clock()).total_seconds(), LONGEST_PAUSE)
                backoff = FIRST_BACKOFF
            self._stop.wait(pause)
