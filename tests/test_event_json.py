import json
from dataclasses import fields, replace
from decimal import Decimal

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketpulse.costs import Costs
from marketpulse.errors import InvalidOrder
from marketpulse.event_json import decoded, encoded, kind_of
from marketpulse.events import (
    Armed,
    Deposit,
    Disarmed,
    Fill,
    Missed,
    Order,
    Receipt,
    Rejection,
    Side,
)
from marketpulse.strict_json import parsed
from tests.books import BTC, deposit, fill, ordered

TIME = pd.Timestamp("2026-01-02 03:04:05.000006", tz="UTC")
RECEIPT = Receipt(
    seen=Decimal("60000.5"),
    reference=Decimal(60_001),
    reference_time=TIME,
    spread=Decimal("1.50"),
    impact=Decimal("0.000000000001"),
    delay=pd.Timedelta(milliseconds=1500),
    venue="bitstamp",
)
EVENTS = [
    Deposit("opening", TIME, Decimal("10000.00")),
    Order(
        "a",
        TIME,
        BTC,
        Side.BUY,
        Decimal(100),
        None,
        "market",
        "manual",
        "by hand – \u20ac",
        Decimal(60_000),
        Costs(40.0, 1.5, 10.0, 0.25),
    ),
    ordered("sell", quantity="0.5", id="b", origin="auto-pilot"),
    ordered("sell", id="c"),
    Fill(
        "a/fill",
        TIME,
        BTC,
        Side.BUY,
        Decimal("0.00166662"),
        Decimal("60002.500000000001"),
        Decimal("0.4"),
        "by hand",
        "a",
        "auto-pilot",
        RECEIPT,
    ),
    fill("sell", 1, 100),
    Rejection("b/rejected", TIME, "b", "No price came within 3 minutes."),
    Armed("on", TIME, (("symbol", BTC), ("tail", "100"))),
    Armed("bare", TIME, ()),
    Disarmed("off", TIME, "By hand."),
    Missed("slept", TIME, TIME - pd.Timedelta(minutes=9), TIME, 10),
]
ORDER = ordered("buy", amount=100, id="a")
COSTS = [field.name for field in fields(Costs)]
NUMBERS = st.from_regex(r"-?[0-9]{1,15}(\.[0-9]{1,12})?", fullmatch=True, alphabet="-.0123456789")
TIMES = st.datetimes(pd.Timestamp("1970-01-01"), pd.Timestamp("2199-12-31"))


def changed(event, /, **values):
    """The JSON of an event with some of its fields replaced, whatever they are."""
    return json.dumps({**json.loads(encoded(event)), **values})


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.id)
def test_an_event_comes_back_as_it_was(event):
    again = decoded(encoded(event))
    assert again == event
    assert encoded(again) == encoded(event)
    assert repr(decoded(encoded(again))) == repr(again)


def test_an_event_has_one_form():
    assert encoded(deposit("10000.50")) == (
        '{"amount":"10000.50","event":"deposit","id":"deposit","time":"2026-01-02T12:00:00.000000Z"}'
    )
    assert encoded(EVENTS[4]) == (
        '{"event":"fill","fee":"0.4","id":"a/fill","order":"a","origin":"auto-pilot",'
        '"price":"60002.500000000001","quantity":"0.00166662","reason":"by hand","receipt":'
        '{"delay":1500000,"impact":"0.000000000001","reference":"60001",'
        '"reference_time":"2026-01-02T03:04:05.000006Z","seen":"60000.5","spread":"1.50",'
        '"venue":"bitstamp"},"side":"buy","symbol":"BTC/USD",'
        '"time":"2026-01-02T03:04:05.000006Z"}'
    )


def test_whole_costs_have_the_same_form():
    fees = [replace(ORDER, costs=Costs(fee)) for fee in (40, 40.0)]
    assert encoded(fees[0]) == encoded(fees[1])


def test_every_kind_of_event_has_a_name():
    assert {kind_of(event) for event in EVENTS} == {
        "deposit", "order", "fill", "rejection", "armed", "disarmed", "missed",
    }  # fmt: skip


def test_the_form_is_ascii():
    assert encoded(EVENTS[1]).isascii()


@given(NUMBERS, TIMES)
def test_every_number_and_time_comes_back(number, time):
    amount = Decimal(number)
    event = Deposit("a", pd.Timestamp(time, tz="UTC"), amount)
    again = decoded(encoded(event))
    assert again == event
    assert again.amount.as_tuple() == amount.as_tuple()


