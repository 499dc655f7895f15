from decimal import Decimal
from fractions import Fraction
from time import perf_counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketpulse.errors import NotEnoughCandles
from marketpulse.ledger import Deposit, Fill, Ledger, Side, equity, fold
from marketpulse.performance import (
    buy_and_hold_return,
    drawdown,
    equity_curve,
    exposure,
    hit_rate,
    max_drawdown,
    summary,
    total_return,
    trades,
)

NOON = pd.Timestamp("2026-01-02 12:00", tz="UTC")
MINUTE = pd.Timedelta(minutes=1)
BTC = "BTC/USD"

# empyrical 40f61b4f, test_stats.py: the series that most of its tests share
RETURNS = [0.0, 0.01, 0.1, -0.04, 0.02, 0.03, 0.02, 0.01, -0.1]


def deposit(amount=1000, minute=0, id="deposit"):
    return Deposit(id, NOON + minute * MINUTE, Decimal(amount))


def fill(side, quantity, price, minute, fee=0, symbol=BTC):
    time = NOON + minute * MINUTE
    figures = (Decimal(str(figure)) for figure in (quantity, price, fee))
    return Fill(f"{side}{minute}{symbol}", time, symbol, Side(side), *figures, "by hand")


def closes(*prices, first=1):
    """Closes of the bars that closed 1, 2, ... minutes after noon."""
    index = pd.date_range(NOON + first * MINUTE, periods=len(prices), freq=MINUTE, unit="us")
    return pd.Series(prices, index=index, dtype="float64")


def round_trips(*profits):
    """A book that made these profits, one flat-to-flat trip each."""
    events = [deposit()]
    for trip, profit in enumerate(profits):
        events.append(fill("buy", 1, 100, 2 * trip))
        events.append(fill("sell", 1, 100 + profit, 2 * trip + 1))
    return fold(events)


# Equity curve ------------------------------------------------------------------------------------


def test_equity_is_cash_and_the_position_at_each_close():
    curve = equity_curve([deposit(), fill("buy", 2, 100, 1, fee=1)], closes(100, 110, 90))
    assert curve["cash"].tolist() == [799, 799, 799]
    assert curve["quantity"].tolist() == [2, 2, 2]
    assert curve["equity"].tolist() == [999, 1019, 979]


def test_the_curve_stands_at_the_times_of_the_closes():
    prices = closes(100, 110)
    curve = equity_curve([deposit()], prices)
    assert curve.index.equals(prices.index)
    assert list(curve.columns) == ["equity", "cash", "drawdown", "quantity"]


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
    assert equity_curve([], closes(100, 110)).to_numpy().tolist() == [[0, 0, 0, 0]] * 2


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


# Figures -----------------------------------------------------------------------------------------


def test_max_drawdown_of_a_known_series():
    # empyrical 40f61b4f, test_max_drawdown
    assert max_drawdown((1 + pd.Series(RETURNS)).cumprod()) == pytest.approx(-0.1)


def test_total_return_of_a_known_series():
    # empyrical 40f61b4f, test_cum_returns_final
    equity = (1 + pd.Series(RETURNS)).cumprod()
    assert total_return(equity) == pytest.approx(0.03893, abs=1e-5)


def test_max_drawdown_of_known_trades_on_a_starting_balance():
    # freqtrade c9ae5e1e, test_calculate_max_drawdown2: 0.091755 below the highest is 32.129575 %
    profits = [
        *(0.01158, 0.010048, 0.01134, 0.012161, 0.010416, 0.010009, 0.020024),
        *(-0.024662, -0.02235, 0.020496, -0.029859, -0.030511, 0.010041, 0.010872),
        *(-0.025782, 0.0104, 0.012374, 0.012467, 0.114741, 0.010303, 0.010088),
        *(-0.033961, 0.01068, 0.010886, -0.029274, 0.011178, 0.010693, 0.010711),
    ]
    equity = 0.2 + pd.Series(profits).cumsum()
    fallen = drawdown(equity, 0.2)
    assert max_drawdown(equity, 0.2) == pytest.approx(-0.32129575, abs=1e-6)
    deepest = fallen.idxmin()
    assert equity[:deepest].max() - equity[deepest] == pytest.approx(0.091755)


def test_max_drawdown_counts_a_loss_before_the_first_value_only_when_told_the_start():
    equity = pd.Series([900.0, 950.0])
    assert max_drawdown(equity) == 0
    assert max_drawdown(equity, 1000.0) == pytest.approx(-0.1)


@pytest.mark.parametrize("figure", [max_drawdown, total_return, exposure])
def test_a_figure_of_no_bars_is_zero(figure):
    assert figure(pd.Series(dtype="float64")) == 0


def test_total_return_is_on_what_was_paid_in():
    assert total_return(pd.Series([900.0, 1100.0]), 1000.0) == pytest.approx(0.1)


