"""Signals carried out in the paper book: what a rule would have made."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import numpy.typing as npt
import pandas as pd

from marketpulse import orders
from marketpulse.costs import Costs
from marketpulse.errors import InsufficientCash
from marketpulse.events import Deposit, Fill, Order, Side
from marketpulse.fills import WAIT, filled, first_price, volume_before
from marketpulse.ledger import Ledger, append, equity
from marketpulse.rules import due
from marketpulse.signals import Holding, Thresholds, acts

# Rows that are looked through at once for the next trade: most come sooner than the end.
BLOCK = 256


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
    decisions : pandas.DataFrame
        As `marketpulse.signals.decision_table` returns.
    candles : pandas.DataFrame
        Closed one-minute candles, those after the decisions included.
    thresholds : Thresholds
    gate : Costs
        What the rule reckons with.
    trading : Trading
    """
    if decisions.empty:
        return Outcome(0, 0, 0.0, Ledger())
    times = pd.DatetimeIndex(decisions.index)
    known = {str(name): column.to_numpy() for name, column in decisions.items()}
    ledger = append(Ledger(), Deposit("deposit", times[0], Decimal(str(trading.cash))))
    held: Holding | None = None
    row = _next(times, known, 0, thresholds, gate, held)
    while row is not None:
        order = _ordered(held, times[row], float(known["price"][row]), trading)
        earliest = due(order)
        price = first_price(earliest, candles, None)
        if price is None or price.time > earliest + WAIT:
            decided_again = earliest + WAIT
        else:
            waiting = append(ledger, order)
            try:
                fill = filled(order, waiting, price, volume_before(price.time, candles))
            except InsufficientCash:
                break
            ledger, decided_again = append(waiting, fill), price.time
            held = holding(ledger, trading.symbol, thresholds)
        # While an order waits for its price nothing else is decided.
        after = max(row + 1, int(times.searchsorted(decided_again)))
        row = _next(times, known, after, thresholds, gate, held)
    return _outcome(decisions, ledger, trading)


def _next(
    times: pd.DatetimeIndex,
    known: Mapping[str, npt.NDArray[np.float64]],
    start: int,
    thresholds: Thresholds,
    gate: Costs,
    held: Holding | None,
) -> int | None:
    """The first row from ``start`` on at which the rule trades; None if it does no more."""
    for block in range(start, len(times), BLOCK):
        part = slice(block, block + BLOCK)
        rows = {name: column[part] for name, column in known.items()}
        trades = acts(times[part], rows, thresholds, gate, held)
        if trades.any():
            return block + int(trades.argmax())
    return None


def _ordered(held: Holding | None, as_of: pd.Timestamp, seen: float, trading: Trading) -> Order:
    terms = orders.Terms(
        id=as_of.isoformat(),
        time=as_of,
        symbol=trading.symbol,
        seen=seen,
        costs=trading.costs,
        origin="auto-pilot",
        reason="signal",
    )
    return orders.buy(trading.amount, **terms) if held is None else orders.sell_all(**terms)


def _outcome(decisions: pd.DataFrame, ledger: Ledger, trading: Trading) -> Outcome:
    """What is left in the end, an open position sold at the last price."""
    worth = equity(ledger, {trading.symbol: float(decisions["price"].iloc[-1])})
    open_part = float(worth - ledger.cash)
    net = float(ledger.cash) + open_part / (1 + trading.costs.exit()) - trading.cash
    bought = sum(fill.side == Side.BUY for fill in ledger.fills)
    return Outcome(len(decisions), bought, net, ledger)


def holding(ledger: Ledger, symbol: str, thresholds: Thresholds) -> Holding | None:
    """What a sale of the symbol must beat: the reference price with its entry fee; None if flat."""
    position = ledger.positions.get(symbol)
    if position is None:
        return None
    # Backwards, because the last purchase of a long book is never far from its end.
    fills = (event for event in reversed(ledger.events) if isinstance(event, Fill))
    last = next(fill for fill in fills if fill.symbol == symbol and fill.side == Side.BUY)
    paid = last.notional + last.fee
    if thresholds.reference == "average cost":
        rate = last.fee / last.notional
        cost = float(position.average_cost * (1 + rate))
    else:
        cost = float(paid / last.quantity)
    return Holding(cost, last.time)
