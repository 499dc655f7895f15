import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketpulse.backtest import Trading, holding, run
from marketpulse.costs import Costs
from marketpulse.events import Order, Side
from marketpulse.horizons import ONE_MINUTE
from marketpulse.ledger import Ledger, apply, fold
from tests.books import BTC, deposit, fill
from tests.build import START, candles, walk
from tests.live_loop import lived, rejections
from tests.markets import FREE, NAN, decisions, rough_market, rule, traded


def carried_out(table, opens, thresholds=None, *, gate=FREE, paid=FREE, cash=10_000, amount=1_000):
    trading = Trading(BTC, cash, amount, paid)
    return run(table, traded(table, opens), thresholds or rule(), gate, trading)


def test_a_decision_is_filled_at_the_next_open():
    made = carried_out(decisions([100, 100, 100], rises=[0]), [125, 100, 100])
    (only,) = made.ledger.fills
    assert (only.price, only.quantity, only.side) == (125, 8, Side.BUY)
    assert only.time == START + ONE_MINUTE


def test_the_first_open_after_the_latency_fills():
    table = decisions([100] * 4, rises=[0], minute=[100, 100, 100, 0])
    made = carried_out(table, [100, 125, 160, 200], paid=Costs(0, latency_s=61))
    (only,) = made.ledger.fills
    assert (only.price, only.time) == (160, START + 3 * ONE_MINUTE)
    assert only.receipt.delay == 2 * ONE_MINUTE


def test_nothing_else_is_decided_while_an_order_waits():
    # Every row would buy; the first order is filled at the third row, where it would be sold.
    table = decisions([100] * 3, rises=[0, 1, 2], minute=[100, 100, 200])
    made = carried_out(table, [100] * 3, paid=Costs(0, latency_s=90))
    assert [(f.side, f.order) for f in made.ledger.fills] == [
        (Side.BUY, table.index[0].isoformat())
    ]


def test_a_price_that_comes_later_than_three_minutes_fills_nothing():
    table = decisions([100] * 6, rises=[0])
    kept = carried_out(table, [NAN, NAN, NAN, 100, 100, 100])
    late = carried_out(table, [NAN, NAN, NAN, NAN, 100, 100])
    assert (kept.trades, late.trades) == (1, 0)


def test_spread_and_impact_come_off_both_legs():
    # 1,000 at 100 are 10 units, four bars' volume (2.5 each): 2 x 50 bps and half of the spread's
    # 100 bps make 2 %. Bought at 102, sold at the last price of 100, less 2 %.
    costs = Costs(0, half_spread_bps=100, impact_bps=50)
    table = decisions([100] * 3, rises=[1])
    frame = traded(table, [100, 100, 100], volume=2.5)
    made = run(table, frame, rule(), FREE, Trading(BTC, 10_000, 1_000, costs))
    (only,) = made.ledger.fills
    assert only.price == 102
    assert made.net == pytest.approx(float(only.quantity) * 100 * 0.99 - 1_000)


def test_without_a_next_price_there_is_no_trade():
    made = carried_out(decisions([100, 100], rises=[0, 1]), [NAN, NAN])
    assert (made.trades, made.net, made.decisions) == (0, 0, 2)
    assert made.ledger.fills == ()


def test_a_round_trip_nets_the_difference_less_both_fees():
    # 10 units bought at 100 for 1,000 and 1 % of it, sold at 110 for 1,100 less 1 % of it
    table = decisions([100, 110, 110], rises=[0], minute=[100, 200, 100])
    made = carried_out(table, [100, 110, 110], paid=Costs(100))
    assert [f.side for f in made.ledger.fills] == [Side.BUY, Side.SELL]
    assert made.net == pytest.approx(1_100 - 11 - 1_000 - 10)
    assert (made.trades, made.decisions) == (1, 3)


def test_an_open_position_is_valued_as_sold_at_the_last_price():
    table = decisions([100, 100, 120], rises=[0])
    made = carried_out(table, [100, 100, NAN], paid=Costs(100))
    assert len(made.ledger.fills) == 1
    assert made.net == pytest.approx(1_200 - 12 - 1_000 - 10)


def test_a_position_is_bought_once_and_sold_when_it_expires():
    table = decisions([100] * 10, rises=range(10), minute=[50] * 10)
    made = carried_out(table, [100] * 10, rule(hold_minutes=4))
    sides = [(f.side, int((f.time - START) / ONE_MINUTE)) for f in made.ledger.fills]
    assert sides == [
        (Side.BUY, 1),
        (Side.SELL, 5),
        (Side.BUY, 6),
        (Side.SELL, 10),
    ]


