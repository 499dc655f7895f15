"""Where candles come from: one protocol, and the sources that speak it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import pandas as pd

from marketpulse.candles import Cleaned


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


class CandleSource(Protocol):
    """One origin of one-minute candles and quotes."""

    @property
    def venue(self) -> str:
        """Name of the venue whose prices these are, in lower case."""
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
