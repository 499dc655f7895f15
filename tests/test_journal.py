import json
import os
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing
from functools import partial
from hashlib import sha256
from pathlib import Path
from random import Random
from threading import Barrier, Thread

import pandas as pd
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from marketpulse import journal as journal_module
from marketpulse.bookfile import exported, imported
from marketpulse.books import OWNER_PATTERN, BookKey, new_owner
from marketpulse.errors import InvalidOrder, JournalError
from marketpulse.event_json import encoded
from marketpulse.events import Armed, Disarmed, Rejection
from marketpulse.journal import Journal
from marketpulse.journal_rows import EVENTS
from marketpulse.ledger import fold
from tests.books import BTC, NOON, carried_out, deposit, fill, ordered
from tests.postgres import postgres_server

ROOT = Path(__file__).parent.parent
LATER = NOON + pd.Timedelta(hours=1)


@pytest.fixture(scope="session")
def server():
    """A real PostgreSQL: never missing where the whole suite counts."""
    try:
        with postgres_server() as url:
            yield url
    except LookupError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error))


@pytest.fixture
def sqlite_url(tmp_path):
    return f"sqlite:///{tmp_path}/home/journal.db"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request):
    name = "sqlite_url" if request.param == "sqlite" else "server"
    return request.getfixturevalue(name)


@pytest.fixture
def journal(url):
    with closing(Journal(url)) as opened:
        yield opened


@pytest.fixture
def key():
    return BookKey(new_owner(), "bitstamp", BTC)


@pytest.fixture
def book(journal, key):
    """The key of a book that was opened with 10,000 USD."""
    journal.open(key, deposit().amount, NOON)
    return key


def place(journal, key, event):
    return journal.place(key, event.id, lambda _: event, time=event.time)


def buying(id, amount=100):
    return ordered("buy", amount=amount, id=id)


def ids(book):
    return [event.id for event in book.ledger.events]


def stored(journal, key):
    """Sequence and id of every event in the database."""
    query = sa.select(EVENTS.c.sequence, EVENTS.c.event_id).where(EVENTS.c.book == key.id)
    with journal._database.reading() as connection:
        return [tuple(row) for row in connection.execute(query.order_by(EVENTS.c.sequence))]


def python(code):
    """A Python process of its own."""
    return subprocess.Popen([sys.executable, "-W", "error", "-c", code], cwd=ROOT)


# One book -----------------------------------------------------------------------------------------


def test_a_book_is_opened_once_with_a_deposit(journal, key):
    first = journal.open(key, deposit().amount, NOON)
    assert first.ledger == fold([deposit(id="opening")])
    assert (first.sequence, first.source, first.symbol, first.damage) == (1, "bitstamp", BTC, "")
    assert journal.open(key, deposit("5").amount, LATER) == first


def test_an_impossible_deposit_opens_nothing(journal, key):
    with pytest.raises(InvalidOrder):
        journal.open(key, deposit("-1").amount, NOON)
    with pytest.raises(JournalError, match="not in the journal"):
        journal.refresh(key)


def test_what_was_placed_is_read_again_to_the_last_bit(url, journal, book):
    order = buying("a")
    answer, after = carried_out(journal.book(book).ledger, order, price="60000.123456789012")
    place(journal, book, order)
    last = place(journal, book, answer)
    assert last.ledger == after
    with closing(Journal(url)) as other:
        again = other.refresh(book)
    assert again == last
    assert repr(again.ledger) == repr(last.ledger)


def test_a_known_id_decides_nothing(journal, book):
    first = place(journal, book, buying("a"))
    assert journal.place(book, "a", lambda _: 1 / 0, time=LATER) == first


def test_a_refused_order_moves_no_money_and_stays_refused(journal, book):
    def unaffordable(ledger):
        return carried_out(ledger, buying("a", amount=20_000))[0]

    after = journal.place(book, "a/fill", unaffordable, time=LATER)
    *_, last = after.ledger.events
    assert isinstance(last, Rejection)
    assert (last.id, last.order, last.time) == ("a/rejected", "a", LATER)
    assert "the cash is 10,000.00 USD" in last.sentence
    assert after.ledger.cash == 10_000
    for id in ("a", "a/fill", "a/rejected"):
        assert journal.place(book, id, lambda _: 1 / 0, time=LATER) == after


