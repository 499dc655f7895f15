"""Tables as the pages print them (texts) and as visitors download them (numbers)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from marketpulse import breakdown
from marketpulse.bands import BANDS
from marketpulse.evaluation import Tail
from marketpulse.forecast import Forecast, said_at
from marketpulse.report import Report, View
from marketpulse.settings import PRESETS
from marketpulse.snapshot import Outlook
from marketpulse.words import (
    UNKNOWN,
    bps_text,
    money_text,
    percent_text,
    price_text,
    source_text,
    strip_text,
    wildness_text,
)
from marketpulse.zones import UTC, time_text

MOMENT = "%Y-%m-%d %H:%M"
# Settled forecasts in the strip of the Live page.
STRIP = 30


def tail_table(report: Report) -> pd.DataFrame:
    """Tail metrics of both horizons, each beside the forecast that the price stays."""
    currency = report.settings.quote_currency
    columns: dict[str, dict[str, str]] = {}
    for view in (report.minute, report.long):
        columns |= _columns(view, currency)
    return pd.DataFrame(columns)


def _columns(view: View, currency: str) -> dict[str, dict[str, str]]:
    minutes = view.outlook.horizon.minutes
    names = (f"{minutes} min", f"no change, {minutes} min")
    if view.tail is None:
        return {name: dict.fromkeys(_METRICS, UNKNOWN) for name in names}
    own, naive = _own(view.tail, currency), _naive(view.tail, currency)
    return {names[0]: own, names[1]: {name: naive.get(name, UNKNOWN) for name in own}}


_METRICS = (
    "Forecasts",
    "MAE",
    "RMSE",
    "MSE",
    "R² of returns",
    "R² of price",
    "Skill",
    "95 % interval of skill",
    "Direction right",
    "Held by 9-in-10 band",
    "Band's score",
)


def _own(tail: Tail, currency: str) -> dict[str, str]:
    interval = UNKNOWN
    if tail.skill_low is not None and tail.skill_high is not None:
        low, high = (percent_text(x, 2, signed=True) for x in (tail.skill_low, tail.skill_high))
        interval = f"{low} to {high}"
    values = (
        f"{tail.n:,}",
        _amount(tail.mae, currency),
        _amount(tail.rmse, currency),
        _square(tail.mse, currency),
        _plain(tail.r2_return),
        _plain(tail.r2_price),
        percent_text(tail.skill, 2, signed=True),
        interval,
        f"{percent_text(tail.direction_hit_rate)} of {tail.direction_n:,}",
        percent_text(tail.coverage_90),
        f"{tail.winkler_bps:.1f} bps",
    )
    return dict(zip(_METRICS, values, strict=True))


def _naive(tail: Tail, currency: str) -> dict[str, str]:
    return {
        "Forecasts": f"{tail.n:,}",
        "MAE": _amount(tail.mae_naive, currency),
        "RMSE": _amount(tail.rmse_naive, currency),
        "MSE": _square(tail.rmse_naive**2, currency),
        "R² of price": _plain(tail.r2_price_naive),
        "Skill": percent_text(0.0, 2),
        "Band's score": f"{tail.winkler_naive_bps:.1f} bps",
    }


def _amount(value: float, currency: str) -> str:
    return f"{price_text(value)} {currency}"


def _square(value: float, currency: str) -> str:
    return f"{price_text(value)} {currency}²"


def _plain(value: float | None) -> str:
    return UNKNOWN if value is None else f"{round(value, 3) + 0.0:+.3f}"


def preset_lines(report: Report) -> dict[str, str]:
    """For each preset: how often it bought in the tail, and what that made after real costs."""
    currency = report.settings.quote_currency
    lines = {}
    for name in PRESETS:
        outcome = report.presets[name]
        made = money_text(outcome.net, currency, signed=True)
        times = "never" if not outcome.trades else f"{outcome.trades} ×"
        lines[name] = f"Bought {times} in {outcome.decisions} min" + (
            f", made {made}" if outcome.trades else ""
        )
    return lines


def pulse_text(report: Report) -> str:
    """For each horizon how wild it should be, and its last outcomes as a strip; Markdown."""
    lines = []
    for view in (report.minute, report.long):
        if view.forecast is None or view.settled.empty:
            continue
        minutes, record = view.outlook.horizon.minutes, breakdown.wildness_record(view.settled)
        strip = strip_text(breakdown.inside(view.settled.tail(STRIP)))
        said = wildness_text(minutes, view.forecast.wildness, record)
        lines.append("  \n".join(filter(None, (said, strip))))
    return "\n\n".join(lines)


def source_lines(report: Report) -> str:
    """Of each horizon, whether its tail was said live."""
    views = [view for view in (report.minute, report.long) if view.tail is not None]
    sources = {f"{view.outlook.horizon.minutes} min": view_source(view) for view in views}
    if len(set(sources.values())) == 1:
        sources = {" and ".join(sources): view_source(views[0])}
    return " · ".join(f"{name}: {source}" for name, source in sources.items())


def view_source(view: View) -> str:
    """Whether the forecasts of a view were said live, in a few words."""
    recorded, pending = len(view.outlook.recorded), view.outlook.pending
    return source_text(from_record=view.from_record, recorded=recorded, pending=pending)


def at_hand(view: View) -> pd.DataFrame:
    """All settled forecasts of the kind that a view shows, not just its last N.

    Groups of them need as many as there are.
    """
    return view.outlook.recorded if view.from_record else view.outlook.settled


def forecast_table(view: View) -> pd.DataFrame:
    """The settled forecasts of a view as numbers, prices in quote currency, to download.

    Returns
    -------
    pandas.DataFrame
        Indexed by ``as_of``. ``error``, ``raw_error``, ``naive_error`` are forecast less actual;
        ``expected_move``, ``usual_move``, ``volatility`` are log returns over the horizon.
    """
    rows = view.settled
    if rows.empty:
        return pd.DataFrame()
    times = pd.DatetimeIndex(rows.index)
    ends = {name: rows["close"] * np.exp(rows[name]) for name in BANDS}
    columns = {
        "due": times + view.outlook.horizon.span,
        **{name: rows[column] for name, column in _PRICES.items()},
        **ends,
        "inside_90": breakdown.inside(rows, 90),
        "inside_50": breakdown.inside(rows, 50),
        **{name: rows[name] for name in _AS_THEY_ARE},
        "on_record": view.from_record,
    }
    return pd.DataFrame(columns, index=times.rename("as_of"))


_PRICES = {
    "last_price": "close",
    "forecast": "price",
    "trees": "raw_price",
    "actual": "actual_price",
}
_AS_THEY_ARE = (
    "error",
    "raw_error",
    "naive_error",
    "volatility",
    "expected_move",
    "usual_move",
    "trust",
    "model",
    "fit_at",
)

# What can be drawn and downloaded of a view. Those by group are of all that is at hand.
# The zone is that of the hours of a day.
BREAKDOWNS: Mapping[str, Callable[[View, str], pd.DataFrame]] = {
    "forecasts": lambda view, _: forecast_table(view),
    "settled": lambda view, _: view.settled,
    "over_time": lambda view, _: breakdown.over_time(
        view.settled, view.outlook.horizon, breakdown.window_of(view.settled)
    ),
    "reliability": lambda view, _: breakdown.reliability(view.settled, view.outlook.horizon),
    "errors": lambda view, _: breakdown.error_histogram(view.settled),
    "by_volatility": lambda view, _: breakdown.by_volatility(at_hand(view), view.outlook.horizon),
    "by_hour": lambda view, zone: breakdown.by_hour(at_hand(view), view.outlook.horizon, zone),
    "importance": lambda view, _: view.outlook.importance,
}


@dataclass(frozen=True, slots=True)
class Said:
    """A forecast of the past, and what became of it.

    Attributes
    ----------
    forecast : Forecast
    actual_price : float or None
        What came, in quote currency; None if it is not known.
    on_record : bool
        Whether it was said live, or is what the model in charge would have said.
    """

    forecast: Forecast
    actual_price: float | None
    on_record: bool

    @property
    def inside(self) -> bool | None:
        """Whether the 90 % band held; None if it is not known."""
        if self.actual_price is None:
            return None
        return self.forecast.low_90 <= self.actual_price <= self.forecast.high_90


def said_times(outlook: Outlook) -> pd.DatetimeIndex:
    """Every ``as_of`` for which it is known what was said, in time order."""
    said, recorded = outlook.predictions.index, outlook.recorded.index
    if outlook.recorded.empty:
        return pd.DatetimeIndex(said)
    return pd.DatetimeIndex(recorded if outlook.predictions.empty else recorded.union(said))


def recall(outlook: Outlook, as_of: pd.Timestamp) -> Said:
    """What was said at one of the `said_times`: the record's own words, if it has any."""
    on_record = as_of in outlook.recorded.index
    known = outlook.recorded if on_record else outlook.settled
    settled = as_of in known.index
    forecast = said_at(known if settled else outlook.predictions, outlook.horizon, as_of)
    came = float(known["actual_price"][as_of]) if settled else None
    return Said(forecast, came, on_record)


