"""Settled forecasts taken apart: over time, by quantile, by size of error, by volatility, by hour.

Outcomes that overlap over ``steps`` rows say the same thing several times. So the interval of a
share counts one in ``steps`` of them, which can only make it wider than it has to be.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from marketpulse.bands import BANDS
from marketpulse.evaluation import INTERVAL_LEVEL, block_of, skill, skill_interval
from marketpulse.horizons import Horizon
from marketpulse.zones import UTC, local_times

Array = npt.NDArray[np.float64]

# The normal quantile of `INTERVAL_LEVEL`.
Z = NormalDist().inv_cdf((1.0 + INTERVAL_LEVEL) / 2.0)
# From these ratios of the expected to the usual size of the move on, it is called wilder or calmer.
WILDER, CALMER = 1.1, 0.9
TERCILES = ("calm", "middle", "wild")
HISTOGRAM_BINS = 31
# The outermost bins are open; this share of the errors lies between them.
WITHIN_HISTOGRAM = 0.98
# Rows in a window of `over_time`: a quarter of the table, but not fewer than this.
SHORTEST_WINDOW = 30


@dataclass(frozen=True, slots=True)
class WildnessRecord:
    """How often the size of the move was as it had been called.

    Attributes
    ----------
    wilder, calmer : int
        Forecasts that expected a move at least `WILDER` times the usual one of their hour, or at
        most `CALMER` times.
    wilder_larger, calmer_larger : int
        How many of them were followed by a move larger than usual. Without knowledge: half.
    """

    wilder: int
    wilder_larger: int
    calmer: int
    calmer_larger: int


def wildness_record(settled: pd.DataFrame) -> WildnessRecord:
    """What became of past statements on the size of the move, in a settled table."""
    if settled.empty:
        return WildnessRecord(0, 0, 0, 0)
    usual, actual = settled["usual_move"].to_numpy(), settled["actual"].to_numpy()
    expected, known = settled["expected_move"].to_numpy(), usual > 0
    larger = np.abs(actual) > usual
    wilder = known & (expected >= WILDER * usual)
    calmer = known & (expected <= CALMER * usual)
    counts = (wilder, wilder & larger, calmer, calmer & larger)
    return WildnessRecord(*(int(np.sum(count)) for count in counts))


def inside(settled: pd.DataFrame, odds: int = 90) -> pd.Series:
    """Whether each outcome fell inside the 90 % or the 50 % band, ends included."""
    return settled["actual"].between(settled[f"low_{odds}"], settled[f"high_{odds}"])


def share_interval(share: Array | float, n: float) -> tuple[Array, Array]:
    """95 % interval of a share of ``n`` independent outcomes (Wilson 1927), each 0 to 1."""
    p = np.asarray(share, dtype="float64")
    weight = Z**2 / n
    centre = (p + weight / 2) / (1 + weight)
    half = np.sqrt(p * (1 - p) * weight + weight**2 / 4) / (1 + weight)
    return np.maximum(centre - half, 0.0), np.minimum(centre + half, 1.0)


def independent(n: int, horizon: Horizon) -> float:
    """Outcomes among ``n`` in a row that do not overlap: one in ``steps``, at least 1."""
    return max(1.0, n / horizon.steps)


def window_of(settled: pd.DataFrame) -> int:
    """Rows of a window for `over_time`: short enough to move, long enough to mean something."""
    return max(SHORTEST_WINDOW, len(settled) // 4)


def over_time(settled: pd.DataFrame, horizon: Horizon, window: int) -> pd.DataFrame:
    """Errors and coverage of the last ``window`` settled forecasts, row by row.

    Returns
    -------
    pandas.DataFrame
        Indexed by the ``as_of`` of the newest forecast in the window; empty if there are fewer
        than ``window``. ``mae_bps``, ``raw_mae_bps``, ``naive_mae_bps`` in basis points of the last
        price; ``skill``, ``raw_skill`` (1 - MAE / MAE of naive) and ``coverage_50``,
        ``coverage_90`` as fractions, the latter with their 95 % intervals ``…_low``, ``…_high``.
    """
    if len(settled) < max(1, window):
        return pd.DataFrame()
    errors = settled[["error", "raw_error", "naive_error"]].abs()
    bps = errors.div(settled["close"], axis=0) * 1e4
    held = {f"coverage_{odds}": inside(settled, odds).astype("float64") for odds in (50, 90)}
    means = pd.concat([errors, bps.add_suffix("_bps"), pd.DataFrame(held)], axis=1)
    means = means.rolling(window).mean().iloc[window - 1 :]
    naive = means["naive_error"].where(means["naive_error"] > 0)
    table = pd.DataFrame(
        {
            "mae_bps": means["error_bps"],
            "raw_mae_bps": means["raw_error_bps"],
            "naive_mae_bps": means["naive_error_bps"],
            "skill": 1.0 - means["error"] / naive,
            "raw_skill": 1.0 - means["raw_error"] / naive,
        }
    )
    for name in held:
        share = means[name].to_numpy().clip(0.0, 1.0)
        table[name] = share
        ends = share_interval(share, independent(window, horizon))
        table[f"{name}_low"], table[f"{name}_high"] = ends
    return table.rename_axis("as_of")


def reliability(settled: pd.DataFrame, horizon: Horizon) -> pd.DataFrame:
    """For each end of the bands: the share of outcomes that should lie below it, and that did.

    Returns
    -------
    pandas.DataFrame
        One row per quantile, indexed by its name. ``nominal``, ``observed`` and the 95 % interval
        ``low``, ``high`` of the latter as fractions; ``n`` outcomes. Empty without forecasts.
    """
    if settled.empty:
        return pd.DataFrame()
    actual, n = settled["actual"], len(settled)
    # An outcome on an end counts as inside the band, as it does in the coverage.
    below = {
        name: float((actual < settled[name] if level < 0.5 else actual <= settled[name]).mean())
        for name, level in BANDS.items()
    }
    observed = np.array(list(below.values()))
    low, high = share_interval(observed, independent(n, horizon))
    columns = {"nominal": list(BANDS.values()), "observed": observed, "low": low, "high": high}
    return pd.DataFrame(columns, index=pd.Index(below, name="quantile")).assign(n=n)


def error_histogram(settled: pd.DataFrame, bins: int = HISTOGRAM_BINS) -> pd.DataFrame:
    """How errors are spread, forecast less actual in basis points of the last price.

    Returns
    -------
    pandas.DataFrame
        One row per bin: ``from_bps``, ``to_bps``, and how many errors of the ``forecast`` and of
        ``naive`` are in it. The outermost bins hold what lies beyond them as well.
    """
    if settled.empty:
        return pd.DataFrame()
    errors = {
        name: (settled[column] / settled["close"] * 1e4).to_numpy()
        for name, column in (("forecast", "error"), ("naive", "naive_error"))
    }
    reach = float(np.quantile(np.abs(np.concatenate(list(errors.values()))), WITHIN_HISTOGRAM))
    edges = np.linspace(-1.0, 1.0, bins + 1) * (reach or 1.0)
    counts = {
        name: np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0]
        for name, values in errors.items()
    }
    table = pd.DataFrame({"from_bps": edges[:-1], "to_bps": edges[1:], **counts})
    return table.rename_axis("bin")


def by_volatility(settled: pd.DataFrame, horizon: Horizon) -> pd.DataFrame:
    """How good forecasts were in calm, middling and wild markets, as known when they were made.

    Returns
    -------
    pandas.DataFrame
        As `by_hour`, indexed by `TERCILES`, with ``volatility_bps``: the group's median standard
        deviation of the return over the horizon. Empty below three forecasts.
    """
    if len(settled) < len(TERCILES):
        return pd.DataFrame()
    # By rank, so that the groups are of one size whatever the ties.
    rank = settled["volatility"].rank(method="first")
    tercile = pd.qcut(rank, len(TERCILES), labels=list(TERCILES)).astype("str")
    groups = {name: settled[tercile == name] for name in TERCILES}
    table = _grouped(groups, horizon, "volatility")
    medians = [rows["volatility"].median() * 1e4 for rows in groups.values()]
    table.insert(1, "volatility_bps", medians)
    return table


def by_hour(settled: pd.DataFrame, horizon: Horizon, zone: str = UTC) -> pd.DataFrame:
    """How good forecasts were by the hour of the zone's day in which they were made.

    Returns
    -------
    pandas.DataFrame
        One row per hour that has any. ``n`` forecasts; ``mae_bps``, ``naive_mae_bps``;
        ``skill`` of the forecast and ``raw_skill`` of the trees alone, with the 95 % intervals
        ``…_low``, ``…_high`` (NaN where there are too few rows for one); ``coverage_90``.
    """
    if settled.empty:
        return pd.DataFrame()
    hours = local_times(pd.DatetimeIndex(settled.index), zone).hour
    groups = {int(hour): settled[hours == hour] for hour in sorted(set(hours))}
    return _grouped(groups, horizon, "hour")


def _grouped(groups: Mapping[Any, pd.DataFrame], horizon: Horizon, name: str) -> pd.DataFrame:
    rows = [_judged(rows, horizon) for rows in groups.values()]
    return pd.DataFrame(rows, index=pd.Index(list(groups), name=name)).astype({"n": "int64"})


def _judged(rows: pd.DataFrame, horizon: Horizon) -> dict[str, float]:
    naive = rows["naive_error"].abs().to_numpy()
    judged: dict[str, float | None] = {
        "n": len(rows),
        "mae_bps": float((rows["error"].abs() / rows["close"]).mean() * 1e4),
        "naive_mae_bps": float((rows["naive_error"].abs() / rows["close"]).mean() * 1e4),
    }
    for prefix, column in (("", "error"), ("raw_", "raw_error")):
        error = rows[column].abs().to_numpy()
        low, high = skill_interval(error, naive, block=block_of(horizon.steps))
        found = {"skill": skill(error, naive), "skill_low": low, "skill_high": high}
        judged |= {f"{prefix}{name}": value for name, value in found.items()}
    judged["coverage_90"] = float(inside(rows).mean())
    return {name: np.nan if value is None else value for name, value in judged.items()}
