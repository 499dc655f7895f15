"""The running forecasts of one horizon: what was said bar by bar, by which model, and what came."""

from collections.abc import Callable

import pandas as pd

from marketpulse import candles as candle_table
from marketpulse import dataset, features
from marketpulse.dataset import Dataset
from marketpulse.errors import NotEnoughCandles
from marketpulse.forecast import latest, settle, walk_forward
from marketpulse.horizons import ONE_MINUTE, Horizon
from marketpulse.model import PLANS, HorizonModel, Plan
from marketpulse.settings import KNOBS
from marketpulse.snapshot import Outlook

Say = Callable[[str], None]
Fitted = Callable[[Dataset, pd.Timestamp, Plan], HorizonModel]

# As long as the longest tail that a visitor can ask for.
LONGEST_TAIL = int(KNOBS["tail"].high)


class Track:
    """Forecasts of one horizon from candles that keep coming.

    Parameters
    ----------
    horizon : Horizon
    fitted : callable
        The model of a data set, fit time and plan: fitted, or loaded.
    """

    def __init__(self, horizon: Horizon, fitted: Fitted) -> None:
        self.outlook = Outlook(
            horizon, pd.DataFrame(), pd.DataFrame(), None, "Waiting for candles."
        )
        self._can_extend = False
        self._horizon = horizon
        self._plan = PLANS[horizon.label]
        self._fitted = fitted
        self._model: HorizonModel | None = None
        self._seen: pd.Timestamp | None = None

    def advance(self, candles: pd.DataFrame, complete: bool, say: Say) -> bool:
        """Forecast every bar that closed since the last call.

        Parameters
        ----------
        candles : pandas.DataFrame
            One-minute candles.
        complete : bool
            Whether no older candles will come. Until then a model waits for a full train slice, so
            that it does not have to be fitted twice.
        say : callable
            Told what is being done when it takes a while.

        Returns
        -------
        bool
            Whether the outlook changed.
        """
        bars = self._bars(candles)
        if bars.empty or bars.index[-1] == self._seen:
            return False
        if not complete and len(bars) < self._full_history(bars):
            return False
        self._seen = bars.index[-1]
        try:
            self._forecast(bars, say)
        except NotEnoughCandles as error:
            self.outlook = Outlook(self._horizon, pd.DataFrame(), pd.DataFrame(), None, str(error))
        return True

    def short_of(self, tail: int) -> bool:
        """Whether there are fewer settled forecasts than that, and more can be had."""
        return self._can_extend and len(self.outlook.settled) < tail

    def extend(self, candles: pd.DataFrame, say: Say) -> None:
        """Let the tail reach back by the span of one more model, if there is enough history."""
        bars = self._bars(candles)
        first = self.outlook.predictions.index[0]
        begin = self._plan.fit_time(first - self._horizon.bar)
        say(f"Measuring the {self._horizon.minutes}-minute model on its recent past")
        data = dataset.build(bars[bars.index < first - self._horizon.bar], self._horizon)
        try:
            older = walk_forward(
                data, self._plan, begin, lambda at: self._fitted(data, at, self._plan)
            )
        except NotEnoughCandles:
            older = pd.DataFrame()
        self._can_extend = not older.empty
        if not older.empty:
            self._publish(pd.concat([older, self.outlook.predictions]), bars)

    def _bars(self, candles: pd.DataFrame) -> pd.DataFrame:
        if self._horizon.bar == ONE_MINUTE:
            return candles
        return candle_table.resample(candles, self._horizon.bar)

    def _full_history(self, bars: pd.DataFrame) -> int:
        """Bars from the start of a full train slice to the newest one."""
        fit_at = self._plan.fit_time(bars.index[-1] + self._horizon.bar)
        since = int((bars.index[-1] + self._horizon.bar - fit_at) / self._horizon.bar)
        seen = self._plan.train_bars + self._plan.calibration_bars
        return since + seen + 2 * self._horizon.steps + features.WARM_UP

    def _forecast(self, bars: pd.DataFrame, say: Say) -> None:
        """Append the forecasts of new bars, each by the model in use at its time."""
        known = self.outlook.predictions
        newest = bars.index[-1] + self._horizon.bar
        start = self._plan.fit_time(newest) if known.empty else known.index[-1] + self._horizon.bar
        recent = dataset.build(
            bars[bars.index >= self._needed_from(self._plan.fit_time(start))], self._horizon
        )
        new = walk_forward(recent, self._plan, start, lambda at: self._model_at(at, bars, say))
        self._publish(pd.concat([known, new]), bars)
        self._can_extend |= known.empty

    def _needed_from(self, fit_at: pd.Timestamp) -> pd.Timestamp:
        """Open time of the first bar that forecasts by the model of ``fit_at`` depend on."""
        bars = self._plan.calibration_bars + self._horizon.steps + features.WARM_UP + 1
        return fit_at - (bars + 1) * self._horizon.bar

    def _model_at(self, fit_at: pd.Timestamp, bars: pd.DataFrame, say: Say) -> HorizonModel:
        if self._model is None or self._model.fit_at != fit_at:
            say(f"Training the {self._horizon.minutes}-minute model")
            self._model = self._fitted(dataset.build(bars, self._horizon), fit_at, self._plan)
        return self._model

    def _publish(self, predictions: pd.DataFrame, bars: pd.DataFrame) -> None:
        kept = predictions.tail(LONGEST_TAIL + self._horizon.steps)
        since = (
            kept.index[0] - (features.WARM_UP + 2) * self._horizon.bar
            if len(kept)
            else bars.index[0]
        )
        settled = settle(kept, dataset.build(bars[bars.index >= since], self._horizon))
        forecast = latest(kept, self._horizon)
        fresh = forecast is not None and forecast.as_of == bars.index[-1] + self._horizon.bar
        missing = "" if fresh else "No forecast over a gap in the candles."
        self.outlook = Outlook(self._horizon, kept, settled, forecast if fresh else None, missing)
