"""Forecasts as Plotly traces: fans into the future, and ghosts of what was said before."""

from typing import Any

import numpy as np
import pandas as pd

from marketpulse.forecast import Forecast
from marketpulse.horizons import Horizon
from marketpulse.words import price_text
from marketpulse.zones import UTC, local_times

Trace = dict[str, Any]

# Red, green and blue of each horizon: apart from each other, from up and from down.
FAN, SHORT_FAN = "122, 111, 240", "31, 158, 137"
FAN_POINTS = 12
GHOST_LINE, GHOST_BAND = 0.55, 0.07


def fan(forecast: Forecast, zone: str = UTC) -> list[Trace]:
    """The long forecast: two bands opening with time, the trusted centre and the trees' own."""
    label = f"In {forecast.horizon.minutes} min"
    odds = (
        ("9 in 10", forecast.low_90, forecast.high_90, 0.16),
        ("1 in 2", forecast.low_50, forecast.high_50, 0.28),
    )
    bands = [
        _band(forecast, low, high, f"rgba({FAN}, {shade})", zone) | {"name": f"{label}, {odd}"}
        for odd, low, high, shade in odds
    ]
    centre = _centre(forecast, forecast.price, FAN, zone)
    raw = _centre(forecast, forecast.raw_price, FAN, zone)
    raw |= {"line": {"color": f"rgb({FAN})", "width": 1.5, "dash": "dot"}, "mode": "lines"}
    return [*bands, raw | {"name": "What the trees say"}, centre]


def short_fan(forecast: Forecast, zone: str = UTC) -> list[Trace]:
    """The minute forecast: so short that one band and its centre are all that can be seen."""
    shade = f"rgba({SHORT_FAN}, 0.35)"
    band = _band(forecast, forecast.low_90, forecast.high_90, shade, zone)
    name = {"name": f"In {forecast.horizon.minutes} min, 9 in 10", "showlegend": False}
    return [band | name, _centre(forecast, forecast.price, SHORT_FAN, zone)]


def ghosts(
    past: pd.DataFrame, horizon: Horizon, since: pd.Timestamp, zone: str = UTC
) -> list[Trace]:
    """What was said of each time that has come since, one horizon before it.

    Parameters
    ----------
    past : pandas.DataFrame
        Settled forecasts, as `marketpulse.forecast.settle` returns.
    horizon : Horizon
        Of all of them.
    since : pandas.Timestamp
        The first target time to draw.
    zone : str
        Of the times to draw at.
    """
    drawn = past[past.index >= since - horizon.span]
    if drawn.empty:
        return []
    times = local_times(pd.DatetimeIndex(drawn.index), zone) + horizon.span
    looks = {"type": "scatter", "x": times, "mode": "lines", "hoverinfo": "skip"}
    looks |= {"legendgroup": "ghosts", "name": f"Said {horizon.minutes} min before"}
    low, high = (drawn["close"] * np.exp(drawn[name]) for name in ("low_90", "high_90"))
    quiet = {"line": {"width": 0}, "showlegend": False}
    shade = {"fill": "tonexty", "fillcolor": f"rgba({FAN}, {GHOST_BAND})"}
    said = {"line": {"color": f"rgba({FAN}, {GHOST_LINE})", "width": 1.5}, "hoverinfo": "all"}
    return [
        looks | quiet | {"y": low},
        looks | quiet | shade | {"y": high},
        looks | said | {"y": drawn["price"]},
    ]


def _fan_times(forecast: Forecast, zone: str) -> tuple[list[pd.Timestamp], np.ndarray]:
    """Times from ``as_of`` to the target, and how far the band has opened by each: sqrt of time."""
    share = np.linspace(0.0, 1.0, FAN_POINTS)
    start = local_times(forecast.as_of, zone)
    return [start + forecast.horizon.span * float(part) for part in share], np.sqrt(share)


def _band(forecast: Forecast, low: float, high: float, colour: str, zone: str) -> Trace:
    """A filled band from the last price to its ends at the target time."""
    (times, opened), last = _fan_times(forecast, zone), forecast.last_price
    upper, lower = last + (high - last) * opened, last + (low - last) * opened
    ends = {"x": [*times, *times[::-1]], "y": [*upper, *lower[::-1]]}
    look = {"fill": "toself", "fillcolor": colour, "line": {"width": 0}, "hoverinfo": "skip"}
    return {"type": "scatter", "mode": "lines", **ends, **look}


def _centre(forecast: Forecast, price: float, rgb: str, zone: str) -> Trace:
    """A line from the last price to the one forecast, which ends in a dot at its target time."""
    start, target = (local_times(each, zone) for each in (forecast.as_of, forecast.target_time))
    return {
        "type": "scatter",
        "x": [start, target],
        "y": [forecast.last_price, price],
        "mode": "lines+markers",
        "line": {"color": f"rgb({rgb})", "width": 2},
        "marker": {"size": [0, 8], "color": f"rgb({rgb})", "opacity": 1},
        "name": f"In {forecast.horizon.minutes} min: {price_text(price)} at {target:%H:%M}",
    }
