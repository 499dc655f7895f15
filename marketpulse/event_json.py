"""Events as JSON: one strict form for the rows of the journal and for files that people bring.

An event is an object that has its kind under ``event`` and its fields by their names. Keys are
sorted and nothing is spaced, so that an event has one form only. Decimals are strings with at most
15 digits before and 12 after the point, times ISO-8601 in UTC with all microseconds and a ``Z``, a
delay is whole microseconds; only costs are floats. Whatever else is found, is refused.
"""

import json
import re
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

import pandas as pd
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    PlainValidator,
    StringConstraints,
    TypeAdapter,
    ValidationError,
)

from marketpulse.costs import Costs
from marketpulse.errors import InvalidOrder
from marketpulse.events import (
    Armed,
    Deposit,
    Disarmed,
    Event,
    Fill,
    Missed,
    Order,
    Origin,
    Receipt,
    Rejection,
    Side,
)
from marketpulse.settings import SYMBOL_PATTERN
from marketpulse.strict_json import parsed, reason_of

# The event, its settings, one pair of them.
DEEPEST = 3
_NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,12})?")
_TIME = re.compile(
    r"(?:19[7-9][0-9]|2[01][0-9]{2})-[0-9]{2}-[0-9]{2}"
    r"T(?:[01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}\.[0-9]{6}Z"
)
_MICROSECOND = pd.Timedelta(1, "us")
# The one form of a JSON value: an event's, or that of a file of events.
canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False).encode
# Controls, and what turns or hides the text around it.
_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb]"
)


def encoded(event: Event) -> str:
    """The event as JSON, in ASCII.

    Raises
    ------
    InvalidOrder
        If one of its numbers is too large or too fine to be written.
    """
    return canonical(plain(event))


def decoded(body: str) -> Event:
    """The event that was encoded.

    Raises
    ------
    ValueError
        If it is none, with the reason as the end of a sentence.
    """
    return event_of(parsed(body, DEEPEST))


def kind_of(event: Event) -> str:
    """The name of the event's kind, as in its JSON."""
    return _NAMES[type(event)]


def plain(value: Event | Receipt) -> dict[str, Any]:
    """An event, or its receipt, as a JSON value; raises as `encoded` does."""
    kind: Any = type(value)
    parts = {name: _plain(getattr(value, name)) for name in kind.__match_args__}
    return {"event": _NAMES[kind], **parts} if kind in _NAMES else parts


def event_of(value: object) -> Event:
    """The event that a parsed JSON value means; raises as `decoded` does."""
    if isinstance(value, dict) and len(value) > _MOST_FIELDS:
        raise ValueError(f"it has {len(value)} fields")
    try:
        row = _ROWS.validate_python(value)
    except ValidationError as error:
        raise ValueError(reason_of(error)) from error
    values = dict(vars(row))
    made = _KINDS[values.pop("event")](**values)
    _require_name(made)
    return made


def _require_name(event: Event) -> None:
    """Refuse an answer that is not called after its order, and an order called like an answer."""
    order = event.order if isinstance(event, Fill | Rejection) else ""
    ending = ("/fill" if isinstance(event, Fill) else "/rejected") if order else ""
    named = event.id == order + ending if order else not event.id.endswith(("/fill", "/rejected"))
    if not named:
        raise ValueError(f"id: must not be {event.id[:60]!r}")


def _plain(value: Any) -> Any:
    kind = type(value)
    if kind is Decimal:
        return _number_text(value)
    if kind is pd.Timestamp:
        return value.isoformat(timespec="microseconds").replace("+00:00", "Z")
    if kind is pd.Timedelta:
        return value // _MICROSECOND
    if kind is tuple:
        return [_plain(part) for part in value]
    if kind is Costs:  # whose floats may be whole
        return {name: float(getattr(value, name)) for name in Costs.__match_args__}
    if kind is Receipt:
        return plain(value)
    return value


def _number_text(number: Decimal) -> str:
    # The size is looked at first: a huge exponent would be written out.
    short = number.is_finite() and abs(number.adjusted()) < 30
    text = f"{number:f}" if short else ""
    if not _NUMBER.fullmatch(text):
        raise InvalidOrder(
            f"{number:.16g} has more than 15 digits before or 12 after the point, or is no number."
        )
    return text


