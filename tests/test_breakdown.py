import numpy as np
import pandas as pd
import pytest

from marketpulse.breakdown import (
    TERCILES,
    WildnessRecord,
    by_hour,
    by_volatility,
    error_histogram,
    independent,
    inside,
    over_time,
    reliability,
    share_interval,
    wildness_record,
    window_of,
)
from marketpulse.evaluation import tail
from marketpulse.horizons import LONG, MINUTE, ONE_MINUTE
from tests.build import START

BPS = 1e-4


def settled(actual, *, trusted=0.0, raw=0.0, close=100.0, **columns):
    """Settled forecasts, one a minute, whose outcomes were these returns in basis points."""
    actual = np.asarray(actual, dtype=float) * BPS
    index = pd.date_range(START, periods=len(actual), freq="min", name="as_of")
    told = {"trusted": trusted * BPS, "raw": raw * BPS, "close": close, "actual": actual}
    bands = {"low_90": -4 * BPS, "low_50": -1 * BPS, "high_50": 1 * BPS, "high_90": 4 * BPS}
    usual = {"usual_low": -4 * BPS, "usual_high": 4 * BPS, "volatility": 2 * BPS}
    moves = {"expected_move": 1 * BPS, "usual_move": 1 * BPS, "trust": 0.0, "fit_at": START}
    table = pd.DataFrame({**told, **bands, **usual, **moves, **columns}, index=index)
    for name, said in (("price", "trusted"), ("raw_price", "raw"), ("actual_price", "actual")):
        table[name] = table["close"] * np.exp(table[said])
    return table.assign(
        error=table["price"] - table["actual_price"],
        raw_error=table["raw_price"] - table["actual_price"],
        naive_error=table["close"] - table["actual_price"],
    )


NOTHING = pd.DataFrame()


# Over time ---------------------------------------------------------------------------------------


def test_over_time_each_row_looks_back_over_one_window():
    table = over_time(settled([2, 2, 6, 6]), MINUTE, 2)
    assert list(table.index) == [START + row * ONE_MINUTE for row in (1, 2, 3)]
    assert table["naive_mae_bps"].tolist() == pytest.approx([2, 4, 6], rel=1e-3)
    assert table["coverage_90"].tolist() == [1, 0.5, 0]
    assert table["coverage_50"].tolist() == [0, 0, 0]


def test_over_time_a_whole_table_in_one_window_says_what_its_tail_says():
    rows = settled([2, -3, 6, 1, -5], trusted=1, raw=2)
    seen, whole = over_time(rows, MINUTE, 5).iloc[0], tail(rows, MINUTE)
    assert seen["skill"] == pytest.approx(whole.skill)
    assert seen["coverage_90"] == whole.coverage_90
    assert seen["coverage_50"] == whole.coverage_50


def test_over_time_skill_is_nothing_where_the_forecast_is_the_last_price():
    table = over_time(settled([2, -3, 6, 1, -5], raw=2), MINUTE, 3)
    assert table["skill"].tolist() == [0, 0, 0]
    assert (table["raw_mae_bps"] != table["naive_mae_bps"]).all()


def test_over_time_a_price_that_stood_still_leaves_no_skill_to_tell():
    assert over_time(settled([0, 0, 0]), MINUTE, 2)["skill"].isna().all()


def test_over_time_overlapping_outcomes_widen_the_interval():
    rows = settled([5, *[0] * 39])
    minute, long = (over_time(rows, horizon, 40).iloc[0] for horizon in (MINUTE, LONG))
    assert long["coverage_90_low"] < minute["coverage_90_low"] < 39 / 40
    assert minute["coverage_90_high"] > 39 / 40


@pytest.mark.parametrize("rows", [NOTHING, settled([1, 2])])
def test_over_time_fewer_rows_than_the_window_make_no_table(rows):
    assert over_time(rows, MINUTE, 3).empty


@pytest.mark.parametrize(("n", "window"), [(0, 30), (50, 30), (200, 50), (1000, 250)])
def test_a_window_is_a_quarter_of_the_table_but_never_tiny(n, window):
    assert window_of(settled([1] * n)) == window


# Shares ------------------------------------------------------------------------------------------


def test_the_interval_of_a_share_is_wilsons():
    low, high = share_interval(0.9, 10)
    assert (float(low), float(high)) == pytest.approx((0.5958, 0.9821), abs=1e-4)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_share_of_all_or_nothing_still_has_an_interval_within_bounds(share):
    low, high = share_interval(share, 20)
    assert 0 <= low <= share <= high <= 1
    assert high - low > 0.1


