"""The Live page's chart in a real browser, while bars close and prices move."""

import re

import pytest
from playwright.sync_api import expect

from benchmarks.session import app_server, closed_venues
from tests import chart_probe
from tests.browser import CANDLES
from tests.exchange_server import ExchangeServer
from tests.test_browser import chrome, visit  # noqa: F401  a fixture

WAIT_S = 90
PRICE = "chartProbe.chart()?.layout.shapes?.find((each) => each.name === 'price')?.y0"
REPLAY = "source=sample&speed=60&refresh=2"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server that plays the sample, a bar a second."""
    folder = tmp_path_factory.mktemp("replay")
    with app_server(folder, closed_venues()) as running:
        yield running


@pytest.fixture(scope="module")
def opened(chrome, server):  # noqa: F811
    """The Live page with candles and both fans."""
    with visit(chrome, f"{server.url}/?{REPLAY}", prepare=chart_probe.install) as page:
        page.locator(CANDLES).first.wait_for(timeout=WAIT_S * 1000)
        expect(long_fan(page)).to_be_visible(timeout=WAIT_S * 1000)
        yield page


@pytest.fixture
def page(opened):
    """The same page for every test, with nothing zoomed and nothing counted."""
    show_all(opened)
    chart_probe.forget(opened)
    return opened


def long_fan(page):
    return page.locator(".legendtext", has_text="In 45 min:")


def follows(page):
    """Wait until the chart follows the newest bar, or until it does not."""
    page.wait_for_function(
        "chartProbe.chart().layout.xaxis.autorange === true", timeout=WAIT_S * 1000
    )


def zoomed(page):
    chart_probe.zoom(page)
    page.wait_for_function(
        "chartProbe.chart().layout.xaxis.autorange === false", timeout=WAIT_S * 1000
    )


def show_all(page):
    """A double click into the chart."""
    area = page.locator(f"{chart_probe.CHART} .nsewdrag").first
    area.scroll_into_view_if_needed()
    area.dblclick()
    follows(page)


def test_a_zoom_stays_over_three_closed_bars_in_the_same_chart(page):
    zoomed(page)
    before = chart_probe.x_range(page)
    chart_probe.wait_for_bars(page, 3, WAIT_S)
    assert chart_probe.x_range(page) == before
    found = chart_probe.seen(page)
    assert (found.remounts, found.missing) == (0, 0)


def test_a_chart_that_was_not_zoomed_follows_the_newest_bar(page):
    # Its right end is where the long forecast looks, which moves once in five bars.
    page.wait_for_function(
        "before => chartProbe.range().every((now, end) => now > before[end])",
        arg=chart_probe.x_range(page),
        timeout=WAIT_S * 1000,
    )
    follows(page)


def test_a_double_click_goes_back_to_the_newest_bar(page):
    before = chart_probe.x_range(page)
    zoomed(page)
    page.wait_for_timeout(600)  # the drag and the first click are no double click
    show_all(page)
    assert chart_probe.x_range(page) >= before


def test_what_is_pointed_at_is_told_before_and_after_a_bar_closes(page):
    page.locator(f"{chart_probe.CHART} .nsewdrag").first.hover()
    label = page.locator(f"{chart_probe.CHART} .hovertext")
    expect(label.first).to_be_visible()
    chart_probe.wait_for_bars(page, 1, WAIT_S)
    expect(label.first).to_be_visible()


def test_a_screen_reader_hears_one_picture_with_what_it_shows(page):
    picture = page.get_by_role("img", name="Candles of the last 120 minutes")
    expect(picture).to_have_count(1)
    expect(picture).to_have_accessible_name(re.compile(r"Forecast for \d\d:\d\d UTC: [\d,]+"))


def test_plotly_is_loaded_once_for_all_pages_of_a_visit(chrome, server):  # noqa: F811
    loaded = []

    def listen(page):
        page.on("request", lambda asked: loaded.append(asked.url))

    with visit(chrome, f"{server.url}/?{REPLAY}", prepare=listen) as page:
        page.locator(CANDLES).first.wait_for(timeout=WAIT_S * 1000)
        page.get_by_role("link", name="Ledger").click()
        expect(page.get_by_text("Paper book: BTC/USD")).to_be_visible(timeout=WAIT_S * 1000)
        page.get_by_role("link", name="Live").click()
        page.locator(CANDLES).first.wait_for(timeout=WAIT_S * 1000)
    assert len([url for url in loaded if "/app/static/" in url]) == 1
    assert all(url.startswith((server.url, "blob:", "data:")) for url in loaded)


def test_plotly_is_loaded_before_there_are_candles(chrome, tmp_path):  # noqa: F811
    with (
        app_server(tmp_path, closed_venues()) as server,
        visit(chrome, f"{server.url}/?symbol=ETH/USD") as page,
    ):
        page.wait_for_function("globalThis.Plotly?.version", timeout=WAIT_S * 1000)
        assert page.locator(chart_probe.CHART).count() == 0


def test_the_price_line_moves_with_each_tick_while_the_candles_stay(chrome, tmp_path):  # noqa: F811
    with (
        ExchangeServer() as exchange,
        app_server(tmp_path, exchange.url) as live,
        visit(chrome, f"{live.url}/?refresh=2", prepare=chart_probe.install) as page,
    ):
        page.locator(CANDLES).first.wait_for(timeout=WAIT_S * 1000)
        chart_probe.forget(page)
        prices = []
        for _ in range(4):
            page.wait_for_function(
                f"before => {PRICE} && {PRICE} !== before",
                arg=prices[-1] if prices else None,
                timeout=WAIT_S * 1000,
            )
            prices.append(page.evaluate(PRICE))
        assert len(set(prices)) > 2
        found = chart_probe.seen(page)
        assert (found.remounts, found.missing) == (0, 0)


def test_a_chart_on_a_page_that_was_left_is_cleared(chrome, server):  # noqa: F811
    with visit(chrome, f"{server.url}/?{REPLAY}", prepare=chart_probe.install) as page:
        page.locator(CANDLES).first.wait_for(timeout=WAIT_S * 1000)
        page.evaluate("globalThis.left = chartProbe.chart()")
        page.get_by_role("link", name="Ledger").click()
        expect(page.get_by_text("Paper book: BTC/USD")).to_be_visible(timeout=WAIT_S * 1000)
        page.wait_for_function("!left.isConnected && !left.data", timeout=WAIT_S * 1000)