def said_table(said: Said, currency: str, zone: str = UTC) -> pd.DataFrame:
    """A forecast of the past in words: one column, a row for each fact."""
    forecast, came = said.forecast, said.actual_price
    low, high = price_text(forecast.low_90), price_text(forecast.high_90)
    facts = {
        "Said at": time_text(forecast.as_of, zone, MOMENT),
        "For": time_text(forecast.target_time, zone, MOMENT),
        "Last price": _amount(forecast.last_price, currency),
        "Trees leaned": bps_text(forecast.lean_bps, 1),
        "Trust": percent_text(forecast.trust, 0),
        "Forecast": _amount(forecast.price, currency),
        "9 in 10": f"{low} to {high}",
        "What came": UNKNOWN if came is None else _amount(came, currency),
        "Error": _error(forecast.price, forecast, came),
        "Error of no change": _error(forecast.last_price, forecast, came),
        "Model": forecast.model,
        "Fitted": time_text(forecast.fit_at, zone, MOMENT),
    }
    return pd.DataFrame({"": facts})


def _error(price: float, forecast: Forecast, came: float | None) -> str:
    """Forecast less actual, in basis points of the last price."""
    return UNKNOWN if came is None else bps_text((price - came) / forecast.last_price * 1e4, 1)


def said_text(said: Said, zone: str = UTC) -> str:
    """What was said at a past bar and what came of it, in a sentence or two; Markdown."""
    forecast, minutes = said.forecast, said.forecast.horizon.minutes
    low, high = price_text(forecast.low_90), price_text(forecast.high_90)
    when = time_text(forecast.as_of, zone, "%-d %b %H:%M")
    first = (
        f"At **{when}** it said: {price_text(forecast.price)} in"
        f" {minutes} min, likely {low} to {high}."
    )
    if said.actual_price is None:
        return f"{first} What came is not known yet."
    held = "inside" if said.inside else "**outside**"
    return f"{first} It came to {price_text(said.actual_price)}, {held} the 9-in-10 band."


def trust_of(view: View) -> float:
    """Trust of the model in charge, 0 to 1; of the newest settled forecast if there is no newer."""
    if view.forecast is not None:
        return view.forecast.trust
    return 0.0 if view.settled.empty else float(view.settled["trust"].iloc[-1])


def csv_text(view: View, name: str) -> str:
    """One of the `BREAKDOWNS` as a file to download, in UTC wherever the visitor is."""
    return BREAKDOWNS[name](view, UTC).to_csv(float_format="%.10g")


def file_name(symbol: str, minutes: int, name: str) -> str:
    """What such a file is called: market-pulse_BTC-USD_45min_forecasts.csv."""
    return f"market-pulse_{symbol.replace('/', '-')}_{minutes}min_{name}.csv"
