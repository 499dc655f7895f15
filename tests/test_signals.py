import math

import numpy as np
import pandas as pd
import pytest

from marketpulse.costs import Costs
from marketpulse.horizons import LONG, MINUTE, ONE_MINUTE
from marketpulse.settings import PRESETS, Settings
from marketpulse.signals import MIN_SETTLED, Holding, Thresholds, acts, decide, decision_table
from tests.build import START

FREE = Costs(0)
NAN = float("nan")


def at(minute):
    return START + minute * ONE_MINUTE


def thresholds(**changes):
    asked = {"buy_mae": 0.0, "sell_mae": 0.0, "margin_bps": 0.0, "hold_minutes": None}
    return Thresholds(**{**asked, "centre": "trusted", "reference": "last buy", **changes})


def known(**changes):
    standard = {"price": 100.0, "minute_price": 100.0, "long_price": 100.0}
    return {**standard, "minute_mae": 1.0, "long_mae": 1.0, **changes}


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
        "costs in and out": -2 * 0.002 / 0.998 * 1e4,
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
    assert "costs in and out" in signal.reasons[0]


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
        "costs to sell": -0.002 / 0.998 * 1e4,
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
    return pd.DataFrame({"close": close, "raw": raw, "trusted": trusted}, index=index)


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


@pytest.mark.parametrize("hold_minutes", [None, 3])
@pytest.mark.parametrize("holding", [None, bought()])
def test_many_bars_at_once_trade_where_each_of_them_would(holding, hold_minutes):
    rule = thresholds(hold_minutes=hold_minutes)
    prices = [90.0, NAN, 100.0, 110.0, 120.0]
    rows = [known(long_price=price, minute_price=price) for price in prices]
    columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    times = [at(minute) for minute in range(5)]
    together = acts(pd.DatetimeIndex(times), columns, rule, FREE, holding)
    one_by_one = [decide(*each, rule, FREE, holding) for each in zip(times, rows, strict=True)]
    assert list(together) == [one.side != "hold" for one in one_by_one]
    assert together.any()
    assert not together.all()
