import math
from decimal import ROUND_DOWN, Decimal
from fractions import Fraction

import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from marketpulse import rules
from marketpulse.costs import Costs
from marketpulse.errors import InsufficientCash, InsufficientPosition, InvalidOrder
from marketpulse.events import Deposit, Fill, Rejection, Side
from marketpulse.fills import Price, filled, first_price, outcome, volume_before
from marketpulse.horizons import ONE_MINUTE
from marketpulse.ledger import apply, fold
from marketpulse.orders import buy, sell, sell_all
from tests.books import GRID, NOON, book_of, carried_out, deposit, ordered, terms
from tests.build import candles

# A busy machine is no failure.
unhurried = settings(deadline=None)

prices = st.decimals("0.01", "5000", places=2) | st.decimals("0.000001", "2", places=9)


def taken(order, ledger=None, **at):
    return carried_out(fold([deposit()]) if ledger is None else ledger, order, **at)[0]


# Amounts and fees ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("close", "profit", "ratio"),
    # freqtrade c9ae5e1e, test_calc_profit: 30 units from 2.0, fees of 0.25 % in and 0.3 % out
    [(2.1, 2.661, 0.044239401), (1.9, -3.321, -0.05521197), (2.2, 5.652, 0.093965087)],
)
def test_a_round_trip_makes_the_difference_less_both_fees(close, profit, ratio):
    order = buy(60, **terms(id="in", seen=2.0, costs=Costs(25)))
    bought, inside = carried_out(fold([deposit("1000")]), order)
    _, end = carried_out(inside, sell_all(**terms(id="out", seen=close, costs=Costs(30))))
    assert float(end.realised) == pytest.approx(profit, abs=1e-9)
    assert float(end.realised / -bought.cash_flow) == pytest.approx(ratio, abs=1e-7)


@pytest.mark.parametrize(
    ("order", "price", "fee_bps", "flow"),
    # freqtrade c9ae5e1e, test_calc_open_trade_value and test_calc_close_trade_price, 30 units
    [(buy, 2.0, 30, -60.18), (sell, 2.5, 25, 74.8125), (sell, 2.2, 50, 65.67)],
)
def test_a_buy_costs_the_fee_on_top_and_a_sale_brings_it_less(order, price, fee_bps, flow):
    asked = order(30 * price, **terms(seen=price, costs=Costs(fee_bps)))
    fill = taken(asked, book_of([("buy", 30, 1)])[-1])
    assert (fill.quantity, float(fill.cash_flow)) == (30, flow)


def test_an_order_beyond_the_cash_is_refused_and_not_cut_to_it():
    # freqtrade c9ae5e1e, test_validate_stake_amount asks 1000 of 500 and trades 500; a book that
    # executes a button's label may not.
    with pytest.raises(InsufficientCash):
        taken(buy(1000, **terms()), fold([deposit("500")]))


def test_a_quantity_is_cut_down_and_never_rounded_up():
    # freqtrade c9ae5e1e, test_amount_to_precision, on this book's 8 places
    assert taken(buy(2, **terms(seen=3))).quantity == Decimal("0.66666666")


def test_a_fee_is_rounded_up_against_the_user():
    # 0.66666666 * 3 = 1.99999998, of which 0.4 % is 0.00799999992
    bought = taken(buy(2, **terms(seen=3)))
    assert (bought.notional, bought.fee) == (Decimal("1.99999998"), Decimal("0.00800000"))
    # 0.4 % of 1.000001 is 0.004000004, to which 0.00400000 is nearer
    assert taken(buy(1.000001, **terms(seen=1))).fee == Decimal("0.00400001")


def test_a_fee_of_basis_points_is_an_exact_fraction():
    # In floats 0.07 / 10,000 is more than 0.000007, which would ask one unit of the last place more
    assert taken(buy(100, **terms(seen=1, costs=Costs(0.07)))).fee == Decimal("0.0007")


def test_dust_that_is_worth_nothing_can_still_be_sold():
    ledger = book_of([("buy", "1.00000001", "0.1"), ("sell", 1, "0.1")])[-1]
    out, end = carried_out(ledger, sell_all(**terms(seen=0.1)))
    assert (out.notional, out.fee) == (0, 0)
    assert end.positions == {}


def test_a_sale_of_a_quantity_finer_than_the_book_is_cut_and_leaves_no_dust():
    # freqtrade c9ae5e1e, test_recalc_trade_from_orders_kucoin (issue 9346)
    ledger = fold([deposit()])
    for id, side, quantity, price in (
        ("a", "buy", "11511963.8634448908", "0.000029901"),
        ("b", "buy", "11750101.7743937783", "0.000029295"),
        ("c", "sell", "23262065.6378386617", "0.000029822"),
    ):
        asked = ordered(side, quantity=quantity, id=id, seen=price, costs=Costs(10))
        _, ledger = carried_out(ledger, asked)
    assert ledger.positions == {}
    assert float(ledger.realised) == pytest.approx(3.90069871, abs=1e-6)


