"""The Backtest page's figures. Data in, Plotly figure out; nothing changes what it is given."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from marketpulse.charts import DOWN, LEGEND, NEUTRAL, UP, time_axis
from marketpulse.fans import Trace
from marketpulse.placebo import Fan, RandomEntries
from marketpulse.sweep import Cell, ThresholdMap
from marketpulse.terms import Centre
from marketpulse.zones import UTC, local_times

TALL = 340
# Orange loses and blue wins, which every kind of colour vision tells apart; grey is nothing.
SCALE = [[0.0, DOWN], [0.5, "#d5dbe3"], [1.0, UP]]
SHADES = ("rgba(132, 146, 166, 0.20)", "rgba(132, 146, 166, 0.32)")


def fan_chart(fan: Fan, entries: RandomEntries, zone: str = UTC) -> go.Figure:
    """Equity of the rule inside that of its placebos: half of them, and nine in ten.

    An outline holds nine in ten of the entries at random.
    """
    times = local_times(fan.times, zone)
    low_90, low_50, middle, high_50, high_90 = fan.bands
    low_random, high_random = entries.outline
    dashed = {"color": NEUTRAL, "width": 1.5, "dash": "dash"}
    dotted = {**dashed, "dash": "dot"}
    traces = [
        *_ribbon(times, low_90, high_90, "9 in 10 placebos", SHADES[0]),
        *_ribbon(times, low_50, high_50, "Half of them", SHADES[1]),
        *_edges(times, low_random, high_random, "9 in 10 entries at random", dotted),
        _line(times, middle, "Median placebo", dashed),
        _line(times, fan.real, "The rule", {"color": UP, "width": 2.5}),
    ]
    money = {"side": "right", "tickformat": ",.2~f", "automargin": True}
    layout = {"height": TALL, "margin": {"l": 0, "r": 0, "t": 28, "b": 0}, "legend": LEGEND}
    axes = {"xaxis": time_axis(fan.times, zone), "yaxis": money}
    more = {**axes, "hovermode": "x unified", "uirevision": "fan"}
    return go.Figure({"data": traces, "layout": layout | more})


def _line(times: pd.DatetimeIndex, worth: np.ndarray, name: str, line: Trace) -> Trace:
    shown = {"hovertemplate": "%{y:,.2f}", "name": name, "line": line}
    return {"type": "scatter", "mode": "lines", "x": times, "y": worth, **shown}


def _ribbon(
    times: pd.DatetimeIndex, low: np.ndarray, high: np.ndarray, name: str, shade: str
) -> list[Trace]:
    """The area between two lines, as one entry of the legend."""
    upper, lower = _edges(times, low, high, name, {"width": 0})
    return [upper, {**lower, "fill": "tonexty", "fillcolor": shade}]


def _edges(
    times: pd.DatetimeIndex, low: np.ndarray, high: np.ndarray, name: str, line: Trace
) -> list[Trace]:
    """The upper and the lower line, as one entry of the legend."""
    quiet = {"hoverinfo": "skip", "hovertemplate": None, "legendgroup": name}
    upper, lower = ({**_line(times, worth, name, line), **quiet} for worth in (high, low))
    return [{**upper, "showlegend": False}, lower]


def map_chart(made: ThresholdMap, centre: Centre, chosen: tuple[float, float]) -> go.Figure:
    """Net return of every pair of thresholds as a colour, with its number of trades.

    Parameters
    ----------
    made : ThresholdMap
    centre : {"trusted", "raw"}
        Whose cells are drawn.
    chosen : tuple of float
        Multiplier and margin (bps) of the sliders, which get a ring.

    Returns
    -------
    plotly.graph_objects.Figure
        The last trace has a point for every cell in the order of `cells_of`: a heat map alone
        cannot be clicked.
    """
    cells = cells_of(made, centre)
    most = max((abs(cell.net_return) for cell in cells), default=0.0) * 100
    x = [cell.margin_bps for cell in cells]
    y = [cell.mae_multiplier for cell in cells]
    heat = {
        "type": "heatmap",
        "x": x,
        "y": y,
        "z": [cell.net_return * 100 for cell in cells],
        "zmin": -most or -1,
        "zmax": most or 1,
        "colorscale": SCALE,
        "xgap": 1,
        "ygap": 1,
        "text": [str(cell.trades) for cell in cells],
        "texttemplate": "%{text}",
        "hoverinfo": "skip",
        "colorbar": {"title": {"text": "Net %"}, "thickness": 10, "tickformat": "+.2~f"},
    }
    sliders = {
        "type": "scatter",
        "mode": "markers",
        "x": [chosen[1]],
        "y": [chosen[0]],
        "marker": {"symbol": "circle-open", "size": 20, "color": NEUTRAL, "line": {"width": 3}},
        "hoverinfo": "skip",
        "name": "Sliders",
    }
    layout = {
        "height": 520,
        "margin": {"l": 0, "r": 0, "t": 8, "b": 0},
        "xaxis": {"title": "Profit margin (bps)", **_axis(x)},
        "yaxis": {"title": "× MAE", **_axis(y)},
        "showlegend": False,
        "hovermode": "closest",
        "clickmode": "event+select",
        "dragmode": False,
        "uirevision": f"map-{centre}",
    }
    return go.Figure({"data": [heat, sliders, _targets(cells, x, y)], "layout": layout})


def _axis(values: list[float]) -> Trace:
    """An axis that ends where the outer cells do."""
    look = {"automargin": True, "showgrid": False, "zeroline": False}
    places = sorted(set(values))
    if len(places) < 2:
        return look
    half = (places[1] - places[0]) / 2
    return {**look, "range": [places[0] - half, places[-1] + half]}


def _targets(cells: list[Cell], x: list[float], y: list[float]) -> Trace:
    """What takes the clicks: nothing is to be seen of it, before and after."""
    unseen = {"marker": {"opacity": 0}}
    said = "%{y:g} × MAE, margin %{x:+g} bps<br>%{customdata[1]:+.2f} %, %{customdata[0]} trades"
    return {
        "type": "scatter",
        "mode": "markers",
        "x": x,
        "y": y,
        "name": "Cells",
        "marker": {"symbol": "square", "size": 18, "opacity": 0},
        "selected": unseen,
        "unselected": unseen,
        "customdata": [[cell.trades, cell.net_return * 100] for cell in cells],
        "hovertemplate": f"{said}<extra></extra>",
    }


def cells_of(made: ThresholdMap, centre: Centre) -> list[Cell]:
    """The cells of one centre, in the order of the map."""
    return [cell for cell in made.cells if cell.centre == centre]
