"""How far ahead one model looks."""

from dataclasses import dataclass, replace
from typing import Literal

import pandas as pd

Label = Literal["minute", "long"]

ONE_MINUTE = pd.Timedelta(minutes=1)
FIVE_MINUTES = pd.Timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Horizon:
    """A number of bars ahead on a grid of bars.

    Attributes
    ----------
    label : {"minute", "long"}
        Which of the two models it belongs to.
    bar : pandas.Timedelta
        Length of one bar of the grid.
    steps : int
        Bars from a forecast's ``as_of`` to its target time, at least 1.
    """

    label: Label
    bar: pd.Timedelta
    steps: int

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"a horizon needs at least one step, got {self.steps}")

    @property
    def span(self) -> pd.Timedelta:
        """Time from ``as_of`` to the target."""
        return self.bar * self.steps

    @property
    def minutes(self) -> int:
        """Whole minutes from ``as_of`` to the target."""
        return int(self.span / ONE_MINUTE)

    def with_steps(self, steps: int) -> "Horizon":
        """The horizon on the same grid that looks ``steps`` bars ahead."""
        return replace(self, steps=steps)


MINUTE = Horizon("minute", ONE_MINUTE, 1)
LONG = Horizon("long", FIVE_MINUTES, 9)
