from decimal import ROUND_DOWN, Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketpulse.errors import InsufficientCash, InsufficientPosition, InvalidOrder
from marketpulse.ledger import Deposit, apply, fold
from marketpulse.orders import buy, sell, sell_all
from tests.books import GRID, NOON, book_of, deposit, terms

# A busy machine is no failure.
unhurried = settings(deadline=None)

prices = st.decimals("0.01", "5000", places=2) | st.decimals("0.000001", "2", places=9)


@pytest.mark.parametrize(
    ("close", "profit", "ratio"),
    # freqtrade c9ae5e1e, test_calc_profit: 30 units from 2.0, fees of 0.25 % in and 0.3 % out
    [(2.1, 2.661, 0.044239401), (1.9, -3.321, -0.05521197), (2.2, 5.652, 0.093965087)],
)
def test_a_round_trip_makes_the_difference_less_both_fees(close, profit, ratio):
    start = fold([deposit("1000")])
    bought = buy(start, amount=60, **terms(id="in", price=2.0, fee_rate=0.0025))
    after = apply(start, bought)
    sold = sell_all(after, **terms(id="out", price=close, fee_rate=0.003))
    end = apply(after, sold)
    assert float(end.realised) == pytest.approx(profit, abs=1e-9)
    assert float(end.realised / -bought.cash_flow) == pytest.approx(ratio, abs=1e-7)


@pytest.mark.parametrize(
    ("side", "price", "rate", "flow"),
    # freqtrade c9ae5e1e, test_calc_open_trade_value and test_calc_close_trade_price, 30 units
    [("buy", 2.0, 0.003, -60.18), ("sell", 2.5, 0.0025, 74.8125), ("sell", 2.2, 0.005, 65.67)],
)
def test_a_buy_costs_the_fee_on_top_and_a_sale_brings_it_less(side, price, rate, flow):
    ledger = book_of([("buy", 30, 1)])[-1]
    order = {"buy": buy, "sell": sell}[side]
    priced = order(ledger, amount=30 * price, **terms(price=price, fee_rate=rate))
    assert (priced.quantity, float(priced.cash_flow)) == (30, flow)


def test_an_order_beyond_the_cash_is_refused_and_not_cut_to_it():
    # freqtrade c9ae5e1e, test_validate_stake_amount asks 1000 of 500 and trades 500; a book that
    # executes a button's label may not.
    ledger = fold([deposit("500")])
    with pytest.raises(InsufficientCash):
        buy(ledger, amount=1000, **terms())


def test_a_quantity_is_cut_down_and_never_rounded_up():
    # freqtrade c9ae5e1e, test_amount_to_precision, on this book's 8 places
    assert buy(fold([deposit()]), amount=2, **terms(price=3)).quantity == Decimal("0.66666666")


def test_a_fee_is_rounded_up_against_the_user():
    # 0.66666666 * 3 = 1.99999998, of which 0.4 % is 0.00799999992
    bought = buy(fold([deposit()]), amount=2, **terms(price=3))
    assert (bought.notional, bought.fee) == (Decimal("1.99999998"), Decimal("0.00800000"))


def test_a_float_counts_as_the_decimal_that_it_prints():
    bought = buy(fold([deposit()]), amount=0.1, **terms(price=0.1, fee_rate=0.1))
    assert (bought.quantity, bought.fee) == (1, Decimal("0.01"))


def test_dust_that_is_worth_nothing_can_still_be_sold():
    ledger = book_of([("buy", "1.00000001", "0.1"), ("sell", 1, "0.1")])[-1]
    out = sell_all(ledger, **terms(price=0.1))
    assert (out.notional, out.fee) == (0, 0)
    assert apply(ledger, out).positions == {}


@pytest.mark.parametrize("order", [buy, sell])
@pytest.mark.parametrize("figure", [0, -1, float("nan"), float("inf"), 1e15, Decimal("1e1000000")])
@pytest.mark.parametrize("field", ["amount", "price"])
def test_an_order_with_an_impossible_figure_is_refused(order, field, figure):
    figures = {"amount": 10, "price": 10, field: figure}
    ledger = book_of([("buy", 10, 10)])[-1]
    with pytest.raises(InvalidOrder, match=field):
        order(ledger, **terms(**figures))


def test_an_amount_that_buys_no_whole_unit_of_the_last_place_is_refused():
    with pytest.raises(InvalidOrder, match=r"0\.0001 is too small an amount to trade at 50000"):
        buy(fold([deposit()]), amount=0.0001, **terms())


def test_an_amount_that_would_buy_more_than_can_be_counted_is_refused():
    with pytest.raises(InvalidOrder, match="too large"):
        buy(fold([deposit()]), amount=1e9, **terms(price=1e-9))
    with pytest.raises(InvalidOrder, match="too large"):
        buy(fold([deposit()]), amount=1, **terms(price=Decimal("1e-1000000")))


@pytest.mark.parametrize("rate", [-0.1, 1, float("nan")])
def test_an_impossible_fee_rate_is_a_programmers_mistake(rate):
    with pytest.raises(ValueError, match="fee_rate"):
        buy(fold([deposit()]), amount=10, **terms(fee_rate=rate))


def test_a_buy_that_the_fee_makes_too_dear_says_what_it_costs_and_what_there_is():
    with pytest.raises(InsufficientCash) as refusal:
        buy(fold([deposit("1000")]), amount=1000, **terms())
    assert str(refusal.value) == (
        "Buying 0.02 BTC costs 1,004.00 USD with the fee, but the cash is 1,000.00 USD."
    )


def test_a_sale_of_more_than_is_held_says_how_much_is_held_and_what_it_is_worth():
    ledger = book_of([("buy", "0.01", 50_000)])[-1]
    with pytest.raises(InsufficientPosition) as refusal:
        sell(ledger, amount=1000, **terms())
    assert str(refusal.value) == (
        "Selling 0.02 BTC for 1,000.00 USD is more than is held: 0.01 BTC, worth 500.00 USD."
    )


@pytest.mark.parametrize(("order", "amount"), [(sell, {"amount": 100}), (sell_all, {})])
def test_a_sale_of_what_is_not_held_says_so(order, amount):
    with pytest.raises(InsufficientPosition, match="No BTC is held, so there is none to sell"):
        order(fold([deposit()]), **amount, **terms())


@unhurried
@given(st.decimals("1", "100000", places=8), prices, st.decimals("0", "0.05", places=5))
def test_all_in_and_all_out_at_one_price_loses_exactly_the_fees(cash, price, rate):
    start = fold([Deposit("deposit", NOON, cash)])
    amount = (cash / (1 + rate)).quantize(GRID, ROUND_DOWN)
    inside = apply(start, buy(start, amount=amount, **terms(id="in", price=price, fee_rate=rate)))
    out = sell_all(inside, **terms(id="out", price=price, fee_rate=rate))
    end = apply(inside, out)
    assert end.positions == {}
    assert end.cash == cash - end.fees
    assert end.realised == -end.fees


@unhurried
@given(st.decimals("1", "1000", places=2), prices)
def test_what_an_amount_bought_the_same_amount_sells_at_the_same_price(amount, price):
    start = fold([deposit()])
    inside = apply(start, buy(start, amount=amount, **terms(id="in", price=price)))
    end = apply(inside, sell(inside, amount=amount, **terms(id="out", price=price)))
    assert end.positions == {}


def test_an_order_is_priced_and_checked_but_not_carried_out():
    ledger = fold([deposit()])
    buy(ledger, amount=100, **terms())
    assert ledger == fold([deposit()])
