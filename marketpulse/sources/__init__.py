"""Where candles come from: one protocol, and the sources that speak it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

import pandas as pd

from marketpulse.candles import Cleaned

NO_OFFSET = pd.Timedelta(0)


@dataclass(frozen=True, slots=True)
class Quote:
    """The last known price.

    Attributes
    ----------
    price : float
        In quote currency.
    time : pandas.Timestamp
        UTC time for which the price was said to hold.
    """

    price: float
    time: pd.Timestamp


@dataclass(frozen=True, slots=True)
class VenueState:
    """How it stands with one venue at one moment.

    Attributes
    ----------
    venue : str
    state : {"unasked", "ok", "failing", "resting", "banned", "blocked"}
        ``failing``: its last call failed, and it will be asked again as usual. ``resting``: it
        failed several times in a row and is left alone until ``until``. ``banned``: it told us to
        stay away until then. ``blocked``: it does not serve this server's country, and is not
        asked again.
    until : pandas.Timestamp or None
        UTC time before which it is not asked.
    error : str
        What went wrong last, as a sentence; empty if its last call worked.
    calls : int
        Requests sent to it within the last hour.
    clock_offset : pandas.Timedelta or None
        By how much its clock is ahead of ours; None if it never said what time it is.
    answered : pandas.Timestamp or None
        UTC time of its last good answer.
    """

    venue: str
    state: Literal["unasked", "ok", "failing", "resting", "banned", "blocked"] = "unasked"
    until: pd.Timestamp | None = None
    error: str = ""
    calls: int = 0
    clock_offset: pd.Timedelta | None = None
    answered: pd.Timestamp | None = None


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where candles come from at one moment, and how reliably.

    Attributes
    ----------
    venues : tuple of VenueState
        Every venue that may be asked, the preferred one first; none for a recording.
    clock_offset : pandas.Timedelta
        By how much the clock of the venue in use is ahead of this machine's.
    cache_problem : str
        Why candles are not kept on disk, as a sentence; empty if they are, or need not be.
    """

    venues: tuple[VenueState, ...] = ()
    clock_offset: pd.Timedelta = NO_OFFSET
    cache_problem: str = ""


class CandleSource(Protocol):
    """One origin of one-minute candles and quotes.

    ``now`` is the time on this machine, or a replay's. A source that knows better, because its
    venue says what time it is, corrects it by the offset that its `provenance` tells.
    """

    @property
    def venue(self) -> str:
        """Name of the venue whose prices these are, in lower case."""
        ...

    def provenance(self, now: pd.Timestamp) -> Provenance:
        """How it stands with the venues at ``now``."""
        ...

    def pages(self, symbol: str, *, start: pd.Timestamp, now: pd.Timestamp) -> Iterator[Cleaned]:
        """Closed one-minute candles that open at or after ``start``, newest page first.

        Pages may overlap. The iterator ends when ``start`` is reached or the venue has no more.

        Raises
        ------
        SourceUnavailable
            If the venue does not answer, or what it answers are not candles.
        UnknownSymbol
            If the venue has no such pair; the message lists near matches.
        """
        ...

    def quote(self, symbol: str, *, now: pd.Timestamp) -> Quote:
        """The price at ``now``.

        Raises
        ------
        SourceUnavailable, UnknownSymbol
            As for `pages`.
        """
        ...