def test_a_time_of_another_zone_is_the_same_time():
    event = deposit(time=pd.Timestamp("2026-01-02 13:00", tz="Europe/Paris"))
    assert '"time":"2026-01-02T12:00:00.000000Z"' in encoded(event)
    assert decoded(encoded(event)) == deposit()


def test_a_large_exponent_is_written_out():
    assert '"amount":"1000"' in encoded(deposit("1E+3"))


@pytest.mark.parametrize(
    "number", ["NaN", "sNaN", "Infinity", "-Infinity", "1E+15", "1E+1000000", "1E-13", "1E-1000000"]
)
def test_a_number_that_cannot_be_written_is_refused(number):
    with pytest.raises(InvalidOrder, match="12 after the point"):
        encoded(deposit(number))


@pytest.mark.parametrize(
    "number",
    [
        "",
        "1.",
        ".5",
        "+1",
        "--1",
        "1e5",
        "1_000",
        "1,000",
        " 1",
        "1\n",
        "0x10",
        "NaN",
        "Infinity",
        "1234567890123456",
        "0.1234567890123",
        "\u0661\u0662",  # Arabic digits
        "\u0967",  # a Devanagari digit
        "\uff11",  # a full-width digit
        "1\x00",
        1,
        1.5,
        True,
        None,
        [],
        {},
    ],
)
def test_what_is_no_plain_number_is_refused(number):
    with pytest.raises(ValueError, match="amount: must be a decimal number as a string"):
        decoded(changed(deposit(), amount=number))


@pytest.mark.parametrize(
    "time",
    [
        "",
        "2026-01-02",
        "2026-01-02T12:00:00Z",
        "2026-01-02T12:00:00.000000",
        "2026-01-02T12:00:00.000000+00:00",
        "2026-01-02 12:00:00.000000Z",
        "2026-01-02T24:00:00.000000Z",
        "2026-02-30T12:00:00.000000Z",
        "2026-13-01T12:00:00.000000Z",
        "2026-01-02T12:00:60.000000Z",
        "1969-12-31T23:59:59.999999Z",
        "2200-01-01T00:00:00.000000Z",
        "9999-12-31T23:59:59.999999Z",
        "20260102T120000.000000Z",
        "\u0662026-01-02T12:00:00.000000Z",
        0,
        1767355200,
        None,
    ],
)
def test_what_is_no_plain_time_is_refused(time):
    with pytest.raises(ValueError, match=r"time: |day is out of range|month must be"):
        decoded(changed(deposit(), time=time))


@pytest.mark.parametrize(
    ("event", "values", "said"),
    [
        (deposit(), {"event": "dividend"}, "does not match any"),
        (deposit(), {"event": ["deposit"]}, "does not match any"),
        (deposit(), {"owner": "me"}, "owner: Extra"),
        (deposit(), {"id": ""}, "id: "),
        (deposit(), {"id": "x" * 201}, "id: "),
        (deposit(), {"id": "\u00e9"}, "id: "),
        (deposit(), {"id": "a\n"}, "id: "),
        (deposit(), {"id": 7}, "id: "),
        (deposit(), {"id": "a/fill"}, "id: "),
        (ORDER, {"id": "x" * 151}, "id: "),
        (ORDER, {"id": "a/rejected"}, "id: "),
        (ORDER, {"side": "short"}, "side: "),
        (ORDER, {"side": "BUY"}, "side: "),
        (ORDER, {"kind": "limit"}, "kind: "),
        (ORDER, {"origin": "robot"}, "origin: "),
        (ORDER, {"symbol": "btc/usd"}, "symbol: "),
        (ORDER, {"symbol": "BTC/USD\n"}, "symbol: "),
        (ORDER, {"symbol": "<b>/USD"}, "symbol: "),
        (ORDER, {"reason": "x" * 1001}, "reason: "),
        (ORDER, {"reason": "bell\a"}, "reason: must not hold characters that cannot be seen"),
        (ORDER, {"reason": "\u202eevil"}, "reason: must not hold characters that cannot be seen"),
        (ORDER, {"reason": "\ud800"}, "reason: "),
        (ORDER, {"costs": None}, "costs: "),
        (ORDER, {"costs": {}}, "costs.fee_bps: "),
        (ORDER, {"costs": dict.fromkeys(COSTS, True)}, "costs.fee_bps: "),
        (ORDER, {"costs": dict.fromkeys(COSTS, "40")}, "costs.fee_bps: "),
        (ORDER, {"costs": dict.fromkeys(COSTS, -1.0)}, "costs: fee_bps must be"),
        (ORDER, {"costs": {**dict.fromkeys(COSTS, 0.0), "rebate": 1.0}}, "costs.rebate: "),
        (EVENTS[4], {"order": "b"}, "id: "),
        (EVENTS[4], {"order": ""}, "id: "),
        (EVENTS[4], {"receipt": {}}, "receipt.seen: "),
        (EVENTS[6], {"id": "rejected"}, "id: "),
        (EVENTS[6], {"order": ""}, "order: "),
        (EVENTS[7], {"settings": [["a"]]}, "settings.0: "),
        (EVENTS[7], {"settings": [["a", 1]]}, "settings.0.1: "),
        (EVENTS[7], {"settings": {"a": "b"}}, "settings: "),
        (EVENTS[7], {"settings": [["a", "b"]] * 101}, "settings: "),
        (EVENTS[10], {"bars": 0}, "bars: "),
        (EVENTS[10], {"bars": 1.0}, "bars: "),
        (EVENTS[10], {"bars": True}, "bars: "),
        (EVENTS[10], {"last": "2026-01-01T00:00:00.000000Z"}, "are no stretch"),
    ],
)
def test_what_is_no_event_is_refused_with_the_place(event, values, said):
    with pytest.raises(ValueError, match=said) as caught:
        decoded(changed(event, **values))
    assert len(str(caught.value)) < 250
    assert str(caught.value).isascii()


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.id)
def test_no_field_may_be_missing(event):
    whole = json.loads(encoded(event))
    for name in whole:
        part = {key: value for key, value in whole.items() if key != name}
        with pytest.raises(ValueError, match=name if name != "event" else "discriminator"):
            decoded(json.dumps(part))


