import os
import sqlite3
import struct
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from itertools import count
from pathlib import Path
from random import Random

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal
from sqlalchemy import event

from marketpulse import database
from marketpulse.errors import MarketPulseError, RecordError
from marketpulse.horizons import LONG, MINUTE, ONE_MINUTE, Horizon
from marketpulse.store import CALLED, SAID, SETTLED, ForecastRecord, forecast_id
from tests.build import START

NOW = START + pd.Timedelta(hours=1)
LATER = NOW + pd.Timedelta(microseconds=1)
MARKET = ("bitstamp", "BTC/USD", MINUTE)
FLOATS = [name for name, dtype in SAID.items() if dtype == "float64"]


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/new/folder/forecasts.db"


@pytest.fixture
def record(url):
    with closing(ForecastRecord(url)) as opened:
        yield opened


@pytest.fixture
def replay():
    with closing(ForecastRecord("sqlite://")) as opened:
        yield opened


def said(n=3, *, start=START, close=60_000.0, model="a model", **columns):
    """Forecasts of n minutes; every number of a row is another one."""
    index = pd.date_range(start, periods=n, freq=ONE_MINUTE, unit="us", name="as_of")
    numbers = {name: close + 0.1 * place for place, name in enumerate(FLOATS)}
    table = pd.DataFrame({**numbers, "fit_at": START, "model": model, "data": "a hash"}, index)
    return table.assign(**columns)[list(SAID)]


def outcomes(table, price=61_000.0):
    return pd.Series([price + row for row in range(len(table))], table.index)


def assert_same(left, right):
    """Equal with all dtypes and names, and to the last bit of every number."""
    assert_frame_equal(left, right, check_exact=True, check_freq=False)
    for name in left.columns[left.dtypes == "float64"]:
        assert left[name].to_numpy().tobytes() == right[name].to_numpy().tobytes()


def python(code):
    """A Python process of its own."""
    root = Path(__file__).parent.parent
    return subprocess.Popen([sys.executable, "-W", "error", "-c", code], cwd=root)


def path_of(url):
    return Path(url.removeprefix("sqlite:///"))


def test_what_is_issued_is_pending_as_it_was_said(record):
    assert record.issue(*MARKET, said(), issued_at=NOW) == 3
    assert_same(record.pending(*MARKET), said())
    assert record.settled(*MARKET, 10).empty


def test_the_first_forecast_wins(record):
    record.issue(*MARKET, said(2), issued_at=NOW)
    assert record.issue(*MARKET, said(3, close=1.0, model="newer"), issued_at=LATER) == 1
    kept = record.pending(*MARKET)
    assert_same(kept.iloc[:2], said(2))
    assert_same(kept.iloc[2:], said(3, close=1.0, model="newer").iloc[2:])


def test_a_settled_forecast_is_not_issued_again(record):
    record.issue(*MARKET, said(1), issued_at=NOW)
    record.settle(*MARKET, outcomes(said(1)), settled_at=NOW)
    before = record.settled(*MARKET, 10)
    assert record.issue(*MARKET, said(1, close=1.0), issued_at=LATER) == 0
    assert record.pending(*MARKET).empty
    assert_same(record.settled(*MARKET, 10), before)


def test_an_outcome_moves_a_forecast_from_pending_to_settled(record):
    record.issue(*MARKET, said(), issued_at=NOW)
    assert record.settle(*MARKET, outcomes(said(2)), settled_at=LATER) == 2
    assert_same(record.pending(*MARKET), said().iloc[2:])
    expected = said(2).assign(actual_price=outcomes(said(2)), issued_at=NOW, settled_at=LATER)
    assert_same(record.settled(*MARKET, 10), expected)


def test_an_outcome_is_settled_once(record):
    record.issue(*MARKET, said(), issued_at=NOW)
    record.settle(*MARKET, outcomes(said(2)), settled_at=NOW)
    first = record.settled(*MARKET, 10)
    assert record.settle(*MARKET, outcomes(said(), price=1.0), settled_at=LATER) == 1
    assert_same(record.settled(*MARKET, 10).iloc[:2], first)


def test_an_unknown_outcome_settles_nothing(record):
    record.issue(*MARKET, said(2), issued_at=NOW)
    known = pd.Series([float("nan"), 61_000.0], said(2).index)
    assert record.settle(*MARKET, known, settled_at=NOW) == 1
    assert_same(record.pending(*MARKET), said(1))


