"""The gate: every seeded leak is heard by the alarm, and the pipeline itself never."""

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketpulse import model
from marketpulse.alarm import CHANGES, alarm, cut_off, cuts, shuffled_and_scaled
from marketpulse.bands import bands
from marketpulse.dataset import build
from marketpulse.evaluation import on_grid, tail, walked
from marketpulse.horizons import LONG, MINUTE, ONE_MINUTE
from marketpulse.leaks import LEAKS, price_target
from marketpulse.model import Plan, fit
from marketpulse.sources.recorded import load_sample
from tests.build import START, walk

HOUR = pd.Timedelta(hours=1)
PLANS = {
    MINUTE: Plan(train_bars=400, min_train_bars=200, calibration_bars=200),
    LONG: Plan(train_bars=300, min_train_bars=200, calibration_bars=150),
}
# Walks with a block and a half behind the fit, and that fit.
WALKS = {
    MINUTE: (walk(1_320, memory=0.3), START + 16 * HOUR),
    LONG: (walk(5 * 800, memory=0.3), START + 60 * HOUR),
}
# The number of bars that are left is the same when they are only others.
ONLY_CUT_OFF = {"bars-left"}


def places(horizon):
    """The two moments of `cuts`, and one more."""
    fit_at = WALKS[horizon][1]
    return *cuts(horizon, fit_at), fit_at + 17 * horizon.bar


def rung(horizon, leak=None, **others):
    hooks = {"fitted": leak.fitted, "built": leak.built} if leak else {}
    candles = WALKS[horizon][0]
    return alarm(candles, horizon, PLANS[horizon], places(horizon), **hooks, **others)


# Every leak is heard ------------------------------------------------------------------------------


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", LEAKS)
def test_a_leak_is_heard_whichever_way_the_future_is_changed(name, change):
    heard = rung(MINUTE, LEAKS[name], changes=[change]) is not None
    assert heard == (change == "cut off" or name not in ONLY_CUT_OFF)


@pytest.mark.parametrize("name", LEAKS)
def test_a_leak_is_heard_at_the_long_horizon_too(name):
    assert rung(LONG, LEAKS[name]) is not None


def test_there_are_leaks_of_every_kind():
    fits = [leak for leak in LEAKS.values() if leak.fitted is not fit]
    rows = [leak for leak in LEAKS.values() if leak.built is not build]
    assert len(fits) >= 4
    assert len(rows) >= 20
    assert len(fits) + len(rows) == len(LEAKS)


@pytest.mark.parametrize("name", LEAKS)
def test_a_leak_says_in_one_sentence_what_is_wrong(name):
    mistake = LEAKS[name].mistake
    assert mistake[0].isupper()
    assert mistake.endswith(".")
    assert "\n" not in mistake


# The pipeline itself is not -----------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("horizon", [MINUTE, LONG], ids=lambda horizon: horizon.label)
def test_the_pipeline_raises_no_alarm(horizon, seed):
    assert rung(horizon, seed=seed) is None


@settings(deadline=None, max_examples=3)
@given(st.integers(0, 10**6), st.integers(0, 359), st.booleans())
def test_the_pipeline_raises_no_alarm_wherever_the_cut_is(seed, minutes, rough):
    candles = walk(1_320, seed, rough=rough)
    cut = START + 16 * HOUR + minutes * ONE_MINUTE
    assert alarm(candles, MINUTE, PLANS[MINUTE], [cut], seed=seed) is None


@settings(deadline=None, max_examples=2)
@given(st.integers(0, 10**6), st.integers(0, 1_200))
def test_the_long_horizon_raises_no_alarm_wherever_the_cut_is(seed, minutes):
    cut = START + 52 * HOUR + minutes * ONE_MINUTE
    assert alarm(walk(5 * 850, seed), LONG, PLANS[LONG], [cut], seed=seed) is None


@pytest.mark.parametrize("horizon", [MINUTE, LONG], ids=lambda horizon: horizon.label)
def test_recorded_candles_raise_no_alarm(horizon):
    candles = load_sample().candles.tail(5_000)
    fit_at = candles.index[-1].floor("4h") - 8 * HOUR
    assert alarm(candles, horizon, PLANS[horizon], cuts(horizon, fit_at)) is None


# What the alarm says -----------------------------------------------------------------------------


def test_the_alarm_names_the_first_row_that_changed():
    cut = START + 16 * HOUR
    found = rung(MINUTE, LEAKS["centred-mean"])
    # two bars of a centred window of five are still to come
    assert (found.cut, found.first) == (cut, cut - ONE_MINUTE)
    assert (found.table, found.changed, found.checked) == ("rows", 2, 16 * 60)
    assert found.sentence == (
        "2 of 960 rows up to 2026-01-05 16:00 change when what came after is cut off,"
        f" the first at 2026-01-05 15:59 in '{found.column}'."
    )


