"""What a process counts of its own work: values only; `marketpulse.hub` keeps them."""

from dataclasses import dataclass, replace
from statistics import median

# Enough for a 95th percentile, few enough to tell of now.
KEPT = 200


@dataclass(frozen=True, slots=True)
class Durations:
    """How long things of one kind took.

    Attributes
    ----------
    count : int
        Of all since the start of the process.
    newest : tuple of float
        Seconds of the last `KEPT`, the oldest first.
    """

    count: int = 0
    newest: tuple[float, ...] = ()

    def and_one(self, seconds: float) -> "Durations":
        """With one more."""
        return Durations(self.count + 1, (*self.newest[1 - KEPT :], seconds))

    @property
    def usual(self) -> float | None:
        """Median of the newest, seconds; None if there is none."""
        return median(self.newest) if self.newest else None

    @property
    def long(self) -> float | None:
        """95th percentile of the newest, seconds; None if there is none."""
        ordered = sorted(self.newest)
        return ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))] if ordered else None


@dataclass(frozen=True, slots=True)
class Counters:
    """What the hub has counted.

    Attributes
    ----------
    reruns : Durations
        From the beginning of a page, or of one tick of it, to its end.
    lags : Durations
        From the time at which a worker should have begun a step to its end.
    trainings : Durations
        Of models that were fitted or read from disk.
    """

    reruns: Durations = Durations()
    lags: Durations = Durations()
    trainings: Durations = Durations()

    def after_rerun(self, seconds: float) -> "Counters":
        """With one more rerun."""
        return replace(self, reruns=self.reruns.and_one(seconds))

    def after_step(self, lag: float) -> "Counters":
        """With one more step of a worker."""
        return replace(self, lags=self.lags.and_one(lag))

    def after_training(self, seconds: float) -> "Counters":
        """With one more model."""
        return replace(self, trainings=self.trainings.and_one(seconds))
