"""Candles that happened already: a file of the user's, or the bundled sample, played back."""

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd

from marketpulse import candles as candle_table
from marketpulse.candles import CandleReport, Cleaned
from marketpulse.errors import MalformedCandles, SourceUnavailable, UnknownSymbol
from marketpulse.horizons import ONE_MINUTE
from marketpulse.sources import Provenance, Quote

SAMPLE_PATH = Path(__file__).parents[1] / "data" / "bitstamp_btcusd_1min_14d.csv.gz"

_TIME_NAMES = ("time", "timestamp", "open_time")

# Ten years of minutes. One mistyped year would otherwise be filled with millions of bars.
_MOST_BARS = 5_300_000


@dataclass(frozen=True, slots=True)
class Recording:
    """One file's candles.

    Attributes
    ----------
    name : str
        The file's name, without its folder.
    venue, symbol : str
        Where the candles come from, and of which pair they are.
    candles : pandas.DataFrame, shape (n, 6)
        A clean one-minute candle table, never empty.
    report : CandleReport
        What cleaning did to the file.
    digest : str
        SHA-256 of the file's bytes, in hexadecimal.
    """

    name: str
    venue: str
    symbol: str
    candles: pd.DataFrame
    report: CandleReport
    digest: str


@dataclass(frozen=True, slots=True)
class Replay:
    """The clock of a recording that is played back. Its first half is history.

    Attributes
    ----------
    first, last : pandas.Timestamp
        Open times of the recording's first and last bar.
    speed : float
        Seconds of the recording per second of the wall clock, above 0.
    started : pandas.Timestamp
        UTC time on the wall clock at which it began.
    run_id : str
        Tells this run from every other run of the same recording.
    """

    first: pd.Timestamp
    last: pd.Timestamp
    speed: float
    started: pd.Timestamp
    run_id: str

    def __post_init__(self) -> None:
        if not self.speed > 0:
            raise ValueError(f"a replay's speed must be above 0, got {self.speed}")

    @property
    def start(self) -> pd.Timestamp:
        """Where the replay begins: the middle of the recording, on a whole minute."""
        return (self.first + (self.end - self.first) / 2).floor("min")

    @property
    def end(self) -> pd.Timestamp:
        """Where it stops: the close of the last bar."""
        return self.last + ONE_MINUTE

    def now(self, wall: pd.Timestamp) -> pd.Timestamp:
        """The recording's time at wall time ``wall``, never before `start` nor after `end`."""
        seconds = max(0.0, (wall - self.started).total_seconds()) * self.speed
        left = (self.end - self.start).total_seconds()
        passed = pd.Timedelta(seconds=min(seconds, left))
        return (self.start + passed).floor("us").as_unit("us")


class RecordedSource:
    """A `CandleSource` that knows only what had happened by ``now``.

    Parameters
    ----------
    recording : Recording
    """

    def __init__(self, recording: Recording) -> None:
        self.recording = recording

    @property
    def venue(self) -> str:
        """Name of the venue that the recording is from."""
        return self.recording.venue

    def provenance(self, now: pd.Timestamp) -> Provenance:  # noqa: ARG002  it is always the same
        """That nobody is asked."""
        return Provenance()

    def pages(self, symbol: str, *, start: pd.Timestamp, now: pd.Timestamp) -> Iterator[Cleaned]:
        """The one page of candles that open at or after ``start`` and have closed by ``now``.

        Its report counts filled bars only: what was dropped from the file is in the recording's.

        Raises
        ------
        UnknownSymbol
            If the recording is of another pair.
        """
        self._check(symbol)
        index = self.recording.candles.index
        begin, end = index.searchsorted(start), index.searchsorted(now - ONE_MINUTE, side="right")
        page = self.recording.candles.iloc[begin:end]
        yield Cleaned(page, CandleReport(filled=int(page["filled"].sum())))

    def quote(self, symbol: str, *, now: pd.Timestamp) -> Quote:
        """The open of the bar that ``now`` is in, because the rest of it has not happened yet.

        While nothing is traded it is the close before, stamped like its bar: a price that was gone
        before then fills no order, as in a backtest. After the recording's end, its last close.

        Raises
        ------
        SourceUnavailable
            If the recording begins after ``now``.
        UnknownSymbol
            If the recording is of another pair.
        """
        self._check(symbol)
        index = self.recording.candles.index
        if now >= index[-1] + ONE_MINUTE:
            return Quote(float(self.recording.candles["close"].iloc[-1]), index[-1] + ONE_MINUTE)
        bar = int(index.searchsorted(now, side="right")) - 1
        if bar < 0:
            raise SourceUnavailable(f"{self.recording.name} begins at {_text(index[0])}.")
        filled = self.recording.candles["filled"].to_numpy()
        traded = bar - int((~filled[bar::-1]).argmax())
        column = "open" if traded == bar else "close"
        return Quote(float(self.recording.candles[column].iloc[traded]), index[traded])

    def _check(self, symbol: str) -> None:
        if symbol != self.recording.symbol:
            only = self.recording.symbol
            raise UnknownSymbol(f"{self.recording.name} holds only {only}, not {symbol}.")


def load_sample() -> Recording:
    """The bundled fourteen days of real BTC/USD candles."""
    return load(SAMPLE_PATH, venue="bitstamp", symbol="BTC/USD")


