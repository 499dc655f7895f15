import dataclasses

import pandas as pd
import pytest

from marketpulse import report
from marketpulse.costs import taker_fee_bps
from marketpulse.horizons import LONG, MINUTE, ONE_MINUTE
from marketpulse.market import Feed, Market
from marketpulse.risk import Limits
from marketpulse.settings import PRESETS, Settings
from marketpulse.signals import Holding
from marketpulse.snapshot import MarketKey
from marketpulse.sources import Quote
from marketpulse.sources.recorded import RecordedSource
from tests.test_market import NOW, RECORDING, SMALL, fitted, settled

KEY = MarketKey("walk.csv", "BTC/USD")
SETTINGS = Settings(source="walk.csv")


@pytest.fixture(scope="module")
def snapshot():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("marketpulse.track.PLANS", SMALL)
        return settled(Market(KEY, lambda _: Feed(RecordedSource(RECORDING)), fitted, asked_at=NOW))


@pytest.fixture(scope="module")
def seen(snapshot):
    return report.build(snapshot, SETTINGS)


def test_the_headline_says_forecast_band_lean_verdict_and_costs(snapshot, seen):
    said = report.headline(seen, snapshot, report.signal(seen, snapshot, None))
    long = seen.long.forecast
    assert said.startswith(f"BTC/USD in 45 min: {long.price:,.0f}, likely {long.low_90:,.0f} to ")
    assert "(9 in 10). The trees lean " in said
    assert "'no change' (last 200)." in said
    assert said.endswith("Your costs are 82 bps: not worth trading.")


def test_the_headline_names_what_is_waited_for_before_there_is_a_forecast(snapshot):
    bare = dataclasses.replace(snapshot, outlooks={}, progress="Training the 1-minute model")
    said = report.headline(report.build(bare, SETTINGS), bare, None)
    assert said.endswith("No forecast yet: training the 1-minute model.")


def test_the_venues_fee_counts_until_the_visitor_sets_one(snapshot):
    assert report.build(snapshot, SETTINGS).costs.fee_bps == taker_fee_bps("bitstamp")
    assert report.build(snapshot, SETTINGS.changed(fee=7)).costs.fee_bps == 7
    assert report.build(snapshot, SETTINGS.changed(fees="okx maker")).costs.fee_bps == 10


def test_spread_impact_latency_and_limits_are_those_of_the_settings(snapshot):
    chosen = SETTINGS.changed(spread=2, impact=50, latency=1.5, max_position=25, max_loss=5)
    costs = report.visitor_costs(snapshot.venue, chosen)
    assert (costs.half_spread_bps, costs.impact_bps, costs.latency_s) == (2, 50, 1.5)
    assert report.visitor_limits(chosen) == Limits(0.25, 0.05, 60)


def test_the_basis_decides_as_the_whole_report_does(snapshot, seen):
    basis = report.basis(snapshot, SETTINGS)
    assert basis.decisions.equals(seen.decisions)
    assert basis.costs == seen.costs
    assert basis.presets == {}


def test_a_preset_that_ignores_the_spread_pays_it_all_the_same(snapshot, seen):
    lean = report.build(snapshot, SETTINGS.changed(**PRESETS["Lean"])).presets["Lean"]
    fills = lean.ledger.fills
    assert fills
    assert all(fill.receipt.spread > 0 for fill in fills)
    assert lean.net == seen.presets["Lean"].net


def test_the_tail_is_as_long_as_the_visitor_asks(snapshot):
    assert report.build(snapshot, SETTINGS.changed(tail=100)).minute.tail.n == 100


def test_a_horizon_in_training_shows_the_default_one_labelled_as_such(snapshot):
    view = report.build(snapshot, SETTINGS.changed(long=12)).long
    assert view.waiting
    assert view.outlook.horizon == LONG
    assert view.asked == LONG.with_steps(12)


def test_every_preset_has_a_record_over_the_tail(seen):
    assert set(seen.presets) == set(PRESETS)
    assert {outcome.decisions for outcome in seen.presets.values()} == {200}


def test_the_lean_preset_trades_more_than_the_strict_one(seen):
    assert seen.presets["Lean"].trades > seen.presets["Strict"].trades


def test_the_signal_is_decided_on_the_newest_closed_bar(snapshot, seen):
    assert report.signal(seen, snapshot, None).as_of == snapshot.as_of


def test_no_signal_is_given_on_old_candles(snapshot, seen):
    old = dataclasses.replace(snapshot, now=snapshot.as_of + 4 * ONE_MINUTE)
    decided = report.signal(seen, old, None)
    assert decided.side == "hold"
    assert decided.reasons == ("No signal: the newest candle is 4 min old.",)


def test_an_expired_position_is_sold_whatever_the_price(snapshot, seen):
    bought = Holding(cost=1e9, since=snapshot.as_of - pd.Timedelta(minutes=45))
    assert report.signal(seen, snapshot, bought).side == "sell"


def test_a_report_does_not_depend_on_the_price_between_bars(snapshot):
    moved = dataclasses.replace(snapshot, quote=Quote(1.0, snapshot.as_of))
    assert report.build(moved, SETTINGS).decisions.equals(
        report.build(snapshot, SETTINGS).decisions
    )


def test_the_last_price_is_the_quote_unless_it_is_older_than_the_bar(snapshot):
    fresh = dataclasses.replace(snapshot, quote=Quote(5.0, snapshot.as_of))
    old = dataclasses.replace(snapshot, quote=Quote(5.0, snapshot.as_of - 2 * ONE_MINUTE))
    assert fresh.price == 5.0
    assert old.price == snapshot.candles["close"].iloc[-1]


def test_minute_and_long_views_are_of_their_own_horizons(seen):
    assert (seen.minute.asked, seen.long.asked) == (MINUTE, LONG)
    assert not seen.minute.waiting