def test_an_order_has_one_answer(journal, book):
    place(journal, book, buying("a"))
    place(journal, book, Rejection("a/rejected", LATER, "a", "No price came."))
    after = journal.place(book, "a/fill", lambda _: 1 / 0, time=LATER)
    assert ids(after) == ["opening", "a", "a/rejected"]
    assert not after.ledger.pending


def test_an_answer_may_be_either(journal, book):
    place(journal, book, buying("a"))
    refused = Rejection("a/rejected", LATER, "a", "No price came.")
    after = journal.place(book, "a/fill", lambda _: refused, time=LATER)
    assert ids(after) == ["opening", "a", "a/rejected"]


def test_several_events_are_one_deed(journal, book):
    deed = [Disarmed("off", NOON, "Re-armed."), Armed("on", NOON, (("tail", "100"),))]
    after = journal.place(book, "on", lambda _: deed, time=NOON)
    assert after.ledger.armed == deed[1]
    assert [sequence for sequence, _ in stored(journal, book)] == [1, 2, 3]


def test_of_a_deed_that_is_refused_nothing_is_kept(journal, book):
    deed = [deposit("5", id="more"), fill("buy", 1, 99_999, id="a")]
    after = journal.place(book, "a", lambda _: deed, time=NOON)
    assert ids(after) == ["opening", "a/rejected"]
    assert after.ledger.cash == 10_000


def test_an_event_that_is_there_already_counts_once(journal, book):
    place(journal, book, deposit("5", id="more"))
    again = [deposit("5", id="more"), deposit("7", id="new"), deposit("9", id="new")]
    after = journal.place(book, "new", lambda _: again, time=NOON)
    assert ids(after) == ["opening", "more", "new"]
    assert after.ledger.cash == 10_012


def test_to_decide_on_nothing_leaves_the_id_free(journal, book):
    before = journal.book(book)
    assert journal.place(book, "a", lambda _: (), time=NOON) == before
    assert ids(place(journal, book, buying("a"))) == ["opening", "a"]


def test_a_decision_that_fails_writes_nothing_and_leaves_the_id_free(journal, book):
    with pytest.raises(ZeroDivisionError):
        journal.place(book, "a", lambda _: 1 / 0, time=NOON)
    assert len(stored(journal, book)) == 1
    assert ids(place(journal, book, buying("a"))) == ["opening", "a"]


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (buying("b"), "of the events decided on as 'a', none has that id"),
        (ordered("buy", amount=1, id="a", reason="bell\a"), "cannot be seen"),
        (ordered("buy", amount=1, id="ä"), "id: "),
        (ordered("buy", amount=1, id="a", symbol="btc"), None),
    ],
)
def test_what_could_not_be_read_again_is_not_written(journal, book, event, said):
    if said is None:
        refused = journal.place(book, "a", lambda _: event, time=NOON).ledger.events[-1]
        assert refused.sentence == "This book trades BTC/USD, not btc."
        return
    with pytest.raises(ValueError, match=said):
        journal.place(book, "a", lambda _: event, time=NOON)
    assert len(stored(journal, book)) == 1


def test_a_number_too_fine_to_be_kept_is_a_refusal(journal, book):
    after = place(journal, book, ordered("buy", amount=1, id="a", seen="0.1234567890123"))
    assert "12 after the point" in after.ledger.events[-1].sentence


def test_a_book_trades_its_own_symbol(journal, book):
    after = place(journal, book, ordered("buy", amount=1, id="a", symbol="ETH/USD"))
    assert after.ledger.events[-1].sentence == "This book trades BTC/USD, not ETH/USD."


def test_a_book_that_was_never_opened_is_unknown(journal, key):
    assert journal.book(key) is None
    for deed in (journal.refresh, partial(place, journal, event=buying("a"))):
        with pytest.raises(JournalError, match=r"^This book is not in the journal\.$"):
            deed(key)


