"""The paper book as its page prints it: trades with receipts, activity, figures and their parts.

Every table on a page can be taken away as a file, so no text in one may become a formula.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import assert_never

import pandas as pd

from marketpulse.attribution import Split
from marketpulse.cells import defused
from marketpulse.curves import YEAR
from marketpulse.events import (
    Armed,
    Deposit,
    Disarmed,
    Event,
    Fill,
    Missed,
    Order,
    Origin,
    Rejection,
    Side,
)
from marketpulse.horizons import ONE_MINUTE
from marketpulse.ledger import Ledger
from marketpulse.performance import CurveFigures, Summary
from marketpulse.trades import TripFigures, trades
from marketpulse.words import UNKNOWN, age_text, money_text, percent_text, price_text
from marketpulse.zones import UTC, time_text

# What the page shows of `marketpulse.trades.trades`, in this order.
RECEIPTS = (
    *("time", "side", "quantity", "price", "fee", "realised", "origin", "delay"),
    *("spread_cost", "impact_cost", "latency_cost", "reason"),
)
REJECTED = "Not filled"
_PARTS = ("price_move", "spread", "impact", "latency", "fees", "total")


def closes_of(candles: pd.DataFrame, ledger: Ledger) -> pd.Series:
    """Closes by the time of the close, from a book's first event on; none without an event."""
    closed = pd.DatetimeIndex(candles.index) + ONE_MINUTE
    closes: pd.Series = candles["close"].set_axis(closed)
    return closes[closes.index >= ledger.events[0].time] if ledger.events else closes.iloc[:0]


def trade_table(ledger: Ledger) -> pd.DataFrame:
    """Every fill with its receipt, the newest first: the columns `RECEIPTS` as numbers."""
    table = trades(ledger)[list(RECEIPTS)].iloc[::-1]
    return table.assign(reason=table["reason"].map(defused))


def activity_table(
    ledger: Ledger, symbol: str, events: Iterable[Event] | None = None, zone: str = UTC
) -> pd.DataFrame:
    """What happened to a book in words, the newest first.

    Parameters
    ----------
    ledger : Ledger
    symbol : str
        Of the book, as in ``BTC/USD``.
    events : iterable of Event, optional
        Those to tell, in time order; all by default.
    zone : str
        IANA name of the time zone of times within a sentence.

    Returns
    -------
    pandas.DataFrame
        ``time`` (UTC), ``origin`` (manual or auto-pilot; empty if it is nobody's), ``what`` (in a
        word or two; `REJECTED` for an order that was not filled) and ``detail``.
    """
    orders = {each.id: each for each in ledger.events if isinstance(each, Order)}
    rows = []
    for event in ledger.events if events is None else events:
        asked = orders.get(event.order) if isinstance(event, Rejection) else None
        what, detail = _told(event, ledger, symbol, zone)
        rows.append((event.time, _origin(asked or event), what, defused(detail)))
    table = pd.DataFrame(rows[::-1], columns=["time", "origin", "what", "detail"])
    texts = dict.fromkeys(("origin", "what", "detail"), "str")
    return table.astype({"time": "datetime64[us, UTC]", **texts})


def rejection_table(ledger: Ledger, symbol: str, zone: str = UTC) -> pd.DataFrame:
    """Every order that was not filled and why, the newest first; as `activity_table`."""
    refused = [event for event in ledger.events if isinstance(event, Rejection)]
    return activity_table(ledger, symbol, refused, zone)


def split_table(splits: Mapping[Origin, Split], currency: str) -> pd.DataFrame:
    """Where the profit came from, in words: a row for each part, a column for each origin."""
    columns = {origin.capitalize(): each for origin, each in splits.items()}
    columns["Both"] = sum(splits.values(), Split())
    texts = {
        name: [money_text(float(getattr(each, part)), currency, signed=True) for part in _PARTS]
        for name, each in columns.items()
    }
    return pd.DataFrame(texts, index=[part.replace("_", " ").capitalize() for part in _PARTS])


def figures_table(summary: Summary, currency: str) -> pd.DataFrame:
    """The figures of a book in words: one column, a row for each."""
    facts = {
        "Return": percent_text(summary.total_return, 2, signed=True),
        "Buy and hold": percent_text(summary.buy_and_hold_return, 2, signed=True),
        **_curve_facts(summary.curve, currency),
        "Turnover": _times(summary.turnover),
        "Fills": f"{summary.trade_count:,}",
        **_trip_facts(summary.trips, currency),
    }
    return pd.DataFrame({"": facts})


