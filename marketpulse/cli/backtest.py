"""What acting on the forecasts would have made."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import click
import pandas as pd

from marketpulse import backtest_report
from marketpulse.broker import Trading
from marketpulse.cli.candles import candles_and_venue, checked_symbol
from marketpulse.cli.options import json_option, json_text, speaks_plainly, symbol_option
from marketpulse.errors import DataError, NotEnoughCandles
from marketpulse.parallel import scheduled
from marketpulse.placebo import Fan, RandomEntries
from marketpulse.places import home_folder
from marketpulse.report import visitor_costs
from marketpulse.rulebook import RULES
from marketpulse.settings import CENTRES, DEFAULTS, KNOBS, Settings
from marketpulse.sweep import ThresholdMap
from marketpulse.trial import Trial, entries_at_random, fan, threshold_map, trial_of
from marketpulse.walks import Walk, walk

FLAGS = {
    "minute": "--minute-steps",
    "long": "--long-steps",
    "buy_mae": "--buy-mae",
    "sell_mae": "--sell-mae",
    "margin": "--margin-bps",
    "fee": "--fee-bps",
    "spread": "--slippage-bps",
    "impact": "--impact-bps",
    "latency": "--latency-s",
    "hold": "--hold-bars",
    "tail": "--tail",
    "ticket": "--amount",
    "chance": "--chance",
}
WHOLE = ("minute", "long", "hold", "tail")


def _knob(name: str) -> Callable[..., Any]:
    """An option of the backtest that is a knob of the settings."""
    knob = KNOBS[name]
    kind = int if name in WHOLE else float
    return click.option(FLAGS[name], name, type=kind, help=knob.help)


def _knobs(command: Callable[..., None]) -> Callable[..., None]:
    for name in reversed(FLAGS):
        command = _knob(name)(command)
    return command


@click.command()
@click.option("--source", required=True, help="sample, a path to a file, or a venue.")
@symbol_option
@click.option("--bars", type=click.IntRange(min=1), help="Only the last BARS minutes.")
@_knobs
@click.option("--mae-multiplier", type=float, help="Both of them, where they are not given.")
@click.option("--cash", type=float, default=10_000.0, show_default=True, help="To begin with.")
@click.option("--centre", type=click.Choice(CENTRES), default=DEFAULTS.centre, show_default=True)
@click.option("--rule", type=click.Choice(list(RULES)), default=DEFAULTS.rule, show_default=True)
@click.option("--luck", is_flag=True, help="Beside placebos and entries at random.")
@click.option("--sweep", is_flag=True, help="Also a map of MAE multipliers and margins.")
@click.option("--scheduler", metavar="ADDRESS", help="Do the work on this Dask cluster.")
@json_option
@speaks_plainly
def backtest(
    source: str, symbol: str, as_json: bool, scheduler: str | None, **options: Any
) -> None:
    """What acting on the forecasts would have made: signals, trades and money.

    Forecasts are made as the live app does and kept, so that the next backtest of the same candles
    is quick. What is not asked for is as in the live app, but for the impact of an order: with a
    slippage of your own there is none unless you ask for it.
    """
    settings = _backtest_settings(checked_symbol(symbol), options)
    candles, venue = candles_and_venue(source, settings.symbol)
    trading = _trading(settings, venue, options["cash"])
    candles = candles.tail(options["bars"] or len(candles))
    with scheduled(scheduler):
        made = trial_of(_forecasts(candles, settings), settings, trading, venue=venue)
        luck = _luck(made) if options["luck"] else None
        cells = _cells(made) if options["sweep"] else None
    if as_json:
        facts = {"symbol": settings.symbol, "source": source}
        click.echo(json_text(facts | backtest_report.facts(made, luck, cells)))
    else:
        click.echo("\n".join(backtest_report.lines(made, luck)))
    if cells is not None:
        click.echo("\n".join(backtest_report.map_lines(cells, trading.costs)), err=as_json)


def _backtest_settings(symbol: str, options: Mapping[str, Any]) -> Settings:
    """The settings of the options that were given.

    Raises
    ------
    DataError
        If one is out of its bounds.
    """
    both = options["mae_multiplier"]
    _check_bounds("buy_mae", both, "--mae-multiplier")
    given = {} if both is None else {"buy_mae": both, "sell_mae": both}
    asked = {name: options[name] for name in FLAGS if options[name] is not None}
    for name, value in asked.items():
        _check_bounds(name, value, FLAGS[name])
    if "spread" in asked:  # then it is all the slippage there is, unless an impact is asked for
        asked.setdefault("impact", 0.0)
    plain = Settings(symbol=symbol, centre=options["centre"], rule=options["rule"])
    return plain.changed(**(given | asked))


def _check_bounds(name: str, value: float | None, flag: str) -> None:
    knob = KNOBS[name]
    if value is not None and not knob.low <= value <= knob.high:
        raise DataError(f"{flag} must be from {knob.low:g} to {knob.high:g}, not {value:g}.")


def _trading(settings: Settings, venue: str, cash: float) -> Trading:
    most = KNOBS["ticket"].high * 1_000
    if not settings.ticket <= cash <= most:
        raise DataError(f"--cash must be from the --amount to {most:,.0f}, not {cash:g}.")
    return Trading(settings.symbol, cash, settings.ticket, visitor_costs(venue, settings))


def _forecasts(candles: pd.DataFrame, settings: Settings) -> Walk:
    with _progress_bar("Forecasting") as progress:
        folder = home_folder() / "forecasts"
        made = walk(candles, settings.horizons, folder=folder, progress=progress)
    if made is None:
        raise NotEnoughCandles("The forecasts were not finished.")
    return made


def _luck(made: Trial) -> tuple[Fan, RandomEntries]:
    with _progress_bar("Placebo runs") as progress:
        placebos = fan(made, progress=progress)
    if placebos is None:
        raise NotEnoughCandles("The placebo runs were not finished.")
    return placebos, entries_at_random(made)


def _cells(made: Trial) -> ThresholdMap:
    with _progress_bar("Thresholds") as progress:
        return threshold_map(made, progress=progress)


@contextmanager
def _progress_bar(label: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on the terminal, and the function that moves it; nothing if nobody looks."""
    if not sys.stderr.isatty():
        yield lambda _done, _all: None
        return
    with click.progressbar(length=1, label=label, file=sys.stderr) as bar:

        def move(done: int, whole: int) -> None:
            bar.length = whole
            bar.update(done - bar.pos)

        yield move