def test_a_known_book_is_had_without_the_database(journal, book):
    def fail(*_):
        raise AssertionError("the database was asked")

    sa.event.listen(journal._database.reads, "before_cursor_execute", fail)
    assert journal.book(book).sequence == 1
    with pytest.raises(AssertionError, match="asked"):
        journal.refresh(book)


def test_only_the_books_in_use_are_kept_in_memory(journal, monkeypatch):
    monkeypatch.setattr(journal_module, "MOST_KEPT", 2)
    keys = [BookKey(new_owner(), "bitstamp", BTC) for _ in range(3)]
    for key in keys[:2]:
        journal.open(key, deposit().amount, NOON)
    assert journal.book(keys[0]) is not None
    journal.open(keys[2], deposit().amount, NOON)
    assert [journal.book(key) is None for key in keys] == [False, True, False]
    assert place(journal, keys[1], buying("a")).sequence == 2


# All books ----------------------------------------------------------------------------------------


def test_markets_sources_and_runs_have_books_of_their_own(journal):
    owner = new_owner()
    keys = [
        BookKey(owner, "bitstamp", BTC),
        BookKey(owner, "bitstamp", "ETH/USD"),
        BookKey(owner, "sample", BTC),
        BookKey(owner, "sample", BTC, "run 2"),
    ]
    for hour, key in enumerate(keys):
        journal.open(key, deposit().amount, NOON + pd.Timedelta(hours=hour))
    place(journal, keys[0], buying("a"))
    listed = journal.books_of(owner)
    assert [info.id for info in listed] == [key.id for key in reversed(keys)]
    assert [info.sequence for info in listed] == [1, 1, 1, 2]
    assert (listed[0].run_id, listed[3].opened_at, listed[3].symbol) == ("run 2", NOON, BTC)
    assert journal.books_of(new_owner()) == ()


def test_books_that_need_work_are_found_by_id_alone(url, journal, book):
    def busy(opened):
        return [(info.armed, info.pending) for info in opened.busy() if info.id == book.id]

    assert busy(journal) == []
    place(journal, book, Armed("on", NOON, (("tail", "100"),)))
    place(journal, book, buying("a"))
    assert busy(journal) == [(True, 1)]
    with closing(Journal(url)) as restarted:
        [info] = [info for info in restarted.armed() if info.id == book.id]
        place(restarted, info, Rejection("a/rejected", NOON, "a", "No price came."))
        assert busy(restarted) == [(True, 0)]
        assert restarted.book(info).ledger.armed.settings == (("tail", "100"),)
        place(restarted, info, Disarmed("off", NOON, "By hand."))
        assert busy(restarted) == []


def test_an_owner_is_neither_stored_nor_printed(tmp_path, sqlite_url):
    owner = new_owner()
    key = BookKey(owner, "bitstamp", BTC)
    with closing(Journal(sqlite_url)) as journal:
        opened = journal.open(key, deposit().amount, NOON)
        place(journal, key, buying("a"))
        written = b"".join(path.read_bytes() for path in (tmp_path / "home").iterdir())
        assert owner not in repr((key, opened, journal.books_of(owner)))
    assert sha256(owner.encode()).hexdigest().encode() in written
    assert owner.encode() not in written


def test_a_file_is_one_more_book_and_the_same_file_the_same_book(journal, book):
    answer, _ = carried_out(journal.book(book).ledger, buying("a"))
    place(journal, book, buying("a"))
    saved = place(journal, book, answer)
    file = imported(exported(saved.ledger.events, source="bitstamp", symbol=BTC))
    adopted = journal.adopt(book.owner, file, LATER)
    assert adopted.ledger == saved.ledger
    assert adopted.id != saved.id
    assert adopted.run_id.startswith("import-")
    assert journal.adopt(book.owner, file, LATER) == adopted
    assert journal.refresh(adopted) == adopted
    assert len(journal.books_of(book.owner)) == 2


