"""Orders carried out: the first price that may fill one, and what it costs to take it.

A fill never uses a price that was stamped before its order's time and latency. Market orders only.
"""

import math
from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_UP, Decimal, localcontext
from fractions import Fraction
from functools import lru_cache
from typing import Literal, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from marketpulse.costs import Costs
from marketpulse.errors import InsufficientPosition, InvalidOrder, LedgerError
from marketpulse.events import Fill, Order, Receipt, Rejection, Side, keep_utc
from marketpulse.horizons import ONE_MINUTE
from marketpulse.ledger import FLAT, Ledger, append
from marketpulse.money import (
    CONTEXT,
    LIMIT,
    PLACES,
    PRICE_PLACES,
    Number,
    decimal,
    to_price,
)
from marketpulse.rules import due, nothing_held

# An order that no price reaches within so many minutes is given up.
WAIT = 3 * ONE_MINUTE
# Closed bars whose mean volume an order is measured against.
VOLUME_BARS = 20
_NANOSECONDS = {"s": 10**9, "ms": 10**6, "us": 1000, "ns": 1}


@dataclass(frozen=True, slots=True)
class Price:
    """A price that was seen.

    Attributes
    ----------
    time : pandas.Timestamp
        When it was stamped, with a time zone; kept in UTC to the microsecond.
    value : decimal.Decimal
        Quote currency per unit of base currency, at 12 places.
    venue : str
        Whose it is.
    """

    time: pd.Timestamp
    value: Decimal
    venue: str

    def __post_init__(self) -> None:
        keep_utc(self, "time")

    @classmethod
    def of(cls, time: pd.Timestamp, value: Number, venue: str = "") -> "Price":
        """The price with its value at 12 places; raises as `to_price` does."""
        return cls(time, to_price(value), venue)


@dataclass(frozen=True, slots=True)
class Execution:
    """What was traded, and for how much: the money of a fill.

    Attributes
    ----------
    quantity, price, fee, spread, impact : decimal.Decimal
        As in a `Fill` and its receipt.
    notional : decimal.Decimal
        Quantity times price in quote currency, at 8 places.
    """

    quantity: Decimal
    price: Decimal
    fee: Decimal
    spread: Decimal
    impact: Decimal
    notional: Decimal


def outcome(
    order: Order,
    ledger: Ledger,
    candles: pd.DataFrame,
    quote: Price | None,
    now: pd.Timestamp,
    *,
    venue: str = "",
) -> Fill | Rejection | None:
    """What becomes of a waiting order: its fill, or why there is none; None while it waits.

    Parameters
    ----------
    order : Order
        Waiting in the ledger.
    ledger : Ledger
    candles : pandas.DataFrame
        Closed one-minute candles, everything that is known at ``now``.
    quote : Price or None
        The last one.
    now : pandas.Timestamp
        The market's own time.
    venue : str
        Whose candles these are.
    """
    earliest = due(order)
    price = first_price(earliest, candles, quote, venue=venue)
    latest = earliest + WAIT
    if price is None or price.time > latest:
        return _rejected(order, now, _no_price()) if now > latest else None
    try:
        return filled(order, ledger, price, volume_before(price.time, candles))
    except LedgerError as refusal:
        return _rejected(order, now, str(refusal))


def first_price(
    due: pd.Timestamp, candles: pd.DataFrame, quote: Price | None, *, venue: str = ""
) -> Price | None:
    """The earliest price that is stamped at or after ``due``; None if there is none yet.

    A bar's open is stamped with its open time. That of a bar without trades is the close before
    it and counts for nothing. Arguments as for `outcome`.
    """
    start = _row(candles, due, "left")
    empty = candles["filled"].to_numpy()[start:]
    if len(empty) and not empty.all():
        row = start + int(empty.argmin())
        opened: pd.Timestamp = candles.index[row]
        if quote is None or not due <= quote.time < opened:
            return Price.of(opened, float(candles["open"].to_numpy()[row]), venue)
    return quote if quote is not None and quote.time >= due else None


def volume_before(time: pd.Timestamp, candles: pd.DataFrame) -> float | None:
    """Mean volume of the last 20 bars that had closed by ``time``, in base currency.

    They end with one that was traded in: that the next ones were empty is not known before another
    trade comes. Bars of unknown volume are passed over; None if there is no other.
    """
    closed = _row(candles, time - ONE_MINUTE, "right")
    empty = candles["filled"].to_numpy()[:closed]
    closed = 0 if empty.all() else closed - int(empty[::-1].argmin())
    return mean_volume(candles["volume"].to_numpy(dtype="float64"), closed)


def mean_volume(volume: npt.NDArray[np.float64], closed: int) -> float | None:
    """Mean of the last 20 known volumes among the first ``closed`` bars; None if there is none."""
    known = volume[max(closed - VOLUME_BARS, 0) : closed]
    if np.isnan(known).any():
        known = volume[:closed]
        known = known[~np.isnan(known)][-VOLUME_BARS:]
    # Summed exactly, so that the same bars are the same volume on every machine.
    return math.fsum(known.tolist()) / len(known) if len(known) else None


