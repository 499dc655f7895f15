"""Which sources there are, by the names that settings, links and commands use."""

import os
from functools import cache
from pathlib import Path

from marketpulse.errors import SourceUnavailable
from marketpulse.sources import CandleSource
from marketpulse.sources.chain import ChainSource
from marketpulse.sources.exchange import VENUES, ExchangeSource
from marketpulse.sources.recorded import Recording, load, load_sample
from marketpulse.sources.yahoo import YahooSource

AUTO = "auto"
SAMPLE = "sample"
LIVE = (AUTO, *VENUES, "yahoo")
# Points every venue at one server that speaks their wire formats, for trying things out offline.
SERVER_VARIABLE = "MARKETPULSE_EXCHANGE_SERVER"
RECORDING_SUFFIXES = (".csv", ".csv.gz", ".parquet")


def recordings_folder(home: Path) -> Path:
    """Where a user puts files of candles that the screen should offer for replay."""
    return home / "recordings"


def recorded_names(home: Path) -> tuple[str, ...]:
    """The bundled sample and the files in the recordings folder."""
    folder = recordings_folder(home)
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    return (SAMPLE, *(f.name for f in files if f.name.lower().endswith(RECORDING_SUFFIXES)))


def live_source(name: str) -> CandleSource:
    """The live source of a name among `LIVE`, or of another venue that ccxt knows.

    Raises
    ------
    SourceUnavailable
        If there is no such venue.
    """
    server = os.environ.get(SERVER_VARIABLE)
    if name == AUTO:
        return ChainSource([_venue(venue, server) for venue in LIVE if venue != AUTO])
    return _venue(name, server)


@cache
def _venue(name: str, server: str | None) -> CandleSource:
    """The one source of a venue in this process: its lock and rate limit hold for all markets."""
    return YahooSource(server) if name == "yahoo" else ExchangeSource(name, server)


def recording(name: str, home: Path, symbol: str) -> Recording:
    """The recording of a name among `recorded_names`: names come from links, so no path will do.

    Raises
    ------
    SourceUnavailable, MalformedCandles
        If it cannot be read, or holds no candles.
    """
    if name == SAMPLE:
        return load_sample()
    if name not in recorded_names(home):
        raise SourceUnavailable(f"There is no source and no file called {name}.")
    return load(recordings_folder(home) / name, symbol=symbol)


def is_recording(name: str) -> bool:
    """Whether a source's name stands for a file: the sample, or anything with a file's ending."""
    return name == SAMPLE or name.lower().endswith((*RECORDING_SUFFIXES, ".gz", ".pq"))
