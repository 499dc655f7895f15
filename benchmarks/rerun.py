"""What one rerun of the Live page costs while models are being trained.

``python -m benchmarks.rerun`` watches the replay at 60x, where a bar closes every second. The claim
is on the CPU time of the script thread, because wall time depends on what else the machine does.
A second visitor asks for one new horizon after another, so that a model is always in training.
"""

import json
import sys
import time
from itertools import cycle
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from threading import Event, Thread

from benchmarks.claims import at_most, publish
from benchmarks.session import (
    TIMEOUT_S,
    Run,
    Server,
    Session,
    app_server,
    closed_venues,
    percentile,
    slid,
)
from benchmarks.timed_server import TIMES
from marketpulse.horizons import LONG
from marketpulse.settings import DEFAULTS

QUERY = "source=sample"
WARM_UP, RERUNS = 10, 80
PAUSE_S = 0.4
NEXT_HORIZON_S = 4.0
COMMAND = ("-m", "benchmarks.timed_server", "run", "app.py")


def other_visitor(server: Server, done: Event) -> None:
    """Move the slider of the long horizon to and fro until ``done``."""
    others = [steps for steps in range(3, 25) if steps != LONG.steps]
    with Session(server, QUERY) as session:
        run = session.rerun()
        for steps in cycle(others):
            if done.wait(NEXT_HORIZON_S):
                return
            run = session.rerun(slid(run.slider("Long model looks ahead"), steps))


def ready(session: Session) -> Run:
    """The first run that holds everything, both tails included.

    Raises
    ------
    RuntimeError
        If that takes longer than `TIMEOUT_S`.
    """
    begun = time.perf_counter()
    for run in session.ticking():
        if run.has_forecasts and run.timer.interval >= DEFAULTS.refresh:
            return run
        if run.end - begun > TIMEOUT_S:
            break
    raise RuntimeError(f"no forecasts after {TIMEOUT_S:g} s")


def measured(server: Server, models: Path) -> tuple[list[Run], int]:
    """Reruns of the Live page without the warm-up, and how many models were trained meanwhile."""
    done = Event()
    with Session(server, QUERY) as session:
        run = ready(session)
        trainer = Thread(target=other_visitor, args=(server, done))
        trainer.start()
        try:
            runs, before = [], saved(models)
            for _ in range(WARM_UP + RERUNS):
                time.sleep(PAUSE_S)
                run = session.tick(run)
                runs.append(run)
        finally:
            done.set()
            trainer.join()
    return runs[WARM_UP:], saved(models) - before


def saved(models: Path) -> int:
    """Number of models that were ever trained here; each is saved when it is ready."""
    return sum(1 for _ in models.glob("*.joblib"))


def script_times(file: Path, session_id: str) -> list[dict[str, float]]:
    """CPU and wall time of the measured reruns."""
    every = [json.loads(line) for line in file.read_text().splitlines()]
    return [each for each in every if each["session"] == session_id][-RERUNS:]


def line(title: str, values: list[float], unit: str) -> str:
    """Median and 95th percentile."""
    middle, high = median(values), percentile(values, 0.95)
    return f"{title}: median {middle:,.1f} {unit}, p95 {high:,.1f} {unit}"


def main() -> int:
    with TemporaryDirectory(prefix="marketpulse-") as name:
        folder = Path(name)
        file = folder / "times.jsonl"
        with app_server(folder, closed_venues(), command=COMMAND, **{TIMES: str(file)}) as server:
            runs, trained = measured(server, folder / "models")
        times = script_times(file, runs[-1].session_id)
    closed = [run.whole for run in runs]
    cpu = [1000 * each["cpu"] for each in times]
    print(
        f"{len(runs)} reruns after {WARM_UP}, {sum(closed)} of them after a bar had closed;"
        f" {trained} models were trained meanwhile"
    )
    print(line("CPU of the script thread", cpu, "ms"))
    for title, wanted in (("after a closed bar", True), ("between bars", False)):
        some = [value for value, new in zip(cpu, closed, strict=True) if new == wanted]
        if some:
            print(line(f"  {title}", some, "ms"))
    print(line("Wall time of the script", [1000 * each["wall"] for each in times], "ms"))
    print(line("Wall time on the WebSocket", [1000 * run.seconds for run in runs], "ms"))
    print(line("Sent, before compression", [run.size / 1000 for run in runs], "KB"))
    return publish("rerun", [at_most("CPU of a warm rerun, median, ms", median(cpu), 60)])


if __name__ == "__main__":
    sys.exit(main())
