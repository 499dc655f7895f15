import dataclasses

import pandas as pd
import pytest
import streamlit as st  # noqa: TID251  the page is what is tested
from streamlit.testing.v1 import AppTest  # noqa: TID251

from marketpulse import model
from marketpulse.books import owner_hash
from marketpulse.candles import CandleReport
from marketpulse.errors import SourceUnavailable
from marketpulse.horizons import FIVE_MINUTES, LONG, ONE_MINUTE
from marketpulse.hub import Hub
from marketpulse.model import Plan
from marketpulse.settings import Settings
from marketpulse.sources.recorded import RecordedSource, Recording
from marketpulse.ui import cached
from tests.build import walk
from tests.pages import again, button, press

SMALL = {"minute": Plan(300, 200, 100), "long": Plan(120, 80, 60)}
RECORDING = Recording("walk", "bitstamp", "BTC/USD", walk(3_000, seed=3), CandleReport(), "walk")
# Two minutes into a bar of five, hours before the recording ends.
NOW = RECORDING.candles.index[2_400].floor(FIVE_MINUTES) + 2 * ONE_MINUTE
AS_OF = NOW + 3 * ONE_MINUTE
TARGET = AS_OF + LONG.span
ANN, BOB = "a" * 22, "b" * 22


class Venue(RecordedSource):
    """The recording's venue, which stops answering while it has a ``fault``."""

    fault = None

    def pages(self, symbol, *, start, now):
        if self.fault:
            raise self.fault
        yield from super().pages(symbol, start=start, now=now)


class Stage:
    """A hub that stands still until its market is stepped by hand."""

    def __init__(self, folder):
        self.now = NOW
        self.venue = Venue(RECORDING)
        self.hub = Hub(
            lambda: self.now,
            threads=False,
            home=folder / "home",
            models=folder / "models",
            open_live=lambda _: self.venue,
        )
        self.step()

    @property
    def market(self):
        return self.hub.watch("test", Settings())

    def step(self, now=None):
        """Let time pass, then step the market until its history is in and forecast."""
        self.now = now or self.now
        for _ in range(2):
            self.hub.step(self.market)


@pytest.fixture(autouse=True)
def _fresh(monkeypatch):
    """Small models, and no test sees another one's cached hub, reports or charts."""
    for label, plan in SMALL.items():
        monkeypatch.setitem(model.PLANS, label, plan)
    st.cache_resource.clear()
    yield
    st.cache_resource.clear()


@pytest.fixture
def stage(tmp_path):
    return Stage(tmp_path)


@pytest.fixture
def visit(stage, monkeypatch):
    """Begin a visit of a book's owner to the Live page."""
    monkeypatch.setattr(cached, "Hub", lambda **_: stage.hub)

    def visit(owner=ANN, **query):
        app = AppTest.from_file("../app.py", default_timeout=60)
        app.query_params["book"] = owner
        for name, value in query.items():
            app.query_params[name] = value
        return again(app)

    return visit


def texts(app):
    return [each.value.replace("\u00a0", " ") for each in (*app.markdown, *app.caption)]


def question(app):
    (asked,) = [text for text in texts(app) if text.startswith("**Call it**")]
    return asked


def closed(app):
    return [button(app, label).disabled for label in ("Up", "Down")]


def calls(stage):
    return stage.market.snapshot.outlooks[LONG].calls


def test_the_page_asks_for_the_close_of_the_bar_that_is_forming(visit):
    app = visit()
    assert question(app) == (
        f"**Call it** · at {TARGET:%H:%M} UTC, above or below its price at {AS_OF:%H:%M}?"
    )
    assert f"Open until {AS_OF:%H:%M} UTC. Your first call counts." in texts(app)
    assert closed(app) == [False, False]


def test_a_call_stays_and_comes_on_record_under_a_hash_of_the_books_owner(stage, visit):
    app = press(visit(), "Down")
    assert f"You called **down** at {NOW:%H:%M:%S} UTC. It stays." in texts(app)
    assert closed(app) == [True, True]
    stage.step(AS_OF)
    made = calls(stage)
    assert made.index.tolist() == [AS_OF]
    assert made["caller"].tolist() == [owner_hash(ANN)]
    assert (made["raw"] < 0).all()
    again(app)
    assert closed(app) == [False, False]
    assert "1 call waits for its outcome." in texts(app)
    kept = [file.read_bytes() for file in stage.hub.home.glob("forecasts.db*")]
    assert any(owner_hash(ANN).encode() in content for content in kept)
    assert not any(ANN.encode() in content for content in kept)


