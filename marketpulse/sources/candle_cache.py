"""Closed candles kept on disk: a restart asks only for what is missing, and offline there is some.

One Parquet file holds one UTC day of one market. A minute that is absent from it was not asked
for; a `filled` row was, and the venue reported no trade. A file is replaced whole or not at all,
and bears a SHA-256 of all its bytes that is compared before anything in it is parsed. The cache is
never a need: whatever is wrong with a file, it is set aside and its candles are asked for again.

A day takes 36 kB on a liquid market, and 71 kB where nothing compresses: 15 days 0.6 to 1.1 MB,
and 50 markets 30 to 57 MB.
"""

import logging
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date, timedelta
from hashlib import sha256
from pathlib import Path
from tempfile import NamedTemporaryFile

import numpy as np
import pandas as pd
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
from filelock import FileLock, Timeout

from marketpulse import candles as candle_table
from marketpulse.errors import CacheError
from marketpulse.horizons import ONE_MINUTE

FORMAT = "1"
BAR = "1m"
DAY_BARS = 1440

# No day of candles is as large. What is, is not read into memory to find out what it is.
MOST_BYTES = 1_000_000
# Files set aside that a market keeps, so that somebody can look at them.
MOST_DAMAGED = 3
# How long a writer waits for its turn, and how often it asks, in seconds.
PATIENCE_S, ASK_EVERY_S = 5.0, 0.005

# Venues and symbols come from links, and become names of folders.
_VENUE = re.compile(r"[a-z0-9]+")
_SYMBOL = re.compile(r"[A-Z0-9]{1,10}/[A-Z0-9]{2,10}")
_DAY_FILE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\.parquet")

_DTYPES = {**dict.fromkeys(candle_table.COLUMNS, np.dtype(float)), "filled": np.dtype(bool)}
_TIME_DTYPE = "datetime64[us, UTC]"
_SCHEMA = pa.schema(
    [
        pa.field("open_time", pa.timestamp("us", "UTC"), nullable=False),
        *(pa.field(name, pa.float64(), nullable=False) for name in candle_table.COLUMNS),
        pa.field("filled", pa.bool_(), nullable=False),
    ]
)
# What the digest stands behind, in the metadata at the end of a file.
_SEAL = b"marketpulse-sha256:"
_NO_DIGEST = b"0" * 64

_log = logging.getLogger(__name__)


class _Damaged(Exception):
    """A file that does not hold what was written to it; says why."""


@dataclass(frozen=True, slots=True)
class _Market:
    """One venue's candles of one symbol, and the folder of their days."""

    venue: str
    symbol: str
    folder: Path

    @property
    def facts(self) -> dict[bytes, bytes]:
        """What each of its files says that it holds."""
        said = {"format": FORMAT, "venue": self.venue, "symbol": self.symbol, "bar": BAR}
        return {f"marketpulse.{name}".encode(): fact.encode() for name, fact in said.items()}

    def file(self, day: date) -> Path:
        """The file of a UTC day."""
        return self.folder / f"{day.isoformat()}.parquet"

    def days(self) -> list[date]:
        """The UTC days that have a file, the oldest first."""
        found = []
        with suppress(FileNotFoundError):  # a market that never had any
            for path in self.folder.iterdir():
                if _DAY_FILE.fullmatch(path.name):
                    with suppress(ValueError):  # the 45th of a month
                        found.append(date.fromisoformat(path.stem))
        return sorted(found)

    def read(self, day: date) -> pd.DataFrame:
        """The candles of a day, which may have holes.

        Raises
        ------
        _Damaged, OSError
        """
        with self.file(day).open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        candles = _parsed(content, self.facts)
        if (pd.DatetimeIndex(candles.index).normalize() != _midnight(day)).any():
            raise _Damaged("it holds candles of another day")
        return candles