def test_an_amount_that_buys_no_whole_unit_of_the_last_place_is_refused():
    with pytest.raises(InvalidOrder, match=r"0\.0001 is too small an amount to trade at 50000"):
        taken(buy(0.0001, **terms()))


def test_a_quantity_below_the_last_place_is_refused():
    with pytest.raises(InvalidOrder, match="too small a quantity"):
        taken(ordered("buy", quantity="0.000000009"))


def test_an_amount_that_would_buy_more_than_can_be_counted_is_refused():
    with pytest.raises(InvalidOrder, match="too large"):
        taken(buy(1e9, **terms(seen=1e-9)))


def test_a_buy_that_the_fee_makes_too_dear_says_what_it_costs_and_what_there_is():
    with pytest.raises(InsufficientCash) as refusal:
        taken(buy(1000, **terms()), fold([deposit("1000")]))
    assert str(refusal.value) == (
        "Buying 0.02 BTC costs 1,004.00 USD with the fee, but the cash is 1,000.00 USD."
    )


def test_a_sale_of_more_than_is_held_says_how_much_is_held_and_what_it_is_worth():
    with pytest.raises(InsufficientPosition) as refusal:
        taken(sell(1000, **terms()), book_of([("buy", "0.01", 50_000)])[-1])
    assert str(refusal.value) == (
        "Selling 0.02 BTC for 1,000.00 USD is more than is held: 0.01 BTC, worth 500.00 USD."
    )


@pytest.mark.parametrize("order", [sell(100, **terms()), sell_all(**terms())])
def test_a_sale_of_what_is_not_held_says_so(order):
    with pytest.raises(InsufficientPosition, match="No BTC is held, so there is none to sell"):
        taken(order)


def test_an_order_is_priced_and_checked_but_not_carried_out():
    asked = buy(100, **terms())
    ledger = fold([deposit(), asked])
    filled(asked, ledger, Price.of(NOON, 50_000), None)
    assert ledger == fold([deposit(), asked])


def test_an_order_that_does_not_wait_is_not_filled():
    with pytest.raises(InvalidOrder, match="does not wait"):
        filled(buy(100, **terms()), fold([deposit()]), Price.of(NOON, 50_000), None)


# Spread and impact --------------------------------------------------------------------------------


def test_a_buy_pays_half_the_spread_and_a_sale_loses_it():
    costs = Costs(0, half_spread_bps=10)
    bought, inside = carried_out(fold([deposit()]), buy(100, **terms(id="a", seen=10, costs=costs)))
    sold = taken(sell_all(**terms(id="b", seen=10, costs=costs)), inside)
    assert (bought.price, sold.price) == (Decimal("10.01"), Decimal("9.99"))
    assert bought.receipt.spread == sold.receipt.spread == Decimal("0.01")


def test_an_order_of_a_quarter_of_a_bar_moves_its_price_by_half_of_the_impact():
    costs = Costs(0, impact_bps=40)
    bought = taken(buy(100, **terms(seen=10, costs=costs)), volume=40.0)  # 10 units of 40
    assert bought.receipt.impact == Decimal("0.02")
    assert bought.price == Decimal("10.02")


@pytest.mark.parametrize("volume", [None, 0.0])
def test_where_the_volume_is_unknown_or_zero_the_order_counts_as_a_whole_bar(volume):
    costs = Costs(0, impact_bps=40)
    bought = taken(buy(100, **terms(seen=10, costs=costs)), volume=volume)
    assert bought.receipt.impact == Decimal("0.04")


def test_spread_and_impact_are_rounded_up_at_the_12th_place():
    costs = Costs(0, half_spread_bps=1, impact_bps=1)
    bought = taken(buy(100, **terms(seen="0.000000000001", costs=costs)), volume=None)
    assert bought.receipt.spread == bought.receipt.impact == Decimal("1e-12")


def test_a_sale_whose_impact_would_leave_no_price_is_refused():
    order = sell_all(**terms(seen=10, costs=Costs(0, impact_bps=5000)))
    with pytest.raises(InvalidOrder, match="leave no price"):
        taken(order, book_of([("buy", 4, 10)])[-1], volume=1.0)


sizes = st.decimals("0.00000001", "1000", places=8)
volumes = st.floats(1e-3, 1e4)
rates = st.integers(0, 9999).map(lambda number: number / 100)