def test_every_trade_tells_why_in_the_words_of_its_signal():
    # Bought on a rise that clears everything; sold at 110 over 100, and once by the clock.
    table = decisions([100, 110, 110], rises=[0], minute=[100, 110, 100])
    bought, sold = carried_out(table, [100, 110, 110]).ledger.fills
    assert bought.reason.startswith("The forecast clears everything that stands against it by ")
    assert sold.reason == "The forecast clears everything that stands against it by 1000.0 bps."
    table = decisions([100] * 6, rises=range(6), minute=[50] * 6)
    timed = carried_out(table, [100] * 6, rule(hold_minutes=4)).ledger.fills[1]
    assert timed.reason == "The forecast that bought has expired after 4 min."


def test_a_rule_that_reckons_without_fees_still_pays_them():
    table = decisions([100, 100, 100], rises=[0], minute=[100, 100.5, 100])
    blind = carried_out(table, [100, 100.5, 100], gate=FREE, paid=Costs(40))
    assert blind.net < 0
    wary = carried_out(decisions([100] * 3, rises=[]), [100] * 3, gate=Costs(40), paid=Costs(40))
    assert wary.net == 0


def test_a_rule_without_cash_stops():
    made = carried_out(decisions([100] * 3, rises=[0, 1, 2]), [100] * 3, cash=500)
    assert (made.trades, made.net) == (0, 0)


def test_nothing_to_decide_is_nothing_done():
    made = carried_out(decisions([]), [])
    assert (made.decisions, made.trades, made.net, made.ledger) == (0, 0, 0, Ledger())


def noise(seed, n=400, skill=0.0):
    """Decisions on a random walk whose long forecasts are noise and a share of the truth."""
    frame = walk(n + 10, seed)
    close = frame["close"].to_numpy()
    truth = close[5 : n + 5] - close[:n]
    guess = np.random.default_rng(seed + 1000).normal(0, truth.std(), n)
    table = decisions(close[:n])
    table["long_price"] = close[:n] + skill * truth + (1 - skill) * guess
    return table, frame["open"].to_numpy()[1 : n + 1]


@pytest.mark.parametrize("cut", [1, 37, 150, 399])
def test_what_comes_later_changes_no_earlier_trade(cut):
    table, opens = noise(0)
    thresholds = rule(hold_minutes=5)
    whole = carried_out(table, opens, thresholds).ledger.fills
    part = carried_out(table.iloc[:cut], opens[:cut], thresholds).ledger.fills
    assert part == whole[: len(part)]
    assert [f for f in whole if f.time <= table.index[cut - 1]] == list(part)


def test_trading_on_noise_earns_nothing_before_fees_and_loses_them_after():
    thresholds = rule(hold_minutes=5)
    nets = {fee: [] for fee in (0, 40)}
    for seed in range(12):
        table, opens = noise(seed)
        for fee, made in nets.items():
            made.append(carried_out(table, opens, thresholds, paid=Costs(fee)).net)
    error = np.std(nets[0], ddof=1) / np.sqrt(12)
    assert abs(np.mean(nets[0])) < 3 * error
    assert max(nets[40]) < 0


def test_trading_on_a_forecast_that_knows_something_earns_money():
    table, opens = noise(0, skill=1.0)
    made = carried_out(table, opens, rule(hold_minutes=5, margin_bps=20), paid=Costs(1))
    assert made.trades > 10
    assert made.net > 0


# Live is the backtest -----------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    ("asked", "paid"),
    [
        (rule(hold_minutes=7), FREE),
        (
            rule(hold_minutes=7, margin_bps=-90),
            Costs(30, half_spread_bps=2, impact_bps=20, latency_s=61.5),
        ),
        (rule(buy_mae=0.5, sell_mae=0.2, margin_bps=3), Costs(2, latency_s=30)),
        (rule(hold_minutes=4, reference="average cost"), Costs(0, latency_s=200)),
    ],
)
def test_living_through_the_bars_one_by_one_makes_the_same_trades(seed, asked, paid):
    table, frame = rough_market(seed)
    trading = Trading(BTC, 10_000, 1_000, paid)
    book = lived(table, frame, asked, paid, trading)
    made = run(table, frame, asked, paid, trading).ledger
    assert made.fills == book.fills
    assert len(made.fills) > 2
    assert (made.cash, made.realised, made.fees) == (book.cash, book.realised, book.fees)


