"""Health: whose candles these are, how old, and what was done to them."""

from marketpulse.ui import health
from marketpulse.ui.frame import close_frame, open_frame

close_frame(open_frame("Health", health.draw_page))
