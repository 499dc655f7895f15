"""The metrics of a tail as the commands print them."""

from dataclasses import asdict, fields
from typing import Any

from marketpulse import evaluation
from marketpulse.evaluation import Tail

# Metrics of the tail as printed: all but those of which the page shows more.
REPORTED = tuple(
    field.name
    for field in fields(Tail)
    if field.name not in ("rmse_naive", "r2_price_naive", "coverage_50")
)


def tail_facts(tail: Tail | None, seconds: float) -> dict[str, Any] | None:
    """The metrics, and how long they took; None without a tail."""
    if tail is None:
        return None
    facts = asdict(tail)
    return {**{name: facts[name] for name in REPORTED}, "seconds": round(seconds, 2)}


def nothing_found(seconds: float) -> dict[str, Any]:
    """What is known of a horizon of which gaps forbade every forecast: null, and no NaN."""
    counts = {"n": 0, "direction_n": 0, "fits": 0, "verdict": evaluation.verdict(None, None)}
    return {**{name: counts.get(name) for name in REPORTED}, "seconds": round(seconds, 2)}
