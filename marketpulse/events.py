"""What happens to a paper book: the events whose fold it is.

An event is a fact and is never changed. Each has an ``id`` that is unique in its book and a
``time`` with a time zone, kept in UTC to the microsecond. Money is in the quote currency of the
symbol; one book has one quote currency.
"""

from dataclasses import dataclass
from datetime import UTC
from decimal import Decimal, localcontext
from enum import StrEnum
from typing import Literal

import pandas as pd

from marketpulse.costs import Costs
from marketpulse.money import CONTEXT, PLACES

Origin = Literal["manual", "auto-pilot"]
ORIGINS: tuple[Origin, ...] = ("manual", "auto-pilot")


def keep_utc(value: object, name: str) -> None:
    """Turn a time of a frozen ``value`` into UTC microseconds, the precision of the journal.

    Raises
    ------
    ValueError
        If it has no time zone.
    """
    time: pd.Timestamp = getattr(value, name)
    if time.tzinfo is UTC and time.unit == "us":
        return
    if time.tzinfo is None:
        raise ValueError(f"a time in the book needs a time zone, got {time}")
    object.__setattr__(value, name, time.tz_convert(UTC).as_unit("us"))


class Side(StrEnum):
    """Direction of an order and of its fill."""

    BUY = "buy"
    SELL = "sell"


@dataclass(frozen=True, slots=True)
class Deposit:
    """Cash paid into the book: ``amount`` in quote currency, above 0."""

    id: str
    time: pd.Timestamp
    amount: Decimal

    def __post_init__(self) -> None:
        keep_utc(self, "time")


@dataclass(frozen=True, slots=True)
class Order:
    """What somebody asked for; it waits until a `Fill` or a `Rejection` answers it.

    Attributes
    ----------
    id : str
        Of the ticket that was clicked, or of the decision.
    time : pandas.Timestamp
        When it was given. It is filled at the first price that is stamped ``costs.latency_s``
        later than this or after that.
    symbol : str
        Base and quote currency, as in ``BTC/USD``.
    side : Side
    amount : decimal.Decimal or None
        Quote currency to spend, the fee on top, or to raise, the fee taken off.
    quantity : decimal.Decimal or None
        Base currency, instead of an amount; what is finer than 8 places is cut off at the fill.
        A sale with neither sells all that is held.
    kind : {"market"}
        Leaves room for other kinds.
    origin : {"manual", "auto-pilot"}
    reason : str
        Why it was given, in words for the user.
    seen : decimal.Decimal
        Price on the screen, or at the decision, when it was given.
    costs : Costs
        What it is to be filled with.
    """

    id: str
    time: pd.Timestamp
    symbol: str
    side: Side
    amount: Decimal | None
    quantity: Decimal | None
    kind: Literal["market"]
    origin: Origin
    reason: str
    seen: Decimal
    costs: Costs

    def __post_init__(self) -> None:
        keep_utc(self, "time")


@dataclass(frozen=True, slots=True)
class Receipt:
    """How a fill came to its price.

    The price is exactly ``reference + spread + impact`` for a buy and
    ``reference - spread - impact`` for a sell.

    Attributes
    ----------
    seen : decimal.Decimal
        Price on the screen when the order was given.
    reference : decimal.Decimal
        The first price at or after the order's time plus its latency.
    reference_time : pandas.Timestamp
        When that price was stamped.
    spread, impact : decimal.Decimal
        What half the spread and the order's own size took, quote per unit of base currency, >= 0.
    delay : pandas.Timedelta
        From the order to the reference.
    venue : str
        Whose price it is.
    """

    seen: Decimal
    reference: Decimal
    reference_time: pd.Timestamp
    spread: Decimal
    impact: Decimal
    delay: pd.Timedelta
    venue: str

    def __post_init__(self) -> None:
        keep_utc(self, "reference_time")


@dataclass(frozen=True, slots=True)
class Fill:
    """An executed order.

    Attributes
    ----------
    id : str
        Of an order's fill: the order's id and ``/fill``.
    time : pandas.Timestamp
    symbol : str
        Base and quote currency, as in ``BTC/USD``.
    side : Side
    quantity : decimal.Decimal
        In base currency, above 0 on either side, at 8 places.
    price : decimal.Decimal
        Quote currency per unit of base currency, at 12 places.
    fee : decimal.Decimal
        In quote currency, at least 0, at 8 places.
    reason : str
        Why it was traded, in words for the user.
    order : str
        Id of the order that it answers; empty if there was none.
    origin : {"manual", "auto-pilot"}
    receipt : Receipt or None
    """

    id: str
    time: pd.Timestamp
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    fee: Decimal
    reason: str
    order: str = ""
    origin: Origin = "manual"
    receipt: Receipt | None = None

    def __post_init__(self) -> None:
        keep_utc(self, "time")

    @property
    def notional(self) -> Decimal:
        """Quantity times price in quote currency, at 8 places, without the fee."""
        return CONTEXT.multiply(self.quantity, self.price).quantize(PLACES, context=CONTEXT)

    @property
    def cash_flow(self) -> Decimal:
        """Change of cash, the fee included: negative for a buy."""
        with localcontext(CONTEXT):
            return (-self.notional if self.side == Side.BUY else self.notional) - self.fee


@dataclass(frozen=True, slots=True)
class Rejection:
    """An ``order`` that was not filled, and why in one ``sentence``. It moves no money."""

    id: str
    time: pd.Timestamp
    order: str
    sentence: str

    def __post_init__(self) -> None:
        keep_utc(self, "time")


@dataclass(frozen=True, slots=True)
class Armed:
    """The auto-pilot was switched on, with these ``settings`` as the pairs of a URL's query."""

    id: str
    time: pd.Timestamp
    settings: tuple[tuple[str, str], ...]

    def __post_init__(self) -> None:
        keep_utc(self, "time")


@dataclass(frozen=True, slots=True)
class Disarmed:
    """The auto-pilot was switched off, and the ``reason`` in words."""

    id: str
    time: pd.Timestamp
    reason: str

    def __post_init__(self) -> None:
        keep_utc(self, "time")


@dataclass(frozen=True, slots=True)
class Missed:
    """Closed bars that an armed book did not decide on, because the host slept.

    Attributes
    ----------
    id : str
    time : pandas.Timestamp
        When it was noticed.
    first, last : pandas.Timestamp
        Close times of the first and the last of them.
    bars : int
        How many, at least 1.
    """

    id: str
    time: pd.Timestamp
    first: pd.Timestamp
    last: pd.Timestamp
    bars: int

    def __post_init__(self) -> None:
        for name in ("time", "first", "last"):
            keep_utc(self, name)
        if self.bars < 1 or self.first > self.last:
            raise ValueError(f"{self.bars} bars from {self.first} to {self.last} are no stretch")


Event = Deposit | Order | Fill | Rejection | Armed | Disarmed | Missed
