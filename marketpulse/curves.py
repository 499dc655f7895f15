"""A book's equity over time: the curve and its returns, as floats for charts and ratios."""

from collections.abc import Iterable
from decimal import Decimal, localcontext

import numpy as np
import pandas as pd

from marketpulse.drawdowns import drawdown
from marketpulse.events import Deposit, Event, Fill, Side
from marketpulse.money import CONTEXT
from marketpulse.ratios import DAYS_PER_YEAR

YEAR = pd.Timedelta(days=DAYS_PER_YEAR)


def equity_curve(
    events: Iterable[Event], closes: pd.Series, hold_cost: float = 0.0
) -> pd.DataFrame:
    """The book at every close.

    Parameters
    ----------
    events : iterable of Event
        Of one book and one symbol, in any order of time, each id once.
    closes : pandas.Series, shape (n,)
        Closes of that symbol by the time at which the bar *closed*, increasing, with a time zone.
        An event counts from the first close that is not before it.
    hold_cost : float
        What a purchase costs whoever buys and holds, as a fraction of its amount.

    Returns
    -------
    pandas.DataFrame, shape (n, 6)
        ``equity``, ``cash`` and ``deposits`` in quote currency, ``drawdown`` as defined by
        `marketpulse.drawdowns.drawdown`, the held ``quantity``, and ``hold``: what the deposits
        would be worth, had each bought at the first close that is not before it. If the book
        traded `before` the closes, what it was worth at the first of them counts as paid in then.

    Raises
    ------
    ValueError
        If the events are of several symbols or the closes have no time zone.
    """
    if not isinstance(closes.index, pd.DatetimeIndex) or closes.index.tz is None:
        raise ValueError("closes need an index of times with a time zone")
    moves = [event for event in events if isinstance(event, Deposit | Fill)]
    moves.sort(key=lambda event: event.time)
    times = pd.to_datetime([event.time for event in moves], utc=True)
    # Row 0 is the empty book, so the count of events so far is the row to read.
    state = _running(moves)[times.searchsorted(closes.index, side="right")]
    cash, quantity, deposits = (pd.Series(column, index=closes.index) for column in state.T)
    worth = (cash + quantity * closes).astype("float64")
    if before(moves, closes):
        deposits += worth.iloc[0] - deposits.iloc[0]
    bought = deposits.diff().fillna(deposits) / (closes * (1 + hold_cost))
    return pd.DataFrame(
        {
            "equity": worth,
            "cash": cash,
            "deposits": deposits,
            "drawdown": drawdown(worth, deposits),
            "quantity": quantity,
            "hold": bought.cumsum() * closes,
        }
    )


def before(events: Iterable[Event], closes: pd.Series) -> bool:
    """Whether a book traded before the bar of the first close, so that its curve is a later part.

    Candles reach back for some days only, and a book may be older.
    """
    if len(closes) < 2:
        return False
    start = closes.index[0] - _bar(pd.DatetimeIndex(closes.index))
    return any(isinstance(event, Fill) and event.time < start for event in events)


def bar_returns(curve: pd.DataFrame) -> pd.Series:
    """Return of the book over each bar of an `equity_curve`, shape (n,); NaN while it is empty.

    A deposit is no return: it counts as there from the beginning of its bar. Compounded, the
    returns of a book with one deposit are its total return.
    """
    deposits = curve["deposits"]
    profit = curve["equity"] - deposits
    paid_in = deposits.diff().fillna(deposits)
    base = curve["equity"].shift(fill_value=0.0) + paid_in
    return (profit.diff().fillna(profit) / base.where(base > 0)).rename("return")


def bars_per_year(times: pd.DatetimeIndex) -> float | None:
    """How many bars like these (the median of their lengths) make 365 days; None below two."""
    if len(times) < 2:
        return None
    return float(YEAR / _bar(times))


def _bar(times: pd.DatetimeIndex) -> pd.Timedelta:
    return pd.Timedelta(np.median(np.diff(times.asi8)), unit=times.unit)


def exposure(quantity: pd.Series) -> float:
    """Share of bars that closed with a position; 0 when there are none."""
    return float((quantity > 0).mean()) if len(quantity) else 0.0


def _running(moves: list[Deposit | Fill]) -> np.ndarray:
    """Cash, held quantity and deposits before the first and after each move, shape (n + 1, 3)."""
    symbols = {move.symbol for move in moves if isinstance(move, Fill)}
    if len(symbols) > 1:
        raise ValueError(f"an equity curve needs one symbol, not {', '.join(sorted(symbols))}")
    # Summed exactly and only then made floats: a float sum would leave dust of a closed position.
    cash = quantity = deposits = Decimal(0)
    rows = [(0.0, 0.0, 0.0)]
    with localcontext(CONTEXT):
        for move in moves:
            if isinstance(move, Deposit):
                cash += move.amount
                deposits += move.amount
            else:
                cash += move.cash_flow
                quantity += move.quantity if move.side == Side.BUY else -move.quantity
            rows.append((float(cash), float(quantity), float(deposits)))
    return np.array(rows)
