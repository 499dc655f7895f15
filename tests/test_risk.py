from decimal import Decimal

import pandas as pd
import pytest

from marketpulse.ledger import apply, fold
from marketpulse.risk import Limits, Mark, blocked, daily_loss, must_sell
from tests.books import BTC, NOON, book_of, deposit, fill, ordered
from tests.build import candles

YESTERDAY = NOON - pd.Timedelta(days=1)


def mark(price, opening=None, time=NOON):
    return Mark(time, Decimal(str(price)), Decimal(str(price if opening is None else opening)))


def asked(amount=100, side="buy", **changes):
    return ordered(side, amount=amount, time=NOON, **changes)


def held(quantity=1, price=100, cash="1000", time=YESTERDAY):
    return fold([deposit(cash, time=time), fill("buy", quantity, price, time=time)])


# The position -------------------------------------------------------------------------------------


def test_a_position_up_to_its_limit_may_be_bought_and_no_more():
    limits = Limits(max_position=0.5)  # of 1,000, of which 100 are held
    assert blocked(asked(400), held(), mark(100), limits) == ""
    assert blocked(asked("400.01"), held(), mark(100), limits) == (
        "No purchase: the position would be worth 500.01 USD, more than the limit of 50.0 % of"
        " equity, 500.00 USD."
    )


def test_a_quantity_counts_at_the_price():
    limits = Limits(max_position=0.5)
    assert blocked(ordered("buy", quantity=4), held(), mark(100), limits) == ""
    assert "would be worth 500.10 USD" in blocked(
        ordered("buy", quantity="4.001"), held(), mark(100), limits
    )


def test_purchases_that_wait_count_as_if_they_were_filled():
    limits = Limits(max_position=0.5)
    waiting = apply(held(), asked(300, id="first"))
    assert blocked(asked(100), waiting, mark(100), limits) == ""
    assert "would be worth 501.00 USD" in blocked(asked(101), waiting, mark(100), limits)
    assert blocked(asked(300, id="first"), waiting, mark(100), limits) == ""


# The loss of a day --------------------------------------------------------------------------------


def test_a_day_begins_with_what_was_held_at_its_first_price():
    # 900 of cash and 1 unit: 1,000 at the opening price of 100, 950 at 50
    assert daily_loss(BTC, held(), mark(50, opening=100)) == (50, 1000)
    assert daily_loss(BTC, held(), mark(130, opening=100)) == (-30, 1000)


def test_what_was_lost_yesterday_is_not_lost_today():
    assert daily_loss(BTC, held(price=200), mark(50, opening=50)) == (0, 850)


def test_trades_of_the_day_are_undone_to_see_what_it_began_with():
    ledger = fold(
        [
            deposit("1000", time=YESTERDAY),
            fill("buy", 2, 100, "1", id="a", time=NOON),
            fill("sell", 1, 80, "1", id="b", time=NOON),
        ]
    )
    # Bought at 100, now 80: 20 realised, 20 not, 2 of fees. The opening price does not matter.
    assert daily_loss(BTC, ledger, mark(80, opening=500)) == (42, 1000)


def test_a_trade_at_midnight_is_one_of_the_new_day():
    midnight = NOON.normalize()
    ledger = fold([deposit("1000", time=YESTERDAY), fill("buy", 1, 100, time=midnight)])
    # Nothing was held when the day began, so its opening price does not matter.
    assert daily_loss(BTC, ledger, mark(90, opening=500)) == (10, 1000)


def test_a_deposit_of_the_day_is_no_gain():
    assert daily_loss(BTC, fold([deposit("1000")]), mark(100)) == (0, 1000)


def test_a_fill_that_was_written_late_counts_on_its_own_day():
    late = fill("buy", 1, 100, time=YESTERDAY)
    ledger = fold([deposit("1000", time=YESTERDAY), deposit("1", "more", NOON), late])
    assert daily_loss(BTC, ledger, mark(90, opening=100)) == (10, 1001)


