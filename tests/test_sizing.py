from decimal import Decimal

import pytest

from marketpulse.sizing import order_size


@pytest.mark.parametrize(
    ("asked", "smallest", "available", "largest", "expected"),
    [
        # freqtrade c9ae5e1e, tests/test_wallets.py, test_validate_stake_amount
        (1000, 11, 500, 10_000, 500),
        (700, 11, 1000, 400, 400),
        (1, 15, 10, 10_000, 0),
        (20, 50, 100, 10_000, 0),
        # and by hand
        (22, 11, 50, 10_000, 22),
        (20, 15, 10, 10_000, 0),
        (9, 11, 100, 10_000, 11),
        (10, 13, 100, 10_000, 13),
        (10, 13.01, 100, 10_000, 0),
        (10, 0, 0, 10_000, 0),
        (0, 0, 100, 10_000, 0),
        (-5, 0, 100, 10_000, 0),
    ],
)
def test_an_order_is_as_large_as_it_may_be(asked, smallest, available, largest, expected):
    asked, smallest, available, largest = (
        Decimal(str(number)) for number in (asked, smallest, available, largest)
    )
    found = order_size(asked, available=available, largest=largest, smallest=smallest)
    assert found == Decimal(str(expected))


def test_without_a_smallest_size_any_amount_may_be_ordered():
    assert order_size(Decimal("0.01"), available=Decimal(1), largest=Decimal(1)) == Decimal("0.01")
