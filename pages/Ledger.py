"""Ledger: every trade of the paper book, what it is worth over time, and where that came from."""

import streamlit as st

from marketpulse.ui import autopilot, files, ledger
from marketpulse.ui.frame import close_frame, open_frame
from marketpulse.ui.hints import draw_hints

frame = open_frame("Ledger")
ledger.draw_title(frame)
draw_hints("Ledger")
files.draw_keeping(frame.hub)
if frame.snapshot.has_candles:
    ledger.draw_figures(frame)
    main, side = st.columns([3, 1], gap="medium")
    with main:
        ledger.draw_tables(frame.book, "current", frame.zone)
        files.draw_export(frame.book)
    with side:
        autopilot.draw_autopilot(frame)
files.draw_import(frame)
files.draw_others(frame)
close_frame(frame)
