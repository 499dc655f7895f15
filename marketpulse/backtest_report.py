"""What a backtest says: its JSON object, and the same in words."""

import math
from dataclasses import asdict
from typing import Any

from marketpulse.backtest import BacktestResult
from marketpulse.costs import Costs
from marketpulse.placebo import Fan, RandomEntries
from marketpulse.settings import DEFAULTS, Settings
from marketpulse.sweep import Cell, ThresholdMap
from marketpulse.trial import Trial
from marketpulse.words import bps_text, money_text, percent_text
from marketpulse.zones import UTC, time_text

_CELL = ("centre", "mae_multiplier", "margin_bps", "trades", "net", "net_return")


def facts(
    made: Trial, luck: tuple[Fan, RandomEntries] | None, cells: ThresholdMap | None
) -> dict[str, Any]:
    """A backtest for programs, with what luck would have made and the cells if they were made."""
    told = {"settings": _settings_facts(made), **_result_facts(made.result)}
    if luck is not None:
        placebos, entries = luck
        told["placebo"] = {"percentile": placebos.percentile, "runs": len(placebos.nets)}
        told["random_entries"] = {"percentile": entries.percentile, "runs": len(entries.nets)}
    if cells is not None:
        told["cells"] = [_cell_facts(cell) for cell in cells.cells]
    return told


def _settings_facts(made: Trial) -> dict[str, Any]:
    """The settings of a backtest by the names of the command's options."""
    settings, trading = made.settings, made.trading
    return {
        "minute_steps": settings.minute,
        "long_steps": settings.long,
        "centre": settings.centre,
        "rule": settings.rule,
        "chance": settings.chance,
        "buy_mae": settings.buy_mae,
        "sell_mae": settings.sell_mae,
        "margin_bps": settings.margin,
        "hold_bars": settings.hold_minutes or 0,
        "reference": settings.reference,
        "fee_bps": trading.costs.fee_bps,
        "slippage_bps": trading.costs.half_spread_bps,
        "impact_bps": trading.costs.impact_bps,
        "latency_s": trading.costs.latency_s,
        "tail": settings.tail,
        "cash": trading.cash,
        "amount": trading.amount,
    }


def _result_facts(made: BacktestResult) -> dict[str, Any]:
    """The figures of a backtest; money in quote currency, returns and drawdown as fractions."""
    figures = made.summary
    trades = [
        {
            "time": fill.time,
            "side": str(fill.side),
            "quantity": float(fill.quantity),
            "price": float(fill.price),
            "fee": float(fill.fee),
        }
        for fill in made.ledger.fills
    ]
    return {
        "trades": trades,
        "initial_cash": float(figures.deposits),
        "final_equity": float(figures.equity),
        "fees_paid": float(figures.fees),
        "net_return": figures.total_return,
        "buy_and_hold_return": figures.buy_and_hold_return,
        "max_drawdown": figures.curve.max_drawdown,
        "trade_count": figures.trade_count,
        "hit_rate": figures.trips.win_rate,
        "exposure": figures.curve.exposure,
    }


def _cell_facts(cell: Cell) -> dict[str, Any]:
    """One cell of a sweep."""
    facts = asdict(cell)
    return {name: facts[name] for name in _CELL}


def lines(made: Trial, luck: tuple[Fan, RandomEntries] | None, zone: str = UTC) -> list[str]:
    """A backtest in words, one sentence or figure a line."""
    figures, settings = made.result.summary, made.settings
    times, trips, currency = made.result.curve.index, figures.trips, settings.quote_currency
    first = times[0].tz_convert(zone)
    head = (
        f"{settings.symbol}, {len(times):,} minutes decided on,"
        f" {first:%Y-%m-%d %H:%M} to {time_text(times[-1], zone, '%Y-%m-%d %H:%M')}"
    )
    if not figures.trade_count:
        why = _broke(made) or "no forecast cleared its costs and thresholds."
        return [head, f"The rule never traded: {why}"]
    said = [
        head,
        f"  {percent_text(figures.total_return, 2, signed=True)} after all costs, to"
        f" {money_text(float(figures.equity), currency)};"
        f" buy and hold {percent_text(figures.buy_and_hold_return, 2, signed=True)}",
        f"  {trips.count:,} round trips, {percent_text(trips.win_rate)} of them won;"
        f" in the market {percent_text(figures.curve.exposure)} of the time",
        f"  fees {money_text(float(figures.fees), currency)},"
        f" deepest drawdown {percent_text(figures.curve.max_drawdown, 2)}",
    ]
    if broke := _broke(made):
        said.append(f"  It could not go on to the end: {broke}")
    return said if luck is None else [*said, *(f"  {each.sentence}" for each in luck)]


def _broke(made: Trial) -> str:
    """Why it bought no more, as the end of a sentence, if that is for want of cash."""
    ledger, currency = made.result.ledger, made.settings.quote_currency
    if ledger.positions or ledger.cash >= made.broker.least():
        return ""
    cash, amount = (
        money_text(float(each), currency) for each in (ledger.cash, made.trading.amount)
    )
    return f"its cash of {cash} does not pay for a trade of {amount} with the fee."


def left_out(settings: Settings) -> str:
    """What the auto-pilot would do otherwise with these settings, in a sentence; or nothing."""
    limits = ("max_position", "max_loss", "max_trades")
    parts = ["sizes"] if settings.sizing != DEFAULTS.sizing else []
    if any(getattr(settings, name) < getattr(DEFAULTS, name) for name in limits):
        parts.append("limits")
    if not parts:
        return ""
    amount = money_text(settings.ticket, settings.quote_currency)
    return f"Each purchase spends {amount}: the auto-pilot's {' and '.join(parts)} are not in it."


def map_lines(made: ThresholdMap, costs: Costs) -> list[str]:
    """The best cell of a sweep, what picking it is worth, and what the map leaves out."""
    best, said = made.best, [made.warning]
    if best is not None:
        where = f"{best.mae_multiplier:g} × MAE, margin {bps_text(best.margin_bps)}"
        said.insert(0, f"Best cell: {where}, {best.trades:,} trades.")
        if _ignores_error(made):
            said.append(
                "The multiplier changes nothing: this rule does not reckon with the mean error."
            )
    return [*said, *_cut(made, costs)]


def _cut(made: ThresholdMap, costs: Costs) -> list[str]:
    """That the margins do not reach down to minus the costs, if they do not."""
    paid = costs.round_trip() * 1e4
    least = min((cell.margin_bps for cell in made.cells), default=-math.inf)
    if -least >= paid:
        return []
    return [
        f"The map is cut at a margin of {bps_text(least)}, where the settings end: a round trip"
        f" costs {math.ceil(paid):,} bps."
    ]


def _ignores_error(made: ThresholdMap) -> bool:
    """Whether cells that differ in their multiplier alone all made the same."""
    multipliers = {cell.mae_multiplier for cell in made.cells}
    apart = {(cell.centre, cell.margin_bps) for cell in made.cells}
    outcomes = {(cell.centre, cell.margin_bps, cell.trades, cell.net) for cell in made.cells}
    return len(multipliers) > 1 and len(outcomes) == len(apart)
