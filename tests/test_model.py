import dataclasses
import hashlib
import io
import math

import joblib
import numpy as np
import pandas as pd
import pytest

from marketpulse.bands import BANDS, bands
from marketpulse.dataset import build
from marketpulse.errors import NotEnoughCandles
from marketpulse.features import FEATURES, SPREAD_ONLY, WARM_UP
from marketpulse.forecast import walk_forward
from marketpulse.horizons import LONG, MINUTE, ONE_MINUTE
from marketpulse.model import (
    CENTRE_TREES,
    RATE,
    TRUST_GRID,
    Plan,
    block_length,
    centre_trees,
    earned_trust,
    fit,
    held_out,
    hourly_moves,
    predict,
    rows_seen,
)
from tests.build import START, candles, model_saying, walk

PLAN = Plan(train_bars=600, min_train_bars=300, calibration_bars=300)
THREE_YEARS = pd.Timedelta(days=3 * 365)
FIT_AT = START + 1200 * ONE_MINUTE


@pytest.fixture(scope="module")
def data():
    return build(walk(1500, memory=0.5), MINUTE)


@pytest.fixture(scope="module")
def model(data):
    return fit(data, FIT_AT, PLAN)


def digest(model):
    dump = io.BytesIO()
    joblib.dump(model, dump)
    return hashlib.sha256(dump.getvalue()).hexdigest()


# Trust -------------------------------------------------------------------------------------------


def trust(actual, centre, block=10, z=2.0):
    actual, centre = np.asarray(actual, dtype=float), np.asarray(centre, dtype=float)
    return earned_trust(actual, centre, block=block, z=z)


UPS_AND_DOWNS = np.array([1.0, -1.0] * 50)


@pytest.mark.parametrize(
    ("centre", "earned"), [(1.0, 1.0), (2.0, 0.5), (4.0, 0.25), (0.5, 1.0), (-1.0, 0.0), (0.0, 0.0)]
)
def test_a_centre_is_trusted_by_the_factor_that_makes_it_right(centre, earned):
    assert trust(UPS_AND_DOWNS, centre * UPS_AND_DOWNS) == earned


def test_noise_earns_no_trust():
    random = np.random.default_rng(0)
    earned = [trust(*random.normal(0, (1, 0.3), (600, 2)).T, block=60) for _ in range(20)]
    assert sum(factor > 0 for factor in earned) <= 1


def test_a_planted_centre_earns_trust():
    random = np.random.default_rng(0)
    signal = random.normal(0, 0.5, 600)
    assert trust(signal + random.normal(0, 1, 600), signal, block=60) > 0.5


def test_one_lucky_block_proves_nothing():
    centre = np.zeros(100)
    centre[40:50] = UPS_AND_DOWNS[40:50]
    assert trust(UPS_AND_DOWNS, centre) == 0


def test_two_blocks_are_needed_for_any_trust():
    assert trust(UPS_AND_DOWNS[:19], UPS_AND_DOWNS[:19]) == 0
    assert trust(UPS_AND_DOWNS[:20], UPS_AND_DOWNS[:20]) == 1


def test_rows_before_the_first_whole_block_do_not_count():
    actual, centre = UPS_AND_DOWNS[:25].copy(), UPS_AND_DOWNS[:25].copy()
    actual[:5] = -1000 * centre[:5]
    assert trust(actual, centre) == 1


def test_trust_is_a_share():
    assert (TRUST_GRID[0], TRUST_GRID[-1]) == (0, 1)


@pytest.mark.parametrize(
    ("horizon", "rows"),
    [(MINUTE, 60), (MINUTE.with_steps(15), 75), (LONG, 45), (LONG.with_steps(3), 15)],
)
def test_a_block_is_an_hour_or_five_horizons_whichever_is_longer(horizon, rows):
    assert block_length(horizon) == rows


# Predictions by hand -----------------------------------------------------------------------------


# Rows 89 to 108 are the calibration slice of a fit at row 109; the first usable row is 60.
FIT_ROW = 109
UP_AND_DOWN = [100.0 + row % 2 for row in range(120)]


def saying(centre, *, fit_row=FIT_ROW, **others):
    return model_saying(centre, fit_at=START + (fit_row + 1) * ONE_MINUTE, **others)


@pytest.fixture
def width_of_one(monkeypatch):
    monkeypatch.setattr("marketpulse.model.RATE", 0.0)