class CandleCache:
    """The newest days of closed one-minute candles of each market, in one folder.

    It may be used from several threads, and its folder by several processes: writers take turns,
    readers wait for nobody. The oldest days of a market are deleted when there are too many; the
    markets that were not written to for longest, when a new one needs their place. No clock is
    read.

    Parameters
    ----------
    folder : pathlib.Path
        Is made when something is first kept.
    days : int
        Whole days before the newest one that are kept; also the longest stretch that is loaded.
    most_markets : int

    Raises
    ------
    ValueError
        If ``days`` or ``most_markets`` is below 1.
    CacheError
        From any method, if the disk fails, or for a venue or symbol whose name cannot be a folder.
    """

    def __init__(self, folder: Path, *, days: int = 15, most_markets: int = 50) -> None:
        if days < 1 or most_markets < 1:
            raise ValueError(f"a cache keeps at least one day and market: {days}, {most_markets}")
        self._folder = folder
        self._days = days
        self._most_markets = most_markets

    def load(self, venue: str, symbol: str) -> pd.DataFrame:
        """The newest unbroken stretch of the candles kept; `candles.empty` if there is none.

        Returns
        -------
        pandas.DataFrame, shape (n, 6)
            A candle table of at most ``days`` days.
        """
        market = self._market(venue, symbol)
        runs: list[pd.DataFrame] = []
        with self._plainly():
            for day in reversed(market.days()):
                candles = self._at_rest(market, day)
                if candles is None:
                    continue
                run = candles.iloc[_last_break(candles) :]
                if runs and run.index[-1] + ONE_MINUTE != runs[-1].index[0]:
                    break
                runs.append(run)
                if run.index[0] != _midnight(day):
                    break
        return _joined(runs[::-1]).tail(self._days * DAY_BARS)

    def append(self, venue: str, symbol: str, candles: pd.DataFrame) -> None:
        """Keep candles; durable when this returns. What the venue said last counts.

        The oldest day is written first, so that a process that dies on the way leaves no hole
        before candles that it added at the end.

        Parameters
        ----------
        venue, symbol : str
        candles : pandas.DataFrame, shape (n, 6)
            A candle table. Bars from more than ``days`` days before the newest are not kept.

        Raises
        ------
        ValueError
            If it is no candle table.
        """
        market = self._market(venue, symbol)
        fault = _fault(candles)
        if fault:
            raise ValueError(f"candles that cannot be kept: {fault}")
        if candles.empty:
            return
        with self._plainly(), self._turn():
            self._make_ready(market)
            parts = _by_day(candles)
            first = max([*parts, *market.days()]) - timedelta(days=self._days)
            for day, part in parts.items():
                if day >= first:
                    _put(market, day, part)
            for day in market.days():
                if day < first:
                    market.file(day).unlink()

    def _market(self, venue: str, symbol: str) -> _Market:
        if not _VENUE.fullmatch(venue) or not _SYMBOL.fullmatch(symbol):
            raise CacheError(f"No folder can be named after {symbol!r} at {venue!r}.")
        folder = self._folder / venue / symbol.replace("/", "-") / BAR
        return _Market(venue, symbol, folder)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Be the only writer.

        There is one lock for all markets, and its file stays: deleting a market together with its
        own lock would let two writers each hold a different file of the same name.
        """
        _make(self._folder)
        lock = FileLock(self._folder / "lock")
        with lock.acquire(timeout=PATIENCE_S, poll_interval=ASK_EVERY_S):
            yield

    @contextmanager
    def _plainly(self) -> Iterator[None]:
        """Say in one sentence what is wrong with the disk."""
        try:
            yield
        except Timeout as error:
            sentence = f"The candle cache at {self._folder} is in use by others for too long."
            raise CacheError(sentence) from error
        except OSError as error:
            reason = error.strerror or error
            sentence = f"The candle cache at {self._folder} cannot be used ({reason})."
            raise CacheError(sentence) from error

    def _at_rest(self, market: _Market, day: date) -> pd.DataFrame | None:
        """A day's candles, read without waiting for writers; None if there are none."""
        try:
            return market.read(day)
        except FileNotFoundError:  # deleted meanwhile, because it was too old
            return None
        except _Damaged:
            # Where nothing can be renamed, or somebody writes for long, it is just not used.
            with suppress(OSError), self._turn():
                return _sound(market, day)
            return None

    def _make_ready(self, market: _Market) -> None:
        """Make a market's folder, or remove what a crash left in it."""
        if not market.folder.is_dir():
            self._make_room()
            _make(market.folder)
        for left_over in market.folder.glob("*.part"):
            left_over.unlink()

    def _make_room(self) -> None:
        """Delete the markets that were not written to for longest, so that one more has room."""
        folders = [folder for folder in self._folder.glob(f"*/*/{BAR}") if _is_market(folder)]
        folders.sort(key=lambda folder: folder.stat().st_mtime_ns)
        for folder in folders[: max(0, len(folders) + 1 - self._most_markets)]:
            shutil.rmtree(folder.parent)


def _is_market(folder: Path) -> bool:
    """Whether a folder of days bears the name of a market: nothing else is ever deleted."""
    symbol = folder.parent.name.replace("-", "/")
    return bool(_SYMBOL.fullmatch(symbol) and _VENUE.fullmatch(folder.parents[1].name))


def _midnight(day: date) -> pd.Timestamp:
    return pd.Timestamp(day, tz="UTC")


def _by_day(candles: pd.DataFrame) -> dict[date, pd.DataFrame]:
    """The candles of each UTC day, the oldest first."""
    midnights = pd.DatetimeIndex(candles.index).normalize()
    return {each.date(): candles[midnights == each] for each in midnights.unique()}


def _put(market: _Market, day: date, part: pd.DataFrame) -> None:
    """Lay candles over those of their day. Only the writer whose turn it is may."""
    kept = _sound(market, day)
    whole = part if kept is None else _overlaid(kept, part)
    if kept is None or not whole.equals(kept):
        _replace(market.file(day), _content(whole, market.facts))


def _sound(market: _Market, day: date) -> pd.DataFrame | None:
    """A day's candles; None if there are none. Sets a damaged file aside."""
    try:
        return market.read(day)
    except FileNotFoundError:
        return None
    except _Damaged as error:
        path = market.file(day)
        _log.warning("%s is set aside: %s.", path, error)
        path.replace(path.with_suffix(".damaged"))
        _forget_damaged(market.folder)
        return None


