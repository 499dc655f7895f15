from dataclasses import replace
from decimal import Decimal

import pandas as pd

from marketpulse.attribution import Split, by_origin
from marketpulse.book_tables import (
    RECEIPTS,
    REJECTED,
    activity_table,
    figures_table,
    rejection_table,
    since_text,
    split_table,
    trade_table,
    year_text,
)
from marketpulse.costs import Costs
from marketpulse.events import Armed, Disarmed, Missed, Order, Rejection, Side
from marketpulse.ledger import Ledger, fold
from marketpulse.performance import summary
from tests.trading import BTC, MINUTE, NOON, closes, deposit, fill, priced, round_trips


def order(id="order", side=Side.BUY, amount=None, quantity=None, origin="manual", minute=1):
    amount, quantity = (number and Decimal(str(number)) for number in (amount, quantity))
    time, seen = NOON + minute * MINUTE, Decimal(100)
    return Order(
        id, time, BTC, side, amount, quantity, "market", origin, "By hand.", seen, Costs(40)
    )


def told(*events):
    """Every event but the deposit, the oldest first: whose it was, what, and the detail."""
    table = activity_table(fold([deposit(), *events]), BTC).iloc[::-1]
    return list(table[["origin", "what", "detail"]].iloc[1:].itertuples(index=False, name=None))


def test_no_text_of_a_table_becomes_a_formula():
    bad = "=HYPERLINK(1)"
    sold = replace(fill("buy", 1, 100, 1), reason=bad)
    refused = Rejection("order/rejected", NOON, "order", bad)
    ledger = fold([deposit(), sold, refused])
    assert trade_table(ledger)["reason"].tolist() == [f"'{bad}"]
    assert rejection_table(ledger, BTC)["detail"].tolist() == [f"'{bad}"]


# Figures of a book older than the candles ---------------------------------------------------------


def test_figures_of_a_part_say_from_when_on():
    old = fold([deposit(minute=-90), fill("buy", 1, 100, -80)])
    said = since_text(summary(old, closes(100, 110)))
    assert said.startswith("The candles reach back to 2 Jan 2026 12:01 UTC, and the book is older.")
    assert since_text(summary(fold([deposit()]), closes(100, 110))) == ""


# Trades -------------------------------------------------------------------------------------------


def test_the_newest_trade_comes_first_with_its_receipt():
    bought = priced("buy", 2, 1, seen=100, reference=101, spread=1, impact=2, fee=1)
    table = trade_table(fold([deposit(), bought, fill("sell", 2, 110, 2)]))
    assert tuple(table.columns) == RECEIPTS
    assert table["side"].tolist() == ["sell", "buy"]
    last = table.iloc[1]
    assert (last["delay"], last["spread_cost"], last["impact_cost"]) == (2, 2, 4)
    assert trade_table(Ledger()).empty


# Activity -----------------------------------------------------------------------------------------


def test_every_kind_of_order_is_told():
    events = [
        order("a", amount=100),
        order("b", quantity="0.5", origin="auto-pilot"),
        fill("buy", 1, 100, 1, order="a"),
        order("c", Side.SELL),
    ]
    assert told(*events) == [
        ("manual", "Ordered", "Buy 100.00 USD of BTC, seen at 100.00. By hand."),
        ("auto-pilot", "Waiting", "Buy 0.5 BTC, seen at 100.00. By hand."),
        ("manual", "Bought", "1 BTC at 100.00. by hand"),
        ("manual", "Waiting", "Sell all BTC, seen at 100.00. By hand."),
    ]


def test_an_order_that_was_not_filled_says_why_and_whose_it_was():
    refused = Rejection("a/rejected", NOON + MINUTE, "a", "No price came within 3 minutes.")
    asked = order("a", amount=50, origin="auto-pilot")
    assert told(asked, refused) == [
        ("auto-pilot", "Ordered", "Buy 50.00 USD of BTC, seen at 100.00. By hand."),
        ("auto-pilot", REJECTED, "No price came within 3 minutes."),
    ]
    ledger = fold([deposit(), asked, refused])
    assert rejection_table(ledger, BTC)["what"].tolist() == [REJECTED]
    assert rejection_table(fold([deposit()]), BTC).empty