def test_a_forecast_is_the_centre_in_units_of_volatility_and_its_trusted_share():
    data = build(candles(UP_AND_DOWN), MINUTE)
    row = predict(saying(0.5, trust=0.4), data, 119, 120).iloc[0]
    assert row["raw"] == pytest.approx(0.5 * math.log(1.01))
    assert row["trusted"] == pytest.approx(0.2 * math.log(1.01))
    assert (row["close"], row["trust"]) == (101, 0.4)
    assert (row["usual_low"], row["usual_high"]) == (-0.001, 0.001)


@pytest.mark.usefixtures("width_of_one")
@pytest.mark.parametrize("centre", [0.0, 0.5])
def test_the_bands_are_where_past_outcomes_fell_around_the_centre(centre):
    data = build(candles(UP_AND_DOWN), MINUTE)
    row = predict(saying(centre), data, 119, 120).iloc[0]
    one = math.log(1.01)
    assert row[list(BANDS)].tolist() == pytest.approx([-one, -one, one, one])


def test_the_bands_begin_at_the_calibration_slice_whatever_rows_are_asked_for():
    data = build(walk(120), MINUTE)
    model = saying(0.5, trust=0.4, spread=2.0)
    errors = (data.y[89:] - 0.2) / 2.0
    ends = bands(errors, fitted=20, window=20, fewest=5, steps=1, rate=RATE)
    for start in (109, 119):
        made = predict(model, data, start, 120)
        assert len(made) == 120 - start
        for name, end in ends.items():
            by_hand = (0.2 + 2.0 * end[start - 89 :]) * data.scale[start:]
            assert made[name].tolist() == by_hand.tolist()


def test_a_spread_that_is_too_large_in_past_and_present_alike_leaves_the_band_as_it_was():
    data = build(walk(120), MINUTE)
    narrow, wide = (
        predict(saying(0.0, spread=spread), data, 119, 120)["high_90"].iloc[0]
        for spread in (1.0, 3.0)
    )
    assert narrow == pytest.approx(wide)


@pytest.mark.parametrize("steps", [1, 4])
def test_a_shock_widens_the_bands_when_it_has_come_due_and_no_earlier(steps):
    horizon = MINUTE.with_steps(steps)
    calm = build(candles(UP_AND_DOWN), horizon)
    target = calm.y.copy()
    target[100] = 50.0
    shocked = dataclasses.replace(calm, y=target)
    model = saying(0.0, horizon=horizon, fit_row=95)
    before, after = (predict(model, one, 95, 120)["high_90"] for one in (calm, shocked))
    moved = np.flatnonzero((before != after).to_numpy()) + 95
    assert moved[0] == 100 + steps
    assert after.iloc[100 + steps - 95] > before.iloc[100 + steps - 95]


@pytest.mark.usefixtures("width_of_one")
def test_the_bands_are_the_quantiles_of_past_errors_that_cover_the_next_one():
    # Vovk, Gammerman & Shafer 2005: of 20 errors the 95 % quantile is taken at 0.95 * 21 / 20.
    data = build(candles(UP_AND_DOWN), MINUTE)
    counted = dataclasses.replace(data, y=np.arange(-99.0, 21.0), scale=np.ones(120))
    row = predict(saying(0.0), counted, 119, 120).iloc[0]
    # the 20 errors settled by row 119 are those of rows 99 to 118: 0, 1, ... 19
    share = {"low_90": 0.0025, "low_50": 0.2125, "high_50": 0.7875, "high_90": 0.9975}
    assert row[list(BANDS)].to_dict() == pytest.approx({k: 19 * v for k, v in share.items()})


@pytest.mark.parametrize("row", [100, 110])
def test_what_came_of_an_unusable_row_does_not_count(row):
    data = build(walk(120), MINUTE)
    left_out = np.arange(120) != row
    target = data.y.copy()
    target[row] = 50.0
    calm, shocked = (
        predict(
            saying(0.0),
            dataclasses.replace(data, y=y, usable=left_out & data.usable),
            111,
            120,
        )
        for y in (data.y, target)
    )
    assert len(calm) == 9
    pd.testing.assert_frame_equal(calm, shocked, check_exact=True)


def test_an_unusable_row_has_no_forecast():
    frame = walk(120).assign(filled=np.arange(120) == 110)
    made = predict(saying(0.0, fit_row=108), build(frame, MINUTE), 108, 113)
    assert made.index.tolist() == [START + (row + 1) * ONE_MINUTE for row in (108, 109, 111, 112)]