def test_an_outcome_of_what_was_never_said_settles_nothing(record):
    assert record.settle(*MARKET, outcomes(said()), settled_at=NOW) == 0
    assert record.settled(*MARKET, 10).empty


def test_nothing_is_issued_or_settled_by_empty_tables(record):
    assert record.issue(*MARKET, pd.DataFrame(), issued_at=NOW) == 0
    assert record.settle(*MARKET, outcomes(said(0)), settled_at=NOW) == 0


def test_empty_tables_have_the_columns_and_dtypes_of_full_ones(record):
    nothing = said(0)
    assert_same(record.pending(*MARKET), nothing)
    expected = nothing.assign(actual_price=0.0, issued_at=NOW, settled_at=NOW)
    assert_same(record.settled(*MARKET, 10), expected.astype(SETTLED))


def test_forecasts_come_in_time_order_and_the_newest_are_kept(record):
    table = said(5)
    record.issue(*MARKET, table.iloc[[3, 0, 4, 1, 2]], issued_at=NOW)
    assert_same(record.pending(*MARKET), table)
    record.settle(*MARKET, outcomes(table).iloc[[4, 2, 0, 1, 3]], settled_at=NOW)
    newest = record.settled(*MARKET, 2)
    assert list(newest.index) == list(table.index[3:])
    assert list(newest["actual_price"]) == [61_003.0, 61_004.0]


def test_a_restart_keeps_everything(url):
    with closing(ForecastRecord(url)) as first:
        first.issue(*MARKET, said(), issued_at=NOW)
        first.settle(*MARKET, outcomes(said(1)), settled_at=NOW)
        settled = first.settled(*MARKET, 10)
    with closing(ForecastRecord(url)) as second:
        assert_same(second.pending(*MARKET), said().iloc[1:])
        assert_same(second.settled(*MARKET, 10), settled)
        assert second.issue(*MARKET, said(), issued_at=LATER) == 0


def test_a_process_that_is_killed_loses_nothing_that_was_issued(url):
    code = (
        "import os; from tests.test_store import *; "
        f"ForecastRecord({url!r}).issue(*MARKET, said(), issued_at=NOW); os._exit(9)"
    )
    assert python(code).wait(timeout=60) == 9
    with closing(ForecastRecord(url)) as record:
        assert_same(record.pending(*MARKET), said())


@pytest.mark.parametrize(
    "other",
    [
        ("kraken", "BTC/USD", MINUTE),
        ("bitstamp", "ETH/USD", MINUTE),
        ("bitstamp", "BTC/USD", LONG),
        ("bitstamp", "BTC/USD", MINUTE.with_steps(2)),
    ],
)
def test_two_markets_or_horizons_never_mix(record, other):
    record.issue(*MARKET, said(), issued_at=NOW)
    assert record.issue(*other, said(2, close=1.0), issued_at=NOW) == 2
    assert record.settle(*other, outcomes(said(1)), settled_at=NOW) == 1
    assert_same(record.pending(*MARKET), said())
    assert record.settled(*MARKET, 10).empty
    assert_same(record.pending(*other), said(2, close=1.0).iloc[1:])
    assert len(record.settled(*other, 10)) == 1


def test_names_that_read_the_same_when_joined_are_two_markets():
    assert forecast_id('a", "b', "c", MINUTE, START) != forecast_id("a", 'b", "c', MINUTE, START)


def test_an_id_says_nothing_but_what_the_forecast_is_of():
    renamed = Horizon("long", MINUTE.bar, MINUTE.steps)
    assert forecast_id("bitstamp", "BTC/USD", renamed, START) == forecast_id(*MARKET, START)


def test_an_id_is_the_same_in_every_version():
    assert forecast_id(*MARKET, START) == (
        "180e17df670b2844fc7e656bcbca58df0affce64b3e9ade74f660670baab31ae"
    )


def test_the_same_moment_in_another_time_zone_is_the_same_forecast(record):
    abroad = said().tz_convert("Asia/Tokyo")
    record.issue(*MARKET, said(2), issued_at=NOW)
    assert forecast_id(*MARKET, abroad.index[0]) == forecast_id(*MARKET, START)
    assert record.issue(*MARKET, abroad, issued_at=NOW.tz_convert("Asia/Tokyo")) == 1
    assert record.settle(*MARKET, outcomes(abroad), settled_at=NOW) == 3
    assert_same(record.settled(*MARKET, 10)[list(SAID)], said())


