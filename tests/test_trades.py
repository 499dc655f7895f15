import math

import pytest

from marketpulse.ledger import Ledger, fold
from marketpulse.trades import TripFigures, trades, trip_figures, trips
from tests.trading import BTC, MINUTE, NOON, deposit, fill, priced, round_trips

ETH = "ETH/USD"


def figures(ledger, price=100):
    return trip_figures(trips(ledger, {BTC: price, ETH: price}))


# Round trips --------------------------------------------------------------------------------------


def test_a_round_trip_is_known_by_its_times_its_cost_and_its_profit():
    events = [deposit(), fill("buy", 2, 100, 1, fee=1), fill("sell", 2, 110, 3, fee=2)]
    (trip,) = trips(fold(events), {})
    assert (trip.symbol, trip.opened, trip.closed) == (BTC, NOON + MINUTE, NOON + 3 * MINUTE)
    assert (trip.paid, trip.profit) == (201, 17)
    assert trip.profit_ratio == pytest.approx(17 / 201)


def test_an_open_position_counts_at_market_after_the_fees_that_it_has_paid():
    ledger = fold([deposit(), fill("buy", 2, 100, 1, fee=1), fill("sell", 1, 104, 2, fee=1)])
    (trip,) = trips(ledger, {BTC: 99})
    assert (trip.closed, trip.profit) == (None, 4 - 1 - 2)


def test_what_was_bought_and_sold_in_pieces_is_one_trip():
    events = [deposit(), fill("buy", 1, 100, 1), fill("buy", 1, 80, 2)]
    events += [fill("sell", 1, 85, 3), fill("sell", 1, 100, 4)]
    (trip,) = trips(fold(events), {})
    assert (trip.paid, trip.profit) == (180, 5)


def test_trips_of_two_symbols_are_told_apart():
    events = [deposit(), fill("buy", 1, 100, 1), fill("buy", 1, 10, 2, symbol=ETH)]
    events += [fill("sell", 1, 90, 3), fill("sell", 1, 11, 4, symbol=ETH)]
    assert [(trip.symbol, trip.profit) for trip in trips(fold(events), {})] == [
        (BTC, -10),
        (ETH, 1),
    ]


def test_the_profits_of_the_trips_are_the_profit_of_the_book():
    ledger = fold([*round_trips(5, -3).events, fill("buy", 2, 100, 9, fee=1)])
    assert [trip.profit for trip in trips(ledger, {BTC: 104})] == [5, -3, 7]


def test_the_figures_of_known_trips():
    # nautilus_trader a95c8042, tests/unit_tests/analysis/test_statistics_win_rate.py
    found = figures(round_trips(2, 2, 1, -1, -2))
    assert (found.count, found.open, found.win_rate) == (5, 0, 0.6)
    assert found.average_winner == pytest.approx(5 / 3)
    assert (found.average_loser, found.expectancy) == (-1.5, pytest.approx(0.4))
    assert found.profit_factor == pytest.approx(5 / 3)


def test_a_gain_below_its_fees_is_no_win():
    events = [deposit(), fill("buy", 1, 100, 1, fee=1), fill("sell", 1, 102, 2, fee=1)]
    assert figures(fold(events)).win_rate == 0
    events[2] = fill("sell", 1, 102.01, 2, fee=1)
    assert figures(fold(events)).win_rate == 1


def test_an_open_winner_is_a_win():
    ledger = fold([*round_trips(-1).events, fill("buy", 1, 100, 5)])
    found = figures(ledger, 101)
    assert (found.count, found.open, found.win_rate) == (2, 1, 0.5)


def test_a_book_without_trades_has_no_figures():
    assert figures(Ledger()) == TripFigures(0, 0, None, None, None, None, None, None)


def test_one_winner_has_no_loser_to_be_set_against():
    assert figures(round_trips(3)) == TripFigures(1, 0, 1.0, 3.0, None, 3.0, None, None)


# The table ----------------------------------------------------------------------------------------


def test_every_fill_is_a_row_with_its_receipt_and_what_it_realised():
    bought = priced("buy", 2, 1, seen=100, reference=101, spread=1, impact=2, fee=1)
    events = [deposit(), bought, fill("sell", 1, 110, 2, fee=0.5, origin="auto-pilot")]
    first, second = trades(fold(events)).to_dict("records")
    assert first == {
        "time": NOON + MINUTE,
        "symbol": BTC,
        "side": "buy",
        "quantity": 2,
        "price": 104,
        "notional": 208,
        "fee": 1,
        "realised": -1,
        "origin": "manual",
        "delay": 2,
        "spread_cost": 2,
        "impact_cost": 4,
        "latency_cost": 2,
        "reason": "by hand",
    }
    assert (second["origin"], second["realised"]) == ("auto-pilot", 5.5)
    assert math.isnan(second["delay"])
    assert math.isnan(second["spread_cost"])


def test_a_price_that_moved_the_right_way_while_waiting_brought_money():
    sold = priced("sell", 1, 2, seen=100, reference=103)
    table = trades(fold([deposit(), fill("buy", 1, 100, 1), sold]))
    assert table["latency_cost"].iloc[1] == -3


def test_the_rows_add_up_to_the_ledgers_realised_profit():
    ledger = round_trips(5, -3, 0.25)
    assert trades(ledger)["realised"].sum() == float(ledger.realised) == 2.25


def test_a_table_of_no_trades_has_the_columns_of_any_other():
    empty, one = trades(Ledger()), trades(fold([deposit(), fill("buy", 1, 100, 1)]))
    assert empty.empty
    assert empty.dtypes.equals(one.dtypes)
