import math
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketpulse.costs import chosen_fee_bps
from marketpulse.horizons import LONG, MINUTE
from marketpulse.rulebook import RULES
from marketpulse.settings import (
    FEE_CHOICES,
    KNOBS,
    PRESET_HELP,
    PRESETS,
    REPLAY_SPEEDS,
    SIZINGS,
    UNSET,
    Settings,
)

WHOLE = ["refresh", "minute", "long", "tail", "hold", "max_trades"]

knobs = st.fixed_dictionaries(
    {name: st.floats(knob.low, knob.high) for name, knob in KNOBS.items()}
)
choices = st.fixed_dictionaries(
    {
        "symbol": st.from_regex(r"\A[A-Z0-9]{1,10}/[A-Z]{3,5}\Z"),
        "source": st.from_regex(r"\A[a-z0-9][a-z0-9_.-]{0,60}\Z"),
        "speed": st.sampled_from(REPLAY_SPEEDS),
        "centre": st.sampled_from(["trusted", "raw"]),
        "reference": st.sampled_from(["last buy", "average cost"]),
        "fees": st.sampled_from(FEE_CHOICES),
        "sizing": st.sampled_from(SIZINGS),
        "rule": st.sampled_from(list(RULES)),
    }
)


# Queries -----------------------------------------------------------------------------------------


@given(knobs, choices)
def test_settings_come_back_from_their_query(numbers, texts):
    asked = Settings().changed(**numbers, **texts)
    query = asked.to_query()
    assert Settings.from_query(query) == asked
    assert all(isinstance(value, str) for value in query.values())


def test_the_defaults_are_an_empty_query():
    assert Settings().to_query() == {}
    assert Settings.from_query({}) == Settings()


def test_a_query_holds_only_what_differs():
    asked = Settings().changed(long=12, symbol="ETH/EUR", tail=200, fee=25)
    assert asked.to_query() == {"symbol": "ETH/EUR", "long": "12", "fee": "25"}


def test_an_amount_keeps_every_digit_in_a_query():
    assert Settings().changed(ticket=123_456.78).to_query() == {"ticket": "123456.78"}


def test_a_fee_of_nothing_is_not_the_venues_fee():
    free = Settings().changed(fee=0)
    assert free.to_query() == {"fee": "0"}
    assert Settings.from_query(free.to_query()).fee == 0
    assert free.changed(fee=None).fee is None


@given(knobs, choices)
def test_all_pairs_hold_every_setting_and_reproduce_them(numbers, texts):
    asked = Settings().changed(**numbers, **texts)
    pairs = dict(asked.to_pairs())
    assert set(pairs) == {field.name for field in fields(Settings)}
    assert Settings.from_query(pairs) == asked


def test_what_is_left_to_the_venue_or_the_horizon_is_written_as_such():
    pairs = dict(Settings().to_pairs())
    assert (pairs["fee"], pairs["hold"]) == (UNSET, UNSET)
    assert Settings().changed(fee=7, hold=30).changed(fee=UNSET, hold=UNSET) == Settings()


@pytest.mark.parametrize(
    ("choice", "fee"),
    [
        *(("taker", 120), ("maker", 60), ("zero", 0)),
        *(("kraken taker", 40), ("kraken maker", 25), ("okx taker", 15)),
    ],
)
def test_a_fee_is_that_of_the_venue_in_use_or_of_the_one_that_is_named(choice, fee):
    assert choice in FEE_CHOICES
    assert chosen_fee_bps(choice, "coinbase") == fee


def test_keys_that_mean_nothing_are_ignored():
    query = {"book": "secret", "__class__": "x", "horizons": "1", "minute": "3"}
    assert Settings.from_query(query) == Settings(minute=3)
    assert Settings().changed(nonsense=1) == Settings()


# Bounds ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", KNOBS)
def test_a_number_out_of_bounds_is_clamped(name):
    knob = KNOBS[name]
    assert getattr(Settings().changed(**{name: 1e9}), name) == knob.high
    assert getattr(Settings.from_query({name: "-1e9"}), name) == knob.low


NONSENSE = [
    "nan",
    "inf",
    "-inf",
    "1e999",
    "",
    " ",
    "abc",
    "0x10",
    "1,5",
    "None",
    "[]",
    "١e",
    "5;DROP",
]


@pytest.mark.parametrize("name", KNOBS)
@pytest.mark.parametrize("value", [*NONSENSE, math.nan, math.inf, True, [], {}, b"5"], ids=repr)
def test_what_is_no_number_leaves_the_setting_as_it_was(name, value):
    before = Settings().changed(**{name: KNOBS[name].high})
    assert before.changed(**{name: value}) == before


