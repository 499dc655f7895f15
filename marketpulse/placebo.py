"""What luck would have made of the same rule: forecasts of another time, and entries at random.

A *placebo* is the same rule on the same candles with the forecasts moved in a circle against them:
their sizes and their order stay, and what they knew of the candles is gone. *Random entries* are as
many trades as the rule made, held as long, begun at any time. Both pay the same costs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from marketpulse.broker import Broker
from marketpulse.chain import Gated
from marketpulse.errors import NotEnoughCandles
from marketpulse.paths import Path, equity_at, net, path_of, priced
from marketpulse.tape import MINUTE_US, Column, Rows, Tape, timestamp
from marketpulse.words import percent_text

SHIFTS, DRAWS = 500, 500
# Forecasts are moved by at least a day, or by a quarter of the record if that is shorter.
APART = pd.Timedelta(days=1)
FEWEST_BARS = 240
# Points of the drawn curves.
POINTS = 300
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True, slots=True)
class Fan:
    """The rule beside its placebos.

    Attributes
    ----------
    times : pandas.DatetimeIndex, shape (g,)
    real : ndarray of shape (g,)
        Equity of the rule, quote currency.
    placebos : ndarray of shape (shifts, g)
        Equity of each placebo.
    nets : ndarray of shape (shifts,)
        Their P&L at the last close.
    net : float
        That of the rule.
    percentile : float
        Share of the placebos that the rule did better than, 0 to 1. Ties are broken by lot, so
        that without skill every percentile is as likely as any other.
    apart : pandas.Timedelta
        How far the forecasts were moved at least.
    """

    times: pd.DatetimeIndex
    real: Column
    placebos: Column
    nets: Column
    net: float
    percentile: float
    apart: pd.Timedelta

    @property
    def bands(self) -> Column:
        """The `QUANTILES` of the placebos at each time, shape (5, g)."""
        return np.quantile(self.placebos, QUANTILES, axis=0)

    @property
    def sentence(self) -> str:
        """The percentile in words."""
        return _sentence(
            self.net, self.nets, self.percentile, "placebo runs, with forecasts of another time"
        )


@dataclass(frozen=True, slots=True)
class RandomEntries:
    """The rule beside as many trades, held as long, begun at random.

    Attributes
    ----------
    real : ndarray of shape (g,)
        Equity of the rule at the `grid`, quote currency.
    curves : ndarray of shape (draws, g)
        That of each draw.
    nets : ndarray of shape (draws,)
    net, percentile : float
        As in `Fan`.
    """

    real: Column
    curves: Column
    nets: Column
    net: float
    percentile: float

    @property
    def drawdowns(self) -> tuple[float, float]:
        """Deepest drawdown of the rule and the median one of the draws, fractions up to 0."""
        return float(_deepest(self.real)), float(np.median(_deepest(self.curves)))

    @property
    def outline(self) -> Column:
        """Between which nine in ten of the draws are at each time, shape (2, g)."""
        return np.quantile(self.curves, (QUANTILES[0], QUANTILES[-1]), axis=0)

    @property
    def sentence(self) -> str:
        """The percentile in words."""
        own, usual = (percent_text(each, 2) for each in self.drawdowns)
        better = _sentence(self.net, self.nets, self.percentile, "runs that entered at random")
        return f"{better} Its deepest drawdown was {own}, that of their middle one {usual}."


def least_shift(tape: Tape) -> int:
    """Rows by which forecasts are moved at least.

    Raises
    ------
    NotEnoughCandles
        If the record is too short to move anything.
    """
    if len(tape) < FEWEST_BARS:
        raise NotEnoughCandles(
            f"Placebo runs need {FEWEST_BARS} bars with forecasts; there are {len(tape)}."
        )
    return min(int(APART / pd.Timedelta(MINUTE_US, "us")), len(tape) // 4)


def shifts_of(tape: Tape, count: int = SHIFTS, seed: int = 0) -> list[int]:
    """The shifts of the placebos in rows; each at most once, if there are as many.

    Raises as `least_shift` does.
    """
    least = least_shift(tape)
    possible = np.arange(least, len(tape) - least + 1)
    random = np.random.default_rng(seed)
    drawn = random.choice(possible, count, replace=len(possible) < count)
    return [int(each) for each in drawn]


def grid(tape: Tape) -> Rows:
    """Rows at which curves are drawn, the last one among them."""
    return np.unique(np.linspace(0, len(tape) - 1, POINTS).astype("int64"))


def curves(
    tape: Tape, broker: Broker, rule: Gated, shifts: Sequence[int]
) -> npt.NDArray[np.float64]:
    """Equity of the rule for each shift of the forecasts, at the `grid`. Shape (shifts, g)."""
    rows, cash = grid(tape), broker.trading.cash
    moved = (tape.shifted(shift) for shift in shifts)
    made = [equity_at(each, cash, path_of(each, broker, rule), rows) for each in moved]
    return np.array(made).reshape(-1, len(rows))


def fan_of(
    tape: Tape, broker: Broker, path: Path, placebos: npt.NDArray[np.float64], seed: int = 0
) -> Fan:
    """The fan of `curves` and the rule's own path."""
    rows, cash = grid(tape), broker.trading.cash
    real, nets = equity_at(tape, cash, path, rows), placebos[:, -1] - cash
    made = float(real[-1]) - cash
    return Fan(
        times=pd.DatetimeIndex([timestamp(time) for time in tape.times[rows]]),
        real=real,
        placebos=placebos,
        nets=nets,
        net=made,
        percentile=percentile(made, nets, seed),
        apart=pd.Timedelta(least_shift(tape) * MINUTE_US, "us"),
    )


