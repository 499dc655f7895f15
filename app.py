"""Market Pulse, the Live page: what the price is likely to be, and how far to trust that."""

import streamlit as st

from marketpulse.ui import autopilot, calling, live, trading
from marketpulse.ui.frame import close_frame, open_frame
from marketpulse.ui.hints import draw_hints
from marketpulse.ui.live_chart import expect_chart

frame = open_frame("Live", live.draw_moving)
if frame.snapshot.has_candles:
    draw_hints("Live")
    chart, side = st.columns([3, 1], gap="medium")
    with chart:
        live.draw_chart(frame)
        calling.draw_call(frame)
        live.draw_signal(frame)
    with side:
        trading.draw_ticket(frame)
        autopilot.draw_autopilot(frame)
    live.draw_tail(frame)
    live.draw_presets(frame)
    live.draw_equity(frame)
else:
    expect_chart()
close_frame(frame)
