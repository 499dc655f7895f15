"""What the Backtest page works with: forecasts made once, and all that asks of them."""

from collections.abc import Hashable
from dataclasses import dataclass, replace

import plotly.graph_objects as go
import streamlit as st

from marketpulse import backtest_charts, charts
from marketpulse.books import STARTING_CASH
from marketpulse.broker import Trading
from marketpulse.parallel import Progress, scheduled
from marketpulse.placebo import Fan, RandomEntries
from marketpulse.report import Report
from marketpulse.settings import CENTRES, DEFAULTS, Settings
from marketpulse.snapshot import MarketKey, Snapshot
from marketpulse.sweep import ThresholdMap
from marketpulse.terms import Centre
from marketpulse.trial import Trial, entries_at_random, fan, threshold_map, trial_of
from marketpulse.ui.cached import hub
from marketpulse.ui.errands import Errand, Errands, Stop
from marketpulse.ui.shelf import Shelf
from marketpulse.walks import Walk, fingerprint, walk

# Walks hold all candles and forecasts of a market; the rest is small beside them.
WALKS, TRIALS, FIGURES = 4, 16, 32
Luck = tuple[Fan, RandomEntries]


@dataclass(frozen=True, slots=True)
class Forecasts:
    """A walk, whose candles they were, and what tells it from every other.

    Attributes
    ----------
    walk : Walk
    venue : str
    mark : str
    """

    walk: Walk
    venue: str
    mark: str


@st.cache_resource(show_spinner=False)
def _walks() -> Errands[Forecasts]:
    return Errands(WALKS)


@st.cache_resource(show_spinner=False)
def _lucks() -> Errands[Luck]:
    return Errands(TRIALS)


@st.cache_resource(show_spinner=False)
def _maps() -> Errands[ThresholdMap]:
    return Errands(TRIALS)


@st.cache_resource(show_spinner=False)
def _trials() -> Shelf[Trial]:
    return Shelf(TRIALS)


@st.cache_resource(show_spinner=False)
def _figures() -> Shelf[go.Figure]:
    return Shelf(FIGURES)


def _market(snapshot: Snapshot, settings: Settings) -> Hashable:
    key: MarketKey = snapshot.key
    return (key, settings.horizons)


def walk_of(snapshot: Snapshot, settings: Settings) -> Errand[Forecasts] | None:
    """The forecasts of a market, as far as anybody has asked for them."""
    return _walks().get(_market(snapshot, settings))


def begin_walk(snapshot: Snapshot, settings: Settings, scheduler: str | None = None) -> None:
    """Forecast all candles of a snapshot behind the page, on a Dask cluster if one is named."""
    candles, horizons, folder = snapshot.candles, settings.horizons, hub().home / "forecasts"

    def work(progress: Progress, stop: Stop) -> Forecasts | None:
        with scheduled(scheduler):
            made = walk(candles, horizons, folder=folder, progress=progress, stop=stop)
        if made is None:
            return None
        return Forecasts(made, snapshot.venue, fingerprint(candles, horizons[0]))

    _walks().begin(_market(snapshot, settings), work)


def _trial_key(forecasts: Forecasts, seen: Report) -> Hashable:
    return (forecasts.mark, seen.settings, seen.costs)


def shared_trial(forecasts: Forecasts, seen: Report) -> Trial:
    """The rule of a visitor's settings on forecasts, carried out once.

    Raises
    ------
    NotEnoughCandles
        If gaps forbade every forecast.
    """
    settings = seen.settings
    # Twice what a trade spends, or the fee and the first loss would end it.
    cash = max(float(STARTING_CASH), 2 * settings.ticket)
    trading = Trading(settings.symbol, cash, settings.ticket, seen.costs)
    return _trials().get(
        _trial_key(forecasts, seen),
        lambda: trial_of(forecasts.walk, settings, trading, venue=forecasts.venue),
    )


def shared_equity(forecasts: Forecasts, seen: Report, zone: str) -> go.Figure:
    """Equity and drawdown of the trial."""
    made = shared_trial(forecasts, seen)
    curve, key = made.result.curve, ("equity", zone, _trial_key(forecasts, seen))
    return _figures().get(key, lambda: charts.equity_chart(curve, height=340, zone=zone))


def luck_of(forecasts: Forecasts, seen: Report) -> Errand[Luck] | None:
    """What luck would have made, as far as anybody has asked for it."""
    return _lucks().get(_trial_key(forecasts, seen))


def begin_luck(forecasts: Forecasts, seen: Report, scheduler: str | None = None) -> None:
    """Draw placebos and entries at random behind the page, on a Dask cluster if one is named."""
    trial = shared_trial(forecasts, seen)

    def work(progress: Progress, stop: Stop) -> Luck | None:
        with scheduled(scheduler):
            made = fan(trial, progress=progress, stop=stop)
        return None if made is None else (made, entries_at_random(trial))

    _lucks().begin(_trial_key(forecasts, seen), work)


def shared_fan(forecasts: Forecasts, seen: Report, made: Luck, zone: str) -> go.Figure:
    """The figure of the placebos and of the entries at random."""
    key = ("fan", zone, _trial_key(forecasts, seen))
    return _figures().get(key, lambda: backtest_charts.fan_chart(*made, zone))


def _map_key(forecasts: Forecasts, seen: Report) -> Hashable:
    """The same for all that only differ in what the map goes through."""
    gone_through = {name: getattr(DEFAULTS, name) for name in ("centre", "buy_mae", "sell_mae")}
    plain = replace(seen.settings, margin=DEFAULTS.margin, **gone_through)
    return (forecasts.mark, plain, seen.costs)


def map_of(forecasts: Forecasts, seen: Report) -> Errand[ThresholdMap] | None:
    """What other thresholds would have made, as far as anybody has asked for it."""
    return _maps().get(_map_key(forecasts, seen))


def begin_map(forecasts: Forecasts, seen: Report, scheduler: str | None = None) -> None:
    """Go through all thresholds behind the page, on a Dask cluster if one is named."""
    trial = shared_trial(forecasts, seen)

    def work(progress: Progress, stop: Stop) -> ThresholdMap | None:
        with scheduled(scheduler):
            return threshold_map(trial, centres=CENTRES, progress=progress, stop=stop)

    _maps().begin(_map_key(forecasts, seen), work)


def shared_map(forecasts: Forecasts, seen: Report, made: ThresholdMap, centre: Centre) -> go.Figure:
    """The figure of one centre's cells, with a ring where the sliders are."""
    at = (seen.settings.buy_mae, seen.settings.margin)
    key = ("map", _map_key(forecasts, seen), centre, at)
    return _figures().get(key, lambda: backtest_charts.map_chart(made, centre, at))
