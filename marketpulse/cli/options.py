"""What several commands ask for, and how all of them answer."""

import json
import math
import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

import click
import pandas as pd

from marketpulse.errors import MarketPulseError
from marketpulse.settings import DEFAULT_SYMBOL
from marketpulse.sources.catalogue import AUTO

source_option = click.option(
    "--source", default=AUTO, show_default=True, help="auto, sample, a venue, or a path to a file."
)
symbol_option = click.option(
    "--symbol", default=DEFAULT_SYMBOL, show_default=True, help="Base and quote, as in BTC/USD."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


def speaks_plainly(command: Callable[..., None]) -> Callable[..., None]:
    """The command with every foreseen error as one line on stderr and exit code 2."""

    @wraps(command)
    def run(**options: Any) -> None:
        try:
            command(**options)
        except MarketPulseError as error:
            click.echo(f"Error: {error}", err=True)
            sys.exit(2)

    return run


def json_text(facts: dict[str, Any]) -> str:
    """One JSON object: times in ISO-8601 UTC, null for what has no value."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(part) for key, part in value.items()}
        if isinstance(value, list):
            return [plain(part) for part in value]
        if isinstance(value, pd.Timestamp):
            return value.strftime("%Y-%m-%dT%H:%M:%SZ")
        if isinstance(value, float) and not math.isfinite(value):
            return None
        return value

    return json.dumps(plain(facts), allow_nan=False)
