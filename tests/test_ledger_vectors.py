"""Figures from the tests of well-kept trading software, come out of this book as well.

Only facts are taken: inputs and results, each with where it stands. Commits: freqtrade
c9ae5e1e9ff2, nautilus_trader a95c8042b001, beancount a3cb3fd9f946.
"""

from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_UP, Decimal
from itertools import pairwise

import pandas as pd
import pytest

from marketpulse.costs import Costs
from marketpulse.errors import InsufficientPosition
from marketpulse.ledger import Position, apply, fold
from marketpulse.money import CONTEXT, PLACES, to_step
from tests.books import BTC, NOON, book_of, carried_out, deposit, fill, ordered
from tests.lots import Lot, first_out


def realised_steps(ledgers):
    return [float(after.realised - before.realised) for before, after in pairwise(ledgers)]


def invested(ledger):
    """What all purchases cost, fees included."""
    return -sum(f.cash_flow for f in ledger.fills if f.side == "buy")


# Average cost -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("orders", "averages", "realised", "ratio"),
    [
        # LED-01: freqtrade, tests/persistence/test_persistence.py,
        # test_recalc_trade_from_orders_dca. First in, first out would make +100 of the first sale.
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
            0.14,
        ),
        # LED-05: the same test, a book that buys again in between
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
            0.283582,
        ),
    ],
)
def test_a_sale_is_measured_against_the_average_cost(orders, averages, realised, ratio):
    ledgers = book_of(orders)
    positions = [ledger.positions.get(BTC, Position()) for ledger in ledgers[1:]]
    assert [float(position.average_cost) for position in positions] == averages
    assert realised_steps(ledgers) == realised
    assert float(ledgers[-1].realised / invested(ledgers[-1])) == pytest.approx(ratio, abs=1e-6)


def test_the_average_cost_leaves_the_fees_out():
    # LED-06: freqtrade, test_persistence.py, test_recalc_trade_from_orders
    ledger = book_of([("buy", 100, 1), ("buy", 125, 0.9), ("buy", 150, 0.85)], rate="0.0025")[-1]
    assert ledger.positions[BTC] == Position(Decimal(375), Decimal(340))
    assert float(ledger.positions[BTC].average_cost) == pytest.approx(0.9066666666666666, abs=1e-9)
    assert ledger.fees == Decimal("0.85")
    assert invested(ledger) == ledger.deposits - ledger.cash == Decimal("340.85")


DUST = [
    ("buy", "11511963.8634448908", "0.000029901"),
    ("buy", "11750101.7743937783", "0.000029295"),
    ("sell", "23262065.6378386617", "0.000029822"),
]


def test_an_exit_a_hair_below_the_holding_closes_the_position():
    # LED-07: freqtrade, test_persistence.py, test_recalc_trade_from_orders_kucoin (issue 9346).
    # In exact decimals 0.0000000074 is left over. The book has 8 places: each order is cut to
    # them when it is filled, so that less than one step is no residue, and can neither block the
    # position nor turn it around.
    first, second, out = (Decimal(quantity) for _, quantity, _ in DUST)
    assert 0 < first + second - out == Decimal("0.0000000074") < PLACES
    ledger = fold([deposit("100000")])
    for number, (side, quantity, price) in enumerate(DUST):
        order = ordered(side, quantity=quantity, id=str(number), seen=price, costs=Costs(10))
        _, ledger = carried_out(ledger, order)
    assert ledger.positions == {}
    assert float(ledger.realised) == pytest.approx(3.90069871, abs=1e-6)
    assert float(ledger.realised / invested(ledger)) == pytest.approx(0.00566035, abs=1e-6)


def test_a_fee_is_realised_when_it_is_paid():
    # LED-09: nautilus_trader, tests/unit_tests/model/test_position.py,
    # test_position_realized_pnl_with_interleaved_order_sides
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
    # LED-10: nautilus_trader, test_position.py, test_position_multiple_cycles_pnl_tracking, cycle 1
    orders = [fill("buy", 100000, 0.7, "1.4", "a"), fill("sell", 100000, 0.7001, "1.4", "b")]
    assert fold([deposit("80000"), *orders]).realised == Decimal("7.2")


# What the book refuses ----------------------------------------------------------------------------


def test_a_short_is_refused_whatever_it_would_have_made():
    # LED-12: the same test, cycle 3. The two fills would have brought 10.4.
    out, back = fill("sell", 200000, 0.70025, "2.8", "a"), fill("buy", 200000, 0.70017, "2.8", "b")
    assert out.cash_flow + back.cash_flow == Decimal("10.4")
    with pytest.raises(InsufficientPosition):
        apply(fold([deposit("200000")]), out)