@pytest.mark.parametrize("delay", [-1, 1.5, True, "1", 10**15])
def test_a_delay_is_whole_microseconds(delay):
    whole = json.loads(encoded(EVENTS[4]))
    whole["receipt"]["delay"] = delay
    with pytest.raises(ValueError, match="delay: must be whole microseconds"):
        decoded(json.dumps(whole))


def test_every_field_of_every_event_is_written():
    for event in EVENTS:
        assert set(json.loads(encoded(event))) - {"event"} == {f.name for f in fields(event)}


def test_an_event_with_many_wrong_fields_is_refused_at_once():
    with pytest.raises(ValueError, match="it has 100004 fields"):
        decoded(changed(deposit(), **dict.fromkeys(map(str, range(100_000)))))


def test_a_changed_field_is_another_form():
    assert encoded(replace(ORDER, reason="other")) != encoded(ORDER)


# JSON of strangers --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "Expecting value"),
        ("{", "a bracket is missing"),
        ("[}", "Expecting|Illegal|expecting"),
        ("[1] 2", "Extra data"),
        ("\ufeff[]", "BOM"),
        ('{"a":1,"a":1}', "a key is named twice"),
        ('[{"b":{"a":1,"\\u0061":2}}]', "a key is named twice"),
        ("[NaN]", "NaN is no number"),
        ("[-Infinity]", "-Infinity is no number"),
        ("[1e400]", "too long or too large"),
        ("[1e-9999999999999999999999999999999999999999999]", "too long or too large"),
        ("[" + "9" * 5000 + "]", "has 5000 digits"),
        ("[-" + "9" * 18 + "]", "has 19 digits"),
        ("[" * 5 + "]" * 5, "nested deeper than 4 levels"),
        ("[" * 200_000, "nested deeper than 4 levels"),
        ('{"a":' * 200_000, "nested deeper than 4 levels"),
        ('["' + "\\" * 9, "a bracket is missing"),
        ('["\n"]', "Invalid control character"),
    ],
)
def test_json_with_a_trick_is_refused(text, said):
    with pytest.raises(ValueError, match=said):
        parsed(text, 4)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a":[1,-2.5,"x",null,true]}', {"a": [1, -2.5, "x", None, True]}),
        ('["[[[[[[", "\\"]]]]]]", "\\\\"]', ["[[[[[[", '"]]]]]]', "\\"]),
        ("[[[[]]]]", [[[[]]]]),
        (" 7 ", 7),
    ],
)
def test_plain_json_is_read(text, value):
    assert parsed(text, 4) == value


@given(st.recursive(st.none() | st.integers(-9, 9) | st.text(), st.lists, max_leaves=10))
def test_the_depth_is_that_of_the_lists_and_not_of_their_texts(value):
    def depth(value):
        return 1 + max(map(depth, value), default=0) if isinstance(value, list) else 0

    text = json.dumps(value)
    assert parsed(text, depth(value)) == value
    if depth(value):
        with pytest.raises(ValueError, match="nested deeper"):
            parsed(text, depth(value) - 1)
