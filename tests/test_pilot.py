import dataclasses
from decimal import Decimal
from types import SimpleNamespace

import pandas as pd
import pytest

from marketpulse import pilot, report
from marketpulse.books import STARTING_CASH
from marketpulse.costs import Costs
from marketpulse.events import Armed, Deposit, Missed, Order, Rejection, Side
from marketpulse.horizons import LONG, ONE_MINUTE
from marketpulse.ledger import append, fold
from marketpulse.market import Feed, Market
from marketpulse.settings import Settings
from marketpulse.snapshot import MarketKey
from marketpulse.sources.recorded import RecordedSource
from marketpulse.ui import live
from tests.books import carried_out, ordered
from tests.test_market import NOW, RECORDING, SMALL, fitted, settled

KEY = MarketKey("walk.csv", "BTC/USD")
# Buys whatever the forecast says, and sells when the position is old.
EAGER = Settings(
    source="walk.csv", fee=0, spread=0, impact=0, buy_mae=0, sell_mae=0, margin=-100, centre="raw"
)


@pytest.fixture(scope="module")
def snapshot():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("marketpulse.track.PLANS", SMALL)
        return settled(Market(KEY, lambda _: Feed(RecordedSource(RECORDING)), fitted, asked_at=NOW))


@pytest.fixture
def book(snapshot):
    """A book with the starting cash."""
    start = snapshot.as_of - pd.Timedelta(hours=3)
    return fold([Deposit("opening", start, STARTING_CASH)])


def decide(book, snapshot, settings=EAGER, **changes):
    asked = settings.changed(**changes)
    return pilot.decided(book, report.basis(snapshot, asked), snapshot)


def holding(book, snapshot, *, minutes_ago, price=None):
    """The book after a purchase."""
    time = snapshot.as_of - minutes_ago * ONE_MINUTE
    seen = snapshot.price if price is None else price
    bought = ordered("buy", amount=1000, time=time, seen=round(seen, 2), costs=Costs(0))
    return carried_out(book, bought, volume=1e9)[1]


def test_a_signal_to_buy_becomes_one_order_named_after_its_bar(book, snapshot):
    (order,) = decide(book, snapshot)
    assert order.id == f"auto/{snapshot.as_of.isoformat()}"
    assert (order.side, order.amount, order.origin) == (Side.BUY, Decimal(1000), "auto-pilot")
    assert order.time == snapshot.now
    assert float(order.seen) == pytest.approx(snapshot.price)
    assert order.costs == report.visitor_costs(snapshot.venue, EAGER)
    assert "clears everything" in order.reason


def test_it_decides_as_the_screen_does(book, snapshot):
    seen = report.basis(snapshot, Settings())
    assert report.signal(seen, snapshot, None).side == "hold"
    assert pilot.decided(book, seen, snapshot) == ()


def test_nothing_is_decided_while_an_order_waits(book, snapshot):
    waiting = append(book, ordered("buy", amount=10, time=snapshot.now))
    assert decide(waiting, snapshot) == ()


def test_what_is_held_too_long_is_sold_whole(book, snapshot):
    held = holding(book, snapshot, minutes_ago=LONG.minutes)
    (order,) = decide(held, snapshot, margin=100)
    assert (order.side, order.amount, order.quantity) == (Side.SELL, None, None)
    assert order.reason == "The forecast that bought has expired after 45 min."


def test_what_was_to_be_sold_on_a_missed_bar_is_sold_on_the_next(book, snapshot):
    held = holding(book, snapshot, minutes_ago=LONG.minutes + 7)
    assert decide(held, snapshot, margin=100)[0].side == Side.SELL


def test_what_is_held_is_not_bought_again(book, snapshot):
    held = holding(book, snapshot, minutes_ago=1, price=snapshot.price * 1.5)
    assert decide(held, snapshot) == ()


@pytest.mark.parametrize(("share", "amount"), [(10, 1000), (50, 5000), (100, 10_000)])
def test_a_share_is_of_what_the_book_is_worth(book, snapshot, share, amount):
    (order,) = decide(book, snapshot, sizing="share", share=share)
    assert order.amount == amount


