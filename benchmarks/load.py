"""Many visitors at once: ``python -m benchmarks.load``; ``--full`` is a soak of half an hour.

A hundred sessions arrive at the same moment, and then each asks for a rerun every ten seconds, as
its page's own timer does. The market is live, from the loopback exchange of the tests, so one
rerun in six follows a closed bar. The plain app of `benchmarks.plain_app` gets the same visitors.

The soak keeps 20 sessions while a venue fails in one way or another every minute, and watches what
the server's process takes: memory, threads, open files.
"""

import argparse
import random
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from threading import Barrier, Event, Lock, Thread

import numpy as np

from benchmarks.claims import Claim, at_most, publish
from benchmarks.session import RUN_APP, Run, Server, Session, app_server, percentile
from tests.exchange_server import ExchangeServer

VISITORS, REFRESH_S, LOAD_S = 100, 10.0, 120.0
PLAIN_LOAD_S = 60.0
SOAKING, SOAK_S, FAULT_S, SOAK_WARM_UP_S = 20, 1_800.0, 60.0, 600.0
PLAIN = ("-m", "streamlit", "run", "benchmarks/plain_app.py")
SAMPLE_S = 1.0
# What a venue does wrong for half a minute; then it is well again.
FAULTS: tuple[int | str, ...] = (429, 503, "hang", "html", "truncated", "empty", 403, "reset")
ALLOWED_MB = 690


@dataclass(slots=True)
class Usage:
    """What a process took, a row for each look at it.

    Attributes
    ----------
    rows : list of (float, float, int, int)
        Seconds since the first look, resident MB, threads, open files.
    """

    rows: list[tuple[float, float, int, int]] = field(default_factory=list)

    @property
    def peak(self) -> float:
        """Most resident MB."""
        return max(row[1] for row in self.rows)

    def after(self, seconds: float) -> np.ndarray:
        """The rows later than so many seconds."""
        return np.array([row for row in self.rows if row[0] >= seconds])


def watched(pid: int, done: Event) -> Usage:
    """Look at a process every second until ``done``."""
    usage, begun, folder = Usage(), time.monotonic(), Path("/proc") / str(pid)
    while not done.wait(SAMPLE_S):
        told = dict(
            line.split(":", 1)
            for line in (folder / "status").read_text().splitlines()
            if ":" in line
        )
        memory, threads = int(told["VmRSS"].split()[0]) / 1000, int(told["Threads"])
        files = sum(1 for _ in (folder / "fd").iterdir())
        usage.rows.append((time.monotonic() - begun, memory, threads, files))
    return usage


@dataclass(slots=True)
class Crowd:
    """What many visitors met with.

    Attributes
    ----------
    first : list of float
        Seconds until each had its first page.
    reruns : list of float
        Seconds of every later rerun.
    errors : list of str
    """

    first: list[float] = field(default_factory=list)
    reruns: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)


def visit(server: Server, query: str, crowd: Crowd, together: Barrier, until: float) -> None:
    """One visitor: arrive with the others, stay, and leave."""
    rest = random.Random(id(together) + time.monotonic_ns())
    together.wait()
    begun = time.perf_counter()
    try:
        with Session(server, query) as session:
            run = session.rerun()
            with crowd.lock:
                crowd.first.append(time.perf_counter() - begun)
            # Nobody's timer begins at the same moment as everybody else's.
            time.sleep(REFRESH_S * rest.random())
            while time.monotonic() < until:
                run = refreshed(session, run, crowd)
                time.sleep(max(0.0, REFRESH_S - run.seconds))
    except (OSError, RuntimeError, LookupError) as error:
        with crowd.lock:
            crowd.errors.append(f"{type(error).__name__}: {error}")


def refreshed(session: Session, run: Run, crowd: Crowd) -> Run:
    """One tick of the timer."""
    after = session.tick(run)
    with crowd.lock:
        crowd.reruns.append(after.seconds)
    return after