@unhurried
@given(sizes, prices, rates, rates, volumes)
def test_the_receipt_is_the_costs_exactly_and_never_to_the_users_favour(
    quantity, price, half_spread, impact, volume
):
    costs = Costs(0, half_spread_bps=half_spread, impact_bps=impact)
    asked = ordered("buy", quantity=quantity, seen=price, costs=costs)
    try:
        got = taken(asked, fold([deposit("900000000000000")]), volume=volume).receipt
    except InvalidOrder:
        assume(False)
    unit, reference = Fraction(1, 10**12), Fraction(price)
    spread = reference * Fraction(str(half_spread)) / 10_000
    square = (reference * Fraction(str(impact)) / 10_000) ** 2
    square *= Fraction(quantity) / Fraction(str(volume))
    assert spread <= Fraction(got.spread) < spread + unit
    assert square <= Fraction(got.impact) ** 2
    assert not got.impact or (Fraction(got.impact) - unit) ** 2 < square


@unhurried
@given(
    st.decimals("1", "100000", places=8), prices, st.integers(0, 500), st.integers(0, 90), volumes
)
def test_all_in_and_all_out_at_one_price_loses_exactly_what_the_receipts_say(
    cash, price, fee_bps, slip_bps, volume
):
    costs = Costs(fee_bps, half_spread_bps=slip_bps, impact_bps=slip_bps)
    start = fold([Deposit("deposit", NOON, cash)])
    amount = (cash / (1 + Decimal(fee_bps) / 10_000)).quantize(GRID, ROUND_DOWN)
    asked = terms(seen=price, costs=costs)
    try:
        bought, inside = carried_out(start, buy(amount, **{**asked, "id": "a"}), volume=volume)
        sold, end = carried_out(inside, sell_all(**{**asked, "id": "b"}), volume=volume)
    except InvalidOrder:
        assume(False)
    assert end.positions == {}
    assert end.realised == end.cash - cash
    slips = sum(f.quantity * (f.receipt.spread + f.receipt.impact) for f in (bought, sold))
    # Each leg rounds its notional by half a unit of the 8th place.
    assert abs(cash - end.cash - end.fees - slips) <= GRID
    if not slip_bps:
        assert end.cash == cash - end.fees


@unhurried
@given(st.decimals("1", "1000", places=2), prices)
def test_what_an_amount_bought_the_same_amount_sells_at_the_same_price(amount, price):
    _, inside = carried_out(fold([deposit()]), buy(amount, **terms(id="in", seen=price)))
    _, end = carried_out(inside, sell(amount, **terms(id="out", seen=price)))
    assert end.positions == {}


# The first price ----------------------------------------------------------------------------------


def bars(opens, **options):
    """Candles from noon on that open at the given prices."""
    frame = candles(opens, start=NOON, **options)
    return frame.assign(open=frame["close"])


def at(minutes):
    return NOON + pd.Timedelta(minutes=minutes)


def test_the_first_open_at_or_after_the_due_time_fills():
    frame = bars([100, 110, 120])
    assert first_price(at(1), frame, None, venue="kraken") == Price.of(at(1), 110, "kraken")
    assert first_price(at(1.001), frame, None) == Price.of(at(2), 120)
    nanosecond = pd.Timedelta(1, "ns")
    assert first_price(at(1).as_unit("ns") + nanosecond, frame, None) == Price.of(at(2), 120)
    assert first_price(at(2.001), frame, None) is None


def test_a_quote_fills_if_it_is_stamped_before_the_next_open():
    frame = bars([100, 110, 120])
    early, late = Price.of(at(1.5), 115, "okx"), Price.of(at(2.5), 125, "okx")
    assert first_price(at(1.2), frame, early) == early
    assert first_price(at(1.2), frame, late) == Price.of(at(2), 120)
    assert first_price(at(2.2), frame, late) == late


def test_a_quote_from_before_the_due_time_fills_nothing():
    assert first_price(at(3), bars([100]), Price.of(at(2.999), 100)) is None
    assert first_price(at(0.5), bars([100, 110]), Price.of(at(0.4), 100)) == Price.of(at(1), 110)


def test_a_bar_without_trades_has_no_price_of_its_own():
    frame = bars([100, 100, 120], filled=[1])
    assert first_price(at(0.5), frame, None) == Price.of(at(2), 120)


@unhurried
@given(st.floats(0, 6), st.none() | st.floats(0, 8), st.sets(st.integers(0, 5)))
def test_no_price_is_stamped_before_it_is_due_and_none_that_is_known_is_passed_over(
    due, quoted, filled
):
    frame = bars(range(1, 7), filled=filled)
    quote = None if quoted is None else Price.of(at(quoted), 99)
    got = first_price(at(due), frame, quote)
    stamps = [at(bar) for bar in range(6) if bar not in filled and at(bar) >= at(due)]
    stamps += [quote.time] if quote is not None and quote.time >= at(due) else []
    assert (got and got.time) == min(stamps, default=None)


# The volume of an ordinary bar --------------------------------------------------------------------


