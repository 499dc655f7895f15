import numpy as np
import pytest

from marketpulse.backtest import deals, result_of
from marketpulse.broker import Broker, Trading
from marketpulse.chain import Gated, round_trips
from marketpulse.costs import Costs
from marketpulse.curves import equity_curve
from marketpulse.events import Side
from marketpulse.paths import equity_at, net, path_of, priced
from marketpulse.tape import taped
from tests.books import BTC
from tests.markets import FREE, decisions, rough_market, rule, traded


def prepared(seed, asked, paid, *, cash=10_000, n=1_500):
    table, frame = rough_market(seed, n)
    tape = taped(table, frame, paid)
    return tape, Broker(tape, Trading(BTC, cash, 1_000, paid)), Gated(asked, paid)


RULES = [
    (rule(hold_minutes=7), FREE),
    (rule(hold_minutes=45, sell_mae=2.0), FREE),
    (rule(hold_minutes=None, sell_mae=0.5), FREE),
    (rule(hold_minutes=9, margin_bps=-90), Costs(30, half_spread_bps=2, latency_s=61.5)),
    (rule(hold_minutes=9, reference="average cost"), Costs(1, impact_bps=20, latency_s=200)),
]


@pytest.mark.parametrize(("asked", "paid"), RULES)
@pytest.mark.parametrize("seed", range(3))
def test_floats_trade_as_the_book_does_and_come_to_the_same_money(seed, asked, paid):
    tape, broker, gated = prepared(seed, asked, paid)
    made, path = result_of(tape, broker, gated), path_of(tape, broker, gated)
    bought = [deal.row for deal in deals(tape, broker, gated) if deal.side == Side.BUY]
    assert path.bought.tolist() == bought
    assert len(bought) > 20
    rows = np.arange(len(tape))
    curve = equity_at(tape, 10_000, path, rows)
    np.testing.assert_allclose(curve, made.curve["equity"], rtol=1e-9)
    assert net(tape, 10_000, path) == pytest.approx(float(made.summary.equity) - 10_000, abs=1e-5)


@pytest.mark.parametrize("ahead", [2, 7, 64, 10_000])
@pytest.mark.parametrize(("asked", "paid"), RULES)
def test_however_many_sales_are_searched_for_at_once_the_trades_are_the_same(ahead, asked, paid):
    tape, broker, gated = prepared(0, asked, paid)
    one_by_one = list(round_trips(tape, broker, gated, ahead=1))
    assert list(round_trips(tape, broker, gated, ahead=ahead)) == one_by_one


def test_a_run_ends_where_the_cash_does():
    tape, broker, gated = prepared(1, rule(hold_minutes=7), Costs(500), cash=1_500)
    gated = Gated(rule(hold_minutes=7), FREE)  # it reckons without the fees that it pays
    path = path_of(tape, broker, gated)
    assert path.trades == 5  # each loses about 100, and needs 1,050
    assert path.trades == sum(d.side == Side.BUY for d in deals(tape, broker, gated))


def test_a_position_that_is_never_sold_counts_at_the_last_price():
    table = decisions([100, 100, 150], rises=[0])
    frame = traded(table, [100, 100, 150])
    tape = taped(table, frame, FREE)
    broker = Broker(tape, Trading(BTC, 10_000, 1_000, FREE))
    path = path_of(tape, broker, Gated(rule(margin_bps=100_000), FREE))
    assert path.trades == 0
    path = priced(tape, broker, np.array([[0, 3]]))
    assert net(tape, 10_000, path) == 500
    assert equity_at(tape, 10_000, path, np.array([0, 1, 2])).tolist() == [10_000, 10_000, 10_500]


def test_given_trades_are_executed_as_the_book_would():
    # Bought at 100, half a percent dearer; sold at 120, half a percent cheaper, and 1 % each way.
    costs = Costs(100, half_spread_bps=50)
    table = decisions([100, 120, 120])
    tape = taped(table, traded(table, [100, 120, 120]), costs)
    broker = Broker(tape, Trading(BTC, 10_000, 1_005, costs))
    path = priced(tape, broker, np.array([[0, 1]]))
    assert path.quantity == pytest.approx([10])
    assert path.paid == pytest.approx([1_005 * 1.01])
    assert path.proceeds == pytest.approx([1_200 * 0.995 * 0.99])


def test_an_equity_curve_is_that_of_the_ledger_page():
    tape, broker, gated = prepared(2, rule(hold_minutes=7), Costs(5))
    made = result_of(tape, broker, gated)
    closes = made.curve["equity"].index
    assert closes[0].value // 1000 == tape.times[0]
    again = equity_curve(made.ledger.events, made.curve["equity"] * 0 + tape.known["price"])
    assert made.curve.equals(again)
    assert made.summary.trips.count == sum(f.side == Side.BUY for f in made.ledger.fills)
