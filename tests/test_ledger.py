import copy
import pickle
from decimal import ROUND_DOWN, Decimal, getcontext, localcontext
from fractions import Fraction
from itertools import pairwise
from time import perf_counter

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from marketpulse.journal import Journal

from marketpulse.errors import InsufficientCash, InsufficientPosition, InvalidOrder
from marketpulse.events import Deposit, Fill, Side
from marketpulse.ledger import (
    Ledger,
    Position,
    append,
    apply,
    equity,
    fold,
    unrealised,
)
from tests.books import BTC, GRID, NOON, book_of, deposit, fill


def realised_steps(ledgers):
    return [float(after.realised - before.realised) for before, after in pairwise(ledgers)]


# Known sequences ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("orders", "averages", "realised"),
    [
        # freqtrade c9ae5e1e, test_recalc_trade_from_orders_dca (first case)
        (
            [
                ("buy", 100, 10),
                ("buy", 100, 15),
                ("sell", 50, 12),
                ("sell", 100, 20),
                ("sell", 50, 5),
            ],
            [10, 12.5, 12.5, 12.5, 0],
            [0, 0, -25, 750, -375],
        ),
        # the same test, a book that buys again in between
        (
            [
                ("buy", 100, 8),
                ("buy", 100, 9),
                ("sell", 100, 10),
                ("buy", 150, 11),
                ("sell", 100, 12),
                ("sell", 150, 14),
            ],
            [8, 8.5, 8.5, 10, 10, 0],
            [0, 0, 150, 0, 200, 600],
        ),
    ],
)
def test_a_sale_is_measured_against_the_average_cost(orders, averages, realised):
    ledgers = book_of(orders)
    positions = [ledger.positions.get(BTC, Position()) for ledger in ledgers[1:]]
    assert [float(position.average_cost) for position in positions] == averages
    assert realised_steps(ledgers) == realised


@pytest.mark.parametrize(
    ("lots", "sold", "average", "left"),
    [
        # beancount a3cb3fd9, booking_full_test AVERAGE merge2 and merge3
        ([(60, 100), (40, 110)], 20, 104, 80),
        ([(50, 100), (50, 101), (50, 102)], 49, 101, 101),
    ],
)
def test_what_is_left_keeps_the_average_cost(lots, sold, average, left):
    orders = [("buy", *lot) for lot in lots] + [("sell", sold, 90)]
    position = book_of(orders)[-1].positions[BTC]
    assert (position.quantity, position.average_cost) == (left, average)


def test_the_average_cost_leaves_the_fees_out():
    # freqtrade c9ae5e1e, test_recalc_trade_from_orders: 340.00 for 375, and 0.85 of fees
    ledger = book_of([("buy", 100, 1), ("buy", 125, 0.9), ("buy", 150, 0.85)], rate="0.0025")[-1]
    assert ledger.positions[BTC] == Position(Decimal(375), Decimal(340))
    assert float(ledger.positions[BTC].average_cost) == pytest.approx(0.9066666666666666)
    assert ledger.fees == Decimal("0.85")
    assert ledger.deposits - ledger.cash == Decimal("340.85")


def test_a_fee_is_realised_when_it_is_paid():
    # nautilus_trader a95c8042, test_position_realized_pnl_with_interleaved_order_sides
    orders = [
        ("buy", 12, 10000),
        ("buy", 17, 9999),
        ("sell", 9, 10001),
        ("buy", 3, 10003),
        ("sell", 4, 10005),
    ]
    ledgers = book_of(orders, rate="0.001")
    expected = [-120, -289.983, -365.71613793, -395.72513793, -415.27137481]
    assert [float(ledger.realised) for ledger in ledgers[1:]] == pytest.approx(expected, abs=1e-7)
    position = ledgers[-1].positions[BTC]
    assert position.quantity == 19
    assert float(position.average_cost) == pytest.approx(9999.88155922039, abs=1e-7)


def test_both_fees_come_off_a_round_trip():
    # nautilus_trader a95c8042, test_position_multiple_cycles_pnl_tracking: 10 - 1.4 - 1.4
    orders = [fill("buy", 100000, 0.7, "1.4", "a"), fill("sell", 100000, 0.7001, "1.4", "b")]
    assert fold([deposit("80000"), *orders]).realised == Decimal("7.2")


