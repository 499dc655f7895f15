import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from marketpulse.bands import BANDS, bands

RATE = 0.02
OUTWARD = math.exp(RATE * 0.9)
INWARD = math.exp(-RATE * 0.1)
# Of 20 errors from 0 to 1 in equal steps the quantile of rank r is r, and these are the ranks.
RANKS = {"low_90": 0.0025, "low_50": 0.2125, "high_50": 0.7875, "high_90": 0.9975}
EVEN = np.linspace(0.0, 1.0, 20)
# An error of 0 lies inside both bands of these, one of 1 or more outside both.
AROUND_NOTHING = np.tile((-1.0, -0.6, 0.6, 1.0), 5)


def made(error, *, fitted=20, window=20, fewest=5, steps=1, rate=RATE):
    error = np.asarray(error, dtype=float)
    return bands(error, fitted=fitted, window=window, fewest=fewest, steps=steps, rate=rate)


def quantiles(error, **others):
    """The ends of bands whose width never moves."""
    return made(error, rate=0.0, **others)


def widths(error, name="high_90", **others):
    """The factor on one end at each row."""
    return made(error, **others)[name] / quantiles(error, **others)[name]


# Quantiles ---------------------------------------------------------------------------------------


def test_before_any_outcome_is_known_the_ends_are_the_quantiles_of_the_calibration_slice():
    ends = made(EVEN, steps=20)
    for name, rank in RANKS.items():
        assert ends[name] == pytest.approx(np.full(20, rank))


def test_after_the_fit_the_ends_are_the_quantiles_of_the_last_window_that_is_known():
    ends = quantiles([*EVEN, *(10 + EVEN), np.nan, np.nan], steps=2)
    assert {name: end[21] for name, end in ends.items()} == pytest.approx(RANKS)
    assert {name: end[41] for name, end in ends.items()} == pytest.approx(
        {name: 10 + rank for name, rank in RANKS.items()}
    )


def test_where_too_few_errors_are_known_there_are_no_ends():
    error = np.full(30, np.nan)
    error[16:] = 1.0
    # known are 4 errors by the fit, and the fifth, of row 20, at row 21
    ends = made(error)["high_90"]
    assert np.isnan(ends[:21]).all()
    assert np.isfinite(ends[21:]).all()


@pytest.mark.parametrize("error", [[], [np.nan] * 20, [np.nan] * 30])
def test_without_any_error_there_are_no_ends(error):
    assert all(np.isnan(end).all() for end in made(error).values())


def test_nothing_is_fitted_and_yet_there_are_ends_when_enough_is_known():
    assert np.isnan(made(EVEN, fitted=0)["low_50"]).tolist() == [True] * 5 + [False] * 15


# Width -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [1, 3, 9])
def test_an_outcome_outside_widens_the_bands_when_it_is_known_and_no_earlier(steps):
    # the first outcome is 1, and 0.9975 is as far as the band goes
    ends = made(EVEN[::-1], steps=steps)
    for name, factor in (("high_90", OUTWARD), ("high_50", math.exp(RATE * 0.5))):
        assert ends[name][:steps].tolist() == [ends[name][0]] * steps
        assert ends[name][steps] == pytest.approx(RANKS[name] * factor)


@pytest.mark.parametrize("steps", [1, 3, 9])
def test_an_outcome_inside_narrows_the_bands_when_it_is_known_and_no_earlier(steps):
    ends = made(np.roll(EVEN, 10), steps=steps)  # the first outcome is 10 / 19
    for name, factor in (("high_90", INWARD), ("high_50", math.exp(-RATE * 0.5))):
        assert ends[name][:steps].tolist() == [ends[name][0]] * steps
        assert ends[name][steps] == pytest.approx(RANKS[name] * factor)


@pytest.mark.parametrize(("outcome", "factor"), [(9.0, OUTWARD), (-9.0, OUTWARD), (0.1, INWARD)])
@pytest.mark.parametrize("steps", [1, 4])
def test_what_comes_of_a_forecast_moves_the_width_of_the_row_that_first_knows_it(
    outcome, factor, steps
):
    # all other outcomes are unknown from the fit on, so that this one moves alone
    error = [*AROUND_NOTHING, *[np.nan] * 5, outcome, *[np.nan] * 10]
    width = widths(error, steps=steps)
    settled = width[20 + steps - 1]  # everything of the calibration slice is known
    assert width[20 + steps : 25 + steps] == pytest.approx(np.full(5, settled))
    assert width[25 + steps] == pytest.approx(settled * factor)


def test_both_ends_of_a_band_have_the_same_width_factor():
    error = np.random.default_rng(0).normal(size=100)
    assert widths(error, "low_90") == pytest.approx(widths(error, "high_90"))
    assert widths(error, "low_50") == pytest.approx(widths(error, "high_50"))


def test_an_outcome_is_judged_by_the_band_that_was_drawn_for_it():
    # 0.99 is inside the band of row 9, of 0.9995, and outside that of row 18, of 0.982
    error = [*np.zeros(9), 0.99, *np.zeros(7), -0.99, -1.0, 1.0]
    ends = made(error, steps=10)["high_90"]
    assert ends[9] == pytest.approx(0.999525)
    assert ends[18] == pytest.approx(0.999525 * INWARD**9)
    assert ends[18] < 0.99
    assert ends[19] == pytest.approx(0.999525 * INWARD**10)


