import errno
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from filelock import FileLock
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.crash import Told, killed
from marketpulse import candles as candle_table
from marketpulse.errors import CacheError
from marketpulse.sources import candle_cache
from marketpulse.sources.candle_cache import CandleCache
from tests import crashing_writer
from tests.build import START, walk

ROOT = Path(__file__).parent.parent
DAY = 1440
MARKET = ("binance", "BTC/USDT")
NOON = START + pd.Timedelta(hours=12)
# A day and a half from noon on, with filled rows and unknown volumes.
BARS = walk(DAY * 3 // 2, seed=1, rough=True, start=NOON)
BARS = BARS.assign(volume=BARS["volume"].where(np.arange(len(BARS)) % 97 != 5))


@pytest.fixture
def cache(tmp_path):
    return CandleCache(tmp_path)


def days_of(folder, market=MARKET):
    return sorted((folder / market[0] / market[1].replace("/", "-") / "1m").glob("*.parquet"))


def names(folder, pattern="*"):
    return sorted(path.name for path in folder.rglob(pattern) if path.is_file())


def bits(candles):
    """Every byte of a table."""
    return [candles.index.asi8.tobytes(), *(candles[name].to_numpy().tobytes() for name in candles)]


def assert_same(found, expected):
    pd.testing.assert_frame_equal(found, expected, check_exact=True)
    assert bits(found) == bits(expected)
    assert found.index.dtype == "datetime64[us, UTC]"
    assert found.index.name == "open_time"


def written(folder):
    """What tells whether a file was written again."""
    return {path.name: path.stat().st_ino for path in days_of(folder)}


# What comes back


def test_what_was_kept_comes_back_bit_for_bit(cache):
    cache.append(*MARKET, BARS)
    assert BARS["filled"].any()
    assert BARS["volume"].isna().any()
    assert_same(cache.load(*MARKET), BARS)


def test_even_the_sign_of_zero_and_the_bits_of_nan_come_back(cache):
    bars = walk(5, seed=1)
    odd_nan = np.array([0xFFF8000000000123], dtype="uint64").view("float64")[0]
    volume = np.array([np.nan, odd_nan, -0.0, 0.0, 5e-324])
    cache.append(*MARKET, bars.assign(volume=volume))
    assert cache.load(*MARKET)["volume"].to_numpy().tobytes() == volume.tobytes()


def test_another_process_finds_it(tmp_path, cache):
    cache.append(*MARKET, BARS)
    script = (
        "import sys; from pathlib import Path;"
        "from marketpulse.sources.candle_cache import CandleCache;"
        f"print(len(CandleCache(Path(sys.argv[1])).load{MARKET}))"
    )
    said = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert said.stdout.strip() == str(len(BARS))


def test_a_market_that_was_never_kept_is_empty(cache, tmp_path):
    assert_same(cache.load(*MARKET), candle_table.empty())
    assert list(tmp_path.iterdir()) == []


def test_appending_no_candles_makes_nothing(cache, tmp_path):
    cache.append(*MARKET, candle_table.empty())
    assert list(tmp_path.iterdir()) == []


def test_there_is_one_file_for_each_utc_day(cache, tmp_path):
    cache.append(*MARKET, BARS)
    folder = tmp_path / "binance" / "BTC-USDT" / "1m"
    assert days_of(tmp_path) == [folder / "2026-01-05.parquet", folder / "2026-01-06.parquet"]


def test_markets_are_kept_apart(cache):
    others = [("kraken", "BTC/USDT"), ("binance", "ETH/USDT"), ("binance", "BTC/USD")]
    tables = {market: walk(9, seed=n) for n, market in enumerate([MARKET, *others])}
    for market, table in tables.items():
        cache.append(*market, table)
    for market, table in tables.items():
        assert_same(cache.load(*market), table)


def test_only_what_follows_the_last_hole_is_loaded(cache):
    cache.append(*MARKET, BARS.drop(BARS.index[[100, 700, 1500]]))
    assert_same(cache.load(*MARKET), BARS.iloc[1501:])


def test_a_day_that_is_missing_is_a_hole(cache, tmp_path):
    bars = walk(3 * DAY, seed=2)
    cache.append(*MARKET, bars)
    days_of(tmp_path)[1].unlink()
    assert_same(cache.load(*MARKET), bars.iloc[2 * DAY :])


@pytest.mark.parametrize("cut", [719, 720, 721])
def test_a_hole_at_midnight_is_a_hole(cache, cut):
    assert BARS.index[720].hour == 0
    cache.append(*MARKET, BARS.drop(BARS.index[cut]))
    assert_same(cache.load(*MARKET), BARS.iloc[cut + 1 :])


def test_a_hole_can_be_closed_later(cache):
    cache.append(*MARKET, BARS.iloc[:300])
    cache.append(*MARKET, BARS.iloc[400:])
    assert_same(cache.load(*MARKET), BARS.iloc[400:])
    cache.append(*MARKET, BARS.iloc[300:400])
    assert_same(cache.load(*MARKET), BARS)


# Revisions


def test_what_the_venue_said_last_counts(cache):
    cache.append(*MARKET, BARS)
    revised = walk(50, seed=9, start=BARS.index[700])
    cache.append(*MARKET, revised)
    expected = pd.concat([BARS.iloc[:700], revised, BARS.iloc[750:]])
    pd.testing.assert_frame_equal(cache.load(*MARKET), expected, check_freq=False)


@pytest.mark.parametrize("at_first", [True, False])
def test_a_traded_candle_replaces_a_filled_one_and_the_other_way_round(cache, at_first):
    bars = walk(10, seed=3)
    filled = bars.assign(filled=np.arange(10) == 4)
    filled.iloc[4, :5] = [*[float(bars["close"].iloc[3])] * 4, 0.0]
    first, last = (filled, bars) if at_first else (bars, filled)
    cache.append(*MARKET, first)
    cache.append(*MARKET, last.iloc[4:5])
    assert_same(cache.load(*MARKET), last)


def test_only_days_that_change_are_written_again(cache, tmp_path):
    cache.append(*MARKET, BARS)
    before = written(tmp_path)
    cache.append(*MARKET, BARS.iloc[500:])
    assert written(tmp_path) == before
    cache.append(*MARKET, pd.concat([BARS.iloc[700:-1], walk(1, seed=8, start=BARS.index[-1])]))
    after = written(tmp_path)
    assert after["2026-01-05.parquet"] == before["2026-01-05.parquet"]
    assert after["2026-01-06.parquet"] != before["2026-01-06.parquet"]


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_overlapping_pieces_in_any_order_are_the_whole(data, tmp_path_factory):
    cuts = sorted(data.draw(st.sets(st.integers(1, len(BARS) - 1), max_size=5)))
    edges = [0, *cuts, len(BARS)]
    overlap = data.draw(st.integers(0, 800))
    pieces = [BARS.iloc[max(0, begin - overlap) : end] for begin, end in pairwise(edges)]
    cache = CandleCache(tmp_path_factory.mktemp("cache"))
    for piece in data.draw(st.permutations(pieces)):
        cache.append(*MARKET, piece)
    assert_same(cache.load(*MARKET), BARS)


# Files that are not what they should be


def damage(path, how):
    content = bytearray(path.read_bytes())
    if how == "a bit":
        content[len(content) // 3] ^= 4
    elif how == "a bit in the footer":
        content[-100] ^= 1
    elif how == "the end":
        del content[-9:]
    elif how == "everything":
        content.clear()
    elif how == "the file of another program":
        sink = pa.BufferOutputStream()
        pq.write_table(pa.table({"open_time": [1, 2]}), sink)
        content = sink.getvalue().to_pybytes()
    elif how == "its size":
        content = bytes(candle_cache.MOST_BYTES + 1)
    path.write_bytes(bytes(content))


DAMAGES = [
    *("a bit", "a bit in the footer", "the end", "everything"),
    *("the file of another program", "its size"),
]


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_day_is_set_aside_and_the_rest_is_loaded(cache, tmp_path, how):
    bars = walk(3 * DAY, seed=2)
    cache.append(*MARKET, bars)
    _, second, third = days_of(tmp_path)
    damage(second, how)
    assert_same(cache.load(*MARKET), bars.iloc[2 * DAY :])
    damage(third, how)
    assert_same(cache.load(*MARKET), bars.iloc[:DAY])
    assert names(tmp_path, "*.damaged") == ["2026-01-06.damaged", "2026-01-07.damaged"]


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_day_can_be_written_again(cache, tmp_path, how):
    cache.append(*MARKET, BARS)
    damage(days_of(tmp_path)[1], how)
    cache.append(*MARKET, BARS.iloc[720:])
    assert_same(cache.load(*MARKET), BARS)
    assert names(tmp_path, "*.damaged") == ["2026-01-06.damaged"]


def test_nothing_in_a_damaged_file_is_parsed(cache, tmp_path, monkeypatch):
    cache.append(*MARKET, BARS)
    for path in days_of(tmp_path):
        damage(path, "a bit in the footer")
    monkeypatch.setattr(pq, "ParquetFile", lambda *_, **__: pytest.fail("it was parsed"))
    assert cache.load(*MARKET).empty


FEW = walk(20, seed=4, rough=True)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_no_flip_of_bits_and_no_cut_ever_gives_other_candles(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cache")
    cache = CandleCache(folder)
    cache.append(*MARKET, FEW)
    (path,) = days_of(folder)
    content = path.read_bytes()
    size = len(content)
    flips = data.draw(st.lists(st.integers(0, 8 * size - 1), min_size=1, max_size=4, unique=True))
    changed = bytearray(content)
    for bit in flips:
        changed[bit // 8] ^= 1 << bit % 8
    path.write_bytes(changed[: data.draw(st.sampled_from([size, size, size // 2, size - 1, 11]))])
    assert cache.load(*MARKET).empty
    assert names(folder, "*.damaged") == ["2026-01-05.damaged"]


def test_a_file_of_another_version_is_set_aside(cache, tmp_path, monkeypatch):
    cache.append(*MARKET, BARS)
    monkeypatch.setattr(candle_cache, "FORMAT", "2")
    assert cache.load(*MARKET).empty
    assert len(names(tmp_path, "*.damaged")) == 2


def test_a_file_of_another_market_is_set_aside(cache, tmp_path):
    cache.append(*MARKET, BARS)
    cache.append("kraken", "BTC/USDT", BARS.iloc[:1])
    (path,) = days_of(tmp_path, ("kraken", "BTC/USDT"))
    days_of(tmp_path)[0].replace(path)
    assert cache.load("kraken", "BTC/USDT").empty
    assert names(tmp_path, "*.damaged") == ["2026-01-05.damaged"]


def test_a_file_of_another_day_is_set_aside(cache, tmp_path):
    cache.append(*MARKET, BARS)
    first, second = days_of(tmp_path)
    first.replace(second)
    assert cache.load(*MARKET).empty
    assert names(tmp_path, "*.damaged") == ["2026-01-06.damaged"]


@pytest.mark.parametrize(
    "wrong",
    [
        FEW.assign(low=FEW["high"] * 2),
        FEW.assign(open=np.nan),
        FEW.iloc[::-1],
        FEW.set_axis(FEW.index + pd.Timedelta(seconds=1)),
    ],
)
def test_candles_that_cannot_be_are_refused_though_their_file_is_sound(cache, tmp_path, wrong):
    cache.append(*MARKET, FEW)
    (path,) = days_of(tmp_path)
    facts = {
        key: fact
        for key, fact in pq.ParquetFile(path).metadata.metadata.items()
        if key != b"marketpulse.seal"
    }
    path.write_bytes(candle_cache._content(wrong, facts))
    assert cache.load(*MARKET).empty
    assert names(tmp_path, "*.damaged") == ["2026-01-05.damaged"]


def test_any_program_can_read_the_files(cache, tmp_path):
    cache.append(*MARKET, BARS)
    read = pd.concat(pd.read_parquet(path).set_index("open_time") for path in days_of(tmp_path))
    pd.testing.assert_frame_equal(read, BARS, check_freq=False)


def test_only_the_last_few_damaged_files_stay(cache, tmp_path):
    bars = walk(6 * DAY, seed=2)
    cache.append(*MARKET, bars)
    for path in days_of(tmp_path):
        damage(path, "a bit")
    assert cache.load(*MARKET).empty
    assert len(names(tmp_path, "*.damaged")) == candle_cache.MOST_DAMAGED


def test_files_that_are_not_days_are_left_alone(cache, tmp_path):
    cache.append(*MARKET, BARS)
    folder = days_of(tmp_path)[0].parent
    for name in ("notes.txt", "2026-02-45.parquet", "20260107.parquet", "x.parquet"):
        (folder / name).write_text("mine")
    before = names(tmp_path)
    assert_same(cache.load(*MARKET), BARS)
    cache.append(*MARKET, BARS)
    assert names(tmp_path) == before


def test_a_day_that_a_writer_has_mended_meanwhile_is_not_set_aside(cache, tmp_path, monkeypatch):
    cache.append(*MARKET, BARS)
    newest = days_of(tmp_path)[1]
    sound = newest.read_bytes()
    damage(newest, "a bit")
    turn = CandleCache._turn

    def mended(self):
        newest.write_bytes(sound)
        return turn(self)

    monkeypatch.setattr(CandleCache, "_turn", mended)
    assert_same(cache.load(*MARKET), BARS)
    assert names(tmp_path, "*.damaged") == []


def test_a_day_that_is_deleted_while_it_is_loaded_is_not_there(cache, tmp_path, monkeypatch):
    cache.append(*MARKET, BARS)
    days = candle_cache._Market.days

    def and_gone(self):
        found = days(self)
        days_of(tmp_path)[0].unlink()
        return found

    monkeypatch.setattr(candle_cache._Market, "days", and_gone)
    assert_same(cache.load(*MARKET), BARS.iloc[720:])


# Bounds


def test_days_that_are_too_old_are_deleted(tmp_path):
    cache = CandleCache(tmp_path, days=2)
    bars = walk(5 * DAY, seed=2)
    for day in range(5):
        cache.append(*MARKET, bars.iloc[day * DAY : (day + 1) * DAY])
    expected = ["2026-01-07.parquet", "2026-01-08.parquet", "2026-01-09.parquet"]
    assert names(tmp_path, "*.parquet") == expected
    assert_same(cache.load(*MARKET), bars.iloc[-2 * DAY :])


def test_days_that_are_too_old_are_not_even_written(tmp_path, monkeypatch):
    cache = CandleCache(tmp_path, days=1)
    bars = walk(4 * DAY, seed=2)
    cache.append(*MARKET, bars)
    assert len(names(tmp_path, "*.parquet")) == 2
    monkeypatch.setattr(candle_cache, "_replace", lambda *_: pytest.fail("it was written"))
    cache.append(*MARKET, bars.iloc[:DAY])
    assert_same(cache.load(*MARKET), bars.iloc[-DAY:])


def test_no_more_is_loaded_than_the_days_that_are_kept(tmp_path):
    CandleCache(tmp_path).append(*MARKET, BARS)
    assert_same(CandleCache(tmp_path, days=1).load(*MARKET), BARS.iloc[-DAY:])


def aged(folder, market, minutes):
    """Let a market have been written to so long ago."""
    path = days_of(folder, market)[0].parent
    then = path.stat().st_mtime - 60 * minutes
    os.utime(path, (then, then))


def test_markets_that_were_not_written_to_for_longest_are_deleted(tmp_path):
    cache = CandleCache(tmp_path, most_markets=3)
    markets = [("kraken", "A/USD"), ("kraken", "B/USD"), ("okx", "A/USD")]
    for age, market in enumerate(markets):
        cache.append(*market, FEW)
        aged(tmp_path, market, 30 - 10 * age)
    cache.append("kraken", "A/USD", FEW.iloc[:1].assign(volume=7.0))
    cache.append("okx", "C/USD", FEW)
    assert cache.load("kraken", "B/USD").empty
    assert not (tmp_path / "kraken" / "B-USD").exists()
    for market in [markets[0], markets[2], ("okx", "C/USD")]:
        assert len(cache.load(*market)) == len(FEW)


def test_the_market_being_written_is_never_deleted(tmp_path):
    cache = CandleCache(tmp_path, most_markets=1)
    cache.append("kraken", "A/USD", FEW)
    cache.append("kraken", "B/USD", FEW)
    aged(tmp_path, ("kraken", "B/USD"), 60)
    cache.append("kraken", "B/USD", FEW)
    assert len(cache.load("kraken", "B/USD")) == len(FEW)
    assert cache.load("kraken", "A/USD").empty


def test_folders_that_are_no_markets_are_never_deleted(tmp_path):
    mine = [tmp_path / "Mine" / "A-USD" / "1m", tmp_path / "okx" / "photos" / "1m"]
    for folder in mine:
        folder.mkdir(parents=True)
    cache = CandleCache(tmp_path, most_markets=1)
    cache.append("kraken", "A/USD", FEW)
    cache.append("kraken", "B/USD", FEW)
    assert all(folder.exists() for folder in mine)


def test_a_full_day_takes_about_forty_kilobytes(cache, tmp_path):
    cache.append(*MARKET, walk(DAY, seed=5))
    assert days_of(tmp_path)[0].stat().st_size < 75_000


@pytest.mark.parametrize("bounds", [{"days": 0}, {"most_markets": 0}])
def test_a_cache_of_nothing_is_a_mistake(tmp_path, bounds):
    with pytest.raises(ValueError, match="at least one"):
        CandleCache(tmp_path, **bounds)


# What is refused


@pytest.mark.parametrize(
    ("venue", "symbol"),
    [
        ("..", "BTC/USD"),
        ("", "BTC/USD"),
        ("a/b", "BTC/USD"),
        ("Binance", "BTC/USD"),
        ("binance\n", "BTC/USD"),
        ("binance", "../../X/USD"),
        ("binance", "BTC"),
        ("binance", "BTC/USD\n"),
        ("binance", "BTC/USD/USD"),
        ("binance", "/USD"),
        ("binance", "btc/usd"),
        ("binance", "BTC/USDT:USDT"),
        ("binance", "ABCDEFGHIJK/USD"),
    ],
)
def test_a_name_that_could_leave_the_folder_is_refused(cache, tmp_path, venue, symbol):
    with pytest.raises(CacheError, match="No folder can be named"):
        cache.load(venue, symbol)
    with pytest.raises(CacheError, match="No folder can be named"):
        cache.append(venue, symbol, FEW)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (FEW.drop(columns="filled"), "columns"),
        (FEW.astype({"open": "float32"}), "columns"),
        (FEW[["high", "open", "low", "close", "volume", "filled"]], "columns"),
        (FEW.reset_index(drop=True), "columns"),
        (FEW.tz_convert("Europe/Paris"), "columns"),
        (FEW.set_axis(FEW.index.as_unit("ns")), "columns"),
        (FEW.iloc[::-1], "increase"),
        (FEW.iloc[[0, 1, 1]], "increase"),
        (FEW.set_axis(FEW.index + pd.Timedelta(seconds=1)), "whole minute"),
        (FEW.assign(close=np.inf), "price"),
        (FEW.assign(high=FEW["low"] / 2), "price"),
    ],
)
def test_what_is_no_candle_table_is_refused_and_nothing_is_written(cache, tmp_path, wrong, why):
    with pytest.raises(ValueError, match=why):
        cache.append(*MARKET, wrong)
    assert list(tmp_path.iterdir()) == []


# Trouble with the disk


def test_a_folder_that_is_a_file_is_said_in_one_sentence(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    cache = CandleCache(blocked / "candles")
    with pytest.raises(CacheError, match=r"^The candle cache at .* cannot be used \(.+\)\.$"):
        cache.append(*MARKET, FEW)
    with pytest.raises(CacheError, match="Not a directory"):
        cache.load(*MARKET)


def failing(call, code):
    def fail(*_, **__):
        raise OSError(code, os.strerror(code))

    return call, fail


@pytest.mark.parametrize(
    ("call", "code"),
    [("fsync", errno.ENOSPC), ("fsync", errno.EIO), ("replace", errno.EROFS)],
)
def test_a_full_or_failing_disk_costs_only_what_was_to_be_written(
    cache, tmp_path, monkeypatch, call, code
):
    cache.append(*MARKET, BARS.iloc[:-1])
    with monkeypatch.context() as patch:
        owner = os if call == "fsync" else Path
        patch.setattr(owner, *failing(call, code))
        with pytest.raises(CacheError, match=os.strerror(code)):
            cache.append(*MARKET, BARS.iloc[-1:])
    assert_same(cache.load(*MARKET), BARS.iloc[:-1])
    cache.append(*MARKET, BARS.iloc[-1:])
    assert_same(cache.load(*MARKET), BARS)
    assert names(tmp_path, "*.part") == []


def test_a_full_disk_leaves_no_part_behind(cache, tmp_path, monkeypatch):
    cache.append(*MARKET, BARS.iloc[:-1])
    monkeypatch.setattr(os, *failing("fsync", errno.ENOSPC))
    with pytest.raises(CacheError, match="No space left"):
        cache.append(*MARKET, BARS.iloc[-1:])
    assert names(tmp_path, "*.part") == []


def test_a_disk_that_cannot_be_read_is_said(cache, monkeypatch):
    cache.append(*MARKET, BARS)
    monkeypatch.setattr(Path, *failing("open", errno.EACCES))
    with pytest.raises(CacheError, match="Permission denied"):
        cache.load(*MARKET)


def test_a_disk_that_cannot_be_written_still_serves_what_is_sound(cache, tmp_path, monkeypatch):
    cache.append(*MARKET, BARS)
    damage(days_of(tmp_path)[1], "a bit")
    monkeypatch.setattr(Path, *failing("replace", errno.EROFS))
    assert_same(cache.load(*MARKET), BARS.iloc[:720])


def test_parts_that_a_crash_left_are_removed(cache, tmp_path):
    cache.append(*MARKET, FEW)
    left = days_of(tmp_path)[0].parent / "tmp123.part"
    left.write_bytes(b"half a file")
    assert_same(cache.load(*MARKET), FEW)
    cache.append(*MARKET, FEW)
    assert not left.exists()


# Several at once


def test_a_writer_that_waits_too_long_for_another_says_so(cache, tmp_path, monkeypatch):
    monkeypatch.setattr(candle_cache, "PATIENCE_S", 0.05)
    with (
        FileLock(tmp_path / "lock"),
        pytest.raises(CacheError, match="in use by others for too long"),
    ):
        cache.append(*MARKET, FEW)
    cache.append(*MARKET, FEW)


def test_a_reader_waits_for_nobody(cache, tmp_path):
    cache.append(*MARKET, FEW)
    with FileLock(tmp_path / "lock"):
        assert_same(cache.load(*MARKET), FEW)


def test_threads_lose_nothing_of_each_other(tmp_path):
    def keep(part):
        CandleCache(tmp_path).append(*MARKET, BARS.iloc[part::8])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(keep, range(8)))
    assert_same(CandleCache(tmp_path).load(*MARKET), BARS)


def test_one_cache_can_be_used_by_many_threads_that_also_read(cache):
    def keep(begin):
        cache.append(*MARKET, BARS.iloc[begin : begin + 40])
        found = cache.load(*MARKET)
        steps = np.diff(found.index.asi8)
        return len(found) and (steps == 60_000_000).all()

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(keep, range(0, len(BARS), 40)))
    assert_same(cache.load(*MARKET), BARS)


PROCESS = """
import sys
import numpy as np
from pathlib import Path
from marketpulse.sources.candle_cache import CandleCache
from tests.crashing_writer import MARKET, bars
folder, part = sys.argv[1:]
for minute in range(int(part), 60, 2):
    CandleCache(Path(folder)).append(*MARKET, bars(np.array([minute]), 1))
"""


def test_two_processes_lose_nothing_of_each_other(tmp_path):
    command = [sys.executable, "-c", PROCESS, str(tmp_path)]
    both = [subprocess.Popen([*command, part], cwd=ROOT) for part in ("0", "1")]
    assert [process.wait(60) for process in both] == [0, 0]
    found = CandleCache(tmp_path).load(*crashing_writer.MARKET)
    expected = crashing_writer.bars(np.arange(60), 1)
    pd.testing.assert_frame_equal(found, expected, check_freq=False)


# Crashes


def test_nothing_that_was_acknowledged_is_lost_when_its_writer_is_killed(tmp_path):
    told = killed(tmp_path, 5, seed=1)
    assert (told.lost, told.unreadable, told.damaged) == (0, 0, 0)
    assert told.acknowledged > 0


def heard(minutes):
    told = Told()
    told.hear(f"begin 0 {minutes} 7")
    told.hear("done")
    return told, crashing_writer.bars(np.arange(minutes), 7)


def test_the_check_after_a_crash_sees_a_bar_that_is_lost_or_changed():
    told, found = heard(50)
    assert told.differing(found) == 0
    assert told.differing(found.iloc[:-1]) == 1
    assert told.differing(found.iloc[10:]) == 10
    assert told.differing(candle_table.empty()) == 50
    changed = found.copy()
    changed.iloc[3, 0] = np.nextafter(changed.iloc[3, 0], 0)
    assert told.differing(changed) == 1


def test_the_check_allows_an_append_that_was_under_way_to_have_happened_or_not():
    told, found = heard(50)
    told.hear("begin 49 2 8")
    became = pd.concat([found.iloc[:49], crashing_writer.bars([49, 50], 8)])
    assert told.differing(found) == told.differing(became) == 0
    never_said = pd.concat([found.iloc[:49], crashing_writer.bars([49, 50], 9)])
    assert told.differing(never_said) == 2


def test_a_process_that_dies_within_an_append_leaves_no_hole(cache, monkeypatch):
    cache.append(*MARKET, BARS.iloc[:700])
    replace = candle_cache._replace
    left = [1]

    def dies_later(path, content):
        if not left:
            raise KeyboardInterrupt
        left.pop()
        replace(path, content)

    monkeypatch.setattr(candle_cache, "_replace", dies_later)
    with pytest.raises(KeyboardInterrupt):
        cache.append(*MARKET, BARS.iloc[700:])
    assert_same(cache.load(*MARKET), BARS.iloc[:720])