def test_the_second_click_of_a_double_click_and_a_change_of_mind_count_for_nothing(stage, visit):
    app = visit()
    up, down = button(app, "Up"), button(app, "Down")
    for each in (up, up, down):  # on the page as it was
        each.click().run()
    assert any("You called **up**" in text for text in texts(app))
    stage.step(AS_OF)
    assert (calls(stage)["raw"] > 0).tolist() == [True]


def test_a_click_that_comes_after_the_bar_has_closed_is_refused_in_a_sentence(stage, visit):
    app = visit()
    stage.now = AS_OF
    press(app, "Up")
    late = "Too late: the bar has closed before which it had to be called."
    assert f":material/block: {late}" in texts(app)
    stage.step(AS_OF)
    assert calls(stage).empty
    press(again(app), "Up")  # the next one is open
    assert any("You called **up**" in text for text in texts(app))


def test_without_fresh_candles_nothing_can_be_called_and_the_page_says_why(stage, visit):
    app = visit()
    stage.venue.fault = SourceUnavailable("bitstamp does not answer.")
    stage.step(NOW + 6 * ONE_MINUTE)
    again(app)
    assert closed(app) == [True, True]
    assert ":material/block: No call: the newest candle is 6 min old." in texts(app)


def test_the_scoreboard_counts_what_was_called_beside_the_trees_and_the_coin(stage, visit):
    app = press(visit(), "Up")
    stage.step(AS_OF)
    stage.step(TARGET)
    again(app)
    went_up = bool((calls(stage)["actual_price"] > calls(stage)["close"]).item())
    score = next(text for text in texts(app) if text.startswith("**You"))
    assert score.startswith(f"**You {int(went_up)} of 1** · trees ")
    assert "No evidence yet that you differ from a coin (last 1)." in texts(app)


def test_a_reload_keeps_the_calls_and_another_owner_has_their_own(stage, visit):
    press(visit(), "Up")
    assert closed(visit()) == [True, True]
    assert closed(visit(BOB)) == [False, False]
    stage.step(AS_OF)
    assert "1 call waits for its outcome." in texts(visit())
    assert "1 call waits for its outcome." not in texts(visit(BOB))


def test_a_scoreboard_follows_how_many_forecasts_the_visitor_judges_by(stage, visit, monkeypatch):
    market = stage.market
    shown = market.snapshot
    times = pd.date_range(AS_OF, periods=60, freq="h", name="as_of")
    columns = {"caller": owner_hash(ANN), "raw": 0.01, "actual_price": 101.0, "id": "f1"}
    made = pd.DataFrame(columns | {"close": 100.0, "trees": -0.01}, index=times)
    outlooks = {**shown.outlooks, LONG: dataclasses.replace(shown.outlooks[LONG], calls=made)}
    monkeypatch.setattr(market, "_published", dataclasses.replace(shown, outlooks=outlooks))
    assert "**You 60 of 60** · trees 0 of 60 · coin 60 of 60" in texts(visit())
    app = visit(tail="50")
    assert "**You 50 of 50** · trees 0 of 50 · coin 50 of 50" in texts(app)
    assert "You have beaten a coin (last 50)." in texts(app)


def test_a_replays_calls_are_kept_in_memory_only(stage, visit):
    app = visit(source="sample", speed="1")
    replay = stage.hub.watch("test", Settings(source="sample", speed=1))
    for _ in range(2):
        stage.hub.step(replay)
    press(again(app), "Up")
    stage.now += FIVE_MINUTES
    stage.hub.step(replay)
    assert len(replay.snapshot.outlooks[LONG].calls) == 1
    assert calls(stage).empty


def test_before_there_is_a_forecast_there_is_nothing_to_call(visit, monkeypatch, stage):
    market = stage.market
    shown = market.snapshot
    monkeypatch.setattr(market, "_published", dataclasses.replace(shown, outlooks={}))
    assert not [text for text in texts(visit()) if "Call it" in text]