def test_a_loss_up_to_the_limit_blocks_nothing_and_a_larger_one_purchases_and_sells():
    limits = Limits(max_daily_loss=0.05)
    on_limit, beyond = mark(50, opening=100), mark("49.99", opening=100)
    assert blocked(asked(), held(), on_limit, limits) == ""
    assert must_sell(BTC, held(), on_limit, limits) == ""
    said = (
        "The loss since midnight UTC is 50.01 USD, more than the limit of 5.0 % of the day's"
        " opening equity, 50.00 USD."
    )
    assert blocked(asked(), held(), beyond, limits) == said
    assert must_sell(BTC, held(), beyond, limits) == said


def test_where_nothing_is_held_nothing_must_be_sold():
    ledger = book_of([("buy", 1, 100), ("sell", 1, 10)], cash="1000")[-1]
    assert blocked(asked(), ledger, mark(10), Limits(max_daily_loss=0.01)) != ""
    assert must_sell(BTC, ledger, mark(10), Limits(max_daily_loss=0.01)) == ""


def test_without_a_limit_everything_may_be_lost():
    ledger = fold([deposit("1000", time=YESTERDAY), fill("buy", 10, 100, time=YESTERDAY)])
    assert must_sell(BTC, ledger, mark("0.01", opening=100), Limits()) == ""


def test_a_day_begins_with_its_first_bar_or_the_last_close_before_it():
    midnight = NOON.normalize()
    minute = pd.Timedelta(minutes=1)
    frame = candles([10, 20, 30, 40], start=midnight - 2 * minute)  # opens 10, 10, 20, 30
    now = midnight + 2 * minute
    assert Mark.of(frame, 50.0, now) == Mark(now, Decimal(50), Decimal(20))
    assert Mark.of(frame[:2], 50.0, now).opening == 20
    assert Mark.of(frame[:0], 50.0, now).opening == 50


def test_the_day_is_that_of_utc_wherever_the_time_was_taken():
    new_york = pd.Timestamp("2026-01-01 20:00", tz="America/New_York")  # 01:00 UTC on the 2nd
    frame = candles([10, 20], start=pd.Timestamp("2026-01-02", tz="UTC"))
    assert Mark.of(frame, 50.0, new_york).opening == 10


# Trades per hour ----------------------------------------------------------------------------------


def test_trades_within_the_last_hour_are_counted_with_those_that_wait():
    ledger = fold(
        [
            deposit(time=YESTERDAY),
            fill("buy", 1, 1, id="old", time=NOON - pd.Timedelta(minutes=61)),
            fill("sell", 1, 1, id="new", time=NOON - pd.Timedelta(minutes=59)),
            asked(id="waits"),
        ]
    )
    assert blocked(asked(), ledger, mark(1), Limits(max_trades_per_hour=3)) == ""
    assert blocked(asked(), ledger, mark(1), Limits(max_trades_per_hour=2)) == (
        "No purchase: the limit is 2 trades per hour, and there were 2 in the last."
    )


def test_no_trade_per_hour_blocks_every_purchase():
    assert "the limit is 0 trades" in blocked(
        asked(), fold([deposit()]), mark(1), Limits(max_trades_per_hour=0)
    )


# All of them --------------------------------------------------------------------------------------


def test_a_sale_is_never_blocked():
    strict = Limits(max_position=0, max_daily_loss=0, max_trades_per_hour=0)
    sale = ordered("sell", quantity=1)
    assert blocked(sale, held(), mark(50, opening=100), strict) == ""


def test_the_defaults_limit_nothing():
    assert blocked(asked("1000000"), held(), mark(1, opening=100), Limits()) == ""


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_position", -0.01),
        ("max_position", 1.01),
        ("max_daily_loss", float("nan")),
        ("max_daily_loss", 2),
        ("max_trades_per_hour", -1),
        ("max_trades_per_hour", 3601),
    ],
)
def test_an_impossible_limit_is_refused_by_its_name(name, value):
    with pytest.raises(ValueError, match=name):
        Limits(**{name: value})
