"""Every chart but the live one: how they are drawn, and what their buttons offer."""

from collections.abc import Callable

import plotly.graph_objects as go
import streamlit as st

# Nothing is sent to another host, and nothing is offered that does nothing here.
CONFIG = {
    "displaylogo": False,
    "showSendToCloud": False,
    "modeBarButtonsToRemove": ["select2d", "lasso2d", "sendChartToCloud"],
}


def plain_chart(
    figure: go.Figure,
    *,
    key: str,
    alt: str,
    buttons: bool = True,
    on_click: Callable[[], None] | None = None,
) -> None:
    """Draw a figure.

    Parameters
    ----------
    figure : plotly.graph_objects.Figure
    key : str
        Tells it from the page's other charts.
    alt : str
        What it shows, for those who do not see it.
    buttons : bool
        Whether it can be zoomed by buttons in its corner.
    on_click : callable, optional
        Called when one of its points was clicked; `marketpulse.ui.session.clicked` knows which.
    """
    config = CONFIG if buttons else CONFIG | {"displayModeBar": False}
    if on_click is None:
        st.plotly_chart(figure, key=key, config=config, alt=alt)
    else:
        st.plotly_chart(
            figure, key=key, config=config, alt=alt, on_select=on_click, selection_mode="points"
        )