def test_a_book_of_a_file_neither_waits_nor_trades_by_itself(journal, book):
    place(journal, book, buying("a"))
    saved = place(journal, book, Armed("on", NOON, ()))
    file = imported(exported(saved.ledger.events, source="bitstamp", symbol=BTC))
    adopted = journal.adopt(book.owner, file, LATER)
    assert adopted.ledger.armed is None
    assert not adopted.ledger.pending
    assert adopted.id not in {info.id for info in journal.busy()}


# Many at once -------------------------------------------------------------------------------------


def assert_each_once(journal, key, expected):
    """Every id has one place in the book, and no place is empty or taken twice."""
    rows = stored(journal, key)
    assert [sequence for sequence, _ in rows] == list(range(1, len(rows) + 1))
    assert Counter(id for _, id in rows) == Counter(expected)
    assert ids(journal.refresh(key)) == [id for _, id in rows]


def test_threads_with_the_same_and_with_other_ids_write_each_once(url, journal, book):
    start = Barrier(4)

    def hammer(writer, order):
        start.wait()
        for number in order:
            place(writer, book, deposit("1", id=f"same {number}"))
            place(writer, book, deposit("1", id=f"{id(order)} {number}"))

    orders = [list(range(15)) for _ in range(4)]
    orders[1].reverse()
    orders[3].reverse()
    with closing(Journal(url)) as other:
        pairs = zip([journal, journal, other, other], orders, strict=True)
        threads = [Thread(target=hammer, args=pair) for pair in pairs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        expected = ["opening", *(f"same {number}" for number in range(15))]
        expected += [f"{id(order)} {number}" for order in orders for number in order]
        for reader in (journal, other):
            assert_each_once(reader, book, expected)
            assert reader.book(book).ledger.cash == 10_075


def test_two_processes_with_the_same_and_with_other_ids_write_each_once(url, journal, book):
    code = (
        "from tests.test_journal import *; journal = Journal({!r}); key = BookKey(*{!r})\n"
        "for number in {}:\n"
        "    place(journal, key, deposit('1', id=f'same {{number}}'))\n"
        "    place(journal, key, deposit('1', id=f'{} {{number}}'))\n"
        "journal.close()"
    )
    name = (book.owner, book.source, book.symbol)
    codes = [
        code.format(url, name, "range(40)", "first"),
        code.format(url, name, "range(39, -1, -1)", "second"),
    ]
    for process in [python(code) for code in codes]:
        assert process.wait(60) == 0
    expected = [f"{who} {number}" for who in ("same", "first", "second") for number in range(40)]
    assert_each_once(journal, book, ["opening", *expected])
    assert journal.book(book).ledger.cash == 10_120


def test_processes_that_open_one_book_at_once_make_one(url, key):
    code = (
        "from tests.test_journal import *; journal = Journal({!r}); "
        "journal.open(BookKey(*{!r}), deposit('{}').amount, NOON); journal.close()"
    )
    name = (key.owner, key.source, key.symbol)
    for process in [python(code.format(url, name, amount)) for amount in (1, 2)]:
        assert process.wait(60) == 0
    with closing(Journal(url)) as journal:
        assert ids(journal.refresh(key)) == ["opening"]


def test_what_another_process_wrote_is_there_after_a_refresh(url, journal, book):
    with closing(Journal(url)) as other:
        other.open(book, deposit().amount, NOON)
        place(other, book, deposit("1", id="theirs"))
    assert journal.book(book).sequence == 1
    assert journal.refresh(book).sequence == 2
    assert journal.book(book).ledger.cash == 10_001


def test_a_deed_is_decided_on_what_others_wrote(url, journal, book):
    with closing(Journal(url)) as other:
        other.open(book, deposit().amount, NOON)
        place(other, book, fill("buy", 1, 9_000, id="theirs"))
    after = place(journal, book, fill("buy", 1, 9_000, id="ours"))
    assert ids(after) == ["opening", "theirs", "ours/rejected"]


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 5), st.integers(1, 4)), max_size=12))
def test_two_journals_of_one_database_are_one_book(tmp_path_factory, deeds):
    url = f"sqlite:///{tmp_path_factory.mktemp('two')}/journal.db"
    key, events = BookKey(new_owner(), "bitstamp", BTC), [deposit(id="opening")]
    with closing(Journal(url)) as first, closing(Journal(url)) as second:
        for journal in (first, second):
            journal.open(key, deposit().amount, NOON)
        for who, id, amount in deeds:
            events.append(deposit(str(amount), id=str(id)))
            place((first, second)[who], key, events[-1])
        assert first.refresh(key) == second.refresh(key)
        assert first.book(key).ledger == fold(events)