def test_the_unit_in_which_times_are_counted_does_not_matter(record):
    table = said()
    table.index = table.index.as_unit("ns")
    record.issue(*MARKET, table.assign(fit_at=table["fit_at"].dt.as_unit("s")), issued_at=NOW)
    assert_same(record.pending(*MARKET), said())


def test_a_time_without_a_zone_is_refused(record):
    with pytest.raises(TypeError):
        record.issue(*MARKET, said().tz_localize(None), issued_at=NOW)


def test_columns_that_are_not_part_of_a_forecast_are_left_out(record):
    record.issue(*MARKET, said(1).assign(mood="good")[["mood", *reversed(SAID)]], issued_at=NOW)
    assert_same(record.pending(*MARKET), said(1))


MINUTES = count()
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
PRICES = NUMBERS.map(abs).filter(bool)


@pytest.fixture(scope="module")
def shared():
    with closing(ForecastRecord("sqlite://")) as opened:
        yield opened


@given(st.lists(NUMBERS, min_size=len(FLOATS), max_size=len(FLOATS)), PRICES, st.text())
def test_every_finite_number_comes_back_bit_for_bit(shared, numbers, price, text):
    market = ("bitstamp", str(next(MINUTES)), MINUTE)
    text = text.encode(errors="ignore").decode().replace("\0", "")
    table = said(1, **dict(zip(FLOATS, numbers, strict=True)), model=text)
    shared.issue(*market, table, issued_at=NOW)
    assert_same(shared.pending(*market), table)
    shared.settle(*market, outcomes(table, price), settled_at=NOW)
    actual = shared.settled(*market, 1)["actual_price"].iloc[0]
    assert struct.pack("d", actual) == struct.pack("d", price)


def test_minus_zero_stays_minus_zero_on_disk(url):
    with closing(ForecastRecord(url)) as record:
        record.issue(*MARKET, said(1, trusted=-0.0), issued_at=NOW)
    with closing(ForecastRecord(url)) as record:
        assert_same(record.pending(*MARKET), said(1, trusted=-0.0))


def test_a_forecast_that_is_not_a_number_is_refused_with_all_that_came_with_it(record):
    table = said()
    table.iloc[2, 1] = float("nan")
    with pytest.raises(RecordError, match="NOT NULL"):
        record.issue(*MARKET, table, issued_at=NOW)
    assert record.pending(*MARKET).empty


def write_minutes(record, first, n=100):
    """Issue and settle forecasts one by one; the number that was new."""
    new = 0
    for minute in range(first, first + n):
        table = said(1, start=START + minute * ONE_MINUTE)
        new += record.issue(*MARKET, table, issued_at=NOW)
        record.settle(*MARKET, outcomes(table), settled_at=NOW)
    return new


@pytest.mark.parametrize("kind", ["record", "replay"])
def test_four_threads_write_a_hundred_times_each_and_nothing_fails_or_is_lost(kind, request):
    record = request.getfixturevalue(kind)
    with ThreadPoolExecutor(4) as threads:
        new = list(threads.map(lambda thread: write_minutes(record, 100 * thread), range(4)))
    assert new == [100] * 4
    assert len(record.settled(*MARKET, 1000)) == 400


def test_of_threads_that_say_the_same_forecasts_each_is_new_to_one(record):
    with ThreadPoolExecutor(4) as threads:
        new = list(threads.map(lambda _: write_minutes(record, 0, 25), range(4)))
    assert sum(new) == 25
    assert len(record.settled(*MARKET, 1000)) == 25


def test_two_processes_write_to_one_file_and_nothing_fails_or_is_lost(url, record):
    code = "from tests.test_store import *; write_minutes(ForecastRecord({!r}), {})"
    processes = [python(code.format(url, 50 * n) + "; os._exit(0)") for n in range(2)]
    assert [process.wait(timeout=60) for process in processes] == [0, 0]
    assert len(record.settled(*MARKET, 1000)) == 150


def test_a_reader_does_not_wait_for_a_writer(url, record):
    record.issue(*MARKET, said(), issued_at=NOW)
    with closing(sqlite3.connect(path_of(url))) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("DELETE FROM forecasts")
        assert len(record.pending(*MARKET)) == 3


