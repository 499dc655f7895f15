"""Every page at three widths in two themes: how it looks, and that nothing is wrong with it.

The clock stands still, so the pages look the same every time. They are compared with pictures of
few points in ``references``; ``MARKETPULSE_NEW_REFERENCES=1`` makes these anew.
"""

import os
import re
from functools import cache
from itertools import product
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import expect

from benchmarks.session import app_server, closed_venues
from tests.pictures import alike, difference, small
from tests.screens import (
    ARTIFACTS,
    HEIGHT,
    NAMES,
    QUERY,
    SETTLED,
    THEMES,
    WAIT_MS,
    WIDTHS,
    Tab,
    compute,
    steady,
    violations,
)
from tests.test_browser import _complaint, chrome  # noqa: F401  a fixture

REFERENCES = Path(__file__).parent / "references"
MAKE_NEW = os.environ.get("MARKETPULSE_NEW_REFERENCES") == "1"
FROZEN = ("-m", "tests.frozen_app", "run", "app.py")
# In this order each page is opened once for a width, and its theme changes while it is open.
EVERY = [(theme, *which) for which in product(WIDTHS, NAMES) for theme in THEMES]
# Too slow to be asked everywhere: both themes, and a phone.
JUDGED = [*product(THEMES, WIDTHS[:1], NAMES), *product(THEMES[1:], WIDTHS[-1:], NAMES)]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The app, for which it is always now."""
    folder = tmp_path_factory.mktemp("frozen")
    with app_server(folder, closed_venues(), command=FROZEN) as running:
        yield running


@pytest.fixture(scope="module")
def context(chrome):  # noqa: F811
    """One cache for all tabs."""
    made = chrome.new_context(
        timezone_id="Europe/Berlin",
        locale="en-US",
        reduced_motion="reduce",
        permissions=["clipboard-read", "clipboard-write"],
    )
    made.set_default_timeout(WAIT_MS)
    yield made
    made.close()


def opened(context, address, width):
    """A tab that shows an address."""
    tab = Tab(context.new_page(), width)
    tab.page.on("console", lambda said: tab.complaints.extend(_complaint(said)))
    tab.page.on("pageerror", lambda error: tab.complaints.append(str(error)))
    tab.page.set_viewport_size({"width": width, "height": HEIGHT})
    tab.page.goto(address)
    tab.page.get_by_role("heading").nth(1).wait_for()
    tab.page.wait_for_function(SETTLED)
    return tab


@pytest.fixture(scope="module")
def made(context, server):
    """Address of the server, once it has made all that it can."""
    page = context.new_page()
    page.goto(f"{server.url}/Accuracy?{QUERY}")
    page.get_by_test_id("stMetric").first.wait_for()
    page.goto(f"{server.url}/Backtest?{QUERY}")
    compute(page)
    page.close()
    return server.url


@pytest.fixture(scope="module")
def tab_of(context, made):
    """The tab of a width, opened when it is first asked for."""
    return cache(lambda width: opened(context, f"{made}/?{QUERY}", width))


@pytest.fixture(scope="module")
def screen_of(tab_of):
    """What a page looks like in a width and a theme; looked at once."""

    @cache
    def screen(theme, width, name):
        seen = tab_of(width).look(name, theme, judged=(theme, width, name) in JUDGED)
        ARTIFACTS.mkdir(parents=True, exist_ok=True)
        (ARTIFACTS / f"{name}-{width}-{theme}.jpg").write_bytes(seen.screenshot)
        return seen

    return screen


def reference(theme, width, name):
    return REFERENCES / f"{name.lower()}-{width}-{theme}.png"


@pytest.mark.parametrize(("theme", "width", "name"), EVERY)
def test_every_page_looks_as_it_did(screen_of, theme, width, name):
    now, kept = small(screen_of(theme, width, name).screenshot), reference(theme, width, name)
    if MAKE_NEW:
        REFERENCES.mkdir(exist_ok=True)
        now.save(kept, optimize=True)
    assert alike(now, Image.open(kept)), difference(now, Image.open(kept))


@pytest.mark.parametrize(("theme", "width", "name"), EVERY)
def test_no_page_is_wider_than_its_screen(screen_of, theme, width, name):
    assert screen_of(theme, width, name).sideways <= 0


@pytest.mark.parametrize(("theme", "width", "name"), EVERY)
def test_no_page_makes_the_browser_complain(screen_of, theme, width, name):
    assert screen_of(theme, width, name).complaints == []


@pytest.mark.parametrize(("theme", "width", "name"), JUDGED)
def test_no_page_breaks_a_rule_of_accessibility_seriously(screen_of, theme, width, name):
    assert screen_of(theme, width, name).violations == []


SPOILED = {
    "a figure is missing": ("[data-testid=stMetric]", "visibility: hidden"),
    "a line of small text is missing": ("[data-testid=stCaptionContainer]", "visibility: hidden"),
    "a button has moved": ("[data-testid=stBaseButton-primary]", "translate: 0 10px"),
    "the candles are missing": (".marketpulse-chart .boxlayer", "visibility: hidden"),
}


@pytest.mark.parametrize("what", SPOILED)
def test_a_page_on_which_something_is_missing_or_moved_does_not_look_as_it_did(tab_of, what):
    tab, (selector, style) = tab_of(390), SPOILED[what]
    tab.turn_to("Live", "light")
    kept = Image.open(reference("light", 390, "Live"))
    assert alike(small(steady(tab.page)), kept)
    spoil = tab.page.add_style_tag(content=f"{selector} {{ {style} !important; }}")
    assert not alike(small(steady(tab.page)), kept)
    spoil.evaluate("style => style.remove()")


def test_a_first_visit_is_explained_until_the_visitor_has_had_enough(context, made):
    tab = opened(context, f"{made}/?refresh=60", 390)
    box = tab.page.get_by_text("New here?")
    expect(box).to_be_visible()
    assert violations(tab.page) == []
    tab.page.get_by_role("button", name="Got it").click()
    expect(box).to_have_count(0)
    tab.page.reload()
    expect(tab.page.get_by_test_id("stMetric").first).to_be_visible()
    expect(box).to_have_count(0)
    assert tab.complaints == []
    tab.page.close()


def test_the_link_can_be_copied_and_followed_and_does_not_hold_the_book(context, made):
    tab = opened(context, f"{made}/Accuracy?tail=300&refresh=60&zone=local", 1400)
    tab.page.get_by_role("button", name="Copy link").click()
    tab.page.get_by_test_id("stPopoverBody").get_by_test_id("stCode").hover()
    tab.page.get_by_role("button", name="Copy to clipboard").click()
    tab.page.wait_for_function("async () => (await navigator.clipboard.readText()) !== ''")
    link = tab.page.evaluate("navigator.clipboard.readText()")
    assert link == f"{made}/Accuracy?refresh=60&zone=local&tail=300"
    taken = opened(context, link, 1400)
    tail = taken.page.get_by_test_id("stSlider").filter(has_text="Judge by the last")
    expect(tail.get_by_role("slider")).to_have_value("300")
    expect(taken.page.get_by_text("18:30 UTC")).to_have_count(0)
    assert book(taken.page) != book(tab.page)
    for each in (tab, taken):
        assert each.complaints == []
        each.page.close()


def book(page):
    return re.search(r"book=([\w-]{22})", page.url)[1]
