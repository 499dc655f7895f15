"""The app's pages in a browser, looked at once in each width and theme."""

from dataclasses import dataclass, field
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe

from tests.frozen_app import OWNER

ROOT = Path(__file__).parents[1]
# Not in git: whole screenshots, to be looked at when a test fails.
ARTIFACTS = ROOT / "artifacts" / "screens"
NAMES = ("Live", "Accuracy", "Backtest", "Ledger", "Health")
WIDTHS = (1400, 820, 390)
THEMES = ("dark", "light")
HEIGHT = 1000
WAIT_MS = 90_000
# A rule that trades without costs, so that a backtest has something to show.
EAGER = "centre=raw&buy_mae=0&sell_mae=0&fee=0&spread=0&impact=0"
QUERY = f"refresh=60&book={OWNER}&{EAGER}"
# What is on the page is there to stay: no rerun, nothing that is still to be loaded or drawn.
SETTLED = """() => {
  const app = document.querySelector("[data-testid=stApp]");
  const loading = "[data-stale=true], [data-testid=stSpinner],"
    + ":not(.st-key-timer *)[data-testid=stSkeleton]";
  const charts = [...document.querySelectorAll(".stPlotlyChart, .marketpulse-chart")];
  return app?.dataset.testScriptState === "notRunning" && !document.querySelector(loading)
    && charts.every((chart) => chart.querySelector(".main-svg"))
    && document.fonts.status === "loaded";
}"""
# The live chart has the colours of the page.
REPAINTED = """() => {
  const [axis, page] = [".marketpulse-chart .xtick text", "[data-testid=stApp]"].map((each) =>
    document.querySelector(each));
  return !axis || getComputedStyle(axis).fill === getComputedStyle(page).color;
}"""
# How the server itself does is never twice the same.
STILL = """() => {
  const figures = "[data-testid=stMetricValue], [data-testid=stMetricDelta]";
  for (const each of document.querySelectorAll(`.st-key-vitals :is(${figures})`)) {
    const texts = document.createTreeWalker(each, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) texts.currentNode.nodeValue = "0";
    each.style.visibility = "hidden";
  }
}"""
# Dots are not in the fonts that come with the app, so every machine has its own.
WITHOUT_DOTS = "p:has(> span[role=img]) { visibility: hidden; }"
TALL = "document.querySelector('[data-testid=stMain]').scrollHeight"
SIDEWAYS = """() => {
  const main = document.querySelector("[data-testid=stMain]");
  return Math.max(main.scrollWidth - main.clientWidth, document.body.scrollWidth - innerWidth);
}"""
# What axe finds and is not ours to mend, by its rule.
NOT_OURS = {
    # A wide table of Streamlit's scrolls sideways; browsers let a keyboard do that without help.
    "scrollable-region-focusable",
}


@dataclass(frozen=True, slots=True)
class Screen:
    """What was seen of a page.

    Attributes
    ----------
    screenshot : bytes
        All of it, as JPEG, which is made sooner.
    sideways : int
        Pixels by which it is wider than the screen.
    violations : list of str
        Accessibility rules that are broken seriously, and where.
    complaints : list of str
        What the browser's console said was wrong.
    """

    screenshot: bytes
    sideways: int
    violations: list[str]
    complaints: list[str]


@dataclass(frozen=True, slots=True)
class Tab:
    """A tab of one width, and what its console complains of."""

    page: object
    width: int
    complaints: list[str] = field(default_factory=list)

    def turn_to(self, name, theme):
        """Show a page in a theme, as tall as it is."""
        self.page.emulate_media(color_scheme=theme)
        if not self.page.title().startswith(name):
            self._follow(name)
        self.page.wait_for_function(SETTLED)
        self.page.wait_for_function(REPAINTED)
        self.page.evaluate(STILL)
        # Only what is on the screen is drawn, and looked at by axe.
        tall = int(self.page.evaluate(TALL))
        self.page.set_viewport_size({"width": self.width, "height": tall})
        self.page.wait_for_function(SETTLED)

    def _follow(self, name):
        self.page.set_viewport_size({"width": self.width, "height": HEIGHT})
        self.page.get_by_role("link", name=name, exact=True).click()
        self.page.wait_for_function("name => document.title.startsWith(name)", arg=name)
        # What is pointed at looks different.
        self.page.mouse.move(0, 0)

    def look(self, name, theme, *, judged=True):
        """See a page; ``judged`` if its accessibility is to be looked at as well."""
        self.turn_to(name, theme)
        found = violations(self.page) if judged else []
        return Screen(steady(self.page), self.page.evaluate(SIDEWAYS), found, list(self.complaints))


def steady(page):
    """A screenshot that the next one equals."""
    before, now = None, b""
    while before != now:
        before, now = (
            now,
            page.screenshot(type="jpeg", quality=90, animations="disabled", style=WITHOUT_DOTS),
        )
    return now


def violations(page):
    """The accessibility rules that a page breaks seriously, and where."""
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return [
        f"{each['id']}: {node['html'][:200]} {node['failureSummary']}"
        for each in found
        if each["impact"] in ("serious", "critical") and each["id"] not in NOT_OURS
        for node in each["nodes"]
    ]


def compute(page):
    """Let the Backtest page make all that it can."""
    for label in ("Run the backtest", "Compare with luck", "Map the thresholds"):
        page.get_by_role("button", name=label).click()
        page.get_by_role("button", name=label).wait_for(state="detached")
    page.get_by_role("button", name="Use this cell").wait_for()