def test_a_position_bought_in_long_decimals_closes_without_dust():
    # freqtrade c9ae5e1e, test_recalc_trade_from_orders_kucoin (issue 9346)
    quantities = ["11511963.8634448908", "11750101.7743937783", "23262065.6378386617"]
    first, second, out = (Decimal(text).quantize(GRID, ROUND_DOWN) for text in quantities)
    orders = [("buy", first, "0.000029901"), ("buy", second, "0.000029295")]
    ledger = book_of([*orders, ("sell", out, "0.000029822")], rate="0.001")[-1]
    assert ledger.positions == {}
    assert float(ledger.realised) == pytest.approx(3.90069871, abs=1e-6)


def test_a_long_only_book_refuses_the_fill_that_would_go_short():
    # nautilus_trader a95c8042, test_position_invariants_across_fills, up to its fifth fill
    orders = [
        ("buy", 100000, 1.0),
        ("sell", 30000, 1.001),
        ("buy", 50000, 1.002),
        ("sell", 120000, 1.003),
    ]
    ledgers = book_of(orders)
    held = [ledger.positions.get(BTC, Position()).quantity for ledger in ledgers[1:]]
    assert held == [100000, 70000, 120000, 0]
    with pytest.raises(InsufficientPosition):
        apply(ledgers[-1], fill("sell", 20000, 1.004, id="fifth"))


def test_selling_more_than_is_held_is_refused_whole():
    # beancount a3cb3fd9, test_ambiguous__FIFO__test_matching_more_than_is_available: 16 of 15
    ledger = book_of([("buy", 5, 111.11), ("buy", 4, 100), ("buy", 6, 122.22)])[-1]
    with pytest.raises(InsufficientPosition):
        apply(ledger, fill("sell", 16, 100, id="too much"))
    assert ledger.positions[BTC].quantity == 15


def test_the_same_fill_twice_is_one_fill():
    # nautilus_trader a95c8042, test_position_filled_with_duplicate_trade_id_and_same_trade
    once = apply(fold([deposit()]), fill("buy", 4, 1, id="T-1"))
    assert apply(once, fill("buy", 4, 1, id="T-1")) is once


@pytest.mark.parametrize(
    ("orders", "cash", "stakes", "start"),
    # freqtrade c9ae5e1e, test_get_starting_balance: start = free + open stakes - closed profit
    [
        ([("buy", 1, 100), ("sell", 1, 110), ("buy", 1, 100)], 910, 100, 1000),
        ([("buy", 1, 100), ("sell", 1, 30)], 1930, 0, 2000),
    ],
)
def test_deposits_are_cash_and_cost_less_what_was_realised(orders, cash, stakes, start):
    ledger = book_of(orders, cash=str(start))[-1]
    held = sum(position.cost for position in ledger.positions.values())
    assert (ledger.cash, held) == (cash, stakes)
    assert ledger.cash + held - ledger.realised == start


# Rounding ----------------------------------------------------------------------------------------


def test_a_product_of_small_decimals_is_exact():
    # freqtrade c9ae5e1e, test_FtPrecise: 0.000001123 * 0.00000002 has 14 decimal places
    assert fill("buy", "0.00000002", "0.000001123").notional == 0
    assert fill("buy", "1123", "0.00000002").notional == Decimal("0.00002246")


def test_the_callers_decimal_context_changes_nothing():
    orders = [("buy", "1.23456789", "64321.87"), ("sell", "0.33333333", "65432.1")]
    expected = book_of(orders)[-1]
    events = expected.events
    with localcontext() as context:
        context.prec = 4
        again = fold(events)
        assert again == expected
        assert equity(again, {BTC: 60_000}) == equity(expected, {BTC: 60_000})
    assert getcontext().prec == 28


# Refusals ----------------------------------------------------------------------------------------

IMPOSSIBLE = ["0", "-1", "NaN", "sNaN", "Infinity", "-Infinity", "1e15", "1e1000000"]


@pytest.mark.parametrize("amount", [*IMPOSSIBLE, "0.000000001"])
def test_an_impossible_deposit_is_refused(amount):
    with pytest.raises(InvalidOrder, match="deposit"):
        apply(Ledger(), deposit(amount))


@pytest.mark.parametrize("value", IMPOSSIBLE)
@pytest.mark.parametrize("field", ["quantity", "price"])
def test_a_fill_with_an_impossible_figure_is_refused(field, value):
    with pytest.raises(InvalidOrder, match=field):
        apply(fold([deposit()]), fill("buy", **{"quantity": "1", "price": "1", field: value}))


@pytest.mark.parametrize("fee", ["-1", "NaN", "sNaN", "Infinity", "1e15", "0.000000001"])
def test_a_fill_with_an_impossible_fee_is_refused(fee):
    with pytest.raises(InvalidOrder, match="fee"):
        apply(fold([deposit()]), fill("buy", 1, 1, fee))


