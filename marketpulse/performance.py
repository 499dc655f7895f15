"""What a book has made: the figures that sum it up.

Returns and drawdowns are fractions (0.01 is 1 %). The money in a `Summary` is exact. A
figure that is not defined is None: never NaN, infinite or a stand-in.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

import pandas as pd

from marketpulse import ratios
from marketpulse.curves import YEAR, bar_returns, bars_per_year, before, equity_curve, exposure
from marketpulse.drawdowns import deepest_fall, drawdown_spells
from marketpulse.errors import NotEnoughCandles
from marketpulse.events import Fill
from marketpulse.ledger import Ledger, equity, unrealised
from marketpulse.trades import TripFigures, trip_figures, trips

# A year made out of less is no figure.
SHORTEST = pd.Timedelta(days=1)


@dataclass(frozen=True, slots=True)
class CurveFigures:
    """What follows from an equity curve.

    Figures for a year are of its bar returns, with a year of 365 days of 24 hours and no return
    without risk.

    Attributes
    ----------
    bars : int
        Known bar returns.
    bars_per_year : float or None
        How many bars a year was taken to have; None of a single bar.
    annual_return, calmar : float or None
        None for less than a day.
    annual_volatility, sharpe, sharpe_error, sortino : float or None
        As in `marketpulse.ratios`; ``sharpe_error`` is the standard error of the Sharpe ratio.
    max_drawdown : float
        At most 0.
    max_drawdown_amount : float
        The deepest fall in quote currency, at least 0; it may be another one.
    longest_drawdown : pandas.Timedelta or None
        From a high to the bar that reached it again or to the last bar; None if it never fell.
    exposure : float
        Share of bars that closed with a position.
    """

    bars: int
    bars_per_year: float | None
    annual_return: float | None
    annual_volatility: float | None
    sharpe: float | None
    sharpe_error: float | None
    sortino: float | None
    calmar: float | None
    max_drawdown: float
    max_drawdown_amount: float
    longest_drawdown: pd.Timedelta | None
    exposure: float


@dataclass(frozen=True, slots=True)
class Summary:
    """A book of one symbol in one row.

    Attributes
    ----------
    deposits, equity, realised, unrealised, fees : decimal.Decimal
        In quote currency. Equity is marked at the last close; realised is after all fees, so
        realised + unrealised = equity - deposits.
    total_return, buy_and_hold_return : float or None
        Of the book on its deposits, after all fees; and of the same money held in the coin from
        the first close on. None without a deposit, and of holding if the book is older.
    trade_count : int
        Fills.
    turnover : float or None
        Traded amount, bought and sold, over the mean equity; None if there was none.
    curve : CurveFigures
    trips : TripFigures
    since : pandas.Timestamp or None
        The first close, if the book traded before it: curve and turnover are of the part from
        there on, all else of the whole book.
    """

    deposits: Decimal
    equity: Decimal
    realised: Decimal
    unrealised: Decimal
    fees: Decimal
    total_return: float | None
    buy_and_hold_return: float | None
    trade_count: int
    turnover: float | None
    curve: CurveFigures
    trips: TripFigures
    since: pd.Timestamp | None


def turnover(fills: Iterable[Fill], mean_equity: float) -> float | None:
    """Amount bought and sold over the mean equity; None if that is not above 0."""
    traded = float(sum((fill.notional for fill in fills), Decimal(0)))
    return traded / mean_equity if mean_equity > 0 else None


def summary(ledger: Ledger, closes: pd.Series, hold_cost: float = 0.0) -> Summary:
    """The figures of a book of one symbol.

    ``closes`` and ``hold_cost`` are as for `marketpulse.curves.equity_curve`. Fills after the last
    close are in the money and the round trips, but not in what follows from the curve.

    Raises
    ------
    NotEnoughCandles
        If there is no close.
    ValueError
        As `equity_curve` does.
    """
    if closes.empty:
        raise NotEnoughCandles("There is no close yet to value the book at.")
    curve = equity_curve(ledger.events, closes, hold_cost)
    marks = dict.fromkeys(ledger.positions, float(closes.iloc[-1]))
    worth, paid_in = equity(ledger, marks), float(curve["deposits"].iloc[-1])
    since = closes.index[0] if before(ledger.events, closes) else None
    held = float(curve["hold"].iloc[-1]) / paid_in - 1 if paid_in and since is None else None
    fills = [fill for fill in ledger.fills if since is None or fill.time > since]
    return Summary(
        deposits=ledger.deposits,
        equity=worth,
        realised=ledger.realised,
        unrealised=unrealised(ledger, marks),
        fees=ledger.fees,
        total_return=float(worth / ledger.deposits - 1) if ledger.deposits else None,
        buy_and_hold_return=held,
        trade_count=len(ledger.fills),
        turnover=turnover(fills, float(curve["equity"].mean())),
        curve=curve_figures(curve),
        trips=trip_figures(trips(ledger, marks)),
        since=since,
    )


def curve_figures(curve: pd.DataFrame) -> CurveFigures:
    """What follows from an `equity_curve` with at least one row."""
    times = pd.DatetimeIndex(curve.index)
    returns, periods = bar_returns(curve), bars_per_year(times)
    # Before the first deposit there is no book: its year begins with it.
    returns = returns[returns.notna().cummax()]
    year = float("nan") if periods is None else periods
    long_enough = len(returns) / year * YEAR >= SHORTEST if periods else False
    profit = curve["equity"] - curve["deposits"]
    spells = drawdown_spells(curve["drawdown"])
    return CurveFigures(
        bars=int(returns.notna().sum()),
        bars_per_year=periods,
        annual_return=ratios.annual_return(returns, year) if long_enough else None,
        annual_volatility=ratios.annual_volatility(returns, year),
        sharpe=ratios.sharpe(returns, year),
        sharpe_error=ratios.sharpe_error(returns, year),
        sortino=ratios.sortino(returns, year),
        calmar=ratios.calmar(returns, year) if long_enough else None,
        max_drawdown=float(curve["drawdown"].min()),
        max_drawdown_amount=deepest_fall(profit.diff().fillna(profit)).amount,
        longest_drawdown=None if spells.empty else spells["duration"].max(),
        exposure=exposure(curve["quantity"]),
    )
