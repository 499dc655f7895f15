"""Tables as the pages print them: texts, not numbers."""

import pandas as pd

from marketpulse.evaluation import Tail
from marketpulse.report import Report, View
from marketpulse.settings import PRESETS
from marketpulse.words import UNKNOWN, money_text, percent_text, price_text


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
    return UNKNOWN if value is None else f"{value:+.3f}"


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
