import math

import numpy as np
import pandas as pd
import pytest

from marketpulse.dataset import build
from marketpulse.forecast import latest, said_at, settle, walk_forward
from marketpulse.horizons import LONG, MINUTE, ONE_MINUTE
from marketpulse.model import BANDS, Plan
from tests.build import START, candles, model_saying, walk

PLAN = Plan(train_bars=100, min_train_bars=50, calibration_bars=20)
HOUR = pd.Timedelta(hours=1)


def predictions(*raws, close=100.0, trust=0.5):
    """Prediction rows, one a minute, of these raw returns."""
    index = pd.DatetimeIndex([START + row * ONE_MINUTE for row in range(len(raws))], name="as_of")
    raw = np.array(raws, dtype=float)
    bands = {name: trust * raw + width for name, width in zip(BANDS, (-4, -1, 1, 4), strict=True)}
    columns = {"close": close, "raw": raw, "trusted": trust * raw, **bands, "trust": trust}
    columns |= {"expected_move": 0.003, "usual_move": 0.002, "model": "minute-1"}
    return pd.DataFrame(columns, index=index).assign(fit_at=START)


# One forecast ------------------------------------------------------------------------------------


def test_the_latest_forecast_is_in_prices():
    forecast = latest(predictions(9.0, math.log(1.21)), MINUTE)
    assert forecast.as_of == START + ONE_MINUTE
    assert forecast.last_price == 100
    assert forecast.raw_price == pytest.approx(121)
    assert forecast.price == pytest.approx(110)
    assert forecast.low_90 == pytest.approx(110 * math.exp(-4))
    assert forecast.low_50 == pytest.approx(110 * math.exp(-1))
    assert forecast.high_50 == pytest.approx(110 * math.exp(1))
    assert forecast.high_90 == pytest.approx(110 * math.exp(4))
    assert (forecast.trust, forecast.fit_at) == (0.5, START)


def test_a_forecast_says_how_wild_the_move_should_be_against_the_usual_one():
    forecast = latest(predictions(0.0), MINUTE)
    assert (forecast.expected_move, forecast.usual_move) == (0.003, 0.002)
    assert forecast.wildness == pytest.approx(1.5)
    still = latest(predictions(0.0).assign(usual_move=0.0), MINUTE)
    assert still.wildness is None


def test_what_was_said_at_a_past_bar_can_be_read_again():
    table = predictions(math.log(1.21), 0.0)
    assert said_at(table, MINUTE, START).price == pytest.approx(110)
    assert said_at(table, MINUTE, START + ONE_MINUTE).price == 100


def test_without_predictions_there_is_no_latest_forecast():
    assert latest(predictions(), MINUTE) is None
    assert latest(pd.DataFrame(), MINUTE) is None


@pytest.mark.parametrize(("horizon", "minutes"), [(MINUTE, 1), (LONG, 45)])
def test_a_forecast_comes_due_its_horizon_after_it_was_made(horizon, minutes):
    assert latest(predictions(0.0), horizon).target_time == START + minutes * ONE_MINUTE


@pytest.mark.parametrize(
    ("bps", "lean"), [(1, "up"), (0.06, "up"), (0.04, "flat"), (0, "flat"), (-0.06, "down")]
)
def test_a_forecast_leans_where_its_raw_centre_points_whatever_it_has_earned(bps, lean):
    forecast = latest(predictions(math.log1p(bps / 1e4), trust=0.0), MINUTE)
    assert forecast.lean == lean
    assert forecast.lean_bps == pytest.approx(bps, abs=1e-9)
    assert forecast.price == 100


# Walking forward ---------------------------------------------------------------------------------


def walked(data, start, plan=PLAN):
    asked = []

    def model_at(fit_at):
        asked.append(fit_at)
        return model_saying(0.0, fit_at=fit_at)

    return walk_forward(data, plan, start, model_at), asked


def test_each_forecast_is_made_by_the_model_that_was_in_use_at_its_time():
    data = build(walk(800), MINUTE)
    made, asked = walked(data, START + 7 * HOUR)
    assert asked == [START + 4 * HOUR, START + 8 * HOUR, START + 12 * HOUR]
    assert (made["fit_at"] == made.index.floor("4h")).all()


def test_a_model_is_in_use_from_its_fit_time_until_just_before_the_next():
    made, _ = walked(build(walk(800), MINUTE), START + 7 * HOUR)
    second = made.index[made["fit_at"] == START + 8 * HOUR]
    assert (second[0], second[-1]) == (START + 8 * HOUR, START + 12 * HOUR - ONE_MINUTE)


def test_every_bar_from_the_start_on_is_forecast_once():
    data = build(walk(800), MINUTE)
    made, _ = walked(data, START + 7 * HOUR)
    assert made.index.equals(data.as_of[data.position(START + 7 * HOUR) :])


def test_a_walk_that_begins_after_the_last_bar_forecasts_nothing():
    made, asked = walked(build(walk(100), MINUTE), START + 9 * HOUR)
    assert made.empty
    assert asked == []


# Settling ----------------------------------------------------------------------------------------


def settled(closes, *raws, filled=(), steps=1):
    """What became of forecasts from the first row after 60 bars of seesaw on, then ``closes``."""
    frame = candles([100.0 + row % 2 for row in range(61)] + list(closes))
    frame["filled"] = np.isin(np.arange(len(frame)), [61 + row for row in filled])
    table = predictions(*raws, trust=1.0)
    table.index = table.index + 61 * ONE_MINUTE
    return settle(table, build(frame, MINUTE.with_steps(steps)))


def test_a_forecast_that_was_too_high_has_a_positive_error():
    row = settled([110.0], math.log(1.25)).iloc[0]
    assert row["actual_price"] == pytest.approx(110)
    assert row["price"] == row["raw_price"] == pytest.approx(125)
    assert row["error"] == row["raw_error"] == pytest.approx(15)
    assert row["actual"] == pytest.approx(math.log(1.1))


def test_naive_was_too_low_when_the_price_rose():
    assert settled([110.0], 0.0)["naive_error"].iloc[0] == pytest.approx(-10)


def test_a_forecast_waits_for_its_outcome():
    both = (0.0, 0.0)
    assert len(settled([110.0], *both)) == 1
    assert len(settled([110.0, 111.0], *both)) == 2
    assert len(settled([110.0], *both, steps=2)) == 0


def test_an_outcome_behind_a_gap_stays_unknown():
    made = settled([100.0, 100.0, 101.0], 0.0, 0.0, 0.0, filled=[1])
    assert made.index.tolist() == [START + 61 * ONE_MINUTE, START + 63 * ONE_MINUTE]


def test_nothing_settles_to_nothing():
    assert settle(pd.DataFrame(), build(walk(70), MINUTE)).empty
