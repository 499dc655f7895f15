import gc
import time
from threading import Timer
from types import SimpleNamespace

import pandas as pd
import pytest

from marketpulse.books import BookKey, new_owner
from marketpulse.errors import TooManyHorizons
from marketpulse.events import Armed, Disarmed, Fill, Missed, Order
from marketpulse.horizons import LONG, MINUTE, ONE_MINUTE
from marketpulse.hub import Hub, wall_clock
from marketpulse.leases import LEASE
from marketpulse.settings import Settings
from marketpulse.sources import Quote
from marketpulse.sources.catalogue import SERVER_VARIABLE
from marketpulse.sources.recorded import RecordedSource, load_sample
from tests.books import ordered
from tests.test_market import NOW as WALK_NOW
from tests.test_market import RECORDING, SMALL

SAMPLE = load_sample()
NOW = SAMPLE.candles.index[-1]


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self):
        self.now = NOW

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def hub(clock, tmp_path):
    made = Hub(
        clock,
        threads=False,
        home=tmp_path,
        models=tmp_path / "models",
        open_live=lambda _: RecordedSource(SAMPLE),
    )
    yield made
    made.close()


def test_two_visitors_of_one_pair_share_one_market(hub):
    assert hub.watch("a", Settings()) is hub.watch("b", Settings(minute=5))


def test_another_pair_is_another_market(hub):
    assert hub.watch("a", Settings()) is not hub.watch("a", Settings(symbol="ETH/USD"))


def test_a_market_is_kept_while_its_lease_is_renewed_and_dropped_after(hub, clock):
    market = hub.watch("a", Settings())
    clock.now += LEASE / 2
    hub.watch("a", Settings())
    clock.now += LEASE * 0.9
    assert hub._watched(market.key)
    clock.now += LEASE
    assert not hub._watched(market.key)
    assert hub.watch("a", Settings()) is not market


def test_no_visitor_waits_for_venues_while_this_host_still_imports_what_asks_them(
    clock, tmp_path, monkeypatch
):
    imported = []
    monkeypatch.setattr("marketpulse.hub.import_client", lambda: imported.append(clock.now))
    monkeypatch.setattr("marketpulse.hub.Thread", lambda **_: SimpleNamespace(start=lambda: None))
    hub = Hub(clock, home=tmp_path)
    snapshot = hub.watch("a", Settings()).snapshot
    clock.now += pd.Timedelta(seconds=9)
    assert hub.waited(snapshot) == pd.Timedelta(0)
    hub._get_ready()
    hub._get_ready()
    clock.now += pd.Timedelta(seconds=2)
    assert (hub.waited(snapshot), len(imported)) == (pd.Timedelta(seconds=2), 1)
    hub.close()


def test_a_visitor_waits_for_a_market_from_the_moment_at_which_it_was_asked_for(hub, clock):
    clock.now += pd.Timedelta(hours=1)
    snapshot = hub.watch("a", Settings()).snapshot
    clock.now += pd.Timedelta(seconds=2)
    assert hub.waited(snapshot) == pd.Timedelta(seconds=2)


def test_a_newer_request_of_a_visitor_replaces_the_older_one(hub):
    hub.watch("a", Settings(minute=5))
    market = hub.watch("a", Settings(minute=7))
    _stepped(market)
    assert set(market._tracks) == {MINUTE, LONG, MINUTE.with_steps(7)}


def test_a_seventh_further_horizon_has_to_wait_and_keeps_the_defaults(hub):
    for minutes in range(2, 8):
        hub.watch(f"visitor {minutes}", Settings(minute=minutes))
    with pytest.raises(TooManyHorizons, match="6 other horizons"):
        hub.watch("late", Settings(minute=9))
    hub.watch("also late", Settings(minute=3))


def test_a_place_is_free_again_when_its_visitor_changes_their_mind(hub):
    for minutes in range(2, 8):
        hub.watch(f"visitor {minutes}", Settings(minute=minutes))
    hub.watch("visitor 2", Settings())
    hub.watch("late", Settings(minute=9))


