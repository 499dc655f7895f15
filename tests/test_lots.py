from decimal import Decimal

import pandas as pd
import pytest

from marketpulse.errors import InsufficientPosition
from tests.books import BTC, NOON, fill
from tests.lots import Lot, first_out, held_lots


def lot(quantity, price, day):
    return Lot(Decimal(quantity), Decimal(price), NOON + pd.Timedelta(days=day))


def test_the_oldest_lot_goes_first_in_whatever_order_they_come():
    taken, left = first_out([lot(2, 20, 2), lot(1, 10, 1)], Decimal("1.5"))
    assert taken == (lot(1, 10, 1), lot("0.5", 20, 2))
    assert left == (lot("1.5", 20, 2),)


def test_a_sale_of_nothing_takes_nothing():
    assert first_out([lot(1, 10, 1)], Decimal(0)) == ((), (lot(1, 10, 1),))


def test_a_sale_of_more_than_there_is_says_what_is_missing():
    with pytest.raises(InsufficientPosition, match=r"0\.5 short"):
        first_out([lot(1, 10, 1)], Decimal("1.5"))


def test_what_is_held_was_bought_last():
    day = pd.Timedelta(days=1)
    fills = [
        fill("buy", 3, 10, id="a"),
        fill("buy", 9, 99, id="other", symbol="ETH/USD"),
        fill("sell", 2, 50, id="b", time=NOON + day),
        fill("buy", 1, 20, id="c", time=NOON + 2 * day),
    ]
    assert held_lots(fills, BTC) == (lot(1, 10, 0), lot(1, 20, 2))
    assert held_lots(fills, "SOL/USD") == ()
