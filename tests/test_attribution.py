from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketpulse.attribution import Split, by_origin, split, split_of
from marketpulse.errors import InvalidOrder
from marketpulse.ledger import Ledger, equity, fold
from tests.trading import BTC, deposit, fill, priced, round_trips


def parts(found):
    names = ("price_move", "spread", "impact", "latency", "fees")
    return {name: float(getattr(found, name)) for name in names if getattr(found, name)}


def test_every_part_of_a_purchase_is_told_apart():
    # Ordered at 100, priced at 101, filled at 104, fee 5; now it stands at 110.
    bought = priced("buy", 2, 1, seen=100, reference=101, spread=1, impact=2, fee=5)
    found = split_of(bought, 110)
    expected = {"price_move": 20, "spread": -2, "impact": -4, "latency": -2, "fees": -5}
    assert parts(found) == expected
    assert found.total == 7 == 2 * (110 - 104) - 5


def test_every_part_of_a_sale_is_told_apart():
    # Ordered at 100, priced at 101, filled at 98, fee 5; now it stands at 90.
    sold = priced("sell", 2, 1, seen=100, reference=101, spread=1, impact=2, fee=5)
    found = split_of(sold, 90)
    expected = {"price_move": 20, "spread": -2, "impact": -4, "latency": 2, "fees": -5}
    assert parts(found) == expected
    assert found.total == 11 == 2 * (98 - 90) - 5


def test_a_fill_without_a_receipt_has_no_costs_but_its_fee():
    assert parts(split_of(fill("buy", 1, 100, 1, fee=2), 103)) == {"price_move": 3, "fees": -2}


def test_a_closed_round_trip_has_made_the_same_at_any_price():
    ledger = round_trips(7, -3)
    assert split(ledger, {BTC: 1}) == split(ledger, {BTC: 1000}) == Split(Decimal(4))


def test_the_origins_are_told_apart_and_are_both_there():
    events = [
        deposit(),
        fill("buy", 1, 100, 1),
        fill("buy", 2, 110, 2, fee=1, origin="auto-pilot"),
    ]
    found = by_origin(fold(events), {BTC: 120})
    assert parts(found["manual"]) == {"price_move": 20}
    assert parts(found["auto-pilot"]) == {"price_move": 20, "fees": -1}
    assert by_origin(Ledger(), {}) == {"manual": Split(), "auto-pilot": Split()}


def test_a_sale_of_what_the_other_bought_counts_from_the_sale_on():
    # Bought by hand at 100, sold by the auto-pilot at 120, now at 90: 30 were saved by selling.
    events = [deposit(), fill("buy", 1, 100, 1), fill("sell", 1, 120, 2, origin="auto-pilot")]
    found = by_origin(fold(events), {BTC: 90})
    assert (found["manual"].total, found["auto-pilot"].total) == (-10, 30)


def test_a_half_of_the_last_place_is_not_lost():
    # What is worth 1.5e-8 costs 2e-8, because cash has 8 places.
    ledger = fold([deposit(1), fill("buy", "3e-8", "0.5", 1)])
    worth = equity(ledger, {BTC: Decimal("0.5")})
    assert split(ledger, {BTC: Decimal("0.5")}).total == worth - 1 == Decimal("-5e-9")


def test_an_impossible_price_is_refused():
    with pytest.raises(InvalidOrder, match="price of BTC/USD"):
        split(round_trips(1), {BTC: float("nan")})


amounts = st.decimals(min_value="0.0001", max_value="90", places=8)
steps = st.decimals(min_value="0", max_value="3", places=12)
orders = st.tuples(
    st.booleans(),
    amounts,
    amounts,
    st.tuples(steps, steps),
    st.sampled_from(["manual", "auto-pilot"]),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(orders, max_size=12), amounts)
def test_the_parts_and_the_origins_add_up_exactly_to_the_books_profit(requests, mark):
    events, held = [deposit(1_000_000)], Decimal(0)
    for minute, (sells, size, price, (spread, impact), origin) in enumerate(requests):
        side = "sell" if sells and held else "buy"
        size = min(size, held) if side == "sell" else size
        held += size if side == "buy" else -size
        made = priced(
            side, size, minute, seen=price, reference=price + 7, spread=spread, impact=impact,
            fee=round(spread, 8), origin=origin,
        )  # fmt: skip
        events.append(made)
    ledger = fold(events)
    profit = equity(ledger, {BTC: mark}) - ledger.deposits
    assert split(ledger, {BTC: mark}).total == profit
    assert sum(found.total for found in by_origin(ledger, {BTC: mark}).values()) == profit
    assert -split(ledger, {BTC: mark}).fees == ledger.fees
