"""What the Display group of the sidebar does: the zone of all times, and the link to give away."""

import re
from datetime import timedelta
from types import SimpleNamespace
from urllib.parse import parse_qsl, urlsplit

import pytest
import streamlit as st  # noqa: TID251  the pages are what is tested
from streamlit.testing.v1.element_tree import Dataframe, Table  # noqa: TID251

from marketpulse.settings import Settings
from marketpulse.ui import session
from marketpulse.ui.accuracy import SECTIONS
from tests.pages import again
from tests.test_app import (
    _no_memory,  # noqa: F401  a fixture
    by_coinbase,
    choose,
    desk,  # noqa: F401  a fixture
    order_of,
    section,
    traded,
    trained,  # noqa: F401  a fixture
    visit,  # noqa: F401  a fixture
)

NEPAL = "Asia/Kathmandu"
# What tells a time in UTC, and not in a zone that is named by its distance from it.
IN_UTC = re.compile(r"UTC(?!\+)")
IN_NEPAL = ("UTC+0545", NEPAL)


@pytest.fixture(autouse=True)
def browser(monkeypatch):
    """What the visitor's browser tells of itself."""
    told = SimpleNamespace(timezone=NEPAL, url="https://pulse.example/Accuracy", cookies={})
    monkeypatch.setattr(st, "context", told)
    return told


def texts(app):
    """Every text of the page beside the sidebar, those of charts and tables included."""
    return [_text(each) for each in app.main if hasattr(each, "proto")]


def _text(element):
    # The browser draws the cells of a table of numbers as its columns tell.
    if isinstance(element, Dataframe):
        return element.proto.columns
    return f"{element.proto} {element.value if isinstance(element, Table) else ''}"


def in_utc(app):
    return [text for text in texts(app) if IN_UTC.search(text)]


def in_nepal(app):
    return [text for text in texts(app) if any(name in text for name in IN_NEPAL)]


def test_the_sidebar_has_a_group_for_each_kind_of_setting(desk, visit):  # noqa: F811
    app = visit(desk)
    groups = [each.value for each in app.sidebar.markdown if each.value.startswith("#####")]
    names = ("Market", "Forecast", "Signal", "Paper trading", "Display")
    assert groups == [f"##### {name}" for name in names]


def test_times_are_in_utc_until_a_visitor_asks_for_their_own(trained, visit):  # noqa: F811
    app = visit(trained)
    assert in_utc(app)
    assert not in_nepal(app)
    zone = next(each for each in app.segmented_control if each.label == "Times")
    assert zone.options == ["UTC", f"Local: {NEPAL}"]
    zone.set_value("local")
    again(app)
    again(app)
    assert app.query_params["zone"] == "local"
    assert in_nepal(app)
    assert not in_utc(app)


def test_without_a_zone_that_is_known_here_local_times_are_in_utc(trained, visit, browser):  # noqa: F811
    browser.timezone = "Mars/Olympus"
    app = visit(trained, zone="local")
    assert in_utc(app)


@pytest.mark.parametrize(
    ("told", "zone"),
    [
        ("Europe/Berlin", "Europe/Berlin"),
        (None, "UTC"),
        ("", "UTC"),
        ("Europe", "UTC"),
        ("../../etc/passwd", "UTC"),
        ("/etc/localtime", "UTC"),
        ("a\0b", "UTC"),
        ("x" * 5000, "UTC"),
    ],
)
def test_a_browser_s_zone_is_taken_only_if_it_is_one(browser, told, zone):
    browser.timezone = told
    assert session.browser_zone() == zone


@pytest.mark.parametrize("name", SECTIONS)
def test_every_section_of_the_accuracy_page_tells_local_times(trained, visit, name):  # noqa: F811
    app = section(visit(trained, "pages/Accuracy.py", zone="local"), name)
    assert in_nepal(app)
    assert not in_utc(app)


def test_the_time_machine_moves_to_the_bar_that_was_chosen_in_local_time(trained, visit):  # noqa: F811
    app = section(visit(trained, "pages/Accuracy.py", zone="local"), "Time machine")
    dial = next(each for each in app.slider if each.label.startswith("Bar"))
    chosen = dial.value - timedelta(minutes=45)
    dial.set_value(chosen)
    again(app)
    said = next(each.value for each in app.markdown if " it said: " in each.value)
    assert f"**{chosen:%-d %b %H:%M} UTC+0545**" in said


def test_the_ledger_and_the_health_page_tell_local_times(desk, visit, monkeypatch):  # noqa: F811
    desk.step()
    app = visit(desk, zone="local")
    order_of(app, 1e6)
    app.button(key=next(b.key for b in app.button if b.label.startswith("Buy"))).click()
    again(app)
    order_of(app, 1000.0)
    app = traded(app, desk, "Buy 1,000 USD of BTC")
    assert not in_utc(app)
    app.switch_page("pages/Ledger.py")
    again(app)
    for name in ("Trades", "Activity", "Not filled"):
        choose(app, "ledger-section-current", name)
        assert NEPAL in app.dataframe[0].proto.columns
        assert not in_utc(app)
    by_coinbase(desk, monkeypatch)
    app.switch_page("pages/Health.py")
    again(app)
    assert in_nepal(app)
    assert not in_utc(app)


def link_of(app):
    """The link that is offered to be given away."""
    return app.sidebar.code[0].value


def test_the_link_is_the_whole_address_of_the_page_with_its_settings_and_without_the_book(
    desk,  # noqa: F811
    visit,  # noqa: F811
    browser,
):
    app = visit(desk, "pages/Accuracy.py", tail="300", symbol="ETH/USD", zone="local")
    link = urlsplit(link_of(app))
    assert f"{link.scheme}://{link.netloc}{link.path}" == browser.url
    assert dict(parse_qsl(link.query)) == {"tail": "300", "symbol": "ETH/USD", "zone": "local"}
    assert app.query_params["book"] not in link_of(app)
    assert Settings.from_query(dict(parse_qsl(link.query))).tail == 300


def test_without_a_setting_the_link_is_the_page_alone(desk, visit, browser):  # noqa: F811
    browser.url = "https://pulse.example/?book=secret"
    assert link_of(visit(desk)) == "https://pulse.example/"


def test_whoever_follows_the_link_sees_the_settings_and_a_book_of_their_own(desk, visit):  # noqa: F811
    given = visit(desk, tail="300", zone="local")
    taken = visit(desk, **dict(parse_qsl(urlsplit(link_of(given)).query)))
    assert link_of(taken) == link_of(given)
    assert taken.query_params["book"] != given.query_params["book"]
