from decimal import Decimal

import pandas as pd
import pytest

from marketpulse.events import Armed, Disarmed, Missed, Rejection
from tests.books import NOON, deposit, fill, ordered


def test_a_time_is_kept_in_utc_to_the_microsecond():
    local = pd.Timestamp("2026-01-02 07:00:00.123456789", tz="America/New_York")
    kept = deposit(time=local).time
    assert kept == NOON + pd.Timedelta(123456, "us")
    assert (str(kept.tz), kept.unit) == ("UTC", "us")


EVENTS = {
    "deposit": lambda time: deposit(time=time),
    "order": lambda time: ordered("buy", amount=1, time=time),
    "fill": lambda time: fill("buy", 1, 1, time=time),
    "rejection": lambda time: Rejection("a", time, "order", "No."),
    "armed": lambda time: Armed("a", time, ()),
    "disarmed": lambda time: Disarmed("a", time, "Enough."),
    "missed": lambda time: Missed("a", NOON, time, NOON, 1),
}


@pytest.mark.parametrize("event", EVENTS.values(), ids=EVENTS)
@pytest.mark.parametrize("time", [pd.Timestamp("2026-01-02"), pd.NaT], ids=["local", "none"])
def test_a_time_without_a_zone_is_a_programmers_mistake(event, time):
    with pytest.raises(ValueError, match="time zone"):
        event(time)


def test_bars_that_were_missed_are_a_stretch():
    later = NOON + pd.Timedelta(minutes=1)
    assert Missed("a", later, NOON, NOON, 1).bars == 1
    for first, last, bars in ((NOON, NOON, 0), (later, NOON, 2)):
        with pytest.raises(ValueError, match="no stretch"):
            Missed("a", later, first, last, bars)


def test_a_fill_moves_its_notional_and_its_fee():
    bought, sold = fill("buy", 3, "0.5", "0.01"), fill("sell", 3, "0.5", "0.01")
    assert (bought.notional, sold.notional) == (Decimal("1.5"), Decimal("1.5"))
    assert (bought.cash_flow, sold.cash_flow) == (Decimal("-1.51"), Decimal("1.49"))


def test_half_a_unit_of_the_last_place_goes_to_the_even_one():
    assert fill("buy", "0.00000005", "0.1").notional == 0
    assert fill("buy", "0.00000015", "0.1").notional == Decimal("0.00000002")
