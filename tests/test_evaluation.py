import dataclasses
import math

import numpy as np
import pandas as pd
import pytest

from marketpulse import evaluation
from marketpulse.errors import NotEnoughCandles
from marketpulse.evaluation import (
    _block_sums,
    r_squared,
    skill,
    skill_interval,
    tail,
    verdict,
    walked,
    winkler,
    worst_coverage,
)
from marketpulse.horizons import LONG, MINUTE, ONE_MINUTE
from marketpulse.model import Plan, fit
from tests.build import START, walk

SMALL = Plan(train_bars=600, min_train_bars=300, calibration_bars=300)


def settled(actual, forecast, *, raw=None, close=100.0, band=(-0.02, 0.02), half=(-0.01, 0.01)):
    """Settled forecasts of returns, one a minute; bands are around the last price."""
    actual, forecast = (np.asarray(values, dtype=float) for values in (actual, forecast))
    raw = forecast if raw is None else np.asarray(raw, dtype=float)
    price, actual_price = close * np.exp(forecast), close * np.exp(actual)
    index = pd.DatetimeIndex([START + row * ONE_MINUTE for row in range(len(actual))])
    columns = {
        "close": close,
        "raw": raw,
        "trusted": forecast,
        "actual": actual,
        "price": price,
        "actual_price": actual_price,
        "error": price - actual_price,
        "naive_error": close - actual_price,
        **dict(zip(("low_90", "high_90"), band, strict=True)),
        **dict(zip(("low_50", "high_50"), half, strict=True)),
        "usual_low": -0.03,
        "usual_high": 0.03,
        "fit_at": START,
    }
    return pd.DataFrame(columns, index=index)


UP, DOWN = math.log(1.1), math.log(0.9)


# Metrics by hand ---------------------------------------------------------------------------------


def test_errors_are_in_the_currency_of_the_price():
    # actual prices 110 and 90; forecasts 105 and 100: errors of -5 and 10
    made = tail(settled([UP, DOWN], [math.log(1.05), 0.0]), MINUTE)
    assert made.n == 2
    assert made.mae == pytest.approx(7.5)
    assert made.mse == pytest.approx(62.5)
    assert made.rmse == pytest.approx(math.sqrt(62.5))
    assert (made.mae_naive, made.rmse_naive) == (pytest.approx(10), pytest.approx(10))
    assert made.skill == pytest.approx(0.25)
    assert made.r2_price == pytest.approx(1 - 125 / 200)
    assert made.r2_price_naive == pytest.approx(0)


def test_a_perfect_forecast_explains_everything():
    made = tail(settled([UP, DOWN], [UP, DOWN]), MINUTE)
    assert (made.mae, made.mse, made.rmse) == (0, 0, 0)
    assert (made.r2_price, made.r2_return, made.skill) == (1, 1, 1)


def test_a_tail_is_the_most_recent_forecasts():
    rows = settled([UP] * 3 + [0.0] * 2, [0.0] * 5)
    assert tail(rows, MINUTE, 2).mae == 0
    assert tail(rows, MINUTE, 3).mae == pytest.approx(10 / 3)
    assert tail(rows, MINUTE, 99) == tail(rows, MINUTE)


def test_nothing_settled_has_no_tail():
    assert tail(settled([], []), MINUTE) is None
    assert tail(pd.DataFrame(), MINUTE, 200) is None


def test_a_price_that_never_moved_has_no_skill_and_explains_nothing():
    made = tail(settled([0.0] * 50, [0.0] * 50), MINUTE)
    assert (made.r2_price, made.r2_return, made.skill) == (None, None, None)
    assert (made.skill_low, made.skill_high, made.verdict) == (None, None, "no evidence")
    assert (made.direction_hit_rate, made.direction_n) == (None, 0)


def test_a_direction_is_judged_by_the_raw_centre_and_only_where_something_moved():
    moves, leans = [0.1, -0.1, 0.1, 0.0, 0.1], [0.2, -0.2, -0.2, 0.2, 0.0]
    made = tail(settled(moves, np.zeros(5), raw=leans), MINUTE)
    assert made.direction_n == 3
    assert made.direction_hit_rate == pytest.approx(2 / 3)


