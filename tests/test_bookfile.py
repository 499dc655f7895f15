import csv
import io
import json
from decimal import Decimal

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketpulse.bookfile import LARGEST, MOST_EVENTS, exported, imported, trades_csv
from marketpulse.errors import ImportRefused, LedgerError
from marketpulse.events import Armed, Disarmed, Missed
from marketpulse.ledger import Ledger, apply, fold
from tests.books import BTC, NOON, carried_out, deposit, fill, ordered
from tests.hostile_imports import HOSTILE, SOURCE, good, history, many_deposits, of, sealed

MARKET = {"source": SOURCE, "symbol": BTC}


def test_a_book_comes_back_as_it_was():
    book = imported(good())
    assert book.ledger == fold(history())
    assert (book.source, book.symbol, book.events) == (SOURCE, BTC, tuple(history()))


def test_a_book_that_comes_back_goes_out_as_the_same_bytes():
    assert exported(imported(good()).events, **MARKET) == good()


def test_a_file_says_what_it_is_and_not_whose():
    file = json.loads(good())
    assert list(file) == ["checksum", "events", "format", "source", "symbol", "version"]
    assert (file["format"], file["version"]) == ("Market Pulse book", 1)
    assert good().isascii()
    assert good().endswith(b"}\n")


def test_a_preview_tells_what_the_book_is_worth():
    ledger = imported(good()).ledger
    assert ledger.deposits == 10_000
    assert len(ledger.fills) == 2
    assert ledger.positions[BTC].quantity == sum(fill.quantity for fill in ledger.fills)


def test_spaces_and_the_order_of_keys_do_not_matter():
    file = json.loads(good())
    shuffled = json.dumps(dict(reversed(file.items())), indent=4).encode()
    assert imported(shuffled) == imported(good())


def test_a_file_of_the_largest_size_and_number_is_a_book():
    content = of(*many_deposits(MOST_EVENTS))
    assert len(content) < LARGEST
    assert imported(content.ljust(LARGEST)).ledger.cash == MOST_EVENTS


def test_sixty_hostile_files_are_at_hand():
    assert len(HOSTILE) >= 60
    assert len({content for content, _ in HOSTILE.values()}) == len(HOSTILE)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_in_a_sentence(name):
    content, said = HOSTILE[name]
    with pytest.raises(ImportRefused) as caught:
        imported(content)
    sentence = str(caught.value)
    assert said in sentence
    assert sentence.endswith(".")
    assert sentence.isprintable()
    assert len(sentence) < 300


def test_the_way_a_hostile_file_is_made_makes_good_ones_too():
    assert imported(sealed(json.loads(good()))) == imported(good())


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_a_file_with_any_byte_changed_is_the_same_book_or_none(data):
    content = bytearray(good())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] = data.draw(st.integers(0, 255))
    try:
        book = imported(bytes(content))
    except ImportRefused:
        return
    # What the checksum does not cover is the market's name, and spaces.
    assert book.events == tuple(history())


@st.composite
def books(draw):
    """Events of a book that took whatever it could carry of some random deeds."""
    ledger = fold([deposit(id="opening")])
    for number in range(draw(st.integers(0, 12))):
        id, kind = str(number), draw(st.sampled_from(["buy", "sell", "deposit", "pilot", "order"]))
        figure = Decimal(draw(st.integers(1, 10**12))).scaleb(-draw(st.integers(0, 8)))
        order = ordered(kind if kind in ("buy", "sell") else "buy", id=id, amount=figure)
        try:
            if kind == "deposit":
                ledger = apply(ledger, deposit(figure, id=id))
            elif kind == "pilot":
                on = ledger.armed is None
                event = Armed(id, NOON, (("a", "\u00e9"),)) if on else Disarmed(id, NOON, "off")
                ledger = apply(ledger, event)
            elif kind == "order":
                ledger = apply(ledger, order)
            else:
                answer, after = carried_out(ledger, order, price=draw(st.integers(1, 10**6)))
                ledger = after if after.events[-1] == answer else ledger
        except LedgerError:
            continue
    return ledger


@given(books())
@settings(max_examples=100, deadline=None)
def test_every_book_comes_back_to_the_last_bit(ledger):
    content = exported(ledger.events, **MARKET)
    again = imported(content)
    assert again.ledger == ledger
    assert exported(again.events, **MARKET) == content


# The table ----------------------------------------------------------------------------------------


def rows(fills):
    return list(csv.DictReader(io.StringIO(trades_csv(fills))))


def test_a_trade_is_a_row_with_its_receipt():
    order = ordered("buy", amount=1000, id="a")
    trade, _ = carried_out(fold([deposit()]), order, price="50000.25")
    [row] = rows([trade])
    assert row == {
        "time": "2026-01-02T12:00:00+00:00",
        "side": "buy",
        "symbol": BTC,
        "quantity": "0.01999990",
        "price": f"{trade.price:f}",
        "fee": f"{trade.fee:f}",
        "cash_flow": f"{trade.cash_flow:f}",
        "origin": "manual",
        "reason": "by hand",
        "id": "a/fill",
        "order": "a",
        "seen": "50000",
        "reference": f"{trade.receipt.reference:f}",
        "reference_time": "2026-01-02T12:00:00+00:00",
        "spread": f"{trade.receipt.spread:f}",
        "impact": f"{trade.receipt.impact:f}",
        "delay_s": "0.0",
        "venue": "bitstamp",
    }
    assert row["cash_flow"].startswith("-")


def test_a_trade_without_a_receipt_has_empty_cells():
    [row] = rows([fill("buy", 1, 100)])
    assert (row["price"], row["seen"], row["venue"]) == ("100", "", "")


def test_no_trades_are_a_row_of_names():
    assert trades_csv([]).count("\n") == 1


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_becomes_a_formula(start):
    trade = fill("buy", 1, 100, id=f'{start}HYPERLINK("http://127.0.0.1","x")')
    [row] = rows([trade])
    assert row["id"] == f"'{trade.id}"


def test_small_numbers_are_written_out():
    [row] = rows([fill("buy", "0.00000001", "0.000000000001")])
    assert (row["quantity"], row["price"]) == ("0.00000001", "0.000000000001")


def test_events_that_are_no_trades_travel_too():
    slept = Missed("slept", NOON, NOON - pd.Timedelta(minutes=5), NOON, 6)
    assert imported(of(deposit(), slept)).events[-1] == slept
    assert isinstance(imported(of(deposit())).ledger, Ledger)
