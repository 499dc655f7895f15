"""What is sent to the browser: the figure, and the price that moves between figures."""

from dataclasses import dataclass
from typing import Self

import plotly.graph_objects as go
from plotly.io.json import to_json_plotly

from marketpulse.words import price_text


@dataclass(frozen=True, slots=True)
class Spec:
    """A figure, and what the browser is told of it: made once, sent to many.

    Attributes
    ----------
    figure : plotly.graph_objects.Figure
    json : str
        The figure without template and height: those come from the page's theme and width.
    alt : str
        What the figure shows, for those who do not see it.
    """

    figure: go.Figure
    json: str
    alt: str

    @classmethod
    def of(cls, figure: go.Figure, alt: str) -> Self:
        """The spec of a figure, which is not to be changed any more."""
        content = figure.to_dict()
        layout = content["layout"]
        # Figures that are made while Streamlit runs have a template of placeholders for colours.
        unwanted = ("template", "height")
        content["layout"] = {name: layout[name] for name in layout if name not in unwanted}
        return cls(figure, to_json_plotly(content), alt)


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
