"""What a venue's candles and prices have to be, whichever client read them."""

from dataclasses import replace

import numpy as np
import pandas as pd

from marketpulse import candles as candle_table
from marketpulse.candles import Cleaned
from marketpulse.errors import BadReply
from marketpulse.horizons import ONE_MINUTE
from marketpulse.sources import Quote

# A price cannot be of a later time than this, seen from the venue's own clock: more than the
# offset of a clock is known by, and less than would make an old price look new.
LATEST = pd.Timedelta(seconds=30)


def page(
    venue: str,
    symbol: str,
    raw: pd.DataFrame,
    *,
    since: pd.Timestamp | None,
    closed_by: pd.Timestamp,
) -> Cleaned:
    """Closed candles of one reply.

    Parameters
    ----------
    venue, symbol : str
        For messages.
    raw : pandas.DataFrame
        At least one row, as made by `candles.table`.
    since : pandas.Timestamp or None
        From when on candles were asked for; None if the venue ignores that.
    closed_by : pandas.Timestamp
        A bar that was not over by then is left out.

    Raises
    ------
    BadReply
        If most rows are older than was asked for, which are then of another time than they say:
        local time, for one. Or if none is closed.
    MalformedCandles
        As `candles.clean` says.
    """
    if since is not None and (raw.index < since).mean() > 0.5:
        raise BadReply(f"{venue} sent candles of {symbol} of another time than was asked for.")
    cleaned = candle_table.clean(raw, ONE_MINUTE, closed_by)
    if cleaned.candles.empty:
        raise BadReply(f"{venue} sent no closed candle of {symbol}.")
    return cleaned


def quote(
    venue: str, symbol: str, price: float | None, time: pd.Timestamp, now: pd.Timestamp
) -> Quote:
    """The price that a venue tells.

    Parameters
    ----------
    venue, symbol : str
        For messages.
    price : float or None
    time : pandas.Timestamp
        For which the price is said to hold.
    now : pandas.Timestamp
        By the venue's clock.

    Raises
    ------
    BadReply
        If it is no price, or of a time that is still to come.
    """
    if price is None or not (np.isfinite(price) and price > 0):
        raise BadReply(f"{venue} sent no price of {symbol}.")
    if time > now + LATEST:
        raise BadReply(f"{venue} sent a price of {symbol} from the future.")
    return Quote(float(price), time)


def from_start(cleaned: Cleaned, start: pd.Timestamp) -> Cleaned:
    """The part of a page that opens at or after ``start``."""
    kept = cleaned.candles[cleaned.candles.index >= start]
    return Cleaned(kept, replace(cleaned.report, filled=int(kept["filled"].sum())))


def next_end(cleaned: Cleaned, begin: pd.Timestamp, end: pd.Timestamp) -> pd.Timestamp:
    """Where the page before one of [begin, end) ends.

    That is where this one began, which may be later than was asked for: a venue that sends fewer
    bars than it should would otherwise leave holes between the pages.
    """
    first: pd.Timestamp = cleaned.candles.index[0]
    return begin if first >= end else max(begin, first)
