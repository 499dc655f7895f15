"""Every ``st.cache_*`` of the app.

Keys are small frozen values. Tables go in behind a leading underscore, because Streamlit hashes
only a sample of a long table and would then answer with a stale one.
"""

import gc
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from marketpulse import accuracy_charts, book_tables, charts, health, report, signal_charts, tables
from marketpulse.books import Book, BookInfo, owner_hash
from marketpulse.curves import equity_curve
from marketpulse.errors import ImportRefused
from marketpulse.events import Fill
from marketpulse.health import Gaps
from marketpulse.hub import Hub
from marketpulse.performance import Summary, summary
from marketpulse.places import DATABASE_VARIABLE, SCHEDULER_VARIABLE, scheduler_address
from marketpulse.process import bytes_on_disk
from marketpulse.report import Report, View
from marketpulse.scoreboard import Scoreboard, scoreboard
from marketpulse.settings import DEFAULTS, Settings
from marketpulse.signals import Signal, Thresholds, history
from marketpulse.snapshot import MarketKey, Snapshot
from marketpulse.sources.catalogue import recorded_names
from marketpulse.tables import Said
from marketpulse.ui.clicks import keep_clicks
from marketpulse.ui.deliveries import keep_pages
from marketpulse.ui.live_chart import Spec
from marketpulse.ui.shelf import Shelf
from marketpulse.zones import UTC

if TYPE_CHECKING:
    from marketpulse.bookfile import Imported

# Reports, figures or tables of one kind.
KEPT = 64


@st.cache_resource(on_release=Hub.close, show_spinner=False)
def hub() -> Hub:
    """The one hub of this process.

    Before its worker begins to import the heavy libraries, the collector is told to leave alone
    what is there by now.
    """
    keep_clicks()
    keep_pages()
    gc.freeze()
    made = Hub(database=_secret(DATABASE_VARIABLE))
    made.prepare = _prepare
    return made


def _secret(name: str) -> str | None:
    """A text of the app's secrets; None if it has none of that name."""
    return st.secrets.get(name) if st.secrets.load_if_toml_exists() else None


@st.cache_resource(show_spinner=False)
def scheduler() -> str | None:
    """Address of the Dask scheduler of this server; None if it has none."""
    return scheduler_address(_secret(SCHEDULER_VARIABLE))


def _prepare(snapshot: Snapshot, settings: Settings) -> None:
    """Let a worker build what the next rerun of the Live page would have to."""
    seen = shared_report(snapshot, replace(settings, symbol=snapshot.key.symbol))
    if snapshot.has_candles:
        _shared_chart(snapshot, seen, ())
        shared_pulse(snapshot, seen)
    if not seen.decisions.empty:
        shared_history(snapshot, seen)
        shared_tail_table(snapshot, seen)


@st.cache_data(ttl="1min", show_spinner=False)
def recordings() -> tuple[str, ...]:
    """Names of the recordings that can be replayed; a new file shows within a minute."""
    return recorded_names(hub().home)


@st.cache_resource(show_spinner=False)
def _reports() -> Shelf[Report]:
    return Shelf(KEPT)


def shared_report(snapshot: Snapshot, settings: Settings) -> Report:
    """The report of a snapshot, built once for everybody with the same settings."""
    plain = {name: getattr(DEFAULTS, name) for name in ("refresh", "speed", "zone")}
    same = replace(settings, source="", **plain)
    key = (snapshot.mark(settings.horizons), same)
    return _reports().get(key, lambda: report.build(snapshot, same))


@st.cache_resource(show_spinner=False)
def _price_charts() -> Shelf[Spec]:
    return Shelf(KEPT)


def shared_price_chart(snapshot: Snapshot, seen: Report, book: Book, zone: str) -> Spec:
    """The Live page's chart, drawn once per closed bar and fill of the book."""
    return _shared_chart(snapshot, seen, book.ledger.fills, zone)


def _shared_chart(
    snapshot: Snapshot, seen: Report, fills: tuple[Fill, ...], zone: str = UTC
) -> Spec:
    minute, long, past = seen.minute.forecast, seen.long.forecast, seen.long.settled

    def drawn() -> Spec:
        figure = charts.price_chart(snapshot.candles, minute, long, fills, past=past, zone=zone)
        return Spec.of(figure.to_dict(), charts.price_alt(snapshot.candles, (minute, long), zone))

    key = (snapshot.mark(seen.settings.horizons), seen.settings.tail, fills, zone)
    return _price_charts().get(key, drawn)


