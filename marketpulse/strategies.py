"""The rules that come with the app, and the terms of costs that every rule should have.

`marketpulse.rulebook` lists all rules by name.
"""

import math
from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

import numpy as np

from marketpulse.costs import Costs
from marketpulse.terms import Holding, Known, Term, Thresholds

BreakEven = Callable[..., float]

# Quantiles of a forecast by the columns that hold its returns; the centre is the median.
LEVELS: Mapping[str, float] = MappingProxyType(
    {"low_90": 0.05, "low_50": 0.25, "middle": 0.5, "high_50": 0.75, "high_90": 0.95}
)


def by_distance(
    known: Known, costs: Costs, at: Thresholds, holding: Holding | None
) -> tuple[Term, ...]:
    """The forecast, less a multiple of its mean error, clears costs and margin.

    The long forecast buys; the minute forecast sells over what was paid.
    """
    if holding is None:
        price = known["price"]
        move, doubt = known["long_price"] - price, _doubt(at.buy_mae, known["long_mae"])
        return (
            Term("forecast move", _bps(move, price)),
            Term("safety margin for its error", -_bps(doubt, price)),
            *buying_costs(known, costs, at),
            Term("profit margin", -at.margin_bps),
        )
    cost = holding.cost
    over, doubt = known["minute_price"] - cost, _doubt(at.sell_mae, known["minute_mae"])
    return (
        Term("forecast over cost", _bps(over, cost)),
        Term("safety margin for its error", -_bps(doubt, cost)),
        *selling_costs(known, costs, at),
        Term("profit margin", -at.margin_bps),
    )


def by_chance(
    known: Known, costs: Costs, at: Thresholds, holding: Holding | None
) -> tuple[Term, ...]:
    """The probability of a net profit, as the bands have it, is above the one asked for.

    P(move > costs + margin) > p is the same as: the (1 - p) quantile of the move is above costs +
    margin. So the safety margin is the way from the centre down to that quantile, and the rule is a
    sum like any other.
    """
    label, price = ("long", known["price"]) if holding is None else ("minute", holding.cost)
    centre = known[f"{label}_price"]
    safe = known["price"] * np.exp(quantile(known, label, 1.0 - at.chance))
    costs_of = buying_costs if holding is None else selling_costs
    first = "forecast move" if holding is None else "forecast over cost"
    return (
        Term(first, _bps(centre - price, price)),
        Term(f"safety margin for a {at.chance:.0%} chance", _bps(safe - centre, price)),
        *costs_of(known, costs, at),
        Term("profit margin", -at.margin_bps),
    )


def buying_costs(known: Known, costs: Costs, at: Thresholds) -> tuple[Term, ...]:
    """What buying and selling again takes: fees, spread, and the order's own impact.

    Together exactly the break-even of `Costs.round_trip`.
    """
    words = ("fees in and out", "spread in and out", "slippage in and out")
    return _cost_terms(words, Costs.round_trip, known, costs, at)


def selling_costs(known: Known, costs: Costs, at: Thresholds) -> tuple[Term, ...]:
    """What selling takes, as `buying_costs`; together that of `Costs.exit`."""
    words = ("fee to sell", "spread to sell", "slippage to sell")
    return _cost_terms(words, Costs.exit, known, costs, at)


def chance_of_profit(known: Known, costs: Costs, at: Thresholds, holding: Holding | None) -> float:
    """Probability that the move is above costs and margin, 0.05 to 0.95; NaN if none is known.

    The quantiles at 5, 25, 50, 75 and 95 % are joined by straight lines in the log return. Beyond
    the outer ones nothing is known: there it is 0.05, which means that much or less, and 0.95, that
    much or more.
    """
    label, cost = ("long", known["price"]) if holding is None else ("minute", holding.cost)
    costs_of = buying_costs if holding is None else selling_costs
    needed = sum(-term.bps for term in costs_of(known, costs, at)) + at.margin_bps
    knots = _knots(known, label)
    if not np.isfinite(knots).all():
        return math.nan
    target = math.log(cost * (1 + needed / 1e4) / known["price"])
    return 1.0 - float(np.interp(target, knots, list(LEVELS.values())))


def quantile(known: Known, label: str, level: float) -> Any:
    """A quantile of a horizon's log return, its bands joined by straight lines.

    Parameters
    ----------
    known : mapping
    label : {"minute", "long"}
    level : float
        0.05 to 0.95.
    """
    knots, levels = _knots(known, label), list(LEVELS.values())
    upper = min(max(int(np.searchsorted(levels, level)), 1), len(levels) - 1)
    low, high = knots[upper - 1], knots[upper]
    share = (level - levels[upper - 1]) / (levels[upper] - levels[upper - 1])
    return low + share * (high - low)


def _knots(known: Known, label: str) -> list[Any]:
    """Log returns at the `LEVELS`, not decreasing. The bands need not hold the centre."""
    low, high = known[f"{label}_low_50"], known[f"{label}_high_50"]
    middle = np.minimum(np.maximum(known[f"{label}_middle"], low), high)
    return [known[f"{label}_low_90"], low, middle, high, known[f"{label}_high_90"]]


def _bps(part: Any, whole: Any) -> Any:
    return part / whole * 1e4


def _doubt(multiple: float, mae: Any) -> Any:
    """What doubt takes off a forecast, in quote currency; nothing if nobody asks for it."""
    return multiple * mae if multiple else 0.0


def _cost_terms(
    words: tuple[str, str, str], of: BreakEven, known: Known, costs: Costs, at: Thresholds
) -> tuple[Term, ...]:
    """A term for each kind of cost that there is; the fees are always told."""
    fees, slipped = _without_impact(of, costs)
    terms = [Term(words[0], -fees * 1e4)]
    if costs.half_spread_bps:
        terms.append(Term(words[1], -(slipped - fees) * 1e4))
    if costs.impact_bps:
        with np.errstate(divide="ignore"):
            share = np.divide(at.amount / known["price"], known["volume"])
        # Beside no volume at all an order is a whole bar, as for a fill; unknown, it adds nothing.
        share = np.nan_to_num(share, posinf=1.0)
        whole = np.vectorize(lambda part: of(costs, part), otypes=["float64"])(share)
        terms.append(Term(words[2], -(whole - slipped) * 1e4))
    return tuple(terms)


@cache
def _without_impact(of: BreakEven, costs: Costs) -> tuple[float, float]:
    """The break-even of the fees alone, and with the spread."""
    return of(Costs(costs.fee_bps)), of(costs)
