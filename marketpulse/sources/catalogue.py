"""Which sources there are, by the names that settings, links and commands use."""

import os
from functools import cache
from hashlib import sha256
from pathlib import Path

from marketpulse.errors import SourceUnavailable
from marketpulse.sources import CandleSource
from marketpulse.sources.candle_cache import CandleCache
from marketpulse.sources.chain import ChainSource
from marketpulse.sources.exchange import ExchangeSource
from marketpulse.sources.recorded import Recording, load, load_sample
from marketpulse.sources.venues import DEFAULT_ORDER
from marketpulse.sources.yahoo import YahooSource

AUTO = "auto"
SAMPLE = "sample"
LIVE = (AUTO, *DEFAULT_ORDER, "yahoo")
# Points every venue at one server that speaks their wire formats, for trying things out offline.
SERVER_VARIABLE = "MARKETPULSE_EXCHANGE_SERVER"
_STAND_IN = "stand-in-"

# Where a book trades: the source, symbol and run of its key.
Place = tuple[str, str, str]

RECORDING_SUFFIXES = (".csv", ".csv.gz", ".parquet")


def stand_in() -> str | None:
    """Address of the server that stands for every venue, if there is one."""
    return os.environ.get(SERVER_VARIABLE) or None


def place_of(source: str, symbol: str, run_id: str) -> Place:
    """Where a market's books say that they trade: a stand-in's prices never mix with a venue's."""
    stands_in = stand_in() and not is_recording(source)
    return f"{_STAND_IN}{source}" if stands_in else source, symbol, run_id


def traded_source(book_source: str) -> str | None:
    """The source of a book that says so; None if it cannot be had in this process."""
    stands_in = book_source.startswith(_STAND_IN)
    if stands_in != (stand_in() is not None):
        return None
    return book_source.removeprefix(_STAND_IN)


def recordings_folder(home: Path) -> Path:
    """Where a user puts files of candles that the screen should offer for replay."""
    return home / "recordings"


def recorded_names(home: Path) -> tuple[str, ...]:
    """The bundled sample and the files in the recordings folder."""
    folder = recordings_folder(home)
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    return (SAMPLE, *(f.name for f in files if f.name.lower().endswith(RECORDING_SUFFIXES)))


def live_source(name: str, home: Path) -> CandleSource:
    """The live source of a name among `LIVE`, or of another venue that ccxt knows.

    Parameters
    ----------
    name : str
    home : pathlib.Path
        Where its candles are kept.
    """
    server = stand_in()
    names = [venue for venue in LIVE if venue != AUTO] if name == AUTO else [name]
    kept = CandleCache(candles_folder(home, server))
    return ChainSource([_venue(each, server) for each in names], kept)


def candles_folder(home: Path, server: str | None) -> Path:
    """Where the candles of venues are kept, or those of a server that stands for all of them.

    What such a server sends never happened: it must not be found among the real candles, nor
    among those of another server.
    """
    if server is None:
        return home / "candles"
    return home / "stand-ins" / sha256(server.encode()).hexdigest()[:16]


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
