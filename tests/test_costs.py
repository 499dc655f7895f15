from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketpulse.costs import DEFAULT_TAKER_FEE_BPS, TAKER_FEE_BPS, Costs, taker_fee_bps


def test_a_listed_venue_has_its_own_taker_fee():
    assert taker_fee_bps("coinbase") == 120
    assert taker_fee_bps("binance") == 10
    assert taker_fee_bps("kraken") == 40


def test_an_unlisted_venue_has_the_default_taker_fee():
    assert taker_fee_bps("sample") == DEFAULT_TAKER_FEE_BPS == 40


def test_the_fee_table_cannot_be_changed():
    with pytest.raises(TypeError):
        TAKER_FEE_BPS["kraken"] = 0.0  # type: ignore[index]


def test_fees_are_given_in_basis_points_and_used_as_fractions():
    assert Costs(40).fee_rate == 0.004


def test_a_fee_of_a_tenth_asks_a_ninth_of_the_price_on_the_way_out():
    # Just under the bound of 1000: sold at 10/9 of the price, nine tenths are the price again.
    assert Costs(999.999999).exit == pytest.approx(1 / 9)


def test_a_round_trip_of_a_tenth_asks_two_ninths_of_the_price():
    assert Costs(999.999999).round_trip == pytest.approx(2 / 9)


def test_no_fee_asks_nothing_of_the_price():
    assert (Costs(0).exit, Costs(0).round_trip) == (0, 0)


@pytest.mark.parametrize("fee_bps", [-0.01, 1000, float("nan"), float("inf"), float("-inf")])
def test_an_impossible_fee_is_refused(fee_bps):
    with pytest.raises(ValueError, match="fee_bps"):
        Costs(fee_bps)


@settings(deadline=None)
@given(st.floats(0, 999))
def test_at_the_break_even_price_a_round_trip_returns_exactly_what_it_took(fee_bps):
    fee = Fraction(fee_bps) / 10_000
    paid = 1 + fee
    returned = (1 + Fraction(Costs(fee_bps).round_trip)) * (1 - fee)
    assert float(returned) == pytest.approx(float(paid), rel=1e-14)


@settings(deadline=None)
@given(st.floats(0, 999))
def test_the_exit_price_pays_the_fee_of_selling_and_no_more(fee_bps):
    fee = Fraction(fee_bps) / 10_000
    assert float((1 + Fraction(Costs(fee_bps).exit)) * (1 - fee)) == pytest.approx(1, rel=1e-14)
