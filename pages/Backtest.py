"""Backtest: what acting on the forecasts would have made, and what luck would have."""

from marketpulse.ui import backtest
from marketpulse.ui.frame import close_frame, open_frame
from marketpulse.ui.hints import draw_hints

frame = open_frame("Backtest")
backtest.draw_title(frame)
draw_hints("Backtest")
if frame.snapshot.has_candles:
    forecasts = backtest.draw_run(frame)
    if forecasts is not None:
        backtest.draw_trial(frame, forecasts)
close_frame(frame)
