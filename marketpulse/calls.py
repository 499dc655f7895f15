"""A visitor's own call, up or down, for a target time of the trees, and when it may be made.

A call is made before the bar closes that the trees forecast from, so that nobody knows more than
they do: after that, whoever waited would have seen a part of the way. Five minutes of 45 would make
61 % of the calls right that just follow the price.
"""

from dataclasses import dataclass, replace

import pandas as pd

from marketpulse import health
from marketpulse.horizons import Horizon
from marketpulse.snapshot import Snapshot

# In the place of a model's id.
VISITOR = "a visitor"


@dataclass(frozen=True, slots=True)
class Call:
    """Where a visitor says that the price will be at the target time, against that at ``as_of``.

    Attributes
    ----------
    caller : str
        A hash that the visitor is known by.
    venue : str
        Whose prices are meant.
    horizon : Horizon
    as_of : pandas.Timestamp
        That of the trees' forecast beside it.
    up : bool
    time : pandas.Timestamp
        When it was made; of one that is only offered, when it was drawn.
    """

    caller: str
    venue: str
    horizon: Horizon
    as_of: pd.Timestamp
    up: bool
    time: pd.Timestamp

    @property
    def target_time(self) -> pd.Timestamp:
        """When it is known who was right."""
        return self.as_of + self.horizon.span


def next_as_of(horizon: Horizon, now: pd.Timestamp) -> pd.Timestamp:
    """Close of the bar that is forming: what can be called now."""
    return now.floor(horizon.bar) + horizon.bar


def refusal(call: Call, shown: Snapshot) -> str:
    """Why a call is not taken at the time of a snapshot, as a sentence; empty if it is."""
    if shown.now >= call.as_of:
        return "Too late: the bar has closed before which it had to be called."
    doubt = health.doubt(shown)
    if doubt:
        return f"No call: {doubt}."
    if shown.replay is not None and call.target_time > shown.replay.end:
        return "No call: the replay ends before its target time."
    return "No call: the record of forecasts cannot be kept." if shown.record_problem else ""


def as_forecast(call: Call, forecast: pd.DataFrame) -> pd.DataFrame:
    """A call as the record takes it, from the prediction table's row of the trees' forecast.

    It says one volatility up or down; what it leaves open is as in the forecast.
    """
    centre = forecast["volatility"] * (1 if call.up else -1)
    return forecast.assign(raw=centre, trusted=centre, trust=1.0, model=VISITOR)


class Calls:
    """The calls of a market that wait for their forecast; the first for a forecast counts.

    Safe to use from several threads: Python interrupts none of its steps.
    """

    def __init__(self) -> None:
        self._made: dict[tuple[str, Horizon, pd.Timestamp], Call] = {}
        self._refused: dict[tuple[str, Horizon], tuple[Call, str]] = {}

    def take(self, call: Call, shown: Snapshot) -> None:
        """Take a call at the time of a snapshot, or keep why it is refused."""
        why, whose = refusal(call, shown), (call.caller, call.horizon)
        if why:
            self._refused[whose] = (call, why)
        else:
            self._made.setdefault((*whose, call.as_of), replace(call, time=shown.now))
            self._refused.pop(whose, None)

    def find(self, caller: str, horizon: Horizon, as_of: pd.Timestamp) -> Call | None:
        """What a visitor called for an ``as_of``, while it waits."""
        return self._made.get((caller, horizon, as_of))

    def refused(self, caller: str, horizon: Horizon) -> str:
        """Why the visitor's newest call was refused, as a sentence; empty if it was not."""
        return self._refused.get((caller, horizon), (None, ""))[1]

    def waiting(self, horizon: Horizon) -> tuple[Call, ...]:
        """All of a horizon, in the order in which they were made."""
        return tuple(call for call in list(self._made.values()) if call.horizon == horizon)

    def forget(self, now: pd.Timestamp) -> None:
        """Drop what is over: its forecast was made a bar ago, or never."""
        for key, call in list(self._made.items()):
            if call.as_of + call.horizon.bar <= now:
                self._made.pop(key, None)
        for whose, (call, _) in list(self._refused.items()):
            if call.as_of + call.horizon.bar <= now:
                self._refused.pop(whose, None)