@given(st.dictionaries(st.sampled_from(sorted(KNOBS)), st.text(max_size=8) | st.floats()))
def test_no_query_leads_out_of_bounds(values):
    made = Settings().changed(**values)
    for name, knob in KNOBS.items():
        value = getattr(made, name)
        assert value is None or knob.low <= value <= knob.high


@pytest.mark.parametrize("name", WHOLE)
def test_bars_minutes_and_seconds_are_whole_numbers(name):
    value = getattr(Settings().changed(**{name: "7.4"}), name)
    assert isinstance(value, int)
    assert value == max(7, KNOBS[name].low)


def test_a_setting_that_has_a_venues_default_may_be_given_back_to_it():
    assert Settings().changed(fee=10, hold=30).changed(fee=None, hold=None) == Settings()
    assert Settings().changed(tail=None) == Settings()


def test_every_default_is_within_its_bounds():
    for name, knob in KNOBS.items():
        default = getattr(Settings(), name)
        assert default is None or knob.low <= default <= knob.high


# Texts -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "symbol",
    [
        "",
        "BTC",
        "BTCUSD",
        "BTC/",
        "/USD",
        "BTC/USD/EUR",
        "BTC/US",
        "BTC/USDTUSDT",
        "ABCDEFGHIJK/USD",
        "../../etc/passwd",
        "BTC/USD; DROP TABLE",
        "<script>/USD",
        "BTC\u200b/USD",
        "BTC\n/USD",
        "ВТС/USD",  # Cyrillic letters
        "BTC/USD\x00",
        None,
        5,
    ],
)
def test_a_symbol_that_could_not_be_a_pair_is_not_taken(symbol):
    assert Settings().changed(symbol=symbol).symbol == "BTC/USD"


def test_a_symbol_may_be_typed_in_small_letters():
    assert Settings().changed(symbol=" eth/usdt ").symbol == "ETH/USDT"


@pytest.mark.parametrize(
    "source",
    [
        "",
        "../secret",
        "/etc/passwd",
        "a/b",
        "..",
        ".hidden",
        "a\\b",
        "file:a",
        "a b",
        "a" * 62,
        "á",
    ],
)
def test_a_source_that_could_be_a_path_is_not_taken(source):
    assert Settings().changed(source=source).source == "auto"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("speed", 7), ("speed", "60.0"), ("centre", "RAW"), ("reference", "x")),
        *(("fees", "mtgox taker"), ("sizing", "all"), ("zone", "Europe/Berlin")),
    ],
)
def test_a_choice_that_is_not_offered_is_not_taken(name, value):
    assert Settings().changed(**{name: value}) == Settings()


def test_a_choice_may_come_as_text():
    assert Settings.from_query({"speed": "10", "centre": "raw"}) == Settings(speed=10, centre="raw")


# What follows from settings ----------------------------------------------------------------------


def test_the_horizons_are_those_asked_for():
    assert Settings().horizons == (MINUTE, LONG)
    asked = Settings(minute=5, long=12).horizons
    assert asked == (MINUTE.with_steps(5), LONG.with_steps(12))


@pytest.mark.parametrize(("hold", "minutes"), [(None, 60), (30, 30), (0, None)])
def test_a_position_is_held_as_long_as_the_long_horizon_unless_told_otherwise(hold, minutes):
    assert Settings(long=12, hold=hold).hold_minutes == minutes


def test_the_quote_currency_is_the_second_of_the_pair():
    assert Settings(symbol="ETH/EUR").quote_currency == "EUR"


def test_equal_settings_are_one_key():
    assert len({Settings(), Settings.from_query({}), Settings(minute=1)}) == 1


# Presets -----------------------------------------------------------------------------------------


def test_the_preset_after_costs_is_the_default():
    assert Settings().changed(**PRESETS["After costs"]) == Settings()


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_sets_every_threshold_and_nothing_else(name):
    asked = Settings().changed(
        symbol="ETH/EUR", margin=50, fee=7, centre="raw", buy_mae=2, sell_mae=2, spread=9
    )
    made = asked.changed(**PRESETS[name])
    assert {field: getattr(made, field) for field in PRESETS[name]} == PRESETS[name]
    thresholds = {"rule", "centre", "buy_mae", "sell_mae", "margin", "fees", "fee", "spread"}
    assert set(PRESETS[name]) == thresholds
    assert made.symbol == "ETH/EUR"
    assert PRESET_HELP[name]


def test_only_the_lean_preset_ignores_costs_and_doubt():
    assert PRESETS["Lean"]["fee"] == PRESETS["Lean"]["buy_mae"] == PRESETS["Lean"]["spread"] == 0
    assert all(PRESETS[name]["fee"] is None for name in ("After costs", "Strict"))
    assert PRESETS["Strict"]["buy_mae"] > PRESETS["After costs"]["buy_mae"] > 0
