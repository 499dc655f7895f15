import time

import pandas as pd
import pytest

from marketpulse.errors import TooManyHorizons
from marketpulse.horizons import LONG, MINUTE
from marketpulse.hub import LEASE, Hub
from marketpulse.settings import Settings
from marketpulse.sources.recorded import RecordedSource, load_sample

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


def test_a_newer_request_of_a_visitor_replaces_the_older_one(hub):
    hub.watch("a", Settings(minute=5))
    market = hub.watch("a", Settings(minute=7))
    market.step(NOW)
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

    def step(market, _):
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
    hub.watch("a", Settings(source="sample")).step(NOW)
    assert not (tmp_path / "forecasts.db").exists()
    hub.watch("b", Settings(source="bitstamp")).step(NOW)
    assert (tmp_path / "forecasts.db").exists()


def _until(condition, seconds=5.0):
    """The first true value of a condition, polled because a thread makes it true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.001)
    pytest.fail("it never came true")


def test_the_wall_clock_is_in_utc():
    from marketpulse.hub import wall_clock

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
