from decimal import ROUND_HALF_EVEN, ROUND_UP, Decimal, localcontext

import pytest

from marketpulse.errors import InvalidOrder
from marketpulse.money import (
    PLACES,
    PRICE_PLACES,
    not_negative,
    on_grid,
    positive,
    to_price,
    to_step,
)

IMPOSSIBLE = ["-1", "NaN", "sNaN", "Infinity", "-Infinity", "1e15", "1e1000000"]


def test_a_value_is_cut_to_whole_steps_towards_zero():
    assert to_step("1.999999999") == Decimal("1.99999999")
    assert to_step(Decimal("-1.999999999")) == Decimal("-1.99999999")
    assert to_step(7.4, 0.5) == Decimal("7.0")
    assert to_step(7.4, 0.5, ROUND_HALF_EVEN) == Decimal("7.5")
    assert to_step(7.1, 0.5, ROUND_UP) == Decimal("7.5")


def test_a_step_is_the_decimal_that_it_prints():
    # In floats 0.3 is no whole number of tenths.
    assert to_step(0.3, 0.1) == Decimal("0.3")


def test_the_callers_context_changes_nothing():
    with localcontext() as context:
        context.prec = 4
        assert to_step(123456.78912345678) == Decimal("123456.78912345")


def test_a_price_is_the_nearest_one_at_12_places():
    assert to_price(0.1) == Decimal("0.1")
    assert to_price(1.2345678901234567e-5) == Decimal("0.000012345679")
    with pytest.raises(InvalidOrder, match="price"):
        to_price(4e-13)


@pytest.mark.parametrize("number", ["0", *IMPOSSIBLE])
def test_what_is_no_amount_is_refused_by_its_name(number):
    with pytest.raises(InvalidOrder, match="The stake must be above 0"):
        positive("stake", Decimal(number))


@pytest.mark.parametrize("number", IMPOSSIBLE)
def test_nothing_may_be_paid_but_no_impossible_fee(number):
    assert not_negative("fee", Decimal(0)) == 0
    with pytest.raises(InvalidOrder, match="fee"):
        not_negative("fee", Decimal(number))


def test_what_is_finer_than_the_grid_is_refused():
    assert on_grid("fee", Decimal("1.50000000000")) == Decimal("1.5")
    with pytest.raises(InvalidOrder, match="at most 8 decimal places, not 1e-9"):
        on_grid("fee", Decimal("1e-9"), PLACES)
    with pytest.raises(InvalidOrder, match="at most 12 decimal places"):
        on_grid("price", Decimal("1.0000000000001"), PRICE_PLACES)
