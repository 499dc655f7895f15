"""The running forecasts of one horizon: what was said bar by bar, by which model, and what came."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Protocol

import pandas as pd

from marketpulse import dataset, features
from marketpulse.calls import Call, as_forecast
from marketpulse.dataset import Dataset
from marketpulse.errors import NotEnoughCandles
from marketpulse.evaluation import on_grid
from marketpulse.forecast import latest, scored, settle, walk_forward
from marketpulse.horizons import Horizon
from marketpulse.importance import importance
from marketpulse.model import PLANS, HorizonModel, Plan
from marketpulse.model_store import Say
from marketpulse.settings import KNOBS
from marketpulse.snapshot import Outlook

Fitted = Callable[[Dataset, pd.Timestamp, Plan, Say], HorizonModel]

# As long as the longest tail that a visitor can ask for.
LONGEST_TAIL = int(KNOBS["tail"].high)
# Visitors' calls that are kept at hand, of all visitors of a market together.
MOST_CALLS = 10_000


class Record(Protocol):
    """Where forecasts are put down as they are said; see `marketpulse.store.ForecastRecord`."""

    def issue(
        self, source: str, symbol: str, horizon: Horizon, said: pd.DataFrame, *,
        issued_at: pd.Timestamp, caller: str = ...,
    ) -> int:  # fmt: skip
        """Put forecasts on record; a caller's first one of an ``as_of`` counts."""

    def settle(
        self, source: str, symbol: str, horizon: Horizon, outcomes: pd.Series, *,
        settled_at: pd.Timestamp,
    ) -> int:  # fmt: skip
        """Put the prices that came beside them, whoever said them."""

    def pending(self, source: str, symbol: str, horizon: Horizon) -> pd.DataFrame:
        """Forecasts without an outcome."""

    def settled(self, source: str, symbol: str, horizon: Horizon, n: int) -> pd.DataFrame:
        """The newest ``n`` with one."""

    def calls(self, source: str, symbol: str, horizon: Horizon, n: int) -> pd.DataFrame:
        """The newest ``n`` calls of visitors."""


class Track:
    """Forecasts of one horizon from candles that keep coming.

    Parameters
    ----------
    horizon : Horizon
    fitted : callable
        The model of a data set, fit time and plan: loaded, or fitted after that has been said.
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
        self._explained: HorizonModel | None = None
        self._seen: pd.Timestamp | None = None
        self._made_from = ""
        self._recorded: pd.Timestamp | None = None

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
            nothing = pd.DataFrame()
            self._tell(predictions=nothing, settled=nothing, forecast=None, missing=str(error))
        return True

    def forget(self, since: pd.Timestamp) -> None:
        """Take back every forecast that knew a bar which opened at or after ``since``.

        The next `advance` makes them anew. What is on record stays as it was said.
        """
        known, self._seen = self.outlook.predictions, None
        if not known.empty:
            self._tell(predictions=known[known.index <= since])

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
                data, self._plan, begin, lambda at: self._fitted(data, at, self._plan, _silently)
            )
        except NotEnoughCandles:
            older = pd.DataFrame()
        self._can_extend = not older.empty
        if not older.empty:
            self._publish(pd.concat([older, self.outlook.predictions]), bars)

    def put_on_record(
        self,
        record: Record,
        source: str,
        symbol: str,
        candles: pd.DataFrame,
        now: pd.Timestamp,
        calls: Iterable[Call] = (),
    ) -> bool:
        """Put down what was just said while nobody knows what comes, and what came of the rest.

        Parameters
        ----------
        record : Record
        source, symbol : str
            Whose prices these are.
        candles : pandas.DataFrame
            One-minute candles.
        now : pandas.Timestamp
            A forecast whose target time is over is not put down.
        calls : iterable of Call
            Put down with the forecast that they stand beside.

        Returns
        -------
        bool
            Whether the outlook changed.
        """
        if self._seen is None or self._recorded == self._seen:
            return False
        market, newest = (source, symbol, self._horizon), self.outlook.forecast
        if newest is not None and newest.target_time > now:
            said = self.outlook.predictions.tail(1).assign(data=self._made_from)
            record.issue(*market, said, issued_at=now)
            for call in calls:
                if (call.venue, call.as_of) == (source, newest.as_of):
                    taken = as_forecast(call, said)
                    record.issue(*market, taken, issued_at=call.time, caller=call.caller)
        waiting = record.pending(*market)
        outcomes = self._prices_that_came(candles).reindex(waiting.index)
        if record.settle(*market, outcomes.dropna(), settled_at=now) or self._recorded is None:
            recorded = scored(record.settled(*market, LONGEST_TAIL))
            self._tell(recorded=recorded)
        self._tell(calls=record.calls(*market, MOST_CALLS))
        self._tell(pending=int((pd.DatetimeIndex(waiting.index) > now - self._horizon.span).sum()))
        self._recorded = self._seen
        return True

    def _prices_that_came(self, candles: pd.DataFrame) -> pd.Series:
        """Price at the target time of each ``as_of``; NaN where it is unknown."""
        bars = self._bars(candles)
        as_of = pd.DatetimeIndex(bars.index) + self._horizon.bar
        return pd.Series(dataset.prices_that_came(bars, self._horizon.steps), index=as_of)

    def explain(self, candles: pd.DataFrame) -> bool:
        """Measure what the current model's features are worth; False if that is known."""
        if self._model is None or self._model is self._explained:
            return False
        self._explained = self._model
        worth = importance(self._model, dataset.build(self._bars(candles), self._horizon))
        self._tell(importance=worth)
        return True

    def _bars(self, candles: pd.DataFrame) -> pd.DataFrame:
        return on_grid(candles, self._horizon)

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
        self._made_from = recent.fingerprint_of(-1)
        self._publish(pd.concat([known, new]), bars)
        self._can_extend |= known.empty

    def _needed_from(self, fit_at: pd.Timestamp) -> pd.Timestamp:
        """Open time of the first bar that forecasts by the model of ``fit_at`` depend on."""
        bars = self._plan.calibration_bars + self._horizon.steps + features.WARM_UP + 1
        return fit_at - (bars + 1) * self._horizon.bar

    def _model_at(self, fit_at: pd.Timestamp, bars: pd.DataFrame, say: Say) -> HorizonModel:
        if self._model is None or self._model.fit_at != fit_at:
            data = dataset.build(bars, self._horizon)
            self._model = self._fitted(data, fit_at, self._plan, say)
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
        current = forecast if fresh else None
        self._tell(predictions=kept, settled=settled, forecast=current, missing=missing)

    def _tell(self, **facts: Any) -> None:
        self.outlook = replace(self.outlook, **facts)


def _silently(_: str) -> None:
    """What is done for the tail is said once, not for every model of it."""
