from functools import partial
from threading import Barrier, Thread
from time import sleep

import pytest
from marketpulse.journal import Journal

from marketpulse.errors import InsufficientCash
from marketpulse.events import Rejection
from marketpulse.ledger import fold
from tests.books import BTC, NOON, deposit, fill


def test_a_journal_keeps_events_in_order_and_their_fold():
    journal = Journal([deposit()])
    after = journal.record(fill("buy", 1, 100))
    assert after == journal.ledger == fold([deposit(), fill("buy", 1, 100)])
    assert journal.entries == (deposit(), fill("buy", 1, 100))
    assert journal.sequence == 2


def test_an_order_is_priced_on_the_ledger_as_it_is():
    journal = Journal([deposit(), fill("buy", 1, 100)])

    def all_of_it(ledger):
        return fill("sell", ledger.positions[BTC].quantity, 110, id="order")

    journal.place(all_of_it, id="order", time=NOON)
    assert journal.ledger.positions == {}


def test_a_known_id_is_neither_priced_nor_charged_again():
    journal = Journal([deposit()])
    calls = []

    def order(ledger):
        calls.append(ledger)
        return fill("buy", "0.002", 50_000, id="order")

    first = journal.place(order, id="order", time=NOON)
    assert journal.place(order, id="order", time=NOON) is first
    assert len(calls) == 1


def test_a_refused_order_stays_in_the_journal_and_moves_no_money():
    journal = Journal([deposit("100")])
    before = journal.ledger
    dear = fill("buy", "0.004", 50_000, "0.8", id="order")
    after = journal.place(lambda _: dear, id="order", time=NOON)
    assert after is before
    entry = journal.entry("order")
    assert isinstance(entry, Rejection)
    assert (entry.id, entry.time) == ("order", NOON)
    assert entry.sentence.startswith("Buying 0.004 BTC costs 200.80 USD")
    assert journal.sequence == 2


def test_a_refused_order_that_comes_again_stays_refused():
    journal = Journal([deposit("100")])
    journal.record(fill("buy", 1, 200))
    journal.record(deposit("1000", id="more"))
    assert journal.record(fill("buy", 1, 200)).positions == {}


def test_an_id_that_never_came_has_no_entry():
    assert Journal().entry("order") is None


def test_an_order_that_fails_otherwise_leaves_its_id_free():
    journal = Journal([deposit()])
    with pytest.raises(ZeroDivisionError):
        journal.place(lambda _: 1 / 0, id="order", time=NOON)
    assert journal.record(fill("buy", 1, 100, id="order")).cash == 9900


def test_an_order_must_return_the_event_that_it_was_placed_as():
    with pytest.raises(ValueError, match="with the id 'fill'"):
        Journal([deposit()]).place(lambda _: fill("buy", 1, 1), id="order", time=NOON)


def test_a_journal_read_back_is_the_same_book():
    journal = Journal([deposit("100"), fill("buy", 1, 10)])
    journal.record(fill("buy", 1, 200, id="refused"))
    again = Journal(journal.entries)
    assert (again.ledger, again.entries) == (journal.ledger, journal.entries)


def test_of_two_entries_with_one_id_a_journal_keeps_the_first():
    assert Journal([deposit("100"), deposit("900")]).entries == (deposit("100"),)


def test_an_impossible_history_is_no_journal():
    with pytest.raises(InsufficientCash):
        Journal([fill("buy", 1, 100)])


def test_two_threads_with_the_same_ids_trade_each_once():
    journal, start = Journal([deposit("300")]), Barrier(2)

    def one_dollar(_, id):
        sleep(1e-5)  # the other thread gets its chance between the look at the cash and the fill
        return fill("buy", 1, 1, id=id)

    def hammer(numbers):
        start.wait()
        for id in map(str, numbers):
            journal.place(partial(one_dollar, id=id), id=id, time=NOON)

    orders = [range(500), range(499, -1, -1)]
    threads = [Thread(target=hammer, args=(numbers,)) for numbers in orders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert journal.ledger.cash == 0
    assert journal.ledger.positions[BTC].quantity == 300
    assert journal.sequence == 501
    assert sum(isinstance(entry, Rejection) for entry in journal.entries) == 200
    assert fold(journal.ledger.events) == journal.ledger
