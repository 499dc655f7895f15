"""The threshold map: what every pair of error multiplier and profit margin would have made.

Picking the best of many cells finds a good one even where all are luck. The *deflated Sharpe ratio*
(Bailey & López de Prado 2014, "The deflated Sharpe ratio", Journal of Portfolio Management 40 (5))
says how likely the best cell's Sharpe ratio is above what the best of so many would have by luck.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from statistics import NormalDist

import numpy as np

from marketpulse.broker import Broker
from marketpulse.chain import Gated
from marketpulse.costs import Costs
from marketpulse.parallel import Progress, in_parallel
from marketpulse.paths import Path, equity_at, path_of
from marketpulse.settings import KNOBS
from marketpulse.tape import Tape
from marketpulse.terms import Centre
from marketpulse.words import percent_text

CELLS_A_SIDE = 20
# Share of luck below which a best cell is not called luck.
ENOUGH = 0.95
_EULER = 0.5772156649015329
# Cells of one task: enough to be worth sending, few enough for a progress bar.
CELLS_A_TASK = 10


@dataclass(frozen=True, slots=True)
class Cell:
    """One pair of thresholds and what it made.

    Attributes
    ----------
    centre : {"trusted", "raw"}
    mae_multiplier : float
        Of both models.
    margin_bps : float
    trades : int
        Purchases.
    net, net_return : float
        P&L at the last close in quote currency, and over the starting cash.
    sharpe, skew, kurtosis : float or None
        Of the returns from bar to bar, not annualised; None if there was no trade.
    """

    centre: Centre
    mae_multiplier: float
    margin_bps: float
    trades: int
    net: float
    net_return: float
    sharpe: float | None
    skew: float | None
    kurtosis: float | None


@dataclass(frozen=True, slots=True)
class ThresholdMap:
    """All cells that were reckoned, in the order of centre, multiplier and margin.

    Attributes
    ----------
    cells : tuple of Cell
    asked : int
        Cells that were asked for: more than there are if it was stopped.
    bars : int
        On which each cell decided.
    """

    cells: tuple[Cell, ...]
    asked: int
    bars: int

    @property
    def best(self) -> Cell | None:
        """The cell that made most; None if none traded."""
        traded = [cell for cell in self.cells if cell.trades]
        return max(traded, key=lambda cell: cell.net, default=None)

    @property
    def deflated_sharpe(self) -> float | None:
        """Probability that the best cell's Sharpe ratio is more than the best of as many by luck.

        Every cell that traded counts as a try of its own. None if fewer than two did.
        """
        best = self.best
        ratios = [cell.sharpe for cell in self.cells if cell.sharpe is not None]
        if best is None or best.sharpe is None or len(ratios) < 2:
            return None
        return deflated_sharpe(best, float(np.var(ratios, ddof=1)), len(ratios), self.bars)

    @property
    def warning(self) -> str:
        """What picking the best cell is worth, in words."""
        best, share = self.best, self.deflated_sharpe
        if best is None:
            return f"None of the {len(self.cells)} cells traded."
        made = percent_text(best.net_return, 2, signed=True)
        first = f"The best of {len(self.cells)} cells made {made}."
        if share is None:
            return f"{first} There is nothing to compare it with."
        known = f"The chance that it is more than the luck of picking is {percent_text(share, 0)}"
        if best.net <= 0:
            return f"{first} Even the best lost money: not trading was better."
        if share >= ENOUGH:
            return f"{first} {known}. Still, it was picked after the fact: try it on other days."
        return f"{first} {known}: take it for luck."


def deflated_sharpe(best: Cell, variance: float, tries: int, bars: int) -> float:
    """The deflated Sharpe ratio of a cell.

    Parameters
    ----------
    best : Cell
        That traded.
    variance : float
        Of the Sharpe ratios of all tries.
    tries : int
        At least 2.
    bars : int
        Returns in each.
    """
    normal, ratio = NormalDist(), best.sharpe or 0.0
    luck = math.sqrt(variance) * (
        (1 - _EULER) * normal.inv_cdf(1 - 1 / tries)
        + _EULER * normal.inv_cdf(1 - 1 / (tries * math.e))
    )
    skew, kurtosis = best.skew or 0.0, best.kurtosis or 3.0
    spread = 1 - skew * ratio + (kurtosis - 1) / 4 * ratio**2
    return normal.cdf((ratio - luck) * math.sqrt((bars - 1) / max(spread, 1e-12)))


def grid_of(costs: Costs) -> tuple[list[float], list[float]]:
    """Multipliers from 0, and whole margins (bps) from minus the costs on, 0 among them."""
    low = min(math.ceil(costs.round_trip() * 1e4), int(-KNOBS["margin"].low))
    below = min(low, CELLS_A_SIDE // 2)
    step = math.ceil(low / below) if below else 2
    margins = [float(step * (place - below)) for place in range(CELLS_A_SIDE)]
    return [place * 15 / 100 for place in range(CELLS_A_SIDE)], margins


def swept(
    tapes: Mapping[Centre, Tape],
    broker: Broker,
    rule: Gated,
    multipliers: Sequence[float],
    margins: Sequence[float],
    *,
    progress: Progress | None = None,
    stop: Callable[[], bool] | None = None,
) -> ThresholdMap:
    """The map of all pairs, on all cores.

    Parameters
    ----------
    tapes : mapping of centre to Tape
        Of the same candles and bars; the forecasts were computed once.
    broker : Broker
    rule : Gated
        All other thresholds and costs.
    multipliers, margins : sequence of float
    progress, stop : callable, optional
        As for `marketpulse.parallel.in_parallel`.
    """
    pairs = list(product(multipliers, margins))
    tasks = [
        (tape, broker, _with_centre(rule, centre), pairs[start : start + CELLS_A_TASK])
        for centre, tape in tapes.items()
        for start in range(0, len(pairs), CELLS_A_TASK)
    ]
    for centre, tape in tapes.items():  # what most cells will buy is worked out once
        loosest = _with(_with_centre(rule, centre), min(multipliers), min(margins))
        path_of(tape, broker, loosest)
    made = in_parallel(cells_of, tasks, progress=progress, stop=stop)
    cells = tuple(cell for each in made for cell in each)
    return ThresholdMap(cells, len(pairs) * len(tapes), len(next(iter(tapes.values()))))


def cells_of(
    tape: Tape, broker: Broker, rule: Gated, pairs: Sequence[tuple[float, float]]
) -> list[Cell]:
    """The cells of some pairs of multiplier and margin."""
    return list(_cells(tape, broker, rule, pairs))


def _cells(
    tape: Tape, broker: Broker, rule: Gated, pairs: Sequence[tuple[float, float]]
) -> Iterator[Cell]:
    for multiplier, margin in pairs:
        path = path_of(tape, broker, _with(rule, multiplier, margin))
        yield _cell(tape, broker, path, (rule.thresholds.centre, multiplier, margin))


def _cell(tape: Tape, broker: Broker, path: Path, where: tuple[Centre, float, float]) -> Cell:
    if not path.trades:
        return Cell(*where, 0, 0.0, 0.0, None, None, None)
    cash = broker.trading.cash
    worth = equity_at(tape, cash, path, np.arange(len(tape)))
    made = float(worth[-1]) - cash
    returns = np.diff(worth, prepend=cash) / np.append(cash, worth[:-1])
    spread = float(returns.std(ddof=1)) if len(returns) > 1 else 0.0
    if not spread > 0:
        return Cell(*where, path.trades, made, made / cash, None, None, None)
    away = (returns - returns.mean()) / returns.std()
    skew, kurtosis = float((away**3).mean()), float((away**4).mean())
    ratio = float(returns.mean()) / spread
    return Cell(*where, path.trades, made, made / cash, ratio, skew, kurtosis)


def _with(rule: Gated, multiplier: float, margin: float) -> Gated:
    at = replace(rule.thresholds, buy_mae=multiplier, sell_mae=multiplier, margin_bps=margin)
    return replace(rule, thresholds=at)


def _with_centre(rule: Gated, centre: Centre) -> Gated:
    return replace(rule, thresholds=replace(rule.thresholds, centre=centre))
