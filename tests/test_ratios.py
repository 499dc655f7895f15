import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketpulse.ratios import (
    annual_return,
    annual_volatility,
    cagr,
    calmar,
    compounded,
    downside_risk,
    max_drawdown,
    sharpe,
    sharpe_error,
    sortino,
    total_return,
)

UNKNOWN = float("nan")
# empyrical 40f61b4f, empyrical/tests/test_stats.py: the series that its tests share, daily
MIXED = [UNKNOWN, 0.01, 0.1, -0.04, 0.02, 0.03, 0.02, 0.01, -0.1]
LATER = [0.0, *MIXED[1:]]
POSITIVE = [0.01, 0.02, *[0.01] * 7]
NEGATIVE = [0.0, -0.06, -0.07, -0.01, -0.09, -0.02, -0.06, -0.08, -0.05]
BENCHMARK = [0.0, 0.01, 0.0, 0.01, 0.0, 0.01, 0.0, 0.01, 0.0]
FLAT = [0.01] * 9
ONE = [0.01]
SIMPLE = [
    *(-0.00171614, 0.01322056, 0.03063862, -0.01422057, -0.00489779),
    *(0.01268925, -0.03357711, 0.01797036),
]
DAILY, WEEKLY, MONTHLY = 252, 52, 12

close = {"rel": 0, "abs": 1e-8}
lists = st.lists(st.floats(-0.5, 0.5), max_size=30)


def test_returns_are_compounded_and_an_unknown_one_counts_as_none():
    # test_cum_returns: 4 decimals
    grown = [0.0, 0.01, 0.111, 0.066559, 0.08789, 0.12052, 0.14293, 0.15436, 0.03893]
    assert compounded(MIXED) - 1 == pytest.approx(grown, abs=1e-4)
    from_100 = [100, 101, 111.1, 106.65599, 108.78912, 112.05279, 114.29384, 115.43678, 103.8931]
    assert compounded(MIXED, 100.0) == pytest.approx(from_100, abs=1e-4)
    assert compounded([]).tolist() == []


@pytest.mark.parametrize(
    ("returns", "expected"), [(ONE, 0.01), (MIXED, 0.03893), (NEGATIVE, -0.3659)]
)
def test_total_return(returns, expected):
    # test_cum_returns_final
    assert total_return(returns) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("returns", "expected"),
    [
        (ONE, 0.0),
        (BENCHMARK, 0.0),
        (MIXED, -0.1),
        (POSITIVE, 0.0),
        (NEGATIVE, -0.36590730349873601),
        ([0.1, -0.1, 0.1], -0.1),
        ([-0.5], -0.5),
    ],
)
def test_max_drawdown(returns, expected):
    # test_max_drawdown; the last one is checkable by eye
    assert max_drawdown(returns) == pytest.approx(expected, **close)


@pytest.mark.parametrize(
    ("returns", "periods", "expected"),
    [
        (MIXED, DAILY, 1.9135925373194231),
        (LATER, WEEKLY, 0.24690830513998208),
        (LATER, MONTHLY, 0.052242061386048144),
    ],
)
def test_annual_return(returns, periods, expected):
    # test_annual_ret
    assert annual_return(returns, periods) == pytest.approx(expected, **close)


@pytest.mark.parametrize(
    ("returns", "periods", "expected"),
    [
        (FLAT, DAILY, 0.0),
        (MIXED, DAILY, 0.9136465399704637),
        (LATER, WEEKLY, 0.38851569394870583),
        (LATER, MONTHLY, 0.18663690238892558),
        # nautilus_trader a95c8042, test_statistics_returns_volatility.py, summed by day
        ([1.0, -1.0], DAILY, 22.449944320643652),
        ([5.0, 0.0, -2.0], DAILY, 57.23635208501674),
    ],
)
def test_annual_volatility(returns, periods, expected):
    # test_annual_volatility
    assert annual_volatility(returns, periods) == pytest.approx(expected, **close)


@pytest.mark.parametrize(
    ("returns", "periods", "expected"),
    [
        (MIXED, DAILY, 19.135925373194233),
        (LATER, WEEKLY, 2.4690830513998208),
        (LATER, MONTHLY, 0.52242061386048144),
    ],
)
def test_calmar(returns, periods, expected):
    # test_calmar
    assert calmar(returns, periods) == pytest.approx(expected, **close)


@pytest.mark.parametrize(
    ("returns", "risk_free", "expected"),
    [
        (MIXED, 0.0, 1.7238613961706866),
        (MIXED, BENCHMARK, 0.34111411441060574),
        (POSITIVE, 0.0, 52.915026221291804),
        (NEGATIVE, 0.0, -24.406808633910085),
        # nautilus_trader a95c8042, test_statistics_sharpe_ratio.py, summed by day
        ([1.0, -1.0], 0.0, 0.0),
        ([0.3, 0.7, 1.1, 1.5, 1.9], 0.0, 27.6097808756245),
    ],
)
def test_sharpe(returns, risk_free, expected):
    # test_sharpe_ratio
    assert sharpe(returns, DAILY, risk_free) == pytest.approx(expected, **close)


