"""Recordings: files of the user's, the bundled sample, and playing them back."""

import gzip
from hashlib import sha256
from pathlib import Path

import pandas as pd
import pytest

from marketpulse.candles import CandleReport
from marketpulse.errors import MalformedCandles, SourceUnavailable, UnknownSymbol
from marketpulse.horizons import ONE_MINUTE
from marketpulse.sources.recorded import (
    SAMPLE_PATH,
    RecordedSource,
    Recording,
    Replay,
    load,
    load_sample,
)
from tests.build import candles
from tests.exchange_server import ramp

HEADER = "time,open,high,low,close,volume"
ROWS = (
    "2026-03-01T00:00:00Z,10,12,9,11,5",
    "2026-03-01T00:01:00Z,11,13,10,12,6",
    "2026-03-01T00:02:00Z,12,14,11,13,7",
)


def write(folder: Path, *rows: str, header: str = HEADER, name: str = "prices.csv") -> Path:
    path = folder / name
    path.write_text("\n".join((header, *rows)) + "\n")
    return path


def utc(text: str) -> pd.Timestamp:
    return pd.Timestamp(text, tz="UTC")


def with_cell(column: str, text: str) -> str:
    cells = dict(zip(HEADER.split(","), ROWS[1].split(","), strict=True))
    return ",".join({**cells, column: text}.values())


@pytest.fixture
def source() -> RecordedSource:
    candles = ramp(10)
    return RecordedSource(
        Recording("ramp.csv", "bitstamp", "BTC/USD", candles, CandleReport(), "00")
    )


def test_the_sample_is_fourteen_days_of_bitstamp() -> None:
    sample = load_sample()
    assert (sample.venue, sample.symbol) == ("bitstamp", "BTC/USD")
    assert len(sample.candles) == 14 * 24 * 60
    assert sample.candles["close"].iloc[0] == 62830.33
    assert sample.digest == sha256(SAMPLE_PATH.read_bytes()).hexdigest()


@pytest.mark.parametrize("name", ["time", "timestamp", "open_time", "Timestamp"])
@pytest.mark.parametrize("factor", [1, 10**3, 10**6, 10**9, None])
def test_the_time_may_have_three_names_and_five_units(
    tmp_path: Path, name: str, factor: int | None
) -> None:
    seconds = int(utc("2026-03-01").timestamp())
    first = "2026-03-01 00:00" if factor is None else seconds * factor
    second = "2026-03-01 00:01" if factor is None else (seconds + 60) * factor
    header = HEADER.replace("time", name)
    path = write(tmp_path, f"{first},1,1,1,1,1", f"{second},1,1,1,1,1", header=header)
    assert list(load(path).candles.index) == [utc("2026-03-01 00:00"), utc("2026-03-01 00:01")]


def test_packed_csv_and_parquet_hold_the_same_candles_as_csv(tmp_path: Path) -> None:
    plain = load(write(tmp_path, *ROWS)).candles
    packed = tmp_path / "prices.csv.gz"
    packed.write_bytes(gzip.compress((tmp_path / "prices.csv").read_bytes()))
    plain.to_parquet(tmp_path / "prices.parquet")
    pd.testing.assert_frame_equal(load(packed).candles, plain)
    pd.testing.assert_frame_equal(load(tmp_path / "prices.parquet").candles, plain)


def test_further_columns_and_their_order_do_not_matter(tmp_path: Path) -> None:
    path = write(
        tmp_path, "x,5,11,9,12,10,2026-03-01", header="note,volume,close,low,high,open,time"
    )
    assert load(path).candles.iloc[0, :5].tolist() == [10, 12, 9, 11, 5]


def test_shuffled_and_repeated_rows_are_put_right_and_gaps_are_marked(tmp_path: Path) -> None:
    recording = load(write(tmp_path, "2026-03-01T00:03:00Z,13,15,12,14,8", ROWS[2], *ROWS[::2]))
    assert recording.candles["close"].tolist() == [11, 11, 13, 14]
    assert recording.candles["filled"].tolist() == [False, True, False, False]
    assert recording.report == CandleReport((("duplicate", 1),), filled=1)


@pytest.mark.parametrize("volume", ["", "-1", "NaN", "lots"])
def test_an_impossible_volume_is_unknown_not_zero(tmp_path: Path, volume: str) -> None:
    candles = load(write(tmp_path, ROWS[0], with_cell("volume", volume), ROWS[2])).candles
    assert candles["volume"].isna().tolist() == [False, True, False]
    assert candles["close"].tolist() == [11, 12, 13]


