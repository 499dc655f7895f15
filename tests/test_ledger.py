import copy
import pickle
from contextlib import suppress
from dataclasses import replace
from decimal import getcontext, localcontext
from fractions import Fraction
from time import perf_counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketpulse.errors import InsufficientCash, InsufficientPosition, InvalidOrder, LedgerError
from marketpulse.events import Armed, Deposit, Disarmed, Fill, Missed, Rejection, Side
from marketpulse.ledger import (
    Ledger,
    Position,
    append,
    apply,
    equity,
    fold,
    unrealised,
)
from tests.books import BTC, GRID, NOON, book_of, carried_out, deposit, fill, ordered


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


# Orders and the auto-pilot ------------------------------------------------------------------------


def test_an_order_waits_until_it_is_filled_or_rejected_and_moves_nothing():
    first, second = ordered("buy", amount=10, id="a"), ordered("buy", amount=20, id="b")
    waiting = fold([deposit(), first, second])
    assert list(waiting.pending.items()) == [("a", first), ("b", second)]
    assert waiting.cash == 10_000
    _, after = carried_out(waiting, first)
    assert list(after.pending) == ["b"]
    assert fold([Rejection("b/rejected", NOON, "b", "No.")], after).pending == {}
    assert list(waiting.pending) == ["a", "b"]


def test_a_filled_order_is_not_filled_again_under_another_id():
    answer, after = carried_out(fold([deposit()]), ordered("buy", amount=10))
    with pytest.raises(InvalidOrder, match="does not wait"):
        apply(after, replace(answer, id="again"))


def test_a_rejection_of_an_order_that_never_came_changes_nothing():
    before = fold([deposit()])
    after = apply(before, Rejection("x/rejected", NOON, "x", "No such price."))
    assert (after.cash, after.pending, len(after.events)) == (before.cash, {}, 2)


def test_what_waits_cannot_be_changed_in_place():
    with pytest.raises(TypeError):
        fold([ordered("buy", amount=1)]).pending["order"] = None


def test_the_auto_pilot_is_armed_with_the_last_settings_until_it_is_disarmed():
    first, second = (Armed(id, NOON, (("ticket", id),)) for id in "12")
    ledger = fold([first, second])
    assert ledger.armed == second
    missed = apply(ledger, Missed("3", NOON, NOON, NOON, 1))
    assert missed.armed == second
    off = apply(missed, Disarmed("4", NOON, "Switched off."))
    assert off.armed is None
    assert apply(off, Disarmed("5", NOON, "Again.")).armed is None


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
    ledger = fold([deposit("20000")])
    for event in events:
        with suppress(LedgerError):
            ledger = append(ledger, event)
    return list(ledger.events)


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