@pytest.mark.parametrize(
    ("returns", "required", "periods", "expected"),
    [
        (ONE, 0.0, DAILY, 0.0),
        (MIXED, MIXED, DAILY, 0.0),
        (MIXED, 0.0, DAILY, 0.60448325038829653),
        (MIXED, 0.1, DAILY, 1.7161730681956295),
        (LATER, 0.0, WEEKLY, 0.25888650451930134),
        (LATER, 0.1, WEEKLY, 0.7733045971672482),
        (LATER, 0.0, MONTHLY, 0.1243650540411842),
        (LATER, 0.1, MONTHLY, 0.37148351242013422),
        (SIMPLE, 0.0, DAILY, 0.20671788246185202),
        (SIMPLE, 0.0, WEEKLY, 0.093902996054410062),
    ],
)
def test_downside_risk(returns, required, periods, expected):
    # test_downside_risk
    assert downside_risk(returns, periods, required) == pytest.approx(expected, **close)


@pytest.mark.parametrize(
    ("returns", "required", "periods", "expected"),
    [
        (MIXED, 0.0, DAILY, 2.605531251673693),
        (MIXED, FLAT, DAILY, -1.3934779588919977),
        (NEGATIVE, 0.0, DAILY, -13.532743075043401),
        (LATER, 0.0, WEEKLY, 1.1158901056866439),
        (LATER, 0.0, MONTHLY, 0.53605626741889756),
        (SIMPLE, 0.0, DAILY, 3.0639640966566306),
        # nautilus_trader a95c8042, test_statistics_sortino_ratio.py, summed by day
        ([1.0, -1.0], 0.0, DAILY, 0.0),
        ([4.0, 0.0, -2.0], 0.0, DAILY, 9.16515138991168),
    ],
)
def test_sortino(returns, required, periods, expected):
    # test_sortino
    assert sortino(returns, periods, required) == pytest.approx(expected, **close)


@pytest.mark.parametrize(
    ("start", "end", "days", "expected"),
    [
        (64900, 176000, 3 * 365, 0.3945),
        (64900, 176000, 365, 1.7119),
        (1000, 1000, 365, 0.0),
        (1000, 1500, 365, 0.5),
        (1000, 1500, 100, 3.3927),
        (0.01, 0.01762792, 120, 4.6087),
        (1000, 0, 10, -1.0),
    ],
)
def test_cagr(start, end, days, expected):
    # freqtrade c9ae5e1e, tests/data/test_btanalysis.py, test_calculate_cagr: 4 decimals
    assert cagr(start, end, days) == pytest.approx(expected, abs=6e-5)


# What is not defined ------------------------------------------------------------------------------


@pytest.mark.parametrize("returns", [[], [UNKNOWN] * 10])
@pytest.mark.parametrize(
    "figure", [annual_volatility, sharpe, sharpe_error, sortino, downside_risk, calmar]
)
def test_a_figure_of_nothing_known_is_none(figure, returns):
    assert figure(returns, DAILY) is None


def test_the_return_and_the_drawdown_of_no_bars_are_none():
    assert total_return([]) is annual_return([], DAILY) is max_drawdown([]) is None


@pytest.mark.parametrize("figure", [annual_volatility, sharpe, sharpe_error, sortino])
def test_one_return_has_no_deviation(figure):
    assert figure(ONE, DAILY) is figure([UNKNOWN, -0.01], DAILY) is None


def test_returns_that_do_not_differ_have_no_sharpe():
    assert sharpe(FLAT, DAILY) is sharpe(MIXED, DAILY, MIXED) is None
    # Nine steps of 1 % as a price feed would write them: only float noise tells them apart.
    steps = pd.Series(1.01 ** np.arange(10)).pct_change().iloc[1:]
    assert steps.nunique() > 1
    assert sharpe(steps, DAILY) is sharpe_error(steps, DAILY) is None


def test_without_a_loss_there_is_no_sortino_and_no_calmar():
    assert sortino(POSITIVE, DAILY) is sortino(BENCHMARK, DAILY) is calmar(ONE, DAILY) is None


def test_a_growth_that_no_float_can_hold_is_none():
    assert annual_return([0.5], 525_600) is cagr(1, 2, 0.001) is None
    assert cagr(1, 2, 0) is cagr(0, 1, 10) is cagr(1, -1, 10) is None


@given(lists)
@settings(max_examples=60)
def test_no_figure_is_ever_nan_or_infinite(returns):
    figures = [total_return(returns), max_drawdown(returns)]
    for figure in (annual_return, annual_volatility, sharpe, sharpe_error, sortino, calmar):
        figures += [figure(returns, 252), figure(returns, 525_600)]
    assert all(figure is None or math.isfinite(figure) for figure in figures)


def test_the_error_of_a_sharpe_falls_with_the_root_of_the_bars():
    # A mean of 1 over a deviation of about 2 in 400 bars: sqrt((1 + 0.5² / 2) / 400)
    returns = [3.0, -1.0] * 200
    assert sharpe(returns, 1) == pytest.approx(0.5, abs=1e-3)
    assert sharpe_error(returns, 1) == pytest.approx(math.sqrt(1.125 / 400), rel=1e-3)
    assert sharpe_error(returns * 4, 1) == pytest.approx(math.sqrt(1.125 / 1600), rel=1e-3)
