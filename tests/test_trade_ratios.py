import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketpulse.trade_ratios import (
    average_loser,
    average_winner,
    expectancy,
    expectancy_ratio,
    profit_factor,
    win_rate,
)

FIGURES = (
    win_rate, average_winner, average_loser, expectancy, expectancy_ratio, profit_factor,
)  # fmt: skip
# Those without a source are from nautilus_trader a95c8042, tests/unit_tests/analysis/
# test_statistics_*.py.
UNEVEN = [100, 200, 50, -150, 300, -100, 80, -30]


@pytest.mark.parametrize(
    ("profits", "expected"), [([1, -1], 0.5), ([2, 2, 1, -1, -2], 0.6), ([0, 0], 0), ([3], 1)]
)
def test_win_rate(profits, expected):
    assert win_rate(profits) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("profits", "expected"), [([1, -1], 1.0), ([2, 2, 1, -1, -2], 5 / 3), ([0, -1], None)]
)
def test_average_winner(profits, expected):
    assert average_winner(profits) == (expected and pytest.approx(expected))


@pytest.mark.parametrize(
    ("profits", "expected"), [([2, 1, -1, -2], -1.5), ([0, 2], None), ([0, -3], -3)]
)
def test_average_loser(profits, expected):
    assert average_loser(profits) == expected


@pytest.mark.parametrize(
    ("profits", "expected"),
    [
        ([0, 0], 0),
        ([1, -1], 0),
        ([2, 1.5, 1, 0.5, -1], 0.8),
        # freqtrade c9ae5e1e, tests/data/test_btanalysis.py, test_calculate_expectancy
        (UNEVEN, 56.25),
    ],
)
def test_expectancy(profits, expected):
    assert expectancy(profits) == pytest.approx(expected)


def test_expectancy_ratio():
    # freqtrade c9ae5e1e, tests/data/test_btanalysis.py, test_calculate_expectancy
    assert expectancy_ratio(UNEVEN) == pytest.approx(0.60267857, abs=1e-8)
    assert expectancy_ratio([-2, -1]) == -1
    assert expectancy_ratio([2, 1]) is None


@pytest.mark.parametrize(
    ("profits", "expected"), [([3, 2, 1, -1, -2], 2.0), ([-1], 0.0), ([1, 2], None), ([0], None)]
)
def test_profit_factor(profits, expected):
    assert profit_factor(profits) == expected


@pytest.mark.parametrize("figure", FIGURES)
def test_a_figure_of_no_trades_is_none(figure):
    assert figure([]) is None


@given(st.lists(st.floats(-1e6, 1e6), max_size=20))
@settings(max_examples=60)
def test_the_figures_fit_together(profits):
    rate, mean = win_rate(profits), expectancy(profits)
    assert all(each is None or not math.isnan(each) for each in (f(profits) for f in FIGURES))
    if profits:
        won, lost = average_winner(profits) or 0.0, average_loser(profits) or 0.0
        losers = sum(profit < 0 for profit in profits) / len(profits)
        assert rate * won + losers * lost == pytest.approx(mean, abs=1e-6)