@pytest.mark.parametrize("fit_row", [60, 63])
def test_without_a_quarter_of_the_window_settled_there_are_no_bands_and_no_forecast(fit_row):
    # row 60 is the first that is usable; a window of 20 needs 5 errors, known at row 65
    made = predict(saying(0.0, fit_row=fit_row), build(walk(70), MINUTE), fit_row, 70)
    assert made.index[0] == START + 66 * ONE_MINUTE


# Fits --------------------------------------------------------------------------------------------


def test_a_planted_memory_is_found_and_trusted(model):
    assert model.trust > 0.5


def test_a_random_walk_is_not_trusted():
    assert fit(build(walk(1210), MINUTE), FIT_AT, PLAN).trust == 0


def test_a_model_says_what_it_was_trained_on(data, model):
    rows = rows_seen(data, FIT_AT, PLAN)
    assert model.trained_on == (data.as_of[rows.train.start], data.as_of[rows.train.stop - 1])
    assert model.trained_on[1] < FIT_AT - 300 * ONE_MINUTE
    assert (model.fit_at, model.plan, model.horizon) == (FIT_AT, PLAN, MINUTE)


def test_the_usual_band_holds_nine_in_ten_returns_of_the_calibration_slice(data, model):
    rows = rows_seen(data, FIT_AT, PLAN).calibrate
    returns = np.diff(np.log(data.close))[rows]
    inside = (returns >= model.usual[0]) & (returns <= model.usual[1])
    assert inside.mean() == pytest.approx(0.9)


def test_too_little_history_makes_no_model(data):
    with pytest.raises(NotEnoughCandles):
        fit(data, START + 600 * ONE_MINUTE, PLAN)


@pytest.mark.parametrize("gap", [slice(700, 890), slice(900, 1199)])
def test_a_history_of_which_a_gap_leaves_too_little_makes_no_model(data, gap):
    rows = rows_seen(data, FIT_AT, dataclasses.replace(PLAN, min_train_bars=500))
    assert rows.train.start < 700
    holes = data.usable.copy()
    holes[gap] = False
    plan = dataclasses.replace(PLAN, min_train_bars=500)
    with pytest.raises(NotEnoughCandles, match="1-minute model has too many gaps"):
        fit(dataclasses.replace(data, usable=holes), FIT_AT, plan)


def test_whatever_comes_after_the_fit_leaves_the_model_the_same_byte_for_byte(model):
    frame = walk(1500, memory=0.5)
    later = frame.index + ONE_MINUTE > FIT_AT
    columns = ["open", "high", "low", "close", "volume"]
    other = frame.copy()
    other.loc[later, columns] = frame.loc[later, columns][::-1].to_numpy() * 10
    assert digest(fit(build(other, MINUTE), FIT_AT, PLAN)) == digest(model)
    assert digest(fit(build(frame[~later], MINUTE), FIT_AT, PLAN)) == digest(model)


def test_one_bar_before_the_fit_makes_another_model(model):
    frame = walk(1500, memory=0.5)
    frame.loc[FIT_AT - ONE_MINUTE, "close"] *= 1.01
    assert digest(fit(build(frame, MINUTE), FIT_AT, PLAN)) != digest(model)


def test_forecasts_of_a_block_are_those_made_bar_by_bar_bit_for_bit(data, model):
    frame = walk(1500, memory=0.5)
    block = predict(model, data, 1200, 1260)
    # the first row of the calibration slice is 899; its longest window must be full
    needed = rows_seen(data, FIT_AT, PLAN).calibrate.start - WARM_UP
    assert needed == 899 - 241
    for row in range(1200, 1260, 7):
        online = build(frame.iloc[needed : row + 1], MINUTE)
        alone = predict(model, online, len(online) - 1, len(online))
        pd.testing.assert_frame_equal(
            alone, block.loc[[data.as_of[row]]], check_exact=True, check_freq=False
        )


def test_what_only_says_how_far_the_price_may_go_moves_the_bands_and_not_the_centre(data, model):
    other = data.X.copy()
    columns = [n for n, name in enumerate(FEATURES) if name in SPREAD_ONLY]
    other[:, columns] = other[::-1, columns]
    here = predict(model, data, 1200, 1260)
    there = predict(model, dataclasses.replace(data, X=other), 1200, 1260)
    assert here["trusted"].tolist() == there["trusted"].tolist()
    assert here["high_90"].tolist() != there["high_90"].tolist()