def test_overlapping_outcomes_count_once_for_each_horizon():
    assert independent(200, MINUTE) == 200
    assert independent(90, LONG) == 10
    assert independent(3, LONG) == 1


# Calibration -------------------------------------------------------------------------------------


def test_reliability_is_the_share_of_outcomes_below_each_end():
    table = reliability(settled([-5, -2, 0, 0, 0, 0, 0, 0, 2, 5]), MINUTE)
    assert table["nominal"].tolist() == [0.05, 0.25, 0.75, 0.95]
    assert table["observed"].tolist() == [0.1, 0.2, 0.8, 0.9]
    assert (table["low"] < table["observed"]).all()
    assert (table["observed"] < table["high"]).all()
    assert set(table["n"]) == {10}


def test_reliability_agrees_with_the_coverage_when_outcomes_lie_on_the_ends():
    rows = settled([-4, -4, 4, 4, 5])
    observed = reliability(rows, MINUTE)["observed"]
    assert observed["high_90"] - observed["low_90"] == pytest.approx(inside(rows).mean()) == 0.8


def test_the_histogram_counts_every_error_once():
    table = error_histogram(settled([-9, -1, 0, 1, 300], trusted=2), bins=5)
    assert table["forecast"].sum() == table["naive"].sum() == 5
    assert table["from_bps"].iloc[0] == -table["to_bps"].iloc[-1]
    # Forecast less actual: the outcome far above is an error far below.
    assert table["naive"].tolist() == [1, 0, 4, 0, 0]


def test_a_histogram_of_nothing_but_zeros_is_still_one():
    table = error_histogram(settled([0, 0]), bins=3)
    assert table["forecast"].tolist() == [0, 2, 0]


# Groups ------------------------------------------------------------------------------------------


def test_terciles_are_of_one_size_and_ordered_by_what_was_known_then():
    rows = settled([1, 2, 3, 9, 9, 9], volatility=np.array([3, 1, 2, 6, 5, 4]) * BPS)
    table = by_volatility(rows, MINUTE)
    assert table.index.tolist() == list(TERCILES)
    assert table["n"].tolist() == [2, 2, 2]
    assert table["volatility_bps"].tolist() == pytest.approx([1.5, 3.5, 5.5])
    assert table["naive_mae_bps"].tolist() == pytest.approx([2.5, 5, 9], rel=1e-3)
    assert table["coverage_90"].tolist() == [1, 0.5, 0]


def test_a_volatility_that_never_moved_still_makes_three_groups():
    assert by_volatility(settled([1] * 9), MINUTE)["n"].tolist() == [3, 3, 3]


def test_hours_are_those_of_the_day_in_utc():
    table = by_hour(settled([1] * 130), MINUTE)
    assert table.index.tolist() == [0, 1, 2]
    assert table["n"].tolist() == [60, 60, 10]


def test_hours_may_be_those_of_another_zone_s_day():
    table = by_hour(settled([1] * 130), MINUTE, "Asia/Kathmandu")
    assert table.index.tolist() == [5, 6, 7]
    assert table["n"].tolist() == [15, 60, 55]


def test_a_group_has_the_skill_of_the_forecast_and_of_the_trees_alone():
    rows = settled([4] * 60, trusted=1, raw=2)
    hour = by_hour(rows, MINUTE).loc[0]
    assert hour["skill"] == pytest.approx(0.25, abs=1e-3)
    assert hour["raw_skill"] == pytest.approx(0.5, abs=1e-3)
    assert hour["skill_low"] <= hour["skill"] + 1e-9


def test_a_group_too_small_for_an_interval_has_none():
    assert (
        by_hour(settled([4] * 20, trusted=1), MINUTE)[["skill_low", "skill_high"]]
        .isna()
        .all(axis=None)
    )


@pytest.mark.parametrize("table", [reliability, by_volatility, by_hour])
def test_of_no_forecasts_there_is_no_table(table):
    assert table(NOTHING, MINUTE).empty
    assert error_histogram(NOTHING).empty


# Wildness ----------------------------------------------------------------------------------------


def test_statements_on_the_size_of_the_move_are_held_to_what_came():
    expected = np.array([2, 2, 2, 0.5, 0.5, 1]) * BPS
    rows = settled([3, -3, 0.5, 3, 0.5, 3], expected_move=expected)
    assert wildness_record(rows) == WildnessRecord(
        wilder=3, wilder_larger=2, calmer=2, calmer_larger=1
    )


def test_where_nothing_ever_moves_nothing_is_wild():
    rows = settled([3, 3], usual_move=0.0)
    assert wildness_record(rows) == wildness_record(NOTHING) == WildnessRecord(0, 0, 0, 0)
