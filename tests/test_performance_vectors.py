"""Figures that the public test suites of other systems expect, reproduced with the book itself.

Each is re-created from its source: repository, commit, file and test. The figures of returns and
of trades stand with their siblings in test_ratios.py, test_trade_ratios.py and test_drawdowns.py.
"""

from decimal import Decimal

import pandas as pd
import pytest

from marketpulse.drawdowns import deepest_fall, drawdown_spells
from marketpulse.errors import InsufficientCash, InsufficientPosition, InvalidOrder
from marketpulse.ledger import apply, fold
from marketpulse.ratios import (
    annual_return,
    annual_volatility,
    cagr,
    downside_risk,
    max_drawdown,
    sharpe,
    total_return,
)
from marketpulse.sizing import order_size
from marketpulse.trade_ratios import expectancy, profit_factor, win_rate
from marketpulse.trades import trips
from tests.trading import BTC, deposit, fill, round_trips

UNKNOWN = float("nan")


def fee(quantity, price, rate):
    return Decimal(str(quantity)) * Decimal(str(price)) * Decimal(str(rate))


def leg(side, quantity, price, rate, minute=1):
    return fill(side, quantity, price, minute, fee(quantity, price, rate))


# Profit of a trade: freqtrade/freqtrade c9ae5e1e, tests/persistence/test_persistence.py -----------


@pytest.mark.parametrize(
    ("price", "profit", "ratio"),
    [
        (2.1, 2.661, 0.044239401),
        (1.9, -3.321, -0.05521197),
        (2.2, 5.652, 0.093965087),
    ],
)
def test_a_spot_round_trip(price, profit, ratio):
    # test_calc_profit, test_calc_open_close_trade_price: 30 bought at 2.0, fees 0.25 % and 0.3 %
    events = [deposit(100), leg("buy", 30, 2.0, 0.0025), leg("sell", 30, price, 0.003, 2)]
    ledger = fold(events)
    (trip,) = trips(ledger, {})
    assert trip.profit == ledger.realised == ledger.cash - 100 == Decimal(str(profit))
    assert trip.profit_ratio == pytest.approx(ratio, abs=1e-7)


def test_the_value_of_an_opened_trade_holds_its_fee():
    # test_calc_open_trade_value
    bought = leg("buy", 30, 2.0, 0.003)
    assert -bought.cash_flow == Decimal("60.18")
    ledger = fold([deposit(100), bought])
    assert 100 - ledger.cash == Decimal("60.18")
    (trip,) = trips(ledger, {BTC: 2.0})
    assert trip.paid == Decimal("60.18")


@pytest.mark.parametrize(
    ("price", "rate", "value"),
    [
        (2.5, 0.0025, "74.8125"),
        (2.2, 0.005, "65.67"),
    ],
)
def test_the_value_of_a_closed_trade_lacks_its_fee(price, rate, value):
    # test_calc_close_trade_price
    before = fold([deposit(60), leg("buy", 30, 2.0, 0)])
    assert apply(before, leg("sell", 30, price, rate, 2)).cash == Decimal(value)


def test_a_short_is_refused_and_its_legs_are_worth_what_they_are_elsewhere():
    # test_calc_profit (futures, no funding): sold at 2.0, bought back at 1.9, fees 0.25 %
    opened, closed = leg("sell", 30, 2.0, 0.0025), leg("buy", 30, 1.9, 0.0025, 2)
    assert (opened.cash_flow, closed.cash_flow) == (Decimal("59.85"), Decimal("-57.1425"))
    profit = opened.cash_flow + closed.cash_flow
    assert profit == Decimal("2.7075")
    assert float(profit / opened.cash_flow) == pytest.approx(0.0452381, abs=1e-6)
    book = fold([deposit(100)])
    with pytest.raises(InsufficientPosition):
        apply(book, opened)


def test_a_spot_book_makes_what_a_trade_with_funding_makes_without_it():
    # test_calc_profit (futures, funding of +1): 30 from 2.0 to 2.2, fees 0.25 %. A spot
    # book has no funding: no event of it can pay any but a deposit, which is no profit.
    events = [deposit(100), leg("buy", 30, 2.0, 0.0025), leg("sell", 30, 2.2, 0.0025, 2)]
    ledger = fold([*events, deposit(1, minute=3, id="funding")])
    (trip,) = trips(ledger, {})
    assert trip.profit == Decimal("6.685") - 1
    assert float((trip.profit + 1) / trip.paid) == pytest.approx(0.11113881, abs=1e-7)
    assert ledger.cash - ledger.deposits == trip.profit


# Wallet: freqtrade/freqtrade c9ae5e1e, tests/test_wallets.py --------------------------------------


@pytest.mark.parametrize(
    ("profit", "stakes", "free"),
    [
        (10, 100, 910),
        (-70, 0, 1930),
    ],
)
def test_what_was_paid_in_is_free_cash_and_open_stakes_less_closed_profit(profit, stakes, free):
    # test_get_starting_balance
    start = free + stakes - profit
    events = [deposit(start), fill("buy", 1, 100, 1), fill("sell", 1, 100 + profit, 2)]
    ledger = fold(events + ([fill("buy", 1, stakes, 3)] if stakes else []))
    held = sum(position.cost for position in ledger.positions.values())
    assert (ledger.cash, held, ledger.realised) == (free, stakes, profit)
    assert ledger.deposits == ledger.cash + held - ledger.realised == start


