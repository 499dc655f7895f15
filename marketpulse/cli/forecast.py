"""One pass: candles, both forecasts, how good the last ones were, and the signal."""

import time
from typing import Any

import click

from marketpulse import report
from marketpulse.cli.candles import checked_symbol, opened
from marketpulse.cli.options import (
    json_option,
    json_text,
    source_option,
    speaks_plainly,
    symbol_option,
)
from marketpulse.cli.tails import tail_facts
from marketpulse.errors import NotEnoughCandles, SourceUnavailable
from marketpulse.market import Feed, Market
from marketpulse.model_store import ModelStore, signing_key
from marketpulse.places import home_folder, models_folder
from marketpulse.report import Report, View
from marketpulse.settings import Settings
from marketpulse.signals import Signal
from marketpulse.snapshot import MarketKey, Snapshot
from marketpulse.words import bps_text, percent_text, price_text

BANDS = ("low_90", "low_50", "high_50", "high_90")


@click.command()
@symbol_option
@source_option
@json_option
@speaks_plainly
def forecast(symbol: str, source: str, as_json: bool) -> None:
    """Both forecasts, how good the last ones were, and the signal."""
    started = time.monotonic()
    settings = Settings(symbol=checked_symbol(symbol))
    snapshot = _settled_snapshot(source, settings)
    seen = report.build(snapshot, settings)
    decided = report.signal(seen, snapshot, None)
    if as_json:
        seconds = time.monotonic() - started
        click.echo(json_text(_forecast_facts(snapshot, seen, decided, source, seconds)))
    else:
        click.echo(report.headline(seen, snapshot, decided))
        click.echo(_forecast_lines(seen, decided))


def _settled_snapshot(source: str, settings: Settings) -> Snapshot:
    """The snapshot of a market stepped until both tails are as long as asked for, or can be."""
    feed, now = opened(source, settings.symbol)
    store = ModelStore(models_folder(), signing_key(home_folder()))
    key = MarketKey(source, settings.symbol)
    market = Market(key, lambda _: Feed(feed), store.fitted, asked_at=now)
    snapshot = market.step(now)
    while market.busy and not _measured(snapshot, settings.tail):
        snapshot = market.step(now)
    if not snapshot.has_candles:
        raise SourceUnavailable(
            snapshot.problem or f"{source} has no candles of {settings.symbol}."
        )
    missing = [outlook.missing for outlook in snapshot.outlooks.values() if outlook.missing]
    if missing:
        raise NotEnoughCandles(" ".join(missing))
    return snapshot


def _measured(snapshot: Snapshot, n: int) -> bool:
    outlooks = snapshot.outlooks.values()
    return bool(outlooks) and all(len(outlook.settled) >= n for outlook in outlooks)


def _forecast_facts(
    snapshot: Snapshot, seen: Report, decided: Signal | None, source: str, seconds: float
) -> dict[str, Any]:
    horizons = {view.asked.label: _view_facts(view, seconds) for view in (seen.minute, seen.long)}
    return {
        "symbol": snapshot.key.symbol,
        "source": source,
        "venue": snapshot.venue,
        "as_of": snapshot.as_of,
        "price": snapshot.price,
        "horizons": horizons,
        "signal": {
            "side": decided.side if decided else "hold",
            "reasons": list(decided.reasons) if decided else [],
        },
    }


def _view_facts(view: View, seconds: float) -> dict[str, Any]:
    made = view.forecast
    if made is None:
        raise NotEnoughCandles(view.outlook.missing)
    facts: dict[str, Any] = {"target_time": made.target_time, "price": made.price}
    facts |= {name: getattr(made, name) for name in BANDS}
    return {**facts, "tail": tail_facts(view.tail, seconds)}


def _forecast_lines(seen: Report, decided: Signal | None) -> str:
    lines = []
    for view in (seen.minute, seen.long):
        made, tail = view.forecast, view.tail
        if made is None or tail is None:
            continue
        lines.append(
            f"  {made.horizon.minutes:>2} min: {price_text(made.price)}"
            f" [{price_text(made.low_90)} to {price_text(made.high_90)}],"
            f" trees {bps_text(made.lean_bps, 1)}, trust {percent_text(made.trust, 0)};"
            f" MAE {tail.mae:,.2f} against {tail.mae_naive:,.2f} of naive over {tail.n}:"
            f" {tail.verdict}"
        )
    return "\n".join([*lines, *(f"  {reason}" for reason in (decided.reasons if decided else ()))])
