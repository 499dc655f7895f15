"""Signals carried out in the paper book: what a rule would have made."""

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pandas as pd

from marketpulse import ledger as book
from marketpulse import orders
from marketpulse.costs import Costs
from marketpulse.errors import InsufficientCash
from marketpulse.ledger import Deposit, Fill, Ledger, Side
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
        P&L in quote currency after fees, an open position sold at the last price.
    ledger : Ledger
    """

    decisions: int
    trades: int
    net: float
    ledger: Ledger


def run(
    decisions: pd.DataFrame,
    next_open: pd.Series,
    thresholds: Thresholds,
    gate: Costs,
    paid: Costs,
    *,
    symbol: str,
    cash: float,
    amount: float,
) -> Outcome:
    """Carry out a rule: decide when a bar closes, trade at the next bar's open.

    Parameters
    ----------
    decisions : pandas.DataFrame
        As `marketpulse.signals.decision_table` returns.
    next_open : pandas.Series
        First price at or after each decision, same index; NaN where there is none.
    thresholds : Thresholds
    gate, paid : Costs
        What the rule reckons with, and what its trades really cost.
    symbol : str
    cash, amount : float
        Starting cash and the size of a purchase, in quote currency.
    """
    if decisions.empty:
        return Outcome(0, 0, 0.0, Ledger())
    start = decisions.index[0]
    ledger = book.apply(Ledger(), Deposit("deposit", start, Decimal(str(cash))))
    held: Holding | None = None
    for (as_of, known), price in zip(_rows(decisions), next_open.to_numpy(), strict=True):
        side = side_of(as_of, known, thresholds, gate, held)
        if side == "hold" or math.isnan(price):
            continue
        terms = orders.Terms(
            id=as_of.isoformat(), time=as_of, symbol=symbol, price=float(price),
            fee_rate=paid.fee_rate, reason="signal",
        )  # fmt: skip
        try:
            fill = _filled(side, ledger, amount, terms)
        except InsufficientCash:
            break
        ledger = book.apply(ledger, fill)
        held = holding(ledger, symbol, thresholds)
    worth = book.equity(ledger, {symbol: float(decisions["price"].iloc[-1])})
    open_part = float(worth - ledger.cash)
    net = float(worth) - open_part * paid.fee_rate - cash
    bought = sum(fill.side == Side.BUY for fill in ledger.fills)
    return Outcome(len(decisions), bought, net, ledger)


def _filled(side: str, ledger: Ledger, amount: float, terms: orders.Terms) -> Fill:
    if side == "buy":
        return orders.buy(ledger, amount=amount, **terms)
    return orders.sell_all(ledger, **terms)


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
