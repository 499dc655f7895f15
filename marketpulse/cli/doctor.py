"""What this machine has and which venues answer."""

import platform
from importlib.metadata import version
from typing import Any

import click

from marketpulse.cli.options import json_option, json_text, speaks_plainly
from marketpulse.errors import DataError
from marketpulse.hub import wall_clock
from marketpulse.places import home_folder, models_folder
from marketpulse.settings import DEFAULT_SYMBOL
from marketpulse.sources.catalogue import AUTO, LIVE, live_source


@click.command()
@json_option
@speaks_plainly
def doctor(as_json: bool) -> None:
    """Versions, folders, which venues answer, and what will be used."""
    libraries = ("streamlit", "pandas", "numpy", "scikit-learn", "ccxt", "yfinance", "plotly")
    answers = {name: _answer(name) for name in LIVE if name != AUTO}
    used = next((name for name, problem in answers.items() if not problem), "sample (replay)")
    facts = {
        "python": platform.python_version(),
        "versions": {name: version(name) for name in libraries},
        "home": str(home_folder()),
        "models": str(models_folder()),
        "venues": {name: problem or "ok" for name, problem in answers.items()},
        "will_use": used,
    }
    click.echo(json_text(facts) if as_json else _doctor_lines(facts))


def _answer(name: str) -> str:
    """Why a venue does not answer, or the empty text."""
    try:
        live_source(name, home_folder()).quote(DEFAULT_SYMBOL, now=wall_clock())
    except DataError as error:
        return str(error)
    return ""


def _doctor_lines(facts: dict[str, Any]) -> str:
    lines = [f"Python {facts['python']}"]
    lines += [f"{name} {number}" for name, number in facts["versions"].items()]
    lines += [f"Files in {facts['home']}", f"Models in {facts['models']}"]
    lines += [f"{name}: {state}" for name, state in facts["venues"].items()]
    return "\n".join([*lines, f"Will use: {facts['will_use']}"])
