"""How tables of numbers are printed."""

from typing import Any

from streamlit import column_config

from marketpulse.bands import BANDS


def trade_columns(currency: str, zone: str) -> dict[str, Any]:
    """Columns of the table of fills, amounts in ``currency``, times in ``zone``."""
    number = column_config.NumberColumn
    return {
        "time": column_config.DatetimeColumn(
            f"Time ({zone})", format="YYYY-MM-DD HH:mm:ss", timezone=zone
        ),
        "symbol": "Symbol",
        "side": "Side",
        "quantity": number("Quantity", format="%.8f"),
        "price": number(f"Price ({currency})", format="localized"),
        "notional": number(f"Amount ({currency})", format="%.2f"),
        "fee": number(f"Fee ({currency})", format="%.2f"),
        "realised": number(f"Realised ({currency})", format="%.2f"),
        "origin": "By",
        "delay": number("Delay (s)", format="%.1f"),
        "spread_cost": number(f"Spread ({currency})", format="%.2f"),
        "impact_cost": number(f"Impact ({currency})", format="%.2f"),
        "latency_cost": number(f"Waiting ({currency})", format="%.2f"),
        "reason": "Why",
        "what": "What",
        "detail": "In detail",
    }


def forecast_columns(currency: str, digits: int, zone: str) -> dict[str, Any]:
    """Columns of the table of settled forecasts, times in ``zone``.

    Prices are in ``currency``, with as many digits.
    """
    time, number = column_config.DatetimeColumn, column_config.NumberColumn
    times = {"as_of": "As of", "due": "Due", "fit_at": "Fitted"}
    look: dict[str, Any] = {"format": "YYYY-MM-DD HH:mm", "timezone": zone}
    prices = (
        *("last_price", "forecast", "trees", "actual", *BANDS),
        *("error", "raw_error", "naive_error"),
    )
    moves = ("volatility", "expected_move", "usual_move")
    return {
        **{name: time(f"{label} ({zone})", **look) for name, label in times.items()},
        **{name: number(f"{_words(name)} ({currency})", format=f"%.{digits}f") for name in prices},
        **{name: number(_words(name), format="%.5f") for name in moves},
        "trust": number("Trust", format="percent"),
        "inside_90": "In 9-in-10 band",
        "inside_50": "In 1-in-2 band",
        "model": "Model",
        "on_record": "On record",
    }


def _words(name: str) -> str:
    return name.replace("_", " ").capitalize()
