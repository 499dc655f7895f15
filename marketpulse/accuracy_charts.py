"""The Accuracy page's figures. Data in, Plotly figure out; nothing changes what it is given."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from marketpulse.bands import BANDS
from marketpulse.charts import (
    DOWN,
    LEGEND,
    NEUTRAL,
    UP,
    outcome_mark,
    price_chart,
    tick_format,
    time_axis,
)
from marketpulse.fans import FAN, Trace
from marketpulse.forecast import Forecast
from marketpulse.horizons import ONE_MINUTE, Horizon
from marketpulse.zones import UTC, local_times

TREES = f"rgb({FAN})"
LOW, TALL = 300, 420
# Two charts above each other: the share of the height that each has.
ABOVE, BELOW = [0.46, 1.0], [0.0, 0.36]
FEATURES_SHOWN = 12
# How much of what came after the target time is drawn, at least.
LOOK_BEHIND = pd.Timedelta(minutes=10)


def _figure(traces: list[Trace], height: int, axes: Mapping[str, Any], **more: Any) -> go.Figure:
    """A figure made in one go: Plotly checks all of it again with every later addition."""
    margin = {"l": 0, "r": 0, "t": 28, "b": 0}
    room = {name: {"automargin": True, **axis} for name, axis in axes.items()}
    layout = {"height": height, "margin": margin, "legend": LEGEND, **room, **more}
    return go.Figure({"data": traces, "layout": layout})


def _lines(x: Any, y: Any, name: str, colour: str, **more: Any) -> Trace:
    line = {"color": colour, "width": 2, **more.pop("line", {})}
    return {"type": "scatter", "mode": "lines", "x": x, "y": y, "name": name, "line": line, **more}


def _ribbon(x: Any, low: Any, high: Any, name: str, shade: str, **more: Any) -> list[Trace]:
    """The area between two lines, as one entry of the legend."""
    quiet = {"line": {"width": 0}, "hoverinfo": "skip", "legendgroup": name, **more}
    upper = _lines(x, high, name, shade, **quiet, showlegend=False)
    return [upper, _lines(x, low, name, shade, **quiet, fill="tonexty", fillcolor=shade)]


def _level(y: float, yref: str = "y") -> Trace:
    """A line across the chart to measure the others by."""
    line = {"color": NEUTRAL, "width": 1, "dash": "dash"}
    ends = {"xref": "paper", "x0": 0, "x1": 1, "yref": yref, "y0": y, "y1": y}
    return {"type": "line", "line": line, "layer": "below", **ends}


def _due(table: pd.DataFrame, horizon: Horizon, zone: str) -> pd.DatetimeIndex:
    return local_times(pd.DatetimeIndex(table.index) + horizon.span, zone)


def accuracy_chart(settled: pd.DataFrame, horizon: Horizon, zone: str = UTC) -> go.Figure:
    """What was forecast for each time, with both bands, against what came.

    Parameters
    ----------
    settled : pandas.DataFrame
        As `marketpulse.forecast.settle` returns; not empty.
    horizon : Horizon
    zone : str
        IANA name of the time zone to draw times in.
    """
    times, close = _due(settled, horizon, zone), settled["close"]
    ends = {name: close * np.exp(settled[name]) for name in BANDS}
    outside = ~settled["actual"].between(settled["low_90"], settled["high_90"])
    dots = {"mode": "markers", "marker": {"color": DOWN, "size": 6}, "line": {}}
    missed = settled.loc[outside, "actual_price"]
    traces = [
        *_ribbon(times, ends["low_90"], ends["high_90"], "9-in-10 band", f"rgba({FAN}, 0.14)"),
        *_ribbon(times, ends["low_50"], ends["high_50"], "1-in-2 band", f"rgba({FAN}, 0.22)"),
        _lines(
            times, settled["raw_price"], "What the trees said", TREES,
            line={"width": 1.2, "dash": "dot"},
        ),
        _lines(times, settled["actual_price"], "What came", NEUTRAL, line={"width": 1.6}),
        _lines(times[outside.to_numpy()], missed, "Outside the band", DOWN, **dots),
    ]  # fmt: skip
    prices = {"side": "right", "tickformat": tick_format(settled["actual_price"])}
    axes = {"yaxis": prices, "xaxis": time_axis(settled.index, zone)}
    return _figure(traces, TALL, axes, hovermode="x", uirevision="accuracy")


def error_chart(table: pd.DataFrame, horizon: Horizon, zone: str = UTC) -> go.Figure:
    """Mean absolute error against naive, and the skill that it makes.

    Parameters
    ----------
    table : pandas.DataFrame
        As `marketpulse.breakdown.over_time` returns.
    horizon : Horizon
    zone : str
        IANA name of the time zone to draw times in.
    """
    x = _due(table, horizon, zone)
    looks: tuple[tuple[str, str, str, str, Trace], ...] = (
        ("No change", "naive_mae_bps", "", NEUTRAL, {"width": 4}),
        ("Forecast", "mae_bps", "skill", UP, {}),
        ("Trees alone", "raw_mae_bps", "raw_skill", TREES, {"width": 1.5, "dash": "dot"}),
    )
    traces = []
    for name, error, skill, colour, line in looks:
        bps = {"hovertemplate": "%{y:.2f} bps"}
        traces.append(_lines(x, table[error], name, colour, line=line, **bps))
        if skill:
            below = {"yaxis": "y2", "showlegend": False, "hovertemplate": "skill %{y:+.2f} %"}
            traces.append(_lines(x, table[skill] * 100, name, colour, line=line, **below))
    axes = {
        "xaxis": {"anchor": "y2", **time_axis(table.index, zone)},
        "yaxis": {"domain": ABOVE, "side": "right", "title": "MAE (bps)", "tickformat": ".2~f"},
        "yaxis2": {"domain": BELOW, "side": "right", "title": "Skill (%)", "tickformat": "+.2~f"},
    }
    return _figure(traces, TALL, axes, shapes=[_level(0, "y2")], hovermode="x")


def coverage_chart(table: pd.DataFrame, horizon: Horizon, zone: str = UTC) -> go.Figure:
    """How often each band held, with what chance alone may do to that.

    Parameters
    ----------
    table : pandas.DataFrame
        As `marketpulse.breakdown.over_time` returns.
    horizon : Horizon
    zone : str
        IANA name of the time zone to draw times in.
    """
    x, traces = _due(table, horizon, zone), []
    low, high = (table[f"coverage_90_{end}"] * 100 for end in ("low", "high"))
    traces += _ribbon(x, low, high, "9-in-10 band, 95 % interval", "rgba(47, 125, 225, 0.14)")
    for odds, name, colour in ((90, "9-in-10 band", UP), (50, "1-in-2 band", TREES)):
        held = table[f"coverage_{odds}"] * 100
        traces.append(_lines(x, held, name, colour, hovertemplate="%{y:.1f} %"))
    share = {"side": "right", "title": "Held (%)", "range": [0, 102]}
    shapes = [_level(90), _level(50)]
    axes = {"yaxis": share, "xaxis": time_axis(table.index, zone)}
    return _figure(traces, LOW, axes, shapes=shapes, hovermode="x")


def reliability_chart(table: pd.DataFrame, *_: object) -> go.Figure:
    """What should lie below each end of the bands, against what did.

    Parameters
    ----------
    table : pandas.DataFrame
        As `marketpulse.breakdown.reliability` returns.
    """
    share = {name: table[name] * 100 for name in ("nominal", "observed", "low", "high")}
    spread = {
        "type": "data",
        "symmetric": False,
        "array": share["high"] - share["observed"],
        "arrayminus": share["observed"] - share["low"],
    }
    observed = {
        "mode": "markers",
        "marker": {"size": 10, "color": UP},
        "error_y": {**spread, "color": UP, "thickness": 1.5, "width": 5},
        "hovertemplate": "%{y:.1f} % lay below,<br>%{x:.0f} % should<extra></extra>",
    }
    perfect = {"line": {"width": 1.5, "dash": "dash"}, "hoverinfo": "skip"}
    traces = [
        _lines([0, 100], [0, 100], "As it should be", NEUTRAL, **perfect),
        _lines(share["nominal"], share["observed"], "As it was, ±95 %", UP, **observed),
    ]
    axes = {
        "xaxis": {"title": "Should lie below (%)", "range": [0, 100], "dtick": 25},
        "yaxis": {"title": "Did lie below (%)", "range": [-2, 102], "dtick": 25},
    }
    return _figure(traces, 340, axes)


def histogram_chart(table: pd.DataFrame, *_: object) -> go.Figure:
    """How errors of the forecast and of naive are spread.

    Parameters
    ----------
    table : pandas.DataFrame
        As `marketpulse.breakdown.error_histogram` returns.
    """
    middle = (table["from_bps"] + table["to_bps"]) / 2
    bars = {"type": "bar", "x": middle, "y": table["forecast"], "name": "Forecast"}
    hover = {"hovertemplate": "%{y} near %{x:+.1f} bps"}
    traces = [
        {**bars, "marker": {"color": UP, "opacity": 0.55}, **hover},
        _lines(middle, table["naive"], "No change", NEUTRAL, line={"shape": "hvh"}, **hover),
    ]
    axes = {
        "xaxis": {"title": "Forecast less actual (bps)"},
        "yaxis": {"title": "Forecasts", "rangemode": "tozero"},
    }
    return _figure(traces, 340, axes, bargap=0.04)


def _groups(table: pd.DataFrame, labels: list[str], title: str) -> go.Figure:
    """Skill of each group above, how often its band held below."""
    traces = []
    for prefix, name, colour, symbol in (
        ("", "Forecast", UP, "circle"),
        ("raw_", "Trees alone", TREES, "diamond-open"),
    ):
        skill, low, high = (table[f"{prefix}skill{end}"] * 100 for end in ("", "_low", "_high"))
        spread = {"array": high - skill, "arrayminus": skill - low}
        dots = {
            "mode": "markers",
            "marker": {"size": 9, "symbol": symbol, "color": colour},
            "error_y": {"type": "data", "symmetric": False, "thickness": 1.5, "width": 4, **spread},
            "hovertemplate": "skill %{y:+.2f} %",
        }
        traces.append(_lines(labels, skill, name, colour, **dots))
    held = {"x": labels, "y": table["coverage_90"] * 100, "customdata": table["n"]}
    look = {"marker": {"color": NEUTRAL, "opacity": 0.55}, "yaxis": "y2", "showlegend": False}
    hover = {"hovertemplate": "held %{y:.1f} % of %{customdata}", "name": "9-in-10 band"}
    traces.append({"type": "bar", **held, **look, **hover})
    axes = {
        "xaxis": {"anchor": "y2", "title": title, "type": "category"},
        "yaxis": {"domain": ABOVE, "title": "Skill (%)", "tickformat": "+.2~f"},
        "yaxis2": {"domain": BELOW, "title": "Held (%)", "range": [0, 105], "dtick": 50},
    }
    shapes = [_level(0), _level(90, "y2")]
    return _figure(traces, 380, axes, shapes=shapes, hovermode="x", bargap=0.5)


def volatility_chart(table: pd.DataFrame, *_: object) -> go.Figure:
    """Skill and coverage in calm, middling and wild markets, by `marketpulse.breakdown`."""
    sizes = zip(table.index, table["volatility_bps"], strict=True)
    labels = [f"{name}, {bps:.1f} bps" for name, bps in sizes]
    return _groups(table, labels, "Volatility when it was said")


def hour_chart(table: pd.DataFrame, _: Horizon, zone: str = UTC) -> go.Figure:
    """Skill and coverage by the hour of the zone's day, by `marketpulse.breakdown`."""
    title = f"Hour when it was said ({zone})"
    return _groups(table, [f"{hour:02d}" for hour in table.index], title)


