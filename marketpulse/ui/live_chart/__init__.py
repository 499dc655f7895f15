"""A chart that stays where the visitor left it: zoom, pan and hover outlive refreshes and bars.

``st.plotly_chart`` of Streamlit 1.67 builds its chart anew whenever the figure changes, and forgets
what the visitor did to it. `live_chart` draws into one chart with ``Plotly.react`` instead. The
figure goes to the browser once for each closed bar; between bars only the price does, by
`price_line`.

Streamlit means to make keyed charts stable. When it has, let `stays_in_place` answer False and the
tests pass, then delete this package but for the last line of `live_chart`, and all `expect_chart`.
"""

from marketpulse.ui.live_chart.component import (
    expect_chart,
    live_chart,
    price_line,
    stays_in_place,
)
from marketpulse.ui.live_chart.spec import Spec, Tick

__all__ = ["Spec", "Tick", "expect_chart", "live_chart", "price_line", "stays_in_place"]
