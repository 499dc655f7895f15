"""A market and its venues, each with a clock that can be set, and what is wrong on such a screen.

No time passes by itself: the market is stepped once for each second of `Clocks.true`. The venues
are real HTTP on loopback. Models are small, because it does not matter here how good they are.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np
import pandas as pd

from marketpulse import candles as candle_table
from marketpulse import health, report, track
from marketpulse.horizons import ONE_MINUTE
from marketpulse.hub import Hub
from marketpulse.market import Market
from marketpulse.model import Plan
from marketpulse.settings import Settings
from marketpulse.snapshot import Snapshot
from marketpulse.sources import CandleSource
from marketpulse.sources.chain import ChainSource
from marketpulse.sources.exchange import ExchangeSource
from marketpulse.sources.gateway import Gateway
from marketpulse.sources.recorded import load_sample
from marketpulse.sources.wire import MOST_OFFSET, Wire
from marketpulse.sources.yahoo import YahooSource
from tests.exchange_server import ExchangeServer

SECOND = pd.Timedelta(seconds=1)
NO_SHIFT = pd.Timedelta(0)
# How far an age may be off: 2 s that count as none, and one that a reply's time is cut by.
EXACT = 3 * SECOND
# After a clock was set: until the next question, and until a venue that was left alone meanwhile,
# because three questions in a row had shown its clock to be off, has been asked again.
UNASKED, RECOVERED = 8 * SECOND, 45 * SECOND
# A closed bar is on screen so soon after its close while nothing is wrong.
SOON = 10 * SECOND
DAY_BARS = 1440
SMALL = {
    "minute": Plan(train_bars=300, min_train_bars=200, calibration_bars=100),
    "long": Plan(train_bars=120, min_train_bars=80, calibration_bars=60),
}
SETTINGS = Settings()

WRONG = ("candles", "ages", "prices' times", "forecasts", "signals and trades")


@dataclass(slots=True)
class Clocks:
    """The time in truth, and by how much two clocks are ahead of it.

    Attributes
    ----------
    true : pandas.Timestamp
    ours, theirs : pandas.Timedelta
        This machine's, and that of all venues.
    set_at : pandas.Timestamp or None
        When one of them was set last, in truth; None if never while the market ran.
    """

    true: pd.Timestamp
    ours: pd.Timedelta = NO_SHIFT
    theirs: pd.Timedelta = NO_SHIFT
    set_at: pd.Timestamp | None = None
    _began: pd.Timestamp = field(init=False)
    _latest: pd.Timestamp = field(init=False)

    def __post_init__(self) -> None:
        self._began, self._latest = self.true, self.venue()

    def machine(self) -> pd.Timestamp:
        """What this machine's clock says."""
        return self.true + self.ours

    def venue(self) -> pd.Timestamp:
        """What the venues' clocks say."""
        return self.true + self.theirs

    def latest(self) -> pd.Timestamp:
        """The latest time that the venues' clocks ever said, as far as anyone looked."""
        self._latest = max(self._latest, self.venue())
        return self._latest

    def monotonic(self) -> float:
        """Seconds that really went by."""
        return (self.true - self._began).total_seconds()

    def shift(self, ours: pd.Timedelta, theirs: pd.Timedelta) -> None:
        """Set both clocks, which may be what they are."""
        if (ours, theirs) != (self.ours, self.theirs):
            self.ours, self.theirs, self.set_at = ours, theirs, self.true

    def set_within(self, span: pd.Timedelta) -> bool:
        """Whether one of them was set so short a time ago."""
        return self.set_at is not None and self.true - self.set_at < span


@dataclass(frozen=True, slots=True)
class Stage:
    """A market with its venues and its clocks.

    Attributes
    ----------
    clocks : Clocks
    server : ExchangeServer
    market : Market
    truth : pandas.DataFrame
        Every candle of the venues, those to come included.
    """

    clocks: Clocks
    server: ExchangeServer
    market: Market
    truth: pd.DataFrame

    def step(self) -> Snapshot:
        """Let the market do all that is due."""
        self.market.step(self.clocks.machine())
        while self.market.busy:
            self.market.step(self.clocks.machine())
        return self.market.snapshot


@contextmanager
def staged(folder: Path, clocks: Clocks, venues: Sequence[str] = ("bitstamp",)) -> Iterator[Stage]:
    """A fresh market of BTC/USD that asks these venues, a day of candles behind it."""
    candles = load_sample().candles
    truth = candles.set_axis(_shifted(candles, clocks.venue()))
    with ExchangeServer(truth, offset=NO_SHIFT, clock=clocks.venue) as server:
        sources = [source(venue, server.url, clocks) for venue in venues]
        hub = Hub(
            clocks.machine, threads=False, home=folder / "home", models=folder / "models",
            open_live=lambda _: ChainSource(sources),
        )  # fmt: skip
        try:
            yield Stage(clocks, server, hub.watch("visitor", SETTINGS), truth)
        finally:
            hub.close()


def _shifted(candles: pd.DataFrame, now: pd.Timestamp) -> pd.DatetimeIndex:
    """Times for candles of which a day is over at ``now``."""
    first = now.floor("min") - DAY_BARS * ONE_MINUTE
    return pd.date_range(first, periods=len(candles), freq="min", unit="us", name="open_time")


def source(venue: str, url: str, clocks: Clocks) -> CandleSource:
    """A venue for which no time passes but that of ``clocks``: no rest, no age of an answer."""
    made = YahooSource(url) if venue == "yahoo" else ExchangeSource(venue, url)

    def connect() -> Wire:
        wire = made._wire()
        wire._machine_time = clocks.machine  # or what a call takes here would count as an offset
        return wire

    made._gateway = Gateway(venue, connect, clock=clocks.monotonic)
    return made


