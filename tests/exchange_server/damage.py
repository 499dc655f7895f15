"""Faults of the data: a reply that is well formed, by its status and its syntax, and wrong.

Each takes what a healthy reply is made of, and gives what a wrong one is made of. They strike the
newest bars, so that whoever reads only the last ten minutes meets them.
"""

import random
from collections.abc import Callable
from dataclasses import replace

import pandas as pd

from tests.exchange_server.bars import MINUTE_S, Bar, closed_by
from tests.exchange_server.formats import Ask, Pair

Damage = Callable[[Ask], Ask]
Edit = Callable[[list[Bar]], list[Bar]]

UNITS = {
    "seconds": 1,
    "milliseconds": 1_000,
    "microseconds": 1_000_000,
    "nanoseconds": 1_000_000_000,
}
"""Faults that are a unit of time, and how many of it a second has."""

FUTURE_S = 4_070_908_800
"""Open time of the candle of the year 2099."""

BEHIND = pd.Timedelta(hours=1)
WEST = pd.Timedelta(hours=5)
FEW = 5

_NAN, _INFINITY = float("nan"), float("inf")
# One bar in so many, which is 5 %.
_ONE_IN = 20


def struck(bars: list[Bar]) -> int:
    """Open time of the bar that a fault of one bar strikes: the third last of the closed ones."""
    return bars[max(0, len(bars) - 4)].time


def _edited(ask: Ask, edit: Edit) -> Ask:
    return replace(ask, edited=edit)


def _one(change: Callable[[Bar], Bar]) -> Damage:
    """One bar is changed."""

    def damage(ask: Ask) -> Ask:
        time = struck(ask.bars)
        return replace(ask, bars=[change(bar) if bar.time == time else bar for bar in ask.bars])

    return damage


def _price(price: float) -> Damage:
    """One bar closes at an impossible price, and so does the last trade."""
    strike = _one(lambda bar: bar._replace(close=price))
    return lambda ask: replace(strike(ask), price=price)


def _wick(bar: Bar) -> Bar:
    return bar._replace(high=bar.high * 1_000_000, low=bar.low / 1000)


def _high_below_low(bar: Bar) -> Bar:
    low, high = min(bar[1:5]), max(bar[1:5])
    return bar._replace(high=low * 0.99, low=high * 1.01)


def _many_zeros(ask: Ask) -> Ask:
    phase = struck(ask.bars) // MINUTE_S % _ONE_IN
    hit = [bar.time // MINUTE_S % _ONE_IN == phase for bar in ask.bars]
    return replace(
        ask, bars=[bar.times(0.0) if h else bar for bar, h in zip(ask.bars, hit, strict=True)]
    )


def _no_volume(ask: Ask) -> Ask:
    return replace(ask, bars=[bar._replace(volume=None) for bar in ask.bars])


def _again(copy: Callable[[Bar], Bar]) -> Damage:
    """Five closed bars of the newest come twice, the second time as a copy."""

    def damage(ask: Ask) -> Ask:
        twice = {bar.time for bar in ask.bars[-6:-1]}
        return _edited(
            ask,
            lambda page: [
                each for bar in page for each in ((bar, copy(bar)) if bar.time in twice else (bar,))
            ],
        )

    return damage


def _gap(ask: Ask) -> Ask:
    newest = ask.bars[-1].time
    absent = {newest - minutes * MINUTE_S for minutes in range(13, 18)}
    return replace(ask, bars=[bar for bar in ask.bars if bar.time not in absent])


def _closed_only(ask: Ask) -> Ask:
    return replace(ask, bars=closed_by(ask.bars, ask.now.timestamp()), price=ask.last)


def _stale(ask: Ask) -> Ask:
    then = ask.now - BEHIND
    return replace(ask, now=then, bars=closed_by(ask.bars, then.timestamp()))


def _future(ask: Ask) -> Ask:
    newest = ask.bars[-1]

    def edit(page: list[Bar]) -> list[Bar]:
        return [*page, newest._replace(time=FUTURE_S)] if newest in page else page

    return _edited(ask, edit)


def _shuffled(page: list[Bar]) -> list[Bar]:
    return random.Random(7).sample(page, len(page))


def _local_time(ask: Ask) -> Ask:
    behind = int(WEST.total_seconds())

    def edit(page: list[Bar]) -> list[Bar]:
        return [bar._replace(time=bar.time - behind) for bar in page]

    return replace(ask, now=ask.now - WEST, edited=edit)


def _listing(change: Callable[[tuple[Pair, ...]], list[Pair]]) -> Damage:
    return lambda ask: replace(ask, pairs=tuple(change(ask.pairs)))


def _is_main(pair: Pair) -> bool:
    return pair[:2] == ("BTC", "USD")


def _unit(unit: int) -> Damage:
    return lambda ask: replace(ask, unit=unit)


DAMAGE: dict[str, Damage] = {
    "empty": lambda ask: _edited(ask, lambda _: []),
    "duplicates": _again(lambda bar: bar),
    "conflicts": _again(lambda bar: bar.times(1.01)),
    "shuffled": lambda ask: _edited(ask, _shuffled),
    "reversed": lambda ask: _edited(ask, lambda page: page[::-1]),
    "gap": _gap,
    "closed-only": _closed_only,
    "stale": _stale,
    "wick": _one(_wick),
    "zero": _price(0.0),
    "negative": _price(-1.0),
    "nan": _price(_NAN),
    "infinite": _price(_INFINITY),
    "many-zeros": _many_zeros,
    "no-volume": _no_volume,
    "negative-volume": _one(lambda bar: bar._replace(volume=-1.0)),
    "high-below-low": _one(_high_below_low),
    "future": _future,
    **{name: _unit(unit) for name, unit in UNITS.items()},
    "few": lambda ask: _edited(ask, lambda page: page[-FEW:]),
    "local-time": _local_time,
    "thousands": lambda ask: replace(ask, grouped=True),
    "delisted": _listing(lambda ps: [(b, q, a and not _is_main((b, q, a))) for b, q, a in ps]),
    "unlisted": _listing(lambda pairs: [pair for pair in pairs if not _is_main(pair)]),
    "other-quote": _listing(lambda pairs: [pair for pair in pairs if pair[1] != "USD"]),
}
"""Faults of the data that need no memory; "revised" is the one that does."""


class Revisions:
    """Candles that a venue changes after it has sent them: the fault "revised".

    Each closed bar but the newest is sent as it is once, and closes 1 % higher ever after.
    """

    def __init__(self) -> None:
        self._shown: set[int] = set()

    def damage(self, ask: Ask) -> Ask:
        """The bars as they are told by now."""
        last_but_one = closed_by(ask.bars[-3:], ask.now.timestamp())[-2:-1]
        bars = [_revised(bar) if bar.time in self._shown else bar for bar in ask.bars]
        self._shown |= {bar.time for bar in last_but_one}
        return replace(ask, bars=bars)


def _revised(bar: Bar) -> Bar:
    close = round(bar.close * 1.01, 8)
    return bar._replace(close=close, high=max(bar.high, close))
