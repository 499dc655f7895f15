"""Figures of a list of trades' profits, in quote currency, after all fees.

A trade that made exactly nothing is neither a winner nor a loser, but it is a trade. A figure that
is not defined is None: never NaN, infinite or a stand-in.
"""

import numpy as np
import numpy.typing as npt


def win_rate(profits: npt.ArrayLike) -> float | None:
    """Share of the trades that made money; None of no trades."""
    made = _floats(profits)
    return float(np.mean(made > 0)) if len(made) else None


def average_winner(profits: npt.ArrayLike) -> float | None:
    """Mean profit of the trades that made money, above 0; None if none did."""
    made = _floats(profits)
    return float(np.mean(made[made > 0])) if np.any(made > 0) else None


def average_loser(profits: npt.ArrayLike) -> float | None:
    """Mean profit of the trades that lost money, below 0; None if none did."""
    made = _floats(profits)
    return float(np.mean(made[made < 0])) if np.any(made < 0) else None


def expectancy(profits: npt.ArrayLike) -> float | None:
    """Mean profit of a trade; None of no trades.

    The same as win rate times average winner plus loss rate times average loser.
    """
    made = _floats(profits)
    return float(np.mean(made)) if len(made) else None


def expectancy_ratio(profits: npt.ArrayLike) -> float | None:
    """What a trade is expected to make for each unit that a loser loses.

    (1 + average winner / size of the average loser) times the win rate, less 1, as freqtrade
    defines it: `expectancy` over the size of the average loser, unless a trade made exactly
    nothing. None if there is no loser.
    """
    rate, loser = win_rate(profits), average_loser(profits)
    if rate is None or loser is None:
        return None
    return (1 - (average_winner(profits) or 0.0) / loser) * rate - 1


def profit_factor(profits: npt.ArrayLike) -> float | None:
    """What the winners made over what the losers lost, at least 0; None if there is no loser."""
    made = _floats(profits)
    lost = -float(np.sum(made[made < 0]))
    return float(np.sum(made[made > 0])) / lost if lost else None


def _floats(profits: npt.ArrayLike) -> np.ndarray:
    return np.asarray(profits, dtype="float64")
