import math
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketpulse.curves import equity_curve
from marketpulse.errors import NotEnoughCandles
from marketpulse.ledger import Ledger, fold
from marketpulse.performance import curve_figures, summary, turnover
from tests.trading import MINUTE, closes, deposit, fill, round_trips


def test_a_summary_holds_the_figures_of_the_book():
    events = [deposit(), fill("buy", 5, 100, 2, fee=2), fill("sell", 2, 110, 3, fee=1)]
    found = summary(fold(events), closes(80, 100, 110, 120))
    # cash 1000 - 502 + 219 = 717, and 3 at 120; sold 2 for 20 more than paid; bars 2 to 4 held
    assert (found.deposits, found.equity, found.fees) == (1000, 1077, 3)
    assert (found.realised, found.unrealised) == (17, 60)
    assert found.total_return == pytest.approx(0.077)
    assert found.buy_and_hold_return == pytest.approx(0.5)
    assert found.curve.max_drawdown == pytest.approx(-0.002)
    assert found.curve.max_drawdown_amount == pytest.approx(2)
    assert found.curve.longest_drawdown == 2 * MINUTE
    assert found.curve.exposure == 0.75
    assert (found.trade_count, found.trips.count, found.trips.open) == (2, 1, 1)
    assert found.trips.win_rate == 1
    # 720 traded on equities of 1000, 998, 1047 and 1077
    assert found.turnover == pytest.approx(720 / 1030.5)


def test_a_book_older_than_the_candles_is_not_compared_with_holding_since_their_first():
    early = [deposit(minute=-90), fill("buy", 10, 100, -80), fill("sell", 10, 150, -70)]
    prices = closes(100, 100, 100, 100)
    found = summary(fold([*early, fill("buy", 5, 100, 2)]), prices)
    assert (found.since, found.total_return) == (prices.index[0], 0.5)
    assert found.buy_and_hold_return is None
    assert (found.curve.sharpe, found.curve.exposure) == (None, 0.75)
    # 500 traded since on an equity of 1500
    assert found.turnover == pytest.approx(1 / 3)
    assert summary(fold([deposit(), fill("buy", 5, 100, 2)]), prices).since is None


def test_buying_and_holding_is_charged_for_its_purchase_if_asked():
    found = summary(fold([deposit()]), closes(100, 110), hold_cost=0.1)
    assert found.buy_and_hold_return == pytest.approx(0)


def test_a_year_is_365_days_of_minutes():
    # Returns of +1 % and -1 % in turn: the mean is 0.1 %, the deviation about 1 %.
    prices = 100 * np.cumprod([1 + 0.001 + 0.01 * (-1) ** bar for bar in range(500)])
    curve = equity_curve([deposit(), fill("buy", 10, 100, 1)], closes(*prices))
    found = curve_figures(curve)
    assert (found.bars, found.bars_per_year) == (500, 525_600)
    assert found.sharpe == pytest.approx(0.1 * math.sqrt(525_600), rel=0.01)
    assert found.annual_volatility == pytest.approx(0.01 * math.sqrt(525_600), rel=0.01)
    # Half of the bars fell short by 0.9 %.
    shortfall = 0.009 / math.sqrt(2)
    assert found.sortino == pytest.approx(0.001 / shortfall * math.sqrt(525_600), rel=0.01)
    assert found.sharpe_error == pytest.approx(math.sqrt(1.005 / 500 * 525_600), rel=0.01)


def test_less_than_a_day_makes_no_year():
    held = [deposit(), fill("buy", 10, 100, 1)]
    prices = np.linspace(100, 101, 1440)
    prices[700] = 99
    assert curve_figures(equity_curve(held, closes(*prices[:-1]))).annual_return is None
    found = curve_figures(equity_curve(held, closes(*prices)))
    assert found.annual_return == pytest.approx(1.01**365 - 1)
    assert found.calmar == pytest.approx(found.annual_return / -found.max_drawdown)


def test_the_figures_begin_with_the_first_deposit():
    early = curve_figures(equity_curve([deposit(minute=3)], closes(100, 100, 100, 110)))
    assert early.bars == 2


def test_an_empty_book_has_no_figures():
    found = summary(Ledger(), closes(100, 100))
    assert (found.equity, found.realised, found.fees, found.trade_count) == (0, 0, 0, 0)
    assert found.total_return is found.buy_and_hold_return is found.turnover is None
    assert found.curve.sharpe is found.curve.annual_volatility is found.curve.annual_return is None
    assert (found.curve.max_drawdown, found.curve.longest_drawdown) == (0, None)
    assert found.trips.win_rate is found.trips.profit_factor is None


def test_a_book_that_never_traded_has_returned_nothing():
    found = summary(fold([deposit()]), closes(100, 110))
    assert (found.total_return, found.turnover, found.curve.annual_volatility) == (0, 0, 0)
    assert found.curve.sharpe is found.curve.sortino is None


def test_one_close_has_no_deviation_and_no_year():
    found = summary(round_trips(5), closes(100, first=10))
    assert found.total_return == pytest.approx(0.005)
    assert found.curve.bars_per_year is found.curve.sharpe is found.curve.annual_volatility is None


def test_turnover_of_a_book_without_equity_is_none():
    assert turnover(round_trips(1).fills, 0) is None
    assert turnover(round_trips(0).fills, 1000) == pytest.approx(0.2)


def test_a_summary_without_a_close_has_too_little_to_go_by():
    with pytest.raises(NotEnoughCandles):
        summary(fold([deposit()]), closes())


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 5), st.integers(50, 150)), max_size=8),
    st.lists(st.integers(50, 150), min_size=1, max_size=12),
)
def test_a_summary_is_never_nan_and_its_equity_is_that_of_the_ledger(requests, prices):
    events = [deposit(100_000)]
    for number, (quantity, price) in enumerate(requests):
        size = events[-1].quantity if number % 2 else quantity
        events.append(fill("sell" if number % 2 else "buy", size, price, number / 100, fee=1))
    found = summary(fold(events), closes(*prices))
    last = equity_curve(events, closes(*prices))["equity"].iloc[-1]
    assert Decimal(last) == found.equity
    assert found.realised + found.unrealised == found.equity - found.deposits
    assert found.curve.max_drawdown <= 0
    numbers = [getattr(part, name) for part in (found, found.curve, found.trips)
               for name in part.__slots__]  # fmt: skip
    assert not any(isinstance(number, float) and not math.isfinite(number) for number in numbers)
    assert not any(number is pd.NaT for number in numbers)