def test_a_fit_that_sees_the_future_is_heard_in_its_forecasts():
    found = rung(MINUTE, LEAKS["next-model"])
    assert found.table == "forecasts"
    assert found.first == START + 16 * HOUR


def test_a_target_is_only_compared_once_it_is_known():
    def one_bar_too_early(candles, horizon):
        data = build(candles, horizon)
        return dataclasses.replace(data, y=np.append(data.y[1:], np.nan))

    found = rung(LONG, built=one_bar_too_early)
    assert found.column == "target"
    assert found.first == found.cut - LONG.span


def test_bands_that_know_their_own_outcome_are_heard(monkeypatch):
    def early(error, **others):
        return bands(error, **{**others, "steps": 0})

    monkeypatch.setattr(model, "bands", early)
    found = rung(MINUTE)
    assert (found.table, found.column) == ("forecasts", "low_90")


def test_one_bit_of_one_forecast_is_enough():
    def one_bit(data, fit_at, plan):
        model = fit(data, fit_at, plan)
        low, high = model.usual
        wider = high if len(data) > 1_200 else math.nextafter(high, 1.0)
        return dataclasses.replace(model, usual=(low, wider))

    cut = START + 16 * HOUR
    found = alarm(WALKS[MINUTE][0], MINUTE, PLANS[MINUTE], [cut], fitted=one_bit)
    assert (found.column, found.changed, found.checked) == ("usual_high", 1, 1)


def test_the_future_is_cut_off_or_is_another_and_the_past_is_as_it_was():
    candles = walk(100)
    other = shuffled_and_scaled(candles, 60, 0)
    pd.testing.assert_frame_equal(cut_off(candles, 60, 0), candles[:60])
    pd.testing.assert_frame_equal(other[:60], candles[:60])
    assert other.index.equals(candles.index)
    assert (other["close"][60:] != candles["close"][60:]).all()
    ratio = np.sort(other["close"][60:]) / np.sort(candles["close"][60:])
    assert (ratio != 1).all()


# The skill is fake --------------------------------------------------------------------------------


def skill(name, horizon=MINUTE):
    leak = LEAKS[name]
    made = walked(walk(1_560, seed=1), horizon, leak.fitted, leak.built, PLANS[horizon])
    return tail(made, horizon)


@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("next-close", 0.6),
        ("range-of-the-next-bar", 0.3),
        ("centred-mean", 0.2),
        ("joined-at-open", 0.1),
        ("smoothed-both-ways", 0.1),
        ("mean-target", 0.1),
    ],
)
def test_a_leak_beats_a_walk_that_nothing_can_beat(name, least):
    made = skill(name)
    assert made.verdict == "beats naive"
    assert made.skill > least


def test_without_its_surprises_a_market_seems_calm():
    calm, honest = (
        skill("surprises-dropped"),
        tail(walked(walk(1_560, seed=1), MINUTE, plan=PLANS[MINUTE]), MINUTE),
    )
    assert calm.winkler_bps < 0.8 * honest.winkler_bps


# A price for a target -----------------------------------------------------------------------------


def test_trees_that_are_taught_the_price_are_many_times_worse_than_no_change():
    made = tail(price_target(walk(1_560, seed=1), MINUTE, PLANS[MINUTE]), MINUTE)
    assert made.verdict == "worse than naive"
    assert made.mae > 5 * made.mae_naive


def test_trees_know_a_price_that_they_have_seen():
    # up and down between two prices: nothing to extrapolate
    candles = walk(1_560)
    phase = np.sin(np.arange(1_560) / 20)
    close = 100 * np.exp(0.01 * phase)
    opening = np.concatenate((close[:1], close[:-1]))
    ends = {"high": np.maximum(opening, close), "low": np.minimum(opening, close)}
    known = candles.assign(open=opening, close=close, **ends)
    made = price_target(known, MINUTE, PLANS[MINUTE])
    assert tail(made, MINUTE).r2_price > 0.95
    assert made["actual_price"].tolist() == pytest.approx(
        on_grid(known, MINUTE)["close"][made.index].tolist()
    )


def test_a_price_target_is_scored_on_the_outcomes_of_the_pipeline():
    frame = walk(1_560, seed=1)
    priced = price_target(frame, MINUTE, PLANS[MINUTE])
    honest = walked(frame, MINUTE, plan=PLANS[MINUTE])
    both = ["close", "actual", "actual_price", "naive_error", "fit_at"]
    pd.testing.assert_frame_equal(priced[both], honest[both])