def test_the_bands_are_in_order(data, model):
    ends = predict(model, data, 1200, 1500)[list(BANDS)].to_numpy()
    assert (np.diff(ends, axis=1) >= 0).all()
    assert np.isfinite(ends).all()


def test_three_years_later_the_same_candles_make_the_same_forecasts(data, model):
    later = build(walk(1500, memory=0.5, start=START + THREE_YEARS), MINUTE)
    moved = fit(later, FIT_AT + THREE_YEARS, PLAN)
    now, then = predict(model, data, 1200, 1300), predict(moved, later, 1200, 1300)
    then.index = then.index - THREE_YEARS
    columns = [name for name in now if name not in ("fit_at", "model")]
    pd.testing.assert_frame_equal(then[columns], now[columns], check_exact=True, check_freq=False)


def test_prices_of_a_millionth_make_the_same_forecasts(data, model):
    frame = walk(1500, memory=0.5)
    small = frame.assign(**frame[["open", "high", "low", "close"]] * 2.0**-20)
    cheap = build(small, MINUTE)
    there = predict(fit(cheap, FIT_AT, PLAN), cheap, 1200, 1300)
    here = predict(model, data, 1200, 1300)
    np.testing.assert_allclose(there["high_90"], here["high_90"], rtol=1e-6)
    np.testing.assert_allclose(there["raw"], here["raw"], rtol=1e-6, atol=1e-9)


def test_nine_in_ten_outcomes_fall_inside_the_wide_band_and_half_inside_the_narrow_one():
    data = build(walk(3200, seed=5), MINUTE)
    made = walk_forward(data, PLAN, data.as_of[1200], lambda at: fit(data, at, PLAN))
    outcome = pd.Series(data.y * data.scale, index=data.as_of).reindex(made.index).dropna()
    made = made.loc[outcome.index]
    assert len(made) > 1900
    assert outcome.between(made["low_90"], made["high_90"]).mean() == pytest.approx(0.9, abs=0.02)
    assert outcome.between(made["low_50"], made["high_50"]).mean() == pytest.approx(0.5, abs=0.03)


def test_a_model_is_fitted_at_whole_multiples_of_its_schedule():
    four = START + pd.Timedelta(hours=4)
    assert PLAN.fit_time(four) == four
    assert PLAN.fit_time(four - ONE_MINUTE) == START


@pytest.mark.parametrize("horizon", [MINUTE, LONG])
def test_a_venue_that_tells_no_volume_is_forecast_all_the_same(horizon):
    data = build(walk(900, bar=horizon.bar).assign(volume=math.nan), horizon)
    said = predict(fit(data, data.as_of[879], Plan(400, 300, 200)), data, 880, 900)
    assert np.isfinite(said[["raw", *BANDS]].to_numpy()).all()
    assert len(said) == 20


# Evidence ----------------------------------------------------------------------------------------


def test_what_trees_say_of_a_row_they_have_not_seen_knows_nothing_of_its_outcome():
    random = np.random.default_rng(0)
    X, y = random.normal(size=(1_000, 3)), random.normal(size=1_000)
    trees = {**CENTRE_TREES, "loss": "squared_error", "min_samples_leaf": 20}
    said = held_out(X, y, trees, gap=9, folds=5)
    first = slice(0, 200)
    other = y.copy()
    other[:209] = 99.0  # the first part, and the rows beside it whose outcomes overlap its own
    assert held_out(X, other, trees, gap=9, folds=5)[first].tolist() == said[first].tolist()
    other[209] = 99.0
    assert held_out(X, other, trees, gap=9, folds=5)[first].tolist() != said[first].tolist()


@pytest.mark.parametrize(
    ("horizon", "rows", "leaf"),
    [(MINUTE, 14_000, 400), (LONG, 12_000, 900), (LONG, 900, 300), (MINUTE, 300, 100)],
)
def test_a_leaf_needs_more_rows_the_more_outcomes_overlap(horizon, rows, leaf):
    assert centre_trees(horizon, rows)["min_samples_leaf"] == leaf


def test_the_usual_move_of_an_hour_is_the_median_of_its_own():
    data = build(walk(3_000), MINUTE)
    moves = np.abs(data.y * data.scale)
    usual = hourly_moves(data, slice(0, 3_000))
    fifth = data.as_of.hour == 5
    assert usual[5] == np.nanmedian(moves[fifth])
    assert hourly_moves(data, slice(300, 600))[0] == pytest.approx(np.nanmedian(moves[300:600]))
