"""Accuracy: what was forecast, what came, and what that proves."""

import streamlit as st

from marketpulse.tables import tail_table
from marketpulse.ui.cached import shared_accuracy_chart
from marketpulse.ui.frame import open_frame
from marketpulse.words import UNKNOWN, percent_text, verdict_text

frame = open_frame("Accuracy")
report = frame.report
st.markdown("#### Can these forecasts be trusted?")

choices = {view.outlook.horizon.minutes: view for view in (report.minute, report.long)}
minutes = st.segmented_control(
    "Horizon",
    list(choices),
    default=report.long.outlook.horizon.minutes,
    format_func=lambda minutes: f"{minutes} min ahead",
    required=True,
    key="accuracy-horizon",
)
view = choices.get(minutes, report.long)

if view.tail is None:
    st.info(
        view.outlook.missing or "No forecast has come due yet.", icon=":material/hourglass_top:"
    )
else:
    tail = view.tail
    st.markdown(
        f"The trees look {view.outlook.horizon.minutes} min ahead; {verdict_text(tail)}."
        f" Their 9-in-10 band held {percent_text(tail.coverage_90)} of the time."
    )
    skill, mae, band = st.columns(3)
    skill.metric(
        "Skill against no change",
        percent_text(tail.skill, 2, signed=True),
        help="1 - MAE / MAE of 'the price stays'. Above zero is better than no forecast at all.",
    )
    interval = UNKNOWN
    if tail.skill_low is not None and tail.skill_high is not None:
        ends = (percent_text(end, 2, signed=True) for end in (tail.skill_low, tail.skill_high))
        interval = " to ".join(ends)
    mae.metric(
        "What the skill may really be",
        interval,
        help="95 % block-bootstrap interval. While it holds zero, there is no evidence either way.",
    )
    band.metric(
        "Band held",
        percent_text(tail.coverage_90),
        help="How often the price fell inside the 9-in-10 band. 90 % is right; more is too wide.",
    )
    st.plotly_chart(
        shared_accuracy_chart(frame.snapshot, view.outlook, tail.n),
        key="accuracy-chart",
        alt="The price that came, inside or outside the band that was forecast for it.",
    )

if not (report.minute.tail or report.long.tail):
    st.stop()
st.markdown("##### Tail metrics")
st.caption(
    "Over the most recent forecasts, each made before its outcome was known and by a model that"
    " never saw it. R² of price mostly measures how much the price moved: no change scores high"
    " as well."
)
st.table(tail_table(report), border="horizontal")
