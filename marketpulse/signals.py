"""From forecasts and costs to an intention, with every term of its sum.

A signal is decided once per closed 1-minute bar. The table that it is decided on is built the same
way for the newest bar and for the whole tail, so that the screen's record of a rule is the rule.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
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
    known = {"price": minute["close"], "minute_price": minute["close"] * np.exp(minute[centre])}
    table = pd.DataFrame(known)
    far = long["close"] * np.exp(long[centre])
    table["long_price"] = _newest(far, table.index, MAX_LONG_AGE)
    for name, part, horizon in zip(("minute", "long"), settled, horizons, strict=True):
        error = _running_mae(part, horizon, tail, centre)
        table[f"{name}_mae"] = _newest(error, table.index)
    return table


def _newest(
    known: pd.Series, times: pd.Index, within: pd.Timedelta | None = None
) -> npt.NDArray[np.float64]:
    """The newest value known at each time, NaN if it is older than ``within``. Shape (n,)."""
    row = known.index.searchsorted(times, side="right") - 1
    values = np.append(known.to_numpy(dtype="float64"), np.nan)[row]
    if within is not None and len(known):
        values[times - known.index[row] > within] = np.nan
    return values


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
    if holding is not None and expired(as_of, thresholds, holding):
        said = f"The forecast that bought has expired after {thresholds.hold_minutes} min."
        return Signal("sell", as_of, (), None, (said,))
    side: Literal["buy", "sell"] = "buy" if holding is None else "sell"
    terms = terms_of(known, thresholds, costs, holding)
    return _signal(side, as_of, terms, f"No forecast to {side} on yet.")


def acts(
    as_of: pd.DatetimeIndex,
    known: Mapping[Any, Any],
    thresholds: Thresholds,
    costs: Costs,
    holding: Holding | None,
) -> npt.NDArray[np.bool_]:
    """Whether `decide` would trade, for many bars of one holding at once. Shape (n,).

    Parameters
    ----------
    as_of : pandas.DatetimeIndex, shape (n,)
        Close times.
    known : mapping of str to numpy.ndarray, shape (n,)
        The columns of `decision_table`.
    thresholds, costs, holding
        As for `decide`.
    """
    # The terms are sums and quotients, which are made of columns as they are made of floats.
    due: Any = distance_bps(terms_of(known, thresholds, costs, holding)) > 0
    if holding is not None and thresholds.hold_minutes is not None:
        held_for = (as_of - holding.since).to_numpy()
        due = due | (held_for >= pd.Timedelta(minutes=thresholds.hold_minutes).to_timedelta64())
    return np.asarray(due)


def distance_bps(terms: tuple[Term, ...]) -> float:
    """Sum of the terms, in basis points: positive is a trade."""
    return sum(term.bps for term in terms)


def expired(as_of: pd.Timestamp, thresholds: Thresholds, holding: Holding) -> bool:
    """Whether a position has been held for as long as the forecast that bought it was about."""
    if thresholds.hold_minutes is None:
        return False
    return as_of - holding.since >= pd.Timedelta(minutes=thresholds.hold_minutes)


def terms_of(
    known: Mapping[Any, float], thresholds: Thresholds, costs: Costs, holding: Holding | None
) -> tuple[Term, ...]:
    """What is summed: the terms of a purchase, or of the sale of what is held."""
    if holding is None:
        return _buy_terms(known, thresholds, costs)
    return _sell_terms(known, thresholds, costs, holding)


def _bps(part: float, whole: float) -> float:
    return part / whole * 1e4


def _margin(multiple: float, mae: float) -> float:
    """What doubt takes off a forecast, in quote currency; nothing if nobody asks for it."""
    return multiple * mae if multiple else 0.0


def _buy_terms(known: Mapping[str, float], at: Thresholds, costs: Costs) -> tuple[Term, ...]:
    """Long forecast, less its error margin, against price, costs and margin."""
    price = known["price"]
    return (
        Term("forecast move", _bps(known["long_price"] - price, price)),
        Term("safety margin for its error", -_bps(_margin(at.buy_mae, known["long_mae"]), price)),
        Term("costs in and out", -costs.round_trip() * 1e4),
        Term("profit margin", -at.margin_bps),
    )


def _sell_terms(
    known: Mapping[str, float], at: Thresholds, costs: Costs, holding: Holding
) -> tuple[Term, ...]:
    """Minute forecast, less its error margin, against what the position cost, fees and margin."""
    return (
        Term("forecast over cost", _bps(known["minute_price"] - holding.cost, holding.cost)),
        Term(
            "safety margin for its error",
            -_bps(_margin(at.sell_mae, known["minute_mae"]), holding.cost),
        ),
        Term("costs to sell", -costs.exit() * 1e4),
        Term("profit margin", -at.margin_bps),
    )


def _signal(
    side: Literal["buy", "sell"], as_of: pd.Timestamp, terms: tuple[Term, ...], missing: str
) -> Signal:
    """The side if its terms sum to more than nothing, else to hold, and which term blocks it."""
    distance = distance_bps(terms)
    if not np.isfinite(distance):
        return Signal("hold", as_of, (), None, (missing,))
    if distance > 0:
        said = f"The forecast clears everything that stands against it by {distance:.1f} bps."
        return Signal(side, as_of, terms, distance, (said,))
    return Signal("hold", as_of, terms, distance, (_blocker(side, terms),))


def _blocker(side: str, terms: tuple[Term, ...]) -> str:
    """What stops the trade, in words: the first term at which the running sum is used up."""
    running, short = 0.0, -distance_bps(terms)
    for term in terms:
        running += term.bps
        if running <= 0:
            break
    if term is terms[0]:
        return f"No {side}: the {term.label} is {term.bps:+.1f} bps, {short:.1f} bps short."
    return f"No {side}: stopped by the {term.label}, {short:.1f} bps short."