# Damage -------------------------------------------------------------------------------------------


AMOUNTS = (100, 200, 300, 400)


@pytest.fixture
def damaged(tmp_path, sqlite_url, key):
    """What a journal with an opening and four orders says after somebody ran SQL on its file."""

    def after(statement, *values):
        with closing(Journal(sqlite_url)) as journal:
            journal.open(key, deposit().amount, NOON)
            for amount in AMOUNTS:
                place(journal, key, buying(str(amount), amount))
        with closing(sqlite3.connect(tmp_path / "home" / "journal.db")) as file:
            file.execute(statement, values)
            file.commit()
        return Journal(sqlite_url)

    return after


@pytest.mark.parametrize(
    ("statement", "kept", "said"),
    [
        (
            "UPDATE events SET body = replace(body, '200', '900') WHERE sequence = 3",
            2,
            "event 3 is not as it was written",
        ),
        (
            "UPDATE events SET checksum = replace(checksum, substr(checksum, 1, 1), 'x')"
            " WHERE sequence = 4",
            3,
            "event 4 is not as it was written",
        ),
        ("UPDATE events SET event_id = 'x' WHERE sequence = 1", 0, "event 1 is not as it was"),
        ("UPDATE events SET sequence = 7 WHERE sequence = 3", 2, "event 3 is missing"),
        ("UPDATE events SET sequence = -3 WHERE sequence = 3", 2, "event 3 is missing"),
        ("UPDATE events SET sequence = 'x' WHERE sequence = 3", 2, "event 3 is missing"),
        ("DELETE FROM events WHERE sequence = 3", 2, "event 3 is missing"),
        ("DELETE FROM events WHERE sequence = 5", 4, "event 5 is missing"),
        ("DELETE FROM events", 0, "event 1 is missing"),
        ("UPDATE events SET body = CAST(x'ff' AS TEXT) WHERE sequence = 4", 3, "event 4 cannot be"),
        ("UPDATE events SET body = x'7b7d' WHERE sequence = 4", 3, "event 4 is no text"),
        ("UPDATE books SET sequence = 4", 4, "its end is not as it was written"),
        ("UPDATE books SET sequence = 6", 5, "event 6 is missing"),
        ("UPDATE books SET sequence = 'x'", 0, "its name or its end cannot be read"),
        ("UPDATE books SET checksum = 'x'", 5, "its end is not as it was written"),
        ("UPDATE books SET checksum = x'ff'", 0, "its name or its end cannot be read"),
        ("UPDATE books SET source = 'kraken'", 0, "its name or its end cannot be read"),
    ],
)
def test_damage_is_told_and_what_stands_before_it_is_kept(damaged, key, statement, kept, said):
    with closing(damaged(statement)) as journal:
        book = journal.refresh(key)
        assert f"The journal of this book is damaged: {said}" in book.damage
        assert book.damage.endswith("it takes no more.")
        whole = ["opening", *map(str, AMOUNTS)]
        assert ids(book) == whole[:kept]
        assert book.sequence == kept


def test_a_damaged_book_takes_no_more_and_others_do(damaged, key):
    with closing(damaged("DELETE FROM events WHERE sequence = 3")) as journal:
        for _ in range(2):
            with pytest.raises(JournalError, match="event 3 is missing"):
                place(journal, key, buying("more"))
        assert journal.open(key, deposit().amount, NOON).damage
        assert [sequence for sequence, _ in stored(journal, key)] == [1, 2, 4, 5]
        other = BookKey(key.owner, "kraken", BTC)
        journal.open(other, deposit().amount, NOON)
        assert place(journal, other, buying("more")).sequence == 2