def year_text(figures: CurveFigures) -> str:
    """What a year is in the figures for a year, in a sentence; empty if there are none."""
    if figures.bars_per_year is None:
        return ""
    bar = age_text(YEAR / figures.bars_per_year)
    return (
        f"Sharpe, Sortino and volatility are for a year of 365 days, {figures.bars_per_year:,.0f}"
        f" bars of {bar}, from {figures.bars:,} bar returns without a risk-free rate;"
        " ± is one standard error."
    )


def since_text(figures: Summary, zone: str = UTC) -> str:
    """From when on the curve is, in a sentence; empty if it is that of the whole book."""
    if figures.since is None:
        return ""
    return (
        f"The candles reach back to {time_text(figures.since, zone, '%-d %b %Y %H:%M')}, and the"
        " book is older."
        " The curve, its drawdown, the figures for a year, time in the market and turnover are"
        " from there on; return, fills and round trips are of the whole book."
    )


def _curve_facts(curve: CurveFigures, currency: str) -> dict[str, str]:
    error = "" if curve.sharpe_error is None else f" ± {curve.sharpe_error:,.1f}"
    fell = money_text(curve.max_drawdown_amount, currency)
    return {
        "Deepest drawdown": f"{percent_text(curve.max_drawdown, 2)}, {fell}",
        "Longest drawdown": age_text(curve.longest_drawdown),
        "Sharpe, a year": f"{_plain(curve.sharpe)}{error}",
        "Sortino, a year": _plain(curve.sortino),
        "Volatility, a year": percent_text(curve.annual_volatility),
        "Return, a year": percent_text(curve.annual_return, signed=True),
        "Calmar": _plain(curve.calmar),
        "In the market": percent_text(curve.exposure),
    }


def _trip_facts(trips: TripFigures, currency: str) -> dict[str, str]:
    def money(amount: float | None) -> str:
        return UNKNOWN if amount is None else money_text(amount, currency, signed=True)

    return {
        "Round trips": f"{trips.count:,}, {trips.open:,} open",
        "Win rate": percent_text(trips.win_rate),
        "Average winner": money(trips.average_winner),
        "Average loser": money(trips.average_loser),
        "Expectancy": money(trips.expectancy),
        "Expectancy per unit lost": _plain(trips.expectancy_ratio),
        "Profit factor": _plain(trips.profit_factor),
    }


# The tables that need the book alone, by the name of their section.
TABLES: Mapping[str, Callable[[Ledger, str, str], pd.DataFrame]] = {
    "Trades": lambda ledger, *_: trade_table(ledger),
    "Activity": lambda ledger, symbol, zone: activity_table(ledger, symbol, zone=zone),
    "Not filled": rejection_table,
}


def _plain(value: float | None) -> str:
    return UNKNOWN if value is None else f"{round(value, 2) + 0.0:,.2f}"


def _times(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:,.1f} times the equity"


def _origin(event: Event) -> str:
    if isinstance(event, Order | Fill):
        return event.origin
    return "auto-pilot" if isinstance(event, Armed | Disarmed | Missed) else ""


def _told(event: Event, ledger: Ledger, symbol: str, zone: str) -> tuple[str, str]:
    """An event in a word or two and in a sentence's end."""
    base, _, currency = symbol.partition("/")
    match event:
        case Deposit():
            return "Deposit", money_text(float(event.amount), currency)
        case Order():
            waits = "Waiting" if event.id in ledger.pending else "Ordered"
            return waits, f"{_asked(event, base, currency)}. {event.reason}"
        case Fill():
            deed = "Bought" if event.side == Side.BUY else "Sold"
            size = f"{event.quantity.normalize():f} {base}"
            return deed, f"{size} at {price_text(float(event.price))}. {event.reason}"
        case Rejection():
            return REJECTED, event.sentence
        case Armed():
            return "Armed", ", ".join(f"{name} {value}" for name, value in event.settings)
        case Disarmed():
            return "Disarmed", event.reason
        case Missed():
            return "Missed", _missed(event, zone)
    assert_never(event)


def _missed(event: Missed, zone: str) -> str:
    first, form = event.first.tz_convert(zone), "%-d %b %H:%M"
    last = time_text(event.last, zone, form)
    if event.bars == 1:
        return f"1 bar, {last}; it was not traded afterwards."
    return f"{event.bars:,} bars, {first:{form}} to {last}; they were not traded afterwards."


def _asked(order: Order, base: str, currency: str) -> str:
    if order.amount is not None:
        size = f"{money_text(float(order.amount), currency)} of {base}"
    elif order.quantity is not None:
        size = f"{order.quantity.normalize():f} {base}"
    else:
        size = f"all {base}"
    return f"{order.side.capitalize()} {size}, seen at {price_text(float(order.seen))}"