def test_a_wilder_market_is_bought_less(book, snapshot):
    (order,) = decide(book, snapshot, sizing="volatility", share=10)
    forecast = report.basis(snapshot, EAGER).long.forecast
    expected = 1000 * forecast.usual_move / forecast.expected_move
    assert float(order.amount) == pytest.approx(min(expected, 10_000))


def test_a_fixed_amount_beyond_the_cash_is_ordered_and_refused_as_in_a_backtest(snapshot):
    poor = fold([Deposit("opening", snapshot.as_of, Decimal(300))])
    order, refusal = decide(poor, snapshot, ticket=1000)
    assert order.amount == 1000
    assert refusal.order == order.id
    assert refusal.sentence.endswith("with the fee, but the cash is 300.00 USD.")


def test_a_share_is_cut_to_what_the_cash_pays_with_the_fee(book, snapshot):
    (order,) = decide(book, snapshot, sizing="share", share=100, fee=10)
    assert float(order.amount) == pytest.approx(10_000 / 1.001)


def test_without_cash_no_share_is_ordered(snapshot):
    dust = fold([Deposit("opening", snapshot.as_of, Decimal("0.00000001"))])
    assert decide(dust, snapshot, sizing="share", fee=10) == ()


def test_a_purchase_that_a_limit_blocks_is_ordered_and_refused_by_its_name(book, snapshot):
    order, refusal = decide(book, snapshot, max_position=5)
    assert isinstance(order, Order)
    assert isinstance(refusal, Rejection)
    assert refusal.id == f"{order.id}/rejected"
    assert refusal.sentence == (
        "No purchase: the position would be worth 1,000.00 USD, more than the limit of 5.0 % of"
        " equity, 500.00 USD."
    )


def test_a_broken_loss_limit_sells_what_is_held(book, snapshot):
    held = holding(book, snapshot, minutes_ago=2, price=snapshot.price * 2)
    assert decide(held, snapshot, margin=100, max_loss=100) == ()
    (order,) = decide(held, snapshot, margin=100, max_loss=1)
    assert order.side == Side.SELL
    assert order.reason.startswith("The loss since midnight UTC is ")


def test_the_screen_names_the_broken_limit_too(book, snapshot):
    held = holding(book, snapshot, minutes_ago=2, price=snapshot.price * 2)
    settings = EAGER.changed(margin=100, max_loss=1)
    seen = report.basis(snapshot, settings)
    frame = SimpleNamespace(book=SimpleNamespace(ledger=held), report=seen, snapshot=snapshot)
    (order,) = pilot.decided(held, seen, snapshot)
    assert (live.decided(frame).side, live.decided(frame).reasons) == ("sell", (order.reason,))


@pytest.mark.parametrize("changes", [{"clock_known": False}, {"candles": None}])
def test_nothing_is_decided_on_candles_that_may_not_be_acted_on(book, snapshot, changes):
    if "candles" in changes:
        changes = {"candles": snapshot.candles.iloc[:0]}
    shown = dataclasses.replace(snapshot, **changes)
    seen = report.basis(snapshot, EAGER)
    assert pilot.decided(book, seen, shown) == ()


def test_stale_candles_do_not_even_sell(book, snapshot):
    held = holding(book, snapshot, minutes_ago=LONG.minutes, price=snapshot.price * 2)
    old = dataclasses.replace(snapshot, now=snapshot.as_of + 4 * ONE_MINUTE)
    assert decide(held, old, max_loss=1) == ()


# With what it was armed ---------------------------------------------------------------------------


def test_a_book_is_driven_by_all_the_settings_that_it_was_armed_with():
    asked = Settings(symbol="ETH/USD", long=12, fee=None, hold=0, sizing="share", max_loss=3)
    armed = Armed("arm", NOW, asked.to_pairs())
    assert pilot.settings_of(armed) == asked


def test_what_is_looked_at_and_how_often_is_no_part_of_the_rule():
    one = Settings(source="kraken", refresh=60, speed=1, symbol="ETH/USD", long=12)
    assert pilot.rule_of(one) == Settings(long=12)


