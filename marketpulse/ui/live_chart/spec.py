"""What is sent to the browser: the figure, and the price that moves between figures."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import plotly.graph_objects as go
from plotly.io.json import to_json_plotly

from marketpulse.words import price_text


@dataclass(frozen=True, slots=True)
class Spec:
    """A figure, and what the browser is told of it: made once, sent to many.

    Attributes
    ----------
    content : mapping of str to Any
        The figure's data and layout.
    json : str
        The figure without template and height: those come from the page's theme and width.
    alt : str
        What the figure shows, for those who do not see it.
    """

    content: Mapping[str, Any]
    json: str
    alt: str

    @property
    def figure(self) -> go.Figure:
        """For where the browser cannot draw it from what it is told."""
        return go.Figure(self.content)

    @property
    def height(self) -> int | None:
        """Pixels that it is made for, if any."""
        height: int | None = self.content["layout"].get("height")
        return height

    @classmethod
    def of(cls, content: Mapping[str, Any], alt: str) -> Self:
        """The spec of a figure's data and layout, which are not to be changed any more."""
        layout = content["layout"]
        # Figures that are made while Streamlit runs have a template of placeholders for colours.
        unwanted = ("template", "height")
        kept = {name: layout[name] for name in layout if name not in unwanted}
        return cls(content, to_json_plotly({"data": content["data"], "layout": kept}), alt)


@dataclass(frozen=True, slots=True)
class Tick:
    """The last known price.

    Attributes
    ----------
    price : float
        In quote currency.
    direction : int
        1 if it is above the last close, -1 if below, 0 if the same.
    """

    price: float
    direction: int

    @classmethod
    def of(cls, price: float, close: float) -> Self:
        """The price beside the close of the last closed bar."""
        return cls(price, (price > close) - (price < close))

    @property
    def text(self) -> str:
        """The price as it is printed everywhere else."""
        return price_text(self.price)