def use_small_models() -> None:
    """Let every market of this process make do with little history."""
    track.PLANS = SMALL


def wrong_candles(shown: pd.DataFrame, truth: pd.DataFrame, now: pd.Timestamp) -> int:
    """Candles that are not what the venue knows at its time ``now``, and closed ones left out.

    Parameters
    ----------
    shown, truth : pandas.DataFrame
        Candle tables; ``truth`` holds the minutes to come as well.
    now : pandas.Timestamp
    """
    known = truth[truth.index + ONE_MINUTE <= now].reindex(shown.index)
    columns = list(candle_table.COLUMNS)
    same = (shown[columns].to_numpy() == known[columns].to_numpy()).all(axis=1)
    gaps = 0 if shown.empty else int((shown.index[-1] - shown.index[0]) / ONE_MINUTE) + 1
    return int((~same).sum()) + gaps - len(shown)


def wrongs(stage: Stage, shown: Snapshot, *, mistrusted: bool) -> Counter[str]:
    """What is wrong on a screen: of each of `WRONG`, how many.

    Parameters
    ----------
    stage : Stage
    shown : Snapshot
        Of its market, now.
    mistrusted : bool
        Whether the clocks are too far apart, so that nothing may be acted on.
    """
    now, unasked = stage.clocks.venue(), stage.clocks.set_within(UNASKED)
    found = Counter(dict.fromkeys(WRONG, 0))
    # A candle stays what it was said to be, even if its venue's clock is set back before its end.
    found["candles"] = wrong_candles(shown.candles, stage.truth, stage.clocks.latest())
    if not shown.has_candles:
        return found
    acts = not health.refusal(shown) or acting(shown)
    found["signals and trades"] = int(acts and mistrusted and not unasked)
    found["forecasts"] = wrong_forecasts(shown)
    if shown.clock_known and not unasked:
        found["ages"] = int(age_error(stage, shown) > EXACT)
        found["prices' times"] = int(shown.quote is not None and shown.quote.time > now + SECOND)
    return found


def age_error(stage: Stage, shown: Snapshot) -> pd.Timedelta:
    """How far the age on a screen is off; nothing if none is shown, or no venue was asked since."""
    if not shown.clock_known or shown.age is None or stage.clocks.set_within(UNASKED):
        return NO_SHIFT
    return abs(shown.age - max(stage.clocks.venue() - shown.as_of, NO_SHIFT))


def wrong_forecasts(shown: Snapshot) -> int:
    """Forecasts that are not from the newest bar of their grid, for their horizon."""
    count = 0
    for horizon, outlook in shown.outlooks.items():
        made = outlook.forecast
        if made is not None:
            ahead = pd.Timedelta(minutes=horizon.minutes)
            right = made.as_of == shown.as_of.floor(horizon.bar)
            count += not (right and made.target_time == made.as_of + ahead)
            count += made.last_price != _close(shown, made.as_of)
    return count


def _close(shown: Snapshot, closed: pd.Timestamp) -> float:
    return float(shown.candles["close"].get(closed - ONE_MINUTE, np.nan))


def acting(shown: Snapshot) -> bool:
    """Whether the screen has a signal that rests on forecasts."""
    decided = report.signal(report.build(shown, SETTINGS), shown, None)
    return decided is not None and bool(decided.terms)


def is_fresh(stage: Stage, shown: Snapshot) -> bool:
    """Whether the newest closed bar is on screen, and may be acted on."""
    if not shown.has_candles or health.refusal(shown):
        return False
    return stage.clocks.venue() - shown.as_of <= ONE_MINUTE + SOON


def says_why(shown: Snapshot) -> bool:
    """Whether nothing is acted on, because of the clock, which is said in a sentence."""
    return bool(not shown.clock_known and "clock" in shown.problem and health.refusal(shown))


@dataclass(slots=True)
class Seen:
    """What the screens of a case showed.

    Attributes
    ----------
    wrong : Counter of str
        Of each of `WRONG`.
    screens, fresh, refused : int
        In all; with the newest bar; with the reason why not.
    silent : int
        That should have been refused, and did not say why.
    late : int
        That should have had the newest bar, and did not.
    age_error : float
        Largest one, in seconds.
    """

    wrong: Counter[str]
    screens: int = 0
    fresh: int = 0
    refused: int = 0
    silent: int = 0
    late: int = 0
    age_error: float = 0.0

    def add(self, stage: Stage, shown: Snapshot) -> None:
        """Judge one screen."""
        clocks = stage.clocks
        mistrusted = abs(clocks.theirs - clocks.ours) > MOST_OFFSET
        self.wrong += wrongs(stage, shown, mistrusted=mistrusted)
        self.screens += 1
        fresh, refused = is_fresh(stage, shown), says_why(shown)
        self.fresh, self.refused = self.fresh + fresh, self.refused + refused
        self.silent += mistrusted and not refused and not clocks.set_within(UNASKED)
        self.late += not mistrusted and not fresh and not clocks.set_within(RECOVERED)
        self.age_error = max(self.age_error, age_error(stage, shown).total_seconds())

    def __add__(self, other: "Seen") -> "Seen":
        """Both."""
        sums = (getattr(self, f.name) + getattr(other, f.name) for f in fields(self)[:-1])
        return Seen(*sums, max(self.age_error, other.age_error))
