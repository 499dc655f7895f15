"""Whose prices are on screen, how old they are, and what can be done about it."""

from dataclasses import replace

import pandas as pd
import streamlit as st

from marketpulse import health
from marketpulse.settings import Settings
from marketpulse.snapshot import Snapshot
from marketpulse.sources.catalogue import SAMPLE
from marketpulse.ui import session
from marketpulse.ui.cached import hub
from marketpulse.words import age_text


def draw_bar(shown: Snapshot, settings: Settings, zone: str) -> None:
    """The one line on every page that says whose prices these are and how old."""
    if shown.has_candles:
        bar = health.bar_text(shown, pd.Timedelta(seconds=settings.refresh), zone)
        # Small, but not as faint as a caption: a warning in it is to be seen.
        st.markdown(f":small[{bar}]")


def draw_provenance(shown: Snapshot, live: Snapshot, settings: Settings) -> None:
    """What is wrong with the candles, if anything, and what the visitor can do."""
    if session.watching_replay():
        _draw_way_back(live, settings)
    elif not shown.has_candles:
        _draw_empty_state(shown)
    elif shown.problem:
        st.warning(aged_problem(shown), icon=":material/cloud_off:")
        _offer_replay()
    trouble = hub().worker_errors.get(shown.key)
    if trouble:
        st.error(f"The worker failed and starts again: {trouble}", icon=":material/error:")
    if shown.record_problem:
        st.warning(shown.record_problem, icon=":material/history_edu:")
    if shown.ended:
        st.button(
            "Replay again", on_click=_replay_again, args=(settings,), icon=":material/replay:"
        )


def aged_problem(shown: Snapshot) -> str:
    """What went wrong last, with the age of the candles at hand; empty if nothing did."""
    if not shown.problem or not shown.has_candles:
        return shown.problem
    age = f", {age_text(shown.age)} old" if shown.clock_known else ""
    return f"{shown.problem} The last good candles stay{age}."


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