def test_orders_that_no_price_reaches_in_time_are_given_up_as_live():
    table, frame = rough_market(1)
    # The last hour has no trades at all, but the rule would go on.
    frame = frame.assign(filled=frame["filled"] | (np.arange(len(frame)) > 100))
    trading = Trading(BTC, 10_000, 1_000, Costs(0))
    asked = rule(hold_minutes=7)
    book = lived(table, frame, asked, FREE, trading)
    assert run(table, frame, asked, FREE, trading).ledger.fills == book.fills
    assert rejections(book)


def test_nothing_is_decided_on_a_bar_in_which_nothing_was_traded():
    # Every row would buy, but the first bar that closed was empty.
    table = decisions([100] * 4, rises=range(4))
    frame = candles([100] * 6, volume=10, filled=[0])
    made = run(table, frame, rule(), FREE, Trading(BTC, 10_000, 1_000, FREE))
    assert (made.decisions, made.ledger.fills[0].time) == (3, START + 2 * ONE_MINUTE)
    nothing = frame.assign(filled=True)
    assert run(table, nothing, rule(), FREE, Trading(BTC, 10_000, 1_000, FREE)).decisions == 0


def test_a_book_that_runs_dry_goes_on_as_live():
    table, frame = rough_market(2)
    paid = Costs(300)
    trading = Trading(BTC, 1_100, 1_000, paid)
    asked = rule(hold_minutes=7)
    book = lived(table, frame, asked, FREE, trading)
    assert run(table, frame, asked, FREE, trading).ledger.fills == book.fills
    assert rejections(book)


@pytest.mark.parametrize("seed", range(4))
def test_no_fill_has_a_price_stamped_before_its_order(seed):
    table, frame = rough_market(seed)
    paid = Costs(1, half_spread_bps=2, latency_s=17.25)
    made = run(table, frame, rule(hold_minutes=7), FREE, Trading(BTC, 10_000, 1_000, paid)).ledger
    placed = {event.id: event for event in made.events if isinstance(event, Order)}
    opens = frame["open"][~frame["filled"]]
    for each in made.fills:
        order, receipt = placed[each.order], each.receipt
        assert receipt.reference_time >= order.time + pd.Timedelta(seconds=17.25)
        assert float(receipt.reference) == pytest.approx(opens[receipt.reference_time], abs=1e-9)
        assert order.time in table.index
    assert made.fills


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 5), st.integers(10, 150), st.integers(0, 2**32 - 1))
def test_another_future_changes_no_trade_of_the_past(seed, cut, other):
    table, frame = rough_market(seed)
    now = frame.index[cut]
    random = np.random.default_rng(other)
    later = frame.index >= now
    bent = frame.copy()
    for name in ("open", "high", "low", "close", "volume"):
        bent.loc[later, name] *= random.lognormal(0, 0.3, later.sum())
    unknown = table.copy()
    rows = unknown.index > now
    unknown.loc[rows] = unknown.loc[rows] * random.lognormal(0, 0.1, (rows.sum(), 1))
    trading = Trading(BTC, 10_000, 1_000, Costs(5, impact_bps=10, latency_s=20))
    asked = rule(hold_minutes=7)
    before, after = (
        [each for each in run(*tables, asked, FREE, trading).ledger.fills if each.time < now]
        for tables in ((table, frame), (unknown, bent))
    )
    short = run(table[table.index <= now], frame[~later], asked, FREE, trading).ledger.fills
    assert before == after
    assert before == list(short)


def test_a_position_bought_and_looked_at_for_free_is_no_gain_at_the_same_price():
    # Cost by quantity would be off by a rounding, and a tie would look like a profit.
    table = decisions([7.77] * 30, rises=[0])
    made = carried_out(table, [7.77] * 30)
    assert len(made.ledger.fills) == 1


# What a sale must beat ---------------------------------------------------------------------------


def test_a_flat_book_holds_nothing():
    assert holding(fold([deposit()]), BTC, rule()) is None


def test_the_last_buy_counts_with_its_fee():
    ledger = fold([deposit(), fill("buy", 2, 100, "4", "a"), fill("buy", 1, 110, "1.1", "b")])
    held = holding(ledger, BTC, rule())
    assert held.cost == pytest.approx(111.1)
    assert held.since == ledger.fills[-1].time


def test_the_average_cost_counts_with_its_fee():
    ledger = fold([deposit(), fill("buy", 1, 100, "1", "a"), fill("buy", 1, 110, "1.1", "b")])
    held = holding(ledger, BTC, rule(reference="average cost"))
    assert held.cost == pytest.approx(105 * 1.01)


def test_a_buy_of_another_symbol_does_not_count():
    start = fold([deposit()])
    ledger = apply(start, fill("buy", 10, 10, symbol="ETH/USD"))
    assert holding(ledger, BTC, rule()) is None
