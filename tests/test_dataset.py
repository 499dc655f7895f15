import dataclasses
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketpulse.dataset import (
    MIN_VOLATILITY,
    beside_gaps,
    build,
    fingerprint,
    prices_that_came,
    slices,
    volatility_ahead,
)
from marketpulse.errors import NotEnoughCandles
from marketpulse.features import WARM_UP
from marketpulse.horizons import LONG, MINUTE, ONE_MINUTE
from tests.build import START, candles, walk

TWO = MINUTE.with_steps(2)
FRAME = walk(480)


def see_saw(n):
    """Closes of 100, 101, 100, 101 ...: every return is one standard deviation."""
    return candles([100.0 + row % 2 for row in range(n)])


def test_the_target_is_the_return_ahead_in_units_of_its_volatility():
    data = build(see_saw(70), MINUTE)
    np.testing.assert_allclose(data.scale[60:], math.log(1.01))
    np.testing.assert_allclose(data.y[60:69], [1, -1, 1, -1, 1, -1, 1, -1, 1])
    assert np.isnan(data.y[69])


def test_a_return_over_two_bars_is_scaled_by_the_square_root_of_two():
    data = build(see_saw(70), TWO)
    np.testing.assert_allclose(data.scale[60:], math.log(1.01) * math.sqrt(2))
    np.testing.assert_allclose(data.y[60:68], 0, atol=1e-12)
    assert np.isnan(data.y[68:]).all()


def test_a_rise_of_five_in_a_hundred_over_nine_bars_is_the_target_of_the_bar_before_it():
    frame = candles([100.0 + row % 2 for row in range(80)] + [105.0] * 9)
    data = build(frame, MINUTE.with_steps(9))
    assert data.y[78] * data.scale[78] == pytest.approx(math.log(105 / 100))


def test_a_market_that_stood_still_is_divided_by_the_least_volatility():
    data = build(candles([100.0] * 70), MINUTE)
    assert data.scale[60:].tolist() == [MIN_VOLATILITY] * 10
    assert data.y[60:69].tolist() == [0.0] * 9


def test_a_row_stands_at_the_close_of_its_bar():
    data = build(see_saw(70), MINUTE)
    assert data.as_of[0] == START + ONE_MINUTE
    assert (data.close[-1], len(data)) == (101, 70)


def test_a_target_that_crosses_a_filled_bar_is_unknown():
    data = build(walk(100).assign(filled=np.arange(100) == 80), MINUTE.with_steps(3))
    unknown = np.flatnonzero(np.isnan(data.y[61:97])) + 61
    assert unknown.tolist() == [77, 78, 79]


def test_no_forecast_is_made_from_a_filled_bar():
    data = build(walk(100).assign(filled=np.arange(100) == 80), MINUTE)
    assert np.flatnonzero(~data.usable).tolist() == [*range(60), 80]


@pytest.mark.parametrize(("gaps", "usable"), [(3, True), (4, False)])
def test_no_forecast_is_made_across_more_than_three_filled_bars(gaps, usable):
    frame = walk(140)
    data = build(frame.assign(filled=(np.arange(140) >= 70) & (np.arange(140) < 70 + gaps)), MINUTE)
    assert data.usable[70 + gaps : 130].tolist() == [usable] * (60 - gaps)
    assert data.usable[133:].all()


@pytest.mark.parametrize("count", [0, 1, 9, 10, 61])
def test_a_table_too_short_for_any_row_is_a_data_set_without_one(count):
    data = build(walk(100).iloc[:count], LONG)
    assert len(data) == count
    assert np.isnan(data.y[: max(0, count - 1)]).all()
    assert not data.usable[:60].any()


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6), st.integers(65, 299), st.integers(1, 15))
def test_no_row_depends_on_a_bar_after_it_nor_its_target_on_one_after_its_own_time(
    seed, cut, steps
):
    frame, horizon = walk(300, seed, rough=True), MINUTE.with_steps(steps)
    part, whole = build(frame.iloc[:cut], horizon), build(frame, horizon)
    for name in ("X", "scale", "usable", "close"):
        assert np.array_equal(getattr(part, name), getattr(whole, name)[:cut], equal_nan=True)
    assert np.array_equal(part.y[: cut - steps], whole.y[: cut - steps], equal_nan=True)
    assert np.isnan(part.y[cut - steps :]).all()


def test_prices_a_thousand_times_higher_are_the_same_data_set():
    frame = walk(300)
    prices = frame[["open", "high", "low", "close"]] * 1000
    high, low = build(frame.assign(**prices), LONG), build(frame, LONG)
    for name in ("X", "scale", "y"):
        np.testing.assert_allclose(getattr(high, name), getattr(low, name), rtol=1e-9, atol=1e-9)


# Slices ------------------------------------------------------------------------------------------


def rows_of(data, fit_at, train=50, least=20, calibration=30):
    return slices(
        data, fit_at, train_bars=train, min_train_bars=least, calibration_bars=calibration
    )


