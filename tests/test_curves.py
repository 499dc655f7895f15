from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketpulse.costs import Costs
from marketpulse.curves import bar_returns, bars_per_year, before, equity_curve, exposure
from marketpulse.events import Deposit, Order, Rejection, Side
from marketpulse.ledger import equity, fold
from marketpulse.ratios import total_return
from tests.trading import BTC, MINUTE, NOON, closes, deposit, fill


def test_equity_is_cash_and_the_position_at_each_close():
    curve = equity_curve([deposit(), fill("buy", 2, 100, 1, fee=1)], closes(100, 110, 90))
    assert curve["cash"].tolist() == [799, 799, 799]
    assert curve["quantity"].tolist() == [2, 2, 2]
    assert curve["equity"].tolist() == [999, 1019, 979]


def test_the_curve_stands_at_the_times_of_the_closes():
    prices = closes(100, 110)
    curve = equity_curve([deposit()], prices)
    assert curve.index.equals(prices.index)
    columns = ["equity", "cash", "deposits", "drawdown", "quantity", "hold"]
    assert list(curve.columns) == columns


def test_a_fill_counts_from_the_first_close_that_is_not_before_it():
    curve = equity_curve([deposit(), fill("buy", 1, 100, 1.5)], closes(100, 100, 100))
    assert curve["quantity"].tolist() == [0, 1, 1]
    curve = equity_curve([deposit(), fill("buy", 1, 100, 2)], closes(100, 100, 100))
    assert curve["quantity"].tolist() == [0, 1, 1]


def test_events_may_come_in_any_order():
    events = [deposit(), fill("buy", 1, 100, 1), fill("sell", 1, 110, 2)]
    prices = closes(100, 110, 120)
    curve = equity_curve(events, prices)
    assert curve["equity"].tolist() == [1000, 1010, 1010]
    assert equity_curve(reversed(events), prices).equals(curve)


def test_what_happened_before_the_first_close_is_in_the_first_row():
    curve = equity_curve([deposit(minute=-60), fill("buy", 1, 100, -5)], closes(110))
    assert curve["equity"].tolist() == [1010]


def test_what_happened_after_the_last_close_is_not_in_the_curve():
    curve = equity_curve([deposit(), fill("buy", 1, 100, 5)], closes(100, 100))
    assert curve["quantity"].tolist() == [0, 0]


def test_a_loss_on_the_first_bar_is_a_drawdown_from_the_deposit():
    curve = equity_curve([deposit(), fill("buy", 10, 100, 1)], closes(90, 95))
    assert curve["drawdown"].tolist() == pytest.approx([-0.1, -0.05])


def test_a_drawdown_is_measured_from_the_highest_equity_so_far():
    curve = equity_curve([deposit(), fill("buy", 10, 100, 1)], closes(100, 125, 100, 150))
    assert curve["drawdown"].tolist() == pytest.approx([0, 0, -0.2, 0])


def test_a_later_deposit_hides_no_drawdown():
    # 1000 falls to 900; 1000 more makes 1900, still 100 below the highest, which is now 2000.
    events = [deposit(), fill("buy", 10, 100, 1), deposit(minute=3, id="more")]
    curve = equity_curve(events, closes(100, 90, 90))
    assert curve["equity"].tolist() == [1000, 900, 1900]
    assert curve["drawdown"].tolist() == pytest.approx([0, -0.1, -0.05])


def test_before_the_first_deposit_there_is_nothing():
    curve = equity_curve([deposit(minute=2)], closes(100, 100))
    assert curve["equity"].tolist() == [0, 1000]
    assert curve["drawdown"].tolist() == [0, 0]


def test_a_book_without_events_is_worth_nothing_at_every_close():
    assert equity_curve([], closes(100, 110)).to_numpy().tolist() == [[0] * 6] * 2


def test_no_closes_make_an_empty_curve():
    assert equity_curve([deposit()], closes()).empty


def test_a_position_sold_in_pieces_is_zero_and_not_dust():
    pieces = [fill("sell", 0.1, 100, minute) for minute in range(2, 5)]
    curve = equity_curve([deposit(), fill("buy", 0.3, 100, 1), *pieces], closes(*[100] * 5))
    assert curve["quantity"].tolist() == [0.3, 0.2, 0.1, 0, 0]


def test_the_time_zone_in_which_a_time_is_written_does_not_matter():
    events = [deposit(), fill("buy", 1, 100, 2)]
    tokyo = [Deposit("a", NOON.tz_convert("Asia/Tokyo"), Decimal(1000)), events[1]]
    prices = closes(100, 110)
    expected = equity_curve(events, prices).to_numpy()
    assert np.array_equal(equity_curve(tokyo, prices).to_numpy(), expected)
    local = equity_curve(events, prices.tz_convert("America/New_York"))
    assert np.array_equal(local.to_numpy(), expected)


def test_a_curve_of_two_symbols_on_one_price_is_refused():
    events = [deposit(), fill("buy", 1, 10, 1), fill("buy", 1, 10, 1, symbol="ETH/USD")]
    with pytest.raises(ValueError, match="one symbol, not BTC/USD, ETH/USD"):
        equity_curve(events, closes(100))


