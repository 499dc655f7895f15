"""The trades of a rule over a tape: which bars buy, and which bar sells what each of them bought.

What a purchase costs and when its forecast expires follow from its bar alone, and so does the bar
that sells it. So the sales of many possible purchases are searched for at once, in whole columns,
and the trades are a walk from a purchase to its sale to the next purchase.
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isnan

import numpy as np

from marketpulse.broker import FIGURES, Broker
from marketpulse.costs import Costs
from marketpulse.signals import Holding, Thresholds, fires
from marketpulse.tape import MINUTE_US, Column, Rows, Tape

# Bars after a purchase that are looked through first, and at most at once; most sales come soon.
FIRST_BARS, MOST_BARS = 8, 512
# Possible purchases whose sales are searched for at once, if nothing else is said.
AHEAD = 16


@dataclass(frozen=True, slots=True)
class Gated:
    """A rule with its figures: what decides.

    Attributes
    ----------
    thresholds : Thresholds
    costs : Costs
        What the rule reckons with.
    """

    thresholds: Thresholds
    costs: Costs


def round_trips(
    tape: Tape, broker: Broker, rule: Gated, *, start: int = 0, ahead: int = AHEAD
) -> Iterator[tuple[int, int | None]]:
    """The rows at which the rule buys and sells, from row ``start`` on; None for no sale any more.

    Cash is not looked at: whoever reads on has paid.

    Parameters
    ----------
    tape : Tape
    broker : Broker
        Of a tape with the same candles.
    rule : Gated
    start : int
    ahead : int
        Possible purchases whose sales are searched for at once. The more, the quicker a rule that
        trades a lot, if the broker knows their costs already.
    """
    fired = fires(tape.known, rule.thresholds, rule.costs, None)
    wanted: list[int] = np.flatnonzero(fired).tolist()
    if not len(tape.opened):
        return
    first, searched = 0, list[tuple[float, int]]()
    row, end = start, len(tape)
    while (place := bisect_left(wanted, row)) < len(wanted):
        bought = wanted[place]
        if not first <= place < first + len(searched):
            first, searched = place, _searched(tape, broker, rule, wanted[place : place + ahead])
        cost, sold = searched[place - first]
        if isnan(cost):  # no price came in time, or the amount cannot be traded at it
            row = int(tape.again[bought])
            continue
        while sold < end and tape.candle[sold] < 0:  # no price came in time
            rows = np.array([[bought], [tape.again[sold]]])
            sold = int(_sale_rows(tape, rule, rows[0], rows[1], np.array([cost]))[0])
        if sold == end:
            yield bought, None
            return
        yield bought, sold
        row = int(tape.again[sold])


def _searched(
    tape: Tape, broker: Broker, rule: Gated, bought: list[int]
) -> list[tuple[float, int]]:
    """The cost of each purchase and the row that sells it."""
    rows = np.array(bought)
    costs = broker.purchases(tape.candle[rows])[:, FIGURES.index(rule.thresholds.reference)]
    sold = _sale_rows(tape, rule, rows, tape.again[rows], costs)
    return list(zip(costs.tolist(), sold.tolist(), strict=True))


def _sale_rows(tape: Tape, rule: Gated, bought: Rows, starts: Rows, costs: Column) -> Rows:
    """The first row from ``starts`` on that sells each purchase; the tape's length for none.

    Once a purchase has expired it is sold, whatever the rule says. Shape (n,).
    """
    since = tape.opened[tape.candle[bought]]
    sold = np.maximum(_expiries(tape, rule.thresholds, since), starts)
    left, bars, offset = np.arange(len(sold)), FIRST_BARS, 0
    while True:
        left = left[starts[left] + offset < sold[left]]
        if not len(left):
            return sold
        rows = starts[left, None] + offset + np.arange(bars)
        held = Holding(costs[left, None], since[left, None])  # type: ignore[arg-type]
        known = _Picked(tape.known, np.minimum(rows, len(tape) - 1))
        hits = fires(known, rule.thresholds, rule.costs, held) & (rows < sold[left, None])
        some = hits.any(axis=1)
        sold[left[some]] = rows[some, hits[some].argmax(axis=1)]
        left, offset, bars = left[~some], offset + bars, min(4 * bars, MOST_BARS)


def _expiries(tape: Tape, thresholds: Thresholds, since: Rows) -> Rows:
    if thresholds.hold_minutes is None:
        return np.full(len(since), len(tape))
    return tape.times.searchsorted(since + thresholds.hold_minutes * MINUTE_US)


class _Picked(Mapping[str, Column]):
    """Some rows of columns; a column is read only if it is asked for."""

    __slots__ = ("_columns", "_rows")

    def __init__(self, columns: Mapping[str, Column], rows: Rows) -> None:
        self._columns, self._rows = columns, rows

    def __getitem__(self, name: str) -> Column:
        return self._columns[name][self._rows]

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)
