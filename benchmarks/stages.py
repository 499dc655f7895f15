"""A venue on loopback that can be made to fail, one that is well, and a clock that jumps."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import pandas as pd

from marketpulse import candles as candle_table
from marketpulse.sources import CandleSource
from marketpulse.sources.exchange import ExchangeSource
from marketpulse.sources.gateway import Gateway
from marketpulse.sources.recorded import load_sample
from marketpulse.sources.yahoo import YahooSource
from tests.exchange_server import ExchangeServer

VENUES = ("bitstamp", "coinbase", "kraken", "gemini", "yahoo")
SYMBOL = "BTC/USD"
# More than the least that a source asks for, and two pages of Coinbase.
WINDOW = pd.Timedelta(minutes=350)
# Of the sample: a day and more before now, and some hours after it.
_BARS, _AHEAD = 2_200, 400
# Seconds into a minute at which all begins: no case takes so long that the next minute comes.
_SECOND = pd.Timedelta(seconds=8)
# By how much the other venue's prices are higher.
_HIGHER = 1.01


@dataclass(slots=True)
class Clock:
    """Time that passes as it does, from a moment of the sample on, and can be made to jump."""

    began: pd.Timestamp
    _origin: float = field(default_factory=time.monotonic)
    _jumped: float = 0.0

    def seconds(self) -> float:
        """Monotonic seconds."""
        return time.monotonic() - self._origin + self._jumped

    def now(self) -> pd.Timestamp:
        """The time on this machine and at every venue."""
        return self.began + pd.Timedelta(seconds=self.seconds())

    def jump(self, seconds: float) -> None:
        """Let so much time pass at once."""
        self._jumped += seconds


@dataclass(frozen=True, slots=True)
class Stage:
    """One venue that fails as ordered, and another one that does not.

    Attributes
    ----------
    venue, other : str
        Their names.
    clock : Clock
        Of this machine, of both venues and of every gateway.
    server, elsewhere : ExchangeServer
        Where they are.
    truth, others_truth : pandas.DataFrame
        Their candles, those to come included.
    """

    venue: str
    other: str
    clock: Clock
    server: ExchangeServer
    elsewhere: ExchangeServer
    truth: pd.DataFrame
    others_truth: pd.DataFrame

    def source(self, url: str | None = None) -> CandleSource:
        """A source that has never asked the venue, which may be looked for at another address."""
        return source(self.venue, url or self.server.url, self.clock)

    def other_source(self) -> CandleSource:
        """A source that has never asked the other venue."""
        return source(self.other, self.elsewhere.url, self.clock)


def source(venue: str, url: str, clock: Clock) -> CandleSource:
    """A source whose gateway goes by ``clock``."""
    made = YahooSource(url) if venue == "yahoo" else ExchangeSource(venue, url)
    made._gateway = Gateway(venue, made._wire, clock=clock.seconds)
    return made


@contextmanager
def staged(venue: str, *, at: pd.Timestamp | None = None) -> Iterator[Stage]:
    """A stage of its own for one venue.

    Parameters
    ----------
    venue : str
    at : pandas.Timestamp, optional
        The minute at which it is now; one of the sample's unless given.
    """
    truth, others = _tables()
    now = truth.index[-_AHEAD]
    shift = pd.Timedelta(0) if at is None else at - now
    truth, others = (each.set_axis(each.index + shift) for each in (truth, others))
    clock = Clock(now + shift + _SECOND)
    with (
        ExchangeServer(truth, offset=pd.Timedelta(0), clock=clock.now) as server,
        ExchangeServer(others, offset=pd.Timedelta(0), clock=clock.now) as elsewhere,
    ):
        other = "coinbase" if venue == "bitstamp" else "bitstamp"
        yield Stage(venue, other, clock, server, elsewhere, truth, others)


@cache
def _tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    """The candles of both venues."""
    truth = load_sample().candles.iloc[-_BARS:]
    # In thousandths: Yahoo's client cuts volumes to whole numbers.
    counted = np.ceil(truth["volume"] * 1000).clip(lower=1.0)
    truth = truth.assign(volume=counted.where(~truth["filled"], 0.0))
    prices = list(candle_table.PRICES)
    return truth, truth.assign(**(truth[prices] * _HIGHER).round(8))


def made_up(shown: pd.DataFrame, *right: pd.DataFrame) -> int:
    """Candles that are not what was told.

    Parameters
    ----------
    shown : pandas.DataFrame
    *right : pandas.DataFrame
        What was told; where there are several, each value has to be that of one of them.
    """
    columns = [*candle_table.COLUMNS, "filled"]
    same = pd.DataFrame(False, index=shown.index, columns=columns)
    for each in right:
        told = each[columns].reindex(shown.index)
        both_unknown = shown[columns].isna() & told.isna() & shown.index.isin(each.index)[:, None]
        same |= (shown[columns] == told) | both_unknown
    return int((~same.all(axis=1)).sum())


def lost(shown: pd.DataFrame, right: pd.DataFrame, start: pd.Timestamp) -> int:
    """Candles from ``start`` on that were told and are not there."""
    return len(right.index[right.index >= start].difference(shown.index))
