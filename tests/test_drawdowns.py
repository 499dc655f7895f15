import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketpulse.drawdowns import Fall, deepest_fall, drawdown, drawdown_spells
from marketpulse.ratios import compounded, max_drawdown

lists = st.lists(st.floats(-0.5, 0.5), max_size=30)


@given(lists)
@settings(max_examples=60)
def test_a_drawdown_is_never_above_zero_and_its_deepest_is_that_of_the_returns(returns):
    equity = pd.Series(compounded(returns), dtype="float64")
    fallen = drawdown(equity, 1.0)
    assert (fallen <= 0).all()
    if returns:
        assert fallen.min() == pytest.approx(max_drawdown(returns), abs=1e-12)


# freqtrade c9ae5e1e, tests/data/test_btanalysis.py, test_calculate_max_drawdown2
PROFITS = [
    *(0.01158, 0.010048, 0.01134, 0.012161, 0.010416, 0.010009, 0.020024),
    *(-0.024662, -0.02235, 0.020496, -0.029859, -0.030511, 0.010041, 0.010872),
    *(-0.025782, 0.0104, 0.012374, 0.012467, 0.114741, 0.010303, 0.010088),
    *(-0.033961, 0.01068, 0.010886, -0.029274, 0.011178, 0.010693, 0.010711),
]


def test_the_deepest_fall_of_known_trades():
    fall = deepest_fall(PROFITS, 0.2)
    assert fall.amount == pytest.approx(0.091755, abs=1e-12)
    assert fall.share == pytest.approx(0.32129575, abs=1e-8)
    assert (fall.high, fall.low) == (7, 15)


def test_winners_alone_never_fall():
    assert deepest_fall(PROFITS[:5]).amount == 0


def test_losers_alone_fall_from_the_start():
    fall = deepest_fall([-profit for profit in PROFITS[:5]])
    assert fall.amount == pytest.approx(0.055545, abs=1e-12)
    assert (fall.share, fall.high, fall.low) == (None, 0, 5)


def test_the_largest_amount_and_the_largest_share_may_be_two_falls():
    # freqtrade c9ae5e1e, test_calculate_max_drawdown_abs: 1000, 500, 1000, 11000, 10000
    profits = [0.0, -500.0, 500.0, 10_000.0, -1000.0]
    assert deepest_fall(profits, 1000) == Fall(1000.0, pytest.approx(1 / 11), 4, 5)
    assert deepest_fall(profits, 1000, relative=True) == Fall(500.0, 0.5, 0, 2)


def test_no_trade_is_no_fall():
    assert deepest_fall([], 100) == Fall(0.0, 0.0, 0, 0)


def test_spells_below_a_high_are_as_long_as_the_way_back_to_it():
    # backtesting.py 9c2b8e1c, backtesting/test/_test.py, test_compute_drawdown
    spells = drawdown_spells(pd.Series([0, 1, 7, 0, 4, 0, 0]))
    assert spells["duration"].to_dict() == {3: 3, 5: 2}
    assert spells["deepest"].to_dict() == {3: 7, 5: 4}
    assert spells["since"].to_dict() == {3: 0, 5: 3}


def test_a_spell_that_is_not_over_is_counted_to_the_last_bar():
    times = pd.date_range("2026-01-01", periods=4, freq="min", tz="UTC")
    spells = drawdown_spells(pd.Series([0.0, 0.0, -0.1, -0.3], index=times))
    assert spells["duration"].tolist() == [pd.Timedelta(minutes=2)]
    assert (spells.index[0], spells["deepest"].iloc[0]) == (times[3], -0.3)


def test_a_spell_that_is_there_from_the_first_bar_is_counted_from_it():
    spells = drawdown_spells(pd.Series([-0.2, -0.1, 0.0]))
    assert spells["duration"].to_dict() == {2: 2}


@pytest.mark.parametrize("values", [[], [0.0], [0.0, 0.0, 0.0]])
def test_a_series_that_never_fell_has_no_spells(values):
    assert drawdown_spells(pd.Series(values, dtype="float64")).empty