def load(path: Path | str, *, venue: str = "recorded", symbol: str = "BTC/USD") -> Recording:
    """One-minute candles of a CSV, CSV.gz or Parquet file.

    It has the columns ``time`` (or ``timestamp``, ``open_time``; s, ms, us, ns or ISO texts),
    ``open high low close volume``; others are ignored. A user who brings a file can mend it, so
    one impossible row refuses it all, where a venue's reply would only lose that row. A volume
    that is missing or negative becomes NaN.

    Parameters
    ----------
    path : pathlib.Path or str
    venue, symbol : str
        What to say that the candles are.

    Raises
    ------
    SourceUnavailable
        If the file cannot be read.
    MalformedCandles
        If it holds no one-minute candles; names the file, the first row at fault (counted from 1
        below the header) and why.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SourceUnavailable(f"{path.name} cannot be read: {error.strerror}.") from error
    rows = _parse(content, path.name)
    raw = _checked(rows, path.name)
    try:
        cleaned = candle_table.clean(raw, ONE_MINUTE, raw.index.max() + ONE_MINUTE)
    except MalformedCandles as error:
        raise MalformedCandles(_about(path.name, error)) from error
    digest = sha256(content).hexdigest()
    return Recording(path.name, venue, symbol, cleaned.candles, cleaned.report, digest)


def _parse(content: bytes, name: str) -> pd.DataFrame:
    """The rows of a file, its columns in lower case, its time column named ``time``."""
    lower = name.lower()
    try:
        if lower.endswith((".parquet", ".pq")):
            rows = pd.read_parquet(BytesIO(content))
        elif lower.endswith((".csv", ".csv.gz")):
            text = gzip.decompress(content) if lower.endswith(".gz") else content
            rows = pd.read_csv(BytesIO(text), index_col=False, low_memory=False)
        else:
            raise MalformedCandles(f"{name} is none of .csv, .csv.gz and .parquet.")
    except pd.errors.EmptyDataError as error:
        raise MalformedCandles(f"{name} is empty.") from error
    except (ValueError, OSError, EOFError, zlib.error) as error:
        first_line = str(error).strip().partition("\n")[0].rstrip(".")
        raise MalformedCandles(f"{name} cannot be understood: {first_line}.") from error
    if rows.index.name is not None:
        rows = rows.reset_index()
    rows.columns = pd.Index([str(column).strip().lower() for column in rows.columns])
    return _with_known_columns(rows, name)


def _with_known_columns(rows: pd.DataFrame, name: str) -> pd.DataFrame:
    found = [column for column in _TIME_NAMES if column in rows.columns]
    missing = [] if found else ["time"]
    missing += [column for column in candle_table.COLUMNS if column not in rows.columns]
    if missing:
        raise MalformedCandles(f"{name} has no column {' and no column '.join(missing)}.")
    if rows.empty:
        raise MalformedCandles(f"{name} has no candles.")
    return rows[[found[0], *candle_table.COLUMNS]].rename(columns={found[0]: "time"})


def _checked(rows: pd.DataFrame, name: str) -> pd.DataFrame:
    """The rows as an unchecked candle table, once none of them is impossible.

    Raises
    ------
    MalformedCandles
        For the first impossible row, or if the rows are not one minute apart.
    """
    prices = rows[list(candle_table.PRICES)].apply(pd.to_numeric, errors="coerce")
    bad = np.flatnonzero(candle_table.faults(prices.astype("float64")) != "")
    until = rows.iloc[: bad[0] + 1] if len(bad) else rows
    try:
        open_time = candle_table.times(until["time"])
    except MalformedCandles as error:
        raise MalformedCandles(_about(name, error)) from error
    early = np.flatnonzero(open_time < candle_table.EARLIEST)
    if len(early):
        where = f"row {early[0] + 1} ({_text(open_time[early[0]])})"
        raise MalformedCandles(f"{name}: {where} is older than any crypto price.")
    if len(bad):
        where = f"row {bad[0] + 1} ({_text(open_time[-1])})"
        why = _reason(rows.iloc[bad[0]], prices.iloc[bad[0]])
        raise MalformedCandles(f"{name}: {where} {why}.")
    _check_spacing(open_time.sort_values().unique(), name)
    return candle_table.table(open_time, rows)


def _check_spacing(open_time: pd.DatetimeIndex, name: str) -> None:
    steps = open_time[1:] - open_time[:-1]
    if len(steps) and steps.min() != ONE_MINUTE:
        seconds = steps.min().total_seconds()
        raise MalformedCandles(f"{name}: candles are {seconds:g} s apart, not one minute.")
    if open_time[-1] - open_time[0] > _MOST_BARS * ONE_MINUTE:
        span = f"from {_text(open_time[0])} to {_text(open_time[-1])}"
        raise MalformedCandles(f"{name}: candles {span} are more than can be held.")


def _reason(row: pd.Series, prices: pd.Series) -> str:
    """Why a row is impossible, in words that follow its time."""
    for column in candle_table.PRICES:
        price = float(prices[column])
        if not np.isfinite(price):
            return f"has no usable {column}: {row[column]!s}"
        if price <= 0:
            return f"has a {column} that is not above zero: {price:g}"
    if prices["high"] < prices["low"]:
        return f"has a high of {prices['high']:g} below its low of {prices['low']:g}"
    return "has an open or close outside its low and high"


def _about(name: str, error: MalformedCandles) -> str:
    sentence = str(error)
    return f"{name}: {sentence[:1].lower()}{sentence[1:]}"


def _text(time: pd.Timestamp) -> str:
    return f"{time:%Y-%m-%d %H:%M} UTC"
