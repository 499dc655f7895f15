"""Every ``st.cache_*`` of the app.

Keys are small frozen values. Tables go in behind a leading underscore, because Streamlit hashes
only a sample of a long table and would then answer with a stale one.
"""

import gc
from dataclasses import replace

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from marketpulse import accuracy_charts, charts, health, report, tables
from marketpulse.events import Fill
from marketpulse.health import Gaps
from marketpulse.hub import Hub
from marketpulse.report import Report, View
from marketpulse.settings import DEFAULTS, Settings
from marketpulse.snapshot import MarketKey, Snapshot
from marketpulse.sources.catalogue import recorded_names
from marketpulse.tables import Said

# Allocations before a collection of the youngest generation, and how many of each before the next.
RARE_COLLECTIONS = (100_000, 50, 50)


@st.cache_resource(on_release=Hub.close, show_spinner=False)
def hub() -> Hub:
    """The one hub of this process.

    Before its worker begins to import the heavy libraries, the collector is told to leave alone
    what is imported already, and to look less often: the imports would set it off hundreds of
    times, and a page would wait for each. Streamlit collects after every rerun anyway.
    """
    gc.freeze()
    gc.set_threshold(*RARE_COLLECTIONS)
    return Hub()


@st.cache_data(ttl="1min", show_spinner=False)
def recordings() -> tuple[str, ...]:
    """Names of the recordings that can be replayed; a new file shows within a minute."""
    return recorded_names(hub().home)


@st.cache_resource(max_entries=64, show_spinner=False)
def _report(
    key: MarketKey, revision: int, asked_at: pd.Timestamp, settings: Settings, _snapshot: Snapshot
) -> Report:
    return report.build(_snapshot, settings)


def shared_report(snapshot: Snapshot, settings: Settings) -> Report:
    """The report of a snapshot, built once for everybody with the same settings."""
    same = replace(settings, refresh=DEFAULTS.refresh, source="", speed=DEFAULTS.speed)
    return _report(snapshot.key, snapshot.revision, snapshot.asked_at, same, snapshot)


@st.cache_resource(max_entries=64, show_spinner=False)
def _price_chart(
    key: MarketKey, revision: int, asked_at: pd.Timestamp, settings: Settings,
    fills: tuple[Fill, ...], _snapshot: Snapshot, _report: Report,
) -> go.Figure:  # fmt: skip
    return charts.price_chart(
        _snapshot.candles, _report.minute.forecast, _report.long.forecast, fills
    )


def shared_price_chart(snapshot: Snapshot, seen: Report, fills: tuple[Fill, ...]) -> go.Figure:
    """The Live page's chart, drawn once per closed bar."""
    shown = Settings(minute=seen.settings.minute, long=seen.settings.long)
    return _price_chart(
        snapshot.key, snapshot.revision, snapshot.asked_at, shown, fills, snapshot, seen
    )


@st.cache_resource(max_entries=64, show_spinner=False)
def _pulse(
    key: MarketKey, revision: int, asked_at: pd.Timestamp, settings: Settings, _report: Report
) -> str:
    return tables.pulse_text(_report)


def shared_pulse(snapshot: Snapshot, seen: Report) -> str:
    """The Live page's lines on how wild it will be and how the last bands did, Markdown."""
    shown = Settings(minute=seen.settings.minute, long=seen.settings.long, tail=seen.settings.tail)
    return _pulse(snapshot.key, snapshot.revision, snapshot.asked_at, shown, seen)


# What a breakdown of one view depends on: the market, the bar, the horizon, and which forecasts.
ViewKey = tuple[MarketKey, int, pd.Timestamp, str, int, int, bool]


def _view_key(snapshot: Snapshot, view: View) -> ViewKey:
    horizon = view.outlook.horizon
    when = (snapshot.key, snapshot.revision, snapshot.asked_at)
    return (*when, horizon.label, horizon.steps, len(view.settled), view.from_record)


@st.cache_resource(max_entries=64, show_spinner=False)
def _breakdown(key: ViewKey, name: str, _view: View) -> pd.DataFrame:
    return tables.BREAKDOWNS[name](_view)


def shared_breakdown(snapshot: Snapshot, view: View, name: str) -> pd.DataFrame:
    """A table of `marketpulse.tables.BREAKDOWNS`, computed once per closed bar."""
    return _breakdown(_view_key(snapshot, view), name, view)


@st.cache_resource(max_entries=64, show_spinner=False)
def _accuracy_figure(key: ViewKey, name: str, _table: pd.DataFrame, _view: View) -> go.Figure:
    return accuracy_charts.CHARTS[name][1](_table, _view.outlook.horizon)


def shared_accuracy_figure(snapshot: Snapshot, view: View, name: str) -> go.Figure | None:
    """A figure of `marketpulse.accuracy_charts.CHARTS`, drawn once per closed bar.

    None if there is nothing to draw yet.
    """
    table = shared_breakdown(snapshot, view, accuracy_charts.CHARTS[name][0])
    return None if table.empty else _accuracy_figure(_view_key(snapshot, view), name, table, view)


@st.cache_resource(max_entries=64, show_spinner=False)
def _hindsight_chart(
    key: ViewKey, as_of: pd.Timestamp, _candles: pd.DataFrame, _said: Said
) -> go.Figure:
    return accuracy_charts.hindsight_chart(_candles, _said.forecast, _said.actual_price)


def shared_hindsight_chart(snapshot: Snapshot, view: View, said: Said) -> go.Figure:
    """What was known and said at a past bar, and what came; drawn once per closed bar."""
    key = _view_key(snapshot, view)
    return _hindsight_chart(key, said.forecast.as_of, snapshot.candles, said)


@st.cache_resource(max_entries=64, show_spinner=False)
def _gaps(key: MarketKey, revision: int, asked_at: pd.Timestamp, _candles: pd.DataFrame) -> Gaps:
    return health.gaps(_candles)


def shared_gaps(snapshot: Snapshot) -> Gaps:
    """What is missing in a snapshot's candles, searched once per closed bar."""
    return _gaps(snapshot.key, snapshot.revision, snapshot.asked_at, snapshot.candles)


@st.cache_resource(show_spinner=False)
def freeze_imports() -> None:
    """Exempt everything imported so far from the garbage collection that follows each rerun.

    Call it once the heavy libraries are in: a collection walks through all of their objects, which
    takes longer than the rerun itself.
    """
    gc.collect()
    gc.freeze()