def test_closes_without_a_time_zone_are_refused():
    with pytest.raises(ValueError, match="time zone"):
        equity_curve([deposit()], closes(100).tz_localize(None))


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 12), st.integers(1, 50), st.integers(0, 3)), max_size=12),
    st.lists(st.integers(50, 150), min_size=1, max_size=10),
)
def test_every_row_is_what_the_ledger_of_that_time_is_worth(requests, prices):
    events = [deposit(100_000, minute=-1)]
    for number, (minute, quantity, fee) in enumerate(sorted(requests)):
        side = "sell" if number % 2 else "buy"
        size = events[-1].quantity if number % 2 else quantity
        events.append(fill(side, size, 100 + quantity, minute + number / 100, fee))
    curve = equity_curve(events, closes(*prices))
    highest = Fraction(100_000)
    for time, row in curve.iterrows():
        ledger = fold(event for event in events if event.time <= time)
        price = prices[curve.index.get_loc(time)]
        worth = Fraction(equity(ledger, {BTC: price}))
        highest = max(highest, worth)
        assert row["equity"] == worth
        assert row["drawdown"] == pytest.approx(float(worth / highest - 1), abs=1e-12)


def test_what_moves_no_money_leaves_the_curve_as_it_is():
    time, price = NOON + MINUTE, Decimal(100)
    order = Order(
        "order", time, BTC, Side.BUY, price, None, "market", "manual", "", price, Costs(40)
    )
    events = [deposit(), order, Rejection("order/rejected", time, "order", "No price came.")]
    prices = closes(100, 110)
    assert equity_curve(events, prices).equals(equity_curve([deposit()], prices))


# Buying and holding the same money ----------------------------------------------------------------


def test_who_buys_and_holds_buys_at_the_first_close():
    curve = equity_curve([deposit(1000)], closes(100, 110, 90))
    assert curve["hold"].tolist() == [1000, 1100, 900]


def test_a_later_deposit_buys_at_the_close_of_its_bar():
    # 10 coins at 100, and for 1000 more at 50 another 20
    curve = equity_curve([deposit(), deposit(minute=2, id="more")], closes(100, 50, 60))
    assert curve["hold"].tolist() == [1000, 1500, 1800]


def test_who_buys_and_holds_pays_for_the_purchase():
    curve = equity_curve([deposit(1010)], closes(100, 200), hold_cost=0.01)
    assert curve["hold"].tolist() == [1000, 2000]


# A book older than the candles --------------------------------------------------------------------


def test_what_a_book_made_before_the_candles_is_no_return_of_their_first_bar():
    # 500 are made an hour before the first close; then 15 are held at 100, 90 and 99.
    events = [deposit(minute=-90), fill("buy", 10, 100, -80), fill("sell", 10, 150, -70)]
    curve = equity_curve([*events, fill("buy", 15, 100, -60)], closes(100, 90, 99))
    assert curve["equity"].tolist() == [1500, 1350, 1485]
    assert curve["deposits"].tolist() == [1500, 1500, 1500]
    assert bar_returns(curve).tolist() == pytest.approx([0, -0.1, 0.1])
    assert curve["drawdown"].tolist() == pytest.approx([0, -0.1, -0.01])
    assert curve["hold"].tolist() == [1500, 1350, 1485]


def test_only_a_trade_before_the_bar_of_the_first_close_makes_a_book_older():
    prices = closes(100, 110)
    assert not before([deposit(minute=-90)], prices)
    assert not before([fill("buy", 1, 100, 0)], prices)
    assert before([fill("buy", 1, 100, -0.1)], prices)


# Returns ------------------------------------------------------------------------------------------


def test_a_bar_return_is_the_profit_on_the_equity_before():
    curve = equity_curve([deposit(), fill("buy", 10, 100, 1)], closes(90, 99, 99))
    assert bar_returns(curve).tolist() == pytest.approx([-0.1, 0.1, 0])


def test_a_deposit_is_no_return():
    events = [deposit(), fill("buy", 10, 100, 1), deposit(minute=2, id="more")]
    curve = equity_curve(events, closes(100, 110))
    # 100 more on 1000 and the 1000 that came in
    assert bar_returns(curve).tolist() == pytest.approx([0, 0.05])


def test_an_empty_book_has_no_return():
    returns = bar_returns(equity_curve([deposit(minute=2)], closes(100, 100)))
    assert returns.isna().tolist() == [True, False]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(50, 150), min_size=1, max_size=20))
def test_the_bar_returns_compound_to_the_total_return(prices):
    curve = equity_curve([deposit(), fill("buy", 7, 100, 1, fee=3)], closes(*prices))
    worth = curve["equity"].iloc[-1]
    assert total_return(bar_returns(curve)) == pytest.approx(worth / 1000 - 1, abs=1e-12)


@pytest.mark.parametrize(("freq", "bars"), [("1min", 525_600), ("5min", 105_120), ("1D", 365)])
def test_a_year_has_365_days_of_bars(freq, bars):
    times = pd.date_range("2026-01-01", periods=10, freq=freq, tz="UTC")
    assert bars_per_year(times) == bars
    # One gap does not change it.
    assert bars_per_year(times.delete([4, 5])) == bars


def test_one_bar_has_no_length():
    assert bars_per_year(closes(100).index) is None


def test_exposure_is_the_share_of_bars_with_a_position():
    assert exposure(pd.Series([0.0, 1.0, 0.5, 0.0])) == 0.5
    assert exposure(pd.Series(dtype="float64")) == 0
