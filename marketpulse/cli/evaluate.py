"""Every forecast over all candles, scored."""

import time
from dataclasses import asdict
from typing import Any

import click
import pandas as pd

from marketpulse import evaluation
from marketpulse.alarm import Alarm, alarm, cuts
from marketpulse.cli.candles import all_candles, checked_symbol
from marketpulse.cli.options import json_option, json_text, speaks_plainly, symbol_option
from marketpulse.cli.tails import nothing_found, tail_facts
from marketpulse.errors import DataError
from marketpulse.horizons import LONG, MINUTE, Horizon
from marketpulse.leaks import LEAKS, Leak, price_target
from marketpulse.model import PLANS
from marketpulse.words import percent_text


@click.command()
@click.option("--source", required=True, help="sample, a path to a file, or a venue.")
@symbol_option
@click.option("--bars", type=click.IntRange(min=1), help="Only the last BARS minutes.")
@click.option(
    "--leak",
    type=click.Choice(list(LEAKS)),
    metavar="NAME",
    help=f"Make a mistake on purpose, and hear the alarm: {', '.join(LEAKS)}.",
)
@click.option(
    "--target",
    type=click.Choice(["return", "price"]),
    default="return",
    show_default=True,
    help="What the trees learn. A price is a mistake, to be seen.",
)
@json_option
@speaks_plainly
def evaluate(
    source: str, symbol: str, bars: int | None, leak: str | None, target: str, as_json: bool
) -> None:
    """Walk forward over the candles, refitting as the live app does, and score every forecast."""
    if leak and target == "price":
        raise DataError("A leak and a price target are two mistakes: make one at a time.")
    candles = all_candles(source, checked_symbol(symbol))
    candles = candles if bars is None else candles.tail(bars)
    made = LEAKS.get(leak or "")
    facts: dict[str, Any] = {"symbol": symbol, "source": source, "bars": len(candles)}
    facts["horizons"] = {}
    if made:
        facts["leak"] = {"name": made.name, "mistake": made.mistake, "alarm": {}}
    if target == "price":
        facts["target"] = target
    for horizon in (MINUTE, LONG):
        started = time.monotonic()
        settled = _walked(candles, horizon, made, target)
        tail = evaluation.tail(settled, horizon)
        seconds = time.monotonic() - started
        found = tail_facts(tail, seconds) or nothing_found(seconds)
        found["refused_share"] = evaluation.refused_share(candles, horizon)
        facts["horizons"][horizon.label] = found
        if made and tail:
            rung = _rung(candles, horizon, made, settled)
            facts["leak"]["alarm"][horizon.label] = _alarm_facts(rung)
    click.echo(json_text(facts) if as_json else _evaluation_lines(facts))


def _walked(
    candles: pd.DataFrame, horizon: Horizon, leak: Leak | None, target: str
) -> pd.DataFrame:
    """Settled forecasts of the pipeline, or of one with a mistake."""
    if leak:
        return evaluation.walked(candles, horizon, leak.fitted, leak.built)
    return (price_target if target == "price" else evaluation.walked)(candles, horizon)


def _rung(
    candles: pd.DataFrame, horizon: Horizon, leak: Leak, settled: pd.DataFrame
) -> Alarm | None:
    """What the alarm says of a leak around the fit in the middle of its forecasts."""
    fits = settled["fit_at"].unique()
    around = cuts(horizon, fits[len(fits) // 2])
    plan = PLANS[horizon.label]
    return alarm(candles, horizon, plan, around, fitted=leak.fitted, built=leak.built)


def _alarm_facts(rung: Alarm | None) -> dict[str, Any] | None:
    return {**asdict(rung), "sentence": rung.sentence} if rung else None


def _evaluation_lines(facts: dict[str, Any]) -> str:
    lines = [f"{facts['symbol']} from {facts['source']}, {facts['bars']:,} minutes"]
    leak, priced = facts.get("leak"), "target" in facts
    if leak:
        lines.append(f"With the leak {leak['name']}: {leak['mistake']}")
    if priced:
        lines.append("With the price for a target: trees answer with prices that they have seen.")
    for label, tail in facts["horizons"].items():
        if not tail["n"]:
            refused = percent_text(tail["refused_share"])
            lines.append(f"{label}: no forecast; {refused} of the bars lie beside gaps")
            continue
        lines += _tail_lines(label, tail, "fake skill" if leak else "skill")
        if leak:
            rung = leak["alarm"][label]
            lines.append(f"  alarm: {rung['sentence'] if rung else 'none rang.'}")
        if priced:
            lines.append(f"  {_price_sentence(tail)}")
    return "\n".join(lines)


def _tail_lines(label: str, tail: dict[str, Any], skill: str) -> list[str]:
    low, high = (percent_text(tail[name], 2, signed=True) for name in ("skill_low", "skill_high"))
    return [
        f"{label}: {tail['verdict']} over {tail['n']:,} forecasts by {tail['fits']} models",
        f"  {skill} {percent_text(tail['skill'], 2, signed=True)} ({low} to {high})",
        f"  MAE {tail['mae']:,.4g} against {tail['mae_naive']:,.4g} of naive",
        f"  90 % band held {percent_text(tail['coverage_90'])},"
        f" interval score {tail['winkler_bps']:.1f} bps"
        f" against {tail['winkler_naive_bps']:.1f} of a constant band",
    ]


def _price_sentence(tail: dict[str, Any]) -> str:
    times = f"{tail['mae'] / tail['mae_naive']:,.0f}" if tail["mae_naive"] else "endless"
    r2 = "unknown" if tail["r2_price"] is None else f"{tail['r2_price']:.2f}"
    return f"the error is {times} times that of naive; R² of the price {r2}"
