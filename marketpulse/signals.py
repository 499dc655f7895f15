"""From forecasts and costs to an intention, with every term of its sum.

A signal is decided once per closed 1-minute bar. The table that it is decided on is built the same
way for the newest bar and for the whole tail, so that the screen's record of a rule is the rule.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from marketpulse.bands import BANDS
from marketpulse.costs import Costs
from marketpulse.horizons import FIVE_MINUTES, ONE_MINUTE, Horizon
from marketpulse.rulebook import RULES
from marketpulse.terms import Centre, Known
from marketpulse.terms import Holding as Holding
from marketpulse.terms import Term as Term
from marketpulse.terms import Thresholds as Thresholds

Side = Literal["buy", "sell", "hold"]

# Fewer settled forecasts than this have no mean absolute error worth a threshold.
MIN_SETTLED = 20
# A long forecast older than this is not acted on.
MAX_LONG_AGE = FIVE_MINUTES
# Closed bars over which volume is averaged, as for a fill.
VOLUME_BARS = 20


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
    candles: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """What was known at each closed minute.

    A long forecast is up to five minutes old, and the price has moved since. Its return is what is
    carried to the present price: a forecast of no move expects none from where the price is now.

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
    candles : pandas.DataFrame, optional
        Closed one-minute candles, for the volume.

    Returns
    -------
    pandas.DataFrame
        Indexed by ``as_of`` of the minute table: ``price``, ``minute_price``, ``long_price`` (NaN
        if none is young enough), ``minute_mae``, ``long_mae`` (quote currency, over forecasts
        settled by then; NaN below `MIN_SETTLED`), ``volume`` (mean of the last 20 bars, base
        currency; NaN if unknown), and for both horizons as log returns ``minute_low_90`` and the
        other ends of the bands, and ``minute_middle``, their median: the trusted centre.
    """
    table = pd.DataFrame({"price": minute["close"]})
    tables = {"minute": (minute, None), "long": (long, MAX_LONG_AGE)}
    for name, (said, age) in tables.items():
        moved = _newest(said[centre], table.index, age)
        table[f"{name}_price"] = table["price"] * np.exp(moved)
    for name, part, horizon in zip(tables, settled, horizons, strict=True):
        error = _running_mae(part, horizon, tail, centre)
        table[f"{name}_mae"] = _newest(error, table.index)
    table["volume"] = np.nan if candles is None else _newest(_volumes(candles), table.index)
    for name, (said, age) in tables.items():
        for column in ("trusted", *BANDS):
            end = "middle" if column == "trusted" else column
            table[f"{name}_{end}"] = _newest(said[column], table.index, age)
    return table


def _volumes(candles: pd.DataFrame) -> pd.Series:
    """Mean volume of the last 20 bars of which it is known, by the time when it was."""
    known = candles["volume"].dropna()
    mean = known.rolling(VOLUME_BARS, min_periods=1).mean()
    return mean.set_axis(pd.DatetimeIndex(known.index) + ONE_MINUTE)


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
    known: Known,
    thresholds: Thresholds,
    costs: Costs,
    holding: Holding | None,
    must_sell: str = "",
) -> Signal:
    """The signal of one closed bar.

    What is held is sold if a risk limit says so, if the forecast that bought it has expired, or if
    the rule does; nothing is bought while something is held.

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
    must_sell : str
        Why a risk limit wants it sold, as a sentence; empty if none does.
    """
    if holding is not None and must_sell:
        return Signal("sell", as_of, (), None, (must_sell,))
    if holding is not None and expired(as_of, thresholds, holding):
        said = f"The forecast that bought has expired after {thresholds.hold_minutes} min."
        return Signal("sell", as_of, (), None, (said,))
    side: Literal["buy", "sell"] = "buy" if holding is None else "sell"
    terms = terms_of(known, thresholds, costs, holding)
    return _signal(side, as_of, terms, f"No forecast to {side} on yet.")


def terms_of(
    known: Known, thresholds: Thresholds, costs: Costs, holding: Holding | None
) -> tuple[Term, ...]:
    """What the rule sums: the terms of a purchase, or of the sale of what is held."""
    return RULES[thresholds.rule](known, costs, thresholds, holding)


def distance_bps(terms: tuple[Term, ...]) -> Any:
    """Sum of the terms, in basis points: positive is a trade. A column if they are columns."""
    return sum(term.bps for term in terms)


def fires(
    known: Known, thresholds: Thresholds, costs: Costs, holding: Holding | None
) -> npt.NDArray[np.bool_]:
    """Whether the rule would trade, for many bars at once; no expiry, no limits. Shape (n,).

    ``known`` holds the columns of `decision_table`, each of shape (n,).
    """
    return np.asarray(distance_bps(terms_of(known, thresholds, costs, holding)) > 0)


def history(decisions: pd.DataFrame, thresholds: Thresholds, costs: Costs) -> pd.DataFrame:
    """How far each bar was from a purchase, as if nothing had been held.

    Returns
    -------
    pandas.DataFrame
        Indexed as the `decision_table`: every term by its label in basis points, their sum
        ``distance``, and ``fired``, whether it was above nothing.
    """
    known = {str(name): column.to_numpy() for name, column in decisions.items()}
    terms = terms_of(known, thresholds, costs, None)
    table = pd.DataFrame({term.label: term.bps for term in terms}, index=decisions.index)
    distance = np.broadcast_to(distance_bps(terms), len(decisions))
    return table.assign(distance=distance, fired=distance > 0)


def expired(as_of: pd.Timestamp, thresholds: Thresholds, holding: Holding) -> bool:
    """Whether a position has been held for as long as the forecast that bought it was about."""
    if thresholds.hold_minutes is None:
        return False
    return as_of - holding.since >= pd.Timedelta(minutes=thresholds.hold_minutes)


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
    return Signal("hold", as_of, terms, distance, (_blocked(side, terms),))


def blocker(terms: tuple[Term, ...]) -> Term:
    """What stops a trade: the first term at which the running sum is used up, else the last."""
    running = 0.0
    for term in terms:
        running += term.bps
        if running <= 0:
            break
    return term


def _blocked(side: str, terms: tuple[Term, ...]) -> str:
    """What stops the trade, in words."""
    term, short = blocker(terms), -distance_bps(terms)
    if term is terms[0]:
        return f"No {side}: the {term.label} is {term.bps:+.1f} bps, {short:.1f} bps short."
    return f"No {side}: stopped by the {term.label}, {short:.1f} bps short."
