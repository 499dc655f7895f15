"""The paper book: an append-only list of events, and the money that follows from it.

A book is long-only spot at average cost. A `Ledger` is the fold of its events and is never changed:
`apply` returns another one, and the same event twice counts once. An event that the book cannot
carry is refused whole. After every event, exactly::

    cash                  = deposits - buys + sells - fees
    realised + unrealised = equity - deposits

How money is counted and cut stands in `marketpulse.money`, what happens to a book in
`marketpulse.events`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, localcontext
from types import MappingProxyType

from marketpulse import rules
from marketpulse.errors import InsufficientCash, InsufficientPosition
from marketpulse.events import Armed, Deposit, Disarmed, Event, Fill, Order, Rejection, Side
from marketpulse.money import CONTEXT, PLACES, Number, positive


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
        return CONTEXT.divide(self.cost, self.quantity) if self.quantity else Decimal(0)


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
    pending : mapping of order id to Order
        Orders that are neither filled nor rejected, the oldest first; read-only.
    armed : Armed or None
        What the auto-pilot was switched on with; None while it is off.
    """

    cash: Decimal = Decimal(0)
    deposits: Decimal = Decimal(0)
    positions: Mapping[str, Position] = field(default_factory=lambda: MappingProxyType({}))
    realised: Decimal = Decimal(0)
    fees: Decimal = Decimal(0)
    events: tuple[Event, ...] = ()
    pending: Mapping[str, Order] = field(default_factory=lambda: MappingProxyType({}))
    armed: Armed | None = None

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
        If the event is impossible whatever the book holds; see `marketpulse.rules`.
    InsufficientCash, InsufficientPosition
        If the event costs more than there is, or sells more than is held.
    """
    return fold((event,), ledger)


def fold(events: Iterable[Event], start: Ledger | None = None) -> Ledger:
    """The ledger after all events, beginning at ``start`` or the empty book.

    Raises as `apply` does.
    """
    ledger = Ledger() if start is None else start
    running = _Running(ledger)
    seen = {event.id for event in ledger.events}
    fresh: list[Event] = []
    with localcontext(CONTEXT):
        for event in events:
            if event.id not in seen:
                running.take(event)
                seen.add(event.id)
                fresh.append(event)
    return running.ledger((*ledger.events, *fresh)) if fresh else ledger


def append(ledger: Ledger, event: Event) -> Ledger:
    """The ledger after an event whose id is known to be new; raises as `apply` does."""
    running = _Running(ledger)
    with localcontext(CONTEXT):
        running.take(event)
    return running.ledger((*ledger.events, event))


def book(position: Position, fill: Fill) -> tuple[Position, Decimal]:
    """The position after a fill, and the P&L that the fill realised, less its own fee.

    Raises
    ------
    InsufficientPosition
        If the fill sells more than the position holds.
    """
    with localcontext(CONTEXT):
        return _booked(position, fill, fill.notional)


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


class _Running:
    """A ledger while it is folded: changed in place, so that an event costs the same in any book.

    To be used within `CONTEXT`. A refused event leaves it as it was.
    """

    __slots__ = ("armed", "cash", "deposits", "fees", "pending", "positions", "realised")

    def __init__(self, start: Ledger) -> None:
        self.cash, self.deposits = start.cash, start.deposits
        self.realised, self.fees = start.realised, start.fees
        self.positions, self.pending = dict(start.positions), dict(start.pending)
        self.armed = start.armed

    def take(self, event: Event) -> None:
        """Move what the event moves."""
        match event:
            case Fill():
                self._fill(event)
            case Order():
                rules.check_order(event)
                self.pending[event.id] = event
            case Deposit():
                rules.check_deposit(event)
                self.cash += event.amount
                self.deposits += event.amount
            case Rejection():
                self.pending.pop(event.order, None)
            case Armed():
                self.armed = event
            case Disarmed():
                self.armed = None

    def _fill(self, fill: Fill) -> None:
        rules.check_fill(fill)
        if fill.order:
            rules.check_answer(fill, self.pending.get(fill.order))
        notional = fill.notional
        position, realised = _booked(self.positions.get(fill.symbol, FLAT), fill, notional)
        cash = self.cash + (-notional if fill.side == Side.BUY else notional) - fill.fee
        if cash < 0:
            raise InsufficientCash(rules.overspent(self.cash, fill))
        self.cash = cash
        self.realised += realised
        self.fees += fill.fee
        if position.quantity:
            self.positions[fill.symbol] = position
        else:
            del self.positions[fill.symbol]
        self.pending.pop(fill.order, None)

    def ledger(self, events: tuple[Event, ...]) -> Ledger:
        """What it has become, as a value."""
        return Ledger(
            self.cash,
            self.deposits,
            MappingProxyType(self.positions),
            self.realised,
            self.fees,
            events,
            MappingProxyType(self.pending),
            self.armed,
        )


def _booked(position: Position, fill: Fill, notional: Decimal) -> tuple[Position, Decimal]:
    """As `book`, given the fill's notional and within `CONTEXT`."""
    if fill.side == Side.BUY:
        return Position(position.quantity + fill.quantity, position.cost + notional), -fill.fee
    if fill.quantity > position.quantity:
        raise InsufficientPosition(rules.oversold(position.quantity, fill))
    released = (position.cost * fill.quantity / position.quantity).quantize(PLACES)
    rest = Position(position.quantity - fill.quantity, position.cost - released)
    return rest, notional - released - fill.fee
