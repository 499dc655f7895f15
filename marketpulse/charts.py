"""Data in, Plotly figure out. Nothing here changes what it is given."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from marketpulse.candles import WICK_WINDOW, wicks
from marketpulse.events import Fill, Origin, Side
from marketpulse.forecast import Forecast
from marketpulse.words import price_text

Trace = dict[str, Any]

# Blue and orange: told apart by every kind of colour vision, on light and on dark.
UP, DOWN = "#2f7de1", "#e0791b"
FAN = "122, 111, 240"
NEAR = "#1f9e89"
NEUTRAL = "#8492a6"
CANDLES_SHOWN = 120
FAN_POINTS = 12
# More of an equity curve than a screen has columns is weight without a picture.
POINTS = 2000
LEGEND: Trace = {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0}


def price_chart(
    candles: pd.DataFrame,
    minute: Forecast | None,
    long: Forecast | None,
    fills: Sequence[Fill] = (),
    came: pd.DataFrame | None = None,
) -> go.Figure:
    """Candles, both forecasts with their bands, and the fills of the visitor's book.

    Parameters
    ----------
    candles : pandas.DataFrame
        One-minute candles; the last `CANDLES_SHOWN` are drawn.
    minute, long : Forecast or None
    fills : sequence of Fill
    came : pandas.DataFrame, optional
        Candles that nobody knew when the forecasts were made: drawn faint, behind a line.
    """
    shown = candles.tail(CANDLES_SHOWN)
    in_view = [fill for fill in fills if len(shown) and fill.time >= shown.index[0]]
    layout = {
        "height": 560,
        "margin": {"l": 0, "r": 0, "t": 28, "b": 0},
        "xaxis": {"rangeslider": {"visible": False}, "title": None},
        "yaxis": {"side": "right", "title": None, "tickformat": tick_format(candles["close"])},
        "legend": LEGEND,
        "hovermode": "x",
        "uirevision": "price",
    }
    if came is not None:
        layout |= _said_here([each for each in (minute, long) if each is not None])
    traces = [
        _candlesticks(shown),
        *_odd_wicks(candles),
        *(_came(came) if came is not None else ()),
        *(_fan(long) if long is not None else ()),
        *(_whisker(minute) if minute is not None else ()),
        *_marks(in_view),
    ]
    # In one go: Plotly checks the whole figure again with every trace that is added to it.
    return go.Figure({"data": traces, "layout": layout})


def naive_utc(times: pd.DatetimeIndex) -> pd.DatetimeIndex:
    """The same UTC times without their zone, which Plotly draws five times faster."""
    return times.tz_localize(None)


def tick_format(prices: pd.Series) -> str:
    """Digits of a price axis, as `price_text` would print the last one."""
    text = price_text(float(prices.iloc[-1])) if len(prices) else "0"
    return f",.{len(text.partition('.')[2])}f"


def _candlesticks(candles: pd.DataFrame) -> Trace:
    return {
        "type": "candlestick",
        "x": naive_utc(pd.DatetimeIndex(candles.index)),
        **{name: candles[name] for name in ("open", "high", "low", "close")},
        "increasing": {"line": {"color": UP, "width": 1}, "fillcolor": UP},
        "decreasing": {"line": {"color": DOWN, "width": 1}, "fillcolor": DOWN},
        "name": "Price",
        "showlegend": False,
    }


def _odd_wicks(candles: pd.DataFrame) -> list[Trace]:
    """A mark at the end of every wick in view that forecasts ignore."""
    known = candles.tail(CANDLES_SHOWN + WICK_WINDOW)
    odd = known[wicks(known)].loc[candles.index[-CANDLES_SHOWN:].min() :]
    if odd.empty:
        return []
    body = odd[["open", "close"]]
    above = odd["high"] - body.max(axis=1) >= body.min(axis=1) - odd["low"]
    return [
        {
            "type": "scatter",
            "x": naive_utc(pd.DatetimeIndex(odd.index)),
            "y": odd["high"].where(above, odd["low"]),
            "mode": "markers",
            "marker": {"symbol": "triangle-down-open", "size": 9, "color": NEUTRAL},
            "name": "Unusual wick",
        }
    ]


def _came(candles: pd.DataFrame) -> list[Trace]:
    """What nobody knew yet: faint, all in one colour, and with a name in the legend."""
    if candles.empty:
        return []
    colour = {"line": {"color": NEUTRAL, "width": 1}, "fillcolor": NEUTRAL}
    looks = {"name": "What came", "showlegend": True, "opacity": 0.55}
    return [_candlesticks(candles) | {"increasing": colour, "decreasing": colour} | looks]


def outcome_mark(forecast: Forecast, price: float) -> Trace:
    """The price that came at the target time: inside the 90 % band, or outside it."""
    held = forecast.low_90 <= price <= forecast.high_90
    where = "inside" if held else "outside"
    border = {"width": 1.5, "color": "white"}
    return {
        "type": "scatter",
        "x": [forecast.target_time.tz_localize(None)],
        "y": [price],
        "mode": "markers",
        "marker": {"symbol": "diamond", "size": 12, "color": UP if held else DOWN, "line": border},
        "name": f"It came to {price_text(price)}, {where}",
    }


def _said_here(forecasts: Sequence[Forecast]) -> Trace:
    """A line between what was known when the forecasts were made and what came after."""
    ends = {"yref": "paper", "y0": 0, "y1": 1}
    look = {"line": {"color": NEUTRAL, "width": 1, "dash": "dash"}}
    times = [each.as_of.tz_localize(None) for each in forecasts]
    shapes = [{"type": "line", "x0": time, "x1": time, **ends, **look} for time in times]
    return {"shapes": shapes}


def _fan_times(forecast: Forecast) -> tuple[list[pd.Timestamp], np.ndarray]:
    """Times from ``as_of`` to the target, and how far the band has opened by each: sqrt of time."""
    share = np.linspace(0.0, 1.0, FAN_POINTS)
    start = forecast.as_of.tz_localize(None)
    return [start + forecast.horizon.span * float(part) for part in share], np.sqrt(share)


def _fan(forecast: Forecast) -> list[Trace]:
    """The long forecast: two bands opening with time, the trusted centre and the trees' own."""
    times, opened = _fan_times(forecast)
    last, label = forecast.last_price, f"In {forecast.horizon.minutes} min"
    traces: list[Trace] = []
    for low, high, shade, odds in (
        (forecast.low_90, forecast.high_90, 0.16, "9 in 10"),
        (forecast.low_50, forecast.high_50, 0.28, "1 in 2"),
    ):
        upper, lower = last + (high - last) * opened, last + (low - last) * opened
        band = {"fill": "toself", "fillcolor": f"rgba({FAN}, {shade})", "line": {"width": 0}}
        name = {"hoverinfo": "skip", "name": f"{label}, {odds}"}
        ends = {"x": [*times, *times[::-1]], "y": [*upper, *lower[::-1]]}
        traces.append({"type": "scatter", **ends, **band, **name})
    for price, name_of, style in (
        (forecast.price, f"{label}: {price_text(forecast.price)}", {"width": 2}),
        (forecast.raw_price, "What the trees say", {"width": 1.5, "dash": "dot"}),
    ):
        line = {"mode": "lines", "line": {"color": f"rgb({FAN})", **style}, "name": name_of}
        traces.append({"type": "scatter", "x": [times[0], times[-1]], "y": [last, price], **line})
    return traces


