"""What every page begins with: navigation, sidebar, timer, and the market to draw."""

import time
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import streamlit as st
from streamlit_autorefresh import st_autorefresh

from marketpulse import health
from marketpulse.errors import TooManyHorizons
from marketpulse.hub import Hub
from marketpulse.journal import Journal
from marketpulse.market import Market
from marketpulse.report import Report
from marketpulse.settings import DEFAULT_SYMBOL, DEFAULTS, Settings
from marketpulse.snapshot import Snapshot
from marketpulse.sources.catalogue import AUTO, SAMPLE
from marketpulse.ui import session
from marketpulse.ui.cached import freeze_imports, hub, shared_report
from marketpulse.ui.sidebar import draw_sidebar
from marketpulse.words import age_text

PAGES = (
    ("app.py", "Live", ":material/show_chart:"),
    ("pages/Accuracy.py", "Accuracy", ":material/target:"),
    ("pages/Ledger.py", "Ledger", ":material/receipt_long:"),
    ("pages/Health.py", "Health", ":material/monitor_heart:"),
)
# A file of our own: a named icon would be fetched from another host.
ICON = Path(__file__).with_name("icon.svg")
# How long the visitor waits for live candles before the replay of the sample begins.
PATIENCE = pd.Timedelta(seconds=2.5)
# While a fresh market is being loaded and trained, the page looks more often.
LOADING_REFRESH_MS = 500
LOADING = pd.Timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Frame:
    """What a page draws from.

    Attributes
    ----------
    settings : Settings
        As the visitor set them.
    market : Market
        Only for the price of a fill; everything drawn comes from ``snapshot``.
    snapshot : Snapshot
    live : Snapshot
        Of the market that was asked for: another one only while a replay stands in for it.
    report : Report
    journal : Journal
        The visitor's book of this market.
    """

    settings: Settings
    market: Market
    snapshot: Snapshot
    live: Snapshot
    report: Report
    journal: Journal


def open_frame(title: str) -> Frame:
    """Begin a page; works when it is the first thing that a fresh server is asked for."""
    started = time.perf_counter()
    st.set_page_config(page_title=f"{title} · Market Pulse", page_icon=str(ICON), layout="wide")
    settings = session.settings()
    live, refused = _watch(hub(), settings)
    market = _shown(hub(), live, settings)
    snapshot = market.snapshot
    draw_sidebar(title, settings, snapshot.venue)
    _keep_url(settings)
    _draw_navigation(settings)
    _draw_provenance(snapshot, live.snapshot, settings)
    if refused:
        st.warning(refused, icon=":material/hourglass:")
    seen = shared_report(snapshot, replace(settings, symbol=snapshot.key.symbol))
    if seen.long.forecast is not None:
        freeze_imports()
    _start_timer(settings, snapshot, seen, time.perf_counter() - started)
    journal = session.book(snapshot)
    return Frame(settings, market, snapshot, live.snapshot, seen, journal)


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
        waited = hub.clock() - snapshot.asked_at
        if fresh and not session.saw_live() and (waited > PATIENCE or snapshot.problem):
            session.watch_replay(True)
    if not session.watching_replay():
        return live
    return _watch(hub, replace(settings, source=SAMPLE, symbol=DEFAULT_SYMBOL))[0]


def _keep_url(settings: Settings) -> None:
    """Let the address reproduce the screen."""
    query = settings.to_query()
    if st.query_params.to_dict() != query:
        st.query_params.from_dict(query)


def _draw_navigation(settings: Settings) -> None:
    query = settings.to_query()
    # So close that a phone of 390 pixels has them in one row.
    with st.container(horizontal=True, gap="xsmall"):
        for path, label, icon in PAGES:
            st.page_link(path, label=label, icon=icon, query_params=query)


def _draw_provenance(shown: Snapshot, live: Snapshot, settings: Settings) -> None:
    """One line on whose prices these are and how old, and what can be done about it."""
    if session.watching_replay():
        _draw_way_back(live, settings)
    elif not shown.has_candles:
        _draw_empty_state(shown)
    elif shown.problem:
        age = f", {age_text(shown.age)} old" if shown.clock_known else ""
        st.warning(f"{shown.problem} The last good candles stay{age}.", icon=":material/cloud_off:")
        _offer_replay()
    trouble = hub().worker_errors.get(shown.key)
    if trouble:
        st.error(f"The worker failed and starts again: {trouble}", icon=":material/error:")
    if shown.record_problem:
        st.warning(shown.record_problem, icon=":material/history_edu:")
    if shown.has_candles:
        _draw_bar(shown, settings)
    if shown.ended:
        st.button(
            "Replay again", on_click=_replay_again, args=(settings,), icon=":material/replay:"
        )


def _draw_bar(shown: Snapshot, settings: Settings) -> None:
    bar = health.bar_text(shown, pd.Timedelta(seconds=settings.refresh))
    # Small, but not as faint as a caption: a warning in it is to be seen.
    st.markdown(f":small[{bar}]")


def _draw_way_back(live: Snapshot, settings: Settings) -> None:
    """Say why this is a replay, and offer the live market once it is there."""
    if live.has_candles:
        text, button = st.columns([4, 1], vertical_alignment="center")
        text.success(f"Live candles from {live.venue} are here.", icon=":material/cloud_done:")
        button.button(
            "Switch to live", on_click=session.watch_replay, args=(False,), type="primary"
        )
        return
    st.info(
        f"No live venue answers for {settings.symbol}, so this is a replay of real BTC/USD candles;"
        " the venues are asked again all the time.",
        icon=":material/history:",
    )


def _draw_empty_state(shown: Snapshot) -> None:
    if not shown.problem:
        st.info(f"{shown.progress or 'Waiting for candles'} …", icon=":material/hourglass_top:")
        return
    st.warning(shown.problem, icon=":material/cloud_off:")
    _offer_replay()


def _offer_replay() -> None:
    st.button(
        "Watch the BTC/USD replay meanwhile",
        on_click=session.watch_replay,
        args=(True,),
        icon=":material/history:",
    )


def _replay_again(settings: Settings) -> None:
    source = SAMPLE if session.watching_replay() else settings.source
    hub().replay_again(replace(settings, source=source))


def _start_timer(settings: Settings, snapshot: Snapshot, seen: Report, seconds: float) -> None:
    """Ask for the next rerun: sooner while loading, never before this one could be drawn.

    An interval shorter than a rerun would interrupt every rerun before its end.
    """
    waiting = not snapshot.has_candles or seen.long.tail is None or snapshot.progress
    young = hub().clock() - snapshot.asked_at < LOADING
    interval = LOADING_REFRESH_MS if waiting and young else settings.refresh * 1_000
    if not snapshot.ended:
        # In the sidebar, because its empty frame would leave a hole in the page.
        with st.sidebar:
            st_autorefresh(interval=max(interval, int(4_000 * seconds)), key="timer")
