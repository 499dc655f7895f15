import time

import pandas as pd
import pytest
import streamlit as st  # noqa: TID251  the page is what is tested
from streamlit.testing.v1 import AppTest  # noqa: TID251

from marketpulse import model, parallel
from marketpulse.candles import CandleReport
from marketpulse.hub import Hub
from marketpulse.model import Plan
from marketpulse.settings import Settings
from marketpulse.sources.recorded import RecordedSource, Recording
from marketpulse.ui import backtests, cached
from tests.build import walk
from tests.pages import again, press

SMALL = {"minute": Plan(400, 200, 200), "long": Plan(120, 60, 60)}
CANDLES = walk(2_400, seed=3, memory=0.3)
# With these the rule of the default settings would trade often.
EAGER = {"centre": "raw", "buy_mae": "0", "sell_mae": "0", "fee": "0", "spread": "0", "impact": "0"}
WAIT = 120


@pytest.fixture(scope="module", autouse=True)
def small_plans():
    with pytest.MonkeyPatch.context() as patch:
        for label, plan in SMALL.items():
            patch.setitem(model.PLANS, label, plan)
        yield


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """A hub that stands still at the end of a short recording."""
    folder = tmp_path_factory.mktemp("backtest")
    recording = Recording("walk", "bitstamp", "BTC/USD", CANDLES, CandleReport(), "walk")
    now = CANDLES.index[-1] + pd.Timedelta(seconds=63)
    made = Hub(
        lambda: now,
        threads=False,
        home=folder / "home",
        models=folder / "models",
        open_live=lambda _: RecordedSource(recording),
    )
    market = made.watch("test", Settings())
    for _ in range(2):
        made.step(market)
    return made


@pytest.fixture
def visit(hub, monkeypatch):
    """Begin a visit to the page."""
    st.cache_resource.clear()
    monkeypatch.setattr(cached, "Hub", lambda **_: hub)

    def visit(**query):
        app = AppTest.from_file("../app.py", default_timeout=30)
        app.switch_page("pages/Backtest.py")
        for name, value in query.items():
            app.query_params[name] = value
        return again(app)

    yield visit
    st.cache_resource.clear()


def labels(app):
    return [each.label for each in app.button]


def cluster_switch(app):
    return next((each for each in app.toggle if "cluster" in each.label), None)


def finish(app):
    """Wait until nothing is being worked on."""
    until = time.monotonic() + WAIT
    while "Stop" in labels(app):
        assert time.monotonic() < until
        time.sleep(0.2)
        again(app)
    return app


def done(app, label):
    return finish(press(app, label))


def text(app):
    return "\n".join(each.value for kind in (app.markdown, app.caption) for each in kind)


def charts(app):
    return len(app.get("plotly_chart"))


def test_nothing_is_forecast_before_the_button_is_pressed(visit):
    app = visit()
    assert "Run the backtest" in labels(app)
    assert charts(app) == 0


def test_a_run_shows_its_progress_and_then_says_what_the_rule_made(visit):
    app = press(visit(**EAGER), "Run the backtest")
    assert "Stop" in labels(app)
    finish(app)
    assert "after all costs" in text(app)
    assert f"On candles up to {CANDLES.index[-1]:%Y-%m-%d %H:%M} UTC." in text(app)
    assert charts(app) == 1
    assert {"Run again", "Compare with luck", "Map the thresholds"} <= set(labels(app))


def test_another_slider_answers_at_once_from_the_same_forecasts(visit, monkeypatch):
    app = done(visit(**EAGER), "Run the backtest")
    before = text(app)
    monkeypatch.setattr(backtests, "walk", None)
    app.slider(key="knob-Backtest-margin").set_value(20)
    again(app)
    assert "Run again" in labels(app)
    assert text(app) != before


def test_a_rule_that_never_traded_is_not_compared_with_luck(visit):
    app = done(visit(margin="100"), "Run the backtest")
    assert "The rule never traded" in text(app)
    assert "Compare with luck" not in labels(app)


def test_luck_is_told_in_words_with_the_rule_among_its_placebos(visit):
    app = done(done(visit(**EAGER), "Run the backtest"), "Compare with luck")
    assert "placebo runs" in text(app)
    assert "at random" in text(app)
    assert charts(app) == 2


def test_a_cell_that_is_chosen_becomes_the_values_of_the_sliders_and_the_map_stays(visit):
    app = done(done(visit(**EAGER), "Run the backtest"), "Map the thresholds")
    assert "The best of 800 cells" in app.warning[0].value
    app.selectbox(key="map-mae").select(0.3)
    margins = [float(each) for each in app.selectbox(key="map-margin").options]
    app.selectbox(key="map-margin").select(margins[4])
    again(app)
    press(app, "Use this cell")
    again(app)
    assert app.slider(key="knob-Backtest-buy_mae").value == 0.3
    assert app.slider(key="knob-Backtest-sell_mae").value == 0.3
    assert app.slider(key="knob-Backtest-margin").value == margins[4]
    assert "Use this cell" in labels(app)


def test_without_a_cluster_there_is_nothing_to_switch(visit):
    assert cluster_switch(visit()) is None


def test_a_cluster_that_does_not_answer_is_named_and_the_own_cores_do_it_instead(
    visit, monkeypatch
):
    monkeypatch.setattr(parallel, "ANSWER_WITHIN", 1)
    monkeypatch.setenv("MARKETPULSE_SCHEDULER", "tcp://127.0.0.1:9")
    app = done(visit(minute="3"), "Run the backtest")
    assert app.warning[0].value == "No Dask scheduler answers at tcp://127.0.0.1:9."
    assert cluster_switch(app).label == "Work on the cluster at tcp://127.0.0.1:9"
    cluster_switch(app).set_value(False)
    again(app)
    assert "Run again" in labels(done(app, "Run the backtest"))


def test_a_run_that_is_stopped_leaves_the_button(visit, monkeypatch):
    def endless(*_, stop, **__):
        while not stop():
            time.sleep(0.01)

    monkeypatch.setattr(backtests, "walk", endless)
    app = press(visit(minute="2"), "Run the backtest")
    finish(press(app, "Stop"))
    assert "Run the backtest" in labels(app)