def _whisker(forecast: Forecast) -> list[Trace]:
    """The minute forecast: its centre and its 90 % band at the target time."""
    band = {
        "type": "data",
        "symmetric": False,
        "array": [forecast.high_90 - forecast.price],
        "arrayminus": [forecast.price - forecast.low_90],
        "color": NEAR,
        "thickness": 2,
        "width": 4,
    }
    return [
        {
            "type": "scatter",
            "x": [forecast.target_time.tz_localize(None)],
            "y": [forecast.price],
            "error_y": band,
            "mode": "markers",
            "marker": {"color": NEAR, "size": 7},
            "name": f"In {forecast.horizon.minutes} min: {price_text(forecast.price)}",
        }
    ]


def _marks(fills: Sequence[Fill]) -> list[Trace]:
    """The book's fills, one trace for each side and origin; the auto-pilot's are hollow."""
    looks = ((Side.BUY, "triangle-up", UP), (Side.SELL, "triangle-down", DOWN))
    whose: tuple[tuple[Origin, str, str], ...] = (
        ("manual", "Your", ""),
        ("auto-pilot", "Auto-pilot", "-open"),
    )
    return [
        _mark(part, f"{name} {side}s", symbol + hollow, colour)
        for origin, name, hollow in whose
        for side, symbol, colour in looks
        if (part := [fill for fill in fills if (fill.side, fill.origin) == (side, origin)])
    ]


