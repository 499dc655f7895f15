"""What a market publishes: one immutable picture, everything that the pages draw."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import pandas as pd

from marketpulse.candles import CandleReport
from marketpulse.forecast import Forecast
from marketpulse.horizons import LONG, MINUTE, ONE_MINUTE, Horizon
from marketpulse.sources import NO_OFFSET, Quote, VenueState
from marketpulse.sources.recorded import Replay

# Older than this many bars, the newest candle carries no signal and no trade.
STALE_BARS = 3

# Small stand-ins for something large: equal as long as nothing in it changed.
Mark = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class MarketKey:
    """What makes two visitors look at the same market.

    Attributes
    ----------
    source : str
        As in `Settings.source`.
    symbol : str
    run_id : str
        Of a replay; empty for a live market.
    """

    source: str
    symbol: str
    run_id: str = ""


@dataclass(frozen=True, slots=True)
class Outlook:
    """One horizon of a market.

    Attributes
    ----------
    horizon : Horizon
    predictions, settled : pandas.DataFrame
        As `marketpulse.forecast.walk_forward` and `settle` return. Not to be changed.
    forecast : Forecast or None
        The newest one.
    missing : str
        Why there is no forecast yet, as a sentence; empty if there is one.
    recorded : pandas.DataFrame
        Settled forecasts that were said live and are on record, with the columns of ``settled``.
    pending : int
        Forecasts on record whose target time is still to come.
    importance : pandas.DataFrame
        What the current model's features are worth; empty until it has been measured.
    calls : pandas.DataFrame
        Visitors' calls on record, as `marketpulse.store.ForecastRecord.calls` returns them.
    mark : tuple
        Equal as long as nothing here changed; what features are worth may count a bar late.
    """

    horizon: Horizon
    predictions: pd.DataFrame
    settled: pd.DataFrame
    forecast: Forecast | None
    missing: str = ""
    recorded: pd.DataFrame = field(default_factory=pd.DataFrame)
    pending: int = 0
    importance: pd.DataFrame = field(default_factory=pd.DataFrame)
    calls: pd.DataFrame = field(default_factory=pd.DataFrame)
    mark: Mark = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "mark", self._marked())

    def _marked(self) -> Mark:
        tables = (self.predictions, self.settled, self.recorded)
        ends = [(len(table), table.index[-1] if len(table) else None) for table in tables]
        newest = self.forecast.as_of if self.forecast is not None else None
        told = (self.missing, self.pending, len(self.importance), len(self.calls))
        return (self.horizon, newest, *told, *ends)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One market at one moment. Its tables are shared between visitors: read, never write.

    Attributes
    ----------
    key : MarketKey
    revision : int
        Grows whenever a bar closed or a forecast came; not with every quote.
    now : pandas.Timestamp
        The market's own time: a replay's is in the recording.
    asked_at : pandas.Timestamp
        Wall-clock time at which the market was first asked for.
    venue : str
        Whose prices these are.
    candles : pandas.DataFrame
        Closed one-minute candles.
    report : CandleReport
        What cleaning them took.
    quote : Quote or None
    outlooks : mapping of Horizon to Outlook
    replay : Replay or None
        The clock, if this is a recording.
    progress : str
        What is being done that the visitor waits for; empty if nothing is.
    problem : str
        What went wrong last, as a sentence; empty once it works again.
    record_problem : str
        Why forecasts are not put on record, as a sentence; empty if they are.
    venues : tuple of VenueState
        Every venue that may serve this market, the preferred one first; none for a recording.
    clock_offset : pandas.Timedelta
        What was added to this machine's clock to make ``now``, which is the venue's.
    clock_known : bool
        Whether ``now`` may be believed: false while this machine's clock and the venues' are too
        far apart, or after it was set back.
    cache_problem : str
        Why candles are not kept on disk, as a sentence; empty if they are, or need not be.
    as_of : pandas.Timestamp or None
        Close time of the newest closed bar.
    """

    key: MarketKey
    revision: int
    now: pd.Timestamp
    asked_at: pd.Timestamp
    venue: str
    candles: pd.DataFrame
    report: CandleReport = field(default_factory=CandleReport)
    quote: Quote | None = None
    outlooks: Mapping[Horizon, Outlook] = field(default_factory=dict)
    replay: Replay | None = None
    progress: str = ""
    problem: str = ""
    record_problem: str = ""
    venues: tuple[VenueState, ...] = ()
    clock_offset: pd.Timedelta = NO_OFFSET
    clock_known: bool = True
    cache_problem: str = ""
    as_of: pd.Timestamp | None = field(init=False)

    def __post_init__(self) -> None:
        # A page asks for it a hundred times.
        newest = self.candles.index[-1] + ONE_MINUTE if self.has_candles else None
        object.__setattr__(self, "as_of", newest)

    def seen_at(self, wall: pd.Timestamp) -> "Snapshot":
        """The same, but as old as it is at a wall-clock time after it was published.

        Whoever publishes may be busy, or wait for a venue that hangs; the candles age all the same.
        A replay's clock waits for it.
        """
        if self.replay is not None:
            return self
        return replace(self, now=max(self.now, wall + self.clock_offset))

    @property
    def has_candles(self) -> bool:
        """Whether there is anything to draw."""
        return not self.candles.empty

    def mark(self, horizons: Iterable[Horizon]) -> Mark:
        """Equal as long as neither the candles nor the forecasts of these horizons changed."""
        outlooks = (self.outlooks.get(horizon) for horizon in (MINUTE, LONG, *horizons))
        forecasts = (outlook.mark if outlook is not None else None for outlook in outlooks)
        candles = (self.venue, self.as_of, len(self.candles), self.report)
        return (self.key, self.asked_at, *candles, *forecasts)

    @property
    def price(self) -> float | None:
        """The quote, or the last close if that is newer."""
        if self.as_of is None:
            return None
        if self.quote is not None and self.quote.time >= self.as_of - ONE_MINUTE:
            return self.quote.price
        return float(self.candles["close"].iloc[-1])

    @property
    def age(self) -> pd.Timedelta | None:
        """Time since the newest closed bar closed, on the market's own clock."""
        return None if self.as_of is None else max(self.now - self.as_of, pd.Timedelta(0))

    @property
    def stale(self) -> bool:
        """Whether the newest candle is too old to act on, or nobody knows how old it is."""
        old = self.age is not None and self.age > STALE_BARS * ONE_MINUTE
        return old or not self.clock_known

    @property
    def ended(self) -> bool:
        """Whether this is a replay that has reached its last bar."""
        return self.replay is not None and self.now >= self.replay.end
