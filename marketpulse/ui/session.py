"""Typed access to what Streamlit keeps for one visitor. Nothing else touches the session state."""

from decimal import Decimal
from uuid import uuid4

import streamlit as st

from marketpulse.events import Deposit
from marketpulse.settings import Settings
from marketpulse.snapshot import MarketKey, Snapshot
from marketpulse.ui.held_book import Journal

STARTING_CASH = Decimal(10_000)


def visitor() -> str:
    """A name for this session, the same over all its reruns."""
    name: str = st.session_state.setdefault("visitor", uuid4().hex)
    return name


def settings() -> Settings:
    """The visitor's settings; those of the link they came by, at first."""
    if "settings" not in st.session_state:
        st.session_state.settings = Settings.from_query(st.query_params.to_dict())
    kept: Settings = st.session_state.settings
    return kept


def save_settings(changed: Settings) -> None:
    """Keep settings for the next rerun."""
    st.session_state.settings = changed


def watching_replay() -> bool:
    """Whether the visitor watches the sample because no live candles could be had."""
    return bool(st.session_state.get("watching_replay", False))


def watch_replay(watching: bool) -> None:
    """Watch the sample instead of the live market, or stop doing so."""
    st.session_state.watching_replay = watching


def saw_live() -> bool:
    """Whether live candles of the chosen market were ever on this visitor's screen."""
    return bool(st.session_state.get("saw_live", False))


def note_live(seen: bool) -> None:
    """Remember that they were, or that another market was chosen since."""
    st.session_state.saw_live = seen


def books() -> dict[MarketKey, Journal]:
    """The visitor's books, one for each market, those of earlier replays included."""
    kept: dict[MarketKey, Journal] = st.session_state.setdefault("books", {})
    return kept


def book(snapshot: Snapshot) -> Journal:
    """The visitor's book of a market, opened with `STARTING_CASH` at the first candles."""
    kept = books()
    if snapshot.key in kept:
        return kept[snapshot.key]
    opened = Journal([Deposit("opening", snapshot.now, STARTING_CASH)])
    if snapshot.has_candles:
        kept[snapshot.key] = opened
    return opened
