"""Figures of a signal: what its sum is made of, and how far away it has been."""

from textwrap import wrap

import pandas as pd
import plotly.graph_objects as go

from marketpulse.charts import DOWN, NEUTRAL, UP, time_axis
from marketpulse.fans import Trace
from marketpulse.signals import Signal, blocker
from marketpulse.words import points_text
from marketpulse.zones import UTC, local_times

ROW, LINE = 30, 18
DISTANCE = "distance"


def meter_content(signal: Signal) -> Trace:
    """The break-even meter: each term begins where the sum of those before it ended.

    The term at which the sum is used up is drawn in full colour and marked; at the bottom is what
    is left. The trade is on when that ends to the right of the line.

    Parameters
    ----------
    signal : Signal
        With at least one term.

    Returns
    -------
    dict
        ``data`` and ``layout`` of a figure, unchecked: Plotly takes longer to check them than a
        browser to draw them.
    """
    distance = signal.distance_bps or 0.0
    blocks = blocker(signal.terms) if distance <= 0 else None
    starts, running = [], 0.0
    for term in signal.terms:
        starts.append(running)
        running += term.bps
    sizes = [float(term.bps) for term in signal.terms] + [distance]
    names = [_name(term.label, marked=term is blocks) for term in signal.terms]
    faint = [0.55 if blocks is not None and term is not blocks else 1.0 for term in signal.terms]
    colours = [UP if size > 0 else DOWN for size in sizes[:-1]] + [NEUTRAL]
    bars = {
        "type": "bar",
        "orientation": "h",
        "y": [*names, "Distance"],
        "x": sizes,
        "base": [*starts, 0.0],
        "marker": {"color": colours, "opacity": [*faint, 1.0]},
        "customdata": sizes,
        "hovertemplate": "%{y}: %{customdata:+.1f} bps<extra></extra>",
    }
    layout = {
        "height": 16 + ROW * len(sizes),
        "margin": {"l": 0, "r": 46, "t": 4, "b": 0},
        "annotations": [_number(row, size) for row, size in enumerate(sizes)],
        # Beside the price chart there is little room: the names of the terms need it most.
        "xaxis": {"showticklabels": False, "nticks": 4, "zeroline": False},
        "minreducedwidth": 50,
        "yaxis": {
            "autorange": "reversed",
            "automargin": True,
            "type": "category",
            "tickfont": {"size": 11},
        },
        "shapes": [_zero("x")],
        "bargap": 0.25,
        "showlegend": False,
        "dragmode": False,
    }
    return {"data": [bars], "layout": layout}


def meter_alt(signal: Signal) -> str:
    """What `meter_content` shows, in words."""
    terms = ", ".join(f"{term.label} {points_text(term.bps)}" for term in signal.terms)
    distance = points_text(signal.distance_bps or 0.0)
    return f"What the sum is made of, in basis points: {terms}; distance {distance}."


def _name(label: str, *, marked: bool) -> str:
    """What a row is called, in lines that are short enough for a narrow chart."""
    name = f"{label.capitalize()}\u00a0◀" if marked else label.capitalize()
    return "<br>".join(wrap(name, LINE))


def _number(row: int, bps: float) -> Trace:
    """The figure of a row, beside the bars: within them there is not always room."""
    place = {"xref": "paper", "x": 1, "xanchor": "left", "y": row, "showarrow": False}
    return {"text": points_text(bps), **place}


def history_chart(history: pd.DataFrame, zone: str = UTC) -> go.Figure:
    """How far each bar was from a purchase, with a mark where the rule fired.

    Parameters
    ----------
    history : pandas.DataFrame
        As `marketpulse.signals.history` returns; not empty.
    zone : str
        IANA name of the time zone to draw times in.
    """
    times = local_times(pd.DatetimeIndex(history.index), zone)
    fired = history["fired"].to_numpy(dtype="bool")
    line = {"type": "scatter", "x": times, "y": history[DISTANCE], "mode": "lines"}
    marks = {"type": "scatter", "x": times[fired], "y": history[DISTANCE][fired], "mode": "markers"}
    hover = {"hovertemplate": "%{y:+.1f} bps"}
    traces = [
        {**line, **hover, "name": "Distance", "line": {"color": NEUTRAL, "width": 1.5}},
        {**marks, **hover, "name": "Would buy", "marker": {"color": UP, "size": 7}},
    ]
    layout = {
        "height": 220,
        "margin": {"l": 0, "r": 0, "t": 4, "b": 0},
        "xaxis": time_axis(history.index, zone),
        "yaxis": {"side": "right", "ticksuffix": " bps", "rangemode": "tozero"},
        "shapes": [_zero("y")],
        "showlegend": False,
        "hovermode": "x",
        "uirevision": "signal",
    }
    return go.Figure({"data": traces, "layout": layout})


def history_line(history: pd.DataFrame) -> str:
    """How often the rule fired, as a sentence; empty if nothing is known."""
    bars, fired = len(history), int(history["fired"].sum()) if len(history) else 0
    if not bars:
        return ""
    nearest = float(history[DISTANCE].max())
    times = f"on {fired:,}" if fired else "on none"
    near = "" if fired or pd.isna(nearest) else f", the nearest {-nearest:.1f} bps short"
    return f"With nothing held it would have bought {times} of the last {bars:,} bars{near}."


def _zero(axis: str) -> Trace:
    """The line that the sum has to pass."""
    other = "y" if axis == "x" else "x"
    ends = {f"{axis}0": 0, f"{axis}1": 0, f"{other}0": 0, f"{other}1": 1, f"{other}ref": "paper"}
    return {"type": "line", "line": {"color": NEUTRAL, "width": 1, "dash": "dash"}, **ends}