def test_a_book_that_lost_its_row_is_unknown(damaged, key):
    with closing(damaged("DELETE FROM books")) as journal:
        with pytest.raises(JournalError, match="not in the journal"):
            journal.refresh(key)
        with pytest.raises(JournalError, match=r"cannot be used \(UNIQUE constraint failed"):
            journal.open(key, deposit().amount, NOON)


def add(path, key, body):
    """Write a second event with a right checksum behind the opening."""
    opening = encoded(deposit(id="opening"))
    checksum = chained("", key.id, 1, "opening", opening)
    checksum = chained(checksum, key.id, 2, "forged", body)
    with closing(sqlite3.connect(path)) as file:
        row = (key.id, 2, "forged", "", 0, body, checksum)
        file.execute("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        file.execute("UPDATE books SET sequence = 2, checksum = ?", (checksum,))
        file.commit()


def chained(*parts):
    return sha256(json.dumps(parts).encode()).hexdigest()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('{"event":"dividend","id":"forged"}', r"event 2 cannot be understood \("),
        (encoded(fill("sell", 1, 10, id="forged")), r"event 2 is no possible one \(No BTC is held"),
    ],
)
def test_an_event_of_another_version_or_an_impossible_one_is_damage(
    tmp_path, sqlite_url, key, body, said
):
    with closing(Journal(sqlite_url)) as journal:
        journal.open(key, deposit().amount, NOON)
    add(tmp_path / "home" / "journal.db", key, body)
    with closing(Journal(sqlite_url)) as journal:
        book = journal.refresh(key)
        assert ids(book) == ["opening"]
        with pytest.raises(JournalError, match=said):
            place(journal, key, buying("a"))


def test_what_vanishes_while_a_book_is_open_is_noticed_and_the_copy_kept(tmp_path, sqlite_url, key):
    with closing(Journal(sqlite_url)) as journal:
        journal.open(key, deposit().amount, NOON)
        place(journal, key, buying("a"))
        with closing(sqlite3.connect(tmp_path / "home" / "journal.db")) as file:
            file.execute("UPDATE books SET sequence = 1")
            file.commit()
        book = journal.refresh(key)
    assert ids(book) == ["opening", "a"]
    assert "its end is not as it was written; the 2 events before it are kept" in book.damage


@pytest.fixture(scope="module")
def long_journal(tmp_path_factory):
    """The bytes of a journal with a book of 200 events, its key, and its book."""
    path = tmp_path_factory.mktemp("long") / "journal.db"
    key = BookKey(new_owner(), "bitstamp", BTC)
    with closing(Journal(f"sqlite:///{path}")) as journal:
        journal.open(key, deposit().amount, NOON)
        deed = [buying(f"order {number}", number + 1) for number in range(199)]
        book = journal.place(key, "order 0", lambda _: deed, time=NOON)
    return path.read_bytes(), key, book


def read_again(folder, content, key):
    """The events that a journal with such a file has, and whether it says that it is damaged."""
    path = folder / "journal.db"
    path.write_bytes(content)
    try:
        with closing(Journal(f"sqlite:///{path}")) as journal:
            book = journal.refresh(key)
            return book.ledger.events, bool(book.damage)
    except JournalError:
        return (), True


@pytest.mark.parametrize("share", [0.05, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95])
def test_a_file_that_was_cut_off_is_reported(tmp_path, long_journal, share):
    content, key, book = long_journal
    events, is_damaged = read_again(tmp_path, content[: int(share * len(content))], key)
    assert is_damaged
    assert events == book.ledger.events[: len(events)]


