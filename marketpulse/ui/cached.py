"""Every ``st.cache_*`` of the app.

Keys are small frozen values. Tables go in behind a leading underscore, because Streamlit hashes
only a sample of a long table and would then answer with a stale one.
"""

import gc
from dataclasses import replace

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from marketpulse import charts, report
from marketpulse.hub import Hub
from marketpulse.ledger import Fill
from marketpulse.report import Report
from marketpulse.settings import DEFAULTS, Settings
from marketpulse.snapshot import MarketKey, Outlook, Snapshot
from marketpulse.sources.catalogue import recorded_names

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


@st.cache_resource(max_entries=32, show_spinner=False)
def _accuracy_chart(
    key: MarketKey, revision: int, asked_at: pd.Timestamp, minutes: int, n: int, _outlook: Outlook
) -> go.Figure:
    return charts.accuracy_chart(_outlook, n)


def shared_accuracy_chart(snapshot: Snapshot, outlook: Outlook, n: int) -> go.Figure:
    """The Accuracy page's chart, drawn once per closed bar."""
    key = (snapshot.key, snapshot.revision, snapshot.asked_at, outlook.horizon.minutes)
    return _accuracy_chart(*key, n, outlook)


@st.cache_resource(show_spinner=False)
def freeze_imports() -> None:
    """Exempt everything imported so far from the garbage collection that follows each rerun.

    Call it once the heavy libraries are in: a collection walks through all of their objects, which
    takes longer than the rerun itself.
    """
    gc.collect()
    gc.freeze()
