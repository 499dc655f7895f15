"""What every page begins with: navigation, sidebar, timer, and the market to draw.

A page is drawn whole when it is opened, when a visitor changes something and when a bar has closed.
In between, the timer only redraws what moves with every tick: a rerun of one fragment, which costs
a tenth of the whole.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd
import streamlit as st
from streamlit_autorefresh import st_autorefresh

from marketpulse import health
from marketpulse.books import Book
from marketpulse.errors import TooManyHorizons
from marketpulse.hub import Hub
from marketpulse.market import Market
from marketpulse.office import OPENING
from marketpulse.report import Report
from marketpulse.settings import DEFAULT_SYMBOL, DEFAULTS, Settings
from marketpulse.snapshot import Snapshot
from marketpulse.sources.catalogue import AUTO, SAMPLE
from marketpulse.ui import book, session
from marketpulse.ui.cached import hub, shared_report
from marketpulse.ui.provenance import aged_problem, draw_bar, draw_provenance
from marketpulse.ui.sidebar import draw_sidebar
from marketpulse.ui.visibility import tab_is_hidden

PAGES = (
    ("app.py", "Live", ":material/show_chart:"),
    ("pages/Accuracy.py", "Accuracy", ":material/target:"),
    ("pages/Backtest.py", "Backtest", ":material/history:"),
    ("pages/Ledger.py", "Ledger", ":material/receipt_long:"),
    ("pages/Health.py", "Health", ":material/monitor_heart:"),
)
# A file of our own: a named icon would be fetched from another host.
ICON = Path(__file__).with_name("icon.svg")
STYLE = f"<style>{Path(__file__).with_name('style.css').read_text('utf-8')}</style>"
# How long the visitor waits for venues before the replay of the sample begins.
PATIENCE = pd.Timedelta(seconds=2.5)
# While a fresh market is being loaded and trained, the page looks more often, and a look waits so
# long for something new: all in all news waits little, for few looks.
LOADING_REFRESH_MS, LOADING_LOOK_S = 250, 0.2
# The same while an order waits for its price.
WAITING_REFRESH_MS = 500
LOADING = pd.Timedelta(minutes=1)


class Stopwatch:
    """How long reruns of one page take; `lap` is called at the end of each."""

    def __init__(self) -> None:
        self._begun = time.perf_counter()
        self._longest = 0.0

    def begin(self) -> None:
        """Begin to measure a tick."""
        self._begun = time.perf_counter()

    def lap(self, *, tick: bool) -> None:
        """The rerun has ended, of the whole page or of what moves: note how long it took."""
        seconds = time.perf_counter() - self._begun
        hub().note_rerun(seconds)
        if tick:
            self._longest = max(self._longest, seconds)

    @property
    def longest_tick(self) -> float:
        """Seconds of the longest tick since the page was drawn whole."""
        return self._longest


@dataclass(frozen=True, slots=True)
class Frame:
    """What a page draws from.

    Attributes
    ----------
    settings : Settings
        As the visitor set them.
    hub : Hub
    market : Market
        Only for orders; everything drawn comes from ``snapshot``.
    snapshot : Snapshot
    live : Snapshot
        Of the market that was asked for: another one only while a replay stands in for it.
    report : Report
    book : Book
        The visitor's book of this market.
    zone : str
        IANA name of the time zone that times are told in.
    refused : str
        Why not all of the settings could be followed, as a sentence; empty if they could.
    stopwatch : Stopwatch
        Stop it with `close_frame` at the end of the page.
    """

    settings: Settings
    hub: Hub
    market: Market
    snapshot: Snapshot
    live: Snapshot
    report: Report
    book: Book
    zone: str
    refused: str = ""
    stopwatch: Stopwatch = field(default_factory=Stopwatch)


Draw = Callable[[Frame], None]


def open_frame(title: str, draw_moving: Draw | None = None) -> Frame:
    """Begin a page; works when it is the first thing that a fresh server is asked for.

    Parameters
    ----------
    title : str
        As in `PAGES`.
    draw_moving : callable, optional
        Draws, at the top of the page, what moves with every tick. Everything else is only drawn
        again when a bar has closed, or when something changed that `_face` names.
    """
    stopwatch = Stopwatch()
    st.set_page_config(page_title=f"{title} · Market Pulse", page_icon=str(ICON), layout="wide")
    st.html(STYLE)
    frame = _look(stopwatch)
    draw_sidebar(title, frame.settings, frame.snapshot.venue)
    _keep_url()
    _draw_navigation()
    # One place for all of it: a line that comes or goes must not move the chart to another place,
    # where the browser would build it anew.
    with st.container():
        draw_provenance(frame.snapshot, frame.live, frame.settings)
        if frame.refused:
            st.warning(frame.refused, icon=":material/hourglass:")
        _draw_journal_trouble(frame.book)
    _tick([frame], _face(frame), stopwatch, draw_moving)
    return frame


def close_frame(frame: Frame) -> None:
    """End a page: note how long it took, and draw it again if its book has moved on meanwhile."""
    frame.stopwatch.lap(tick=False)
    if book.moved_on(frame.hub, frame.book):
        st.rerun()


def _look(stopwatch: Stopwatch) -> Frame:
    """What there is to draw now."""
    settings = session.settings()
    live, refused = _watch(hub(), settings)
    market = _shown(hub(), live, settings)
    snapshot, asked = (each.snapshot.seen_at(hub().clock()) for each in (market, live))
    seen = shared_report(snapshot, replace(settings, symbol=snapshot.key.symbol))
    held = book.current(hub(), snapshot)
    zone = session.zone()
    return Frame(settings, hub(), market, snapshot, asked, seen, held, zone, refused, stopwatch)


def _face(frame: Frame) -> tuple[object, ...]:
    """All that the page shows besides what moves: while it is the same, so is the page."""
    shown, live = frame.snapshot, frame.live
    progress = "" if shown.has_candles else shown.progress
    market = (shown.mark(frame.settings.horizons), progress, shown.ended)
    trouble = (aged_problem(shown), shown.record_problem, hub().worker_errors.get(shown.key))
    held = (frame.book.id, frame.book.sequence, book.problem(frame.hub, frame.book))
    visitor = (frame.settings, session.wants_hints(), frame.refused, health.refusal(shown))
    return (*market, *trouble, *held, *visitor, live.has_candles, live.venue)


@st.fragment
def _tick(
    new: list[Frame], face: tuple[object, ...], stopwatch: Stopwatch, draw_moving: Draw | None
) -> None:
    """Draw what moves, and the timer, whose ticks rerun this alone.

    Parameters
    ----------
    new : list of Frame
        The frame of the page that is being drawn whole: taken out by the first to come.
    face : tuple
        Of that page. Once it is another, the page is drawn whole again.
    stopwatch : Stopwatch
        Of that page.
    draw_moving : callable or None
    """
    whole = bool(new)
    if whole:
        frame = new.pop()
    else:
        stopwatch.begin()
        frame = _look(stopwatch)
        if _loading(frame) and not _has_forecasts(frame) and _face(frame) == face:
            hub().await_news(frame.snapshot, frame.market, LOADING_LOOK_S)
            stopwatch.begin()
            frame = _look(stopwatch)
        if _face(frame) != face:
            st.rerun()
    # Without gaps, what shows nothing leaves no hole in the page.
    with st.container(gap=None):
        draw_bar(frame.snapshot, frame.settings, frame.zone)
        _draw_timer(frame)
    if draw_moving is not None:
        # What comes or goes in here must not move what stands below to another place: while a page
        # is drawn, it would be there twice.
        with st.container():
            draw_moving(frame)
    if not whole:
        stopwatch.lap(tick=True)


def _draw_timer(frame: Frame) -> None:
    """Ask for the next tick: sooner while loading, never before this one could be drawn.

    A tick waits for a page that is being drawn whole, so only the time of ticks counts: the first
    page of a process takes seconds, and must not keep the next tick waiting for four times as long.
    A tab that nobody sees has no timer, so it costs nothing; it asks for a tick as soon as it is
    seen again.
    """
    settings, snapshot = frame.settings, frame.snapshot
    interval = LOADING_REFRESH_MS if _loading(frame) else settings.refresh * 1_000
    order_waits = bool(book.waiting(frame.book))
    if order_waits:
        interval = min(interval, WAITING_REFRESH_MS)
    if not tab_is_hidden() and (order_waits or not snapshot.ended):
        st_autorefresh(
            interval=max(interval, int(4_000 * frame.stopwatch.longest_tick)), key="timer"
        )


def _loading(frame: Frame) -> bool:
    """Whether a fresh market is being loaded or trained; after a minute nobody waits for it."""
    shown = frame.snapshot
    waiting = not shown.has_candles or frame.report.long.tail is None or bool(shown.progress)
    return waiting and hub().clock() - shown.asked_at < LOADING


def _has_forecasts(frame: Frame) -> bool:
    """Whether both of the visitor's horizons are forecast."""
    return None not in (frame.report.minute.forecast, frame.report.long.forecast)


