"""How the server itself is doing, in the figures of the Health page."""

from dataclasses import dataclass

from marketpulse.counters import Counters, Durations
from marketpulse.health import Figure, Tone
from marketpulse.words import UNKNOWN

# Beyond these seconds a visitor notices a rerun, and a bar comes late.
SLOW_RERUN, SLOW_WORKER = 1.0, 10.0
# Bytes: what the smallest hosts give a process, with a tenth to spare.
MUCH_MEMORY = 620_000_000


@dataclass(frozen=True, slots=True)
class Load:
    """What the process holds at the moment.

    Attributes
    ----------
    sessions, markets, threads : int
    memory : int or None
        Bytes resident; None if unknown.
    peak : int
        Bytes, the most so far.
    shared : int
        Reports, charts and texts that are kept for all sessions.
    on_disk : int
        Bytes of candles, models and records.
    """

    sessions: int
    markets: int
    threads: int
    memory: int | None
    peak: int
    shared: int
    on_disk: int


def figures(counters: Counters, load: Load) -> tuple[Figure, ...]:
    """Rerun time, worker lag, training time, memory, sessions and caches."""
    reruns, lags, trainings = counters.reruns, counters.lags, counters.trainings
    return (
        _durations(
            "Rerun", reruns, SLOW_RERUN,
            "What it takes to draw the page, or what moves on it; over all sessions.",
        ),
        _durations(
            "Worker", lags, SLOW_WORKER,
            "From when a worker should begin to ask for candles until all that follows is done.",
        ),
        Figure(
            "Training",
            seconds_text(trainings.usual),
            f"{trainings.count:,} models",
            "off",
            "What it takes to fit a model or to read it from disk, in the background.",
        ),
        _memory(load),
        Figure(
            "Sessions",
            f"{load.sessions:,}",
            f"{_counted(load.markets, 'market')}, {_counted(load.threads, 'thread')}",
            "off",
            "Visitors of the last ten minutes, and the markets that are kept going for them.",
        ),
        Figure(
            "Kept",
            size_text(load.on_disk),
            f"{load.shared:,} drawn and shared",
            "off",
            "Candles, models and records on disk; reports and charts in memory that all share.",
        ),
    )  # fmt: skip


def _durations(label: str, kept: Durations, slow: float, text: str) -> Figure:
    if kept.long is None:
        return Figure(label, UNKNOWN, "none yet", "off", text)
    tone: Tone = "yellow" if kept.long > slow else "blue"
    note = f"1 in 20 over {seconds_text(kept.long)}"
    return Figure(label, seconds_text(kept.usual), note, tone, text)


def _memory(load: Load) -> Figure:
    much = load.peak > MUCH_MEMORY
    known = size_text(load.memory) if load.memory is not None else UNKNOWN
    text = "Of this process. The smallest hosts give 690 MB."
    return Figure(
        "Memory", known, f"peak {size_text(load.peak)}", "yellow" if much else "blue", text
    )


def seconds_text(seconds: float | None) -> str:
    """A short duration: 16 ms, 1.2 s, 45 s."""
    if seconds is None:
        return UNKNOWN
    if seconds < 1:
        return f"{1_000 * seconds:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"


def size_text(size: int) -> str:
    """So many bytes: 312 MB, 1.2 GB."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