def test_the_auto_pilot_says_when_it_was_on_and_what_it_missed():
    events = [
        Armed("on", NOON, (("buy_mae", "0.25"), ("fee", "40"))),
        Missed("gap", NOON + 9 * MINUTE, NOON, NOON + 7 * MINUTE, 8),
        Missed("one", NOON + 9 * MINUTE, NOON + 8 * MINUTE, NOON + 8 * MINUTE, 1),
        Disarmed("off", NOON + 9 * MINUTE, "Switched off by hand."),
    ]
    one = "1 bar, 2 Jan 12:08 UTC; it was not traded afterwards."
    missed = "8 bars, 2 Jan 12:00 to 2 Jan 12:07 UTC; they were not traded afterwards."
    assert told(*events) == [
        ("auto-pilot", "Armed", "buy_mae 0.25, fee 40"),
        ("auto-pilot", "Missed", missed),
        ("auto-pilot", "Missed", one),
        ("auto-pilot", "Disarmed", "Switched off by hand."),
    ]


def test_the_newest_comes_first_and_a_deposit_is_nobodys():
    table = activity_table(fold([deposit(), fill("buy", 1, 100, 1)]), BTC)
    assert table["what"].tolist() == ["Bought", "Deposit"]
    assert table.iloc[1].tolist() == [NOON, "", "Deposit", "1,000.00 USD"]
    assert activity_table(Ledger(), BTC).dtypes.equals(table.dtypes)


# Figures ------------------------------------------------------------------------------------------


def test_the_parts_of_the_profit_stand_beside_each_other():
    bought = priced("buy", 2, 1, seen=100, reference=101, spread=1, impact=2, fee=5)
    own = fill("buy", 1, 100, 2, origin="auto-pilot")
    table = split_table(by_origin(fold([deposit(), bought, own]), {BTC: 110}), "USD")
    assert table["Manual"].to_dict() == {
        "Price move": "+20.00 USD",
        "Spread": "-2.00 USD",
        "Impact": "-4.00 USD",
        "Latency": "-2.00 USD",
        "Fees": "-5.00 USD",
        "Total": "+7.00 USD",
    }
    assert table.loc["Total"].tolist() == ["+7.00 USD", "+10.00 USD", "+17.00 USD"]
    assert set(split_table({"manual": Split()}, "USD")["Both"]) == {"0.00 USD"}


def test_the_figures_are_told_with_their_units():
    ledger = fold([*round_trips(5, -3).events, fill("buy", 5, 100, 8, fee=1)])
    facts = figures_table(summary(ledger, closes(*[100] * 8, 101, 99, 100)), "USD")[""]
    assert facts["Return"] == "+0.10 %"
    assert facts["Deepest drawdown"] == "-0.99 %, 10.00 USD"
    assert facts["Longest drawdown"] == "7 min"  # from 12:02 to 12:09
    assert facts["Round trips"] == "3, 1 open"
    assert facts["Average loser"] == "-2.00 USD"
    assert facts["Profit factor"] == "1.25"
    assert facts["Turnover"] == "0.9 times the equity"
    assert " ± " in facts["Sharpe, a year"]


def test_what_is_not_defined_is_a_dash():
    facts = figures_table(summary(Ledger(), closes(100)), "USD")[""]
    for name in (
        "Return",
        "Sharpe, a year",
        "Longest drawdown",
        "Win rate",
        "Expectancy",
        "Calmar",
    ):
        assert facts[name] == "–"


def test_the_year_is_stated():
    found = summary(fold([deposit()]), closes(100, 101, 102)).curve
    assert "a year of 365 days, 525,600 bars of 1 min, from 3 bar returns" in year_text(found)
    assert year_text(replace(found, bars_per_year=None)) == ""


def test_times_are_utc():
    table = activity_table(fold([deposit()]), BTC)
    assert table["time"].dt.tz is not None
    assert table["time"].iloc[0] == pd.Timestamp("2026-01-02 12:00", tz="UTC")
