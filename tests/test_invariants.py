"""The invariants hold over random lives, and each of them is broken by what it forbids."""

from dataclasses import replace
from decimal import Decimal
from types import MappingProxyType

import pandas as pd
import pytest

from marketpulse import journal_rows
from marketpulse.events import Side
from marketpulse.ledger import Ledger, Position, fold
from tests import invariants
from tests.books import BTC, NOON, carried_out, deposit, fill, ordered
from tests.build import candles
from tests.invariants import Tally
from tests.oracle import Book
from tests.sequences import lived

STEP = Decimal("1e-8")
MARKS = {BTC: Decimal(110)}


@pytest.mark.parametrize("seed", range(12))
def test_random_lives_agree_with_the_oracle_and_keep_all_invariants(seed):
    life = lived(seed, 40)
    assert life.differences == 0
    assert life.fills >= 40
    checked = {f"I{number}" for number in range(1, 13)}
    assert set(life.tally.checked) == checked - ({"I10"} if len(life.symbols) > 1 else set())


def test_every_kind_of_event_and_of_refusal_occurs():
    lives = [lived(seed, 100, written=False) for seed in range(6)]
    kinds = {type(event).__name__ for life in lives for event in life.ledger.events}
    assert kinds == {"Deposit", "Order", "Fill", "Rejection", "Armed", "Disarmed", "Missed"}
    assert min(sum(life.refused for life in lives), sum(life.rejected for life in lives)) > 5
    assert {len(life.symbols) for life in lives} == {1, 2}


# What breaks them ---------------------------------------------------------------------------------


def told():
    """A book of two fills, and its plain sums."""
    events = [deposit(), fill("buy", 2, 100, "1", "a"), fill("sell", 1, 120, "1", "b")]
    tally = Tally()
    for event in events:
        tally.take(event)
    return fold(events), tally


def test_a_sound_book_breaks_nothing():
    ledger, tally = told()
    tally.check_money(ledger, MARKS)


@pytest.mark.parametrize(
    ("changes", "broken"),
    [
        ({"realised": Decimal("19.99999999")}, "I2"),
        ({"deposits": Decimal("10000.00000001")}, "I2"),
        # Cash and deposits alike: equity and profit still agree with each other.
        ({"cash": Decimal(9919), "deposits": Decimal(10001)}, "I3"),
        ({"positions": {BTC: Position(Decimal("1.1"), Decimal(100))}}, "I4"),
        ({"fees": Decimal("2.00000001")}, "I5"),
    ],
)
def test_a_figure_that_is_off_by_the_last_place_is_found(changes, broken):
    ledger, tally = told()
    with pytest.raises(AssertionError, match=broken):
        tally.check_money(replace(ledger, **changes), MARKS)


def test_an_equity_that_is_not_the_sum_of_its_parts_is_found(monkeypatch):
    ledger, tally = told()
    monkeypatch.setattr(invariants, "equity", lambda *_: Decimal(1))
    with pytest.raises(AssertionError, match="I1"):
        tally.check_money(ledger, MARKS)


def test_a_state_that_is_not_the_fold_of_its_events_is_found():
    ledger, tally = told()
    for wrong in (
        replace(ledger, cash=ledger.cash + STEP),
        replace(ledger, cash=Decimal(f"{ledger.cash}0")),  # equal, but not to the bit
        replace(ledger, pending=MappingProxyType({"x": ordered("buy", amount=1)})),
    ):
        with pytest.raises(AssertionError, match="I6"):
            tally.check_replay(wrong)
        with pytest.raises(AssertionError, match="I7"):
            tally.check_parts(wrong, 1)


def test_an_event_that_counts_twice_is_found():
    ledger, tally = told()
    with pytest.raises(AssertionError, match="I8"):
        tally.check_repeat(ledger, deposit(id="another"))


