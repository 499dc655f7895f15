"""The paper book: an append-only list of events, and the money that follows from it.

A book is long-only spot at average cost. A `Ledger` is the fold of its events and is never changed:
`apply` returns another one, and the same event twice counts once. An order that the book cannot
carry is refused whole. After every event, exactly::

    cash                  = deposits - buys + sells - fees
    realised + unrealised = equity - deposits

Money is `Decimal`, because binary floats leave accidental shorts. Cash is kept at 8 decimal places,
quantities are cut down and fees rounded up to them. Money is in the quote currency of the symbol;
one book has one quote currency.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_UP, Context, Decimal, localcontext
from enum import StrEnum
from types import MappingProxyType

import pandas as pd

from marketpulse.errors import InsufficientCash, InsufficientPosition, InvalidOrder

Number = Decimal | float

PLACES = Decimal("1e-8")
# 15 digits before and 8 after the point leave room in 38 digits for every sum of a book.
LIMIT = Decimal("1e15")
CONTEXT = Context(prec=38, rounding=ROUND_HALF_EVEN)


class Side(StrEnum):
    """Direction of a fill."""

    BUY = "buy"
    SELL = "sell"


@dataclass(frozen=True, slots=True)
class Deposit:
    """Cash paid into the book: ``amount`` in quote currency, at a ``time`` with a time zone."""

    id: str
    time: pd.Timestamp
    amount: Decimal

    def __post_init__(self) -> None:
        _require_zone(self.time)


@dataclass(frozen=True, slots=True)
class Fill:
    """An executed order.

    Attributes
    ----------
    id : str
        Unique in the book.
    time : pandas.Timestamp
        With a time zone.
    symbol : str
        Base and quote currency, as in ``BTC/USD``.
    side : Side
    quantity : decimal.Decimal
        In base currency, above 0 on either side.
    price : decimal.Decimal
        Quote currency per unit of base currency.
    fee : decimal.Decimal
        In quote currency, at least 0.
    reason : str
        Why it was traded, in words for the user.
    """

    id: str
    time: pd.Timestamp
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    fee: Decimal
    reason: str

    def __post_init__(self) -> None:
        _require_zone(self.time)

    @property
    def notional(self) -> Decimal:
        """Quantity times price in quote currency, at 8 places, without the fee."""
        with localcontext(CONTEXT):
            return (self.quantity * self.price).quantize(PLACES)

    @property
    def cash_flow(self) -> Decimal:
        """Change of cash, the fee included: negative for a buy."""
        with localcontext(CONTEXT):
            return (-self.notional if self.side == Side.BUY else self.notional) - self.fee


Event = Deposit | Fill


@dataclass(frozen=True, slots=True)
class Position:
    """What is held of one symbol: ``quantity`` (base, >= 0) bought for ``cost`` (quote, no fees).

    The cost is kept and not the average, which is rarely a finite decimal.
    """

    quantity: Decimal = Decimal(0)
    cost: Decimal = Decimal(0)

    @property
    def average_cost(self) -> Decimal:
        """Quote currency paid per unit held, without fees; 0 when nothing is held."""
        with localcontext(CONTEXT):
            return self.cost / self.quantity if self.quantity else Decimal(0)


FLAT = Position()


@dataclass(frozen=True, slots=True)
class Ledger:
    """The state of a book after its events; ``Ledger()`` is the empty book.

    Attributes
    ----------
    cash, deposits : decimal.Decimal
        Free cash, and all that was ever paid in.
    positions : mapping of symbol to Position
        Held symbols only; read-only.
    realised : decimal.Decimal
        P&L of what was sold, less all fees; a fee counts when it is paid, that of a buy included.
    fees : decimal.Decimal
        All fees paid, at least 0.
    events : tuple of Event
        Every event in the order of its arrival, each id once.
    """

    cash: Decimal = Decimal(0)
    deposits: Decimal = Decimal(0)
    positions: Mapping[str, Position] = field(default_factory=lambda: MappingProxyType({}))
    realised: Decimal = Decimal(0)
    fees: Decimal = Decimal(0)
    events: tuple[Event, ...] = ()

    @property
    def fills(self) -> tuple[Fill, ...]:
        """The fills among the events."""
        return tuple(event for event in self.events if isinstance(event, Fill))

    # A read-only mapping cannot be pickled; the events are the whole truth anyway.
    def __reduce__(self) -> tuple[Callable[..., "Ledger"], tuple[tuple[Event, ...]]]:
        return fold, (self.events,)


def apply(ledger: Ledger, event: Event) -> Ledger:
    """The ledger after one more event; the same object if the event's id is known already.

    Looks through all earlier ids: for many events use `fold`, for a new one `append`.

    Raises
    ------
    InvalidOrder
        If an amount is zero, negative, not finite, 1e15 or more, or (other than a price) finer
        than 8 decimal places.
    InsufficientCash, InsufficientPosition
        If the event costs more than there is, or sells more than is held.
    """
    return fold((event,), ledger)


def fold(events: Iterable[Event], start: Ledger | None = None) -> Ledger:
    """The ledger after all events, beginning at ``start`` or the empty book.

    Raises as `apply` does.
    """
    ledger = Ledger() if start is None else start
    seen = {event.id for event in ledger.events}
    fresh: list[Event] = []
    for event in events:
        if event.id not in seen:
            ledger = _moved(ledger, event)
            seen.add(event.id)
            fresh.append(event)
    return replace(ledger, events=(*ledger.events, *fresh)) if fresh else ledger


def append(ledger: Ledger, event: Event) -> Ledger:
    """The ledger after an event whose id is known to be new; raises as `apply` does."""
    return replace(_moved(ledger, event), events=(*ledger.events, event))


def book(position: Position, fill: Fill) -> tuple[Position, Decimal]:
    """The position after a fill, and the P&L that the fill realised, less its own fee.

    Raises
    ------
    InsufficientPosition
        If the fill sells more than the position holds.
    """
    with localcontext(CONTEXT):
        if fill.side == Side.BUY:
            bought = Position(position.quantity + fill.quantity, position.cost + fill.notional)
            return bought, -fill.fee
        if fill.quantity > position.quantity:
            raise InsufficientPosition(_oversold(position, fill))
        released = (position.cost * fill.quantity / position.quantity).quantize(PLACES)
        rest = Position(position.quantity - fill.quantity, position.cost - released)
        return rest, fill.cash_flow - released


def equity(ledger: Ledger, marks: Mapping[str, Number]) -> Decimal:
    """Cash plus the positions at ``marks`` (price by symbol), in quote currency.

    Raises
    ------
    KeyError
        If a held symbol has no mark.
    InvalidOrder
        If a mark is no possible price.
    """
    with localcontext(CONTEXT):
        worth = ledger.cash
        for symbol, position in ledger.positions.items():
            worth += position.quantity * positive(f"price of {symbol}", marks[symbol])
        return worth


def unrealised(ledger: Ledger, marks: Mapping[str, Number]) -> Decimal:
    """P&L of what is still held at ``marks``, in quote currency; no fee of a sale is guessed.

    Raises as `equity` does.
    """
    with localcontext(CONTEXT):
        costs = sum((position.cost for position in ledger.positions.values()), Decimal(0))
        return equity(ledger, marks) - ledger.cash - costs


def _moved(ledger: Ledger, event: Event) -> Ledger:
    """The ledger with the event's money moved, but the event not yet listed."""
    with localcontext(CONTEXT):
        _validate(event)
        if isinstance(event, Deposit):
            cash, deposits = ledger.cash + event.amount, ledger.deposits + event.amount
            return replace(ledger, cash=cash, deposits=deposits)
        position, realised = book(ledger.positions.get(event.symbol, FLAT), event)
        cash = ledger.cash + event.cash_flow
        if cash < 0:
            raise InsufficientCash(_overspent(ledger.cash, event))
        positions = {**ledger.positions, event.symbol: position}
        if not position.quantity:
            del positions[event.symbol]
        return replace(
            ledger,
            cash=cash,
            positions=MappingProxyType(positions),
            realised=ledger.realised + realised,
            fees=ledger.fees + event.fee,
        )


