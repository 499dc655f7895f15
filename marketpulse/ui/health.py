"""The parts of the Health page, from the top of the screen to its end."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from marketpulse import health, vitals
from marketpulse.health import Figure
from marketpulse.process import footprint
from marketpulse.ui.cached import hub, kept_on_disk, shared_gaps, shared_things
from marketpulse.ui.frame import Frame
from marketpulse.ui.hints import draw_hints
from marketpulse.vitals import Load


def draw_standing(frame: Frame) -> None:
    """Where the candles come from and whether they may be acted on."""
    stands_in = frame.live.key != frame.snapshot.key
    st.markdown(f"#### {health.standing(frame.snapshot, stands_in=stands_in, zone=frame.zone)}")


def draw_figures(frame: Frame) -> None:
    """Ages, gaps, dropped rows and the clock in one row."""
    if frame.snapshot.has_candles:
        refresh = pd.Timedelta(seconds=frame.settings.refresh)
        _draw_row(health.figures(frame.snapshot, shared_gaps(frame.snapshot), refresh), "candles")


def draw_vitals() -> None:
    """How the server itself is doing."""
    st.markdown("##### This server")
    here, taken = hub(), footprint()
    load = Load(
        sessions=here.visitors,
        markets=here.markets,
        threads=taken.threads,
        memory=taken.memory,
        peak=taken.peak,
        shared=shared_things(),
        on_disk=kept_on_disk(),
    )
    _draw_row(vitals.figures(here.counters, load), "vitals")


def _draw_row(figures: Sequence[Figure], key: str) -> None:
    with st.container(horizontal=True, gap="medium", key=key):
        for figure in figures:
            st.metric(
                figure.label,
                figure.value,
                figure.note,
                delta_color=figure.tone,
                delta_arrow="off",
                help=figure.help,
                width="content",
            )


def draw_venues(frame: Frame) -> None:
    """Every venue that may be asked for the market, and how it stands with it."""
    st.markdown("##### Venues")
    if not frame.live.venues:
        st.caption("None: nobody is asked for recorded candles.")
        return
    st.caption("The preferred one first. A venue is kept for as long as it sends candles.")
    st.table(
        health.venue_table(frame.live, frame.zone),
        border="horizontal",
        alt="Each venue and how it stands.",
    )


def draw_cleaning(frame: Frame) -> None:
    """What became of what the venue or the file said."""
    if not frame.snapshot.has_candles:
        return
    st.markdown("##### What cleaning did")
    missing = shared_gaps(frame.snapshot)
    lines = health.cleaning_lines(frame.snapshot.report, missing, frame.zone)
    st.markdown("\n".join(f"- {line}" for line in lines))


def draw_troubles(frame: Frame) -> None:
    """What else is wrong: the record, the candles on disk, the worker."""
    st.markdown("##### Everything else")
    key = frame.snapshot.key
    lines = health.troubles(frame.snapshot, hub().worker_errors.get(key, ""))
    well = "No trouble with the record of forecasts, the candles kept on disk, or the worker."
    st.markdown("\n".join(f"- {line}" for line in lines or [well]))


def draw_page(frame: Frame) -> None:
    """All of it, because every age on it moves."""
    draw_standing(frame)
    draw_figures(frame)
    draw_hints("Health")
    draw_venues(frame)
    draw_cleaning(frame)
    draw_troubles(frame)
    draw_vitals()
