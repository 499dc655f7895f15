"""Signals carried out in the paper book: what a rule would have made."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pandas as pd

from marketpulse import orders
from marketpulse.costs import Costs
from marketpulse.errors import InsufficientCash
from marketpulse.events import Deposit, Order, Side
from marketpulse.fills import WAIT, filled, first_price, volume_before
from marketpulse.ledger import Ledger, append, equity
from marketpulse.rules import due
from marketpulse.signals import Holding, Thresholds, side_of


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
    start = Deposit("deposit", decisions.index[0], Decimal(str(trading.cash)))
    ledger = append(Ledger(), start)
    held: Holding | None = None
    busy = start.time
    for as_of, known in _rows(decisions):
        # While an order waits for its price nothing else is decided.
        side = "hold" if as_of < busy else side_of(as_of, known, thresholds, gate, held)
        if side == "hold":
            continue
        order = _ordered(side, as_of, known["price"], trading)
        price = first_price(due(order), candles, None)
        if price is None or price.time > due(order) + WAIT:
            busy = due(order) + WAIT
            continue
        busy, waiting = price.time, append(ledger, order)
        try:
            fill = filled(order, waiting, price, volume_before(price.time, candles))
        except InsufficientCash:
            break
        ledger = append(waiting, fill)
        held = holding(ledger, trading.symbol, thresholds)
    return _outcome(decisions, ledger, trading)


def _ordered(side: str, as_of: pd.Timestamp, seen: float, trading: Trading) -> Order:
    terms = orders.Terms(
        id=as_of.isoformat(),
        time=as_of,
        symbol=trading.symbol,
        seen=seen,
        costs=trading.costs,
        origin="auto-pilot",
        reason="signal",
    )
    return orders.buy(trading.amount, **terms) if side == "buy" else orders.sell_all(**terms)


def _outcome(decisions: pd.DataFrame, ledger: Ledger, trading: Trading) -> Outcome:
    """What is left in the end, an open position sold at the last price."""
    worth = equity(ledger, {trading.symbol: float(decisions["price"].iloc[-1])})
    open_part = float(worth - ledger.cash)
    net = float(ledger.cash) + open_part / (1 + trading.costs.exit()) - trading.cash
    bought = sum(fill.side == Side.BUY for fill in ledger.fills)
    return Outcome(len(decisions), bought, net, ledger)


def _rows(table: pd.DataFrame) -> list[tuple[pd.Timestamp, dict[str, float]]]:
    records: Any = table.to_dict("records")
    return list(zip(table.index, records, strict=True))


def holding(ledger: Ledger, symbol: str, thresholds: Thresholds) -> Holding | None:
    """What a sale of the symbol must beat: the reference price with its entry fee; None if flat."""
    position = ledger.positions.get(symbol)
    if position is None:
        return None
    buys = [fill for fill in ledger.fills if fill.symbol == symbol and fill.side == Side.BUY]
    last = buys[-1]
    paid = last.notional + last.fee
    if thresholds.reference == "average cost":
        rate = last.fee / last.notional
        cost = float(position.average_cost * (1 + rate))
    else:
        cost = float(paid / last.quantity)
    return Holding(cost, last.time)