def importance_chart(table: pd.DataFrame, *_: object) -> go.Figure:
    """What each feature is worth to the centre and to the spread.

    Parameters
    ----------
    table : pandas.DataFrame
        As `marketpulse.importance.importance` returns; the first `FEATURES_SHOWN` are drawn.
    """
    shown = table.head(FEATURES_SHOWN).iloc[::-1]
    names = [str(name).replace("_", " ") for name in shown.index]
    traces = []
    for part, name, colour, axis in (
        ("centre", "Where to: the centre", UP, "x"),
        ("spread", "How far: the band", TREES, "x2"),
    ):
        look = {"orientation": "h", "marker": {"color": colour}, "xaxis": axis, "name": name}
        hover = {"hovertemplate": "%{y}: %{x:+.2f} %<extra></extra>"}
        traces.append({"type": "bar", "x": shown[part] * 100, "y": names, **look, **hover})
    grown = "Error grows by (%)"
    axes = {
        "xaxis": {"domain": [0, 0.48], "title": grown, "zeroline": True},
        "xaxis2": {"domain": [0.52, 1], "title": grown, "zeroline": True, "anchor": "y"},
        "yaxis": {"tickmode": "linear"},
    }
    return _figure(traces, 90 + 26 * len(shown), axes, bargap=0.25)