def test_it_is_not_ready_without_both_forecasts_of_the_horizons_asked_for(snapshot):
    assert pilot.ready(report.basis(snapshot, EAGER))
    assert not pilot.ready(report.basis(snapshot, EAGER.changed(long=12)))
    bare = dataclasses.replace(snapshot, outlooks={})
    assert not pilot.ready(report.basis(bare, EAGER))


# Bars that were missed ----------------------------------------------------------------------------


SHARE = {"sizing": "share", "share": 50}


def slipped(book, snapshot, **changes):
    """Basis points that the impact takes off the signal of a book."""
    seen = report.basis(snapshot, EAGER.changed(impact=100, **changes))
    terms = pilot.signal_of(book, seen, snapshot).terms
    return next(-term.bps for term in terms if term.label.startswith("slippage"))


def test_a_signal_reckons_with_the_impact_of_the_size_that_is_meant(book, snapshot):
    # Half of 10,000 is five times the fixed amount of 1,000: it moves the price by the root of 5.
    assert pilot.intended(book, report.basis(snapshot, EAGER.changed(**SHARE)), snapshot) == 5000
    fixed, half = slipped(book, snapshot), slipped(book, snapshot, **SHARE)
    assert half / fixed == pytest.approx(5**0.5, rel=0.01)


def test_what_is_held_is_meant_to_be_sold_and_a_fixed_amount_stays_itself(book, snapshot):
    held = holding(book, snapshot, minutes_ago=5)
    worth = float(held.positions["BTC/USD"].quantity) * snapshot.price
    share, fixed = (report.basis(snapshot, EAGER.changed(**each)) for each in (SHARE, {}))
    assert pilot.intended(held, share, snapshot) == worth
    assert pilot.intended(held, fixed, snapshot) == 1000


def chance_line(book, snapshot, **changes):
    seen = report.basis(snapshot, EAGER.changed(**changes))
    return pilot.chance_line(book, seen, snapshot, pilot.signal_of(book, seen, snapshot))


def test_the_chance_of_a_net_profit_is_told_for_the_trade_that_comes_next(book, snapshot):
    dear = chance_line(book, snapshot, fee=200)
    assert dear == "Chance of a net profit 45 min after a purchase, by the bands: 5 % or less."
    held = holding(book, snapshot, minutes_ago=5, price=snapshot.price / 2)
    cheap = chance_line(held, snapshot)
    assert cheap == "Chance of a net profit from a sale in 1 min, by the bands: 95 % or more."


def test_the_chance_does_not_depend_on_the_margin_that_is_asked_for(book, snapshot):
    assert chance_line(book, snapshot, margin=0) == chance_line(book, snapshot, margin=-100)


def test_no_chance_is_told_without_a_sum(book, snapshot):
    old = holding(book, snapshot, minutes_ago=46)
    assert chance_line(old, snapshot) == ""


@pytest.mark.parametrize(
    ("since", "as_of", "bars"),
    [
        ("12:00:00", "12:01:00", 0),
        ("12:00:30", "12:01:00", 0),
        ("12:00:00", "12:02:00", 1),
        ("12:00:59", "12:05:00", 4),
    ],
)
def test_the_bars_between_two_decisions_are_missed(since, as_of, bars):
    times = [pd.Timestamp(f"2026-01-02 {time}", tz="UTC") for time in (since, as_of)]
    gap = pilot.missed(*times, NOW)
    if not bars:
        assert gap is None
        return
    first, last = pd.Timestamp("2026-01-02 12:01", tz="UTC"), times[1] - ONE_MINUTE
    assert gap == Missed(f"missed/{first.isoformat()}", NOW, first, last, bars)


def test_events_tell_up_to_where_a_book_has_decided(book, snapshot):
    at = snapshot.as_of.floor("min")
    armed = append(book, Armed("arm", at, EAGER.to_pairs()))
    assert pilot.decided_up_to(armed) == at
    later = append(armed, Missed("missed", at, at + ONE_MINUTE, at + 5 * ONE_MINUTE, 5))
    assert pilot.decided_up_to(later) == at + 5 * ONE_MINUTE
    bar = at + 9 * ONE_MINUTE
    bought = append(later, ordered("buy", amount=1, id=pilot.order_id(bar), time=bar))
    assert pilot.decided_up_to(bought) == bar
