import pandas as pd
import pytest

from marketpulse.horizons import FIVE_MINUTES, LONG, MINUTE, Horizon


def test_the_minute_model_looks_one_bar_of_a_minute_ahead():
    assert (MINUTE.bar, MINUTE.steps, MINUTE.minutes) == (pd.Timedelta(minutes=1), 1, 1)


def test_the_long_model_looks_nine_bars_of_five_minutes_ahead():
    assert (LONG.bar, LONG.steps, LONG.minutes) == (pd.Timedelta(minutes=5), 9, 45)
    assert LONG.span == pd.Timedelta(minutes=45)


def test_other_steps_stay_on_the_same_grid():
    assert LONG.with_steps(12) == Horizon("long", FIVE_MINUTES, 12)
    assert LONG.with_steps(12).minutes == 60


def test_equal_horizons_are_one_key():
    assert {LONG.with_steps(9): "here"}[LONG] == "here"


@pytest.mark.parametrize("steps", [0, -1])
def test_a_horizon_that_looks_nowhere_is_a_programmers_mistake(steps):
    with pytest.raises(ValueError, match=f"at least one step, got {steps}"):
        MINUTE.with_steps(steps)
