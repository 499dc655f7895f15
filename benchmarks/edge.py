"""A planted edge of twice the costs: it must be found, live as in the backtest, and never early.

The candles drift with a tide. Forecasts that know the tide, and nothing of the noise, have an edge
that is twice what a round trip costs: with them the rule must earn money that no placebo earns. The
app's own forecasts see about half of the tide; by them the app itself, hub, market, desk and
journal, lives through some of the bars, and its books are compared with those of backtests.
"""

from collections.abc import Iterator
from pathlib import Path
from statistics import NormalDist
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from benchmarks import simulation
from benchmarks.claims import Claim, above, at_least, at_most
from marketpulse.backtest import run
from marketpulse.bands import BANDS
from marketpulse.broker import Trading
from marketpulse.costs import Costs
from marketpulse.dataset import build
from marketpulse.evaluation import on_grid
from marketpulse.events import Fill, Order
from marketpulse.forecast import with_outcomes
from marketpulse.horizons import LONG, MINUTE, ONE_MINUTE
from marketpulse.ledger import Ledger
from marketpulse.settings import Settings
from marketpulse.signals import Thresholds
from marketpulse.trial import fan, trial_of
from marketpulse.walks import Walk, walk
from tests.live_app import backtested, lived

# Up for six hours and then down, 60 bps in 45 minutes, one and a half times what the noise moves.
BARS, PERIOD, PEAK = 11_520, 720, 60e-4 / 45
# Half of the edge is left to be asked for. The usual rule sells once the costs are just earned.
KNOWING = {"sell_mae": 3, "margin": 10}
# The app's forecasts are smaller than the costs, so as much is forgiven: it is to trade, not to
# earn.
FORGIVING = {"buy_mae": 0, "sell_mae": 3, "margin": -15}
# Rules that the app lives by at the same time, each in a book of its own: without slippage and with
# it, by distance and by chance.
LIVED = (
    FORGIVING | {"spread": 0, "impact": 0},
    FORGIVING | {"hold": 10, "margin": -20},
    FORGIVING
    | {"hold": 15, "margin": -20, "rule": "chance", "chance": 35, "reference": "average cost"},
)
# Bars that it lives through, around a turn of the tide.
LIVED_BARS = 240
LIVED_FROM = BARS - PERIOD // 2 - LIVED_BARS // 2
CUTS = 20
SEED = 11


def tide() -> np.ndarray:
    """Drift of each bar. Shape (BARS,)."""
    return np.where(np.arange(BARS) % PERIOD < PERIOD // 2, PEAK, -PEAK)


def tidal() -> pd.DataFrame:
    """Candles that drift with the tide, as their last hour shows."""
    noise = np.random.default_rng(SEED).normal(0, simulation.BAR_VOLATILITY, BARS)
    return simulation.candles(tide() + noise, SEED)


def edge() -> float:
    """Mean size of the move over the long horizon that the tide makes (fraction)."""
    moves = np.convolve(tide(), np.ones(LONG.minutes), "valid")
    return float(np.abs(moves).mean())


def knowing(candles: pd.DataFrame) -> Walk:
    """Forecasts of both horizons that know the tide and the size of the noise."""
    made = []
    for horizon in (MINUTE, LONG):
        data, bars = build(on_grid(candles, horizon), horizon), horizon.minutes
        ahead = np.convolve(tide(), np.ones(bars), "valid")[1:]  # from the next bar on
        rows = np.arange(1, len(data) - horizon.steps) * (horizon.bar // ONE_MINUTE) - 1
        move = ahead[rows[rows < len(ahead)]]
        index = data.as_of[: len(move)]
        table = pd.DataFrame({"close": data.close[: len(move)], "trusted": move}, index=index)
        for end, level in BANDS.items():
            reach = NormalDist().inv_cdf(level) * simulation.BAR_VOLATILITY * np.sqrt(bars)
            table[end] = move + reach
        made.append(with_outcomes(table.assign(raw=move), data))
    return Walk(candles, (MINUTE, LONG), *made)


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
    candles, costs = tidal(), Costs(edge() / 2 / 2 * 1e4)  # two fees are half the edge
    trading = Trading("BTC/USD", 10_000, 1_000, costs)
    print(
        f"Edge: {edge() * 1e4:.0f} bps in {LONG.minutes} min, fee {costs.fee_bps:.1f} bps a trade"
    )
    known = trial_of(knowing(candles), Settings().changed(fee=costs.fee_bps, **KNOWING), trading)
    placebos = fan(known)
    if placebos is None:
        raise RuntimeError("nobody stopped the placebos")
    figures = known.result.summary
    print(f"  {figures.trips.count} round trips, {figures.total_return:+.2%}; {placebos.sentence}")
    yield above("Edge of twice the costs: P&L, USD", float(figures.equity - figures.deposits), 0)
    yield at_least("Edge of twice the costs: percentile among placebos", placebos.percentile, 0.95)
    settings = Settings().changed(fee=costs.fee_bps, **FORGIVING)
    made = walk(candles, (MINUTE, LONG))
    if made is None:
        raise RuntimeError("nobody stopped the walk")
    decisions, rule = made.decisions(settings.tail, settings.centre), Thresholds.of(settings)
    whole = run(decisions, candles, rule, costs, trading).ledger
    yield from live_claims(candles, made, costs)
    yield at_most("Fills at a price stamped before their order", early(whole), 0)
    wrong = changed(decisions, candles, rule, trading)
    yield at_most(f"Futures cut off, of {CUTS}, that changed a trade of the past", wrong, 0)


def live_claims(candles: pd.DataFrame, made: Walk, costs: Costs) -> Iterator[Claim]:
    """The app's own live loop beside backtests of the same bars."""
    asked = [Settings().changed(fee=costs.fee_bps, **each) for each in LIVED]
    span = {"start": candles.index[LIVED_FROM], "bars": LIVED_BARS}
    with TemporaryDirectory() as home:
        books = lived(candles, asked, Path(home), **span)
    tests = [
        backtested(candles, made.decisions(each.tail, each.centre), each, **span) for each in asked
    ]
    counts = [len(book.fills) for book in books]
    print(f"  the app itself, {LIVED_BARS} bars: fills by rule {counts}", flush=True)
    pairs = zip(books, tests, strict=True)
    apart = sum(len(set(fills(book)) ^ set(fills(test))) for book, test in pairs)
    yield at_least("Live loop over the same bars: fills", sum(counts), 20)
    yield at_most("Live loop: fills that the backtest does not share to the cent", apart, 0)
    yield at_most("Live loop: fills at a price before their order", sum(map(early, books)), 0)


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
