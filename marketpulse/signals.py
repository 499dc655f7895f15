"""From forecasts and costs to an intention, with every term of its sum.

A signal is decided once per closed 1-minute bar. The table that it is decided on is built the same
way for the newest bar and for the whole tail, so that the screen's record of a rule is the rule.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from marketpulse.costs import Costs
from marketpulse.horizons import FIVE_MINUTES, Horizon
from marketpulse.settings import Centre, Reference, Settings

Side = Literal["buy", "sell", "hold"]

# Fewer settled forecasts than this have no mean absolute error worth a threshold.
MIN_SETTLED = 20
# A long forecast older than this is not acted on.
MAX_LONG_AGE = FIVE_MINUTES


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
    """

    buy_mae: float
    sell_mae: float
    margin_bps: float
    hold_minutes: int | None
    centre: Centre
    reference: Reference

    @classmethod
    def of(cls, settings: Settings) -> "Thresholds":
        """The thresholds among a visitor's settings."""
        return cls(
            settings.buy_mae,
            settings.sell_mae,
            settings.margin,
            settings.hold_minutes,
            settings.centre,
            settings.reference,
        )


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


@dataclass(frozen=True, slots=True)
class Term:
    """One summand of a signal, in basis points of the price; positive speaks for the trade."""

    label: str
    bps: float


@dataclass(frozen=True, slots=True)
class Signal:
    """An intention for one closed bar.

    Attributes
    ----------
    side : {"buy", "sell", "hold"}
    as_of : pandas.Timestamp
    terms : tuple of Term
        The sum that decided: of the sale if something is held, else of the purchase.
    distance_bps : float or None
        Sum of the terms: how far beyond its threshold the trade is, or how far short (negative);
        None if there was nothing to sum.
    reasons : tuple of str
        In words, the deciding one first.
    """

    side: Side
    as_of: pd.Timestamp
    terms: tuple[Term, ...]
    distance_bps: float | None
    reasons: tuple[str, ...]


def decision_table(
    minute: pd.DataFrame,
    long: pd.DataFrame,
    settled: tuple[pd.DataFrame, pd.DataFrame],
    horizons: tuple[Horizon, Horizon],
    tail: int,
    centre: Centre,
) -> pd.DataFrame:
    """What was known at each closed minute.

    Parameters
    ----------
    minute, long : pandas.DataFrame
        Prediction tables of both horizons, indexed by ``as_of``.
    settled : tuple of pandas.DataFrame
        Their settled parts, as `marketpulse.forecast.settle` returns.
    horizons : tuple of Horizon
    tail : int
        Forecasts over which the MAE is taken.
    centre : {"trusted", "raw"}

    Returns
    -------
    pandas.DataFrame
        Indexed by ``as_of`` of the minute table: ``price``, ``minute_price``, ``long_price`` (NaN
        if none is young enough), ``minute_mae``, ``long_mae`` (quote currency, over forecasts
        settled by then; NaN below `MIN_SETTLED`).
    """
    table = pd.DataFrame(
        {"price": minute["close"], "minute_price": minute["close"] * np.exp(minute[centre])}
    )
    far = (long["close"] * np.exp(long[centre])).rename("long_price").to_frame()
    table = _as_of(table, far, MAX_LONG_AGE)
    for name, part, horizon in zip(("minute", "long"), settled, horizons, strict=True):
        table = _as_of(table, _running_mae(part, horizon, tail, centre).to_frame(f"{name}_mae"))
    return table


def _as_of(
    table: pd.DataFrame, known: pd.DataFrame, within: pd.Timedelta | None = None
) -> pd.DataFrame:
    """The table with the newest row of ``known`` at or before each of its times."""
    return pd.merge_asof(table, known, left_index=True, right_index=True, tolerance=within)


def _running_mae(settled: pd.DataFrame, horizon: Horizon, tail: int, centre: Centre) -> pd.Series:
    """Mean absolute error over the last ``tail`` forecasts, at the time when each was settled."""
    error = settled["error" if centre == "trusted" else "raw_error"].abs()
    mean = error.rolling(tail, min_periods=min(tail, MIN_SETTLED)).mean()
    return mean.set_axis(pd.DatetimeIndex(settled.index) + horizon.span)


def decide(
    as_of: pd.Timestamp,
    known: Mapping[Any, float],
    thresholds: Thresholds,
    costs: Costs,
    holding: Holding | None,
) -> Signal:
    """The signal of one closed bar.

    Parameters
    ----------
    as_of : pandas.Timestamp
        Close time of the bar.
    known : mapping of str to float
        Its row of `decision_table`.
    thresholds : Thresholds
    costs : Costs
    holding : Holding or None
        What is held, if anything is.
    """
    if holding is None:
        terms = _buy_terms(known, thresholds, costs)
        return _signal("buy", as_of, terms, "No forecast to buy on yet.")
    age = as_of - holding.since
    if thresholds.hold_minutes is not None and age >= pd.Timedelta(minutes=thresholds.hold_minutes):
        expired = f"The forecast that bought has expired after {thresholds.hold_minutes} min."
        return Signal("sell", as_of, (), None, (expired,))
    terms = _sell_terms(known, thresholds, costs, holding)
    return _signal("sell", as_of, terms, "No forecast to sell on yet.")


def _bps(part: float, whole: float) -> float:
    return part / whole * 1e4


def _buy_terms(known: Mapping[str, float], at: Thresholds, costs: Costs) -> tuple[Term, ...]:
    """Long forecast, less its error margin, against price, costs and margin."""
    price = known["price"]
    return (
        Term("forecast move", _bps(known["long_price"] - price, price)),
        Term("safety margin for its error", -_bps(at.buy_mae * known["long_mae"], price)),
        Term("fees in and out", -costs.round_trip * 1e4),
        Term("profit margin", -at.margin_bps),
    )


def _sell_terms(
    known: Mapping[str, float], at: Thresholds, costs: Costs, holding: Holding
) -> tuple[Term, ...]:
    """Minute forecast, less its error margin, against what the position cost, fees and margin."""
    return (
        Term("forecast over cost", _bps(known["minute_price"] - holding.cost, holding.cost)),
        Term("safety margin for its error", -_bps(at.sell_mae * known["minute_mae"], holding.cost)),
        Term("fee to sell", -costs.exit * 1e4),
        Term("profit margin", -at.margin_bps),
    )


def _signal(
    side: Literal["buy", "sell"], as_of: pd.Timestamp, terms: tuple[Term, ...], missing: str
) -> Signal:
    """The side if its terms sum to more than nothing, else to hold, and which term blocks it."""
    distance = sum(term.bps for term in terms)
    if not np.isfinite(distance):
        return Signal("hold", as_of, (), None, (missing,))
    if distance > 0:
        said = f"The forecast clears everything that stands against it by {distance:.1f} bps."
        return Signal(side, as_of, terms, distance, (said,))
    return Signal("hold", as_of, terms, distance, (_blocker(side, terms),))


def _blocker(side: str, terms: tuple[Term, ...]) -> str:
    """What stops the trade, in words: the first term at which the running sum is used up."""
    running, short = 0.0, -sum(term.bps for term in terms)
    for term in terms:
        running += term.bps
        if running <= 0:
            break
    if term is terms[0]:
        return f"No {side}: the {term.label} is {term.bps:+.1f} bps, {short:.1f} bps short."
    return f"No {side}: stopped by the {term.label}, {short:.1f} bps short."