def test_a_replay_again_is_another_run_with_another_book(hub):
    settings = Settings(source="sample")
    first = hub.watch("a", settings)
    assert hub.watch("b", settings) is first
    hub.replay_again(settings)
    second = hub.watch("a", settings)
    assert second.key.run_id != first.key.run_id


def test_an_unreadable_recording_is_one_sentence_on_its_market(hub):
    market = hub.watch("a", Settings(source="nothing.csv"))
    assert market.step(NOW).problem == "There is no source and no file called nothing.csv."


def test_a_file_in_the_recordings_folder_replays(hub, tmp_path):
    folder = tmp_path / "recordings"
    folder.mkdir()
    part = SAMPLE.candles.head(600).drop(columns="filled").reset_index()
    part.rename(columns={"open_time": "time"}).to_csv(folder / "mine.csv", index=False)
    snapshot = hub.watch("a", Settings(source="mine.csv")).step(NOW)
    assert len(snapshot.candles) == 300
    assert snapshot.replay.speed == 60


def test_a_worker_that_fails_is_reported_and_starts_again(tmp_path, monkeypatch):
    monkeypatch.setattr("marketpulse.hub.FIRST_BACKOFF", 0.01)
    steps = []

    def step(market, _, **__):
        steps.append(market)
        if len(steps) == 1:
            raise ZeroDivisionError("a mistake")

    monkeypatch.setattr("marketpulse.hub.Market.step", step)
    hub = Hub(home=tmp_path, models=tmp_path, open_live=lambda _: RecordedSource(SAMPLE))
    market = hub.watch("a", Settings())
    reported = _until(lambda: hub.worker_errors.get(market.key))
    assert reported == "ZeroDivisionError: a mistake"
    _until(lambda: len(steps) > 1 and not hub.worker_errors)
    hub.close()
    hub.close()


def test_live_markets_share_one_record_and_a_replay_has_its_own(hub, tmp_path):
    _stepped(hub.watch("a", Settings(source="sample")))
    assert not (tmp_path / "forecasts.db").exists()
    _stepped(hub.watch("b", Settings(source="bitstamp")))
    assert (tmp_path / "forecasts.db").exists()


def _stepped(market):
    """Step until the first candles and forecasts are there, and on record."""
    market.step(NOW)
    while market.gives_way:
        market.step(NOW)


