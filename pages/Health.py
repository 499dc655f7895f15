"""Health: whose candles these are, how old, and what was done to them."""

from marketpulse.ui import health
from marketpulse.ui.frame import open_frame

frame = open_frame("Health")
health.draw_standing(frame)
health.draw_figures(frame)
health.draw_venues(frame)
health.draw_cleaning(frame)
health.draw_troubles(frame)
