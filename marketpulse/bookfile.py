"""Books as files: the whole book as JSON, out and in again, and its trades as a table.

What comes in is from a stranger: all of it is checked, and it is a book or nothing.
"""

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from marketpulse.books import is_known
from marketpulse.cells import defused
from marketpulse.errors import ImportRefused, LedgerError
from marketpulse.event_json import Symbol, canonical, event_of, plain
from marketpulse.events import Event, Fill, Order, Receipt
from marketpulse.ledger import Ledger, fold
from marketpulse.settings import SOURCE_PATTERN
from marketpulse.strict_json import parsed, reason_of

FORMAT = "Market Pulse book"
VERSION = 1
LARGEST = 1_000_000
MOST_EVENTS = 10_000
# The file, its events, one of them, its settings, one pair of these.
DEEPEST = 5
# More than a file has, and few enough to look at each.
_MOST_ENTRIES = 20

# What is written for each trade, and how it comes from a fill; those of a receipt may be empty.
_COLUMNS: Mapping[str, Callable[[Fill], object]] = {
    "time": lambda fill: fill.time.isoformat(),
    "side": lambda fill: str(fill.side),
    "symbol": lambda fill: fill.symbol,
    "quantity": lambda fill: fill.quantity,
    "price": lambda fill: fill.price,
    "fee": lambda fill: fill.fee,
    "cash_flow": lambda fill: fill.cash_flow,
    "origin": lambda fill: fill.origin,
    "reason": lambda fill: fill.reason,
    "id": lambda fill: fill.id,
    "order": lambda fill: fill.order,
}
_RECEIPT_COLUMNS: Mapping[str, Callable[[Receipt], object]] = {
    "seen": lambda receipt: receipt.seen,
    "reference": lambda receipt: receipt.reference,
    "reference_time": lambda receipt: receipt.reference_time.isoformat(),
    "spread": lambda receipt: receipt.spread,
    "impact": lambda receipt: receipt.impact,
    "delay_s": lambda receipt: Decimal(str(receipt.delay.total_seconds())),
    "venue": lambda receipt: receipt.venue,
}


@dataclass(frozen=True, slots=True)
class Imported:
    """A book that was read from a file: sound, and not opened yet.

    Attributes
    ----------
    source, symbol : str
        The market that it traded.
    checksum : str
        Of its events.
    ledger : Ledger
        Their fold, with all that a preview tells.
    """

    source: str
    symbol: str
    checksum: str
    ledger: Ledger

    @property
    def events(self) -> tuple[Event, ...]:
        """All its events in order."""
        return self.ledger.events


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    format: Literal["Market Pulse book"]
    version: Annotated[int, Field(ge=VERSION, le=VERSION)]
    source: Annotated[str, StringConstraints(pattern=f"^(?:{SOURCE_PATTERN.pattern})$")]
    symbol: Symbol
    checksum: Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
    events: Annotated[list[Any], Field(min_length=1, max_length=MOST_EVENTS)]


def exported(events: Iterable[Event], *, source: str, symbol: str) -> bytes:
    """A book as a file: one line of JSON in ASCII.

    It says nothing of whose book it is. The same events are always the same bytes. A file of more
    than `LARGEST` bytes or `MOST_EVENTS` events is whole, but `imported` refuses it.
    """
    listed = [plain(event) for event in events]
    file = {
        "format": FORMAT,
        "version": VERSION,
        "source": source,
        "symbol": symbol,
        "checksum": _checksum(listed),
        "events": listed,
    }
    return canonical(file).encode("ascii") + b"\n"


def imported(content: bytes) -> Imported:
    """The book that a file holds, replayed from its first event.

    Raises
    ------
    ImportRefused
        If it is no such file, is larger than `LARGEST` bytes, was changed or damaged, or its events
        are no possible history of a book of its market.
    """
    file = _opened(content)
    if _checksum(file.events) != file.checksum:
        raise ImportRefused("The file was changed or is damaged: its checksum is not its events'.")
    events = _events(file)
    try:
        ledger = fold(events)
    except LedgerError as error:
        raise ImportRefused(f"The file is no possible history: {error}") from error
    return Imported(file.source, file.symbol, file.checksum, ledger)


def trades_csv(fills: Iterable[Fill]) -> str:
    """The trades as a table for spreadsheets, the oldest first.

    Money is in the quote currency, ``spread`` and ``impact`` per unit of base currency, times are
    in UTC. Text that a spreadsheet would take for a formula begins with a quote.
    """
    output = io.StringIO()
    writer = csv.writer(output, lineterminator="\n")
    writer.writerow([*_COLUMNS, *_RECEIPT_COLUMNS])
    for fill in fills:
        receipt = fill.receipt
        cells = [column(fill) for column in _COLUMNS.values()]
        cells += [column(receipt) if receipt else "" for column in _RECEIPT_COLUMNS.values()]
        writer.writerow([_cell(value) for value in cells])
    return output.getvalue()


def _opened(content: bytes) -> _File:
    if len(content) > LARGEST:
        raise ImportRefused("The file is larger than 1 MB.")
    try:
        value = parsed(content.decode("utf-8"), DEEPEST)
        if isinstance(value, dict) and len(value) > _MOST_ENTRIES:
            raise ValueError(f"it has {len(value)} entries")
        return _File.model_validate(value)
    except ValidationError as error:
        raise ImportRefused(f"The file is no book ({reason_of(error)}).") from error
    except ValueError as error:
        raise ImportRefused(f"The file is no book ({_short(error)}).") from error


def _events(file: _File) -> list[Event]:
    events: dict[str, Event] = {}
    for number, value in enumerate(file.events, 1):
        try:
            event = event_of(value)
        except ValueError as error:
            raise ImportRefused(f"Event {number} of the file is none ({_short(error)}).") from error
        if is_known(event.id, events.keys()):
            raise ImportRefused(f"Event {number} of the file was there, or answered, before.")
        if isinstance(event, Order | Fill) and event.symbol != file.symbol:
            raise ImportRefused(f"Event {number} of the file trades {event.symbol}.")
        events[event.id] = event
    return list(events.values())


def _checksum(events: Sequence[object]) -> str:
    return sha256(canonical(events).encode()).hexdigest()


def _short(error: ValueError) -> str:
    return str(error)[:160]


def _cell(value: object) -> str:
    if isinstance(value, Decimal):
        return f"{value:f}"
    return defused(str(value))
