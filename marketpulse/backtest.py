"""Signals carried out in the paper book: what a rule would have made.

`marketpulse.chain` finds the bars that trade, and every trade is executed by the function that
fills live orders. The book is the fold of their events, as any book.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from marketpulse import orders
from marketpulse.broker import Broker
from marketpulse.broker import Trading as Trading
from marketpulse.broker import holding as holding
from marketpulse.chain import Gated, round_trips
from marketpulse.costs import Costs
from marketpulse.curves import equity_curve
from marketpulse.events import Deposit, Event, Side
from marketpulse.fills import Execution, Price, filled_by
from marketpulse.ledger import Ledger, equity, fold
from marketpulse.money import decimal
from marketpulse.performance import Summary, summary
from marketpulse.signals import Holding, Thresholds, decide
from marketpulse.tape import Tape, taped, timestamp


@dataclass(frozen=True, slots=True)
class Deal:
    """A trade of a run, decided on at a ``row`` of the tape.

    Attributes
    ----------
    row : int
    side : Side
    reason : str
        In words, as the signal gave it.
    done : Execution
    """

    row: int
    side: Side
    reason: str
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
    decisions, candles : pandas.DataFrame
        As for `marketpulse.tape.taped`.
    thresholds : Thresholds
    gate : Costs
        What the rule reckons with.
    trading : Trading
    """
    if decisions.empty:
        return Outcome(0, 0, 0.0, Ledger())
    tape = taped(decisions, candles, trading.costs)
    if not len(tape):
        return Outcome(0, 0, 0.0, Ledger())
    made = deals(tape, Broker(tape, trading), Gated(thresholds, gate))
    ledger = book_of(tape, made, trading)
    bought = sum(deal.side == Side.BUY for deal in made)
    return Outcome(len(tape), bought, net(tape, ledger, trading), ledger)


@dataclass(frozen=True, slots=True)
class BacktestResult:
    """A run in the figures of any book.

    Attributes
    ----------
    ledger : Ledger
    curve : pandas.DataFrame
        As `marketpulse.curves.equity_curve`, at the close of every bar that was decided on. Its
        ``hold`` pays no costs, so it is the harder to beat.
    summary : Summary
    """

    ledger: Ledger
    curve: pd.DataFrame
    summary: Summary


def result_of(tape: Tape, broker: Broker, rule: Gated) -> BacktestResult:
    """Carry out a rule over a tape with at least one bar."""
    ledger = book_of(tape, deals(tape, broker, rule), broker.trading)
    times = pd.DatetimeIndex(pd.to_datetime(tape.times, unit="us", utc=True)).as_unit("us")
    closes = pd.Series(tape.known["price"], index=times)
    return BacktestResult(ledger, equity_curve(ledger.events, closes), summary(ledger, closes))


def deals(tape: Tape, broker: Broker, rule: Gated) -> list[Deal]:
    """The trades of a rule over a tape, in time order, as far as the cash reaches."""
    cash, made = decimal(broker.trading.cash), list[Deal]()
    least = broker.least()
    trips = round_trips(tape, broker, rule)
    while cash >= least and (trip := next(trips, None)) is not None:
        bought, sold = trip
        purchase = broker.bought(int(tape.candle[bought]))
        if purchase is None or purchase.notional + purchase.fee > cash:
            trips = round_trips(tape, broker, rule, start=int(tape.again[bought]))
            continue
        made.append(Deal(bought, Side.BUY, _reason(tape, rule, bought, None), purchase))
        cash -= purchase.notional + purchase.fee
        sale = None if sold is None else broker.sold(int(tape.candle[sold]), purchase.quantity)
        if sold is None or sale is None:
            break
        held = broker.holding(int(tape.candle[bought]), rule.thresholds)
        made.append(Deal(sold, Side.SELL, _reason(tape, rule, sold, held), sale))
        cash += sale.notional - sale.fee
    return made


def _reason(tape: Tape, rule: Gated, row: int, held: Holding | None) -> str:
    """Why the rule trades at a row, as it would have said then."""
    known = {name: float(column[row]) for name, column in tape.known.items()}
    said = decide(timestamp(tape.times[row]), known, rule.thresholds, rule.costs, held)
    return said.reasons[0]


def book_of(tape: Tape, made: list[Deal], trading: Trading) -> Ledger:
    """The paper book of the trades: the fold of the deposit and of every order and its fill."""
    return fold(_events(tape, made, trading))


def _events(tape: Tape, made: list[Deal], trading: Trading) -> Iterator[Event]:
    yield Deposit("deposit", timestamp(tape.times[0]), decimal(trading.cash))
    for deal in made:
        as_of, candle = timestamp(tape.times[deal.row]), tape.candle[deal.row]
        terms = orders.Terms(
            id=as_of.isoformat(),
            time=as_of,
            symbol=trading.symbol,
            seen=float(tape.known["price"][deal.row]),
            costs=trading.costs,
            origin="auto-pilot",
            reason=deal.reason,
        )
        buys = deal.side == Side.BUY
        order = orders.buy(trading.amount, **terms) if buys else orders.sell_all(**terms)
        yield order
        price = Price.of(timestamp(tape.opened[candle]), float(tape.opens[candle]), tape.venue)
        yield filled_by(order, deal.done, price)


def net(tape: Tape, ledger: Ledger, trading: Trading) -> float:
    """P&L in quote currency after costs, an open position sold at the last price."""
    worth = equity(ledger, {trading.symbol: float(tape.known["price"][-1])})
    open_part = float(worth - ledger.cash)
    return float(ledger.cash) + open_part / (1 + trading.costs.exit()) - trading.cash
