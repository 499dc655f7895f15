"""Accuracy: what was forecast, what came, and what that proves."""

import streamlit as st

from marketpulse.ui import accuracy
from marketpulse.ui.frame import close_frame, open_frame
from marketpulse.ui.hints import draw_hints

frame = open_frame("Accuracy")
st.markdown("#### Can these forecasts be trusted?")
view = accuracy.choose_view(frame)
accuracy.draw_verdict(view)
if view.tail is not None:
    accuracy.draw_metrics(view)
    draw_hints("Accuracy")
    accuracy.draw_main_chart(frame, view)
    accuracy.draw_sections(frame, view)
close_frame(frame)
