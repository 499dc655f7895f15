"""What one visitor sees of a snapshot: a pure function of the snapshot and their settings."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import pandas as pd

from marketpulse import backtest
from marketpulse.backtest import Outcome, Trading
from marketpulse.costs import Costs, chosen_fee_bps, taker_fee_bps
from marketpulse.evaluation import Tail, tail
from marketpulse.forecast import Forecast
from marketpulse.horizons import LONG, MINUTE, Horizon
from marketpulse.risk import Limits
from marketpulse.settings import CENTRES, DEFAULTS, PRESETS, Centre, Settings
from marketpulse.signals import Holding, Signal, Thresholds, decide, decision_table
from marketpulse.snapshot import Outlook, Snapshot
from marketpulse.words import age_text, bps_text, price_text, verdict_text


@dataclass(frozen=True, slots=True)
class View:
    """One horizon as one visitor sees it.

    Attributes
    ----------
    outlook : Outlook
        Of the horizon asked for, or of the default one until that is trained.
    asked : Horizon
    settled : pandas.DataFrame
        The last N settled forecasts: those of the record once there are as many, else those that
        the models would have made (walk-forward).
    from_record : bool
        Whether they were said live.
    tail : Tail or None
        Their metrics; None if there is none yet.
    """

    outlook: Outlook
    asked: Horizon
    settled: pd.DataFrame
    from_record: bool
    tail: Tail | None

    @property
    def forecast(self) -> Forecast | None:
        """The newest forecast."""
        return self.outlook.forecast

    @property
    def waiting(self) -> bool:
        """Whether this is the default horizon, shown until the one asked for is trained."""
        return self.outlook.horizon != self.asked


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that depends on closed bars and settings, but not on the visitor's book.

    Attributes
    ----------
    settings : Settings
    costs : Costs
        Of the visitor's fee, or else of the venue's.
    minute, long : View
    decisions : pandas.DataFrame
        As `marketpulse.signals.decision_table` returns, over the tail.
    presets : mapping of str to Outcome
        What each preset would have made over the tail, after the costs; none in a `basis`.
    """

    settings: Settings
    costs: Costs
    minute: View
    long: View
    decisions: pd.DataFrame
    presets: Mapping[str, Outcome]


def build(snapshot: Snapshot, settings: Settings) -> Report:
    """The report of a snapshot for one visitor's settings."""
    minute, long = _views(snapshot, settings)
    costs = visitor_costs(snapshot.venue, settings)
    tables = {
        centre: _decisions(minute, long, settings.tail, centre, snapshot.candles)
        for centre in CENTRES
    }
    presets = {name: _preset(snapshot, settings, tables, name) for name in PRESETS}
    return Report(settings, costs, minute, long, tables[settings.centre], presets)


def basis(snapshot: Snapshot, settings: Settings) -> Report:
    """The report without its presets: all that a signal is decided on, in a tenth of the time."""
    minute, long = _views(snapshot, settings)
    decisions = _decisions(minute, long, settings.tail, settings.centre, snapshot.candles)
    return Report(settings, visitor_costs(snapshot.venue, settings), minute, long, decisions, {})


def visitor_costs(venue: str, settings: Settings) -> Costs:
    """What a visitor's trades cost: their own fee if they set one, else that of their choice."""
    chosen = chosen_fee_bps(settings.fees, venue)
    fee = chosen if settings.fee is None else settings.fee
    return Costs(fee, settings.spread, settings.impact, settings.latency)


def visitor_limits(settings: Settings) -> Limits:
    """What a visitor's book may risk."""
    return Limits(settings.max_position / 100, settings.max_loss / 100, settings.max_trades)


def _views(snapshot: Snapshot, settings: Settings) -> tuple[View, View]:
    minute, long = (_view(snapshot, h, settings.tail) for h in settings.horizons)
    return minute, long


def _view(snapshot: Snapshot, asked: Horizon, n: int) -> View:
    default = MINUTE if asked.label == "minute" else LONG
    nothing = Outlook(asked, pd.DataFrame(), pd.DataFrame(), None, "Waiting for candles.")
    outlook = snapshot.outlooks.get(asked) or nothing
    if outlook.forecast is None:
        outlook = snapshot.outlooks.get(default) or outlook
    from_record = len(outlook.recorded) >= n
    settled = (outlook.recorded if from_record else outlook.settled).tail(n)
    return View(outlook, asked, settled, from_record, tail(settled, outlook.horizon))