def _number(value: object) -> Decimal:
    if not (isinstance(value, str) and _NUMBER.fullmatch(value)):
        raise ValueError("must be a decimal number as a string")
    return Decimal(value)


def _time(value: object) -> pd.Timestamp:
    if not (isinstance(value, str) and _TIME.fullmatch(value)):
        raise ValueError("must be a time in UTC from 1970 to 2199, as 2026-01-02T03:04:05.000006Z")
    return pd.Timestamp(datetime.fromisoformat(value))


def _delay(value: object) -> pd.Timedelta:
    if not (type(value) is int and 0 <= value < 10**15):
        raise ValueError("must be whole microseconds")
    return pd.Timedelta(value, "us")


def _seen(text: str) -> str:
    if _UNSEEN.search(text):
        raise ValueError("must not hold characters that cannot be seen")
    return text


def _made(kind: Callable[..., Any]) -> AfterValidator:
    return AfterValidator(lambda row: kind(**vars(row)))


def _text(pattern: str) -> StringConstraints:
    return StringConstraints(pattern=f"^(?:{pattern})$")


_Id = Annotated[str, _text("[ -~]{1,200}")]
_OrderId = Annotated[str, _text("[ -~]{1,150}")]
Symbol = Annotated[str, _text(SYMBOL_PATTERN.pattern)]
_Words = Annotated[str, StringConstraints(max_length=1000), AfterValidator(_seen)]
_Number = Annotated[Decimal, PlainValidator(_number)]
_Time = Annotated[pd.Timestamp, PlainValidator(_time)]
_Side = Annotated[Literal["buy", "sell"], AfterValidator(Side)]
_Pair = Annotated[list[_Words], Field(min_length=2, max_length=2), AfterValidator(tuple)]


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _CostsRow(_Row):
    fee_bps: float
    half_spread_bps: float
    impact_bps: float
    latency_s: float


class _ReceiptRow(_Row):
    seen: _Number
    reference: _Number
    reference_time: _Time
    spread: _Number
    impact: _Number
    delay: Annotated[pd.Timedelta, PlainValidator(_delay)]
    venue: _Words


class _EventRow(_Row):
    id: _Id
    time: _Time


class _DepositRow(_EventRow):
    event: Literal["deposit"]
    amount: _Number


class _OrderRow(_EventRow):
    event: Literal["order"]
    id: _OrderId
    symbol: Symbol
    side: _Side
    amount: _Number | None
    quantity: _Number | None
    kind: Literal["market"]
    origin: Origin
    reason: _Words
    seen: _Number
    costs: Annotated[_CostsRow, _made(Costs)]


class _FillRow(_EventRow):
    event: Literal["fill"]
    symbol: Symbol
    side: _Side
    quantity: _Number
    price: _Number
    fee: _Number
    reason: _Words
    order: _OrderId | Literal[""]
    origin: Origin
    receipt: Annotated[_ReceiptRow, _made(Receipt)] | None


class _RejectionRow(_EventRow):
    event: Literal["rejection"]
    order: _OrderId
    sentence: _Words


class _ArmedRow(_EventRow):
    event: Literal["armed"]
    settings: Annotated[list[_Pair], Field(max_length=100), AfterValidator(tuple)]


class _DisarmedRow(_EventRow):
    event: Literal["disarmed"]
    reason: _Words


class _MissedRow(_EventRow):
    event: Literal["missed"]
    first: _Time
    last: _Time
    bars: Annotated[int, Field(ge=1, lt=10**9)]


_MOST_FIELDS = max(len(row.model_fields) for row in _EventRow.__subclasses__()) + 10
_ROWS: TypeAdapter[Any] = TypeAdapter(
    Annotated[
        _DepositRow | _OrderRow | _FillRow | _RejectionRow | _ArmedRow | _DisarmedRow | _MissedRow,
        Discriminator("event"),
    ]
)
_KINDS: dict[str, Callable[..., Event]] = {
    kind.__name__.lower(): kind
    for kind in (Deposit, Order, Fill, Rejection, Armed, Disarmed, Missed)
}
_NAMES: dict[object, str] = {kind: name for name, kind in _KINDS.items()}
