import math

import numpy as np
import pandas as pd
import pytest

from marketpulse.bands import BANDS
from marketpulse.costs import Costs
from marketpulse.horizons import LONG, MINUTE, ONE_MINUTE
from marketpulse.rulebook import RULES
from marketpulse.settings import PRESETS, Settings
from marketpulse.signals import (
    MIN_SETTLED,
    Holding,
    Thresholds,
    decide,
    decision_table,
    fires,
    history,
)
from marketpulse.strategies import chance_of_profit
from tests.build import START, candles

FREE = Costs(0)
NAN = float("nan")
ENDS = (-0.02, -0.01, 0.0, 0.01, 0.02)


def at(minute):
    return START + minute * ONE_MINUTE


def thresholds(**changes):
    asked = {"buy_mae": 0.0, "sell_mae": 0.0, "margin_bps": 0.0, "hold_minutes": None}
    return Thresholds(**{**asked, "centre": "trusted", "reference": "last buy", **changes})


def bands(middle=0.0):
    """Bands of both horizons around a log return."""
    ends = zip(("low_90", "low_50", "middle", "high_50", "high_90"), ENDS, strict=True)
    names = {end: middle + beyond for end, beyond in ends}
    return {f"{label}_{end}": names[end] for label in ("minute", "long") for end in names}


def known(**changes):
    """What is known at a price of 100: no move, an error of 1, and bands of 1 % and 2 %."""
    standard = {"price": 100.0, "minute_price": 100.0, "long_price": 100.0}
    return {**standard, **bands(), "minute_mae": 1.0, "long_mae": 1.0, "volume": 50.0, **changes}


def bought(cost=100.0, minute=0):
    return Holding(cost, at(minute))


def summands(signal):
    return {term.label: pytest.approx(term.bps) for term in signal.terms}


# Buying ------------------------------------------------------------------------------------------


def test_a_purchase_is_the_forecast_move_less_error_fees_and_margin():
    rule = thresholds(buy_mae=0.5, margin_bps=10)
    signal = decide(at(0), known(long_price=103.0), rule, Costs(20), None)
    assert summands(signal) == {
        "forecast move": 300,
        "safety margin for its error": -50,
        "fees in and out": -2 * 0.002 / 0.998 * 1e4,
        "profit margin": -10,
    }
    assert signal.distance_bps == pytest.approx(300 - 50 - 40.08016 - 10)
    assert signal.side == "buy"
    assert signal.as_of == at(0)


@pytest.mark.parametrize(("beyond", "side"), [(-1e-6, "hold"), (1e-6, "buy")])
@pytest.mark.parametrize("fee", [0, 10, 40, 120])
def test_a_purchase_breaks_even_exactly_at_its_fees(fee, beyond, side):
    costs = Costs(fee)
    even = 100 * (1 + costs.fee_rate) / (1 - costs.fee_rate)  # what a sale must bring to pay both
    signal = decide(at(0), known(long_price=even + beyond), thresholds(), costs, None)
    assert signal.side == side


@pytest.mark.parametrize(
    ("changes", "rule", "reason"),
    [
        ({"long_price": 99.9}, {}, "No buy: the forecast move is -10.0 bps, 10.0 bps short."),
        ({"long_price": 100.1}, {"buy_mae": 1}, "safety margin for its error, 90.0 bps short."),
        ({"long_price": 100.1}, {"margin_bps": 15}, "profit margin, 5.0 bps short."),
    ],
)
def test_a_signal_says_what_blocks_it_and_by_how_much(changes, rule, reason):
    signal = decide(at(0), known(**changes), thresholds(**rule), FREE, None)
    assert signal.side == "hold"
    assert signal.reasons[0].endswith(reason)


def test_fees_that_block_a_purchase_are_named():
    signal = decide(at(0), known(long_price=100.1), thresholds(), Costs(10), None)
    assert "fees in and out" in signal.reasons[0]


def test_a_margin_below_nothing_buys_at_a_loss_on_purpose():
    assert decide(at(0), known(), thresholds(margin_bps=-1), FREE, None).side == "buy"
    assert decide(at(0), known(), thresholds(), FREE, None).side == "hold"


@pytest.mark.parametrize("unknown", ["long_price", "long_mae"])
def test_without_a_forecast_or_its_record_nothing_is_bought(unknown):
    signal = decide(at(0), known(**{unknown: NAN}), thresholds(buy_mae=0.25), FREE, None)
    assert (signal.side, signal.distance_bps, signal.terms) == ("hold", None, ())
    assert signal.reasons == ("No forecast to buy on yet.",)


