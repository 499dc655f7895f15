"""Data in, Plotly figure out. Nothing here changes what it is given."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from marketpulse.candles import WICK_WINDOW, wicks
from marketpulse.events import Fill, Origin, Side
from marketpulse.fans import Trace, fan, ghosts, short_fan
from marketpulse.forecast import Forecast
from marketpulse.words import price_text
from marketpulse.zones import UTC, local_times, time_text, zone_name

# Blue and orange: told apart by every kind of colour vision, on light and on dark.
UP, DOWN = "#2f7de1", "#e0791b"
NEUTRAL = "#8492a6"
CANDLES_SHOWN = 120
# More of an equity curve than a screen has columns is weight without a picture.
POINTS = 2000
EQUITY_ALT = "Equity over time beside buying and holding the same money; its drawdown below."
LEGEND: Trace = {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0}


def price_chart(
    candles: pd.DataFrame,
    minute: Forecast | None,
    long: Forecast | None,
    fills: Sequence[Fill] = (),
    came: pd.DataFrame | None = None,
    *,
    past: pd.DataFrame | None = None,
    zone: str = UTC,
) -> go.Figure:
    """Candles, both forecasts with their bands, earlier forecasts, and the fills of the book.

    Parameters
    ----------
    candles : pandas.DataFrame
        One-minute candles; the last `CANDLES_SHOWN` are drawn.
    minute, long : Forecast or None
    fills : sequence of Fill
    came : pandas.DataFrame, optional
        Candles that nobody knew when the forecasts were made: drawn faint, behind a line.
    past : pandas.DataFrame, optional
        Settled forecasts of the long horizon, to be drawn faint behind what came.
    zone : str
        IANA name of the time zone to draw times in.
    """
    shown = candles.tail(CANDLES_SHOWN)
    in_view = [fill for fill in fills if len(shown) and fill.time >= shown.index[0]]
    layout = {
        "height": 560,
        "margin": {"l": 0, "r": 0, "t": 28, "b": 0},
        "xaxis": {**time_axis(candles.index, zone), "rangeslider": {"visible": False}},
        "yaxis": {"side": "right", "title": None, "tickformat": tick_format(candles["close"])},
        "legend": LEGEND,
        "hovermode": "x",
        "uirevision": "price",
    }
    if came is not None:
        layout |= _said_here([each for each in (minute, long) if each is not None], zone)
    traces = [
        *_before(past, long, shown, zone),
        _candlesticks(shown, zone),
        *_odd_wicks(candles, zone),
        *(_came(came, zone) if came is not None else ()),
        *(fan(long, zone) if long is not None else ()),
        *(short_fan(minute, zone) if minute is not None else ()),
        *_marks(in_view, zone),
    ]
    # In one go: Plotly checks the whole figure again with every trace that is added to it.
    return go.Figure({"data": traces, "layout": layout})


def price_alt(candles: pd.DataFrame, forecasts: Sequence[Forecast | None], zone: str = UTC) -> str:
    """What `price_chart` shows, in words.

    Parameters
    ----------
    candles : pandas.DataFrame
    forecasts : sequence of Forecast or None
    zone : str
        IANA name of the time zone to tell times in.
    """
    shown = candles.tail(CANDLES_SHOWN)
    if shown.empty:
        return "A chart without candles yet."
    low, high, last = (
        price_text(float(price))
        for price in (shown["low"].min(), shown["high"].max(), shown["close"].iloc[-1])
    )
    said = [_said_in_words(each, zone) for each in forecasts if each is not None]
    return " ".join(
        (f"Candles of the last {len(shown)} minutes between {low} and {high}, last {last}.", *said)
    )


def _said_in_words(forecast: Forecast, zone: str) -> str:
    low, high = price_text(forecast.low_90), price_text(forecast.high_90)
    return (
        f"Forecast for {time_text(forecast.target_time, zone)}: {price_text(forecast.price)},"
        f" 9 in 10 between {low} and {high}."
    )


def _before(
    past: pd.DataFrame | None, long: Forecast | None, shown: pd.DataFrame, zone: str
) -> list[Trace]:
    if past is None or past.empty or long is None or shown.empty:
        return []
    return ghosts(past, long.horizon, shown.index[0], zone)


def time_axis(times: pd.Index, zone: str) -> Trace:
    """An axis of times as the clocks of the zone show them, which the last of them names."""
    name = zone_name(times[-1], zone) if len(times) else zone
    return {"title": None, "ticksuffix": f" {name}", "showticksuffix": "last"}


def tick_format(prices: pd.Series) -> str:
    """Digits of a price axis, as `price_text` would print the last one."""
    text = price_text(float(prices.iloc[-1])) if len(prices) else "0"
    return f",.{len(text.partition('.')[2])}f"


def _candlesticks(candles: pd.DataFrame, zone: str) -> Trace:
    return {
        "type": "candlestick",
        "x": local_times(pd.DatetimeIndex(candles.index), zone),
        **{name: candles[name] for name in ("open", "high", "low", "close")},
        "increasing": {"line": {"color": UP, "width": 1}, "fillcolor": UP},
        "decreasing": {"line": {"color": DOWN, "width": 1}, "fillcolor": DOWN},
        "name": "Price",
        "showlegend": False,
    }


def _odd_wicks(candles: pd.DataFrame, zone: str) -> list[Trace]:
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
            "x": local_times(pd.DatetimeIndex(odd.index), zone),
            "y": odd["high"].where(above, odd["low"]),
            "mode": "markers",
            "marker": {"symbol": "triangle-down-open", "size": 9, "color": NEUTRAL},
            "name": "Unusual wick",
        }
    ]


def _came(candles: pd.DataFrame, zone: str) -> list[Trace]:
    """What nobody knew yet: faint, all in one colour, and with a name in the legend."""
    if candles.empty:
        return []
    colour = {"line": {"color": NEUTRAL, "width": 1}, "fillcolor": NEUTRAL}
    looks = {"name": "What came", "showlegend": True, "opacity": 0.55}
    return [_candlesticks(candles, zone) | {"increasing": colour, "decreasing": colour} | looks]


def outcome_mark(forecast: Forecast, price: float, zone: str = UTC) -> Trace:
    """The price that came at the target time: inside the 90 % band, or outside it."""
    held = forecast.low_90 <= price <= forecast.high_90
    where = "inside" if held else "outside"
    border = {"width": 1.5, "color": "white"}
    return {
        "type": "scatter",
        "x": [local_times(forecast.target_time, zone)],
        "y": [price],
        "mode": "markers",
        "marker": {"symbol": "diamond", "size": 12, "color": UP if held else DOWN, "line": border},
        "name": f"It came to {price_text(price)}, {where}",
    }


def _said_here(forecasts: Sequence[Forecast], zone: str) -> Trace:
    """A line between what was known when the forecasts were made and what came after."""
    ends = {"yref": "paper", "y0": 0, "y1": 1}
    look = {"line": {"color": NEUTRAL, "width": 1, "dash": "dash"}}
    times = [local_times(each.as_of, zone) for each in forecasts]
    shapes = [{"type": "line", "x0": time, "x1": time, **ends, **look} for time in times]
    return {"shapes": shapes}


def _marks(fills: Sequence[Fill], zone: str) -> list[Trace]:
    """The book's fills, one trace for each side and origin; the auto-pilot's are hollow."""
    looks = ((Side.BUY, "triangle-up", UP), (Side.SELL, "triangle-down", DOWN))
    whose: tuple[tuple[Origin, str, str], ...] = (
        ("manual", "Your", ""),
        ("auto-pilot", "Auto-pilot", "-open"),
    )
    return [
        _mark(part, zone, f"{name} {side}s", symbol + hollow, colour)
        for origin, name, hollow in whose
        for side, symbol, colour in looks
        if (part := [fill for fill in fills if (fill.side, fill.origin) == (side, origin)])
    ]


def _mark(fills: Sequence[Fill], zone: str, name: str, symbol: str, colour: str) -> Trace:
    hollow = symbol.endswith("-open")
    line = {"width": 3, "color": colour} if hollow else {"width": 1.5, "color": "white"}
    said = [f"{fill.quantity.normalize():f} {fill.symbol.partition('/')[0]}" for fill in fills]
    return {
        "type": "scatter",
        "x": [local_times(fill.time, zone) for fill in fills],
        "y": [float(fill.price) for fill in fills],
        "mode": "markers",
        "marker": {"symbol": symbol, "size": 15, "color": colour, "line": line},
        "customdata": said,
        "hovertemplate": "%{customdata} at %{y}",
        "name": name,
    }


def equity_chart(curve: pd.DataFrame, *, height: int = 220, zone: str = UTC) -> go.Figure:
    """Mark-to-market equity beside buying and holding the same money, and its drawdown below.

    Parameters
    ----------
    curve : pandas.DataFrame
        As `marketpulse.curves.equity_curve` returns; of a long one the worst bars are drawn.
    height : int
        Pixels.
    zone : str
        IANA name of the time zone to draw times in.
    """
    shown = _thinned(curve)
    x = local_times(pd.DatetimeIndex(shown.index), zone)
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
        "xaxis": {"anchor": "y2", **time_axis(shown.index, zone)},
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