def _forget_damaged(folder: Path) -> None:
    damaged = sorted(folder.glob("*.damaged"), key=lambda path: path.stat().st_mtime_ns)
    for path in damaged[:-MOST_DAMAGED]:
        path.unlink()


def _overlaid(kept: pd.DataFrame, later: pd.DataFrame) -> pd.DataFrame:
    """Rows of both in time order; where both have one, the later."""
    both = pd.concat([kept, later])
    return both[~both.index.duplicated(keep="last")].sort_index()


def _last_break(candles: pd.DataFrame) -> int:
    """The row from which on there is no hole."""
    steps = candles.index[1:] - candles.index[:-1]
    breaks = (steps != ONE_MINUTE).nonzero()[0]
    return int(breaks[-1]) + 1 if len(breaks) else 0


def _joined(runs: list[pd.DataFrame]) -> pd.DataFrame:
    """One candle table of runs that follow each other without a hole."""
    if not runs:
        return candle_table.empty()
    rows = pd.concat(runs)
    first = rows.index[0]
    grid = pd.date_range(first, periods=len(rows), freq=ONE_MINUTE, unit="us", name="open_time")
    return rows.set_axis(grid)


def _fault(candles: pd.DataFrame) -> str:
    """What breaks the contract of a candle table, holes aside, or the empty text."""
    in_order = list(candles.dtypes.items())
    if in_order != list(_DTYPES.items()) or candles.index.dtype != _TIME_DTYPE:
        return "the columns are not those of a candle table"
    opens = pd.DatetimeIndex(candles.index)
    if not (opens.is_unique and opens.is_monotonic_increasing):
        return "the times do not increase"
    if (opens != opens.floor(ONE_MINUTE)).any():
        return "a candle does not open on a whole minute"
    if (candle_table.faults(candles) != "").any():
        return "a price is impossible"
    return ""


def _content(candles: pd.DataFrame, facts: dict[bytes, bytes]) -> bytes:
    """A Parquet file of the candles, to the last bit."""
    opens = pa.array(pd.DatetimeIndex(candles.index).asi8).cast(_SCHEMA.field("open_time").type)
    values = [pa.array(candles[name].to_numpy()) for name in _DTYPES]
    sink = pa.BufferOutputStream()
    # With dictionaries a file would be a quarter larger, because hardly a price repeats. The Arrow
    # schema would only say once more what the Parquet schema does.
    writer = pq.ParquetWriter(
        sink, _SCHEMA, compression="zstd", use_dictionary=False,
        write_page_checksum=True, store_schema=False,
    )  # fmt: skip
    with writer:
        writer.write_table(pa.table([opens, *values], schema=_SCHEMA))
        writer.add_key_value_metadata({**facts, b"marketpulse.seal": _SEAL + _NO_DIGEST})
    return _sealed(sink.getvalue().to_pybytes())


def _parsed(content: bytes, facts: dict[bytes, bytes]) -> pd.DataFrame:
    """The candles of a file.

    Raises
    ------
    _Damaged
        If it is not, byte for byte, a file that was written for these facts.
    """
    if len(content) > MOST_BYTES:
        raise _Damaged("it is larger than any day of candles")
    if not _is_sealed(content):
        raise _Damaged("its content is not what was written")
    try:
        file = pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True)
        table = file.read(use_threads=False)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _Damaged(f"it cannot be parsed, {error}") from error
    if not facts.items() <= file.metadata.metadata.items():
        raise _Damaged("it is of another version or market")
    if not table.schema.equals(_SCHEMA) or not len(table):
        raise _Damaged("it does not hold the columns of candles")
    candles = _frame(table)
    fault = _fault(candles)
    if fault:
        raise _Damaged(fault)
    return candles


def _frame(table: pa.Table) -> pd.DataFrame:
    opens = pd.DatetimeIndex(table["open_time"].to_numpy(), name="open_time").tz_localize("UTC")
    return pd.DataFrame({name: table[name].to_numpy() for name in _DTYPES}, index=opens)


def _sealed(content: bytes) -> bytes:
    """The file with the digest of what it is without it."""
    at = content.rindex(_SEAL) + len(_SEAL)
    return content[:at] + _digest(content) + content[at + len(_NO_DIGEST) :]


def _is_sealed(content: bytes) -> bool:
    at = content.rfind(_SEAL) + len(_SEAL)
    end = at + len(_NO_DIGEST)
    return content[at:end] == _digest(content[:at] + _NO_DIGEST + content[end:])


def _digest(content: bytes) -> bytes:
    return sha256(content).hexdigest().encode()


def _replace(path: Path, content: bytes) -> None:
    """Give a file new content, whole or not at all, that a power cut does not take back."""
    with NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
        part = Path(file.name)
        try:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        except OSError:
            part.unlink()
            raise
    part.replace(path)
    _sync(path.parent)


def _make(folder: Path) -> None:
    """Make a folder and those above it, so that a power cut does not take them back."""
    if not folder.is_dir():
        _make(folder.parent)
        folder.mkdir(exist_ok=True)
        _sync(folder.parent)


def _sync(folder: Path) -> None:
    """Make the names in a folder durable, where the system can."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