def test_a_buy_that_rounds_to_no_money_is_refused():
    with pytest.raises(InvalidOrder, match="no tradable amount"):
        apply(fold([deposit()]), fill("buy", GRID, "0.01"))


def test_a_fill_worth_more_than_can_be_counted_is_refused():
    with pytest.raises(InvalidOrder, match="no tradable amount"):
        apply(fold([deposit()]), fill("sell", "1e9", "1e9"))


def test_a_time_without_a_zone_is_a_programmers_mistake():
    with pytest.raises(ValueError, match="time zone"):
        deposit(time=pd.Timestamp("2026-01-02"))
    with pytest.raises(ValueError, match="time zone"):
        fill("buy", 1, 1, time=pd.NaT)


def test_a_shortage_below_a_cent_does_not_read_as_enough():
    with pytest.raises(InsufficientCash, match=r"costs 1,000\.01 USD .* cash is 1,000\.00 USD"):
        apply(fold([deposit("1000.006")]), fill("buy", 1, "1000.00600001"))


def test_amounts_below_one_are_shown_to_their_last_place():
    with pytest.raises(InsufficientCash, match=r"1 ETH costs 0\.03 BTC .* cash is 0\.02999999 BTC"):
        apply(fold([deposit("0.02999999")]), fill("buy", 1, "0.03", symbol="ETH/BTC"))


def test_a_sale_whose_fee_is_more_than_it_brings_and_there_is_is_refused():
    ledger = fold([deposit("1"), fill("buy", 1, 1, id="in")])
    with pytest.raises(InsufficientCash):
        apply(ledger, fill("sell", 1, 1, "1.5", id="out"))


def test_a_refused_event_leaves_the_ledger_as_it_was():
    ledger = book_of([("buy", 1, 100)])[-1]
    before = pickle.dumps(ledger)
    with pytest.raises(InsufficientPosition):
        apply(ledger, fill("sell", 2, 100, id="refused"))
    assert pickle.dumps(ledger) == before


# The ledger as a value ---------------------------------------------------------------------------


def test_a_position_that_is_sold_out_is_held_no_more():
    assert book_of([("buy", 1, 100), ("sell", 1, 90)])[-1].positions == {}


def test_positions_cannot_be_changed_in_place():
    with pytest.raises(TypeError):
        book_of([("buy", 1, 100)])[-1].positions[BTC] = Position()


def test_symbols_are_held_apart():
    ledger = fold(
        [deposit(), fill("buy", 1, 100, id="a"), fill("buy", 2, 10, id="b", symbol="ETH/USD")]
    )
    assert ledger.cash == 9880
    assert equity(ledger, {BTC: 110, "ETH/USD": 11}) == 9880 + 110 + 22
    assert unrealised(ledger, {BTC: 110, "ETH/USD": 11}) == 12


def test_equity_without_a_mark_for_what_is_held_is_a_programmers_mistake():
    with pytest.raises(KeyError):
        equity(book_of([("buy", 1, 100)])[-1], {})


@pytest.mark.parametrize("mark", [0, -1, float("nan"), float("inf")])
def test_equity_at_an_impossible_mark_is_refused(mark):
    with pytest.raises(InvalidOrder, match="price of BTC/USD"):
        equity(book_of([("buy", 1, 100)])[-1], {BTC: mark})


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda book: pickle.loads(pickle.dumps(book))])
def test_a_copied_ledger_is_the_same_ledger(copied):
    ledger = book_of([("buy", 1, 100), ("sell", "0.5", 90)])[-1]
    assert copied(ledger) == ledger


def test_ten_thousand_events_fold_within_two_seconds():
    events = [deposit()] + [
        fill("sell" if number % 2 else "buy", "0.1", 100 + number % 7, "0.01", id=str(number))
        for number in range(10_000)
    ]
    started = perf_counter()
    assert len(fold(events).fills) == 10_000
    assert perf_counter() - started < 2


# Any history, against a second book kept in fractions --------------------------------------------

# A busy machine is no failure.
unhurried = settings(deadline=None)

quantities = st.decimals("0.00000001", "3", places=8)
prices = st.decimals("0.01", "5000", places=2) | st.decimals("0.000001", "2", places=9)
fees = st.decimals("0", "5", places=8)
symbols = st.sampled_from([BTC, "ETH/USD"])
requests = st.lists(
    st.one_of(
        st.decimals("0.01", "5000", places=2),
        st.tuples(st.sampled_from(Side), symbols, quantities, prices, fees),
    ),
    max_size=30,
)


