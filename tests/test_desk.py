import dataclasses
import sqlite3
from contextlib import closing

import pandas as pd
import pytest

from marketpulse import pilot
from marketpulse.books import BookKey, new_owner
from marketpulse.desk import Desk
from marketpulse.events import Armed, Disarmed, Fill, Order, Rejection
from marketpulse.fills import WAIT
from marketpulse.horizons import ONE_MINUTE
from marketpulse.journal import Journal
from marketpulse.market import Feed, Market
from marketpulse.settings import Settings
from marketpulse.snapshot import MarketKey, Snapshot
from marketpulse.sources import Quote
from marketpulse.sources.recorded import RecordedSource, Replay
from tests.books import BTC, ordered
from tests.build import START, candles
from tests.test_market import NOW as WALK_NOW
from tests.test_market import RECORDING, SMALL, fitted, settled
from tests.test_pilot import EAGER, KEY

PLACE = ("bitstamp", BTC, "")
# Two hours of bars have closed.
NOW = START + pd.Timedelta(hours=2, seconds=20)
CANDLES = candles([100.0 + minute for minute in range(180)])
SECOND = pd.Timedelta(seconds=1)


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'journal.db'}"


@pytest.fixture
def journal(url):
    with closing(Journal(url)) as opened:
        yield opened


@pytest.fixture
def desk(journal):
    return Desk(journal)


@pytest.fixture
def key():
    return BookKey(new_owner(), *PLACE)


def shown(now, price=None, *, stamped=None, run_id="", replay=None):
    """The market at a time, with a quote if there is a price."""
    quote = None if price is None else Quote(price, now if stamped is None else stamped)
    return Snapshot(
        MarketKey("bitstamp", BTC, run_id),
        1,
        now,
        START,
        "bitstamp",
        CANDLES[CANDLES.index <= now - ONE_MINUTE],
        quote=quote,
        replay=replay,
    )


def buys(desk, key, *, time=NOW, id="order", **changes):
    order = ordered("buy", amount=1000, id=id, time=time, seen=220, **changes)
    return desk.place(key, id, lambda _: order, time)


def last(desk, key):
    return desk.journal.book(key).ledger.events[-1]


def test_the_first_deed_opens_the_book_and_is_written_once(desk, key):
    assert buys(desk, key).sequence == 2
    assert buys(desk, key).sequence == 2
    assert desk.journal.book(key).ledger.deposits == 10_000
    assert list(desk.journal.book(key).ledger.pending) == ["order"]


def test_a_waiting_order_is_filled_at_the_first_quote_that_is_not_older(desk, key):
    buys(desk, key)
    desk.work(PLACE, shown(NOW + SECOND, 219.0, stamped=NOW - SECOND))
    assert desk.busy(PLACE)
    desk.work(PLACE, shown(NOW + 2 * SECOND, 221.0))
    fill = last(desk, key)
    assert (float(fill.price), fill.time) == (221.0, NOW + 2 * SECOND)
    assert fill.receipt.delay == 2 * SECOND
    assert not desk.busy(PLACE)


def test_without_a_quote_it_is_filled_at_the_open_of_the_next_bar(desk, key):
    buys(desk, key)
    desk.work(PLACE, shown(NOW + 2 * ONE_MINUTE))
    fill = last(desk, key)
    assert fill.time == NOW.floor("min") + ONE_MINUTE
    assert float(fill.price) == CANDLES["open"][fill.time]


def test_an_order_waits_for_its_latency(desk, key):
    costs = dataclasses.replace(ordered("buy", amount=1).costs, latency_s=30)
    buys(desk, key, costs=costs)
    assert not desk.waits(PLACE, NOW + 29 * SECOND)
    desk.work(PLACE, shown(NOW + 29 * SECOND, 230.0))
    assert desk.busy(PLACE)
    assert desk.waits(PLACE, NOW + 30 * SECOND)
    desk.work(PLACE, shown(NOW + 30 * SECOND, 231.0))
    assert float(last(desk, key).price) == 231.0


def test_an_order_that_no_price_reaches_is_given_up_with_a_reason(desk, key):
    buys(desk, key)
    stands = dataclasses.replace(shown(NOW), now=NOW + WAIT)
    desk.work(PLACE, stands)
    assert desk.busy(PLACE)
    desk.work(PLACE, dataclasses.replace(stands, now=NOW + WAIT + SECOND))
    assert last(desk, key).sentence.startswith("No price came within 3 minutes")
    assert not desk.busy(PLACE)


def test_what_cannot_be_carried_out_is_refused_at_its_price(desk, key):
    desk.place(key, "sale", lambda _: ordered("sell", id="sale", time=NOW, seen=220), NOW)
    desk.work(PLACE, shown(NOW, 220.0))
    assert last(desk, key) == Rejection(
        "sale/rejected", NOW, "sale", "No BTC is held, so there is none to sell."
    )


def test_another_market_s_prices_fill_nothing(desk, key):
    buys(desk, key)
    for place in (("stand-in-bitstamp", BTC, ""), ("bitstamp", BTC, "run"), ("auto", BTC, "")):
        desk.work(place, shown(NOW, 220.0))
    assert desk.busy(PLACE)


