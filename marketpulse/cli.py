"""The command line: the same market, models and words as on screen."""

import json
import math
import platform
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, fields
from functools import wraps
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
import pandas as pd

from marketpulse import __version__, backtest_report, evaluation, report
from marketpulse import candles as candle_table
from marketpulse.alarm import Alarm, alarm, cuts
from marketpulse.broker import Trading
from marketpulse.costs import BOUNDS, Costs, taker_fee_bps
from marketpulse.errors import DataError, MarketPulseError, NotEnoughCandles, SourceUnavailable
from marketpulse.evaluation import Tail
from marketpulse.horizons import LONG, MINUTE, ONE_MINUTE, Horizon
from marketpulse.hub import wall_clock
from marketpulse.leaks import LEAKS, Leak, price_target
from marketpulse.market import Feed, Market
from marketpulse.model import PLANS
from marketpulse.model_store import ModelStore, signing_key
from marketpulse.parallel import scheduled
from marketpulse.placebo import Fan, RandomEntries
from marketpulse.places import home_folder, models_folder
from marketpulse.report import Report, View
from marketpulse.rulebook import RULES
from marketpulse.settings import (
    CENTRES,
    DEFAULT_SYMBOL,
    DEFAULTS,
    KNOBS,
    SYMBOL_PATTERN,
    Settings,
)
from marketpulse.signals import Signal
from marketpulse.snapshot import MarketKey, Snapshot
from marketpulse.sources import CandleSource
from marketpulse.sources.catalogue import AUTO, LIVE, is_recording, live_source, recording
from marketpulse.sources.recorded import RecordedSource, Recording, load
from marketpulse.sweep import ThresholdMap
from marketpulse.trial import Trial, entries_at_random, fan, threshold_map, trial_of
from marketpulse.walks import Walk, walk
from marketpulse.words import bps_text, percent_text, price_text

# Metrics of the tail as printed: all but those of which the page shows more.
REPORTED = tuple(
    field.name
    for field in fields(Tail)
    if field.name not in ("rmse_naive", "r2_price_naive", "coverage_50")
)
BANDS = ("low_90", "low_50", "high_50", "high_90")