def test_coverage_is_the_share_of_outcomes_inside_the_band_and_its_ends_are_inside():
    made = tail(settled([-0.02, -0.005, 0.0, 0.01, 0.03], np.zeros(5)), MINUTE)
    assert made.coverage_90 == pytest.approx(4 / 5)
    assert made.coverage_50 == pytest.approx(3 / 5)
    assert made.width_bps == pytest.approx(400)


def test_models_are_counted_once_each():
    rows = settled([UP] * 4, [0.0] * 4)
    rows["fit_at"] = [START, START, START + ONE_MINUTE, START]
    assert tail(rows, MINUTE).fits == 2


def test_a_tail_is_the_same_as_a_slow_loop_over_it():
    random = np.random.default_rng(0)
    actual, forecast = random.normal(0, 0.01, (2, 300))
    rows = settled(actual, forecast)
    made = tail(rows, MINUTE)
    prices = [(100 * math.exp(f), 100 * math.exp(a)) for a, f in zip(actual, forecast, strict=True)]
    errors = [f - a for f, a in prices]
    naive = [100 - a for _, a in prices]
    mean = sum(a for _, a in prices) / 300
    assert made.mae == pytest.approx(sum(map(abs, errors)) / 300)
    assert made.rmse == pytest.approx(math.sqrt(sum(e * e for e in errors) / 300))
    assert made.skill == pytest.approx(1 - sum(map(abs, errors)) / sum(map(abs, naive)))
    spread = sum((a - mean) ** 2 for _, a in prices)
    assert made.r2_price == pytest.approx(1 - sum(e * e for e in errors) / spread)
    assert made.verdict == "worse than naive"


def test_variance_is_explained_against_the_mean():
    actual = np.array([1.0, 2.0, 3.0])
    assert r_squared(actual, actual) == 1
    assert r_squared(actual, np.full(3, 2.0)) == 0
    assert r_squared(actual, actual[::-1]) == -3
    assert r_squared(np.ones(3), actual) is None


def test_skill_is_the_share_of_naives_error_that_was_saved():
    assert skill(np.array([1.0, 1.0]), np.array([2.0, 2.0])) == 0.5
    assert skill(np.array([3.0]), np.array([2.0])) == -0.5
    assert skill(np.array([1.0]), np.array([0.0])) is None


def test_an_interval_is_scored_by_its_width_and_twenty_times_what_it_missed():
    # Gneiting & Raftery 2007, equation 43, at 90 %
    low, high = np.full(4, -1.0), np.full(4, 2.0)
    scores = winkler(np.array([0.0, 2.0, 2.5, -1.25]), low, high, level=0.9)
    assert scores.tolist() == pytest.approx([3, 3, 3 + 10, 3 + 5])


def test_interval_scores_of_the_model_and_of_the_usual_band_are_in_basis_points():
    made = tail(settled([0.0, 0.025], [0.0, 0.0]), MINUTE)
    assert made.winkler_bps == pytest.approx(400 + 20 * 50 / 2)
    assert made.winkler_naive_bps == pytest.approx(600)


def test_the_worst_coverage_is_that_of_the_worst_stretch():
    inside = np.array([True, False, True, False, False, True, True, True])
    assert worst_coverage(inside, window=4) == 0.25
    assert worst_coverage(inside, window=8) == 0.625
    assert worst_coverage(inside, window=9) is None


def test_the_worst_coverage_needs_five_hundred_forecasts():
    assert tail(settled(np.zeros(499), np.zeros(499)), MINUTE).worst_coverage_500 is None
    rows = settled([0.5] * 50 + [0.0] * 600, np.zeros(650))
    assert tail(rows, MINUTE).worst_coverage_500 == pytest.approx(0.9)


# The interval of the skill -----------------------------------------------------------------------


def test_a_forecast_that_is_naive_has_an_interval_of_exactly_nothing():
    errors = np.abs(np.random.default_rng(0).normal(0, 1, 200))
    assert skill_interval(errors, errors, block=5) == (0, 0)


def test_errors_that_are_always_half_of_naives_leave_no_doubt():
    naive = np.abs(np.random.default_rng(0).normal(0, 1, 200))
    assert skill_interval(naive / 2, naive, block=5) == pytest.approx((0.5, 0.5))