def hindsight_chart(
    candles: pd.DataFrame, forecast: Forecast, outcome: float | None, zone: str = UTC
) -> go.Figure:
    """What was known and said when a forecast was made, and behind a line what came.

    Parameters
    ----------
    candles : pandas.DataFrame
        One-minute candles; those that closed after the forecast are drawn faint.
    forecast : Forecast
    outcome : float or None
        The price that came at its target time (quote currency), if it is known.
    zone : str
        IANA name of the time zone to draw times in.
    """
    closed = pd.DatetimeIndex(candles.index) + ONE_MINUTE
    known = candles[closed <= forecast.as_of]
    until = forecast.target_time + max(LOOK_BEHIND, forecast.horizon.span / 3)
    came = candles[(closed > forecast.as_of) & (closed <= until)]
    minute = forecast if forecast.horizon.label == "minute" else None
    long = forecast if minute is None else None
    figure = price_chart(known, minute, long, came=came, zone=zone)
    return figure if outcome is None else figure.add_trace(outcome_mark(forecast, outcome, zone))


# Each figure by its name: the table of `marketpulse.tables` that it shows, and how.
CHARTS: Mapping[str, tuple[str, Callable[[pd.DataFrame, Horizon, str], go.Figure]]] = {
    "forecasts": ("settled", accuracy_chart),
    "errors": ("over_time", error_chart),
    "coverage": ("over_time", coverage_chart),
    "reliability": ("reliability", reliability_chart),
    "histogram": ("errors", histogram_chart),
    "volatility": ("by_volatility", volatility_chart),
    "hours": ("by_hour", hour_chart),
    "importance": ("importance", importance_chart),
}
