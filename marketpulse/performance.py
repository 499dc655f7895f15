"""What a book has made: its equity over time, its trades and the figures that sum them up.

Returns and drawdowns are fractions (0.01 is 1 %). Curves and tables are floats, for charts; the
money in a `Summary` is exact.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import pandas as pd

from marketpulse.errors import NotEnoughCandles
from marketpulse.ledger import (
    FLAT,
    Deposit,
    Event,
    Fill,
    Ledger,
    Position,
    Side,
    book,
    equity,
    unrealised,
)

_FLOATS = ("quantity", "price", "notional", "fee", "realised")


@dataclass(frozen=True, slots=True)
class Summary:
    """A book in one row.

    Attributes
    ----------
    deposits, equity, realised, unrealised, fees : decimal.Decimal
        In quote currency. Equity is marked at the last close; realised is after all fees, so
        realised + unrealised = equity - deposits.
    total_return : float
        Of the book on its deposits, after all fees.
    buy_and_hold_return : float
        Of the price from the first to the last close, without costs.
    max_drawdown : float
        At most 0.
    trade_count : int
        Fills.
    hit_rate : float or None
        Share of round trips that made money after fees; None when none was closed.
    exposure : float
        Share of bars that closed with a position.
    """

    deposits: Decimal
    equity: Decimal
    realised: Decimal
    unrealised: Decimal
    fees: Decimal
    total_return: float
    buy_and_hold_return: float
    max_drawdown: float
    trade_count: int
    hit_rate: float | None
    exposure: float


def equity_curve(events: Iterable[Event], closes: pd.Series) -> pd.DataFrame:
    """The book at every close.

    Parameters
    ----------
    events : iterable of Event
        Of one book and one symbol, in any order of time, each id once.
    closes : pandas.Series, shape (n,)
        Closes of that symbol by the time at which the bar *closed*, increasing, with a time zone.
        An event counts from the first close that is not before it.

    Returns
    -------
    pandas.DataFrame, shape (n, 4)
        ``equity`` and ``cash`` in quote currency, ``drawdown`` as defined by `drawdown` and the
        held ``quantity``.

    Raises
    ------
    ValueError
        If the events are of several symbols or the closes have no time zone.
    """
    if not isinstance(closes.index, pd.DatetimeIndex) or closes.index.tz is None:
        raise ValueError("closes need an index of times with a time zone")
    by_time = sorted(events, key=lambda event: event.time)
    times = pd.to_datetime([event.time for event in by_time], utc=True)
    # Row 0 is the empty book, so the count of events so far is the row to read.
    state = _running(by_time)[times.searchsorted(closes.index, side="right")]
    cash, quantity, deposits = (pd.Series(column, index=closes.index) for column in state.T)
    worth = (cash + quantity * closes).astype("float64")
    return pd.DataFrame(
        {
            "equity": worth,
            "cash": cash,
            "drawdown": drawdown(worth, deposits),
            "quantity": quantity,
        }
    )


def drawdown(equity: pd.Series, deposits: pd.Series | float) -> pd.Series:
    """Fraction by which equity is below its highest so far, at most 0.

    The deposits stand before the first value, so that a loss on the first bar counts, and a later
    deposit is no gain: what is compared with its highest is the profit, ``equity - deposits``.
    """
    profit = equity - deposits
    highest = profit.cummax().clip(lower=0.0)
    return ((profit - highest) / (highest + deposits)).fillna(0.0).rename("drawdown")


def max_drawdown(equity: pd.Series, deposits: pd.Series | float | None = None) -> float:
    """Deepest `drawdown`, at most 0; without ``deposits`` the first value is the start."""
    if equity.empty:
        return 0.0
    start = float(equity.iloc[0]) if deposits is None else deposits
    return float(drawdown(equity, start).min())


def total_return(equity: pd.Series, deposits: float | None = None) -> float:
    """Last equity on the deposits, less 1; without ``deposits`` the first value is the start."""
    if equity.empty:
        return 0.0
    start = float(equity.iloc[0]) if deposits is None else deposits
    return float(equity.iloc[-1]) / start - 1 if start else 0.0


def buy_and_hold_return(closes: pd.Series) -> float:
    """Return of the price from the first to the last close, without costs.

    Raises
    ------
    NotEnoughCandles
        If there is no close.
    """
    if closes.empty:
        raise NotEnoughCandles("There is no close yet to value the book at.")
    return float(closes.iloc[-1]) / float(closes.iloc[0]) - 1


def exposure(quantity: pd.Series) -> float:
    """Share of bars that closed with a position; 0 when there are none."""
    return float((quantity > 0).mean()) if len(quantity) else 0.0


def hit_rate(ledger: Ledger) -> float | None:
    """Share of round trips (flat to flat, by symbol) that made money after fees; None if none."""
    open_trips: dict[str, Decimal] = {}
    results = []
    for fill, position, realised in _booked(ledger.fills):
        result = open_trips.pop(fill.symbol, Decimal(0)) + realised
        if position.quantity:
            open_trips[fill.symbol] = result
        else:
            results.append(result > 0)
    return sum(results) / len(results) if results else None


def trades(ledger: Ledger) -> pd.DataFrame:
    """The fills in the order of their arrival, one row each.

    Returns
    -------
    pandas.DataFrame, shape (n, 9)
        ``time`` (UTC), ``symbol``, ``side``, ``quantity``, ``price``, ``notional`` (above 0 on
        either side), ``fee``, ``reason`` and ``realised``: the P&L that the fill realised, less
        its own fee, so that a buy realises minus its fee.
    """
    rows = [
        (
            fill.time.tz_convert("UTC"),
            fill.symbol,
            fill.side.value,
            fill.quantity,
            fill.price,
            fill.notional,
            fill.fee,
            fill.reason,
            realised,
        )
        for fill, _, realised in _booked(ledger.fills)
    ]
    columns = ["time", "symbol", "side", "quantity", "price", "notional", "fee", "reason"]
    table = pd.DataFrame(rows, columns=[*columns, "realised"])
    kinds = {"time": "datetime64[us, UTC]", "symbol": "str", "side": "str", "reason": "str"}
    return table.astype({**kinds, **dict.fromkeys(_FLOATS, "float64")})


def summary(ledger: Ledger, closes: pd.Series) -> Summary:
    """The figures of a book of one symbol; ``closes`` as for `equity_curve`.

    Fills after the last close are in the money, but not in the drawdown and the exposure.

    Raises
    ------
    NotEnoughCandles
        If there is no close.
    ValueError
        As `equity_curve` does.
    """
    held_return = buy_and_hold_return(closes)
    curve = equity_curve(ledger.events, closes)
    last = float(closes.iloc[-1])
    worth = equity(ledger, dict.fromkeys(ledger.positions, last))
    return Summary(
        deposits=ledger.deposits,
        equity=worth,
        realised=ledger.realised,
        unrealised=unrealised(ledger, dict.fromkeys(ledger.positions, last)),
        fees=ledger.fees,
        total_return=float(worth / ledger.deposits - 1) if ledger.deposits else 0.0,
        buy_and_hold_return=held_return,
        max_drawdown=float(curve["drawdown"].min()),
        trade_count=len(ledger.fills),
        hit_rate=hit_rate(ledger),
        exposure=exposure(curve["quantity"]),
    )


def _booked(fills: Iterable[Fill]) -> Iterator[tuple[Fill, Position, Decimal]]:
    """Every fill with the position after it and what it realised."""
    positions: dict[str, Position] = {}
    for fill in fills:
        position, realised = book(positions.get(fill.symbol, FLAT), fill)
        positions[fill.symbol] = position
        yield fill, position, realised


def _running(events: list[Event]) -> np.ndarray:
    """Cash, held quantity and deposits before the first and after each event, shape (n + 1, 3)."""
    symbols = {event.symbol for event in events if isinstance(event, Fill)}
    if len(symbols) > 1:
        raise ValueError(f"an equity curve needs one symbol, not {', '.join(sorted(symbols))}")
    # Summed exactly and only then made floats: a float sum would leave dust of a closed position.
    cash = quantity = deposits = Decimal(0)
    rows = [(0.0, 0.0, 0.0)]
    for event in events:
        if isinstance(event, Deposit):
            cash += event.amount
            deposits += event.amount
        else:
            cash += event.cash_flow
            quantity += event.quantity if event.side == Side.BUY else -event.quantity
        rows.append((float(cash), float(quantity), float(deposits)))
    return np.array(rows)