def _validate(event: Event) -> None:
    if isinstance(event, Deposit):
        _on_grid("deposit", positive("deposit", event.amount))
        return
    if event.side not in tuple(Side):
        raise InvalidOrder(f"An order buys or sells; it cannot {event.side}.")
    _on_grid("quantity", positive("quantity", event.quantity))
    positive("price", event.price)
    if not event.fee.is_zero():
        _on_grid("fee", positive("fee", event.fee))
    # A sale of dust may bring nothing, or the position could never be closed.
    if event.notional >= LIMIT or (event.side == Side.BUY and not event.notional):
        raise InvalidOrder(f"{_deed(event)} at {event.price:.6g} is no tradable amount.")


def positive(what: str, value: Number) -> Decimal:
    """The value as a Decimal; a float counts as the shortest decimal that means it.

    Raises
    ------
    InvalidOrder
        If it is zero, negative, not finite, 1e15 or more; names ``what`` it is.
    """
    number = value if isinstance(value, Decimal) else Decimal(str(value))
    if not (number.is_finite() and 0 < number < LIMIT):
        raise InvalidOrder(f"The {what} must be above 0 and below 1e15, not {number:.6g}.")
    return number


def _on_grid(what: str, number: Decimal) -> None:
    if number != number.quantize(PLACES, ROUND_DOWN):
        raise InvalidOrder(f"The {what} must have at most 8 decimal places, not {number:.12g}.")


def _require_zone(time: pd.Timestamp) -> None:
    if time.tzinfo is None:
        raise ValueError(f"a time in the book needs a time zone, got {time}")


def _base(symbol: str) -> str:
    return symbol.partition("/")[0]


def _deed(fill: Fill) -> str:
    verb = "Buying" if fill.side == Side.BUY else "Selling"
    return f"{verb} {fill.quantity.normalize():,f} {_base(fill.symbol)}"


def _money(amount: Decimal, fill: Fill, rounding: str) -> str:
    """An amount of quote currency for people: cents, or all 8 places below one unit."""
    cut = amount.quantize(Decimal("0.01") if amount >= 1 else PLACES, rounding)
    text = f"{cut:,f}" if amount >= 1 else f"{cut.normalize():f}"
    return f"{text} {fill.symbol.partition('/')[2]}".rstrip()


def _overspent(cash: Decimal, fill: Fill) -> str:
    # Rounded apart, so that the two figures never read the same.
    cost, there = _money(-fill.cash_flow, fill, ROUND_UP), _money(cash, fill, ROUND_DOWN)
    return f"{_deed(fill)} costs {cost} with the fee, but the cash is {there}."


def nothing_held(symbol: str) -> str:
    """Why there is nothing to sell, in words."""
    return f"No {_base(symbol)} is held, so there is none to sell."


def _oversold(position: Position, fill: Fill) -> str:
    if not position.quantity:
        return nothing_held(fill.symbol)
    asked = _money(fill.notional, fill, ROUND_UP)
    worth = _money(position.quantity * fill.price, fill, ROUND_DOWN)
    held = f"{position.quantity.normalize():,f} {_base(fill.symbol)}"
    return f"{_deed(fill)} for {asked} is more than is held: {held}, worth {worth}."