def _decisions(
    minute: View, long: View, n: int, centre: Centre, candles: pd.DataFrame
) -> pd.DataFrame:
    tables = (minute.outlook.predictions, long.outlook.predictions)
    if any(table.empty for table in tables):
        return pd.DataFrame()
    settled = (minute.outlook.settled, long.outlook.settled)
    horizons = (minute.outlook.horizon, long.outlook.horizon)
    return decision_table(tables[0].tail(n), tables[1], settled, horizons, n, centre, candles)


def _preset(
    snapshot: Snapshot, settings: Settings, tables: Mapping[Centre, pd.DataFrame], name: str
) -> Outcome:
    """What a preset would have made over the tail, in the visitor's size and at the venue's fee.

    A preset may leave costs out of what it reckons with, but not out of what it pays.
    """
    chosen = settings.changed(**PRESETS[name])
    table = tables[chosen.centre]
    spread = max(settings.spread, DEFAULTS.spread)
    paid = Costs(taker_fee_bps(snapshot.venue), spread, settings.impact, settings.latency)
    trading = Trading(settings.symbol, 100 * settings.ticket, settings.ticket, paid)
    gate = visitor_costs(snapshot.venue, chosen)
    return backtest.run(table, snapshot.candles, Thresholds.of(chosen), gate, trading)


def signal(
    report: Report,
    snapshot: Snapshot,
    holding: Holding | None,
    must_sell: str = "",
    amount: float | None = None,
) -> Signal | None:
    """The signal of the newest closed bar; None while there are no forecasts.

    No signal is given on candles that are too old, or after a replay's last bar. ``must_sell`` is
    as for `marketpulse.signals.decide`; ``amount`` is what would be traded, in quote currency, if
    it is not the fixed amount of the settings.
    """
    if report.decisions.empty or snapshot.as_of is None:
        return None
    if snapshot.ended:
        return Signal("hold", snapshot.as_of, (), None, ("The replay has ended.",))
    if snapshot.stale:
        old = f"No signal: the newest candle is {age_text(snapshot.age)} old."
        return Signal("hold", snapshot.as_of, (), None, (old,))
    row = report.decisions.iloc[-1]
    if row.name != snapshot.as_of:
        return Signal("hold", snapshot.as_of, (), None, ("No forecast over a gap in the candles.",))
    thresholds, known = thresholds_of(report.settings, amount), row.to_dict()
    return decide(snapshot.as_of, known, thresholds, report.costs, holding, must_sell)


def thresholds_of(settings: Settings, amount: float | None = None) -> Thresholds:
    """The thresholds of the settings, for another amount than theirs if there is one."""
    asked = Thresholds.of(settings)
    return asked if amount is None else replace(asked, amount=amount)


def headline(report: Report, snapshot: Snapshot, decided: Signal | None) -> str:
    """The state of things in three sentences."""
    long, pair = report.long, snapshot.key.symbol
    if long.forecast is None:
        why = snapshot.problem or snapshot.progress or long.outlook.missing
        return f"{pair} is at {price_text(snapshot.price)}. No forecast yet: {_clause(why)}."
    forecast = long.forecast
    low, high = price_text(forecast.low_90), price_text(forecast.high_90)
    first = (
        f"{pair} in {forecast.horizon.minutes} min: {price_text(forecast.price)},"
        f" likely {low} to {high} (9 in 10)."
    )
    second = f"The trees lean {bps_text(forecast.lean_bps)}; {verdict_text(long.tail)}."
    return f"{first} {second} {_costs_sentence(report.costs, decided)}"


def _clause(sentence: str) -> str:
    text = (sentence or "waiting for candles").rstrip(".")
    return text[:1].lower() + text[1:]


def _costs_sentence(costs: Costs, decided: Signal | None) -> str:
    worth = {"buy": "the forecast clears them", "sell": "time to sell"}
    side = decided.side if decided else "hold"
    bps = costs.round_trip() * 1e4
    return f"Your costs are {bps:.0f} bps: {worth.get(side, 'not worth trading')}."
