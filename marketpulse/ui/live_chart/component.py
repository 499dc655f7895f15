"""The chart on the page: two small components, or the plain chart where those cannot be had."""

import os
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

from marketpulse.ui.live_chart.library import served_library
from marketpulse.ui.live_chart.spec import Spec, Tick
from marketpulse.ui.plain_chart import plain_chart

HERE = Path(__file__).parent
CHART = '<div class="marketpulse-chart"></div>'
TICK = '<i class="marketpulse-tick"></i>'
# "plain" draws with `plain_chart`.
VARIABLE = "MARKETPULSE_CHART"


def live_chart(spec: Spec, *, key: str, height: int | None = None, buttons: bool = True) -> None:
    """Draw a chart that stays as the visitor left it.

    Parameters
    ----------
    spec : Spec
        Let it be the same from one closed bar to the next: then it is not sent again.
    key : str
        Tells it from the page's other charts.
    height : int, optional
        Pixels; without it a large one that depends on the width of the page.
    buttons : bool
        Whether it can be zoomed by buttons in its corner.
    """
    if stays_in_place():
        told = {"chart": key, "figure": spec.json, "alt": spec.alt, "library": served_library()}
        _components()[0](key=key, data=told | {"height": height, "buttons": buttons})
    else:
        plain_chart(spec.figure, key=key, alt=spec.alt, buttons=buttons)


def price_line(tick: Tick, *, chart: str) -> None:
    """Move the price line of a chart; may be called in a fragment that the chart is no part of.

    Parameters
    ----------
    tick : Tick
    chart : str
        Key of the chart. Without it on the page, the line waits for it.
    """
    if stays_in_place():
        told = {"price": tick.price, "text": tick.text, "direction": tick.direction}
        _components()[1](key=f"{chart}-tick", data={"chart": chart, **told})


def expect_chart() -> None:
    """Let the browser load what draws charts while there are no candles yet.

    That takes it a second; call it where `live_chart` will be called later.
    """
    if stays_in_place():
        _components()[2](key="expect-chart", data={"library": served_library()})


@cache
def stays_in_place() -> bool:
    """Whether charts can be drawn by our own component: the one place that decides."""
    wanted = os.environ.get(VARIABLE) != "plain" and bool(
        st.get_option("server.enableStaticServing")
    )
    return wanted and hasattr(st.components, "v2") and _is_served()


def _is_served() -> bool:
    try:
        served_library()
    except OSError:  # a folder that cannot be written to: the plain chart needs none
        return False
    return True


@cache
def _components() -> tuple[Any, Any, Any]:
    """What draws figures, what only tells the price, and what only loads the library.

    A component's script travels with its data, so the price needs one of its own: a short one.
    """
    component = st.components.v2.component
    library, script, style, tick, expect = (
        (HERE / name).read_text("utf-8")
        for name in ("library.js", "chart.js", "chart.css", "tick.js", "expect.js")
    )
    script = f"{script}\n{library}"
    chart = component("marketpulse_chart", html=CHART, css=style, js=script, isolate_styles=False)
    price = component("marketpulse_tick", html=TICK, js=tick, isolate_styles=False)
    return chart, price, component("marketpulse_expect", js=f"{expect}\n{library}")
