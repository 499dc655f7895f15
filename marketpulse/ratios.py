"""Figures of a series of returns.

Returns are fractions of one bar each. One that is unknown (NaN) counts as none where returns are
compounded, and is left out of means and deviations. Deviations divide by n - 1. Figures are for a
year of ``periods`` bars: 365 days of 24 hours in a market that never closes, 252 where a textbook
counts trading days. A figure that is not defined is None: never NaN, infinite or a stand-in.
"""

import math

import numpy as np
import numpy.typing as npt

DAYS_PER_YEAR = 365
# Below as many times its largest value, a deviation is what floats leave of no deviation at all.
NOISE = 1e-12


def compounded(returns: npt.ArrayLike, start: float = 1.0) -> np.ndarray:
    """What ``start`` has grown to after each return, shape (n,)."""
    return start * np.cumprod(1.0 + np.nan_to_num(_floats(returns)))


def total_return(returns: npt.ArrayLike) -> float | None:
    """All returns compounded, less 1; None of no returns."""
    grown = compounded(returns)
    return float(grown[-1]) - 1 if len(grown) else None


def annual_return(returns: npt.ArrayLike, periods: float) -> float | None:
    """The total return, compounded to a year of ``periods`` bars; unknown bars count as time."""
    grown = compounded(returns)
    return _per_year(float(grown[-1]), len(grown) / periods) if len(grown) else None


def cagr(start: float, end: float, days: float) -> float | None:
    """Compound annual growth of a balance that grew in ``days``, in years of 365 days."""
    return _per_year(end / start, days / DAYS_PER_YEAR) if start > 0 else None


def annual_volatility(returns: npt.ArrayLike, periods: float) -> float | None:
    """Standard deviation (n - 1) of the returns times the root of ``periods``; None below two."""
    known = _known(returns)
    return _deviation(known) * math.sqrt(periods) if len(known) > 1 else None


def downside_risk(
    returns: npt.ArrayLike, periods: float, required: npt.ArrayLike = 0.0
) -> float | None:
    """Root mean square of how far returns fell short of the required one, for a year.

    The mean is over all known returns, those that did not fall short included (Sortino and
    Price, 1994). ``required`` is the return required of one bar: a number, or one for each bar.
    """
    short = np.minimum(_known(_floats(returns) - _floats(required)), 0.0)
    return math.sqrt(float(np.mean(short**2)) * periods) if len(short) else None


def sharpe(returns: npt.ArrayLike, periods: float, risk_free: npt.ArrayLike = 0.0) -> float | None:
    """Mean over standard deviation (n - 1) of the excess returns, times the root of ``periods``.

    Sharpe (1994). ``risk_free`` is the return of one bar without risk: a number, or one for each
    bar. None below two returns, or if all excess returns are equal.
    """
    excess = _known(_floats(returns) - _floats(risk_free))
    if len(excess) < 2 or not (deviation := _deviation(excess)):
        return None
    return float(np.mean(excess)) / deviation * math.sqrt(periods)


def sharpe_error(
    returns: npt.ArrayLike, periods: float, risk_free: npt.ArrayLike = 0.0
) -> float | None:
    """Standard error of `sharpe` by Lo (2002), for returns that do not depend on each other."""
    ratio = sharpe(returns, 1.0, risk_free)
    if ratio is None:
        return None
    count = len(_known(_floats(returns) - _floats(risk_free)))
    return math.sqrt((1 + ratio**2 / 2) / count * periods)


def sortino(returns: npt.ArrayLike, periods: float, required: npt.ArrayLike = 0.0) -> float | None:
    """Mean of the returns above the required one, for a year, over their `downside_risk`.

    None below two returns, or if none fell short.
    """
    above = _known(_floats(returns) - _floats(required))
    risk = downside_risk(above, periods)
    if len(above) < 2 or not risk:
        return None
    return float(np.mean(above)) * periods / risk


def calmar(returns: npt.ArrayLike, periods: float) -> float | None:
    """`annual_return` over the size of `max_drawdown`; None if there was no drawdown."""
    gained, fell = annual_return(returns, periods), max_drawdown(returns)
    return None if gained is None or not fell else gained / abs(fell)


def max_drawdown(returns: npt.ArrayLike) -> float | None:
    """Deepest fall of the compounded returns below their highest, at most 0; None of no returns.

    They start at 1, so that a loss on the first bar counts.
    """
    grown = compounded(returns)
    if not len(grown):
        return None
    highest = np.maximum(np.maximum.accumulate(grown), 1.0)
    return float(np.min(grown / highest)) - 1


def _floats(values: npt.ArrayLike) -> np.ndarray:
    return np.asarray(values, dtype="float64")


def _known(values: npt.ArrayLike) -> np.ndarray:
    numbers = _floats(values)
    known: np.ndarray = numbers[~np.isnan(numbers)]
    return known


def _deviation(values: np.ndarray) -> float:
    """Standard deviation (n - 1), exactly 0 if only float noise tells the values apart."""
    found = float(np.std(values, ddof=1))
    return found if found > NOISE * float(np.max(np.abs(values))) else 0.0


def _per_year(growth: float, years: float) -> float | None:
    """What a balance that became ``growth`` times itself in so many years gains in one."""
    if growth < 0 or years <= 0:
        return None
    if growth == 0:
        return -1.0
    exponent = math.log(growth) / years
    # Beyond, a float has no such number.
    return math.expm1(exponent) if exponent < 700 else None
