"""What is right after each fault: what ``benchmarks.faults`` holds the sources against."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd

from marketpulse.errors import (
    BadReply,
    ClockOff,
    DataError,
    UnknownSymbol,
    VenueRefused,
    VenueTroubled,
    VenueUnreachable,
)
from tests.exchange_server import SCRIPTS, Fault, spelled

MODES: dict[str, str] = {
    "F01": "429: too many requests",
    "F02": "418: banned",
    "F03": "451: not in this country",
    "F04": "403: refused",
    "F05": "500, 502, 503, 520",
    "F06": "504, no answer, no connection",
    "F07": "a byte now and then",
    "F08": "refused, reset, unknown host",
    "F09": "truncated JSON",
    "F10": "shorter than it says",
    "F11": "a page with status 200",
    "F12": "nothing, null, another shape",
    "F13": "no candles",
    "F14": "candles that come twice",
    "F15": "out of order",
    "F16": "minutes absent",
    "F17": "the forming candle, or none",
    "F18": "nothing new for an hour",
    "F19": "clocks apart",
    "F20": "an absurd wick",
    "F21": "prices that cannot be",
    "F22": "no volume, or below zero",
    "F23": "high below low",
    "F24": "a pair that is no more",
    "F25": "other quote currencies only",
    "F26": "no such bar",
    "F27": "fewer rows than asked for",
    "F28": "times in another unit",
    "F29": "local time, daylight saving",
    "F30": "a candle of the future",
    "F31": "a closed candle revised",
    "F32": "the venue changes",
    "F33": "5 MB and more",
    "F34": "what yfinance has names for",
    "F35": "an upgrade of ccxt",
}

State = Literal["ok", "failing", "banned", "blocked"]


@dataclass(frozen=True, slots=True)
class Right:
    """What is to come of one fault.

    Attributes
    ----------
    error : type of DataError or None
        None if the venue's candles are to be used, and the venue kept.
    says : str
        What the error's sentence has to hold.
    state : {"ok", "failing", "banned", "blocked"}
        How the venue is to stand afterwards.
    seconds : float
        For how long it is not to be asked.
    asked : int
        Requests of the kind that fails, in one call.
    rules : tuple of str
        The rules that the report has to count, and no others.
    """

    error: type[DataError] | None = None
    says: str = ""
    state: State = "ok"
    seconds: float = 0.0
    asked: int = 1
    rules: tuple[str, ...] = ()


def _error(kind: type[DataError], says: str, asked: int = 1) -> Right:
    return Right(kind, says, "failing", asked=asked)


def _ban(says: str, seconds: float) -> Right:
    state: State = "blocked" if seconds == float("inf") else "banned"
    return Right(VenueRefused, says, state, seconds)


def _kept(*rules: str) -> Right:
    return Right(rules=rules)


_TOO_OFTEN, _NO_DATA = "is asked too often (429)", "sent a page that is no data"
_LATE, _NO_CANDLE = "did not answer in time", "sent no closed candle of BTC/USD"
_UNKNOWN = Right(UnknownSymbol, "has no pair BTC/USD")
_UNUSABLE = _error(BadReply, "sent no usable candles: ")
_ELSEWHEN = _error(BadReply, "of another time than was asked for")

# By failure mode; then of one fault of it, of one venue, or both: the most specific one counts.
RIGHT: dict[str, Right] = {
    "F01": _ban(_TOO_OFTEN, 60),
    "F01 429:120": _ban(_TOO_OFTEN, 120),
    "F02": _ban("has banned this server for asking too often (418)", 120),
    "F02 418:300": _ban("has banned this server for asking too often (418)", 300),
    "F03": _ban("is not available from this server's country (451)", float("inf")),
    "F04": _ban("refused this server (403)", 600),
    "F05": _error(VenueTroubled, "has trouble of its own (5", asked=2),
    "F06": _error(VenueUnreachable, _LATE),
    "F07": _error(VenueUnreachable, _LATE),
    "F08": _error(VenueUnreachable, "cannot be reached"),
    "F09": _error(BadReply, _NO_DATA),
    "F10": _error(VenueTroubled, "broke off in the middle of its reply", asked=2),
    "F11": _error(BadReply, _NO_DATA),
    "F12": _error(BadReply, _NO_DATA),
    "F12 object": _error(BadReply, _NO_CANDLE),
    "F12 object yahoo": _error(BadReply, "sent no candles"),
    "F12 foo": _error(BadReply, _NO_CANDLE),
    "F12 foo yahoo": _error(BadReply, "sent no candles"),
    "F12 thousands": _UNUSABLE,
    "F13": _error(BadReply, _NO_CANDLE),
    "F13 yahoo": _error(BadReply, "sent no candles"),
    "F14 duplicates": _kept("duplicate"),
    "F14 duplicates yahoo": _kept(),  # yfinance drops the second one
    "F14 conflicts": _kept("duplicate", "conflict"),
    "F15": _kept(),
    "F16": _kept(),
    "F17": _kept(),
    "F18": _kept(),
    "F19": _error(ClockOff, "so nobody can tell which candle is closed"),
    "F20": _kept("wick"),
    "F21": _kept("price"),
    # JSON numbers cannot say them, so the whole page is none.
    "F21 nan gemini": _error(BadReply, _NO_DATA),
    "F21 infinite gemini": _error(BadReply, _NO_DATA),
    "F21 infinite yahoo": _error(BadReply, _NO_DATA),
    "F21 nan-json": _error(BadReply, _NO_DATA),
    "F21 many-zeros": _UNUSABLE,
    "F22": _kept("volume"),
    "F23": _kept("range"),
    "F24": _UNKNOWN,
    "F25": _UNKNOWN,
    # Its list comes in two parts.
    "F24 coinbase": replace(_UNKNOWN, asked=2),
    "F25 coinbase": replace(_UNKNOWN, asked=2),
    "F26": _error(VenueRefused, "refused us (400)"),
    # yfinance takes it for a cookie that has run out, and asks once more with another one.
    "F26 yahoo": _error(BadReply, "sent no candles", asked=2),
    "F27": _kept(),
    # Right, or refused: where the client multiplies its times, ns become too large for any unit.
    "F28": _kept(),
    "F28 nanoseconds bitstamp": _UNUSABLE,
    "F28 nanoseconds coinbase": _UNUSABLE,
    "F28 nanoseconds kraken": _UNUSABLE,
    "F28 milliseconds yahoo": _error(BadReply, _NO_CANDLE),
    "F28 microseconds yahoo": _error(BadReply, _NO_DATA),
    "F28 nanoseconds yahoo": _error(BadReply, _NO_DATA),
    # A venue that is not asked for a time cannot be caught at it: its candles are 5 hours old.
    "F29": _kept(),
    "F29 bitstamp": _ELSEWHEN,
    "F29 coinbase": _ELSEWHEN,
    "F29 yahoo": _ELSEWHEN,
    "F30": _kept("future"),
    "F30 yahoo": _kept(),  # yfinance drops what is later than it asked for
    "F31": _kept(),
    "F32": _error(VenueTroubled, "has trouble of its own (503)", asked=2),
    "F33": _error(BadReply, "sent more than 5 MB"),
    "F34 429": _ban(_TOO_OFTEN, 60),
    "F34 empty": _error(BadReply, "sent no candles"),
    "F34 unlisted": _UNKNOWN,
}

ADDRESSES: dict[str, tuple[str, ...]] = {
    "F06": ("silent address",),
    "F08": ("refused address", "unknown host"),
}
"""Faults of a place where there is no server."""

# Faults of a mode that a venue cannot have, besides those that its wire format has no room for.
_BEYOND: dict[tuple[str, str], str] = {
    ("conflicts", "yahoo"): "yfinance keeps the first of two rows before anybody else sees them",
}


def right(mode: str, fault: str, venue: str) -> Right:
    """What is right after a fault, as it is spelled, of a venue."""
    keys = (f"{mode} {fault} {venue}", f"{mode} {venue}", f"{mode} {fault}", mode)
    return next(RIGHT[key] for key in keys if key in RIGHT)


def inapplicable(mode: str, venue: str) -> str:
    """Why a venue cannot have a failure mode at all; empty if it can."""
    if mode == "F34" and venue != "yahoo":
        return f"{venue} is read by ccxt: how yfinance fails does not matter to it"
    if mode == "F35" and venue == "yahoo":
        return "yahoo is read by yfinance: how ccxt names its errors does not matter to it"
    return ""


def beyond(fault: Fault, venue: str) -> str:
    """Why a venue cannot have one fault of a mode that it can have otherwise; empty if it can."""
    return _BEYOND.get((spelled(fault), venue), "")


# What the candles of a venue with a fault of the data have to be ---------------------------------

Change = Callable[[pd.DataFrame, pd.Timestamp], pd.DataFrame]

_PRICES = ["open", "high", "low", "close"]
# Which minutes before the forming bar a fault strikes, as the server says of itself.
_STRUCK, _ABSENT, _TWICE = (3,), range(13, 18), range(1, 6)
FEW = 4
# They send all that they have at once, and cannot be asked for the rest.
ONE_REPLY = ("kraken", "gemini")
HOURS_WEST = 5


def _minutes(forming: pd.Timestamp, back: Iterable[int]) -> pd.DatetimeIndex:
    return pd.DatetimeIndex([forming - pd.Timedelta(minutes=each) for each in back])


def _silent(back: Iterable[int]) -> Change:
    """Minutes without a trade: the price stands still, and they are marked."""

    def change(table: pd.DataFrame, forming: pd.Timestamp) -> pd.DataFrame:
        absent = table.index.isin(_minutes(forming, back))
        close = table["close"].where(~absent).ffill()
        flat = {name: table[name].where(~absent, close) for name in _PRICES}
        volume = table["volume"].where(~absent, 0.0)
        return table.assign(**flat, volume=volume, filled=table["filled"] | absent)

    return change


def _wick(table: pd.DataFrame, forming: pd.Timestamp) -> pd.DataFrame:
    hit = table.index.isin(_minutes(forming, _STRUCK))
    high = table["high"].where(~hit, table["high"] * 1_000_000)
    return table.assign(high=high, low=table["low"].where(~hit, table["low"] / 1000))


def _without_volume(back: Iterable[int] | None) -> Change:
    def change(table: pd.DataFrame, forming: pd.Timestamp) -> pd.DataFrame:
        hit = (
            np.ones(len(table), bool) if back is None else table.index.isin(_minutes(forming, back))
        )
        return table.assign(volume=table["volume"].where(~hit | table["filled"]))

    return change


def _merged(table: pd.DataFrame, forming: pd.Timestamp) -> pd.DataFrame:
    """Each of five bars told twice, the second time 1 % higher: the range holds both."""
    hit = table.index.isin(_minutes(forming, _TWICE))
    return table.assign(high=table["high"].where(~hit, (table["high"] * 1.01).round(8)))


def _west(table: pd.DataFrame, _: pd.Timestamp) -> pd.DataFrame:
    return table.set_axis(table.index - pd.Timedelta(hours=HOURS_WEST))


TOLD: dict[str, Change] = {
    "conflicts": _merged,
    "gap": _silent(_ABSENT),
    "stale": lambda table, forming: table[table.index < forming - pd.Timedelta(hours=1)],
    "wick": _wick,
    **dict.fromkeys(("zero", "negative", "nan", "infinite", "high-below-low"), _silent(_STRUCK)),
    "no-volume": _without_volume(None),
    "negative-volume": _without_volume(_STRUCK),
    "local-time": _west,
}
"""What a fault makes of the candle table; the others leave it as it is."""


def told(table: pd.DataFrame, fault: str, venue: str, now: pd.Timestamp) -> pd.DataFrame:
    """The candle table as it has to be read from a venue with a fault of its data.

    Parameters
    ----------
    table : pandas.DataFrame
        Of the venue in truth.
    fault : str
        As it is spelled.
    venue : str
    now : pandas.Timestamp
    """
    forming = now.floor("min")
    closed = TOLD.get(fault, lambda same, _: same)(table[table.index < forming], forming)
    if fault == "few" and venue in ONE_REPLY:
        return closed.tail(FEW)
    if fault == "stale" and venue != "yahoo":
        # Nobody knows whether the newest one had closed when the venue stood still.
        return closed.iloc[:-1]
    return closed


def also(right: pd.DataFrame, fault: str, venue: str) -> tuple[pd.DataFrame, ...]:
    """Other values that are as right: which of two rows of one bar is the first, nobody knows."""
    if fault != "conflicts" or venue == "yahoo":
        return ()
    ends = {name: (right[name] * 1.01).round(8) for name in ("open", "close")}
    return (right.assign(**ends),)


def scripted(mode: str) -> tuple[Fault, ...]:
    """The faults that stage a mode on the wire."""
    return SCRIPTS.get(mode, ())
