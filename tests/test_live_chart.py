import gzip
import json

import plotly.graph_objects as go
import pytest
import streamlit as st  # noqa: TID251  it is asked whether it serves files
from streamlit.testing.v1 import AppTest  # noqa: TID251

from marketpulse.ui.live_chart import Spec, Tick, library, stays_in_place

FIGURE = go.Figure(
    {"data": [{"type": "scatter", "x": [1, 2], "y": [3.0, 4.0]}], "layout": {"height": 560}}
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty place for served files."""
    monkeypatch.setattr(library, "FOLDER", tmp_path / "static")
    _forget()
    yield tmp_path / "static"
    _forget()


def _forget():
    library.served_library.cache_clear()
    stays_in_place.cache_clear()


def page():
    """A page with one chart and its price line."""
    from marketpulse.ui.live_chart import Tick, live_chart, price_line
    from tests.test_live_chart import FIGURE, Spec

    live_chart(Spec.of(FIGURE.to_dict(), "Two points."), key="chart")
    price_line(Tick.of(101.0, 100.0), chart="chart")


def drawn(kind):
    return AppTest.from_function(page, default_timeout=60).run().get(kind)


def test_a_spec_leaves_colours_and_height_to_the_page():
    spec = Spec.of(FIGURE.to_dict(), "Two points.")
    told = json.loads(spec.json)
    assert told["layout"] == {}
    assert told["data"][0]["y"] == [3.0, 4.0]
    assert spec.figure == FIGURE
    assert FIGURE.layout.height == 560


def test_a_tick_tells_on_which_side_of_the_last_close_it_is():
    assert [Tick.of(price, 100.0).direction for price in (101.0, 100.0, 99.0)] == [1, 0, -1]
    assert Tick.of(77_123.4, 1.0).text == "77,123"


def test_the_figure_and_the_price_go_out_separately_and_the_price_is_small(folder):
    chart, price = drawn("bidi_component")
    told = json.loads(chart.proto.json)
    assert json.loads(told["figure"])["data"][0]["x"] == [1, 2]
    assert told["alt"] == "Two points."
    assert (folder / told["library"]).is_file()
    assert json.loads(price.proto.json) == {
        "chart": "chart", "price": 101.0, "text": "101.00", "direction": 1,
    }  # fmt: skip
    assert price.proto.ByteSize() < 700


def test_the_served_library_is_the_package_s_own_and_is_packed_only_once(folder):
    name = library.served_library()
    packed = folder / name
    assert gzip.decompress(packed.read_bytes()) == library.SOURCE.read_bytes()
    assert [each.name for each in folder.iterdir()] == [name]
    packed.write_bytes(b"touched")
    library.served_library.cache_clear()
    assert library.served_library() == name
    assert packed.read_bytes() == b"touched"


def test_a_browser_may_keep_the_library_for_years(folder):
    # Nothing says for how long, so a tenth of the file's age counts.
    assert (folder / library.served_library()).stat().st_mtime == library.LONG_AGO


def test_the_chart_is_a_plain_one_if_the_visitor_s_host_asks_for_it(folder, monkeypatch):
    monkeypatch.setenv("MARKETPULSE_CHART", "plain")
    app = AppTest.from_function(page, default_timeout=60).run()
    assert not app.get("bidi_component")
    assert json.loads(app.get("plotly_chart")[0].proto.spec)["data"][0]["x"] == [1, 2]
    assert not folder.exists()


def test_the_chart_is_a_plain_one_where_no_file_can_be_written_or_served(folder, monkeypatch):
    folder.write_text("a file where the folder should be")
    assert not stays_in_place()
    folder.unlink()
    stays_in_place.cache_clear()
    assert stays_in_place()
    stays_in_place.cache_clear()
    monkeypatch.setattr(st, "get_option", lambda _: False)
    assert not stays_in_place()