@pytest.mark.parametrize(
    ("column", "text", "why"),
    [
        ("open", "", "has no usable open: nan"),
        ("close", "abc", "has no usable close: abc"),
        ("high", "inf", "has no usable high: inf"),
        ("low", "-inf", "has no usable low: -inf"),
        ("low", "0", "has a low that is not above zero: 0"),
        ("close", "-5", "has a close that is not above zero: -5"),
        ("high", "9.5", "has a high of 9.5 below its low of 10"),
        ("high", "11.5", "has an open or close outside its low and high"),
    ],
)
def test_the_first_impossible_row_is_named_with_its_time_and_fault(
    tmp_path: Path, column: str, text: str, why: str
) -> None:
    path = write(tmp_path, ROWS[0], with_cell(column, text), "never,0,0,0,0,0")
    with pytest.raises(MalformedCandles) as caught:
        load(path)
    assert str(caught.value) == f"prices.csv: row 2 (2026-03-01 00:01 UTC) {why}."


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ((ROWS[0], with_cell("time", "soon")), "prices.csv: row 2 has no readable time: 'soon'."),
        (
            ("1,1,1,1,1,1", "2,1,1,1,1,1"),
            "prices.csv: row 1 (1970-01-01 00:00 UTC) is older than any crypto price.",
        ),
        ((ROWS[0], ROWS[2]), "prices.csv: candles are 120 s apart, not one minute."),
        (
            (ROWS[0], with_cell("time", "2026-03-01T00:00:30Z")),
            "prices.csv: candles are 30 s apart, not one minute.",
        ),
        (
            (*ROWS, with_cell("time", "2099-01-01")),
            "prices.csv: candles from 2026-03-01 00:00 UTC to 2099-01-01 00:00 UTC"
            " are more than can be held.",
        ),
        ((), "prices.csv has no candles."),
    ],
)
def test_rows_that_are_no_minutes_are_refused_in_one_sentence(
    tmp_path: Path, rows: tuple[str, ...], sentence: str
) -> None:
    with pytest.raises(MalformedCandles) as caught:
        load(write(tmp_path, *rows))
    assert str(caught.value) == sentence


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    with pytest.raises(MalformedCandles, match=r"has no column time and no column volume\."):
        load(write(tmp_path, "1,1,1,1", header="open,high,low,close"))


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.csv", b"", "a.csv is empty."),
        ("a.csv.gz", b"no gzip", "a.csv.gz cannot be understood: .*"),
        ("a.csv.gz", gzip.compress(b"time,open\n" * 99)[:-9], "a.csv.gz cannot be understood: .*"),
        ("a.parquet", b"no parquet", "a.parquet cannot be understood: .*"),
        ("a.csv", b"\xff\xfe\x00", "a.csv cannot be understood: .*"),
        ("a.csv", b"a,b\n1,2\n1,2,3\n", "a.csv cannot be understood: .*"),
        ("a.xlsx", b"", "a.xlsx is none of .csv, .csv.gz and .parquet."),
    ],
)
def test_a_file_that_is_no_table_is_refused_in_one_sentence(
    tmp_path: Path, name: str, content: bytes, sentence: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(MalformedCandles, match=f"^{sentence}$"):
        load(tmp_path / name)


def test_a_file_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailable, match=r"^none\.csv cannot be read: No such file"):
        load(tmp_path / "none.csv")


def test_only_bars_that_have_closed_by_now_are_served(source: RecordedSource) -> None:
    now = utc("2026-03-01 00:05:30")
    (page,) = source.pages("BTC/USD", start=utc("2026-03-01 00:02"), now=now)
    assert page.candles["close"].tolist() == [103, 104, 105]
    (page,) = source.pages("BTC/USD", start=utc("2026-03-01 00:02"), now=utc("2026-03-01 00:06"))
    assert page.candles["close"].tolist() == [103, 104, 105, 106]


def test_within_a_bar_the_quote_is_its_open(source: RecordedSource) -> None:
    quote = source.quote("BTC/USD", now=utc("2026-03-01 00:05:59"))
    assert (quote.price, quote.time) == (105, utc("2026-03-01 00:05"))


def test_while_nothing_is_traded_the_quote_is_the_last_trade_s_and_as_old() -> None:
    frame = candles([100, 101, 101, 101, 102], filled=[2, 3])
    source = RecordedSource(Recording("gap.csv", "", "BTC/USD", frame, CandleReport(), ""))
    times = [frame.index[0] + minutes * ONE_MINUTE for minutes in (1.5, 2, 3.9, 4)]
    quotes = [source.quote("BTC/USD", now=now) for now in times]
    assert [quote.price for quote in quotes] == [100, 101, 101, 101]
    assert [quote.time for quote in quotes] == [*[frame.index[1]] * 3, frame.index[4]]


def test_after_the_end_the_quote_is_the_last_close(source: RecordedSource) -> None:
    quote = source.quote("BTC/USD", now=utc("2026-03-02"))
    assert (quote.price, quote.time) == (110, utc("2026-03-01 00:10"))


def test_before_the_beginning_there_is_no_quote(source: RecordedSource) -> None:
    with pytest.raises(SourceUnavailable, match=r"^ramp\.csv begins at 2026-03-01 00:00 UTC\.$"):
        source.quote("BTC/USD", now=utc("2026-02-28"))


def test_another_symbol_than_the_recorded_is_unknown(source: RecordedSource) -> None:
    now = utc("2026-03-02")
    with pytest.raises(UnknownSymbol, match=r"^ramp\.csv holds only BTC/USD, not ETH/USD\.$"):
        source.quote("ETH/USD", now=now)
    with pytest.raises(UnknownSymbol):
        list(source.pages("ETH/USD", start=now, now=now))


def test_a_replay_begins_in_the_middle_runs_at_its_speed_and_stops_at_the_end() -> None:
    started = utc("2026-06-01")
    replay = Replay(utc("2026-03-01 00:00"), utc("2026-03-01 00:10"), 60.0, started, "run")
    assert replay.start == utc("2026-03-01 00:05")
    assert replay.now(started - pd.Timedelta(hours=1)) == replay.start
    assert replay.now(started + pd.Timedelta(seconds=1.5)) == utc("2026-03-01 00:06:30")
    assert replay.now(started + pd.Timedelta(seconds=5)) < replay.end
    assert replay.now(started + pd.Timedelta(seconds=6)) == replay.end
    assert replay.now(started + pd.Timedelta(days=900)) == utc("2026-03-01 00:11")


@pytest.mark.parametrize("speed", [0.0, -1.0, float("nan")])
def test_a_replay_cannot_stand_still_or_run_backwards(speed: float) -> None:
    with pytest.raises(ValueError, match="speed"):
        Replay(utc("2026-03-01"), utc("2026-03-02"), speed, utc("2026-06-01"), "run")