def test_a_chain_that_does_not_feel_a_change_is_found(monkeypatch):
    ledger, tally = told()
    tally.check_chain(ledger, 1)

    def deaf(head, *_):
        return journal_rows.Head(head.sequence + 1, "0" * 64)

    monkeypatch.setattr(journal_rows, "_next", deaf)
    with pytest.raises(AssertionError, match="I9"):
        tally.check_chain(ledger, 1)


def test_a_file_that_comes_back_otherwise_is_found(monkeypatch):
    ledger, tally = told()
    tally.check_file(ledger, BTC)
    once = invariants.exported(ledger.events, source="auto", symbol=BTC)
    exports = iter((once, once + b" "))
    monkeypatch.setattr(invariants, "exported", lambda *_, **__: next(exports))
    with pytest.raises(AssertionError, match="I10"):
        tally.check_file(ledger, BTC)


def test_a_price_that_is_not_its_receipts_is_found():
    order = ordered("buy", amount=100, seen=100)
    sound, _ = carried_out(fold([deposit()]), order)
    Tally().check_price(sound, order)
    receipt = sound.receipt
    early = replace(receipt, reference_time=NOON - pd.Timedelta(1, "us"))
    for wrong in (
        replace(sound, price=sound.price + Decimal("1e-12")),
        replace(sound, receipt=replace(receipt, spread=Decimal("0.01"))),
        replace(sound, receipt=early),
        replace(sound, receipt=replace(receipt, delay=pd.Timedelta(1, "us"))),
        replace(sound, side=Side.SELL, receipt=replace(receipt, spread=Decimal("-0.01"))),
    ):
        with pytest.raises(AssertionError, match="I11"):
            Tally().check_price(wrong, order)


def test_a_price_outside_its_candle_is_found():
    order = ordered("buy", amount=100, seen=100)
    sound, _ = carried_out(fold([deposit()]), order)
    Tally().check_price(sound, order, candles([100, 101], start=NOON))
    with pytest.raises(AssertionError, match="I11"):
        Tally().check_price(sound, order, candles([101, 102], start=NOON))
    with pytest.raises(AssertionError, match="I11"):
        Tally().check_price(sound, order, candles([100], start=NOON - pd.Timedelta(hours=1)))


def test_a_round_trip_that_loses_more_than_its_costs_is_found(monkeypatch):
    flat, order = fold([deposit()]), ordered("buy", amount=1)
    Tally().check_round_trip(flat, order, Decimal(100), 1.0)
    honest = invariants.filled

    def dearer(*what):
        sold = honest(*what)
        if sold.side == Side.BUY:
            return sold
        less = replace(sold.receipt, reference=sold.receipt.reference - STEP)
        return replace(sold, price=sold.price - STEP, receipt=less)

    monkeypatch.setattr(invariants, "filled", dearer)
    with pytest.raises(AssertionError, match="I12"):
        Tally().check_round_trip(flat, order, Decimal(100), 1.0)


def test_the_oracle_names_every_figure_in_which_a_book_is_off():
    ledger, _ = told()
    book = Book()
    for event in ledger.events:
        assert book.take(event)
    assert book.differences(ledger) == []
    wrong = Ledger(
        cash=ledger.cash + STEP,
        deposits=ledger.deposits - STEP,
        positions={BTC: Position(Decimal(1), Decimal("100.00000001"))},
        realised=Decimal(0),
        fees=Decimal(3),
        events=ledger.events,
        pending={"x": ordered("buy", amount=1)},
    )
    assert sorted(book.differences(wrong)) == [
        "BTC/USD cost",
        "cash",
        "deposits",
        "fees",
        "pending",
        "realised",
    ]


def test_the_oracle_refuses_what_no_book_can_carry():
    book = Book()
    assert book.take(deposit("100"))
    for bad in (
        fill("buy", 2, 100),
        fill("sell", 1, 1),
        fill("buy", "0.000000001", 1),
        fill("buy", 1, 1, "-1"),
        fill("buy", STEP, "0.01"),
        fill("sell", "1e15", 1),
    ):
        assert not book.take(bad)
    assert (book.cash, book.held) == (100 * 10**8, {})