def events_of(requests):
    """Requests as events with the ids 0, 1, 2, ..."""
    return [
        Fill(str(n), NOON, request[1], request[0], *request[2:], "")
        if isinstance(request, tuple)
        else Deposit(str(n), NOON, request)
        for n, request in enumerate(requests)
    ]


def accepted(events):
    """What a book with some cash takes of the events, in order."""
    journal = Journal([deposit("20000")])
    for event in events:
        journal.record(event)
    return list(journal.ledger.events)


def to_grid(value):
    """A fraction at 8 decimal places, a half going to the even one: Python's own rounding."""
    return Fraction(round(value * 10**8), 10**8)


def naive(events):
    """Deposits, cash, fees and held quantities, each as a plain sum of fractions."""
    fills = [event for event in events if isinstance(event, Fill)]
    deposits = sum(Fraction(e.amount) for e in events if isinstance(e, Deposit))
    fees = sum(Fraction(f.fee) for f in fills)
    sign = {Side.BUY: 1, Side.SELL: -1}
    spent = sum(sign[f.side] * to_grid(Fraction(f.quantity) * Fraction(f.price)) for f in fills)
    held = {
        symbol: sum(sign[f.side] * Fraction(f.quantity) for f in fills if f.symbol == symbol)
        for symbol in sorted({f.symbol for f in fills})
    }
    return deposits, deposits - spent - fees, fees, held


@unhurried
@given(requests)
def test_cash_is_deposits_less_buys_plus_sells_less_fees_exactly(requests):
    events = accepted(events_of(requests))
    ledger = fold(events)
    deposits, cash, fees, held = naive(events)
    assert Fraction(ledger.deposits) == deposits
    assert Fraction(ledger.cash) == cash >= 0
    assert Fraction(ledger.fees) == fees
    assert {s: Fraction(p.quantity) for s, p in ledger.positions.items()} == {
        symbol: quantity for symbol, quantity in held.items() if quantity
    }
    assert all(position.quantity > 0 for position in ledger.positions.values())


@unhurried
@given(requests, prices, prices)
def test_realised_and_unrealised_are_what_equity_has_gained_on_the_deposits(requests, btc, eth):
    events = accepted(events_of(requests))
    ledger, marks = fold(events), {BTC: btc, "ETH/USD": eth}
    deposits, cash, _, held = naive(events)
    worth = cash + sum(quantity * Fraction(marks[symbol]) for symbol, quantity in held.items())
    assert Fraction(equity(ledger, marks)) == worth
    gained = Fraction(ledger.realised) + Fraction(unrealised(ledger, marks))
    assert gained == worth - deposits


@unhurried
@given(requests)
def test_realised_profit_is_that_of_average_cost_kept_in_fractions(requests):
    events = accepted(events_of(requests))
    held, cost, realised = {}, {}, Fraction(0)
    for f in (event for event in events if isinstance(event, Fill)):
        quantity, worth = Fraction(f.quantity), Fraction(f.quantity) * Fraction(f.price)
        before, paid = held.get(f.symbol, Fraction(0)), cost.get(f.symbol, Fraction(0))
        released = paid * quantity / before if f.side is Side.SELL else -worth
        held[f.symbol] = before + (quantity if f.side is Side.BUY else -quantity)
        cost[f.symbol] = paid - released
        realised += (worth - released if f.side is Side.SELL else 0) - Fraction(f.fee)
    # Each fill rounds its notional and the cost that it releases by half a unit of the 8th place.
    assert abs(Fraction(fold(events).realised) - realised) <= Fraction(2 * len(events), 10**8)


@unhurried
@given(requests, st.integers(0, 30))
def test_a_fold_in_two_parts_is_the_fold_of_the_whole(requests, cut):
    events = accepted(events_of(requests))
    assert fold(events[cut:], fold(events[:cut])) == fold(events)


@unhurried
@given(requests, st.randoms(use_true_random=False))
def test_events_that_come_again_later_count_once(requests, random):
    events = accepted(events_of(requests))
    repeated = list(events)
    for event in random.sample(events, len(events) // 2):
        repeated.insert(random.randint(repeated.index(event) + 1, len(repeated)), event)
    assert fold(repeated) == fold(events)


def test_an_event_that_is_known_to_be_new_is_appended_without_a_look_at_the_ids():
    start = fold([deposit()])
    assert append(start, fill("buy", 1, 100)) == apply(start, fill("buy", 1, 100))
    assert append(start, deposit()).deposits == 20_000
