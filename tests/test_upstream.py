"""How the benchmarks of venues, outages and clocks count: the helpers in which one could be off."""

import pandas as pd
import pytest

from benchmarks import clockwork, outages, upstream
from benchmarks.clockwork import SECOND, Clocks
from marketpulse.horizons import ONE_MINUTE
from tests.exchange_server import ramp

NOON = pd.Timestamp("2026-03-02 12:00", tz="UTC")


def test_calls_are_counted_in_the_minute_in_which_they_came():
    assert upstream.per_minute([99.9, 100.0, 159.9, 160.0, 279.9, 280.0], 100.0, 3) == [2, 1, 1]


def test_evenly_spaced_calls_are_one_per_interval():
    assert upstream.per_interval([10.0, 15.0, 20.0, 25.0], 5.0) == 1.0
    assert upstream.per_interval([10.0, 12.5, 15.0], 5.0) == 2.0
    assert upstream.per_interval([10.0], 5.0) == 0.0


def test_a_ban_begins_with_the_first_refused_request():
    assert upstream.after_refusal([5.0, 12.0, 30.0, 71.9, 75.0], 10.0, 60.0) == (2, 3.0)
    assert upstream.after_refusal([5.0, 12.0], 10.0, 60.0) == (0, float("inf"))


def test_a_venue_that_was_never_refused_has_no_ban():
    assert upstream.after_refusal([5.0], 10.0, 60.0)[0] == 0


def test_a_forming_a_changed_and_a_missing_candle_are_each_wrong():
    truth = ramp(10)
    now = truth.index[5] + ONE_MINUTE
    assert clockwork.wrong_candles(truth.iloc[:6], truth, now) == 0
    assert clockwork.wrong_candles(truth.iloc[:7], truth, now) == 1
    assert clockwork.wrong_candles(truth.iloc[:6].assign(volume=1.0), truth, now) == 6
    assert clockwork.wrong_candles(truth.iloc[[0, 1, 3]], truth, now) == 1
    assert clockwork.wrong_candles(truth.iloc[:0], truth, now) == 0


def test_a_clock_is_only_set_when_it_is_changed():
    clocks = Clocks(NOON)
    clocks.true += 30 * SECOND
    clocks.shift(clockwork.NO_SHIFT, clockwork.NO_SHIFT)
    assert not clocks.set_within(ONE_MINUTE)
    clocks.shift(-ONE_MINUTE, clockwork.NO_SHIFT)
    assert clocks.set_within(ONE_MINUTE)
    assert clocks.machine() == NOON - 30 * SECOND
    assert clocks.monotonic() == 30.0


@pytest.mark.parametrize("name", outages.OUTAGES)
def test_an_exchange_comes_back_with_the_same_candles(name):
    exchange = outages.Exchange(outages.OUTAGES[name])
    try:
        before = exchange._server._bars["USD"][0]
        exchange.fail()
        exchange.heal()
        assert exchange._server._bars["USD"][0] == before
        assert exchange._server.url == exchange.url
    finally:
        exchange.close()
