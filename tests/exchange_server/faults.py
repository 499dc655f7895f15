"""What can go wrong at a venue, by name, and which of it each market-data failure mode is."""

from dataclasses import dataclass
from typing import Literal, get_args

import pandas as pd

from tests.exchange_server.damage import UNITS
from tests.exchange_server.formats import NUMBERS, PER_SECOND

WireFault = Literal[
    "hang", "drip", "drip-head", "reset", "close", "short", "blank", "html", "truncated", "null",
    "object", "foo", "bad-gzip", "zip-bomb", "huge", "binary", "nan-json", "restricted",
]  # fmt: skip
ClockFault = Literal["fast-clock", "slow-clock"]
DataFault = Literal[
    "empty", "duplicates", "conflicts", "shuffled", "reversed", "gap", "closed-only", "stale",
    "wick", "zero", "negative", "nan", "infinite", "many-zeros", "no-volume", "negative-volume",
    "high-below-low", "future", "seconds", "milliseconds", "microseconds", "nanoseconds", "revised",
    "few", "local-time", "thousands", "delisted", "unlisted", "other-quote",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Refusal:
    """A reply with a status that is none of 200.

    Parameters
    ----------
    status : int
    retry_after : str, optional
        The header of that name.
    html : bool
        A page instead of JSON.
    """

    status: int
    retry_after: str | None = None
    html: bool = False


Fault = int | Refusal | WireFault | ClockFault | DataFault

WIRE_FAULTS: tuple[str, ...] = get_args(WireFault)
DATA_FAULTS: tuple[str, ...] = get_args(DataFault)
NAMES: tuple[str, ...] = (*WIRE_FAULTS, *get_args(ClockFault), *DATA_FAULTS)

CLOCKS: dict[Fault, pd.Timedelta] = {
    "fast-clock": pd.Timedelta(minutes=5),
    "slow-clock": pd.Timedelta(minutes=-5),
}
"""By how much a clock is ahead."""

SCRIPTS: dict[str, tuple[Fault, ...]] = {
    "F01": (429, Refusal(429, "120"), Refusal(429, "soon"), Refusal(429, html=True)),
    "F02": (418, Refusal(418, "300")),
    "F03": (451, Refusal(451, html=True), "restricted"),
    "F04": (403, Refusal(403, html=True)),
    "F05": (500, 502, 503, 520, Refusal(503, "10"), Refusal(502, html=True)),
    "F06": ("hang", 504),
    "F07": ("drip", "drip-head"),
    "F08": ("reset", "close"),
    "F09": ("truncated",),
    "F10": ("short",),
    "F11": ("html",),
    "F12": ("blank", "null", "object", "foo", "bad-gzip", "binary", "thousands"),
    "F13": ("empty",),
    "F14": ("duplicates", "conflicts"),
    "F15": ("reversed", "shuffled"),
    "F16": ("gap",),
    "F17": ("closed-only",),
    "F18": ("stale",),
    "F19": ("fast-clock", "slow-clock"),
    "F20": ("wick",),
    "F21": ("zero", "negative", "nan", "infinite", "many-zeros", "nan-json"),
    "F22": ("no-volume", "negative-volume"),
    "F23": ("high-below-low",),
    "F24": ("delisted", "unlisted"),
    "F25": ("other-quote",),
    # A venue without one-minute candles refuses the interval.
    "F26": (400,),
    "F27": ("few",),
    "F28": ("seconds", "milliseconds", "microseconds", "nanoseconds"),
    "F29": ("local-time",),
    "F30": ("future",),
    "F31": ("revised",),
    # The source changes when the one that has answered so far does so no more.
    "F32": (503,),
    "F33": ("huge", "zip-bomb"),
    # Of Yahoo: the three errors that its client library has names for.
    "F34": (429, "empty", "unlisted"),
}
"""The faults that stage each failure mode, as far as a server can: F08 has addresses as well."""


def cannot(venue: str, fault: Fault) -> str:
    """Why a venue's wire format has no room for a fault, or "" if it has."""
    if isinstance(fault, str) and UNITS.get(fault) == PER_SECOND[venue]:
        return f"{venue} tells its times in {fault} anyway"
    if fault == "thousands" and venue in NUMBERS:
        return f"{venue} sends prices as numbers, which have no separators"
    if fault == "delisted" and venue == "gemini":
        return "gemini lists only the pairs that are traded"
    return ""


def spelled(fault: Fault) -> str:
    """A fault as it is typed: ``hang``, ``503``, ``429:120`` or ``429:html``."""
    if not isinstance(fault, Refusal):
        return str(fault)
    parts = (str(fault.status), fault.retry_after, "html" if fault.html else None)
    return ":".join(part for part in parts if part is not None)


def typed(text: str) -> Fault:
    """The fault of a text as `spelled` makes it.

    Raises
    ------
    ValueError
        If there is no such fault.
    """
    if text in NAMES:
        return text  # type: ignore[return-value]  # it is one of the literals
    status, *words = text.split(":")
    if not (status.isascii() and status.isdigit() and 400 <= int(status) <= 599 and len(words) < 3):
        raise ValueError(f"There is no fault {text!r}.")
    waits = [word for word in words if word != "html"]
    if not words:
        return int(status)
    return Refusal(int(status), waits[0] if waits else None, "html" in words)


def require(venue: str, fault: Fault) -> None:
    """Nothing, if a venue is known and can have the fault.

    Raises
    ------
    ValueError
        In one sentence, if not.
    """
    if venue not in PER_SECOND:
        raise ValueError(f"There is no venue {venue!r}.")
    if isinstance(fault, str) and fault not in NAMES:
        raise ValueError(f"There is no fault {fault!r}.")
    reason = cannot(venue, fault)
    if reason:
        raise ValueError(f"This venue cannot have {spelled(fault)!r}: {reason}.")