def test_buy_and_hold_is_the_last_close_on_the_first():
    assert buy_and_hold_return(closes(100, 50, 120)) == pytest.approx(0.2)


def test_buy_and_hold_without_a_close_has_too_little_to_go_by():
    with pytest.raises(NotEnoughCandles):
        buy_and_hold_return(closes())


def test_exposure_is_the_share_of_bars_with_a_position():
    assert exposure(pd.Series([0.0, 1.0, 0.5, 0.0])) == 0.5


def test_hit_rate_of_known_trades():
    # nautilus_trader a95c8042, test_statistics_win_rate
    assert hit_rate(round_trips(2, 2, 1, -1, -2)) == 0.6


def test_hit_rate_is_none_before_a_round_trip_closed():
    assert hit_rate(fold([deposit()])) is None
    assert hit_rate(fold([deposit(), fill("buy", 1, 100, 1)])) is None


def test_a_gain_below_its_fees_is_no_hit():
    events = [deposit(), fill("buy", 1, 100, 1, fee=1), fill("sell", 1, 102, 2, fee=1)]
    assert hit_rate(fold(events)) == 0
    events[2] = fill("sell", 1, 102.01, 2, fee=1)
    assert hit_rate(fold(events)) == 1


def test_a_round_trip_in_several_fills_is_one():
    events = [deposit(), fill("buy", 1, 100, 1), fill("buy", 1, 80, 2)]
    events += [fill("sell", 1, 85, 3), fill("sell", 1, 100, 4)]
    assert hit_rate(fold(events)) == 1


def test_round_trips_of_two_symbols_are_counted_apart():
    events = [deposit(), fill("buy", 1, 100, 1), fill("buy", 1, 10, 2, symbol="ETH/USD")]
    events += [fill("sell", 1, 90, 3), fill("sell", 1, 11, 4, symbol="ETH/USD")]
    assert hit_rate(fold(events)) == 0.5


# Tables ------------------------------------------------------------------------------------------


def test_every_fill_is_a_row_with_what_it_realised():
    events = [deposit(), fill("buy", 2, 100, 1, fee=1), fill("sell", 1, 110, 2, fee=0.5)]
    table = trades(fold(events))
    assert table.to_dict("records") == [
        {
            "time": NOON + MINUTE,
            "symbol": BTC,
            "side": "buy",
            "quantity": 2,
            "price": 100,
            "notional": 200,
            "fee": 1,
            "reason": "by hand",
            "realised": -1,
        },
        {
            "time": NOON + 2 * MINUTE,
            "symbol": BTC,
            "side": "sell",
            "quantity": 1,
            "price": 110,
            "notional": 110,
            "fee": 0.5,
            "reason": "by hand",
            "realised": 9.5,
        },
    ]


def test_the_rows_add_up_to_the_ledgers_realised_profit():
    ledger = round_trips(5, -3, 0.25)
    assert trades(ledger)["realised"].sum() == float(ledger.realised) == 2.25


def test_a_table_of_no_trades_has_the_columns_of_any_other():
    empty, one = trades(Ledger()), trades(fold([deposit(), fill("buy", 1, 100, 1)]))
    assert empty.empty
    assert empty.dtypes.equals(one.dtypes)


# Summary -----------------------------------------------------------------------------------------


def test_a_summary_holds_the_figures_of_the_book():
    events = [deposit(), fill("buy", 5, 100, 2, fee=2), fill("sell", 2, 110, 3, fee=1)]
    found = summary(fold(events), closes(80, 100, 110, 120))
    # cash 1000 - 502 + 219 = 717, and 3 at 120; sold 2 for 20 more than paid; bars 2 to 4 held
    assert (found.deposits, found.equity, found.fees) == (1000, 1077, 3)
    assert (found.realised, found.unrealised) == (17, 60)
    assert found.total_return == pytest.approx(0.077)
    assert found.buy_and_hold_return == pytest.approx(0.5)
    assert found.max_drawdown == pytest.approx(-0.002)
    assert (found.trade_count, found.hit_rate, found.exposure) == (2, None, 0.75)


def test_the_summary_of_an_empty_book_is_all_zero():
    found = summary(Ledger(), closes(100, 100))
    assert (found.equity, found.total_return, found.max_drawdown, found.exposure) == (0, 0, 0, 0)
    assert found.hit_rate is None


def test_a_summary_without_a_close_has_too_little_to_go_by():
    with pytest.raises(NotEnoughCandles):
        summary(fold([deposit()]), closes())


def test_a_month_of_minutes_takes_well_under_a_fifth_of_a_second():
    prices = closes(*np.linspace(100, 110, 43_200))
    events = [deposit()]
    for trip in range(200):
        events += [fill("buy", 1, 100, 200 * trip), fill("sell", 1, 101, 200 * trip + 100)]
    started = perf_counter()
    curve = equity_curve(events, prices)
    assert perf_counter() - started < 0.2
    assert curve["equity"].iloc[-1] == 1200
