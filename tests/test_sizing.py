from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketpulse.costs import Costs
from marketpulse.ledger import fold
from marketpulse.orders import buy
from marketpulse.sizing import affordable, share_of_equity, volatility_scaled
from tests.books import carried_out, deposit, terms

FREE = Costs(0)
THOUSAND = Decimal(1000)


def test_a_share_of_equity_counts_what_is_held_as_well():
    assert share_of_equity(0.1, Decimal(5000), THOUSAND, FREE) == 500


def test_the_wilder_the_market_the_smaller_the_amount():
    # 1 % of 5,000 are 50: what 2 % of 2,500 are, and 5 % of 1,000
    for move, amount in ((0.02, 2_500), (0.05, 1_000)):
        assert volatility_scaled(0.01, move, Decimal(5000), Decimal(5000), FREE) == amount


def test_where_nothing_is_expected_to_move_all_the_cash_is_spent():
    for move in (0.0, 1e-300):
        assert volatility_scaled(0.01, move, Decimal(5000), THOUSAND, FREE) == THOUSAND


def test_a_size_beyond_the_cash_is_clipped_to_what_is_left_after_the_fee():
    # 909.17356123 and 9.99 % of it are 1,000, but for the last place
    costs = Costs(999, half_spread_bps=50)
    most = affordable(THOUSAND, costs)
    assert most == Decimal("909.17356123")
    assert share_of_equity(1, THOUSAND, THOUSAND, costs) == most
    assert volatility_scaled(1, 0.01, THOUSAND, THOUSAND, costs) == most


def test_without_cash_nothing_is_bought():
    for cash in (Decimal(0), Decimal("-1")):
        assert share_of_equity(1, THOUSAND, cash, FREE) == 0
        assert volatility_scaled(1, 0, THOUSAND, cash, FREE) == 0


@pytest.mark.parametrize("figure", [-0.1, float("nan"), float("inf")])
def test_an_impossible_size_is_a_programmers_mistake(figure):
    with pytest.raises(ValueError, match="share"):
        share_of_equity(figure, THOUSAND, THOUSAND, FREE)
    with pytest.raises(ValueError, match="risk"):
        volatility_scaled(figure, 0.1, THOUSAND, THOUSAND, FREE)
    with pytest.raises(ValueError, match="move"):
        volatility_scaled(0.1, figure, THOUSAND, THOUSAND, FREE)


@settings(deadline=None)
@given(
    st.decimals("1", "1000000", places=8),
    st.integers(0, 99_999).map(lambda number: number / 1000),
    st.decimals("0.01", "90000", places=2),
    st.floats(0, 100),
)
def test_all_the_cash_can_always_be_spent_and_hardly_more(cash, fee_bps, price, slip):
    costs = Costs(fee_bps, half_spread_bps=slip, impact_bps=slip)
    amount = affordable(cash, costs)
    _, after = carried_out(fold([deposit(cash)]), buy(amount, **terms(seen=price, costs=costs)))
    assert after.cash >= 0
    assert (amount + Decimal("1e-8")) * (1 + Decimal(str(fee_bps)) / 10_000) > cash
