"""Signals carried out in the paper book: what a rule would have made.

A run reads a `Tape`: what was known at every closed bar, and which price an order given then would
get. The rule is asked for whole columns at once where the next trade is, and every trade is
executed by the function that fills live orders (`marketpulse.fills.executed`), so that a run over a
month takes as long as its trades do. The book is the fold of their events.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC
from decimal import Decimal, localcontext

import numpy as np
import numpy.typing as npt
import pandas as pd

from marketpulse import orders
from marketpulse.costs import Costs
from marketpulse.errors import InvalidOrder
from marketpulse.events import Deposit, Event, Fill, Side
from marketpulse.fills import WAIT, Execution, Price, executed, filled_by, mean_volume
from marketpulse.horizons import ONE_MINUTE
from marketpulse.ledger import Ledger, Position, equity, fold
from marketpulse.money import CONTEXT, PLACES, decimal, to_price
from marketpulse.signals import Holding, Thresholds, fires
from marketpulse.terms import Reference

Times = npt.NDArray[np.int64]
Column = npt.NDArray[np.float64]

# Rows that are looked through first for the next sale: most come sooner than the end.
FIRST_BLOCK = 16
_MINUTE = int(ONE_MINUTE / pd.Timedelta(1, "us"))


@dataclass(frozen=True, slots=True)
class Trading:
    """What a rule trades, and with what.

    Attributes
    ----------
    symbol : str
    cash, amount : float
        Starting cash and the size of a purchase, in quote currency.
    costs : Costs
        What its trades really cost, whatever the rule reckons with.
    """

    symbol: str
    cash: float
    amount: float
    costs: Costs


@dataclass(frozen=True, slots=True)
class Tape:
    """A stretch of closed bars as a run reads it. Times are microseconds since 1970, UTC.

    Attributes
    ----------
    known : mapping of str to ndarray of shape (n,)
        The columns of `marketpulse.signals.decision_table`.
    times : ndarray of shape (n,)
        When each bar closed and was decided on.
    fill : ndarray of shape (n,)
        Row of the candle at whose open an order of that time would be filled; -1 if no price comes
        in time.
    again : ndarray of shape (n,)
        First row that is decided on after such an order: while it waits, nothing is.
    opened, opens, volume : ndarray of shape (m,)
        Of all candles.
    venue : str
        Whose candles these are.
    """

    known: Mapping[str, Column]
    times: Times
    fill: Times
    again: Times
    opened: Times
    opens: Column
    volume: Column
    venue: str = ""

    def __len__(self) -> int:
        return len(self.times)

    def shifted(self, rows: int) -> "Tape":
        """The tape on which each bar's forecasts are those of ``rows`` bars later, in a circle.

        What was forecast is moved in proportion to the price, so that moves, errors and bands stay
        what they were.
        """
        price = self.known["price"]
        moved = {name: np.roll(column, -rows) for name, column in self.known.items()}
        for name in ("minute_price", "long_price", "minute_mae", "long_mae"):
            moved[name] = moved[name] / moved["price"] * price
        moved |= {name: self.known[name] for name in ("price", "volume")}
        return replace(self, known=moved)


@dataclass(frozen=True, slots=True)
class Deal:
    """A trade of a run: decided on at ``row`` of the tape, executed at the open of a candle.

    Attributes
    ----------
    row, candle : int
    side : Side
    done : Execution
    """

    row: int
    candle: int
    side: Side
    done: Execution


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a rule did over a stretch of closed bars.

    Attributes
    ----------
    decisions : int
        Bars on which it decided.
    trades : int
        Purchases it made.
    net : float
        P&L in quote currency after costs, an open position sold at the last price.
    ledger : Ledger
    """

    decisions: int
    trades: int
    net: float
    ledger: Ledger


def taped(decisions: pd.DataFrame, candles: pd.DataFrame, costs: Costs, *, venue: str = "") -> Tape:
    """The tape of a decision table.

    Parameters
    ----------
    decisions : pandas.DataFrame
        As `marketpulse.signals.decision_table` returns.
    candles : pandas.DataFrame
        Closed one-minute candles, those after the decisions included.
    costs : Costs
        For the latency.
    venue : str
        Whose candles these are.
    """
    times, opened = _microseconds(decisions.index), _microseconds(candles.index)
    delay = math.ceil(decimal(costs.latency_s).scaleb(6))
    earliest = times + delay
    latest = earliest + int(WAIT / pd.Timedelta(1, "us"))
    # A bar without trades has no price of its own.
    real = np.flatnonzero(~candles["filled"].to_numpy())
    first = opened[real].searchsorted(earliest)
    found = np.append(real, -1)[first]
    stamped = np.append(opened, np.iinfo(np.int64).max)[found]
    in_time = stamped <= latest
    after = np.where(in_time, times.searchsorted(stamped), times.searchsorted(latest, side="right"))
    return Tape(
        known={str(name): column.to_numpy() for name, column in decisions.items()},
        times=times,
        fill=np.where(in_time, found, -1),
        again=np.maximum(after, np.arange(1, len(times) + 1)),
        opened=opened,
        opens=candles["open"].to_numpy(dtype="float64"),
        volume=candles["volume"].to_numpy(dtype="float64"),
        venue=venue,
    )


