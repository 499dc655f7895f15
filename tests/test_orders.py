from decimal import Decimal

import pytest

from marketpulse.costs import Costs
from marketpulse.errors import InvalidOrder
from marketpulse.events import Order, Side
from marketpulse.orders import buy, sell, sell_all
from tests.books import BTC, NOON, terms


def test_an_order_says_all_that_it_is_to_be_filled_with():
    costs = Costs(40, half_spread_bps=1, latency_s=0.5)
    asked = buy(100, **terms(id="a", seen=50_000.5, costs=costs, reason="because"))
    assert asked == Order(
        id="a",
        time=NOON,
        symbol=BTC,
        side=Side.BUY,
        amount=Decimal(100),
        quantity=None,
        kind="market",
        origin="manual",
        reason="because",
        seen=Decimal("50000.5"),
        costs=costs,
    )


def test_a_sale_of_everything_names_neither_amount_nor_quantity():
    everything, some = sell_all(**terms()), sell(100, **terms())
    assert (everything.side, everything.amount, everything.quantity) == (Side.SELL, None, None)
    assert (some.side, some.amount, some.quantity) == (Side.SELL, 100, None)


def test_a_float_counts_as_the_decimal_that_it_prints():
    assert buy(0.1, **terms()).amount == Decimal("0.1")


def test_a_price_seen_is_kept_to_the_12th_place():
    assert buy(1, **terms(seen=1.2345678901234567e-5)).seen == Decimal("0.000012345679")


@pytest.mark.parametrize("figure", [0, -1, float("nan"), float("inf"), 1e15, Decimal("1e1000000")])
def test_an_order_with_an_impossible_figure_is_refused(figure):
    for order in (buy, sell):
        with pytest.raises(InvalidOrder, match="amount"):
            order(figure, **terms())
    with pytest.raises(InvalidOrder, match="price"):
        sell_all(**terms(seen=figure))


def test_a_price_below_the_12th_place_is_none():
    with pytest.raises(InvalidOrder, match="price"):
        buy(1, **terms(seen=1e-13))