def test_the_volume_is_the_mean_of_the_last_20_bars_that_had_closed():
    frame = bars([1] * 30, volume=range(30))
    assert volume_before(at(25), frame) == sum(range(5, 25)) / 20
    assert volume_before(at(25.9), frame) == sum(range(5, 25)) / 20
    assert volume_before(at(2), frame) == 0.5


def test_bars_of_unknown_volume_are_passed_over():
    frame = bars([1] * 3, volume=[2, 6, math.nan])
    assert volume_before(at(3), frame) == 4
    assert volume_before(at(0), frame) is None
    assert volume_before(at(1), bars([1], volume=math.nan)) is None


def test_whether_the_last_bars_were_empty_or_late_nobody_knows_so_they_do_not_count():
    frame = bars([1] * 6, volume=[3, 0, 6, 0, 0, 5], filled=[1, 3, 4])
    assert volume_before(at(5), frame) == volume_before(at(5), frame.iloc[:3]) == 3
    assert volume_before(at(6), frame) == 14 / 6
    assert volume_before(at(2), bars([1] * 2, volume=[0, 0], filled=[0, 1])) is None


# What becomes of an order -------------------------------------------------------------------------


def became(order, frame, now, quote=None, cash="10000"):
    return outcome(order, fold([deposit(cash), order]), frame, quote, now, venue="kraken")


def test_an_order_is_filled_at_the_first_price_after_its_latency_with_a_receipt():
    order = buy(100, **terms(seen=99, costs=Costs(0, latency_s=0.5)))
    fill = became(order, bars([100, 125]), at(2))
    assert (fill.id, fill.order, fill.time, fill.price) == ("order/fill", "order", at(1), 125)
    assert (fill.receipt.seen, fill.receipt.reference, fill.receipt.venue) == (99, 125, "kraken")
    assert (fill.receipt.reference_time, fill.receipt.delay) == (at(1), ONE_MINUTE)
    assert (fill.origin, fill.reason) == ("manual", "by hand")


def test_an_order_waits_for_its_price():
    order = buy(100, **terms(time=at(1.5)))
    assert became(order, bars([100, 100]), at(2)) is None
    assert became(order, bars([100, 100]), at(4.5)) is None


def test_an_order_that_no_price_reached_is_given_up_with_its_reason():
    order = buy(100, **terms(time=at(1.5)))
    assert became(order, bars([100, 100]), at(4.501)) == Rejection(
        "order/rejected",
        at(4.501),
        "order",
        "No price came within 3 minutes of the order, so it was given up.",
    )


def test_a_price_that_came_too_late_fills_nothing():
    order = buy(100, **terms(time=at(1.5)))
    on_time, late = Price.of(at(4.5), 100), Price.of(at(4.501), 100)
    assert isinstance(became(order, bars([100]), at(9), on_time), Fill)
    assert isinstance(became(order, bars([100]), at(9), late), Rejection)


def test_an_order_that_the_book_cannot_carry_is_rejected_with_its_reason():
    rejected = became(buy(100, **terms(seen=1)), bars([100]), at(1), cash="50")
    assert (rejected.id, rejected.order, rejected.time) == ("order/rejected", "order", at(1))
    assert rejected.sentence.startswith("Buying 1 BTC costs 100.40 USD")


@unhurried
@given(
    st.sampled_from(Side),
    st.floats(0, 5),
    st.floats(0, 200),
    st.none() | st.floats(0, 8),
    st.sets(st.integers(0, 5)),
    st.floats(0, 12),
)
def test_no_fill_looks_ahead_or_back(side, minute, latency, quoted, filled, now):
    ledger = book_of([("buy", 100, 10)])[-1]
    order = ordered(side, quantity=1, seen=10, time=at(minute), costs=Costs(0, latency_s=latency))
    frame = bars(range(10, 16), filled=filled)[: int(now)]  # what has closed by now
    quote = None if quoted is None else Price.of(at(min(quoted, now)), 99)
    result = outcome(order, apply(ledger, order), frame, quote, at(now))
    due = rules.due(order)
    assert due >= order.time + pd.Timedelta(seconds=latency)
    if isinstance(result, Fill):
        assert due <= result.time == result.receipt.reference_time <= due + 3 * ONE_MINUTE
        assert result.price in {99, *frame["open"]}
    else:
        assert isinstance(result, Rejection) == (at(now) > due + 3 * ONE_MINUTE)


def test_an_outcome_is_always_one_that_the_ledger_takes():
    ledger = book_of([("buy", 1, 100)])[-1]
    for asked in (buy(1, **terms()), sell(1e6, **terms()), sell_all(**terms(id="all"))):
        waiting = apply(ledger, asked)
        result = outcome(asked, waiting, bars([100]), None, at(1))
        assert asked.id not in apply(waiting, result).pending