def test_what_is_held_is_not_bought_again():
    rich = known(long_price=200.0, minute_price=99.0)
    assert decide(at(1), rich, thresholds(), FREE, bought()).side == "hold"


# Selling -----------------------------------------------------------------------------------------


def test_a_sale_is_the_minute_forecast_over_cost_less_error_fee_and_margin():
    rule = thresholds(sell_mae=0.5, margin_bps=10)
    signal = decide(at(1), known(minute_price=208.0), rule, Costs(20), bought(200.0))
    assert summands(signal) == {
        "forecast over cost": 400,
        "safety margin for its error": -25,
        "fee to sell": -0.002 / 0.998 * 1e4,
        "profit margin": -10,
    }
    assert signal.side == "sell"


@pytest.mark.parametrize(("beyond", "side"), [(-1e-6, "hold"), (1e-6, "sell")])
def test_a_sale_breaks_even_exactly_at_what_was_paid_and_its_own_fee(beyond, side):
    costs = Costs(40)
    paid = 100 * (1 + costs.fee_rate)
    even = paid / (1 - costs.fee_rate)
    signal = decide(at(1), known(minute_price=even + beyond), thresholds(), costs, bought(paid))
    assert signal.side == side


def test_without_a_minute_forecast_nothing_is_sold():
    signal = decide(at(1), known(minute_price=NAN), thresholds(), FREE, bought())
    assert signal.reasons == ("No forecast to sell on yet.",)


@pytest.mark.parametrize(("age", "side"), [(44, "hold"), (45, "sell"), (60, "sell")])
def test_a_position_is_sold_when_the_forecast_that_bought_it_has_expired(age, side):
    rule = thresholds(hold_minutes=45)
    signal = decide(at(age), known(minute_price=50.0), rule, Costs(40), bought())
    assert signal.side == side


def test_an_expired_position_is_sold_without_any_forecast():
    gone = known(minute_price=NAN, long_price=NAN, minute_mae=NAN)
    signal = decide(at(45), gone, thresholds(hold_minutes=45), FREE, bought())
    assert (signal.side, signal.terms, signal.distance_bps) == ("sell", (), None)
    assert "expired after 45 min" in signal.reasons[0]


def test_without_an_expiry_only_a_profit_sells():
    poor = known(minute_price=50.0)
    assert decide(at(10**6), poor, thresholds(), FREE, bought()).side == "hold"


@pytest.mark.parametrize("preset", PRESETS)
def test_thresholds_are_those_of_the_settings(preset):
    settings = Settings().changed(**PRESETS[preset])
    rule = Thresholds.of(settings)
    assert (rule.buy_mae, rule.sell_mae) == (settings.buy_mae, settings.sell_mae)
    assert (rule.centre, rule.reference) == (settings.centre, "last buy")
    assert (rule.margin_bps, rule.hold_minutes) == (0, 45)


# What was known when -----------------------------------------------------------------------------


def forecasts(minutes, *, close=100.0, raw=0.0, trusted=0.0):
    index = pd.DatetimeIndex([at(minute) for minute in minutes], name="as_of")
    ends = dict(zip(BANDS, (-0.02, -0.01, 0.01, 0.02), strict=True))
    return pd.DataFrame({"close": close, "raw": raw, "trusted": trusted, **ends}, index=index)


def settled(minutes, errors, raw_errors=None):
    index = pd.DatetimeIndex([at(minute) for minute in minutes], name="as_of")
    raw = errors if raw_errors is None else raw_errors
    return pd.DataFrame({"error": errors, "raw_error": raw}, index=index, dtype=float)


def table_of(minute, long, near, far, *, tail=100, centre="trusted"):
    return decision_table(minute, long, (near, far), (MINUTE, LONG), tail, centre)


NONE = settled([0], [0.0]).iloc[:0]


def test_prices_are_those_of_the_centre_that_counts():
    minute = forecasts([0], raw=math.log(1.02), trusted=math.log(1.01))
    for centre, price in (("trusted", 101), ("raw", 102)):
        row = table_of(minute, minute, NONE, NONE, centre=centre).iloc[0]
        assert (row["minute_price"], row["long_price"]) == (pytest.approx(price),) * 2
        assert row["price"] == 100


def test_the_newest_long_forecast_counts_until_it_is_five_minutes_old():
    minute = forecasts(range(4, 14))
    long = forecasts([5], trusted=math.log(1.1))
    made = table_of(minute, long, NONE, NONE)["long_price"]
    assert made.index[made.notna()].tolist() == [at(n) for n in range(5, 11)]