def _microseconds(index: pd.Index) -> Times:
    return pd.DatetimeIndex(index).as_unit("us").asi8


def run(
    decisions: pd.DataFrame,
    candles: pd.DataFrame,
    thresholds: Thresholds,
    gate: Costs,
    trading: Trading,
) -> Outcome:
    """Carry out a rule: decide when a bar closes, trade at the first price that comes.

    Parameters
    ----------
    decisions, candles
        As for `taped`.
    thresholds : Thresholds
    gate : Costs
        What the rule reckons with.
    trading : Trading
    """
    if decisions.empty:
        return Outcome(0, 0, 0.0, Ledger())
    tape = taped(decisions, candles, trading.costs)
    ledger = book_of(tape, deals(tape, thresholds, gate, trading), trading)
    bought = sum(fill.side == Side.BUY for fill in ledger.fills)
    return Outcome(len(decisions), bought, net(tape, ledger, trading), ledger)


def deals(tape: Tape, thresholds: Thresholds, gate: Costs, trading: Trading) -> list[Deal]:
    """The trades of a rule over a tape, in time order; arguments as for `run`."""
    wanted = np.flatnonzero(fires(tape.known, thresholds, gate, None))
    asked = orders.amount_of(trading.amount)
    cash, made = decimal(trading.cash), list[Deal]()
    # Below this no price makes a purchase cheap enough: a quantity is cut by less than one step.
    least = asked - 2 * to_price(max(tape.opens.max(initial=0.0), 1e-8)) * PLACES
    row = 0
    with localcontext(CONTEXT):
        while cash >= least:
            bought, row = _bought(tape, wanted, row, asked, cash, trading.costs)
            if bought is None:
                break
            cash -= bought.done.notional + bought.done.fee
            made.append(bought)
            held = _held(tape, bought, thresholds.reference)
            sold = _sold(tape, row, bought.done.quantity, held, thresholds, gate, trading.costs)
            if sold is None:
                break
            cash += sold.done.notional - sold.done.fee
            made.append(sold)
            row = int(tape.again[sold.row])
    return made


def _bought(
    tape: Tape, wanted: Times, start: int, asked: Decimal, cash: Decimal, costs: Costs
) -> tuple[Deal | None, int]:
    """The first purchase from row ``start`` on that can be paid, and the row after it."""
    after = start
    for row in _rows_from(wanted, start, tape.again):
        deal = _deal(tape, row, Side.BUY, asked, costs)
        after = int(tape.again[row])
        if deal is not None and deal.done.notional + deal.done.fee <= cash:
            return deal, after
    return None, after


def _rows_from(wanted: Times, start: int, again: Times) -> Iterator[int]:
    """The wanted rows from ``start`` on, but for those at which an order still waits."""
    place = int(wanted.searchsorted(start))
    while place < len(wanted):
        row = int(wanted[place])
        yield row
        place = max(place + 1, int(wanted.searchsorted(again[row])))


def _deal(tape: Tape, row: int, side: Side, asked: Decimal, costs: Costs) -> Deal | None:
    """The trade of an order given at a row; None if it gets no price or cannot be traded."""
    candle = int(tape.fill[row])
    if candle < 0:
        return None
    volume = _volume_before(tape, candle) if costs.impact_bps else None
    reference = to_price(float(tape.opens[candle]))
    try:
        done = executed(side, asked, reference, costs, volume, money=side == Side.BUY)
    except InvalidOrder:
        return None
    return Deal(row, candle, side, done)


def _volume_before(tape: Tape, candle: int) -> float | None:
    closed = int(tape.opened.searchsorted(tape.opened[candle] - _MINUTE, side="right"))
    return mean_volume(tape.volume, closed)


