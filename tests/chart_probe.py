"""What a page's chart does in the browser, whoever drew it; shared by tests and benchmarks.

The probe looks at every frame that the browser draws. It asks nothing of the chart but that Plotly
drew it, so that it measures other apps in the same way.
"""

from dataclasses import dataclass

from playwright.sync_api import Page

CHART = ".js-plotly-plot"
PROBE = """
(() => {
  const probe = (globalThis.chartProbe = { asked: [], moved: [], remounts: 0, missing: 0 });
  const send = WebSocket.prototype.send;
  WebSocket.prototype.send = function (...what) {
    probe.asked.push(performance.now());
    return send.apply(this, what);
  };
  probe.chart = () => document.querySelector(".js-plotly-plot");
  probe.candles = () => probe.chart()?.data?.find((trace) => trace.type === "candlestick");
  probe.bar = () => String(probe.candles()?.x.at(-1) ?? "");
  probe.range = () => probe.chart().layout.xaxis.range.map(String);
  let picture = null, line = null;
  const look = () => {
    const now = document.querySelector(".js-plotly-plot .main-svg");
    if (picture && now && now !== picture) probe.remounts += 1;
    if (picture && !now) probe.missing += 1;
    picture = now ?? picture;
    const drawn = [...document.querySelectorAll(".js-plotly-plot .shapelayer path")];
    // Plotly sorts shapes by layers, so any of them may be the price.
    const at = drawn.map((each) => each.getAttribute("d")).join();
    if (at && line && at !== line) probe.moved.push(performance.now());
    line = at ?? line;
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
})();
"""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the probe saw since the page was opened, or since `forget`.

    Attributes
    ----------
    moves : list of float
        Milliseconds from the browser asking for a rerun to the frame with a moved price line.
    remounts : int
        How often the chart was built anew.
    missing : int
        Frames without a chart, once there was one.
    """

    moves: list[float]
    remounts: int
    missing: int


def install(page: Page) -> None:
    """Let the probe look at every page that is opened from now on."""
    page.add_init_script(PROBE)


def forget(page: Page) -> None:
    """Count from now on."""
    page.evaluate("Object.assign(chartProbe, { asked: [], moved: [], remounts: 0, missing: 0 })")


def seen(page: Page) -> Seen:
    """What was seen so far."""
    found = page.evaluate(
        "(({ asked, moved, remounts, missing }) => ({ asked, moved, remounts, missing }))"
        "(chartProbe)"
    )
    asked, moved = found["asked"], found["moved"]
    moves, before = [], 0.0
    for at in moved:
        last = max((each for each in asked if each <= at), default=before)
        if last > before:  # the first move after it was asked for, not what follows by itself
            moves.append(at - last)
        before = last
    return Seen(moves, found["remounts"], found["missing"])


def newest_bar(page: Page) -> str:
    """Time of the newest candle in the chart; empty without one."""
    return str(page.evaluate("chartProbe.bar()"))


def wait_for_bars(page: Page, count: int, timeout_s: float) -> None:
    """Wait until the newest candle of the chart has changed so many times."""
    for _ in range(count):
        page.wait_for_function(
            "before => chartProbe.bar() && chartProbe.bar() !== before",
            arg=newest_bar(page),
            timeout=timeout_s * 1000,
        )


def x_range(page: Page) -> list[str]:
    """The times between which the chart is drawn."""
    found: list[str] = page.evaluate("chartProbe.range()")
    return found


def zoom(page: Page) -> None:
    """Draw a box into the chart, as a visitor does who wants to see a part of it."""
    page.locator(f"{CHART} .nsewdrag").first.scroll_into_view_if_needed()
    box = page.locator(f"{CHART} .nsewdrag").first.bounding_box()
    assert box is not None
    left, top = box["x"] + box["width"] * 0.3, box["y"] + box["height"] * 0.3
    page.mouse.move(left, top)
    page.mouse.down()
    page.mouse.move(left + box["width"] * 0.3, top + box["height"] * 0.3, steps=5)
    page.mouse.up()