def _row(candles: pd.DataFrame, time: pd.Timestamp, side: Literal["left", "right"]) -> int:
    """Where a time stands among the open times, whatever unit either is kept in."""
    opened = cast(pd.DatetimeIndex, candles.index)
    unit = _NANOSECONDS[opened.unit]
    # The whole unit next to the time, on the side that changes no comparison.
    at = -(-time.value // unit) if side == "left" else time.value // unit
    return int(opened.asi8.searchsorted(at, side=side))


def filled(order: Order, ledger: Ledger, price: Price, volume: float | None) -> Fill:
    """The fill of an order at a price; it is checked against the ledger, but not applied.

    A quantity is cut down to 8 decimal places, a fee is rounded up to them, spread and impact to
    12, all against the user. A quantity of more than 8 places is cut as well: a sale of all that
    was bought leaves nothing, and a residue below one step never comes into being.

    Parameters
    ----------
    order : Order
        Waiting in the ledger.
    ledger : Ledger
    price : Price
        The reference.
    volume : float or None
        Of an ordinary bar, in base currency. If it is unknown or zero the order counts as a whole
        bar.

    Raises
    ------
    InvalidOrder, InsufficientCash, InsufficientPosition
        As `append` does; also if the amount is too small or too large to trade.
    """
    held = ledger.positions.get(order.symbol, FLAT).quantity
    if order.side == Side.SELL and not held:
        raise InsufficientPosition(nothing_held(order.symbol))
    with localcontext(CONTEXT):
        fill = _priced(order, held, price, volume)
    append(ledger, fill)  # raises what the ledger would refuse
    return fill


def _priced(order: Order, held: Decimal, price: Price, volume: float | None) -> Fill:
    quantity = held if order.quantity is None else order.quantity
    asked = quantity if order.amount is None else order.amount
    done = executed(
        order.side, asked, price.value, order.costs, volume, money=order.amount is not None
    )
    return filled_by(order, done, price)


def filled_by(order: Order, done: Execution, price: Price) -> Fill:
    """The fill of an order that was executed at a reference price."""
    return Fill(
        id=f"{order.id}/fill",
        time=price.time,
        symbol=order.symbol,
        side=order.side,
        quantity=done.quantity,
        price=done.price,
        fee=done.fee,
        reason=order.reason,
        order=order.id,
        origin=order.origin,
        receipt=Receipt(
            seen=order.seen,
            reference=price.value,
            reference_time=price.time,
            spread=done.spread,
            impact=done.impact,
            delay=price.time - order.time,
            venue=price.venue,
        ),
    )


def executed(
    side: Side,
    asked: Decimal,
    reference: Decimal,
    costs: Costs,
    volume: float | None,
    *,
    money: bool,
) -> Execution:
    """The money of a trade; to be called within `CONTEXT`.

    Parameters
    ----------
    side : Side
    asked : decimal.Decimal
        An amount of quote currency if it is ``money``, else a quantity of base currency.
    reference : decimal.Decimal
        Price before spread and impact.
    costs : Costs
    volume : float or None
        As for `filled`.
    money : bool

    Raises
    ------
    InvalidOrder
        If it is too small or too large to trade.
    """
    fee_rate, half_spread = _rates(costs)
    spread = _up(reference * half_spread, PRICE_PLACES)
    impact = _impact(costs, reference, asked, volume, money=money)
    taken = spread + impact
    at = reference + (taken if side == Side.BUY else -taken)
    if not 0 < at < LIMIT:
        raise InvalidOrder("The order is so large that its own impact would leave no price.")
    quantity = _worth(asked, at) if money else asked.quantize(PLACES, ROUND_DOWN)
    if not quantity:
        raise InvalidOrder(f"{asked} is too small a quantity to trade.")
    notional = (quantity * at).quantize(PLACES)
    fee = _up(notional * fee_rate, PLACES)
    return Execution(quantity, at, fee, spread, impact, notional)


def _impact(
    costs: Costs, reference: Decimal, asked: Decimal, volume: float | None, *, money: bool
) -> Decimal:
    """What the order's own size takes of the price, rounded up at 12 places.

    An amount is reckoned at the reference price. The root is taken in whole units of the last
    place, so that it is never rounded twice.
    """
    if not costs.impact_bps:
        return Decimal(0)
    size = Fraction(asked) / Fraction(reference) if money else Fraction(asked)
    share = size / Fraction(decimal(volume)) if volume else Fraction(1)
    whole_bar = Fraction(reference * _rate(costs.impact_bps) / PRICE_PLACES)
    units = math.isqrt(math.ceil(whole_bar**2 * share) - 1) + 1
    return units * PRICE_PLACES


@lru_cache(maxsize=256)
def _rates(costs: Costs) -> tuple[Decimal, Decimal]:
    """Fee and half the spread as exact fractions."""
    return _rate(costs.fee_bps), _rate(costs.half_spread_bps)


def _worth(amount: Decimal, price: Decimal) -> Decimal:
    """The quantity that an amount of quote currency is worth, cut down to 8 places."""
    small = amount < price * PLACES
    # Compared before dividing, which overflows at an absurd price.
    if small or amount >= price * LIMIT:
        size = "small" if small else "large"
        raise InvalidOrder(f"{amount:.6g} is too {size} an amount to trade at {price:.6g}.")
    return (amount / price).quantize(PLACES, ROUND_DOWN)


def _rate(bps: float) -> Decimal:
    """Basis points as an exact fraction."""
    return decimal(bps).scaleb(-4)


def _up(value: Decimal, places: Decimal) -> Decimal:
    return value.quantize(places, ROUND_UP)


def _rejected(order: Order, now: pd.Timestamp, sentence: str) -> Rejection:
    return Rejection(f"{order.id}/rejected", now, order.id, sentence)


def _no_price() -> str:
    minutes = int(WAIT / ONE_MINUTE)
    return f"No price came within {minutes} minutes of the order, so it was given up."
