"""The parts of the Health page, from the top of the screen to its end."""

import pandas as pd
import streamlit as st

from marketpulse import health
from marketpulse.ui.cached import hub, shared_gaps
from marketpulse.ui.frame import Frame


def draw_standing(frame: Frame) -> None:
    """Where the candles come from and whether they may be acted on."""
    stands_in = frame.live.key != frame.snapshot.key
    st.markdown(f"#### {health.standing(frame.snapshot, stands_in=stands_in)}")


def draw_figures(frame: Frame) -> None:
    """Ages, gaps, dropped rows and the clock in one row."""
    if not frame.snapshot.has_candles:
        return
    refresh = pd.Timedelta(seconds=frame.settings.refresh)
    shown = health.figures(frame.snapshot, shared_gaps(frame.snapshot), refresh)
    with st.container(horizontal=True, gap="medium"):
        for figure in shown:
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
        health.venue_table(frame.live), border="horizontal", alt="Each venue and how it stands."
    )


def draw_cleaning(frame: Frame) -> None:
    """What became of what the venue or the file said."""
    if not frame.snapshot.has_candles:
        return
    st.markdown("##### What cleaning did")
    lines = health.cleaning_lines(frame.snapshot.report, shared_gaps(frame.snapshot))
    st.markdown("\n".join(f"- {line}" for line in lines))


def draw_troubles(frame: Frame) -> None:
    """What else is wrong: the record, the candles on disk, the worker."""
    st.markdown("##### Everything else")
    key = frame.snapshot.key
    lines = health.troubles(frame.snapshot, hub().worker_errors.get(key, ""))
    well = "No trouble with the record of forecasts, the candles kept on disk, or the worker."
    st.markdown("\n".join(f"- {line}" for line in lines or [well]))