def test_two_desks_that_do_the_same_fill_an_order_once(desk, key, url):
    buys(desk, key)
    with closing(Journal(url)) as other_journal:
        other = Desk(other_journal)
        assert other.load() == (PLACE,)
        other.work(PLACE, shown(NOW, 220.0))
        desk.work(PLACE, shown(NOW + SECOND, 221.0))
        book = other_journal.refresh(key)
    (fill,) = book.ledger.fills
    assert float(fill.price) == 220
    assert desk.journal.book(key) == book
    assert not desk.busy(PLACE)


def test_a_desk_without_anything_to_do_asks_nobody(desk):
    desk.journal = None
    desk.work(PLACE, shown(NOW, 220.0))
    assert not desk.busy(PLACE)


def test_a_restarted_desk_fills_what_waited_at_the_price_that_came_first(desk, key, url):
    buys(desk, key)
    with closing(Journal(url)) as journal:
        later = Desk(journal)
        later.load()
        later.work(PLACE, shown(NOW + pd.Timedelta(minutes=30), 250.0))
        fill = last(later, key)
    assert fill.time == NOW.floor("min") + ONE_MINUTE


# Replays ------------------------------------------------------------------------------------------


def replay_of(desk):
    """A book of a replay with an order waiting and the auto-pilot on."""
    key = BookKey(new_owner(), "bitstamp", BTC, "run")
    buys(desk, key)
    desk.place(key, "arm", lambda _: Armed("arm", NOW, Settings().to_pairs()), NOW)
    return key


def test_the_end_of_a_replay_ends_its_orders_and_its_auto_pilot(desk):
    key, place = replay_of(desk), ("bitstamp", BTC, "run")
    end = CANDLES.index[-1]
    replay = Replay(START, end, 60, START, "run")
    desk.work(place, dataclasses.replace(shown(NOW, run_id="run"), now=end, replay=replay))
    assert desk.journal.book(key).ledger.armed is not None
    over = dataclasses.replace(shown(NOW, run_id="run"), now=replay.end, replay=replay)
    desk.work(place, over)
    *_, refused, disarmed = desk.journal.book(key).ledger.events
    assert isinstance(refused, Rejection)
    assert isinstance(disarmed, Disarmed)
    assert disarmed.reason == "The replay has ended."
    assert not desk.busy(place)


def test_another_process_does_not_take_up_a_replay(desk, url):
    replay_of(desk)
    with closing(Journal(url)) as journal:
        assert Desk(journal).load() == ()


# Trouble ------------------------------------------------------------------------------------------


def renamed(tmp_path, before, after):
    """Let the journal lose a table, or find it again."""
    with closing(sqlite3.connect(tmp_path / "journal.db")) as connection:
        connection.execute(f"ALTER TABLE {before} RENAME TO {after}")


def test_the_journal_s_trouble_is_one_sentence_and_loses_and_pretends_nothing(desk, key, tmp_path):
    buys(desk, key)
    renamed(tmp_path, "events", "lost")
    desk.work(PLACE, shown(NOW, 220.0))
    assert "cannot be used" in desk.problems[key.id]
    assert desk.problems[key.id].endswith(".")
    assert list(desk.journal.book(key).ledger.pending) == ["order"]
    assert buys(desk, key, id="another") is None
    renamed(tmp_path, "lost", "events")
    desk.work(PLACE, shown(NOW + SECOND, 221.0))
    assert desk.problems == {}
    assert isinstance(last(desk, key), Fill)
    assert desk.journal.book(key).sequence == 3


def test_a_damaged_book_is_left_alone(desk, key, url, tmp_path):
    buys(desk, key)
    with closing(sqlite3.connect(tmp_path / "journal.db")) as connection:
        connection.execute("UPDATE events SET body = '{}' WHERE sequence = 2")
        connection.commit()
    with closing(Journal(url)) as journal:
        late = Desk(journal)
        assert late.load() == ()
        assert buys(late, key, id="another") is None
        assert "damaged" in late.problems[key.id]


# Armed books --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def walked():
    """A market with both forecasts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("marketpulse.track.PLANS", SMALL)
        made = Market(KEY, lambda _: Feed(RecordedSource(RECORDING)), fitted, asked_at=WALK_NOW)
        return settled(made)


@pytest.fixture
def armed(desk, walked):
    """A book that was armed a bar ago with settings that buy whatever is forecast."""
    key, time = BookKey(new_owner(), KEY.source, KEY.symbol), walked.as_of - ONE_MINUTE
    desk.place(key, "arm", lambda _: Armed("arm", time, EAGER.to_pairs()), time)
    return key


WALK_PLACE = (KEY.source, KEY.symbol, "")


def test_a_bar_that_was_stale_is_decided_on_once_it_may_be_acted_on(desk, armed, walked):
    desk.work(WALK_PLACE, dataclasses.replace(walked, now=walked.as_of + 4 * ONE_MINUTE))
    assert isinstance(last(desk, armed), Armed)
    desk.work(WALK_PLACE, walked)
    assert isinstance(last(desk, armed), Order)


def test_a_book_that_is_disarmed_while_it_decides_orders_nothing(
    desk, armed, walked, url, monkeypatch
):
    decided = pilot.decided

    def too_late(*args):
        monkeypatch.setattr(pilot, "decided", decided)
        off = Disarmed("off", walked.now, "By hand.")
        with closing(Journal(url)) as other:
            other.refresh(armed)
            other.place(armed, "off", lambda ledger: off if ledger.armed else (), time=walked.now)
        return decided(*args)

    monkeypatch.setattr(pilot, "decided", too_late)
    desk.work(WALK_PLACE, walked)
    assert isinstance(last(desk, armed), Disarmed)