def test_a_fit_sees_a_train_slice_a_purge_and_a_calibration_slice_in_that_order():
    data = build(FRAME, MINUTE.with_steps(3))
    # The rows whose target was known at the close of bar 400 are 0 to 397.
    rows = rows_of(data, data.as_of[400])
    assert rows.calibrate == slice(368, 398)
    assert rows.train == slice(315, 365)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 24), st.integers(360, 479), st.integers(1, 60))
def test_no_train_target_reaches_into_the_calibration_slice_nor_any_beyond_the_fit(
    steps, row, second
):
    data = build(FRAME, MINUTE.with_steps(steps))
    fit_at = data.as_of[row] + pd.Timedelta(seconds=second % 60)
    rows = rows_of(data, fit_at)
    settles = data.as_of + data.horizon.span
    assert settles[rows.train.stop - 1] < data.as_of[rows.calibrate.start]
    assert (
        settles[rows.calibrate.stop - 1] <= fit_at < settles[rows.calibrate.stop - 1] + ONE_MINUTE
    )
    assert rows.calibrate.stop - rows.calibrate.start == 30
    assert rows.train.start >= WARM_UP


def test_the_warm_up_is_never_trained_on():
    data = build(FRAME, MINUTE)
    assert rows_of(data, data.as_of[330], train=10_000).train.start == WARM_UP


def test_too_little_history_says_how_many_bars_are_missing():
    data = build(FRAME, MINUTE)
    # train rows 241 to 260, purge 261, calibration rows 262 to 291, known at the close of bar 292
    assert rows_of(data, data.as_of[292]).train == slice(241, 261)
    with pytest.raises(NotEnoughCandles, match="The 1-minute model needs 5 more 1-minute bars"):
        rows_of(data, data.as_of[287])
    with pytest.raises(NotEnoughCandles, match="needs 292 more 1-minute bars"):
        rows_of(data, START - ONE_MINUTE)


def test_a_position_counts_the_rows_before_a_time_and_settled_those_that_came_due():
    data = build(FRAME, TWO)
    assert data.position(data.as_of[7]) == 7
    assert data.position(data.as_of[7] + pd.Timedelta(seconds=1)) == 8
    assert data.settled_by(data.as_of[7]) == 6
    assert data.settled_by(data.as_of[7] - pd.Timedelta(seconds=1)) == 5


# Fingerprint -------------------------------------------------------------------------------------


def changed(data, name, row):
    values = getattr(data, name).copy()
    values[row] = ~values[row] if name == "usable" else values[row] + 1
    return dataclasses.replace(data, **{name: values})


@pytest.mark.parametrize("name", ["X", "y", "usable"])
def test_a_fingerprint_changes_with_any_row_that_a_fit_sees_and_with_no_other(name):
    data = build(FRAME, MINUTE)
    rows = rows_of(data, data.as_of[380])
    expected = fingerprint(data, rows)
    seen = [rows.train.start, rows.train.stop - 1, rows.calibrate.start, rows.calibrate.stop - 1]
    unseen = [rows.train.start - 1, rows.train.stop, rows.calibrate.stop]
    assert all(fingerprint(changed(data, name, row), rows) != expected for row in seen)
    assert all(fingerprint(changed(data, name, row), rows) == expected for row in unseen)


# What came ---------------------------------------------------------------------------------------


def test_the_price_that_came_is_the_close_so_many_bars_on():
    frame = candles([100, 101, 102, 103, 104], filled=[3])
    np.testing.assert_equal(prices_that_came(frame, 1), [101, 102, np.nan, 104, np.nan])
    np.testing.assert_equal(prices_that_came(frame, 2), [102, np.nan, np.nan, np.nan, np.nan])


def test_volatility_ahead_is_that_of_the_ranges_on_the_way():
    frame = candles([100.0] * 5)
    frame["high"] = 100 * np.exp([9.0, 0.01, 0.02, 0.0, 0.0])
    one = 1 / np.sqrt(4 * np.log(2))
    expected = [np.hypot(0.01, 0.02) * one, 0.02 * one, 0.0, np.nan, np.nan]
    np.testing.assert_allclose(volatility_ahead(frame, 2), expected)


def test_the_size_of_one_step_is_that_of_its_return():
    data = build(walk(300), MINUTE)
    np.testing.assert_equal(data.size, np.abs(data.y))


def test_a_forecast_is_known_by_what_it_was_made_from():
    data, longer = build(FRAME.iloc[:300], MINUTE), build(FRAME, MINUTE)
    assert data.fingerprint_of(-1) == longer.fingerprint_of(299)
    assert data.fingerprint_of(298) != data.fingerprint_of(299)


def test_bars_beside_gaps_are_filled_or_have_too_many_filled_before_them():
    frame = candles([100.0] * 130, filled=[60, 62, 64, 66])
    refused = np.flatnonzero(beside_gaps(frame)).tolist()
    assert refused == [60, 62, 64, *range(66, 120)]