source_option = click.option(
    "--source", default=AUTO, show_default=True, help="auto, sample, a venue, or a path to a file."
)
symbol_option = click.option(
    "--symbol", default=DEFAULT_SYMBOL, show_default=True, help="Base and quote, as in BTC/USD."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@click.group()
@click.version_option(__version__)
def main() -> None:
    """Crypto forecasts that say how far they can be trusted."""


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


@main.command()
@symbol_option
@source_option
@json_option
@speaks_plainly
def forecast(symbol: str, source: str, as_json: bool) -> None:
    """Both forecasts, how good the last ones were, and the signal."""
    started = time.monotonic()
    settings = Settings(symbol=_checked(symbol))
    snapshot = _settled_snapshot(source, settings)
    seen = report.build(snapshot, settings)
    decided = report.signal(seen, snapshot, None)
    if as_json:
        seconds = time.monotonic() - started
        click.echo(_json(_forecast_facts(snapshot, seen, decided, source, seconds)))
    else:
        click.echo(report.headline(seen, snapshot, decided))
        click.echo(_forecast_lines(seen, decided))


@main.command()
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
    candles = _candles(source, _checked(symbol))
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
        found = _tail_facts(tail, seconds) or _nothing_found(seconds)
        found["refused_share"] = evaluation.refused_share(candles, horizon)
        facts["horizons"][horizon.label] = found
        if made and tail:
            rung = _rung(candles, horizon, made, settled)
            facts["leak"]["alarm"][horizon.label] = _alarm_facts(rung)
    click.echo(_json(facts) if as_json else _evaluation_lines(facts))


FLAGS = {
    "minute": "--minute-steps",
    "long": "--long-steps",
    "buy_mae": "--buy-mae",
    "sell_mae": "--sell-mae",
    "margin": "--margin-bps",
    "fee": "--fee-bps",
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


@main.command()
@click.option("--source", required=True, help="sample, a path to a file, or a venue.")
@symbol_option
@click.option("--bars", type=click.IntRange(min=1), help="Only the last BARS minutes.")
@_knobs
@click.option("--mae-multiplier", type=float, help="Both of them, where they are not given.")
@click.option("--slippage-bps", type=float, default=0.0, help="Half the spread, at each trade.")
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
    is quick.
    """
    settings = _backtest_settings(_checked(symbol), options)
    candles, venue = _with_venue(source, settings.symbol)
    trading = _trading(settings, venue, options["slippage_bps"], options["cash"])
    candles = candles.tail(options["bars"] or len(candles))
    with scheduled(scheduler):
        made = trial_of(_forecasts(candles, settings), settings, trading, venue=venue)
        luck = _luck(made) if options["luck"] else None
        cells = _cells(made) if options["sweep"] else None
    if as_json:
        facts = {"symbol": settings.symbol, "source": source}
        click.echo(_json(facts | backtest_report.facts(made, luck, cells)))
    else:
        click.echo("\n".join(backtest_report.lines(made, luck)))
    if cells is not None:
        click.echo("\n".join(backtest_report.map_lines(cells)), err=as_json)


@main.command()
@symbol_option
@source_option
@click.option("--bars", type=click.IntRange(min=1), default=1440, show_default=True)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True)
@speaks_plainly
def fetch(symbol: str, source: str, bars: int, out: Path) -> None:
    """Save the last BARS one-minute candles to a .csv, .csv.gz or .parquet file.

    Minutes in which nothing was traded are left out: they are no candles.
    """
    if not is_recording(out.name):
        raise DataError(f"{out.name} should end in .csv, .csv.gz or .parquet.")
    pages = _pages(source, _checked(symbol), bars)
    candles = candle_table.empty()
    with click.progressbar(length=bars, label=f"Fetching {symbol}", file=sys.stderr) as bar:
        for page in pages:
            before = len(candles)
            candles = candle_table.merge(page, candles, ONE_MINUTE).tail(bars)
            bar.update(len(candles) - before)
            if len(candles) >= bars:
                break
    _write(candles[~candles["filled"]].drop(columns="filled"), out)
    click.echo(f"{len(candles)} minutes to {out}", err=True)


@main.command()
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
    click.echo(_json(facts) if as_json else _doctor_lines(facts))


def _checked(symbol: str) -> str:
    if not SYMBOL_PATTERN.fullmatch(symbol.upper()):
        raise DataError(f"A symbol reads like BTC/USD, not {symbol[:40]!r}.")
    return symbol.upper()


def _settled_snapshot(source: str, settings: Settings) -> Snapshot:
    """The snapshot of a market stepped until both tails are as long as asked for, or can be."""
    feed, now = _opened(source, settings.symbol)
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
    plain = Settings(symbol=symbol, centre=options["centre"], rule=options["rule"])
    return plain.changed(**(given | asked))


def _check_bounds(name: str, value: float | None, flag: str) -> None:
    knob = KNOBS[name]
    if value is not None and not knob.low <= value <= knob.high:
        raise DataError(f"{flag} must be from {knob.low:g} to {knob.high:g}, not {value:g}.")


def _trading(settings: Settings, venue: str, slippage: float, cash: float) -> Trading:
    fee = taker_fee_bps(venue) if settings.fee is None else settings.fee
    most = KNOBS["ticket"].high * 1_000
    if not settings.ticket <= cash <= most:
        raise DataError(f"--cash must be from the --amount to {most:,.0f}, not {cash:g}.")
    if not 0 <= slippage < BOUNDS["half_spread_bps"]:
        most = BOUNDS["half_spread_bps"]
        raise DataError(f"--slippage-bps must be from 0 to below {most:g}, not {slippage:g}.")
    return Trading(settings.symbol, cash, settings.ticket, Costs(fee, slippage))


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


def _measured(snapshot: Snapshot, n: int) -> bool:
    outlooks = snapshot.outlooks.values()
    return bool(outlooks) and all(len(outlook.settled) >= n for outlook in outlooks)


def _opened(source: str, symbol: str) -> tuple[CandleSource, pd.Timestamp]:
    """The source and the time for which it is asked: a recording's own end, or now."""
    if is_recording(source):
        kept = _recorded(source, symbol)
        return RecordedSource(kept), kept.candles.index[-1] + ONE_MINUTE
    return live_source(source, home_folder()), wall_clock()


def _recorded(source: str, symbol: str) -> Recording:
    if Path(source).is_file():
        return load(source, symbol=symbol)
    return recording(source, home_folder(), symbol)


def _candles(source: str, symbol: str) -> pd.DataFrame:
    return _with_venue(source, symbol)[0]


def _with_venue(source: str, symbol: str) -> tuple[pd.DataFrame, str]:
    """All candles of a recording or the last 14 days of a venue, and whose they are."""
    feed, now = _opened(source, symbol)
    start = pd.Timestamp(0, tz="UTC")
    if not is_recording(source):
        start = now - pd.Timedelta(days=14) - ONE_MINUTE
    candles = candle_table.empty()
    for page in feed.pages(symbol, start=start, now=now):
        candles = candle_table.merge(page.candles, candles, ONE_MINUTE)
    return candles, feed.venue


def _pages(source: str, symbol: str, bars: int) -> Iterator[pd.DataFrame]:
    feed, now = _opened(source, symbol)
    for page in feed.pages(symbol, start=now - (bars + 1) * ONE_MINUTE, now=now):
        yield page.candles


def _write(candles: pd.DataFrame, out: Path) -> None:
    try:
        if out.suffix in (".parquet", ".pq"):
            candles.reset_index().to_parquet(out, index=False)
        else:
            candles.to_csv(out)
    except OSError as error:
        raise DataError(f"{out} cannot be written: {error.strerror}.") from error


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


def _answer(name: str) -> str:
    """Why a venue does not answer, or the empty text."""
    try:
        live_source(name, home_folder()).quote(DEFAULT_SYMBOL, now=wall_clock())
    except DataError as error:
        return str(error)
    return ""


def _tail_facts(tail: Tail | None, seconds: float) -> dict[str, Any] | None:
    if tail is None:
        return None
    facts = asdict(tail)
    return {**{name: facts[name] for name in REPORTED}, "seconds": round(seconds, 2)}


def _nothing_found(seconds: float) -> dict[str, Any]:
    """What is known of a horizon of which gaps forbade every forecast: null, and no NaN."""
    counts = {"n": 0, "direction_n": 0, "fits": 0, "verdict": evaluation.verdict(None, None)}
    return {**{name: counts.get(name) for name in REPORTED}, "seconds": round(seconds, 2)}


def _alarm_facts(rung: Alarm | None) -> dict[str, Any] | None:
    return {**asdict(rung), "sentence": rung.sentence} if rung else None


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
    return {**facts, "tail": _tail_facts(view.tail, seconds)}


def _json(facts: dict[str, Any]) -> str:
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


def _doctor_lines(facts: dict[str, Any]) -> str:
    lines = [f"Python {facts['python']}"]
    lines += [f"{name} {number}" for name, number in facts["versions"].items()]
    lines += [f"Files in {facts['home']}", f"Models in {facts['models']}"]
    lines += [f"{name}: {state}" for name, state in facts["venues"].items()]
    return "\n".join([*lines, f"Will use: {facts['will_use']}"])
