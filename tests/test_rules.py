from dataclasses import replace
from decimal import Decimal

import pandas as pd
import pytest

from marketpulse.costs import Costs
from marketpulse.errors import InvalidOrder
from marketpulse.ledger import apply, fold
from marketpulse.rules import due
from tests.books import NOON, carried_out, deposit, fill, ordered

STEP = Decimal("1e-12")


# Orders -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"side": "hold"}, "cannot hold"),
        ({"kind": "limit"}, "Only market orders"),
        ({"origin": "nobody"}, "manual or auto-pilot, not nobody"),
        ({"quantity": Decimal(1)}, "an amount or a quantity, not both"),
        ({"amount": None}, "A purchase needs an amount or a quantity"),
        ({"amount": Decimal(0)}, "amount must be above 0"),
        ({"amount": Decimal("1e-9")}, "amount must have at most 8 decimal places"),
        ({"amount": None, "quantity": Decimal("NaN")}, "quantity must be above 0"),
        ({"amount": None, "quantity": Decimal("1e-13")}, "at most 12 decimal places"),
        ({"seen": Decimal("-1")}, "price must be above 0"),
        ({"seen": STEP / 10}, "price must have at most 12 decimal places"),
    ],
)
def test_an_order_that_no_price_could_fill_is_refused(changes, said):
    with pytest.raises(InvalidOrder, match=said):
        apply(fold([deposit()]), replace(ordered("buy", amount=100), **changes))


def test_a_sale_may_name_nothing_and_a_quantity_may_be_finer_than_the_book():
    ledger = fold([ordered("sell", id="all"), ordered("buy", quantity="0.123456789", id="fine")])
    assert list(ledger.pending) == ["all", "fine"]


# Receipts -----------------------------------------------------------------------------------------


def sound(side="buy", costs=None):
    """A book with an order that waits, and the fill that answers it."""
    costs = costs or Costs(10, half_spread_bps=1, impact_bps=2, latency_s=0.5)
    order = ordered(side, quantity="0.5", seen=100, costs=costs)
    ledger = fold([deposit(), fill("buy", 1, 100, id="held"), order])
    answer, _ = carried_out(ledger, order, time=NOON + pd.Timedelta(seconds=1), volume=2.0)
    return ledger, answer


@pytest.mark.parametrize("side", ["buy", "sell"])
def test_a_receipt_must_add_up_to_the_last_place(side):
    ledger, answer = sound(side)
    assert apply(ledger, answer).pending == {}
    assert answer.receipt.spread == Decimal("0.01")
    assert answer.receipt.impact == Decimal("0.01")
    with pytest.raises(InvalidOrder, match="does not add up"):
        apply(ledger, replace(answer, price=answer.price + STEP))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"spread": Decimal("-0.01"), "impact": Decimal("0.03")}, "spread must be above 0"),
        ({"impact": Decimal("-0.01"), "spread": Decimal("0.03")}, "impact must be above 0"),
        ({"seen": Decimal(0)}, "price must be above 0"),
        ({"reference": Decimal("NaN")}, "price must be above 0"),
        ({"reference_time": NOON + pd.Timedelta(seconds=2)}, "older than its price"),
        ({"reference_time": NOON + pd.Timedelta(seconds=0.4)}, "before the order order was due"),
        ({"delay": pd.Timedelta(0)}, "delay on the receipt"),
    ],
)
def test_an_impossible_receipt_is_refused(changes, said):
    ledger, answer = sound()
    with pytest.raises(InvalidOrder, match=said):
        apply(ledger, replace(answer, receipt=replace(answer.receipt, **changes)))


# Answers ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"order": "another"}, "The order another does not wait"),
        ({"symbol": "ETH/USD"}, "no answer to the order"),
        ({"origin": "auto-pilot"}, "no answer to the order"),
        ({"quantity": Decimal("0.50000001")}, "more than the order order asks for"),
    ],
)
def test_a_fill_must_answer_an_order_that_waits(changes, said):
    ledger, answer = sound()
    with pytest.raises(InvalidOrder, match=said):
        apply(ledger, replace(answer, **changes))


def test_a_fill_may_not_spend_more_than_was_asked_for():
    order = ordered("buy", amount=100, seen=1)
    ledger = fold([deposit(), order])
    answer = fill("buy", 100, 1, id="order/fill", order="order")
    assert apply(ledger, answer).cash == 9900
    with pytest.raises(InvalidOrder, match="worth more than the order order asks for"):
        apply(ledger, replace(answer, quantity=Decimal("100.00000001")))


def test_a_fill_without_a_receipt_may_not_come_before_its_order_was_due_either():
    ledger, answer = sound()
    with pytest.raises(InvalidOrder, match="was due"):
        apply(ledger, replace(answer, receipt=None, time=NOON))


def test_the_latency_is_whole_microseconds_and_never_less_than_asked():
    for latency, micros in ((0.0, 0), (0.1, 100_000), (1e-9, 1), (0.0000015, 2)):
        order = ordered("buy", amount=1, costs=Costs(0, latency_s=latency))
        assert due(order) - NOON == pd.Timedelta(micros, "us")