def _sold(
    tape: Tape,
    start: int,
    quantity: Decimal,
    held: Holding,
    thresholds: Thresholds,
    gate: Costs,
    costs: Costs,
) -> Deal | None:
    """The first sale from row ``start`` on; None if nothing is sold any more."""
    row = _sale_row(tape, start, thresholds, gate, held)
    while row is not None:
        deal = _deal(tape, row, Side.SELL, quantity, costs)
        if deal is not None:
            return deal
        row = _sale_row(tape, int(tape.again[row]), thresholds, gate, held)
    return None


def _sale_row(
    tape: Tape, start: int, thresholds: Thresholds, gate: Costs, held: Holding
) -> int | None:
    """The first row from ``start`` on at which what is held would be sold; None if there is none.

    Once it has expired it is sold, whatever the rule says.
    """
    end = len(tape)
    if thresholds.hold_minutes is not None:
        over = held.since.value // 1000 + thresholds.hold_minutes * _MINUTE
        end = int(tape.times.searchsorted(over))
    block = FIRST_BLOCK
    while start < end:
        stop = min(start + block, end)
        found = fires(_Rows(tape.known, slice(start, stop)), thresholds, gate, held)
        if found.any():
            return start + int(found.argmax())
        start, block = stop, 4 * block
    return start if start < len(tape) else None


class _Rows(Mapping[str, Column]):
    """Some rows of columns; a column is cut only if it is asked for."""

    __slots__ = ("_columns", "_part")

    def __init__(self, columns: Mapping[str, Column], part: slice) -> None:
        self._columns, self._part = columns, part

    def __getitem__(self, name: str) -> Column:
        return self._columns[name][self._part]

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)


def book_of(tape: Tape, made: list[Deal], trading: Trading) -> Ledger:
    """The paper book of the trades: the fold of the deposit and of every order and its fill."""
    return fold(_events(tape, made, trading))


def _events(tape: Tape, made: list[Deal], trading: Trading) -> Iterator[Event]:
    yield Deposit("deposit", _time(tape.times[0]), decimal(trading.cash))
    for deal in made:
        as_of = _time(tape.times[deal.row])
        terms = orders.Terms(
            id=as_of.isoformat(),
            time=as_of,
            symbol=trading.symbol,
            seen=float(tape.known["price"][deal.row]),
            costs=trading.costs,
            origin="auto-pilot",
            reason="signal",
        )
        buys = deal.side == Side.BUY
        order = orders.buy(trading.amount, **terms) if buys else orders.sell_all(**terms)
        opened = _time(tape.opened[deal.candle])
        price = Price.of(opened, float(tape.opens[deal.candle]), tape.venue)
        yield order
        yield filled_by(order, deal.done, price)


def _time(microseconds: np.int64) -> pd.Timestamp:
    return pd.Timestamp(int(microseconds), unit="us", tz=UTC)


def net(tape: Tape, ledger: Ledger, trading: Trading) -> float:
    """P&L in quote currency after costs, an open position sold at the last price."""
    worth = equity(ledger, {trading.symbol: float(tape.known["price"][-1])})
    open_part = float(worth - ledger.cash)
    return float(ledger.cash) + open_part / (1 + trading.costs.exit()) - trading.cash


def _held(tape: Tape, bought: Deal, reference: Reference) -> Holding:
    """What the sale of one purchase must beat, as `holding` has it of the book."""
    done = bought.done
    position = Position(done.quantity, done.notional)
    cost = _cost(position, done.price, done.fee, done.notional, reference)
    return Holding(cost, _time(tape.opened[bought.candle]))


def holding(ledger: Ledger, symbol: str, thresholds: Thresholds) -> Holding | None:
    """What a sale of the symbol must beat: the reference price with its entry fee; None if flat."""
    position = ledger.positions.get(symbol)
    if position is None:
        return None
    # Backwards, because the last purchase of a long book is never far from its end.
    fills = (event for event in reversed(ledger.events) if isinstance(event, Fill))
    last = next(fill for fill in fills if fill.symbol == symbol and fill.side == Side.BUY)
    cost = _cost(position, last.price, last.fee, last.notional, thresholds.reference)
    return Holding(cost, last.time)


def _cost(
    position: Position, price: Decimal, fee: Decimal, notional: Decimal, reference: Reference
) -> float:
    """The reference price of a sale with the entry fee in it, given the last purchase.

    Without a fee it is the price itself to the last digit, and not what was paid by quantity, whose
    rounding would make a sale at the same price look like a gain.
    """
    with localcontext(CONTEXT):
        base = position.average_cost if reference == "average cost" else price
        return float(base * (1 + fee / notional))
