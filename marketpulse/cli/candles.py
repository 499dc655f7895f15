"""Candles of a recording or a venue, as the commands want them."""

from pathlib import Path

import pandas as pd

from marketpulse import candles as candle_table
from marketpulse.errors import DataError
from marketpulse.horizons import ONE_MINUTE
from marketpulse.hub import wall_clock
from marketpulse.places import home_folder
from marketpulse.settings import SYMBOL_PATTERN
from marketpulse.sources import CandleSource
from marketpulse.sources.catalogue import is_recording, live_source, recording
from marketpulse.sources.recorded import RecordedSource, Recording, load


def checked_symbol(symbol: str) -> str:
    """The symbol in capitals.

    Raises
    ------
    DataError
        If it does not read like one.
    """
    if not SYMBOL_PATTERN.fullmatch(symbol.upper()):
        raise DataError(f"A symbol reads like BTC/USD, not {symbol[:40]!r}.")
    return symbol.upper()


def opened(source: str, symbol: str) -> tuple[CandleSource, pd.Timestamp]:
    """The source and the time for which it is asked: a recording's own end, or now."""
    if is_recording(source):
        kept = _recorded(source, symbol)
        return RecordedSource(kept), kept.candles.index[-1] + ONE_MINUTE
    return live_source(source, home_folder()), wall_clock()


def _recorded(source: str, symbol: str) -> Recording:
    if Path(source).is_file():
        return load(source, symbol=symbol)
    return recording(source, home_folder(), symbol)


def all_candles(source: str, symbol: str) -> pd.DataFrame:
    """All candles of a recording, or the last 14 days of a venue."""
    return candles_and_venue(source, symbol)[0]


def candles_and_venue(source: str, symbol: str) -> tuple[pd.DataFrame, str]:
    """All candles of a recording or the last 14 days of a venue, and whose they are."""
    feed, now = opened(source, symbol)
    start = pd.Timestamp(0, tz="UTC")
    if not is_recording(source):
        start = now - pd.Timedelta(days=14) - ONE_MINUTE
    candles = candle_table.empty()
    for page in feed.pages(symbol, start=start, now=now):
        candles = candle_table.merge(page.candles, candles, ONE_MINUTE)
    return candles, feed.venue
