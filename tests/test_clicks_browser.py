"""Clicks in a real browser while bars close and the page refreshes by itself."""

import re

from playwright.sync_api import expect

from benchmarks.session import app_server, closed_venues
from tests.test_browser import WAIT_MS, chrome, metric, visit  # noqa: F401  a fixture

# A bar every second, a look every two, and a small ticket so that the cash lasts.
ADDRESS = "source=sample&speed=60&refresh=2&ticket=20"
CLICKS = 4


def test_every_click_on_buy_buys_once_while_bars_close_and_the_page_refreshes(chrome, tmp_path):  # noqa: F811
    with (
        app_server(tmp_path, closed_venues()) as server,
        visit(chrome, f"{server.url}/?{ADDRESS}") as page,
    ):
        expect(metric(page, "In 45 min")).to_contain_text(re.compile(r"\d\d,\d{3}"))
        buy = page.get_by_role("button", name="Buy 20 USD of BTC")
        held = metric(page, "Position").get_by_test_id("stMetricValue")
        # Once the book is open it holds nothing, instead of nobody knows what.
        expect(held).to_have_text("0 BTC", timeout=WAIT_MS)
        for _ in range(CLICKS):
            before = held.inner_text()
            expect(buy).to_be_enabled(timeout=WAIT_MS)
            buy.click()
            expect(held).not_to_have_text(before, timeout=WAIT_MS)
        page.get_by_role("link", name="Ledger").click()
        expect(page.get_by_text(f"Trades ({CLICKS})")).to_be_visible(timeout=WAIT_MS)
