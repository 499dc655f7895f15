"""How soon a fresh process shows its chart and both forecasts: ``python -m benchmarks.coldstart``.

Each start is a new server process with its own empty folder, or with the models of an earlier
start. Time runs from the start of the process to the end of the first rerun whose messages hold
what is asked for, on the WebSocket; reruns are asked for when the page's own timer asks for them.
The first server response is the first HTTP answer of the page. The plain app of
`benchmarks.plain_app`, which saves no models, is started beside ours.

A quarter of a core, and whether the requirements can be installed on an older Linux, are only
measured where the machine and the network allow it. ``--full`` watches the memory for an hour.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.claims import Claim, at_most, publish
from benchmarks.load import crowded
from benchmarks.load import show as show_crowd
from benchmarks.quota import GROUP, quota
from benchmarks.session import (
    ROOT,
    RUN_APP,
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

PLAIN = ("-m", "streamlit", "run", "benchmarks/plain_app.py")
QUARTERED = ("-m", "benchmarks.quota", *RUN_APP)
CORES = 0.25
FEW, SHORT_S, HOUR_S = 5, 60.0, 3_600.0
PYTHONS = ("3.11", "3.12", "3.13")
GLIBCS = (
    "_2_31",
    "_2_28",
    "_2_27",
    "_2_26",
    "_2_24",
    "_2_17",
    "2014",
    "_2_12",
    "2010",
    "_2_5",
    "1",
)
RESOLVE = (
    *("-m", "pip", "install", "--dry-run", "--quiet", "--target", "nowhere", "--ignore-installed"),
    *("--only-binary=:all:", "--implementation", "cp", "-r", "requirements.txt"),
    *(part for each in GLIBCS for part in ("--platform", f"manylinux{each}_x86_64")),
)
# What pip says when nobody answers.
OFFLINE = ("NewConnectionError", "Failed to establish", "No module named pip", "ReadTimeout")
STARTS = 5
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


def start(folder: Path, venues: str, command: Sequence[str] = RUN_APP, **variables: str) -> Start:
    """Start a server, visit it until everything is there, and end it."""
    with (
        app_server(folder, venues, command=command, **variables) as server,
        Session(server) as session,
    ):
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
    show(
        "Plain app, venues answer", [start(folder / "plain", venues, PLAIN) for _ in range(STARTS)]
    )
    return [
        at_most("First HTTP answer of the page, s", middle(saved, "answer"), 1.0),
        at_most("Saved models, venues answer: chart, s", middle(saved, "chart"), 1.8),
        at_most("Saved models, venues answer: both forecasts, s", middle(saved, "forecasts"), 3.5),
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


def quartered(folder: Path, venues: str) -> list[Claim]:
    """The claim on a quarter of a core; none where no such limit can be set."""
    try:
        with quota(CORES) as group:
            began = start(folder / "saved", venues, QUARTERED, **{GROUP: str(group)})
    except OSError as error:
        print(f"Not measured: {CORES:g} core ({error})", flush=True)
        return []
    show(f"Saved models, {CORES:g} core", [began])
    return [at_most(f"Saved models, {CORES:g} core: both forecasts, s", began.forecasts, 12)]


def installable() -> list[Claim]:
    """The claim on the requirements; none without a network."""
    missing = 0
    for version in PYTHONS:
        tried = subprocess.run(
            [sys.executable, *RESOLVE, "--python-version", version],
            cwd=ROOT, capture_output=True, text=True,
        )  # fmt: skip
        if tried.returncode and any(sign in tried.stderr for sign in OFFLINE):
            print("Not measured: what can be installed, without a network", flush=True)
            return []
        missing += tried.returncode != 0
        print(
            f"Python {version}, glibc 2.31: {'no' if tried.returncode else 'resolves'}", flush=True
        )
    return [at_most("Pythons on glibc 2.31 for which the requirements do not resolve", missing, 0)]


def first_hour(folder: Path, venues: str, seconds: float) -> list[Claim]:
    """Memory of a fresh start with a few visitors."""
    with app_server(folder / "hour", venues) as server:
        crowd, usage = crowded(server, FEW, seconds, "refresh=5")
    show_crowd(f"{FEW} sessions, {seconds / 60:g} min", crowd, usage)
    return [at_most(f"{FEW} sessions, first {seconds / 60:g} min: memory, MB", usage.peak, 690)]


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


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="How soon everything is there.")
    parser.add_argument("--full", action="store_true", help="watch the memory for an hour")
    seconds = HOUR_S if parser.parse_args(arguments).full else SHORT_S
    with TemporaryDirectory(prefix="marketpulse-") as name, ExchangeServer() as exchange:
        folder = Path(name)
        claims = servers(folder, exchange.url)
        in_browser(folder / "saved", exchange.url)
        claims += commands(folder)
        claims += quartered(folder, exchange.url)
        claims += first_hour(folder, exchange.url, seconds)
    claims += installable()
    return publish("coldstart", claims)


if __name__ == "__main__":
    sys.exit(main())