def _until(condition, seconds=5.0):
    """The first true value of a condition, polled because a thread makes it true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.001)
    pytest.fail("it never came true")


def test_the_chart_comes_before_the_imports_and_the_forecasts_before_the_journal(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("marketpulse.track.PLANS", SMALL)
    monkeypatch.setattr("marketpulse.turns.LONGEST_LOOK", 60.0)
    monkeypatch.setattr("marketpulse.office.HEAD_START", 60.0)
    done = []
    monkeypatch.setattr("marketpulse.hub.regressor", lambda: done.append("import"))
    monkeypatch.setattr("marketpulse.office.Office._try_to_open", lambda _: done.append("journal"))
    monkeypatch.setattr("marketpulse.office.RETRY", 60.0)
    hub = Hub(lambda: WALK_NOW, home=tmp_path, open_live=lambda _: RecordedSource(RECORDING))
    market = hub.watch("a", Settings())
    _until(lambda: market.snapshot.has_candles)
    # A rerun that had begun before the candles were there did not draw them.
    hub.note_rerun(60.0)
    assert done == []
    hub.note_rerun(0.0)
    _until(lambda: done == ["import"])
    _until(lambda: market.snapshot.outlooks)
    time.sleep(0.05)
    assert done == ["import"]
    assert not (tmp_path / "forecasts.db").exists()
    _until(lambda: hub.note_rerun(0.0) or done == ["import", "journal"])
    _until(lambda: (tmp_path / "forecasts.db").exists())
    hub.close()


def test_whoever_waits_for_news_of_a_market_hears_of_it_at_once(hub):
    market = hub.watch("a", Settings())
    begun, shown = time.perf_counter(), market.snapshot
    Timer(0.05, market.step, (NOW,)).start()
    hub.await_news(shown, market, 60.0)
    assert market.snapshot.revision != shown.revision
    assert time.perf_counter() - begun < 30


def test_whoever_waits_for_news_waits_only_so_long(hub):
    market = hub.watch("a", Settings())
    begun = time.perf_counter()
    hub.await_news(market.snapshot, market, 0.05)
    assert 0.04 < time.perf_counter() - begun < 5


def test_what_is_there_at_the_first_pause_is_left_alone_by_the_collector(hub):
    gc.unfreeze()
    hub._tidy()
    frozen = gc.get_freeze_count()
    kept = [[n] for n in range(1_000)]
    hub._tidy()
    assert (frozen > 10_000, gc.get_freeze_count() <= frozen, len(kept)) == (True, True, 1_000)
    gc.unfreeze()


def test_the_wall_clock_is_in_utc():
    assert wall_clock().tzinfo is not None
    assert abs(wall_clock() - pd.Timestamp.now("UTC")) < pd.Timedelta(seconds=1)


def test_a_worker_prepares_what_its_visitors_will_ask_for_before_it_publishes(hub):
    prepared = []
    hub.prepare = lambda shown, settings: prepared.append((shown, settings, market.snapshot))
    market = hub.watch("a", Settings(tail=300))
    market.step(NOW)
    shown, settings, published = prepared[0]
    assert settings == Settings(tail=300)
    assert shown.has_candles
    assert not published.has_candles


def test_visitors_markets_and_reruns_are_counted(hub):
    hub.watch("a", Settings())
    hub.watch("b", Settings(symbol="ETH/USD"))
    hub.note_rerun(0.02)
    assert (hub.visitors, hub.markets, hub.counters.reruns.newest) == (2, 2, (0.02,))


# Paper books --------------------------------------------------------------------------------------

# Buys whatever the forecast says, and never sells for a profit.
EAGER = Settings(
    fee=0, spread=0, impact=0, buy_mae=0, sell_mae=3, margin=-100, centre="raw", hold=5
)
# By then a bar has closed and was published.
NEXT = ONE_MINUTE + pd.Timedelta(seconds=3)


@pytest.fixture
def open_hub(tmp_path, monkeypatch):
    """Open hubs one after another on the same files, with models that are fitted in a moment."""
    monkeypatch.setattr("marketpulse.track.PLANS", SMALL)
    opened = []

    def open_hub(clock):
        hub = Hub(
            clock,
            threads=False,
            home=tmp_path,
            models=tmp_path / "models",
            open_live=lambda _: RecordedSource(RECORDING),
        )
        opened.append(hub)
        return hub

    yield open_hub
    for hub in opened:
        hub.close()


@pytest.fixture
def walk_clock():
    made = Clock()
    made.now = WALK_NOW
    return made


def settle(hub, market):
    """Step a market until it is up to date; while an order waits, its tails do not grow."""
    hub.step(market)
    for _ in range(40):
        if market.busy:
            hub.step(market)


def pass_bars(hub, market, clock, bars=1):
    for _ in range(bars):
        clock.now += ONE_MINUTE
        hub.step(market)


def armed_book(hub, market, settings=EAGER):
    """The key of a book that is armed now."""
    key, now = BookKey(new_owner(), market.key.source, market.key.symbol), hub.clock()
    hub.place(market, key, "arm", lambda _: Armed("arm", now, settings.to_pairs()), now)
    return key


def events_of(hub, key, kind):
    return [e for e in hub.desk.journal.refresh(key).ledger.events if isinstance(e, kind)]


@pytest.fixture
def armed(open_hub, walk_clock):
    """A hub with an armed book, two seconds after a bar had closed."""
    walk_clock.now = WALK_NOW + pd.Timedelta(seconds=2)
    hub = open_hub(walk_clock)
    market = hub.watch("a", Settings())
    settle(hub, market)
    return hub, market, armed_book(hub, market)


def test_an_armed_book_trades_on_closed_bars_whether_or_not_anybody_looks(armed, walk_clock):
    hub, market, key = armed
    walk_clock.now += 0.9 * LEASE
    hub.step(market)
    walk_clock.now += 0.9 * LEASE
    assert hub._watched(market.key)
    pass_bars(hub, market, walk_clock, 8)
    bought, sold, *_ = events_of(hub, key, Fill)
    assert (bought.side, sold.side) == ("buy", "sell")
    assert bought.origin == sold.origin == "auto-pilot"
    assert sold.reason == "The forecast that bought has expired after 5 min."
    orders = events_of(hub, key, Order)
    assert len({order.id for order in orders}) == len(orders)


def test_a_bar_is_decided_on_once_however_often_the_market_is_stepped(armed, walk_clock):
    hub, market, key = armed
    for _ in range(12):
        walk_clock.now += ONE_MINUTE / 10
        hub.step(market)
    assert len(events_of(hub, key, Order)) == 1


def test_a_disarmed_book_trades_no_more_and_its_market_is_dropped(armed, walk_clock):
    hub, market, key = armed
    now = walk_clock.now
    hub.place(market, key, "off", lambda _: Disarmed("off", now, "By hand."), now)
    pass_bars(hub, market, walk_clock, 3)
    assert not events_of(hub, key, Order)
    walk_clock.now += LEASE
    assert not hub._watched(market.key)


def test_only_the_settings_that_it_was_armed_with_drive_a_book(armed, walk_clock):
    hub, market, key = armed
    hub.watch("a", Settings(buy_mae=3, ticket=5))
    pass_bars(hub, market, walk_clock, 2)
    assert events_of(hub, key, Order)[0].amount == 1000


def test_the_horizons_of_an_armed_book_are_forecast_without_a_visitor(open_hub, walk_clock):
    hub = open_hub(walk_clock)
    market = hub.watch("a", Settings())
    armed_book(hub, market, Settings(minute=3))
    walk_clock.now += 2 * LEASE
    assert hub._watched(market.key)
    assert MINUTE.with_steps(3) in market._wanted


def test_an_armed_book_takes_a_place_among_the_further_horizons(open_hub, walk_clock):
    hub = open_hub(walk_clock)
    market = hub.watch("a", Settings())
    for minutes in range(2, 8):
        armed_book(hub, market, Settings(minute=minutes))
    with pytest.raises(TooManyHorizons):
        hub.watch("late", Settings(minute=9))
    hub.watch("also late", Settings(minute=3))


def test_bars_that_passed_while_the_host_slept_are_listed_and_not_traded(armed, walk_clock):
    hub, market, key = armed
    pass_bars(hub, market, walk_clock, 2)
    before = len(events_of(hub, key, Order))
    slept_from = market.snapshot.as_of
    walk_clock.now += pd.Timedelta(hours=1)
    hub.step(market)
    (gap,) = events_of(hub, key, Missed)
    assert (gap.first, gap.last) == (slept_from + ONE_MINUTE, market.snapshot.as_of - ONE_MINUTE)
    assert gap.bars == 59
    made = events_of(hub, key, Order)[before:]
    assert [order.id for order in made] == [f"auto/{market.snapshot.as_of.isoformat()}"]


def test_an_armed_book_resumes_with_its_process_and_lists_only_what_it_missed(
    armed, open_hub, walk_clock
):
    hub, market, key = armed
    pass_bars(hub, market, walk_clock, 4)
    decided_up_to = market.snapshot.as_of
    hub.close()
    walk_clock.now += pd.Timedelta(minutes=30)
    again = open_hub(walk_clock)
    assert again.desk.busy((market.key.source, market.key.symbol, ""))
    (resumed,) = again._markets.values()
    settle(again, resumed)
    (gap,) = events_of(again, key, Missed)
    assert gap.first == decided_up_to + ONE_MINUTE
    assert gap.last == resumed.snapshot.as_of - ONE_MINUTE
    pass_bars(again, resumed, walk_clock, 2)
    assert len(events_of(again, key, Missed)) == 1
    assert events_of(again, key, Fill)


def test_a_book_that_only_held_has_missed_nothing_while_its_process_ran(open_hub, walk_clock):
    walk_clock.now = WALK_NOW + pd.Timedelta(seconds=2)
    hub = open_hub(walk_clock)
    market = hub.watch("a", Settings())
    settle(hub, market)
    key = armed_book(hub, market, Settings(margin=100))
    pass_bars(hub, market, walk_clock, 5)
    hub.close()
    again = open_hub(walk_clock)
    (resumed,) = (again.desk and again._markets).values()
    settle(again, resumed)
    pass_bars(again, resumed, walk_clock)
    assert not events_of(again, key, Missed)
    assert not events_of(again, key, Order)


def test_a_stand_in_server_never_meets_the_books_of_real_venues(open_hub, walk_clock, monkeypatch):
    hub = open_hub(walk_clock)
    armed_book(hub, hub.watch("a", Settings()))
    hub.close()
    monkeypatch.setenv(SERVER_VARIABLE, "http://127.0.0.1:9")
    stand_in = open_hub(walk_clock)
    assert stand_in.desk is not None
    assert not stand_in._markets
    market = stand_in.watch("a", Settings())
    assert not stand_in.desk.busy(("stand-in-auto", market.key.symbol, ""))
    walk_clock.now += 2 * LEASE
    assert not stand_in._watched(market.key)


class Ticking(RecordedSource):
    """A venue whose price is always of this moment."""

    def quote(self, symbol, *, now):
        return Quote(super().quote(symbol, now=now).price, now)


def test_a_click_wakes_the_worker_and_is_filled_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr("marketpulse.hub.LONGEST_PAUSE", 60.0)
    monkeypatch.setattr("marketpulse.market.HISTORY", pd.Timedelta(hours=5))
    begun = wall_clock()
    hub = Hub(
        lambda: NOW + (wall_clock() - begun),
        home=tmp_path,
        models=tmp_path,
        open_live=lambda _: Ticking(SAMPLE),
    )
    try:
        market = hub.watch("a", Settings(refresh=60))
        _until(lambda: hub.desk and market.snapshot.has_candles and not market.busy, 30)
        key, now = BookKey(new_owner(), "auto", "BTC/USD"), market.now(hub.clock())
        order = ordered("buy", amount=100, time=now, seen=round(market.snapshot.price, 2))
        hub.place(market, key, order.id, lambda _: order, now)
        assert hub.desk.journal.book(key).sequence >= 2
        fill = _until(lambda: hub.desk.journal.book(key).ledger.fills)[0]
        assert fill.receipt.delay < pd.Timedelta(seconds=5)
    finally:
        hub.close()


def test_a_journal_that_cannot_be_opened_is_one_sentence_and_stops_no_forecast(tmp_path, clock):
    hub = Hub(
        clock,
        threads=False,
        home=tmp_path,
        models=tmp_path,
        open_live=lambda _: RecordedSource(SAMPLE),
        database="mysql://nobody",
    )
    market = hub.watch("a", Settings())
    hub.step(market)
    assert hub.desk is None
    assert hub.office.problem.startswith("The journal")
    assert hub.office.problem.endswith(".")
    assert market.snapshot.has_candles
    hub.close()


def test_the_environment_names_the_journal_before_the_secrets_do(tmp_path, monkeypatch):
    monkeypatch.setenv("MARKETPULSE_DATABASE_URL", f"sqlite:///{tmp_path / 'mine.db'}")
    hub = Hub(threads=False, home=tmp_path, models=tmp_path, database="sqlite:///elsewhere.db")
    assert hub.desk is not None
    assert (tmp_path / "mine.db").exists()
    hub.close()