def pragmas(record):
    with record._database.writes.begin() as connection:
        names = ("journal_mode", "synchronous", "busy_timeout")
        return [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names]


def test_every_connection_has_a_write_ahead_log_and_waits_for_the_disk(url, record):
    with record._database.reads.connect(), record._database.reads.connect():
        assert pragmas(record) == ["wal", 2, 30_000]  # 2 is FULL
    assert path_of(url).with_name("forecasts.db-wal").exists()


def test_a_write_takes_the_lock_before_it_reads_and_a_read_takes_none(url, record):
    with closing(sqlite3.connect(path_of(url), timeout=0)) as other:
        with record._database.reads.begin() as reading:
            reading.exec_driver_sql("SELECT * FROM forecasts").all()
            other.execute("BEGIN IMMEDIATE")
            other.rollback()
        locked = pytest.raises(sqlite3.OperationalError, match="locked")
        with record._database.writes.begin(), locked:
            other.execute("BEGIN IMMEDIATE")


# Callers -----------------------------------------------------------------------------------------


def test_a_visitors_call_stands_beside_the_trees_and_changes_nothing_of_theirs(record):
    record.issue(*MARKET, said(), issued_at=NOW)
    assert record.issue(*MARKET, said(2, raw=0.5), issued_at=NOW, caller="ann") == 2
    assert_same(record.pending(*MARKET), said())
    calls = record.calls(*MARKET, 10)
    assert calls.index.equals(said(2).index)
    assert calls["caller"].tolist() == ["ann"] * 2
    assert calls["raw"].tolist() == [0.5] * 2
    assert calls["close"].tolist() == said(2)["close"].tolist()
    assert calls["trees"].tolist() == said(2)["raw"].tolist()
    assert calls["id"].tolist() == [forecast_id(*MARKET, time) for time in said(2).index]
    assert calls["actual_price"].isna().all()


def test_the_first_call_of_each_caller_counts(record):
    record.issue(*MARKET, said(1), issued_at=NOW)
    for caller, raw in (("ann", 0.5), ("bob", -0.5), ("ann", -0.5)):
        record.issue(*MARKET, said(1, raw=raw), issued_at=NOW, caller=caller)
    calls = record.calls(*MARKET, 10).set_index("caller")["raw"]
    assert calls.to_dict() == {"ann": 0.5, "bob": -0.5}


def test_one_outcome_settles_every_caller(record):
    record.issue(*MARKET, said(2), issued_at=NOW)
    record.issue(*MARKET, said(2, raw=0.5), issued_at=NOW, caller="ann")
    assert record.settle(*MARKET, outcomes(said(1)), settled_at=LATER) == 2
    assert record.settled(*MARKET, 10)["actual_price"].tolist() == [61_000.0]
    came = record.calls(*MARKET, 10)["actual_price"]
    assert came.iloc[0] == 61_000.0
    assert came.isna().tolist() == [False, True]


def test_calls_of_two_markets_or_horizons_never_mix(record):
    for market in (MARKET, ("kraken", *MARKET[1:]), (*MARKET[:2], LONG)):
        record.issue(*market, said(1), issued_at=NOW)
    record.issue(*MARKET, said(1, raw=0.5), issued_at=NOW, caller="ann")
    assert len(record.calls(*MARKET, 10)) == 1
    assert record.calls("kraken", *MARKET[1:], 10).empty
    assert record.calls(*MARKET[:2], LONG, 10).empty


def test_the_newest_calls_are_kept_in_time_order(record):
    record.issue(*MARKET, said(5), issued_at=NOW)
    record.issue(*MARKET, said(5).iloc[[3, 0, 4, 1]], issued_at=NOW, caller="ann")
    assert list(record.calls(*MARKET, 2).index) == list(said(5).index[3:])


def test_a_call_that_the_trees_have_no_forecast_beside_is_not_told(record):
    record.issue(*MARKET, said(1), issued_at=NOW, caller="ann")
    nothing = record.calls(*MARKET, 10)
    assert nothing.empty
    assert nothing.dtypes.astype(str).to_dict() == CALLED


