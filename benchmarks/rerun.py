"""What one rerun of the Live page costs while models are being trained.

``python -m benchmarks.rerun`` watches the replay at 60x, where a bar closes every second. The claim
is on the CPU time of the script thread, because wall time depends on what else the machine does.
A second visitor asks for one new horizon after another, so that a model is always in training.
Beside it, in the same run, the plain app of `benchmarks.plain_app` on the same sample.
"""

import json
import sys
import time
from itertools import cycle
from math import inf
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from threading import Event, Thread

from benchmarks.claims import Claim, at_most, publish
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
PLAIN = (*COMMAND[:-1], "benchmarks/plain_app.py")
PLAIN_WARM_UP, PLAIN_RERUNS = 2, 15


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
    return sum(1 for _ in models.glob("*.model"))


def script_times(file: Path, session_id: str, count: int) -> list[float]:
    """Milliseconds of CPU of the last reruns."""
    every = [json.loads(line) for line in file.read_text().splitlines()]
    return [1000 * each["cpu"] for each in every if each["session"] == session_id][-count:]


def line(title: str, values: list[float], unit: str) -> str:
    """Median and 95th percentile."""
    middle, high = median(values), percentile(values, 0.95)
    return f"{title}: median {middle:,.1f} {unit}, p95 {high:,.1f} {unit}"


def show(title: str, cpu: list[float], runs: list[Run]) -> None:
    """What a rerun took and sent."""
    print(line(f"{title}, CPU of the script thread", cpu, "ms"))
    print(line("  wall time on the WebSocket", [1000 * run.seconds for run in runs], "ms"))
    print(line("  sent, before compression", [run.size / 1000 for run in runs], "KB"), flush=True)


def ours(folder: Path) -> list[Claim]:
    """Claims on the Live page."""
    file = folder / "times.jsonl"
    with app_server(folder, closed_venues(), command=COMMAND, **{TIMES: str(file)}) as server:
        runs, trained = measured(server, folder / "models")
    cpu = script_times(file, runs[-1].session_id, RERUNS)
    whole = [run.whole for run in runs]
    print(
        f"{len(runs)} reruns after {WARM_UP}, {sum(whole)} of them of the whole page;"
        f" {trained} models were trained meanwhile"
    )
    show("Live page", cpu, runs)
    for title, wanted in (("whole page", True), ("between bars", False)):
        some = [value for value, each in zip(cpu, whole, strict=True) if each == wanted]
        if some:
            print(line(f"  {title}, CPU", some, "ms"))
    between = [run.size / 1000 for run in runs if not run.whole]
    return [
        at_most("CPU of a warm rerun, median, ms", median(cpu), 25),
        at_most("CPU of a warm rerun, p95, ms", percentile(cpu, 0.95), 60),
        at_most("Sent per refresh between bars, largest, KB", max(between, default=inf), 8),
    ]


def plain(folder: Path) -> None:
    """The same measure for the plain app; no claim is made of it."""
    file = folder / "plain.jsonl"
    variables = {TIMES: str(file), "MARKETPULSE_EXCHANGE_SERVER": ""}
    with (
        app_server(folder / "plain", closed_venues(), command=PLAIN, **variables) as server,
        Session(server) as session,
    ):
        run, runs = session.rerun(), []
        for _ in range(PLAIN_WARM_UP + PLAIN_RERUNS):
            time.sleep(PAUSE_S)
            run = session.tick(run)
            runs.append(run)
    measured_runs = runs[PLAIN_WARM_UP:]
    show("Plain app", script_times(file, run.session_id, PLAIN_RERUNS), measured_runs)


def main() -> int:
    with TemporaryDirectory(prefix="marketpulse-") as name:
        claims = ours(Path(name))
        plain(Path(name))
    return publish("rerun", claims)


if __name__ == "__main__":
    sys.exit(main())
