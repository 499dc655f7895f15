"""The app's own live loop over recorded candles: hub, market, desk and journal, bar by bar."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import pandas as pd

from marketpulse.backtest import Trading, run
from marketpulse.books import STARTING_CASH, BookKey, new_owner
from marketpulse.candles import CandleReport
from marketpulse.costs import Costs
from marketpulse.horizons import ONE_MINUTE
from marketpulse.hub import Hub
from marketpulse.ledger import Ledger
from marketpulse.market import PUBLISHING_DELAY
from marketpulse.settings import Settings
from marketpulse.signals import Thresholds
from marketpulse.sources.catalogue import place_of
from marketpulse.sources.recorded import RecordedSource, Recording
from marketpulse.ui.autopilot import arm

SOURCE = "bitstamp"
# A market reads a bar so long after its close, so an order is given then: to a backtest that
# orders at the close it is a latency.
LATENCY = PUBLISHING_DELAY.total_seconds()
_VISITOR = "visitor"


class Clock:
    """A wall clock that stands still until it is moved."""

    def __init__(self, now: pd.Timestamp) -> None:
        self.now = now

    def __call__(self) -> pd.Timestamp:
        return self.now


@contextmanager
def opened(candles: pd.DataFrame, symbol: str, clock: Clock, home: Path) -> Iterator[Hub]:
    """A hub without threads whose venues serve these candles as they close."""
    source = RecordedSource(Recording("", SOURCE, symbol, candles, CandleReport(), ""))
    with closing(
        Hub(clock, threads=False, home=home, models=home / "models", open_live=lambda _: source)
    ) as hub:
        yield hub


def lived(
    candles: pd.DataFrame,
    asked: Sequence[Settings],
    home: Path,
    *,
    start: pd.Timestamp,
    bars: int,
) -> list[Ledger]:
    """The books of visitors who arm them at a bar's close, so many bars later.

    Parameters
    ----------
    candles : pandas.DataFrame
        One-minute candles.
    asked : sequence of Settings
        With which each book is armed; of the same symbol and horizons.
    home : pathlib.Path
        An empty folder.
    start : pandas.Timestamp
        That close; the next bar is the first that is decided on.
    bars : int
    """
    clock, symbol = Clock(start + PUBLISHING_DELAY), asked[0].symbol
    with opened(candles, symbol, clock, home) as hub:
        market = hub.watch(_VISITOR, asked[0].changed(source=SOURCE))
        hub.step(market)
        while market.busy:
            hub.step(market)
        keys = [BookKey(new_owner(), *place_of(SOURCE, symbol, "")) for _ in asked]
        for key, settings in zip(keys, asked, strict=True):
            arm(hub, market, key, "arm", settings.changed(source=SOURCE))
        for _ in range(bars):
            clock.now += ONE_MINUTE
            hub.step(market)
        return [_ledger(hub, key) for key in keys]


def _ledger(hub: Hub, key: BookKey) -> Ledger:
    desk = hub.desk
    book = None if desk is None or desk.problems else desk.journal.book(key)
    if book is None:
        raise RuntimeError("the journal has failed")
    return book.ledger


def backtested(
    candles: pd.DataFrame,
    decisions: pd.DataFrame,
    settings: Settings,
    *,
    start: pd.Timestamp,
    bars: int,
) -> Ledger:
    """The book of a backtest of the same bars: what `lived` must come to.

    Parameters
    ----------
    candles : pandas.DataFrame
    decisions : pandas.DataFrame
        Of a walk over the candles, with the tail and the centre of the settings.
    settings : Settings
        With a fee of their own.
    start, bars
        As for `lived`. The order of the last bar is filled after the end.
    """
    end = start + bars * ONE_MINUTE
    known = decisions[(decisions.index > start) & (decisions.index < end)]
    costs = Costs(settings.fee or 0.0, settings.spread, settings.impact, LATENCY)
    trading = Trading(settings.symbol, float(STARTING_CASH), settings.ticket, costs)
    return run(known, candles[candles.index <= end], Thresholds.of(settings), costs, trading).ledger