def test_a_tail_of_fewer_than_eight_blocks_has_no_interval():
    errors = np.ones(80)
    assert skill_interval(errors[:79], errors[:79], block=10) == (None, None)
    assert skill_interval(errors, errors, block=10) == (0, 0)


def test_an_interval_is_the_same_every_time_and_holds_the_skill():
    error, naive = np.abs(np.random.default_rng(1).normal(0, 1, (2, 300)))
    low, high = skill_interval(error, naive, block=5)
    assert (low, high) == skill_interval(error, naive, block=5)
    assert low < skill(error, naive) < high


def test_the_interval_of_independent_errors_is_that_of_the_mean():
    # With naive always 1 the skill is 1 less the mean error: its interval is 1.96 standard errors.
    error = np.abs(np.random.default_rng(2).normal(1, 0.3, 2000))
    low, high = skill_interval(error, np.ones(2000), block=5)
    assert high - low == pytest.approx(2 * 1.96 * error.std() / math.sqrt(2000), rel=0.1)


def test_a_block_that_begins_near_the_end_goes_on_at_the_start():
    assert _block_sums(np.array([1.0, 2.0, 3.0, 4.0]), 3).tolist() == [6, 9, 8, 7]


def test_longer_blocks_widen_the_interval_of_errors_that_come_in_runs():
    error = np.repeat(np.abs(np.random.default_rng(3).normal(0, 1, 50)), 20)
    widths = [
        high - low
        for low, high in (skill_interval(error, np.ones(1000), block=block) for block in (1, 40))
    ]
    assert widths[1] > 3 * widths[0]


def test_the_blocks_of_a_tail_span_two_horizons():
    rows = settled(np.full(160, UP), np.zeros(160))
    assert tail(rows, LONG).skill_low == 0  # 8 blocks of 18
    assert tail(rows.tail(143), LONG).skill_low is None
    assert tail(rows.tail(40), MINUTE).skill_low == 0  # 8 blocks of 5
    assert tail(rows.tail(39), MINUTE).skill_low is None


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0.01, 0.1, "beats naive"),
        (0.0, 0.1, "no evidence"),
        (-0.1, 0.1, "no evidence"),
        (-0.1, 0.0, "no evidence"),
        (-0.1, -0.01, "worse than naive"),
        (None, None, "no evidence"),
    ],
)
def test_a_verdict_needs_the_whole_interval_on_one_side(low, high, said):
    assert verdict(low, high) == said


# The whole walk ----------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def small_plans(monkeypatch):
    monkeypatch.setattr(evaluation, "PLANS", {"minute": SMALL, "long": SMALL})


@pytest.mark.parametrize("seed", range(5))
def test_a_random_walk_is_not_beaten(seed):
    made = tail(walked(walk(1480, seed), MINUTE), MINUTE)
    assert made.n > 200
    assert made.verdict != "beats naive"


@pytest.mark.parametrize("seed", range(2))
def test_a_planted_memory_is_found(seed):
    made = tail(walked(walk(1480, seed, memory=0.5), MINUTE), MINUTE)
    assert made.verdict == "beats naive"
    assert made.skill > 0.03
    assert made.direction_hit_rate > 0.55


def test_a_walk_begins_at_the_first_scheduled_fit_with_enough_history():
    asked = []

    def fitted(data, fit_at, plan):
        asked.append(fit_at)
        return fit(data, fit_at, plan)

    made = walked(walk(1480), MINUTE, fitted)
    # 241 + 300 + 300 + 2 bars are needed, that is 14 h 4 min; fits are at 0, 4, 8, 12 ... hours
    assert asked == [START + pd.Timedelta(hours=hour) for hour in (16, 20, 24)]
    assert made.index[0] == asked[0]


def test_the_long_horizon_is_walked_on_bars_of_five_minutes():
    plan = dataclasses.replace(SMALL, train_bars=150, min_train_bars=110, calibration_bars=60)
    evaluation.PLANS["long"] = plan
    made = walked(walk(5 * 580), LONG)
    assert (np.diff(made.index) == pd.Timedelta(minutes=5)).all()
    assert made.index[-1] == START + 2900 * ONE_MINUTE - LONG.span


def test_a_table_too_short_for_a_first_model_says_how_many_bars_it_needs():
    with pytest.raises(NotEnoughCandles, match="needs more than 843 bars of 1 min; there are 843"):
        walked(walk(843), MINUTE)
