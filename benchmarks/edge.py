"""A planted edge of twice the costs: it must be found, live as in the backtest, and never early."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from benchmarks import simulation
from benchmarks.claims import Claim, above, at_least, at_most
from marketpulse.backtest import run
from marketpulse.broker import Trading
from marketpulse.costs import Costs
from marketpulse.events import Fill, Order
from marketpulse.horizons import LONG, MINUTE
from marketpulse.ledger import Ledger
from marketpulse.settings import Settings
from marketpulse.signals import Thresholds
from marketpulse.trial import fan, trial_of
from marketpulse.walks import walk
from tests.live_loop import lived

BARS, PERIOD, PEAK = 10_080, 180, 5e-4
CUTS = 20
SEED = 11


def tide() -> np.ndarray:
    """Drift of each bar: up for an hour and a half and then down. Shape (BARS,)."""
    return PEAK * np.sin(np.arange(BARS) * 2 * np.pi / PERIOD)


def tidal() -> pd.DataFrame:
    """Candles that drift with the tide, as their last hour shows."""
    noise = np.random.default_rng(SEED).normal(0, simulation.BAR_VOLATILITY, BARS)
    return simulation.candles(tide() + noise, SEED)


def edge() -> float:
    """Mean size of the move over the long horizon that the tide makes (fraction)."""
    moves = np.convolve(tide(), np.ones(LONG.minutes), "valid")
    return float(np.abs(moves).mean())


def fills(ledger: Ledger) -> list[tuple[str, ...]]:
    """The trades to the cent: all their figures as they are in the book."""
    return [
        (str(fill.time), fill.side, str(fill.quantity), str(fill.price), str(fill.fee))
        for fill in ledger.fills
    ]


def early(ledger: Ledger) -> int:
    """Fills whose price was stamped before their order."""
    orders = {event.id: event for event in ledger.events if isinstance(event, Order)}
    stamps = [(fill, fill.receipt) for fill in ledger.events if isinstance(fill, Fill)]
    return sum(
        receipt is None or receipt.reference_time < orders[fill.order].time
        for fill, receipt in stamps
    )


def claims() -> Iterator[Claim]:
    costs = Costs(edge() / 2 / 2 * 1e4)  # two fees are half the edge
    settings = Settings().changed(fee=costs.fee_bps)
    trading = Trading("BTC/USD", 10_000, 1_000, costs)
    candles = tidal()
    made = walk(candles, (MINUTE, LONG))
    if made is None:
        raise RuntimeError("nobody stopped the walk")
    trial = trial_of(made, settings, trading)
    placebos = fan(trial)
    figures = trial.result.summary
    print(
        f"Edge: {edge() * 1e4:.0f} bps in {LONG.minutes} min, fee {costs.fee_bps:.1f} bps a trade"
    )
    print(f"  {figures.trips.count} round trips, {figures.total_return:+.2%}; {placebos.sentence}")
    yield above("Edge of twice the costs: P&L, USD", float(figures.equity - figures.deposits), 0)
    yield at_least("Edge of twice the costs: percentile among placebos", placebos.percentile, 0.95)
    decisions = made.decisions(settings.tail, settings.centre)
    rule = Thresholds.of(settings)
    book = lived(decisions, candles, rule, costs, trading)
    both = set(fills(book)) ^ set(fills(trial.result.ledger))
    print(f"  live, bar by bar: {len(book.fills)} fills", flush=True)
    yield at_least("Edge: fills of the live loop", len(book.fills), 1)
    yield at_most("Edge: fills that live and backtest do not share to the cent", len(both), 0)
    yield at_most("Edge: fills at a price stamped before their order", early(book), 0)
    wrong = changed(decisions, candles, rule, trading)
    yield at_most(f"Futures cut off, of {CUTS}, that changed a trade of the past", wrong, 0)


def changed(
    decisions: pd.DataFrame, candles: pd.DataFrame, rule: Thresholds, trading: Trading
) -> int:
    """How many of `CUTS` truncations give another past than the whole."""
    whole = run(decisions, candles, rule, trading.costs, trading).ledger
    wrong = 0
    for now in decisions.index[:: len(decisions) // CUTS]:
        known = decisions[decisions.index <= now], candles[candles.index < now]
        part = run(*known, rule, trading.costs, trading).ledger
        past = [each for each in fills(whole) if pd.Timestamp(each[0]) < now]
        wrong += fills(part) != past
    return wrong
