from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketpulse.calls import VISITOR, Call, Calls, as_forecast, next_as_of, refusal
from marketpulse.horizons import FIVE_MINUTES, LONG, MINUTE, ONE_MINUTE
from marketpulse.snapshot import MarketKey, Snapshot
from marketpulse.sources.recorded import Replay
from tests.build import START, candles

SECOND = pd.Timedelta(seconds=1)
# Two minutes and a half into a bar of five minutes.
NOW = START + pd.Timedelta(hours=1, minutes=2, seconds=30)
AS_OF = START + pd.Timedelta(hours=1, minutes=5)
SHOWN = Snapshot(MarketKey("auto", "BTC/USD"), 1, NOW, NOW, "bitstamp", candles([100.0] * 62))


def call(up=True, caller="ann", *, as_of=AS_OF, horizon=LONG):
    return Call(caller, "bitstamp", horizon, as_of, up, NOW)


def test_what_can_be_called_is_the_close_of_the_bar_that_is_forming():
    assert next_as_of(LONG, NOW) == AS_OF
    assert next_as_of(MINUTE, NOW) == START + pd.Timedelta(hours=1, minutes=3)
    assert next_as_of(LONG, AS_OF) == AS_OF + FIVE_MINUTES
    assert next_as_of(LONG, AS_OF - SECOND) == AS_OF


@given(st.integers(0, 10**12), st.sampled_from([MINUTE, LONG]))
def test_the_bar_that_can_be_called_has_never_closed_and_is_never_far(passed, horizon):
    now = START + pd.Timedelta(microseconds=passed)
    as_of = next_as_of(horizon, now)
    assert now < as_of <= now + horizon.bar
    assert as_of == as_of.floor(horizon.bar)


def test_a_call_is_taken_until_the_moment_in_which_its_bar_closes():
    assert refusal(call(), SHOWN) == ""
    for last in (AS_OF - SECOND, AS_OF - pd.Timedelta(microseconds=1)):
        assert refusal(call(), replace(SHOWN, now=last)) == ""
    for late in (AS_OF, AS_OF + SECOND, AS_OF + LONG.span, AS_OF + pd.Timedelta(days=1)):
        assert refusal(call(), replace(SHOWN, now=late)) == (
            "Too late: the bar has closed before which it had to be called."
        )


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"clock_known": False}, "No call: nobody knows how old the newest candle is."),
        (
            {"candles": candles([100.0] * 52)},
            "No call: the newest candle is 10 min old.",
        ),
        ({"candles": candles([])}, "No call: there is no candle yet."),
        ({"record_problem": "Broken."}, "No call: the record of forecasts cannot be kept."),
    ],
)
def test_a_call_that_could_not_be_judged_is_refused(changes, sentence):
    assert refusal(call(), replace(SHOWN, **changes)) == sentence


def test_a_call_for_a_time_after_the_end_of_a_replay_is_refused():
    def replayed(last):
        return replace(SHOWN, replay=Replay(START, last, 60, NOW, "run"))

    enough = AS_OF + LONG.span - ONE_MINUTE  # the bar that opens then closes at the target time
    assert refusal(call(), replayed(enough)) == ""
    early = "No call: the replay ends before its target time."
    assert refusal(call(), replayed(enough - ONE_MINUTE)) == early
    over = replace(replayed(NOW.floor("min") - ONE_MINUTE))
    assert refusal(call(), over) == "No call: the replay has ended."


def test_a_call_is_a_forecast_of_one_volatility_up_or_down():
    said = pd.DataFrame({"raw": 1e-4, "trusted": 0.0, "volatility": 2e-3, "low_90": -5e-3}, [AS_OF])
    said = said.assign(trust=0.0, model="trees")
    for up, centre in ((True, 2e-3), (False, -2e-3)):
        row = as_forecast(call(up), said).iloc[0]
        assert (row["raw"], row["trusted"], row["trust"]) == (centre, centre, 1.0)
        assert row["model"] == VISITOR
        assert row["low_90"] == -5e-3
    assert said["raw"].item() == 1e-4


def test_the_first_call_counts():
    made = Calls()
    made.take(call(up=True), SHOWN)
    made.take(call(up=False), replace(SHOWN, now=NOW + SECOND))
    kept = made.find("ann", LONG, AS_OF)
    assert kept.up
    assert kept.time == NOW


def test_callers_horizons_and_bars_have_a_call_each():
    made = Calls()
    other = replace(call(up=False), horizon=LONG.with_steps(3))
    for each in (call(), call(up=False, caller="bob"), other):
        made.take(each, SHOWN)
    assert made.find("bob", LONG, AS_OF).up is False
    assert made.find("cid", LONG, AS_OF) is None
    assert made.find("ann", LONG, AS_OF + FIVE_MINUTES) is None
    assert made.waiting(LONG) == (call(), call(up=False, caller="bob"))
    assert made.waiting(LONG.with_steps(3)) == (other,)


def test_a_call_that_is_refused_is_not_taken_and_the_reason_stays_until_one_is():
    made, late = Calls(), replace(SHOWN, now=AS_OF)
    made.take(call(), late)
    assert made.find("ann", LONG, AS_OF) is None
    assert made.refused("ann", LONG).startswith("Too late")
    assert made.refused("bob", LONG) == ""
    made.take(call(as_of=AS_OF + FIVE_MINUTES), late)
    assert made.refused("ann", LONG) == ""


def test_calls_and_refusals_are_forgotten_a_bar_after_their_forecast():
    made = Calls()
    made.take(call(), SHOWN)
    made.take(call(caller="bob"), replace(SHOWN, now=AS_OF))
    made.forget(AS_OF + FIVE_MINUTES - SECOND)
    assert made.waiting(LONG) == (call(),)
    assert made.refused("bob", LONG)
    made.forget(AS_OF + FIVE_MINUTES)
    assert made.waiting(LONG) == ()
    assert made.refused("bob", LONG) == ""


def test_of_many_threads_that_call_at_once_none_is_lost_and_one_is_first():
    made = Calls()

    def many(thread):
        for row in range(200):
            made.take(call(caller=f"{row}", up=thread % 2 == 0), SHOWN)
            made.waiting(LONG)
            made.forget(NOW)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(many, range(4)))
    assert len(made.waiting(LONG)) == 200
