import pandas as pd

from marketpulse import health
from marketpulse.snapshot import MarketKey, Snapshot
from marketpulse.sources.recorded import Replay
from tests.build import START, candles

MINUTE = pd.Timedelta(minutes=1)
CLOSED = START + 10 * MINUTE
AHEAD = pd.Timedelta(seconds=5)
SHOWN = Snapshot(
    MarketKey("auto", "BTC/USD"), 1, CLOSED + AHEAD, START, "bitstamp", candles([100.0] * 10),
    clock_offset=AHEAD,
)  # fmt: skip


def test_candles_age_while_nobody_publishes_and_end_all_trade():
    assert health.refusal(SHOWN) == ""
    later = SHOWN.seen_at(CLOSED + 4 * MINUTE)
    assert later.age == 4 * MINUTE + AHEAD
    assert health.refusal(later) == "No trade: the newest candle is 4 min old."


def test_nothing_gets_younger_when_the_machine_s_clock_is_set_back():
    assert SHOWN.seen_at(CLOSED - 4 * MINUTE).now == SHOWN.now


def test_a_replay_waits_for_who_publishes_it():
    replay = Replay(START, CLOSED + 60 * MINUTE, 60, START, "run")
    shown = Snapshot(SHOWN.key, 1, CLOSED, START, "bitstamp", SHOWN.candles, replay=replay)
    assert shown.seen_at(CLOSED + 4 * MINUTE) is shown