def test_the_same_fill_twice_is_one_fill():
    # LED-13: nautilus_trader, test_position.py,
    # test_position_filled_with_duplicate_trade_id_and_same_trade
    once = apply(fold([deposit()]), fill("buy", 4, 1, id="T-1"))
    assert apply(once, fill("buy", 4, 1, id="T-1")) is once
    assert once.positions[BTC].quantity == 4


def test_a_long_only_book_refuses_the_fill_that_would_go_short_and_goes_on():
    # LED-16: nautilus_trader, test_position.py, test_position_invariants_across_fills
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
    sixth = apply(ledgers[-1], fill("buy", 40000, 1.005, id="sixth"))
    assert sixth.positions[BTC].quantity == 40000


# Lots ---------------------------------------------------------------------------------------------


def lots(*given):
    return [Lot(Decimal(q), Decimal(p), pd.Timestamp(day, tz="UTC")) for q, p, day in given]


OUT_OF_ORDER = lots(
    (5, "111.11", "2015-10-02"), (4, "100.00", "2015-10-01"), (6, "122.22", "2015-10-03")
)


def test_the_first_lots_go_first():
    # LED-17: beancount, beancount/parser/booking_full_test.py,
    # test_ambiguous__FIFO__test_partial_match_against_first_two_lots
    taken, left = first_out(OUT_OF_ORDER, Decimal(7))
    assert [(lot.quantity, lot.price) for lot in taken] == [
        (4, 100),
        (3, Decimal("111.11")),
    ]
    assert [(lot.quantity, lot.price) for lot in left] == [
        (2, Decimal("111.11")),
        (6, Decimal("122.22")),
    ]


def test_selling_more_than_is_held_is_refused_whole():
    # LED-19: beancount, booking_full_test.py,
    # test_ambiguous__FIFO__test_matching_more_than_is_available
    with pytest.raises(InsufficientPosition, match="not enough lots"):
        first_out(OUT_OF_ORDER, Decimal(16))
    ledger = book_of([("buy", 5, 111.11), ("buy", 4, 100), ("buy", 6, 122.22)])[-1]
    with pytest.raises(InsufficientPosition):
        apply(ledger, fill("sell", 16, 100, id="too much"))
    assert ledger.positions[BTC].quantity == 15


@pytest.mark.parametrize(
    ("bought", "sold", "average", "left"),
    [
        # LED-20, LED-21: beancount, booking_full_test.py,
        # test_ambiguous__AVERAGE__simple_merge2_match2_b and simple_merge3_match1
        ([(60, 100), (40, 110)], 20, 104, 80),
        ([(50, 100), (50, 101), (50, 102)], 49, 101, 101),
    ],
)
def test_what_is_left_keeps_the_average_cost(bought, sold, average, left):
    orders = [("buy", *lot) for lot in bought] + [("sell", sold, 90)]
    position = book_of(orders)[-1].positions[BTC]
    assert (position.quantity, position.average_cost) == (left, average)


# Decimals -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "step", "expected"),
    [
        # PRC-01 to PRC-05: freqtrade, tests/exchange/test_exchange_utils.py,
        # test_amount_to_precision; amounts are always cut down
        (2.34559, 1e-4, 2.3455),
        (2.9999, 1e-3, 2.999),
        (29991.5555, 1, 29991),
        (2.9999, 0.005, 2.995),
        (2.9909, 0.005, 2.99),
    ],
)
def test_an_amount_is_cut_down_to_whole_steps(value, step, expected):
    assert to_step(value, step) == Decimal(str(expected))


@pytest.mark.parametrize(
    ("value", "tick", "rounding", "expected"),
    [
        # PRC-07, PRC-09: freqtrade, test_exchange_utils.py, test_price_to_precision
        (234.43, 0.5, ROUND_DOWN, 234.0),
        (2.000000049, 1e-7, ROUND_HALF_EVEN, 2.0),
        # and the other way
        (234.43, 0.5, ROUND_UP, 234.5),
        (2.00000005, 1e-7, ROUND_UP, 2.0000001),
    ],
)
def test_a_price_is_rounded_to_whole_ticks(value, tick, rounding, expected):
    assert to_step(value, tick, rounding) == Decimal(str(expected))


def test_a_product_of_small_decimals_is_exact():
    # PRC-13: freqtrade, tests/util/test_ccxt_precise.py, test_FtPrecise
    product = CONTEXT.multiply(Decimal("-0.000001123"), Decimal("0.00000002"))
    assert product == Decimal("-0.00000000000002246")
    # In a book only the notional is cut, to 8 places.
    assert fill("buy", "0.00000002", "0.000001123").notional == 0
    assert fill("buy", "1123", "0.00000002", time=NOON).notional == Decimal("0.00002246")
