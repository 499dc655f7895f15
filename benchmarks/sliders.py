"""From a slider to redrawn figures on the Backtest page, in a real browser.

The bundled sample is replayed, its forecasts are made once by the page's own button, and then the
margin is moved step by step by the keyboard. Every step is a value that nobody had before. Measured
from the key to the first frame in which both the table of figures and the equity curve are others.
"""

from collections.abc import Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from playwright.sync_api import Page

from benchmarks.claims import Claim, at_most, unmeasured
from benchmarks.session import app_server, closed_venues
from tests.browser import browser, chromium

CLAIM, LIMIT = "From a slider to redrawn figures, slowest, s", 1.0
STEPS = 10
WAIT_S = 300.0
SCREEN = {"width": 1400, "height": 1400}
# A rule that trades often, so that every step makes other figures.
EAGER = "centre=raw&buy_mae=0&sell_mae=0&fee=0&spread=0&impact=0&margin=0"
PROBE = """
(() => {
  const probe = (globalThis.sliderProbe = { pressed: 0 });
  addEventListener("keydown", () => (probe.pressed = performance.now()), true);
  probe.figures = () => document.querySelector('[data-testid="stTable"]')?.innerText ?? "";
  probe.curve = () =>
    document.querySelector(".js-plotly-plot .scatterlayer path.js-line")?.getAttribute("d") ?? "";
  probe.redrawn = (figures, curve) =>
    new Promise((done) => {
      const look = () => {
        const [now, drawn] = [probe.figures(), probe.curve()];
        if (now && drawn && now !== figures && drawn !== curve) done(performance.now());
        else requestAnimationFrame(look);
      };
      look();
    }).then((at) => (at - probe.pressed) / 1000);
})();
"""


def steps(page: Page) -> Iterator[float]:
    """Seconds of each step of the margin."""
    slider = page.get_by_test_id("stSlider").filter(has_text="Profit margin").get_by_role("slider")
    slider.focus()
    for _ in range(STEPS):
        page.wait_for_timeout(1_000)
        # Asked before the key is pressed, answered once the page is another.
        page.evaluate(
            "sliderProbe.waiting = sliderProbe.redrawn(sliderProbe.figures(), sliderProbe.curve());"
            "undefined"
        )
        page.keyboard.press("ArrowRight")
        yield page.evaluate("sliderProbe.waiting")


def measured() -> list[float]:
    """Seconds of all steps, on the page of a fresh server."""
    with (
        TemporaryDirectory(prefix="marketpulse-") as name,
        app_server(Path(name), closed_venues()) as server,
        browser() as driven,
    ):
        page = driven.new_context(viewport=SCREEN).new_page()
        page.set_default_timeout(WAIT_S * 1000)
        page.add_init_script(PROBE)
        page.goto(f"{server.url}/Backtest?source=sample&speed=1&refresh=60&{EAGER}")
        page.get_by_role("button", name="Run the backtest").click()
        page.get_by_role("button", name="Run again").wait_for()
        page.wait_for_function("sliderProbe.figures() && sliderProbe.curve()")
        print(f"Sliders: {page.get_by_text('after all costs').first.inner_text()}", flush=True)
        return list(steps(page))


def claims() -> Iterator[Claim]:
    if chromium() is None:
        yield unmeasured(CLAIM, LIMIT, "no Chromium here")
        return
    seconds = measured()
    print(f"  {STEPS} steps of the margin: median {median(seconds):.2f} s", flush=True)
    yield at_most(CLAIM, max(seconds), LIMIT)