@pytest.mark.parametrize(
    ("asked", "smallest", "available", "largest", "expected"),
    [
        (1000, 11, 500, 10_000, 500),
        (700, 11, 1000, 400, 400),
        (1, 15, 10, 10_000, 0),
        (20, 50, 100, 10_000, 0),
    ],
)
def test_the_size_of_an_order(asked, smallest, available, largest, expected):
    # test_validate_stake_amount
    asked, smallest, available, largest = map(Decimal, (asked, smallest, available, largest))
    found = order_size(asked, available=available, largest=largest, smallest=smallest)
    assert found == expected
    # The book carries such an order; what was asked for is refused whole if it is beyond the cash.
    book = fold([deposit(available)])
    if found:
        assert apply(book, fill("buy", found, 1, 1)).cash == available - found
    else:
        with pytest.raises(InvalidOrder):
            apply(book, fill("buy", found, 1, 1))
    if asked > available:
        with pytest.raises(InsufficientCash):
            apply(book, fill("buy", asked, 1, 1))


# Returns: quantopian/empyrical 40f61b4f, empyrical/tests/test_stats.py ----------------------------

MIXED = [UNKNOWN, 0.01, 0.1, -0.04, 0.02, 0.03, 0.02, 0.01, -0.1]


@pytest.mark.parametrize(
    ("found", "expected", "within"),
    [
        (max_drawdown(MIXED), -0.1, 1e-8),  # test_max_drawdown
        (total_return(MIXED), 0.03893, 1e-5),  # test_cum_returns_final
        (annual_return(MIXED, 252), 1.9135925373194231, 1e-8),  # test_annual_ret
        (sharpe(MIXED, 252), 1.7238613961706866, 1e-8),  # test_sharpe_ratio
        (sharpe([0.01, 0.02, *[0.01] * 7], 252), 52.915026221291804, 1e-8),
        (
            sharpe([0, -0.06, -0.07, -0.01, -0.09, -0.02, -0.06, -0.08, -0.05], 252),
            -24.406808633910085,
            1e-8,
        ),
        (downside_risk(MIXED, 252), 0.6044832503882965, 1e-8),  # test_downside_risk
    ],
)
def test_figures_of_returns(found, expected, within):
    assert found == pytest.approx(expected, abs=within)


# Figures of trades --------------------------------------------------------------------------------


def test_the_deepest_fall_of_trades():
    # freqtrade/freqtrade c9ae5e1e, tests/data/test_btanalysis.py,
    # test_calculate_max_drawdown2
    profits = [
        *(0.01158, 0.010048, 0.01134, 0.012161, 0.010416, 0.010009, 0.020024),
        *(-0.024662, -0.02235, 0.020496, -0.029859, -0.030511, 0.010041, 0.010872),
        *(-0.025782, 0.0104, 0.012374, 0.012467, 0.114741, 0.010303, 0.010088),
        *(-0.033961, 0.01068, 0.010886, -0.029274, 0.011178, 0.010693, 0.010711),
    ]
    fall = deepest_fall(profits, 0.2)
    assert fall.amount == pytest.approx(0.091755, abs=1e-6)
    assert fall.share == pytest.approx(0.32129575, abs=1e-6)


@pytest.mark.parametrize(
    ("start", "end", "days", "expected"),
    [
        (1000, 1500, 100, 3.3927),
        (0.01, 0.01762792, 120, 4.6087),
    ],
)
def test_growth_for_a_year(start, end, days, expected):
    # freqtrade/freqtrade c9ae5e1e, tests/data/test_btanalysis.py, test_calculate_cagr
    assert cagr(start, end, days) == pytest.approx(expected, abs=6e-5)


def test_profit_factor_expectancy_and_win_rate_of_round_trips():
    # nautechsystems/nautilus_trader a95c8042, tests/unit_tests/analysis/
    # test_statistics_profit_factor.py, test_statistics_expectancy.py, test_statistics_win_rate.py
    def made(*profits):
        return [float(trip.profit) for trip in trips(round_trips(*profits), {})]

    assert profit_factor(made(3, 2, 1, -1, -2)) == 2.0
    assert expectancy(made(2, 1.5, 1, 0.5, -1)) == pytest.approx(0.8, abs=1e-12)
    assert win_rate(made(2, 2, 1, -1, -2)) == pytest.approx(0.6, abs=1e-12)


def test_volatility_for_a_year():
    # nautechsystems/nautilus_trader a95c8042, tests/unit_tests/analysis/
    # test_statistics_returns_volatility.py
    assert annual_volatility([1, -1], 252) == pytest.approx(22.449944320643652, abs=1e-9)


def test_durations_and_depths_of_drawdowns():
    # kernc/backtesting.py 9c2b8e1c, backtesting/test/_test.py, test_compute_drawdown
    spells = drawdown_spells(pd.Series([0, 1, 7, 0, 4, 0, 0]))
    assert spells["duration"].to_dict() == {3: 3, 5: 2}
    assert spells["deepest"].to_dict() == {3: 7, 5: 4}