# What the figures of a book depend on: its fills, the market and the bar.
BookAt = tuple[str, int, MarketKey, int, pd.Timestamp]


def _book_at(snapshot: Snapshot, book: Book) -> BookAt:
    return (book.id, book.sequence, snapshot.key, snapshot.revision, snapshot.asked_at)


@st.cache_resource(max_entries=64, show_spinner=False)
def _summary(key: BookAt, _closes: pd.Series, _book: Book) -> Summary | None:
    return summary(_book.ledger, _closes) if len(_closes) > 1 else None


def shared_summary(snapshot: Snapshot, book: Book) -> Summary | None:
    """A book's figures at the last close, computed once per closed bar; None before two bars."""
    closes = book_tables.closes_of(snapshot.candles, book.ledger)
    return _summary(_book_at(snapshot, book), closes, book)


@st.cache_resource(max_entries=64, show_spinner=False)
def _equity_chart(
    key: BookAt, height: int, zone: str, _closes: pd.Series, _book: Book
) -> go.Figure | None:
    if len(_closes) < 2:
        return None
    curve = equity_curve(_book.ledger.events, _closes)
    return charts.equity_chart(curve, height=height, zone=zone)


def shared_equity_chart(snapshot: Snapshot, book: Book, height: int, zone: str) -> go.Figure | None:
    """A book's equity, drawn once per closed bar; None before two bars."""
    closes = book_tables.closes_of(snapshot.candles, book.ledger)
    return _equity_chart(_book_at(snapshot, book), height, zone, closes, book)


@st.cache_resource(max_entries=64, show_spinner=False)
def _book_table(id: str, sequence: int, name: str, zone: str, _book: Book) -> pd.DataFrame:
    return book_tables.TABLES[name](_book.ledger, _book.symbol, zone)


def shared_book_table(book: Book, name: str, zone: str) -> pd.DataFrame:
    """A table of `marketpulse.book_tables.TABLES`, made once per event of the book."""
    return _book_table(book.id, book.sequence, name, zone, book)


@st.cache_resource(max_entries=64, ttl="10s", show_spinner=False)
def _books_of(owner_hash: str, sequence: int, _owner: str) -> tuple[BookInfo, ...]:
    desk = hub().desk
    return () if desk is None else desk.journal.books_of(_owner)


def books_of(owner: str, sequence: int) -> tuple[BookInfo, ...]:
    """All books of an owner; a new one shows within ten seconds, or when ``sequence`` changed.

    Raises
    ------
    JournalError
        If the journal cannot be read.
    """
    return _books_of(owner_hash(owner), sequence, owner)


@st.cache_resource(max_entries=16, show_spinner=False)
def _imported(checksum: str, _content: bytes) -> "Imported | str":
    from marketpulse.bookfile import imported

    try:
        return imported(_content)
    except ImportRefused as refusal:
        return str(refusal)


def read_file(content: bytes) -> "Imported | str":
    """The book that a file holds, or why it holds none; read once."""
    return _imported(sha256(content).hexdigest(), content)


@st.cache_resource(show_spinner=False)
def _pulses() -> Shelf[str]:
    return Shelf(KEPT)


def shared_pulse(snapshot: Snapshot, seen: Report) -> str:
    """The Live page's lines on how wild it will be and how the last bands did, Markdown."""
    key = (snapshot.mark(seen.settings.horizons), seen.settings.tail)
    return _pulses().get(key, lambda: tables.pulse_text(seen))


@st.cache_resource(show_spinner=False)
def _meters() -> Shelf[Spec]:
    return Shelf(KEPT)


def shared_meter(signal: Signal) -> Spec:
    """The break-even meter of a signal with terms, drawn once for everybody who has the same."""
    return _meters().get(
        signal,
        lambda: Spec.of(signal_charts.meter_content(signal), signal_charts.meter_alt(signal)),
    )


@st.cache_resource(show_spinner=False)
def _tail_tables() -> Shelf[pd.DataFrame]:
    return Shelf(KEPT)


def shared_tail_table(snapshot: Snapshot, seen: Report) -> pd.DataFrame:
    """The metrics of both tails, counted once per closed bar."""
    key = (snapshot.mark(seen.settings.horizons), seen.settings.horizons, seen.settings.tail)
    return _tail_tables().get(key, lambda: tables.tail_table(seen))


@st.cache_resource(show_spinner=False)
def _histories() -> Shelf[pd.DataFrame]:
    return Shelf(KEPT)


