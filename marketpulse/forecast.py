"""A forecast of one price at one time, and what became of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from marketpulse.bands import BANDS
from marketpulse.dataset import Dataset
from marketpulse.horizons import Horizon
from marketpulse.model import HorizonModel, Plan, predict

Lean = Literal["up", "flat", "down"]

# A raw centre within this distance of the last price (1/20 of a basis point) leans nowhere.
FLAT_BPS = 0.05


@dataclass(frozen=True, slots=True)
class Forecast:
    """What is expected of the price at ``target_time``, as said at ``as_of``.

    Attributes
    ----------
    horizon : Horizon
    as_of : pandas.Timestamp
        Close time of the last bar that it depends on.
    last_price : float
        Close of that bar; the naive forecast. All prices are in quote currency.
    price : float
        Trusted centre: the raw one, shrunk towards naive by what it has proven.
    raw_price : float
        What the trees say.
    low_90, low_50, high_50, high_90 : float
        Ends of the 90 % and 50 % bands; not decreasing in that order.
    trust : float
        Share of the raw centre that is trusted, 0 to 1.
    expected_move, usual_move : float
        Median size of the return over the horizon (log): as expected now, and as it is usual at
        this hour of the day.
    fit_at : pandas.Timestamp
        When its model was fitted.
    model : str
        Id of its model.
    """

    horizon: Horizon
    as_of: pd.Timestamp
    last_price: float
    price: float
    raw_price: float
    low_90: float
    low_50: float
    high_50: float
    high_90: float
    trust: float
    expected_move: float
    usual_move: float
    fit_at: pd.Timestamp
    model: str

    @property
    def target_time(self) -> pd.Timestamp:
        """When the forecast price will be known."""
        return self.as_of + self.horizon.span

    @property
    def lean_bps(self) -> float:
        """Distance of the raw centre above the last price, in basis points; negative is below."""
        return (self.raw_price / self.last_price - 1.0) * 1e4

    @property
    def lean(self) -> Lean:
        """Where the raw centre points; no costs, no doubt."""
        if abs(self.lean_bps) < FLAT_BPS:
            return "flat"
        return "up" if self.lean_bps > 0 else "down"

    @property
    def wildness(self) -> float | None:
        """Expected size of the move over the usual one of this hour; None if that is nothing."""
        return self.expected_move / self.usual_move if self.usual_move > 0 else None


def latest(predictions: pd.DataFrame, horizon: Horizon) -> Forecast | None:
    """The newest forecast of a prediction table, if it has one."""
    return None if predictions.empty else said_at(predictions, horizon, predictions.index[-1])


def said_at(predictions: pd.DataFrame, horizon: Horizon, as_of: pd.Timestamp) -> Forecast:
    """The forecast of a prediction table that was made at ``as_of``."""
    row = predictions.loc[[as_of]].iloc[0]
    price = {name: float(row["close"] * np.exp(row[name])) for name in ("raw", "trusted", *BANDS)}
    return Forecast(
        horizon=horizon,
        as_of=as_of,
        last_price=float(row["close"]),
        price=price["trusted"],
        raw_price=price["raw"],
        low_90=price["low_90"],
        low_50=price["low_50"],
        high_50=price["high_50"],
        high_90=price["high_90"],
        trust=float(row["trust"]),
        expected_move=float(row["expected_move"]),
        usual_move=float(row["usual_move"]),
        fit_at=row["fit_at"],
        model=str(row["model"]),
    )


def walk_forward(
    data: Dataset,
    plan: Plan,
    start: pd.Timestamp,
    model_at: Callable[[pd.Timestamp], HorizonModel | None],
    stop: pd.Timestamp | None = None,
) -> pd.DataFrame:
    """Forecasts for every row from ``start`` on, each by the model that was in use at its time.

    Live and evaluation both call this, so what is evaluated is what is shown.

    Parameters
    ----------
    data : Dataset
    plan : Plan
    start : pandas.Timestamp
        First ``as_of``.
    model_at : callable
        Fit time to the model fitted then; may fit, load or remember it. None where there can be
        none: its rows get no forecast.
    stop : pandas.Timestamp, optional
        No forecast from this ``as_of`` on.

    Returns
    -------
    pandas.DataFrame
        As `marketpulse.model.predict`, in time order.
    """
    row, blocks = data.position(start), []
    end = len(data) if stop is None else data.position(stop)
    while row < end:
        fit_at = plan.fit_time(data.as_of[row])
        until = min(data.position(fit_at + plan.retrain_every), end)
        model = model_at(fit_at)
        if model is not None:
            blocks.append(predict(model, data, row, until))
        row = until
    return pd.concat(blocks) if blocks else pd.DataFrame()


def settle(predictions: pd.DataFrame, data: Dataset) -> pd.DataFrame:
    """The forecasts whose outcome is known, each beside it.

    Parameters
    ----------
    predictions : pandas.DataFrame
        As `walk_forward` returns.
    data : Dataset
        Of the same horizon and candles. An outcome behind a gap counts as unknown.

    Returns
    -------
    pandas.DataFrame
        The same rows and columns, with ``actual`` (log return), ``price``, ``raw_price``,
        ``actual_price`` (quote currency) and ``error``, ``raw_error``, ``naive_error`` (forecast
        less actual price; positive is too high).
    """
    return settled_part(with_outcomes(predictions, data))


def with_outcomes(predictions: pd.DataFrame, data: Dataset) -> pd.DataFrame:
    """The forecasts beside their ``actual_price``, NaN where it is unknown; as for `settle`."""
    if predictions.empty:
        return predictions
    came = pd.Series(data.came, index=data.as_of)
    return predictions.assign(actual_price=came.reindex(predictions.index))


def settled_part(beside: pd.DataFrame) -> pd.DataFrame:
    """What `settle` returns, of forecasts `with_outcomes`."""
    return beside if beside.empty else scored(beside[beside["actual_price"].notna()])


def scored(known: pd.DataFrame) -> pd.DataFrame:
    """Forecasts with their ``actual_price``, and all that follows from it; see `settle`."""
    close, came = known["close"], known["actual_price"]
    price, raw_price = close * np.exp(known["trusted"]), close * np.exp(known["raw"])
    return known.assign(
        actual=np.log(came) - np.log(close),
        price=price,
        raw_price=raw_price,
        error=price - came,
        raw_error=raw_price - came,
        naive_error=close - came,
    )