def placebo_fan(
    tape: Tape, broker: Broker, rule: Gated, *, count: int = SHIFTS, seed: int = 0
) -> Fan:
    """The rule beside ``count`` placebos, in this process; raises as `least_shift` does."""
    placebos = curves(tape, broker, rule, shifts_of(tape, count, seed))
    return fan_of(tape, broker, path_of(tape, broker, rule), placebos, seed)


def random_entries(
    tape: Tape, broker: Broker, path: Path, *, draws: int = DRAWS, seed: int = 0
) -> RandomEntries:
    """The path beside ``draws`` of as many trades, held as many bars, begun at random."""
    random, cash, at = np.random.default_rng(seed), broker.trading.cash, grid(tape)
    bars = np.minimum(path.sold, len(tape) - 1) - path.bought
    worth = np.empty((draws, len(at)))
    for draw in range(draws):
        rows = _placed(random.permutation(bars), len(tape), random)
        worth[draw] = equity_at(tape, cash, priced(tape, broker, rows), at)
    made, nets = net(tape, cash, path), worth[:, -1] - cash
    real = equity_at(tape, cash, path, at)
    return RandomEntries(real, worth, nets, made, percentile(made, nets, seed))


def _deepest(curves: Column) -> Column:
    """Deepest drawdown along the last axis, a fraction up to 0."""
    lowest: Column = (curves / np.maximum.accumulate(curves, axis=-1) - 1.0).min(axis=-1)
    return lowest


def _placed(bars: Rows, length: int, random: np.random.Generator) -> Rows:
    """Begin and end of stretches of so many bars, at random and apart. Shape (k, 2)."""
    # Every way to share out the bars in between is as likely: each is one choice of places for the
    # stretches among them and the bars that are left over.
    free = max(length - 1 - int(bars.sum()) - len(bars), 0)
    places = np.sort(random.choice(free + len(bars), len(bars), replace=False, shuffle=False))
    begins = places + np.cumsum(bars) - bars
    return np.column_stack((begins, begins + bars))


def percentile(value: float, others: Column, seed: int) -> float:
    """Share of the others below a value, 0 to 1, ties broken by lot.

    If the value is one of them by luck, it is uniform.
    """
    below, ties = int((others < value).sum()), int((others == value).sum())
    lot = np.random.default_rng((seed, 1)).random()
    return float((below + lot * (ties + 1)) / (len(others) + 1))


def _sentence(made: float, nets: Column, share: float, whom: str) -> str:
    if not np.any(nets != made):
        return f"All {len(nets):,} {whom}, ended the same: there is nothing to tell apart."
    better = f"It did better than {percent_text(share, 0)} of {len(nets):,} {whom}"
    if share >= 0.95:
        return f"{better}: hard to explain by luck alone."
    if share <= 0.05:
        return f"{better}: worse than luck alone would explain."
    return f"{better}: luck alone explains that."
