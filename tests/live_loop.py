"""The auto-pilot's life in plain words: one bar after another, knowing nothing of the next."""

from decimal import Decimal

import pandas as pd

from marketpulse import orders
from marketpulse.backtest import Trading, holding
from marketpulse.costs import Costs
from marketpulse.events import Deposit, Rejection
from marketpulse.fills import Price, outcome
from marketpulse.horizons import ONE_MINUTE
from marketpulse.ledger import Ledger, append
from marketpulse.signals import Thresholds, decide


def lived(
    decisions: pd.DataFrame,
    candles: pd.DataFrame,
    thresholds: Thresholds,
    gate: Costs,
    trading: Trading,
) -> Ledger:
    """The book after all bars, each decided on with what was known by then.

    At the close of a bar its own candle is the newest, and the open of the next one is the quote.
    """
    first = decisions.index[0]
    ledger = append(Ledger(), Deposit("deposit", first, Decimal(str(trading.cash))))
    for now in pd.date_range(first, candles.index[-1], freq=ONE_MINUTE):
        closed = candles[candles.index <= now - ONE_MINUTE]
        quote = _quote(candles, now)
        ledger = _answered(ledger, closed, quote, now)
        if now not in decisions.index or ledger.pending:
            continue
        held = holding(ledger, trading.symbol, thresholds)
        signal = decide(now, decisions.loc[now].to_dict(), thresholds, gate, held)
        if signal.side == "hold":
            continue
        terms = orders.Terms(
            id=now.isoformat(),
            time=now,
            symbol=trading.symbol,
            seen=float(decisions.loc[now, "price"]),
            costs=trading.costs,
            origin="auto-pilot",
            reason=signal.reasons[0],
        )
        buys = signal.side == "buy"
        order = orders.buy(trading.amount, **terms) if buys else orders.sell_all(**terms)
        ledger = _answered(append(ledger, order), closed, quote, now)
    return ledger


def _quote(candles: pd.DataFrame, now: pd.Timestamp) -> Price | None:
    """The open of the bar that begins now, unless nothing is traded in it."""
    if now not in candles.index or candles.loc[now, "filled"]:
        return None
    return Price.of(now, float(candles.loc[now, "open"]))


def _answered(
    ledger: Ledger, closed: pd.DataFrame, quote: Price | None, now: pd.Timestamp
) -> Ledger:
    for order in tuple(ledger.pending.values()):
        answer = outcome(order, ledger, closed, quote, now)
        if answer is not None:
            ledger = append(ledger, answer)
    return ledger


def rejections(ledger: Ledger) -> list[Rejection]:
    """The orders of a book that were not filled."""
    return [event for event in ledger.events if isinstance(event, Rejection)]