def shared_history(snapshot: Snapshot, seen: Report) -> pd.DataFrame:
    """How far away the rule was over the tail, and where it fired."""
    key = (snapshot.mark(seen.settings.horizons), seen.settings, seen.costs)
    at = Thresholds.of(seen.settings)
    return _histories().get(key, lambda: history(seen.decisions, at, seen.costs))


@st.cache_resource(show_spinner=False)
def _scoreboards() -> Shelf[Scoreboard]:
    return Shelf(KEPT)


def shared_scoreboard(snapshot: Snapshot, seen: Report, caller: str) -> Scoreboard:
    """What became of a visitor's calls for the long horizon, counted once per closed bar."""

    def counted() -> Scoreboard:
        outlook = seen.long.outlook
        calls = outlook.calls
        own = calls if calls.empty else calls[calls["caller"] == caller]
        return scoreboard(own, outlook.horizon, seen.settings.tail)

    key = (snapshot.mark(seen.settings.horizons), seen.settings.tail, caller)
    return _scoreboards().get(key, counted)


# What a breakdown of one view depends on: the market, the bar, the horizon, and which forecasts.
ViewKey = tuple[MarketKey, int, pd.Timestamp, str, int, int, bool]


def _view_key(snapshot: Snapshot, view: View) -> ViewKey:
    horizon = view.outlook.horizon
    when = (snapshot.key, snapshot.revision, snapshot.asked_at)
    return (*when, horizon.label, horizon.steps, len(view.settled), view.from_record)


@st.cache_resource(max_entries=64, show_spinner=False)
def _breakdown(key: ViewKey, name: str, zone: str, _view: View) -> pd.DataFrame:
    return tables.BREAKDOWNS[name](_view, zone)


def shared_breakdown(snapshot: Snapshot, view: View, name: str, zone: str) -> pd.DataFrame:
    """A table of `marketpulse.tables.BREAKDOWNS`, computed once per closed bar."""
    return _breakdown(_view_key(snapshot, view), name, zone, view)


@st.cache_resource(max_entries=64, show_spinner=False)
def _accuracy_figure(
    key: ViewKey, name: str, zone: str, _table: pd.DataFrame, _view: View
) -> go.Figure:
    return accuracy_charts.CHARTS[name][1](_table, _view.outlook.horizon, zone)


def shared_accuracy_figure(
    snapshot: Snapshot, view: View, name: str, zone: str
) -> go.Figure | None:
    """A figure of `marketpulse.accuracy_charts.CHARTS`, drawn once per closed bar.

    None if there is nothing to draw yet.
    """
    table = shared_breakdown(snapshot, view, accuracy_charts.CHARTS[name][0], zone)
    if table.empty:
        return None
    return _accuracy_figure(_view_key(snapshot, view), name, zone, table, view)


@st.cache_resource(max_entries=64, show_spinner=False)
def _hindsight_chart(
    key: ViewKey, as_of: pd.Timestamp, zone: str, _candles: pd.DataFrame, _said: Said
) -> go.Figure:
    return accuracy_charts.hindsight_chart(_candles, _said.forecast, _said.actual_price, zone)


def shared_hindsight_chart(snapshot: Snapshot, view: View, said: Said, zone: str) -> go.Figure:
    """What was known and said at a past bar, and what came; drawn once per closed bar."""
    key = _view_key(snapshot, view)
    return _hindsight_chart(key, said.forecast.as_of, zone, snapshot.candles, said)


@st.cache_resource(max_entries=64, show_spinner=False)
def _gaps(key: MarketKey, revision: int, asked_at: pd.Timestamp, _candles: pd.DataFrame) -> Gaps:
    return health.gaps(_candles)


def shared_gaps(snapshot: Snapshot) -> Gaps:
    """What is missing in a snapshot's candles, searched once per closed bar."""
    return _gaps(snapshot.key, snapshot.revision, snapshot.asked_at, snapshot.candles)


def shared_things() -> int:
    """How many reports, charts and texts are kept for all sessions."""
    drawn = (_price_charts(), _pulses(), _meters())
    counted = (_reports(), _histories(), _tail_tables(), _scoreboards())
    return sum(len(shelf) for shelf in (*drawn, *counted))


@st.cache_data(ttl="1min", show_spinner=False)
def kept_on_disk() -> int:
    """Bytes of candles, models and records; counted once a minute."""
    return bytes_on_disk(hub().home) + bytes_on_disk(hub().models)