def crowded(server: Server, visitors: int, seconds: float, query: str) -> tuple[Crowd, Usage]:
    """Let a crowd visit a server for so many seconds."""
    crowd, together, done = Crowd(), Barrier(visitors), Event()
    until, usages = time.monotonic() + seconds, []
    watcher = Thread(target=lambda: usages.append(watched(server.pid, done)))
    watcher.start()
    threads = [
        Thread(target=visit, args=(server, query, crowd, together, until)) for _ in range(visitors)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    done.set()
    watcher.join()
    return crowd, usages[0]


def warmed(server: Server, query: str) -> None:
    """One visit until everything is there."""
    with Session(server, query) as session:
        for run in session.ticking():
            if run.has_forecasts and run.timer.interval >= REFRESH_S:
                return


def show(title: str, crowd: Crowd, usage: Usage) -> None:
    """What a crowd met with, in three lines."""
    print(
        f"{title}: {len(crowd.first)} served, {len(crowd.reruns)} reruns,"
        f" {len(crowd.errors)} errors"
    )
    print(f"  first page: median {median(crowd.first):.2f} s, last {max(crowd.first):.2f} s")
    if crowd.reruns:
        slow = percentile(crowd.reruns, 0.95)
        print(f"  rerun: median {median(crowd.reruns):.3f} s, p95 {slow:.3f} s")
    print(f"  memory: {usage.peak:,.0f} MB at most", flush=True)
    for error in sorted(set(crowd.errors))[:3]:
        print(f"  {error}")


def loaded(
    folder: Path, venues: str, command: Sequence[str], seconds: float, query: str
) -> tuple[Crowd, Usage]:
    """A crowd on a fresh server of the app or of the plain one."""
    with app_server(folder, venues, command=command) as server:
        warmed(server, query)
        return crowded(server, VISITORS, seconds, query)


def load(folder: Path) -> list[Claim]:
    """A hundred at once, here and at the plain app."""
    query = f"refresh={REFRESH_S:g}"
    with ExchangeServer() as exchange:
        crowd, usage = loaded(folder / "ours", exchange.url, RUN_APP, LOAD_S, query)
        show("Market Pulse", crowd, usage)
        show("Plain app", *loaded(folder / "plain", exchange.url, PLAIN, PLAIN_LOAD_S, query))
    return [
        at_most("100 sessions, a rerun every 10 s: p95, s", percentile(crowd.reruns, 0.95), 1),
        at_most("100 sessions: errors", len(crowd.errors), 0),
        at_most("100 sessions: memory at most, MB", usage.peak, ALLOWED_MB),
        at_most("100 arrive at once: the last is served after, s", max(crowd.first), 20),
    ]


def troubled(exchange: ExchangeServer, done: Event) -> None:
    """Let the preferred venue fail in one way after another, a fault a minute."""
    for fault in cycle(FAULTS):
        if done.wait(FAULT_S / 2):
            return
        exchange.fail("bitstamp", fault)
        if done.wait(FAULT_S / 2):
            return
        exchange.heal("bitstamp")


def slope(rows: np.ndarray, column: int) -> float:
    """Growth in ten minutes, by least squares."""
    return float(np.polyfit(rows[:, 0] / 600, rows[:, column], 1)[0])


def soak(folder: Path) -> list[Claim]:
    """20 sessions, half an hour, a fault a minute."""
    done = Event()
    with ExitStack() as stack:
        exchange = stack.enter_context(ExchangeServer())
        server = stack.enter_context(app_server(folder / "soak", exchange.url))
        warmed(server, f"refresh={REFRESH_S:g}")
        trouble = Thread(target=troubled, args=(exchange, done))
        trouble.start()
        try:
            crowd, usage = crowded(server, SOAKING, SOAK_S, f"refresh={REFRESH_S:g}")
        finally:
            done.set()
            trouble.join()
    show("Soak", crowd, usage)
    rows = usage.after(SOAK_WARM_UP_S)
    return [
        at_most("Soak: growth of memory in 10 min, MB", slope(rows, 1), 1),
        at_most("Soak: growth of threads in 10 min", slope(rows, 2), 0.5),
        at_most("Soak: growth of open files in 10 min", slope(rows, 3), 0.5),
        at_most("Soak: errors", len(crowd.errors), 0),
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Many visitors at once.")
    parser.add_argument("--full", action="store_true", help="a soak of half an hour as well")
    full = parser.parse_args(arguments).full
    parts: tuple[Callable[[Path], list[Claim]], ...] = (load, soak) if full else (load,)
    with TemporaryDirectory(prefix="marketpulse-") as name:
        claims = [claim for part in parts for claim in part(Path(name))]
    return publish("load", claims)


if __name__ == "__main__":
    sys.exit(main())