def _mark(fills: Sequence[Fill], name: str, symbol: str, colour: str) -> Trace:
    hollow = symbol.endswith("-open")
    line = {"width": 3, "color": colour} if hollow else {"width": 1.5, "color": "white"}
    said = [f"{fill.quantity.normalize():f} {fill.symbol.partition('/')[0]}" for fill in fills]
    return {
        "type": "scatter",
        "x": [fill.time.tz_convert("UTC").tz_localize(None) for fill in fills],
        "y": [float(fill.price) for fill in fills],
        "mode": "markers",
        "marker": {"symbol": symbol, "size": 15, "color": colour, "line": line},
        "customdata": said,
        "hovertemplate": "%{customdata} at %{y}",
        "name": name,
    }


def equity_chart(curve: pd.DataFrame, *, height: int = 220) -> go.Figure:
    """Mark-to-market equity beside buying and holding the same money, and its drawdown below.

    Parameters
    ----------
    curve : pandas.DataFrame
        As `marketpulse.curves.equity_curve` returns; of a long one the worst bars are drawn.
    height : int
        Pixels.
    """
    shown = _thinned(curve)
    x = naive_utc(pd.DatetimeIndex(shown.index))
    line = {"type": "scatter", "mode": "lines", "x": x}
    beside = {"color": NEUTRAL, "width": 1.5, "dash": "dash"}
    below = {"color": DOWN, "width": 1}
    money, percent = "%{y:,.2f}", "%{y:.2f} %"
    traces: list[Trace] = [
        {**line, "y": shown["hold"], "name": "Buy and hold", "line": beside},
        {**line, "y": shown["equity"], "name": "Equity", "line": {"color": UP, "width": 2}},
        {**line, "y": shown["drawdown"] * 100, "name": "Drawdown", "line": below}
        | {"fill": "tozeroy", "yaxis": "y2", "hovertemplate": percent},
    ]
    traces = [{"hovertemplate": money, **trace} for trace in traces]
    layout = {
        "height": height,
        "margin": {"l": 0, "r": 0, "t": 24, "b": 0},
        "xaxis": {"anchor": "y2"},
        "yaxis": {"domain": [0.34, 1], "side": "right", "tickformat": ",.2~f"},
        "yaxis2": {
            "domain": [0, 0.24],
            "side": "right",
            "ticksuffix": " %",
            "rangemode": "tozero",
            "nticks": 3,
        },
        "legend": LEGEND,
        "hovermode": "x unified",
        "uirevision": "equity",
    }
    return go.Figure({"data": traces, "layout": layout})


def _thinned(curve: pd.DataFrame) -> pd.DataFrame:
    """At most some `POINTS` rows: the first, the last and the deepest drawdown of each stretch."""
    count = len(curve)
    if count <= POINTS:
        return curve
    stretch = np.arange(count) * POINTS // count
    starts = np.searchsorted(stretch, np.arange(POINTS))
    depth = curve["drawdown"].to_numpy()
    worst = [
        start + int(np.argmin(depth[start:end]))
        for start, end in zip(starts, [*starts[1:], count], strict=True)
    ]
    return curve.iloc[np.unique([0, *worst, count - 1])]
