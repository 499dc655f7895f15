"""A backtest as the command and the page make it: forecasts once, then all that asks of them.

Nothing here fits a model. A trial of other sliders reads the same `Walk`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from marketpulse.backtest import BacktestResult, result_of
from marketpulse.broker import Broker, Trading
from marketpulse.chain import Gated
from marketpulse.costs import Costs
from marketpulse.parallel import Progress, in_parallel
from marketpulse.paths import path_of
from marketpulse.placebo import (
    SHIFTS,
    Fan,
    RandomEntries,
    curves,
    fan_of,
    random_entries,
    shifts_of,
)
from marketpulse.settings import Settings
from marketpulse.signals import Thresholds
from marketpulse.sweep import Cell, ThresholdMap, grid_of, swept
from marketpulse.tape import Tape, taped
from marketpulse.terms import Centre
from marketpulse.walks import Walk

SHIFTS_A_TASK = 50
Stop = Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Trial:
    """One rule on one walk.

    Attributes
    ----------
    walk : Walk
    settings : Settings
    trading : Trading
    tape : Tape
    broker : Broker
    rule : Gated
    result : BacktestResult
    """

    walk: Walk
    settings: Settings
    trading: Trading
    tape: Tape
    broker: Broker
    rule: Gated
    result: BacktestResult


def trial_of(walk: Walk, settings: Settings, trading: Trading, *, venue: str = "") -> Trial:
    """Carry out the rule of a visitor's settings; it reckons with what its trades cost.

    Raises
    ------
    NotEnoughCandles
        If gaps forbade every forecast.
    """
    tape = _tape(walk, settings, settings.centre, trading.costs, venue)
    broker, rule = Broker(tape, trading), Gated(Thresholds.of(settings), trading.costs)
    return Trial(walk, settings, trading, tape, broker, rule, result_of(tape, broker, rule))


def _tape(walk: Walk, settings: Settings, centre: Centre, costs: Costs, venue: str) -> Tape:
    return taped(walk.decisions(settings.tail, centre), walk.candles, costs, venue=venue)


def fan(
    trial: Trial,
    *,
    count: int = SHIFTS,
    seed: int = 0,
    progress: Progress | None = None,
    stop: Stop | None = None,
) -> Fan | None:
    """The rule beside its placebos, on all cores; None if it was stopped.

    Raises
    ------
    NotEnoughCandles
        If the record is too short to move forecasts against it.
    """
    tape, broker, rule = trial.tape, trial.broker, trial.rule
    path = path_of(tape, broker, rule)
    shifts = shifts_of(tape, count, seed)
    parts = [shifts[start : start + SHIFTS_A_TASK] for start in range(0, count, SHIFTS_A_TASK)]
    tasks = [(tape, broker, rule, part) for part in parts]
    made = list(in_parallel(curves, tasks, progress=progress, stop=stop))
    return fan_of(tape, broker, path, np.vstack(made), seed) if len(made) == len(parts) else None


def entries_at_random(trial: Trial, *, seed: int = 0) -> RandomEntries:
    """The rule beside as many trades, held as long, begun at random."""
    path = path_of(trial.tape, trial.broker, trial.rule)
    return random_entries(trial.tape, trial.broker, path, seed=seed)


def threshold_map(
    trial: Trial,
    *,
    centres: Sequence[Centre] = (),
    multipliers: Sequence[float] = (),
    margins: Sequence[float] = (),
    progress: Progress | None = None,
    stop: Stop | None = None,
) -> ThresholdMap:
    """What other thresholds would have made, all else as in the trial.

    Parameters
    ----------
    trial : Trial
    centres : sequence of {"trusted", "raw"}
        That of the trial, if there is none.
    multipliers, margins : sequence of float
        Those of `marketpulse.sweep.grid_of`, if there are none.
    progress, stop : callable, optional
        As for `marketpulse.parallel.in_parallel`.
    """
    costs, venue = trial.trading.costs, trial.tape.venue
    tapes = {
        centre: _tape(trial.walk, trial.settings, centre, costs, venue)
        for centre in centres or (trial.settings.centre,)
    }
    usual = grid_of(costs)
    return swept(
        tapes,
        trial.broker,
        trial.rule,
        multipliers or usual[0],
        margins or usual[1],
        progress=progress,
        stop=stop,
    )


def cell_settings(settings: Settings, cell: Cell) -> Settings:
    """The settings with the values of a cell, as far as their bounds allow."""
    return settings.changed(
        centre=cell.centre,
        buy_mae=cell.mae_multiplier,
        sell_mae=cell.mae_multiplier,
        margin=cell.margin_bps,
    )
