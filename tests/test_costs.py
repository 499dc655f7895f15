import math
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketpulse.costs import DEFAULT_FEES, FEES, Costs, Fees, fees_of, taker_fee_bps

# A busy machine is no failure.
unhurried = settings(deadline=None)


def test_a_listed_venue_has_its_own_fees():
    assert fees_of("coinbase") == Fees(maker_bps=60, taker_bps=120)
    assert fees_of("okx") == Fees(maker_bps=10, taker_bps=15)
    assert taker_fee_bps("binance") == 10
    assert taker_fee_bps("kraken") == 40


def test_every_venue_asks_no_more_of_a_maker_than_of_a_taker():
    assert all(0 <= fees.maker_bps <= fees.taker_bps for fees in FEES.values())


def test_the_preset_without_fees_is_free():
    assert fees_of("zero") == Fees(0, 0)


def test_an_unlisted_venue_has_the_default_fees():
    assert fees_of("sample") == DEFAULT_FEES
    assert taker_fee_bps("sample") == 40


def test_the_fee_table_cannot_be_changed():
    with pytest.raises(TypeError):
        FEES["kraken"] = Fees(0, 0)  # type: ignore[index]


def test_fees_are_given_in_basis_points_and_used_as_fractions():
    assert Costs(40).fee_rate == 0.004


def test_a_fee_alone_is_all_that_a_trade_costs():
    assert Costs(40) == Costs(40, half_spread_bps=0, impact_bps=0, latency_s=0)
    assert Costs(40).slippage(share=4) == 0


def test_a_fee_of_a_tenth_asks_a_ninth_of_the_price_on_the_way_out():
    # Just under the bound of 1000: sold at 10/9 of the price, nine tenths are the price again.
    assert Costs(999.999999).exit() == pytest.approx(1 / 9)


def test_a_round_trip_of_a_tenth_asks_two_ninths_of_the_price():
    assert Costs(999.999999).round_trip() == pytest.approx(2 / 9)


def test_half_a_spread_asks_of_the_price_as_much_as_a_fee_does():
    assert Costs(0, half_spread_bps=999.999999).round_trip() == pytest.approx(2 / 9)


def test_nothing_to_pay_asks_nothing_of_the_price():
    assert (Costs(0).exit(), Costs(0).round_trip()) == (0, 0)


def test_four_times_the_order_moves_its_price_twice_as_far():
    costs = Costs(0, half_spread_bps=1, impact_bps=8)
    assert costs.slippage() == pytest.approx(1e-4)
    assert costs.slippage(0.25) == pytest.approx(5e-4)
    assert costs.slippage(1) == pytest.approx(9e-4)
    assert costs.slippage(4) == pytest.approx(17e-4)


def test_an_order_whose_sale_would_bring_nothing_never_breaks_even():
    costs = Costs(10, impact_bps=5_000)
    assert costs.exit(share=4) == costs.round_trip(share=4) == math.inf


@pytest.mark.parametrize(
    ("name", "bound"),
    [("fee_bps", 1_000), ("half_spread_bps", 1_000), ("impact_bps", 10_000), ("latency_s", 3_600)],
)
@pytest.mark.parametrize("value", [-0.01, None, math.nan, math.inf, -math.inf])
def test_an_impossible_cost_is_refused_by_its_name(name, bound, value):
    with pytest.raises(ValueError, match=name):
        Costs(**{"fee_bps": 0.0, name: bound if value is None else value})


costs = st.builds(
    Costs,
    st.floats(0, 999),
    half_spread_bps=st.floats(0, 999),
    impact_bps=st.floats(0, 999),
)
shares = st.floats(0, 4)


def leg(costs, share):
    """What a leg pays on top of, or gets short of, the reference price: exact fractions."""
    return Fraction(costs.slippage(share)), Fraction(costs.fee_bps) / 10_000


@unhurried
@given(costs, shares)
def test_at_the_break_even_price_a_round_trip_returns_exactly_what_it_took(costs, share):
    slip, fee = leg(costs, share)
    paid = (1 + slip) * (1 + fee)
    returned = (1 + Fraction(costs.round_trip(share))) * (1 - slip) * (1 - fee)
    assert float(returned) == pytest.approx(float(paid), rel=1e-14)


@unhurried
@given(costs, shares)
def test_the_exit_price_pays_for_selling_and_no_more(costs, share):
    slip, fee = leg(costs, share)
    returned = (1 + Fraction(costs.exit(share))) * (1 - slip) * (1 - fee)
    assert float(returned) == pytest.approx(1, rel=1e-14)