def test_a_newer_long_forecast_replaces_the_older_one():
    long = forecasts([0, 5], trusted=[math.log(1.1), math.log(1.2)])
    made = table_of(forecasts([4, 5, 6]), long, NONE, NONE)["long_price"]
    assert made.tolist() == pytest.approx([110, 120, 120])


@pytest.mark.parametrize(("column", "wait"), [("minute_mae", 1), ("long_mae", 45)])
def test_an_error_counts_from_the_minute_when_its_forecast_came_due_and_no_earlier(column, wait):
    rows = range(200)
    errors = np.ones(200)
    errors[100] = 1e6
    record = settled(rows, errors)
    made = table_of(forecasts(rows), forecasts(rows), record, record)[column]
    shocked = made.index[made > 2]
    assert shocked[0] == at(100 + wait)


def test_what_was_settled_later_changes_no_earlier_row():
    random = np.random.default_rng(0)
    rows = range(300)
    record = settled(rows, random.normal(0, 1, 300))
    whole = table_of(forecasts(rows), forecasts(rows), record, record)
    part = table_of(*(forecasts(range(250)),) * 2, record.iloc[:249], record.iloc[:205])
    pd.testing.assert_frame_equal(part, whole.iloc[:250], check_exact=True, check_freq=False)


def test_the_error_is_the_mean_over_the_tail_whatever_its_sign():
    rows = range(60)
    record = settled(rows, [-4.0] * 30 + [2.0] * 30)
    made = table_of(forecasts(rows), forecasts([0]), record, NONE, tail=25)["minute_mae"]
    assert made.iloc[30] == 4
    assert made.iloc[45] == pytest.approx((10 * 4 + 15 * 2) / 25)
    assert made.iloc[59] == 2


def test_the_error_is_that_of_the_centre_that_counts():
    record = settled(range(60), [1.0] * 60, raw_errors=[3.0] * 60)
    minute = forecasts(range(60))
    for centre, mae in (("trusted", 1), ("raw", 3)):
        made = table_of(minute, minute, record, record, centre=centre)
        assert made["minute_mae"].iloc[-1] == mae


def test_too_few_settled_forecasts_have_no_error():
    rows = range(40)
    made = table_of(forecasts(rows), forecasts([0]), settled(rows, [1.0] * 40), NONE)["minute_mae"]
    assert made.index[made.notna()][0] == at(MIN_SETTLED)


def test_a_rule_that_takes_no_doubt_off_needs_no_record_of_errors():
    nothing_settled = known(long_price=102.0, long_mae=NAN)
    assert decide(at(0), nothing_settled, thresholds(), FREE, None).side == "buy"


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("holding", [None, bought()])
@pytest.mark.parametrize("costs", [FREE, Costs(40, half_spread_bps=5, impact_bps=30)])
def test_many_bars_at_once_trade_where_each_of_them_would(rule, holding, costs):
    asked = thresholds(rule=rule, buy_mae=0.25, sell_mae=0.25, amount=1_000)
    prices = [90.0, NAN, 100.0, 103.0, 120.0]
    rows = [
        known(long_price=price, minute_price=price) | bands(math.log(price / 100))
        for price in prices
    ]
    columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    together = fires(columns, asked, costs, holding)
    times = [at(minute) for minute in range(5)]
    one_by_one = [decide(*each, asked, costs, holding) for each in zip(times, rows, strict=True)]
    assert list(together) == [one.side != "hold" for one in one_by_one]
    assert together.any()
    assert not together.all()


def test_an_old_long_forecast_is_about_the_price_of_now():
    # Said at 100: no move. Four minutes later the price is 99, and still none is expected of it.
    minute = forecasts([5, 9], close=[100.0, 99.0])
    made = table_of(minute, forecasts([5]), NONE, NONE)
    assert made["long_price"].tolist() == [100, 99]
    free = thresholds()
    for as_of, row in made.iterrows():
        assert decide(as_of, row.to_dict(), free, FREE, None).side == "hold"


def test_a_return_is_carried_to_the_price_of_now():
    long = forecasts([5], trusted=math.log(1.1))
    made = table_of(forecasts([5, 9], close=[100.0, 50.0]), long, NONE, NONE)
    assert made["long_price"].tolist() == pytest.approx([110, 55])


# Costs in terms ----------------------------------------------------------------------------------


