import os
import re
from contextlib import contextmanager

import pytest
from playwright.sync_api import expect

from benchmarks.session import app_server, closed_venues
from tests.browser import CANDLES, browser, chromium

# Nothing is timed here: a busy machine may take its time.
WAIT_MS = 90_000
expect.set_options(timeout=WAIT_MS)
SCREEN = {"width": 1400, "height": 1000}
# On a deep link Streamlit looks for its server below the page first, and then at the root.
PROBE = r"http://127\.0\.0\.1:\d+/(Accuracy|Ledger|Backtest|Health)/_stcore/(health|host-config)"
# A paper trade is refused on candles that are too old.
FRESH = re.compile(r"newest candle closed \d+ s ago")


@pytest.fixture(scope="module")
def chrome():
    """One browser for all tests; each takes a context of its own."""
    if chromium() is None:
        if os.environ.get("CI") == "true":
            pytest.fail("CI needs a Chromium on the path")
        pytest.skip("no Chromium on the path")
    with browser() as driven:
        yield driven


@contextmanager
def visit(chrome, address, prepare=lambda _: None):
    """A fresh visit; at its end nothing may have gone wrong in the browser or on the page."""
    context = chrome.new_context(viewport=SCREEN)
    page = context.new_page()
    page.set_default_timeout(WAIT_MS)
    prepare(page)
    complaints = []
    page.on("console", lambda said: complaints.extend(_complaint(said)))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    try:
        page.goto(address)
        yield page
        assert page.get_by_test_id("stException").count() == 0
        assert complaints == []
    finally:
        context.close()


def _complaint(said):
    url = said.location["url"]
    wrong = said.type == "error" and not re.fullmatch(PROBE, url)
    return [f"{said.text} at {url}"] if wrong else []


def metric(page, label):
    return page.get_by_test_id("stMetric").filter(has_text=label)


def address(path, setting):
    """A page's address with a setting and the visitor's book in it, in any order."""
    both = rf"(?=[^#]*\b{re.escape(setting)}\b)(?=[^#]*\bbook=[\w-]{{22}})"
    return re.compile(rf"http://127\.0\.0\.1:\d+/{path}\?{both}")


def slider(page, label):
    return page.get_by_test_id("stSlider").filter(has_text=label).get_by_role("slider")


def test_a_visitor_without_a_network_sees_candles_and_forecasts_and_buys_once(chrome, tmp_path):
    with (
        app_server(tmp_path, closed_venues()) as server,
        visit(chrome, server.url) as page,
    ):
        page.locator(CANDLES).first.wait_for()
        assert page.locator(CANDLES).count() > 30
        for label in ("In 1 min", "In 45 min"):
            expect(metric(page, label)).to_contain_text(re.compile(r"\d\d,\d{3}"))
        expect(page.get_by_text(FRESH)).to_be_visible(timeout=WAIT_MS)
        expect(metric(page, "Position")).to_contain_text("0 BTC")
        page.get_by_role("button", name="Buy 1,000 USD of BTC").dblclick()
        expect(metric(page, "Position")).to_contain_text(re.compile(r"0\.0\d+ BTC"))
        page.get_by_role("link", name="Ledger").click()
        expect(page.get_by_text("Trades (1)")).to_be_visible()


def test_a_cold_deep_link_shows_its_page_with_its_settings(chrome, tmp_path):
    with (
        app_server(tmp_path, closed_venues()) as server,
        visit(chrome, f"{server.url}/Accuracy?tail=300") as page,
    ):
        expect(page.get_by_text("Can these forecasts be trusted?")).to_be_visible(timeout=WAIT_MS)
        expect(page).to_have_title("Accuracy · Market Pulse")
        expect(slider(page, "Judge by the last")).to_have_value("300")
        expect(page).to_have_url(address("Accuracy", "tail=300"))


def test_a_slider_stays_as_it_was_set_over_the_address_and_the_page_links(chrome, tmp_path):
    with (
        app_server(tmp_path, closed_venues()) as server,
        visit(chrome, f"{server.url}/Ledger?tail=300") as page,
    ):
        expect(page.get_by_text("Paper book: BTC/USD")).to_be_visible(timeout=WAIT_MS)
        tail = slider(page, "Judge by the last")
        expect(tail).to_have_value("300")
        tail.focus()
        page.keyboard.press("ArrowRight")
        page.wait_for_url(address("Ledger", "tail=350"))
        for name, path in (("Accuracy", "Accuracy"), ("Live", "")):
            page.get_by_role("link", name=name).click()
            page.wait_for_url(address(path, "tail=350"))
            expect(page).to_have_title(f"{name} · Market Pulse")
            expect(tail).to_have_value("350")
        page.reload()
        expect(tail).to_have_value("350")