def test_the_width_never_more_than_doubles():
    error = [*EVEN, *3.0 ** np.arange(100)]
    assert widths(error).max() == pytest.approx(2)


def test_the_width_never_less_than_halves():
    error = [*np.tile(AROUND_NOTHING, 100), *np.zeros(1000)]
    others = {"fitted": 2000, "window": 2000, "fewest": 500}
    assert widths(error, **others).min() == pytest.approx(0.5)


def test_an_unknown_outcome_leaves_the_width_as_it_was():
    error = [*AROUND_NOTHING, *[np.nan] * 10]
    width = widths(error)
    assert width[20:] == pytest.approx(np.full(10, width[20]))
    first_unknown = [np.nan, np.nan, *AROUND_NOTHING]
    assert widths(first_unknown, fitted=22)[:3].tolist() == [1, 1, 1]


def test_an_unknown_outcome_leaves_the_quantiles_as_they_were():
    ends = made([np.nan, *EVEN[:7], np.nan, *EVEN[7:]], fitted=22, steps=22)
    assert {name: end[-1] for name, end in ends.items()} == pytest.approx(RANKS)


# Properties --------------------------------------------------------------------------------------

ERRORS = st.one_of(st.just(np.nan), st.sampled_from((-1.0, 0.0, 1.0)), st.floats(-5, 5))


@given(
    arrays(float, 60, elements=ERRORS),
    arrays(float, 60, elements=ERRORS),
    st.integers(1, 9),
    st.data(),
)
def test_what_is_not_known_yet_changes_nothing(error, other, steps, data):
    row = data.draw(st.integers(20 + steps - 1, 59))  # from the fit on
    unknown = np.arange(60) > row - steps
    here, there = made(error, steps=steps), made(np.where(unknown, other, error), steps=steps)
    for name in BANDS:
        assert here[name][: row + 1].tobytes() == there[name][: row + 1].tobytes()


@given(arrays(float, 60, elements=ERRORS), st.integers(1, 9), st.integers(1, 60))
def test_a_row_has_the_same_bits_however_many_come_after_it(error, steps, stop):
    stop = max(stop, 20)
    whole, part = made(error, steps=steps), made(error[:stop], steps=steps)
    for name in BANDS:
        assert whole[name][:stop].tobytes() == part[name].tobytes()


@given(arrays(float, 80, elements=ERRORS), st.integers(1, 9))
def test_the_width_stays_within_a_factor_of_two(error, steps):
    ends, fixed = made(error, steps=steps), quantiles(error, steps=steps)
    for name in BANDS:
        assert (np.isnan(ends[name]) == np.isnan(fixed[name])).all()
        drawn = np.isfinite(fixed[name])
        size, usual = np.abs(ends[name][drawn]), np.abs(fixed[name][drawn])
        assert (size <= 2 * usual * (1 + 1e-12)).all()
        assert (size >= usual / 2 * (1 - 1e-12)).all()


@given(arrays(float, 80, elements=ERRORS), st.integers(1, 9))
def test_the_ends_are_in_order(error, steps):
    ends = np.column_stack(list(made(error, steps=steps).values()))
    drawn = np.isfinite(ends).all(axis=1)
    assert (np.diff(ends[drawn], axis=1) >= 0).all()


def test_the_narrow_band_stays_inside_the_wide_one_where_prices_move_by_whole_ticks():
    error = np.random.default_rng(0).choice((-1.0, 1.0), 500)
    ends = made(error, fitted=100, window=100, fewest=25)
    assert (ends["low_90"] <= ends["low_50"]).all()
    assert (ends["high_50"] <= ends["high_90"]).all()


# Coverage ----------------------------------------------------------------------------------------


def covered(error, ends, rows, share=90):
    return np.mean((ends[f"low_{share}"] <= error)[rows] & (error <= ends[f"high_{share}"])[rows])


@pytest.mark.parametrize("steps", [1, 9])
def test_the_bands_hold_nine_in_ten_and_half_of_noise_that_never_changes(steps):
    error = np.random.default_rng(0).normal(size=5_800)
    ends = made(error, fitted=800, window=800, fewest=200, steps=steps)
    after = slice(800, None)
    assert covered(error, ends, after) == pytest.approx(0.9, abs=0.01)
    assert covered(error, ends, after, share=50) == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("seed", range(5))
def test_three_times_the_volatility_is_covered_again_within_five_hundred_rows(seed):
    error = np.random.default_rng(seed).normal(size=2_500)
    error[2_000:] *= 3
    shape = {"fitted": 1_000, "window": 1_000, "fewest": 250}
    soon = slice(2_250, 2_500)
    ends = made(error, **shape)
    still = {name: np.full(2_500, end[0]) for name, end in quantiles(error, **shape).items()}
    assert covered(error, ends, soon) >= 0.8
    assert covered(error, still, soon) < 0.6
