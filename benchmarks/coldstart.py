"""How soon a fresh process shows its chart and both forecasts: ``python -m benchmarks.coldstart``.

Each start is a new server process with its own empty folder, or with the models of an earlier
start. Time runs from the start of the process to the end of the first rerun whose messages hold
what is asked for, on the WebSocket; reruns are asked for when the page's own timer asks for them.
The first server response is the first HTTP answer of the page.
"""

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.claims import Claim, at_most, publish
from benchmarks.session import (
    ROOT,
    TIMEOUT_S,
    Run,
    Server,
    Session,
    app_server,
    closed_venues,
    environment,
)
from tests.browser import CANDLES, browser, chromium
from tests.exchange_server import ExchangeServer

STARTS = 3
COMMANDS = 5
FORECAST = ("-m", "marketpulse", "forecast", "--source", "sample", "--json")


@dataclass(frozen=True, slots=True)
class Start:
    """Seconds since the start of the process.

    Attributes
    ----------
    answer : float
        To the first HTTP answer of the page.
    message : float
        To the first message on the WebSocket.
    chart, forecasts : float
        To the end of the first run that holds the candles, or both forecasts.
    """

    answer: float
    message: float
    chart: float
    forecasts: float


def start(folder: Path, venues: str) -> Start:
    """Start a server, visit it until everything is there, and end it."""
    with app_server(folder, venues) as server, Session(server) as session:
        runs = []
        for run in session.ticking():
            runs.append(run)
            if run.has_chart and run.has_forecasts:
                return _seen(server, runs)
            if run.end - server.started > TIMEOUT_S:
                raise RuntimeError(f"no forecasts after {TIMEOUT_S:g} s")
    raise AssertionError("the timer never stops")


def _seen(server: Server, runs: list[Run]) -> Start:
    chart = next(run for run in runs if run.has_chart)
    moments = (server.answered, runs[0].first, chart.end, runs[-1].end)
    return Start(*(moment - server.started for moment in moments))


def middle(starts: list[Start], what: str) -> float:
    """The median of one figure."""
    return median(getattr(each, what) for each in starts)


def show(title: str, starts: list[Start]) -> None:
    """One line on one way to start."""
    names = ("answer", "message", "chart", "forecasts")
    figures = ", ".join(f"{name} {middle(starts, name):.2f} s" for name in names)
    each = " ".join(f"{each.forecasts:.2f}" for each in starts)
    print(f"{title}: {figures} (forecasts of each start: {each})", flush=True)


def servers(folder: Path, venues: str) -> list[Claim]:
    """Claims on the server, with and without models and venues."""
    for each in ("warm", "warm-again"):  # compiles every module, and saves the models
        start(folder / "saved", venues)
        print(f"Not measured: {each}", flush=True)
    saved = [start(folder / "saved", venues) for _ in range(STARTS)]
    show("Saved models, venues answer", saved)
    first = [start(folder / f"first-{n}", venues) for n in range(STARTS)]
    show("First start, venues answer", first)
    closed = [start(folder / f"closed-{n}", closed_venues()) for n in range(STARTS)]
    show("First start, no venue answers", closed)
    return [
        at_most("First HTTP answer of the page, s", middle(saved, "answer"), 1.5),
        at_most("Saved models, venues answer: chart, s", middle(saved, "chart"), 5),
        at_most("Saved models, venues answer: both forecasts, s", middle(saved, "forecasts"), 5),
        at_most("First start, no venue: chart, s", middle(closed, "chart"), 4),
        at_most("First start, no venue: both forecasts, s", middle(closed, "forecasts"), 10),
    ]


def command(folder: Path) -> float:
    """Seconds of one cold process of the command line."""
    begun = time.perf_counter()
    subprocess.run(
        [sys.executable, *FORECAST],
        cwd=ROOT, env=environment(folder, closed_venues()), check=True, capture_output=True,
    )  # fmt: skip
    return time.perf_counter() - begun


def commands(folder: Path) -> list[Claim]:
    """Claims on the command line, with and without models."""
    command(folder / "known")
    bare = median(command(folder / f"bare-{n}") for n in range(COMMANDS))
    known = median(command(folder / "known") for _ in range(COMMANDS))
    return [
        at_most("forecast --source sample --json, no saved model, s", bare, 6),
        at_most("forecast --source sample --json, saved models, s", known, 3),
    ]


def in_browser(folder: Path, venues: str) -> None:
    """Print how long Chromium takes from goto to a visible chart; no claim is made of it."""
    if chromium() is None:
        print("No Chromium here, so no time in a browser.")
        return
    with app_server(folder, venues) as server, browser() as driven:
        page = driven.new_page()
        begun = time.perf_counter()
        page.goto(server.url)
        page.locator(CANDLES).first.wait_for(timeout=TIMEOUT_S * 1000)
        seconds = time.perf_counter() - begun
    print(f"In Chromium, cold profile, saved models: goto to candles {seconds:.2f} s", flush=True)


def main() -> int:
    with TemporaryDirectory(prefix="marketpulse-") as name, ExchangeServer() as exchange:
        folder = Path(name)
        claims = servers(folder, exchange.url)
        in_browser(folder / "saved", exchange.url)
        claims += commands(folder)
    return publish("coldstart", claims)


if __name__ == "__main__":
    sys.exit(main())