def test_of_a_file_that_was_cut_off_the_good_part_is_kept(tmp_path, long_journal):
    content, key, whole = long_journal
    cut = content[: int(0.7 * len(content)) // 4096 * 4096]
    path = tmp_path / "journal.db"
    path.write_bytes(cut)
    with closing(Journal(f"sqlite:///{path}")) as journal:
        book = journal.refresh(key)
        assert 20 < book.sequence < 180
        assert book.ledger == fold(whole.ledger.events[: book.sequence])
        assert f"event {book.sequence + 1} cannot be read" in book.damage
        assert [info.sequence for info in journal.books_of(key.owner)] == [200]
        malformed = r"\(database disk image is malformed\); move it away to begin a new one\."
        with pytest.raises(JournalError, match=malformed):
            place(journal, key, buying("more"))
        with pytest.raises(JournalError, match=malformed):
            journal.open(BookKey(new_owner(), "kraken", BTC), deposit().amount, NOON)
    assert path.read_bytes() == cut


@pytest.mark.parametrize("seed", range(20))
def test_whatever_bits_are_flipped_no_event_is_changed(tmp_path, long_journal, seed):
    content, key, book = long_journal
    flipped, random = bytearray(content), Random(seed)
    for _ in range(10):
        flipped[random.randrange(len(flipped))] ^= 1 << random.randrange(8)
    events, is_damaged = read_again(tmp_path, bytes(flipped), key)
    assert events == book.ledger.events[: len(events)]
    assert is_damaged or len(events) == 200


# The database -------------------------------------------------------------------------------------


def test_what_was_placed_outlives_a_process_that_dies(url, journal, book):
    code = (
        "from tests.test_journal import *; journal = Journal({!r}); "
        "place(journal, BookKey(*{!r}), buying('a')); os._exit(9)"
    )
    name = (book.owner, book.source, book.symbol)
    assert python(code.format(url, name)).wait(60) == 9
    assert ids(journal.refresh(book)) == ["opening", "a"]


def test_a_server_that_hung_up_is_called_again(server, key):
    with closing(Journal(server)) as journal, closing(Journal(server)) as other:
        journal.open(key, deposit().amount, NOON)
        hang_up = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> {}"
        with other._database.writing() as connection:
            own = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
            connection.exec_driver_sql(f"{hang_up.format(own)} AND usename = current_user")
        assert place(journal, key, buying("a")).sequence == 2


def test_the_short_name_of_postgresql_will_do(server, key):
    with closing(Journal(server.replace("postgresql:", "postgres:"))) as journal:
        assert journal.open(key, deposit().amount, NOON).sequence == 1


def test_a_server_that_does_not_answer_is_told_without_the_password():
    with pytest.raises(JournalError) as caught:
        Journal("postgresql://me:secret@127.0.0.1:1/books")
    assert str(caught.value).startswith("The journal at postgresql+psycopg://me:***@127.0.0.1:1/")
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_driver_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(JournalError, match=r"requirements-postgres\.txt"):
        Journal("postgresql://127.0.0.1/books")


@pytest.mark.parametrize("url", ["journal.db", "nosuch://books", "mysql://127.0.0.1/books"])
def test_what_is_neither_sqlite_nor_postgresql_says_so(url):
    with pytest.raises(JournalError, match=r"^The journal needs the URL of a database\.$"):
        Journal(url)


def test_owners_cannot_be_guessed():
    owners = {new_owner() for _ in range(100)}
    assert len(owners) == 100
    assert all(OWNER_PATTERN.fullmatch(owner) for owner in owners)


# What auto-pilots have dealt with ----------------------------------------------------------------


def test_the_bar_up_to_which_a_book_decided_is_kept_and_never_goes_back(journal, book, url):
    assert journal.decided_up_to(book) is None
    journal.note_decided([book], NOON)
    journal.note_decided([book], LATER)
    journal.note_decided([book], NOON)
    journal.note_decided([], LATER + pd.Timedelta(hours=1))
    with closing(Journal(url)) as other:
        assert other.decided_up_to(book) == LATER
    assert journal.refresh(book).sequence == 1


def test_a_book_that_is_not_there_is_not_found(journal, key):
    assert journal.find(key) is None
    journal.open(key, deposit().amount, NOON)
    assert journal.find(key) == journal.book(key)
