"""What a book may risk: limits on its position, on the loss of a day and on trades per hour.

A limit blocks purchases and says so in one sentence with its figures. Sales are never blocked,
because they take risk away. A day begins at midnight UTC.
"""

from dataclasses import dataclass
from decimal import Decimal, localcontext

import pandas as pd

from marketpulse.events import Fill, Order, Side
from marketpulse.ledger import FLAT, Ledger, equity
from marketpulse.money import CONTEXT, decimal, to_price
from marketpulse.words import money_text, percent_text

HOUR = pd.Timedelta(hours=1)
MOST_TRADES = 3600


@dataclass(frozen=True, slots=True)
class Limits:
    """What must not be exceeded; the defaults limit nothing that the cash does not.

    Parameters
    ----------
    max_position : float
        Value of a symbol's position as a share of equity, 0 to 1.
    max_daily_loss : float
        Loss of a day as a share of the equity that it began with, 0 to 1.
    max_trades_per_hour : int
        Trades of either side within an hour, 0 to 3600.

    Raises
    ------
    ValueError
        If one of them is out of these bounds.
    """

    max_position: float = 1.0
    max_daily_loss: float = 1.0
    max_trades_per_hour: int = MOST_TRADES

    def __post_init__(self) -> None:
        bounds = {"max_position": 1, "max_daily_loss": 1, "max_trades_per_hour": MOST_TRADES}
        for name, most in bounds.items():
            if not 0 <= getattr(self, name) <= most:
                raise ValueError(f"{name} must be from 0 to {most}, got {getattr(self, name)}")


@dataclass(frozen=True, slots=True)
class Mark:
    """What a symbol is worth at one moment.

    Attributes
    ----------
    time : pandas.Timestamp
        The market's own time, with a time zone.
    price : decimal.Decimal
        Quote currency per unit of base currency.
    opening : decimal.Decimal
        The price with which the day began.
    """

    time: pd.Timestamp
    price: Decimal
    opening: Decimal

    @classmethod
    def of(cls, candles: pd.DataFrame, price: float, now: pd.Timestamp) -> "Mark":
        """The mark of a price that holds ``now``, among closed one-minute candles.

        The day began with the first bar that opened in it, or else with the last close before it,
        or else with the price itself.
        """
        today = candles[candles.index >= midnight(now)]
        if len(today):
            opening = float(today["open"].iloc[0])
        else:
            opening = float(candles["close"].iloc[-1]) if len(candles) else price
        return cls(now, to_price(price), to_price(opening))


def midnight(time: pd.Timestamp) -> pd.Timestamp:
    """The beginning of a time's day, UTC."""
    return time.tz_convert("UTC").normalize()


def blocked(order: Order, ledger: Ledger, mark: Mark, limits: Limits) -> str:
    """Why an order may not be placed, as a sentence that names the limit; empty if it may.

    Other orders that wait count as if they were filled. A sale is never blocked.

    Raises
    ------
    KeyError
        If the ledger holds another symbol, which has no mark.
    """
    if order.side == Side.SELL:
        return ""
    with localcontext(CONTEXT):
        return (
            _too_often(order, ledger, mark.time, limits.max_trades_per_hour)
            or _lost_too_much(order.symbol, ledger, mark, limits.max_daily_loss)
            or _too_large(order, ledger, mark, limits.max_position)
        )


def must_sell(symbol: str, ledger: Ledger, mark: Mark, limits: Limits) -> str:
    """Why a position must be sold now, as a sentence; empty if it need not, or none is held.

    Raises as `blocked` does.
    """
    if symbol not in ledger.positions:
        return ""
    with localcontext(CONTEXT):
        return _lost_too_much(symbol, ledger, mark, limits.max_daily_loss)


def daily_loss(symbol: str, ledger: Ledger, mark: Mark) -> tuple[Decimal, Decimal]:
    """The loss since midnight (below 0: a gain), and the equity that the day began with.

    Deposits of the day count as if they had been there when it began. Raises as `blocked` does.
    """
    with localcontext(CONTEXT):
        cash, held = ledger.cash, ledger.positions.get(symbol, FLAT).quantity
        for fill in _fills_since(ledger, midnight(mark.time)):
            cash -= fill.cash_flow
            held -= fill.quantity if fill.side == Side.BUY else -fill.quantity
        began_with = cash + held * mark.opening
        return began_with - equity(ledger, {symbol: mark.price}), began_with


def _too_often(order: Order, ledger: Ledger, now: pd.Timestamp, most: int) -> str:
    trades = len(_fills_since(ledger, now - HOUR)) + len(_others(order, ledger))
    if trades < most:
        return ""
    return f"No purchase: the limit is {most} trades per hour, and there were {trades} in the last."


def _lost_too_much(symbol: str, ledger: Ledger, mark: Mark, most: float) -> str:
    # A limit of everything is none, and costs no look at the day.
    if most >= 1:
        return ""
    loss, began_with = daily_loss(symbol, ledger, mark)
    limit = began_with * decimal(most)
    if loss <= limit:
        return ""
    return (
        f"The loss since midnight UTC is {_money(loss, symbol)}, more than the limit of"
        f" {percent_text(most)} of the day's opening equity, {_money(limit, symbol)}."
    )


def _too_large(order: Order, ledger: Ledger, mark: Mark, most: float) -> str:
    if most >= 1:
        return ""
    bought = [order, *(one for one in _others(order, ledger) if one.side == Side.BUY)]
    held = ledger.positions.get(order.symbol, FLAT).quantity
    worth = held * mark.price + sum((_worth(one, mark.price) for one in bought), Decimal(0))
    limit = equity(ledger, {order.symbol: mark.price}) * decimal(most)
    if worth <= limit:
        return ""
    return (
        f"No purchase: the position would be worth {_money(worth, order.symbol)}, more than the"
        f" limit of {percent_text(most)} of equity, {_money(limit, order.symbol)}."
    )


def _worth(order: Order, price: Decimal) -> Decimal:
    """What an order buys, in quote currency."""
    if order.amount is not None:
        return order.amount
    return (order.quantity or Decimal(0)) * price


def _others(order: Order, ledger: Ledger) -> list[Order]:
    """The orders that wait besides this one."""
    return [one for one in ledger.pending.values() if one.id != order.id]


def _fills_since(ledger: Ledger, start: pd.Timestamp) -> list[Fill]:
    """The fills from ``start`` on. One that was written late may stand behind newer events."""
    return [fill for fill in ledger.fills if fill.time >= start]


def _money(amount: Decimal, symbol: str) -> str:
    return money_text(float(amount), symbol.partition("/")[2])
