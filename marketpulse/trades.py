"""The trades of a book: every fill with its receipt, and the round trips that they make up."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext

import pandas as pd

from marketpulse import trade_ratios
from marketpulse.attribution import split_of
from marketpulse.events import Fill, Side
from marketpulse.ledger import FLAT, Ledger, Position, book
from marketpulse.money import CONTEXT, Number, positive

_TEXTS = ("symbol", "side", "origin", "reason")
_FLOATS = (
    *("quantity", "price", "notional", "fee", "realised"),
    *("delay", "spread_cost", "impact_cost", "latency_cost"),
)
COLUMNS = (
    *("time", "symbol", "side", "quantity", "price", "notional", "fee", "realised", "origin"),
    *("delay", "spread_cost", "impact_cost", "latency_cost", "reason"),
)


@dataclass(frozen=True, slots=True)
class Trip:
    """A position of one symbol from flat to flat, or to the present if it is still open.

    Attributes
    ----------
    symbol : str
    opened : pandas.Timestamp
        Of the fill that opened it.
    closed : pandas.Timestamp or None
        Of the fill that closed it; None if it is open.
    paid : decimal.Decimal
        For all its purchases, their fees included, in quote currency.
    profit : decimal.Decimal
        After all fees paid, in quote currency; what is still held counts at market.
    """

    symbol: str
    opened: pd.Timestamp
    closed: pd.Timestamp | None
    paid: Decimal
    profit: Decimal

    @property
    def profit_ratio(self) -> float:
        """Profit on what was paid."""
        return float(self.profit / self.paid)


@dataclass(frozen=True, slots=True)
class TripFigures:
    """What round trips made, in quote currency after fees; an open one counts at market.

    Attributes
    ----------
    count, open : int
        All of them, and those that are open.
    win_rate, average_winner, average_loser, expectancy, expectancy_ratio, profit_factor : float
        As in `marketpulse.trade_ratios`, or None.
    """

    count: int
    open: int
    win_rate: float | None
    average_winner: float | None
    average_loser: float | None
    expectancy: float | None
    expectancy_ratio: float | None
    profit_factor: float | None


def trip_figures(made: Sequence[Trip]) -> TripFigures:
    """The figures of `trips`."""
    profits = [float(trip.profit) for trip in made]
    return TripFigures(
        count=len(made),
        open=sum(trip.closed is None for trip in made),
        win_rate=trade_ratios.win_rate(profits),
        average_winner=trade_ratios.average_winner(profits),
        average_loser=trade_ratios.average_loser(profits),
        expectancy=trade_ratios.expectancy(profits),
        expectancy_ratio=trade_ratios.expectancy_ratio(profits),
        profit_factor=trade_ratios.profit_factor(profits),
    )


def trips(ledger: Ledger, marks: Mapping[str, Number]) -> tuple[Trip, ...]:
    """Every round trip in the order of closing, and then the open ones at ``marks``.

    Raises
    ------
    KeyError
        If a held symbol has no mark.
    InvalidOrder
        If a mark is no possible price.
    """
    running: dict[str, Trip] = {}
    done = []
    with localcontext(CONTEXT):
        for fill, position, realised in _booked(ledger.fills):
            new = Trip(fill.symbol, fill.time, None, Decimal(0), Decimal(0))
            trip = running.pop(fill.symbol, new)
            spent = -fill.cash_flow if fill.side == Side.BUY else 0
            trip = replace(trip, paid=trip.paid + spent, profit=trip.profit + realised)
            if position.quantity:
                running[fill.symbol] = trip
            else:
                done.append(replace(trip, closed=fill.time))
        for symbol, trip in running.items():
            held = ledger.positions[symbol]
            worth = held.quantity * positive(f"price of {symbol}", marks[symbol])
            done.append(replace(trip, profit=trip.profit + worth - held.cost))
    return tuple(done)


def trades(ledger: Ledger) -> pd.DataFrame:
    """The fills in the order of their arrival, one row each.

    Returns
    -------
    pandas.DataFrame, shape (n, 14)
        ``time`` (UTC), ``symbol``, ``side``, ``quantity``, ``price``, ``notional`` (above 0 on
        either side), ``fee``, ``realised`` (the P&L that the fill realised, less its own fee, so
        that a buy realises minus its fee), ``origin``, ``delay`` (seconds from the order to the
        reference price), ``spread_cost``, ``impact_cost`` and ``latency_cost`` (quote currency;
        a latency may have brought money, then it is below 0) and ``reason``. What a fill without a
        receipt does not know is NaN.
    """
    rows = [
        {
            "time": fill.time,
            "symbol": fill.symbol,
            "side": fill.side.value,
            "quantity": fill.quantity,
            "price": fill.price,
            "notional": fill.notional,
            "fee": fill.fee,
            "realised": realised,
            "origin": fill.origin,
            "reason": fill.reason,
            **_receipt(fill),
        }
        for fill, _, realised in _booked(ledger.fills)
    ]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    kinds = {"time": "datetime64[us, UTC]", **dict.fromkeys(_TEXTS, "str")}
    return table.astype({**kinds, **dict.fromkeys(_FLOATS, "float64")})


def _receipt(fill: Fill) -> dict[str, Number]:
    """What a fill paid for its execution, in quote currency, and how long it took, in seconds."""
    if fill.receipt is None:
        return {}
    parts = split_of(fill, fill.price)
    return {
        "delay": fill.receipt.delay.total_seconds(),
        "spread_cost": -parts.spread,
        "impact_cost": -parts.impact,
        "latency_cost": -parts.latency,
    }


def _booked(fills: Iterable[Fill]) -> Iterator[tuple[Fill, Position, Decimal]]:
    """Every fill with the position after it and what it realised."""
    positions: dict[str, Position] = {}
    for fill in fills:
        position, realised = book(positions.get(fill.symbol, FLAT), fill)
        positions[fill.symbol] = position
        yield fill, position, realised