def _watch(hub: Hub, settings: Settings) -> tuple[Market, str]:
    """The market of the settings, and why not all of them could be followed."""
    try:
        return hub.watch(session.visitor(), settings), ""
    except TooManyHorizons as error:
        plain = replace(settings, minute=DEFAULTS.minute, long=DEFAULTS.long)
        return hub.watch(session.visitor(), plain), str(error)


def _shown(hub: Hub, live: Market, settings: Settings) -> Market:
    """The live market, or the replay of the sample if live candles cannot be had.

    A replay begins by itself only on a fresh start with the default symbol. It never turns live by
    itself, and a live market never turns into a replay: a button offers it.
    """
    snapshot = live.snapshot
    if not session.watching_replay():
        if snapshot.has_candles:
            session.note_live(True)
        fresh = settings.source == AUTO and settings.symbol == DEFAULT_SYMBOL
        waited = hub.waited(snapshot)
        if fresh and not session.saw_live() and (waited > PATIENCE or snapshot.problem):
            session.watch_replay(True)
    if not session.watching_replay():
        return live
    return _watch(hub, replace(settings, source=SAMPLE, symbol=DEFAULT_SYMBOL))[0]


def _keep_url() -> None:
    """Let the address reproduce the screen."""
    query = session.address()
    if st.query_params.to_dict() != query:
        st.query_params.from_dict(query)


def _draw_navigation() -> None:
    query = session.address()
    with st.container(horizontal=True, gap="xsmall", key="pages"):
        for path, label, icon in PAGES:
            st.page_link(path, label=label, icon=icon, query_params=query)


def _draw_journal_trouble(held: Book) -> None:
    """What is wrong with the visitor's book, if anything is."""
    trouble = book.problem(hub(), held)
    # That it is still being opened is told where it is waited for.
    if trouble and trouble != OPENING:
        st.warning(trouble, icon=":material/menu_book:")
    if session.came_with_no_owner():
        st.warning(
            "The book in this address is none, so a new one was begun.", icon=":material/link_off:"
        )