def test_every_cost_is_a_term_of_its_own_and_together_they_are_the_break_even():
    costs = Costs(40, half_spread_bps=5, impact_bps=30)
    # 1,000 at 100 are 10 units, a fifth of a bar's 50
    signal = decide(at(0), known(), thresholds(amount=1_000), costs, None)
    terms = {term.label: term.bps for term in signal.terms}
    parts = ["fees in and out", "spread in and out", "slippage in and out"]
    assert [name for name in terms if "in and out" in name] == parts
    assert -sum(terms[part] for part in parts) == pytest.approx(costs.round_trip(0.2) * 1e4)
    assert -terms["fees in and out"] == pytest.approx(Costs(40).round_trip() * 1e4)


def test_the_costs_of_a_sale_are_those_of_the_way_out():
    costs = Costs(40, half_spread_bps=5, impact_bps=30)
    signal = decide(at(1), known(), thresholds(amount=1_000), costs, bought())
    spent = [-term.bps for term in signal.terms if term.label.endswith(" sell")]
    assert len(spent) == 3
    assert sum(spent) == pytest.approx(costs.exit(0.2) * 1e4)


@pytest.mark.parametrize(("volume", "share"), [(NAN, 0), (0.0, 1), (10.0, 1), (1_000.0, 0.01)])
def test_slippage_grows_with_the_share_of_the_volume_as_far_as_that_is_known(volume, share):
    costs = Costs(0, impact_bps=30)
    signal = decide(at(0), known(volume=volume), thresholds(amount=1_000), costs, None)
    (slipped,) = [term.bps for term in signal.terms if term.label == "slippage in and out"]
    assert -slipped == pytest.approx(costs.round_trip(share) * 1e4)


def test_volume_is_that_of_the_last_bars_that_closed():
    frame = candles([100.0] * 30, volume=np.arange(30.0))
    minute = forecasts([0, 1, 5, 30])
    made = decision_table(minute, minute, (NONE, NONE), (MINUTE, LONG), 100, "trusted", frame)
    # by minute 5 the bars of volume 0 to 4 have closed, by minute 30 the last 20 are 10 to 29
    assert made["volume"].iloc[1:].tolist() == [0, 2, 19.5]
    assert np.isnan(made["volume"].iloc[0])


# By chance ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("margin_bps", "chance"), [(0, 0.5), (100, 0.25), (50, 0.375), (-100, 0.75), (300, 0.05)]
)
def test_the_chance_of_a_profit_is_read_off_the_bands(margin_bps, chance):
    asked = thresholds(rule="chance", margin_bps=margin_bps)
    assert chance_of_profit(known(), FREE, asked, None) == pytest.approx(chance, abs=0.002)


@pytest.mark.parametrize("margin_bps", [-150, -30, 0, 40, 120])
@pytest.mark.parametrize("wanted", [0.1, 0.3, 0.5, 0.6, 0.9])
@pytest.mark.parametrize("holding", [None, bought(99.7)])
def test_a_rule_by_chance_trades_where_the_chance_is_above_the_one_asked_for(
    margin_bps, wanted, holding
):
    asked = thresholds(rule="chance", margin_bps=margin_bps, chance=wanted)
    costs = Costs(10, half_spread_bps=2)
    signal = decide(at(1), known(), asked, costs, holding)
    assert (signal.side != "hold") == (chance_of_profit(known(), costs, asked, holding) > wanted)


def test_without_bands_there_is_no_chance():
    unknown = known(long_low_90=NAN)
    asked = thresholds(rule="chance", chance=0.95)
    assert math.isnan(chance_of_profit(unknown, FREE, asked, None))
    assert decide(at(0), unknown, asked, FREE, None).reasons == ("No forecast to buy on yet.",)


# Limits and history ------------------------------------------------------------------------------


def test_a_risk_limit_sells_whatever_the_forecasts_say():
    said = "The loss of today is beyond 2 %."
    poor = known(minute_price=50.0)
    signal = decide(at(1), poor, thresholds(), FREE, bought(), must_sell=said)
    assert (signal.side, signal.reasons) == ("sell", (said,))
    assert decide(at(1), poor, thresholds(), FREE, None, must_sell=said).side == "hold"


def test_the_history_of_a_signal_is_that_of_every_bar_for_itself():
    minute = forecasts(range(1, 9), trusted=np.log(np.linspace(0.99, 1.03, 8)))
    table = table_of(minute, minute, NONE, NONE)
    asked, costs = thresholds(margin_bps=10), Costs(40)
    made = history(table, asked, costs)
    for as_of, row in table.iterrows():
        signal = decide(as_of, row.to_dict(), asked, costs, None)
        assert made.loc[as_of, "distance"] == signal.distance_bps
        assert made.loc[as_of, "fired"] == (signal.side == "buy")
        assert summands(signal) == made.loc[as_of].drop(["distance", "fired"]).to_dict()
    assert 0 < made["fired"].sum() < 8
