"""What a visitor sees while prices move and bars close: ``python -m benchmarks.browser``.

Two parts, each for this app and for the usual dashboard of `benchmarks.plain_app`, one after the
other in one Chromium. In the first, a stand-in exchange on loopback lets the price move all the
time, and the page is refreshed every two seconds. A tick is measured from the browser asking for
the rerun, which is before it starts, to the first frame with a moved price line. In the second, the
bundled sample is played a bar a second, and a visitor zooms in and waits until bars have closed
three times.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from playwright.sync_api import Browser, Page, TimeoutError

from benchmarks.claims import Claim, at_least, at_most, publish, unmeasured
from benchmarks.session import RUN_APP, app_server, closed_venues, percentile
from tests import chart_probe
from tests.browser import CANDLES, browser, chromium
from tests.exchange_server import ExchangeServer

TICKS, BARS = 10, 3
# Often while prices move; while bars close, as the app does by itself.
REFRESH_S, REPLAY_REFRESH_S = 2, 5
WAIT_S = 120.0
SCREEN = {"width": 1400, "height": 1000}


@dataclass(frozen=True, slots=True)
class App:
    """One of the two that are measured.

    Attributes
    ----------
    name : str
    command : tuple of str
        What Python is asked to run.
    live, replay : str
        Queries of the address: prices of the exchange, or the sample at 60x.
    ready : str
        JavaScript that is true once everything is drawn.
    """

    name: str
    command: tuple[str, ...]
    live: str
    replay: str
    ready: str


HERE = App(
    "Market Pulse",
    RUN_APP,
    f"refresh={REFRESH_S}",
    f"source=sample&speed=60&refresh={REPLAY_REFRESH_S}",
    # The headline and both verdicts count a full tail: no model is being fitted any more.
    "(document.body.innerText.match(/\\(last 200\\)/g) ?? []).length >= 3",
)
PLAIN = App(
    "Plain dashboard",
    ("-m", "streamlit", "run", "benchmarks/plain_app.py"),
    f"refresh={REFRESH_S}",
    f"refresh={REPLAY_REFRESH_S}",
    "chartProbe.bar() !== ''",
)


@dataclass(frozen=True, slots=True)
class Measured:
    """What became of one app.

    Attributes
    ----------
    moves : list of float
        Milliseconds from asking for a rerun to a moved price line, one for each tick.
    remounts : int
        How often the chart was built anew meanwhile.
    missing : int
        Frames without a chart meanwhile.
    kept : int
        Closed bars over which the zoom was kept.
    """

    moves: Sequence[float]
    remounts: int
    missing: int
    kept: int


@contextmanager
def visit(app: App, folder: Path, venues: str, query: str, driven: Browser) -> Iterator[Page]:
    """The app's page in a fresh context of the browser, once everything is drawn."""
    with app_server(folder, venues, command=app.command) as server:
        context = driven.new_context(viewport=SCREEN)
        page = context.new_page()
        page.set_default_timeout(WAIT_S * 1000)
        chart_probe.install(page)
        try:
            page.goto(f"{server.url}/?{query}")
            page.locator(CANDLES).first.wait_for(state="attached")
            page.wait_for_function(app.ready)
            page.wait_for_timeout(2_000 * REFRESH_S)
            yield page
        finally:
            context.close()


def ticks(page: Page) -> chart_probe.Seen:
    """What is seen while the price line moves so many times."""
    chart_probe.forget(page)
    for _ in range(4 * TICKS):
        page.wait_for_timeout(REFRESH_S * 1000)
        found = chart_probe.seen(page)
        if len(found.moves) >= TICKS:
            return found
    return chart_probe.seen(page)


def bars_kept(page: Page) -> int:
    """Over how many closed bars in a row a zoom was kept, at most `BARS`."""
    chart_probe.zoom(page)
    page.wait_for_timeout(500)
    before = chart_probe.x_range(page)
    for kept in range(BARS):
        chart_probe.wait_for_bars(page, 1, WAIT_S)
        if chart_probe.x_range(page) != before:
            return kept
    return BARS


def measured(app: App, folder: Path, exchange: str, driven: Browser) -> Measured:
    """Both parts for one app."""
    found, kept = chart_probe.Seen([], 0, 0), 0
    try:
        with visit(app, folder, exchange, app.live, driven) as page:
            found = ticks(page)
        plays, venues = folder / "replay", "" if app is PLAIN else closed_venues()
        with visit(app, plays, venues, app.replay, driven) as page:
            kept = bars_kept(page)
    except TimeoutError:
        # A page whose reruns take longer than its timer's interval never comes to their end.
        print(f"{app.name}: nothing drawn within {WAIT_S:g} s", flush=True)
    return Measured(found.moves, found.remounts, found.missing, kept)


def show(app: App, figures: Measured) -> None:
    """One line on one app."""
    moves = list(figures.moves) or [float("inf")]
    print(
        f"{app.name}: tick to screen median {median(moves):,.0f} ms,"
        f" p95 {percentile(moves, 0.95):,.0f} ms over {len(figures.moves)} ticks;"
        f" chart built anew {figures.remounts} times, {figures.missing} frames without one;"
        f" zoom kept over {figures.kept} of {BARS} closed bars",
        flush=True,
    )


def claims(figures: Measured) -> list[Claim]:
    """The three claims, on this app."""
    middle = median(figures.moves) if figures.moves else float("inf")
    return [
        at_most("Tick to screen after the rerun is asked for, median, ms", middle, 200),
        at_least("Ticks that moved the price line", len(figures.moves), TICKS),
        at_most(f"Chart built anew in {TICKS} ticks, times", figures.remounts, 0),
        at_least("Closed bars over which a zoom is kept", figures.kept, BARS),
    ]


def main() -> int:
    if chromium() is None:
        return publish("browser", [unmeasured("Zoom, remounts and ticks", 0, "no Chromium here")])
    found = {}
    with (
        TemporaryDirectory(prefix="marketpulse-") as name,
        ExchangeServer() as exchange,
        browser() as driven,
    ):
        for app in (HERE, PLAIN):
            folder = Path(name) / app.name.replace(" ", "-")
            found[app.name] = measured(app, folder, exchange.url, driven)
            show(app, found[app.name])
    return publish("browser", claims(found[HERE.name]))


if __name__ == "__main__":
    sys.exit(main())
