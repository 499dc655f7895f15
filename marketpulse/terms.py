"""What a trading rule is made of: what it knows, what it asks for, and the terms of its sum.

A rule is a plain function of what is known, the costs, the thresholds and what is held. It returns
the `Term` s of a sum: of a purchase if nothing is held, else of the sale. The trade is on when the
sum is above nothing. What is known is one number each for the bar that just closed, and one column
each for a stretch of bars, so a rule is arithmetic that holds for both: numpy, and no ``if`` on
what is known. `marketpulse.rulebook` lists the rules.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import pandas as pd

from marketpulse.costs import Costs

Centre = Literal["trusted", "raw"]
Reference = Literal["last buy", "average cost"]

# A row of `marketpulse.signals.decision_table` by column, or its columns.
Known = Mapping[Any, Any]


@dataclass(frozen=True, slots=True)
class Term:
    """One summand, in basis points of the price; positive speaks for the trade.

    Attributes
    ----------
    label : str
        In words, as in "No buy: stopped by the {label}".
    bps : float or ndarray of shape (n,)
        A column if columns are known.
    """

    label: str
    bps: Any


@dataclass(frozen=True, slots=True)
class Holding:
    """What a sale is measured against.

    Attributes
    ----------
    cost : float
        Reference price with the entry fee in it, quote currency per unit.
    since : pandas.Timestamp
        When it was bought.
    """

    cost: float
    since: pd.Timestamp


class Asked(Protocol):
    """What thresholds are made of; `marketpulse.settings.Settings` are, and describe it."""

    @property
    def buy_mae(self) -> float:
        """Multiple of the long model's MAE."""

    @property
    def sell_mae(self) -> float:
        """Multiple of the minute model's MAE."""

    @property
    def margin(self) -> float:
        """Profit asked for, basis points."""

    @property
    def hold_minutes(self) -> int | None:
        """Minutes after which a bought position is sold; None is never."""

    @property
    def centre(self) -> Centre:
        """Which centre counts."""

    @property
    def reference(self) -> Reference:
        """What a sale must beat."""

    @property
    def rule(self) -> str:
        """Name of the rule."""

    @property
    def chance(self) -> float:
        """Probability of a net profit that is asked for, percent."""

    @property
    def ticket(self) -> float:
        """What a purchase spends, quote currency."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What a forecast must clear before it is acted on.

    Attributes
    ----------
    buy_mae, sell_mae : float
        Multiples of the long and of the minute model's tail MAE.
    margin_bps : float
        Profit asked for on top of costs, basis points.
    hold_minutes : int or None
        A position is sold after this long; None is never.
    centre : {"trusted", "raw"}
        Which centre of the forecasts counts.
    reference : {"last buy", "average cost"}
        What a sale must beat.
    rule : str
        Its name in `marketpulse.rulebook.RULES`.
    chance : float
        Probability of a net profit that is asked for, 0.05 to 0.95; for a rule by probability.
    amount : float
        What a purchase spends, in quote currency: the larger, the more it moves the price.
    """

    buy_mae: float
    sell_mae: float
    margin_bps: float
    hold_minutes: int | None
    centre: Centre
    reference: Reference
    rule: str = "distance"
    chance: float = 0.6
    amount: float = 0.0

    @classmethod
    def of(cls, settings: Asked) -> "Thresholds":
        """The thresholds among a visitor's settings."""
        return cls(
            settings.buy_mae,
            settings.sell_mae,
            settings.margin,
            settings.hold_minutes,
            settings.centre,
            settings.reference,
            settings.rule,
            settings.chance / 100,
            settings.ticket,
        )


Rule = Callable[[Known, Costs, Thresholds, Holding | None], tuple[Term, ...]]
