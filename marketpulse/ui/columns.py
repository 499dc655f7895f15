"""How tables of numbers are printed."""

from typing import Any

from streamlit import column_config


def trade_columns(currency: str) -> dict[str, Any]:
    """Columns of the table of fills, amounts in ``currency``."""
    number = column_config.NumberColumn
    return {
        "time": column_config.DatetimeColumn("Time (UTC)", format="YYYY-MM-DD HH:mm:ss"),
        "symbol": "Symbol",
        "side": "Side",
        "quantity": number("Quantity", format="%.8f"),
        "price": number(f"Price ({currency})", format="localized"),
        "notional": number(f"Amount ({currency})", format="%.2f"),
        "fee": number(f"Fee ({currency})", format="%.2f"),
        "reason": "Why",
        "realised": number(f"Realised ({currency})", format="%.2f"),
    }
