"""Where the orders of a backtest are executed: at the opens of candles, as live orders are."""

from dataclasses import dataclass
from decimal import Decimal, localcontext

import numpy as np

from marketpulse import orders
from marketpulse.costs import Costs
from marketpulse.errors import InvalidOrder
from marketpulse.events import Fill, Side
from marketpulse.fills import Execution, executed
from marketpulse.ledger import Ledger, Position
from marketpulse.money import CONTEXT, PLACES, decimal, to_price
from marketpulse.settings import REFERENCES
from marketpulse.signals import Holding, Thresholds
from marketpulse.tape import Column, Rows, Tape, timestamp
from marketpulse.terms import Reference

# What is remembered of a purchase: its quantity, what was paid with the fee, and for each kind of
# reference what a sale of it must beat, as `holding` has it.
QUANTITY, PAID = 0, 1
FIGURES = ("quantity", "paid", *REFERENCES)


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


class Broker:
    """Executes the orders of runs over the same candles.

    What the one amount buys at a candle does not depend on the run, so it is worked out once for
    all of them; `figures` of it travel to other processes.

    Parameters
    ----------
    tape : Tape
        Any of these candles.
    trading : Trading
    figures : ndarray of shape (m + 1, 4), optional
        As another broker has them.
    """

    def __init__(self, tape: Tape, trading: Trading, figures: Column | None = None) -> None:
        self.tape, self.trading = tape, trading
        self._amount = orders.amount_of(trading.amount)
        self._bought: dict[int, Execution | None] = {}
        # Infinite is what nobody has asked for yet. The last row is that of candle -1: nothing.
        self.figures = np.full((len(tape.opens) + 1, len(FIGURES)), np.inf)
        self.figures[-1] = np.nan
        if figures is not None:
            self.figures[:] = figures

    def __reduce__(self) -> tuple[type["Broker"], tuple[Tape, Trading, Column]]:
        return Broker, (self.tape, self.trading, self.figures)

    def bought(self, candle: int) -> Execution | None:
        """What the amount buys at a candle's open; None if it is too small or too large for it."""
        if candle not in self._bought:
            with localcontext(CONTEXT):
                self._bought[candle] = self._executed(Side.BUY, self._amount, candle)
        return self._bought[candle]

    def sold(self, candle: int, quantity: Decimal) -> Execution | None:
        """The sale of a quantity at a candle's open; None if it cannot be traded there."""
        with localcontext(CONTEXT):
            return self._executed(Side.SELL, quantity, candle)

    def least(self) -> Decimal:
        """Less than what any purchase takes: a quantity is cut by less than one step."""
        dearest = to_price(self.tape.opens.max(initial=1e-8))
        amount = self._amount - 2 * dearest * PLACES
        return amount * (1 + decimal(self.trading.costs.fee_bps).scaleb(-4)) - PLACES

    def purchases(self, candles: Rows) -> Column:
        """The `FIGURES` of a purchase at each candle, shape (n, 4).

        NaN where nothing could be bought, or the candle is -1.
        """
        for candle in candles[np.isinf(self.figures[candles, 0])].tolist():
            done = self.bought(candle)
            self.figures[candle] = np.nan if done is None else _figures(done)
        return self.figures[candles]

    def holding(self, candle: int, thresholds: Thresholds) -> Holding:
        """What a sale of a purchase at a candle must beat, as `holding` has it of a book."""
        figures = self.purchases(np.array([candle]))[0]
        cost = float(figures[FIGURES.index(thresholds.reference)])
        return Holding(cost, timestamp(self.tape.opened[candle]))

    def _executed(self, side: Side, asked: Decimal, candle: int) -> Execution | None:
        costs, money = self.trading.costs, side == Side.BUY
        volume = self.tape.volume_before(candle) if costs.impact_bps else None
        reference = to_price(float(self.tape.opens[candle]))
        try:
            return executed(side, asked, reference, costs, volume, money=money)
        except InvalidOrder:
            return None


def _figures(done: Execution) -> tuple[float, ...]:
    position = Position(done.quantity, done.notional)
    with localcontext(CONTEXT):
        costs = [_cost(position, done, reference) for reference in REFERENCES]
        return (float(done.quantity), float(done.notional + done.fee), *costs)


def holding(ledger: Ledger, symbol: str, thresholds: Thresholds) -> Holding | None:
    """What a sale of the symbol must beat: the reference price with its entry fee; None if flat."""
    position = ledger.positions.get(symbol)
    if position is None:
        return None
    # Backwards, because the last purchase of a long book is never far from its end.
    fills = (event for event in reversed(ledger.events) if isinstance(event, Fill))
    last = next(fill for fill in fills if fill.symbol == symbol and fill.side == Side.BUY)
    with localcontext(CONTEXT):
        return Holding(_cost(position, last, thresholds.reference), last.time)


def _cost(position: Position, last: Fill | Execution, reference: Reference) -> float:
    """The reference price with the fee of the last purchase in it.

    Without a fee it is that price to the last digit, and not what was paid by quantity, whose
    rounding would make a sale at the same price look like a gain.
    """
    base = position.average_cost if reference == "average cost" else last.price
    return float(base * (1 + last.fee / last.notional))