# What the first version of this table was made with.
FIRST_TABLE = f"""CREATE TABLE forecasts (
    id VARCHAR(64) NOT NULL, source TEXT NOT NULL, symbol TEXT NOT NULL, bar BIGINT NOT NULL,
    steps BIGINT NOT NULL, as_of BIGINT NOT NULL, {" NOT NULL, ".join(FLOATS)} NOT NULL,
    fit_at BIGINT NOT NULL, model TEXT NOT NULL, data TEXT NOT NULL,
    actual_price , issued_at BIGINT NOT NULL, settled_at BIGINT, PRIMARY KEY (id))"""
FIRST_COLUMNS = (
    *("id", "source", "symbol", "bar", "steps", "as_of", *FLOATS),
    *("fit_at", "model", "data", "actual_price", "issued_at", "settled_at"),
)


def first_version(url, content):
    """A record as the first version made it, with the forecasts of another record."""
    path_of(url).parent.mkdir(parents=True)
    with closing(sqlite3.connect(path_of(url))) as old, content._database.reads.connect() as new:
        old.execute(FIRST_TABLE)
        old.execute(
            "CREATE INDEX forecasts_in_time ON forecasts (source, symbol, bar, steps, as_of)"
        )
        rows = new.exec_driver_sql(f"SELECT {', '.join(FIRST_COLUMNS)} FROM forecasts").all()
        places = ", ".join("?" * len(FIRST_COLUMNS))
        old.executemany(f"INSERT INTO forecasts VALUES ({places})", [tuple(row) for row in rows])
        old.commit()


def test_a_record_from_before_there_were_calls_keeps_every_forecast_and_takes_calls(url, replay):
    replay.issue(*MARKET, said(), issued_at=NOW)
    replay.settle(*MARKET, outcomes(said(1)), settled_at=NOW)
    first_version(url, replay)
    for _ in range(2):  # the second time it is up to date
        with closing(ForecastRecord(url)) as record:
            assert_same(record.pending(*MARKET), replay.pending(*MARKET))
            assert_same(record.settled(*MARKET, 10), replay.settled(*MARKET, 10))
            record.issue(*MARKET, said(), issued_at=LATER, caller="ann")
            assert record.issue(*MARKET, said(), issued_at=LATER) == 0
            assert len(record.calls(*MARKET, 10)) == 3


def test_an_earlier_version_can_still_write_to_a_record_with_calls(url, record):
    record.issue(*MARKET, said(1), issued_at=NOW)
    with closing(sqlite3.connect(path_of(url), isolation_level=None)) as old:
        columns = ", ".join(FIRST_COLUMNS[1:])
        old.execute(
            f"INSERT INTO forecasts (id, {columns}) SELECT 'another', {columns} FROM forecasts"
        )
    assert len(record.pending(*MARKET)) == 2


def test_two_processes_bring_one_record_up_to_date(url, replay):
    replay.issue(*MARKET, said(), issued_at=NOW)
    first_version(url, replay)
    code = f"from tests.test_store import *; write_minutes(ForecastRecord({url!r}), 50, 10)"
    processes = [python(f"{code}; os._exit(0)") for _ in range(2)]
    assert [process.wait(timeout=60) for process in processes] == [0, 0]


def test_waiting_and_settled_forecasts_are_found_without_reading_all(record):
    seen = []

    def explain(_connection, cursor, statement, parameters, _context, _many):
        cursor.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
        seen.append(" ".join(str(row) for row in cursor.fetchall()))
        return statement, parameters

    event.listen(record._database.reads, "before_cursor_execute", explain, retval=True)
    record.pending(*MARKET)
    record.settled(*MARKET, 10)
    record.calls(*MARKET, 10)
    assert "USING INDEX forecasts_pending" in seen[0]
    assert "USING INDEX forecasts_in_time" in seen[1]
    assert "USING INDEX forecasts_called" in seen[2]
    assert "SCAN" not in seen[2]
    assert not any("TEMP B-TREE" in plan for plan in seen)


def test_closing_leaves_one_file_and_nothing_open(url):
    record = ForecastRecord(url)
    write_minutes(record, 0, 2)
    record.close()
    assert [file.name for file in path_of(url).parent.iterdir()] == ["forecasts.db"]


def assert_refused_plainly(url, reason):
    with pytest.raises(RecordError, match=reason) as caught:
        ForecastRecord(url).issue(*MARKET, said(), issued_at=NOW)
    sentence = str(caught.value)
    assert isinstance(caught.value, MarketPulseError)
    assert "\n" not in sentence
    assert sentence.endswith(".")
    assert str(path_of(url)) in sentence


def test_a_file_that_is_no_database_says_so_in_one_sentence(tmp_path):
    path = tmp_path / "forecasts.db"
    path.write_bytes(b"not a database" * 100)
    assert_refused_plainly(f"sqlite:///{path}", r"file is not a database\); move it away")
    assert path.read_bytes() == b"not a database" * 100


@pytest.mark.parametrize("kept", [1, 2])
def test_a_file_that_lost_its_end_says_so_in_one_sentence(url, kept):
    with closing(ForecastRecord(url)) as record:
        record.issue(*MARKET, said(1000), issued_at=NOW)
    os.truncate(path_of(url), kept * 4096)
    assert_refused_plainly(url, r"malformed\); move it away")


def test_damage_that_comes_while_it_is_open_is_said_in_one_sentence(url, record):
    record.issue(*MARKET, said(1000), issued_at=NOW)
    with closing(sqlite3.connect(path_of(url))) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    size = path_of(url).stat().st_size
    with path_of(url).open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))
    with pytest.raises(RecordError, match=r"malformed\); move it away"):
        record.pending(*MARKET)


@pytest.mark.parametrize("value", ["'high'", "x'ff'"])
@pytest.mark.parametrize("column", ["as_of", "fit_at", "close"])
def test_a_value_of_the_wrong_kind_is_damage(url, record, column, value):
    record.issue(*MARKET, said(1), issued_at=NOW)
    with closing(sqlite3.connect(path_of(url), isolation_level=None)) as other:
        other.execute(f"UPDATE forecasts SET {column} = {value}")
    with pytest.raises(RecordError, match="cannot be used"):
        record.pending(*MARKET)


@pytest.mark.parametrize("seed", range(50))
def test_whatever_bits_are_flipped_it_answers_or_says_so(url, seed):
    with closing(ForecastRecord(url)) as record:
        write_minutes(record, 0, 3)
    content, random = bytearray(path_of(url).read_bytes()), Random(seed)
    for _ in range(50):
        content[random.randrange(len(content))] ^= 1 << random.randrange(8)
    path_of(url).write_bytes(content)
    with suppress(RecordError), closing(ForecastRecord(url)) as record:
        record.settled(*MARKET, 10)
        write_minutes(record, 0, 5)


def test_a_database_of_something_else_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "forecasts.db"
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE forecasts (weather TEXT)")
    assert_refused_plainly(f"sqlite:///{path}", "no such column|no column named")
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("SELECT name FROM pragma_table_info('forecasts')").fetchall() == [
            ("weather",)
        ]


def test_a_write_that_never_gets_its_turn_says_so(url, record, monkeypatch):
    monkeypatch.setattr(database, "BUSY_TIMEOUT", 1)
    locked = pytest.raises(RecordError, match=r"database is locked\)\.")
    with closing(ForecastRecord(url)) as impatient, record._database.writes.begin(), locked:
        impatient.issue(*MARKET, said(), issued_at=NOW)
    assert record.issue(*MARKET, said(), issued_at=NOW) == 3


def test_a_record_that_others_keep_busy_says_so(replay, monkeypatch):
    monkeypatch.setattr(replay._database.reads.pool, "_timeout", 0.01)
    with replay._database.reads.connect(), pytest.raises(RecordError) as caught:
        replay.pending(*MARKET)
    assert str(caught.value).endswith("timed out, timeout 0.01).")
    assert "\n" not in str(caught.value)


def test_a_folder_that_cannot_be_made_says_so(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    assert_refused_plainly(
        f"sqlite:///{tmp_path}/file/forecasts.db", r"\(Not a directory|\(File exists"
    )


@pytest.mark.parametrize("url", ["forecasts.db", "nosuch://forecasts.db"])
def test_what_is_no_database_url_says_so(url):
    with pytest.raises(RecordError, match="URL"):
        ForecastRecord(url)


def test_every_record_in_memory_begins_empty(replay):
    replay.issue(*MARKET, said(), issued_at=NOW)
    with closing(ForecastRecord("sqlite://")) as other:
        assert other.pending(*MARKET).empty
    assert_same(replay.pending(*MARKET), said())


def test_a_record_in_memory_is_one_to_all_threads(replay):
    with ThreadPoolExecutor(1) as thread:
        thread.submit(replay.issue, *MARKET, said(), issued_at=NOW).result()
    assert_same(replay.pending(*MARKET), said())
