import dataclasses
import json
import re
from decimal import Decimal
from functools import partial
from io import StringIO

import numpy as np
import pandas as pd
import pytest
import streamlit as st  # noqa: TID251  the pages are what is tested
from streamlit.testing.v1 import AppTest  # noqa: TID251

from marketpulse.bookfile import imported
from marketpulse.books import BookKey
from marketpulse.candles import CandleReport
from marketpulse.costs import taker_fee_bps
from marketpulse.errors import SourceUnavailable
from marketpulse.horizons import ONE_MINUTE
from marketpulse.hub import Hub
from marketpulse.office import OPENING, Office
from marketpulse.settings import Settings
from marketpulse.sources import VenueState
from marketpulse.sources.catalogue import live_source, place_of
from marketpulse.sources.exchange import ExchangeSource
from marketpulse.sources.recorded import RecordedSource, load_sample
from marketpulse.ui import cached
from marketpulse.ui.accuracy import ON_RECORD, SECTIONS, WALKED
from tests.exchange_server import ExchangeServer
from tests.pages import again, button, press

SAMPLE = load_sample()
VENUE = SAMPLE.venue
# Two and a half hours after both models were last fitted, so that there is a tail to draw.
NOON = SAMPLE.candles.index[-1].floor("D") - pd.Timedelta(hours=5.5)
NO_TIME = pd.Timedelta(0)
# By then the bar that has just begun is known, and the one before it has been published.
NEXT_BAR = pd.Timedelta(seconds=63)
FEE = taker_fee_bps(VENUE) / 10_000


class Venue(RecordedSource):
    """The sample's venue, which stops answering while it has a ``fault``."""

    fault = None

    def pages(self, symbol, *, start, now):
        if self.fault:
            raise self.fault
        yield from super().pages(symbol, start=start, now=now)

    def quote(self, symbol, *, now):
        if self.fault:
            raise self.fault
        return super().quote(symbol, now=now)


class Desk:
    """A hub that stands still until its markets are stepped by hand."""

    def __init__(self, folder, open_live=None):
        self.now = NOON
        self.venue = Venue(SAMPLE)
        self.hub = Hub(
            lambda: self.now,
            threads=False,
            home=folder / "home",
            models=folder / "models",
            open_live=open_live or (lambda _: self.venue),
        )

    def market(self, **settings):
        return self.hub.watch("test", Settings(**settings))

    def step(self, passed=NO_TIME, times=2, **settings):
        """Let time pass, then step a market until its history is in and forecast."""
        self.now += passed
        market = self.market(**settings)
        for _ in range(times):
            self.hub.step(market)
        while market.gives_way:
            self.hub.step(market)
        return market.snapshot

    def book(self, app, **settings):
        """The visitor's book of a market, as the journal has it."""
        name = place_of(*dataclasses.astuple(self.market(**settings).key))
        return self.hub.desk.journal.refresh(BookKey(app.query_params["book"], *name))


@pytest.fixture(autouse=True)
def _no_memory():
    """No test sees another one's cached hub, reports or charts."""
    st.cache_resource.clear()
    yield
    st.cache_resource.clear()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A desk whose default market has both forecasts; tests only look at it."""
    desk = Desk(tmp_path_factory.mktemp("trained"))
    seen = desk.step()
    assert all(outlook.forecast for outlook in seen.outlooks.values())
    return desk


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A desk of its own. Only the last hours are served: enough for prices, too few for models."""
    made = Desk(tmp_path)
    monkeypatch.setattr("marketpulse.market.HISTORY", pd.Timedelta(hours=5))
    return made


@pytest.fixture
def visit(monkeypatch):
    """Begin a visit to a desk; the page is the first thing that its server is asked for."""

    def visit(desk, page="app.py", **query):
        monkeypatch.setattr(cached, "Hub", lambda **_: desk.hub)
        app = AppTest.from_file("../app.py", default_timeout=30)
        if page != "app.py":
            app.switch_page(page)
        for name, value in query.items():
            app.query_params[name] = value
        return again(app)

    return visit


def metrics(app):
    return {metric.label: metric for metric in app.metric}


def slider(app, label):
    return next(each for each in app.slider if each.label.startswith(label))


def traded(app, desk, label, **settings):
    """Press a button that trades, and let the next price come."""
    press(app, label)
    desk.step(NEXT_BAR, **settings)
    return again(app)


def query(app):
    """What the address says besides whose books are shown."""
    return {name: value for name, value in app.query_params.items() if name != "book"}


def order_of(app, amount):
    """Type the amount of an order."""
    app.number_input[0].set_value(amount)
    return again(app)


def position(app):
    """What the book holds, and its free cash."""
    metric = metrics(app)["Position"]
    return float(metric.value.split()[0]), Decimal(metric.delta.split()[0].replace(",", ""))


def charts(app):
    """The live chart, and then the plain ones."""
    ours = app.get("bidi_component")
    live = [each for each in ours if each.proto.component_name == "marketpulse_chart"]
    return [*live, *app.get("plotly_chart")]


def sentences(app):
    return [each.value for each in (*app.info, *app.warning)]


def bar(app):
    """What the line on every page says."""
    found = [each.value for each in app.markdown if each.value.startswith(":small[:")]
    assert len(found) == 1
    return found[0].removeprefix(":small[").removesuffix("]")


def headings(app):
    return [each.value for each in app.markdown if each.value.startswith("#")]


def choose(app, key, option):
    """Press an option of a segmented control."""
    app.segmented_control(key=key).set_value(option)
    return again(app)


def section(app, name):
    return choose(app, "accuracy-section", name)


def drawn(app, name):
    """A figure of the Accuracy page, as the browser gets it."""
    found = [each for each in charts(app) if f"accuracy-{name}" in each.proto.id]
    return json.loads(found[0].proto.spec) if found else None


def published(desk, monkeypatch, **changes):
    """Let a market have published other outlooks."""
    market = desk.market()
    shown = market.snapshot
    outlooks = {
        horizon: dataclasses.replace(each, **changes) for horizon, each in shown.outlooks.items()
    }
    changed = dataclasses.replace(shown, outlooks=outlooks, revision=shown.revision + 1)
    monkeypatch.setattr(market, "_published", changed)


def badges(app):
    return " ".join(each.value for each in app.markdown if "-badge[" in each.value)


def shown_as(desk, monkeypatch, **changes):
    """Let a market have published another snapshot."""
    market = desk.market()
    changed = dataclasses.replace(market.snapshot, **changes)
    monkeypatch.setattr(market, "_published", changed)
    return changed


def orders(app):
    """The buttons that trade, each with whether it can be pressed."""
    found = [each for each in app.button if each.label.startswith(("Buy ", "Sell "))]
    return {each.label: not each.disabled for each in found}


def facts(app):
    return app.table[0].value[""]


def test_the_live_page_shows_its_headline_both_forecasts_and_the_metrics(trained, visit):
    app = visit(trained)
    seen = metrics(app)
    assert list(seen) == ["BTC/USD", "In 1 min", "In 45 min", "Position", "P&L"]
    price = float(seen["BTC/USD"].value.replace(",", ""))
    for label in ("In 1 min", "In 45 min"):
        assert float(seen[label].value.replace(",", "")) == pytest.approx(price, rel=0.02)
    headline = next(each.value for each in app.markdown if each.value.startswith("####"))
    assert "BTC/USD in 45 min" in headline
    assert "Your costs are" in headline
    assert "candlestick" in charts(app)[0].proto.json
    assert bar(app).startswith(f":blue-badge[Live] **BTC/USD** · {VENUE} · ")
    assert ":blue[:material/check_circle:] newest candle closed" in bar(app)


def test_before_any_candle_the_page_says_one_sentence_and_draws_nothing_else(desk, visit):
    app = visit(desk)
    assert sentences(app) == ["Asking for candles …"]
    assert not app.metric
    assert not charts(app)


def test_without_a_venue_a_fresh_start_shows_a_replay_and_offers_the_venue_once_it_answers(
    desk, visit
):
    desk.venue.fault = SourceUnavailable("Nobody answers.")
    desk.step()
    app = visit(desk)
    assert [text for text in sentences(app) if "this is a replay" in text]
    desk.step(source="sample")
    again(app)
    assert charts(app)
    assert "Replay at 60×" in bar(app)
    desk.venue.fault = None
    desk.step(pd.Timedelta(minutes=1))
    again(app)
    assert app.success[0].value == f"Live candles from {VENUE} are here."
    assert "Replay at 60×" in bar(app)  # it never turns by itself
    press(app, "Switch to live")
    assert "Live" in bar(app)


def test_a_venue_that_fails_leaves_the_last_good_candles_and_tells_their_age(desk, visit):
    desk.step()
    app = visit(desk)
    assert not app.warning
    before = metrics(app)["BTC/USD"].value
    desk.venue.fault = SourceUnavailable(f"{VENUE} does not answer.")
    desk.step(pd.Timedelta(minutes=7))
    again(app)
    assert [each.value for each in app.warning] == [
        f"{VENUE} does not answer. The last good candles stay, 7 min old."
    ]
    assert metrics(app)["BTC/USD"].value == before
    assert charts(app)


def test_nothing_can_be_bought_at_a_price_that_is_too_old(desk, visit):
    desk.step()
    app = visit(desk)
    desk.venue.fault = SourceUnavailable(f"{VENUE} does not answer.")
    desk.step(pd.Timedelta(minutes=7))
    press(app, "Buy 1,000 USD of BTC")
    assert "No trade: the newest candle is 7 min old." in sentences(app)
    assert position(app) == (0, 10_000)


def test_an_order_fills_once_however_often_it_is_clicked_and_the_page_rerun(desk, visit):
    desk.step()
    app = visit(desk)
    buy = button(app, "Buy 1,000 USD of BTC")
    buy.click().run()
    buy.click().run()  # the second click of a double click: on the page as it was
    for _ in range(3):
        again(app)
    price = desk.step(ONE_MINUTE).quote.price
    again(app)
    held, cash = position(app)
    assert held == pytest.approx(1000 / price, rel=1e-3)
    assert float(cash) == pytest.approx(10_000 - 1000 * (1 + FEE), abs=0.01)
    app.switch_page("pages/Ledger.py")
    again(app)
    assert app.dataframe[0].value["side"].tolist() == ["buy"]


def test_a_position_can_be_sold_again_and_costs_both_fees(desk, visit):
    desk.step()
    app = traded(visit(desk, spread="0", impact="0"), desk, "Buy 1,000 USD of BTC")
    traded(app, desk, "Sell all BTC")
    held, cash = position(app)
    assert held == 0
    bought, sold = desk.book(app).ledger.fills
    moved = float(bought.quantity * (sold.price - bought.price))
    assert float(cash) == pytest.approx(10_000 + moved - 2 * 1000 * FEE, abs=0.02)
    made = float(metrics(app)["P&L"].value.split()[0].replace(",", ""))
    assert made == pytest.approx(float(cash) - 10_000, abs=0.01)


@pytest.mark.parametrize("amount", [-100.0, 0.0, 1e9])
def test_an_impossible_purchase_is_refused_in_one_sentence_and_loses_nothing(desk, visit, amount):
    desk.step()
    app = order_of(visit(desk), amount)
    before = len(sentences(app))
    label = next(each.label for each in app.button if each.label.startswith("Buy"))
    press(app, label)
    refusals = sentences(app)
    assert len(refusals) == before + 1
    assert re.fullmatch(r"[^.!?]+(\.\d+[^.!?]*)*\.", app.warning[-1].value)
    assert position(app) == (0, 10_000)


def test_selling_more_than_is_held_is_refused_in_one_sentence_and_loses_nothing(desk, visit):
    desk.step()
    app = traded(visit(desk), desk, "Buy 1,000 USD of BTC")
    before = position(app)
    order_of(app, 5000.0)
    assert not app.warning
    press(app, "Sell 5,000 USD of BTC")
    assert len(app.warning) == 1
    assert "BTC" in app.warning[0].value
    assert position(app) == before


def test_an_unknown_symbol_is_answered_with_near_matches(tmp_path, visit):
    with ExchangeServer(clock=lambda: NOON) as exchange:
        desk = Desk(tmp_path, lambda name: ExchangeSource(name, exchange.url))
        asked = {"source": "bitstamp", "symbol": "ETG/USD"}
        desk.step(times=1, **asked)
        app = visit(desk, **asked)
    assert [each.value for each in app.warning] == [
        "bitstamp has no pair ETG/USD; near matches: ETH/USD, BTC/USD, BTC/USDT."
    ]
    assert not app.metric


def test_an_unknown_venue_is_answered_with_a_sentence(tmp_path, visit):
    desk = Desk(tmp_path, partial(live_source, home=tmp_path))
    desk.step(times=1, source="nowhere")
    app = visit(desk, source="nowhere")
    assert len(app.warning) == 1
    assert "nowhere" in app.warning[0].value


@pytest.mark.parametrize(
    ("name", "margins"), [("Lean", (0.0, 0.0)), ("After costs", (0.25, 0.25)), ("Strict", (1, 1))]
)
def test_a_preset_fills_the_sliders(desk, visit, name, margins):
    app = visit(desk, buy_mae="2", sell_mae="2")
    press(app, name)
    found = tuple(slider(app, f"Safety margin to {deed}").value for deed in ("buy", "sell"))
    assert found == margins


def test_settings_live_in_the_address_and_in_every_page_link(desk, visit):
    app = visit(desk)
    assert query(app) == {}
    slider(app, "Judge by the last").set_value(300)
    again(app)
    again(app)
    assert query(app) == {"tail": "300"}
    links = [link.proto for link in app.get("page_link")]
    own = f"tail=300&book={app.query_params['book']}"
    assert [link.query_string for link in links] == [own] * len(links)
    app.switch_page("pages/Accuracy.py")
    again(app)
    assert slider(app, "Judge by the last").value == 300
    assert query(app) == {"tail": "300"}


def test_a_slider_that_the_browser_draws_anew_begins_at_the_setting_and_not_at_its_lowest(
    desk, visit
):
    # The message that moves a slider is lost if its rerun is interrupted; its default is not.
    app = visit(desk, tail="300", margin="7", fee="25", hold="30")
    again(app)
    begins = {each.label: list(each.proto.default) for each in app.slider}
    shown = {each.label: [each.value] for each in app.slider}
    assert begins == shown
    assert begins["Judge by the last (forecasts)"] == [300]


def test_a_link_with_nonsense_in_it_is_clamped_or_ignored(desk, visit):
    app = visit(desk, tail="99999", long="NaN", minute="-3", symbol="<b>", colour="red")
    assert slider(app, "Judge by the last").value == 1000
    assert slider(app, "Long model looks ahead").value == 9
    assert slider(app, "Minute model looks ahead").value == 1


def test_another_horizon_shows_the_old_forecast_under_its_own_name_until_it_is_trained(
    trained, visit
):
    app = visit(trained)
    old = metrics(app)["In 45 min"].value
    slider(app, "Long model looks ahead").set_value(12)
    again(app)
    again(app)
    assert metrics(app)["In 45 min (60 min is in training)"].value == old
    trained.market(long=12).step(trained.now)
    again(app)
    assert "In 60 min" in metrics(app)
    assert not [label for label in metrics(app) if "training" in label]


def test_the_accuracy_page_works_as_the_first_page(trained, visit):
    app = visit(trained, "pages/Accuracy.py", tail="100")
    assert slider(app, "Judge by the last").value == 100
    assert {"Skill against no change", "Band held"} <= metrics(app).keys()
    assert len(charts(app)) == 3
    assert any("Its 9-in-10 band" in text for text in headings(app))


def test_the_accuracy_page_says_why_it_is_empty(desk, visit):
    desk.step()
    app = visit(desk, "pages/Accuracy.py")
    assert not charts(app)
    assert sum("more 5-minute bars of history" in text for text in sentences(app)) == 1
    choose(app, "accuracy-horizon", "minute")
    assert not charts(app)
    assert sum("more 1-minute bars of history" in text for text in sentences(app)) == 1


@pytest.fixture
def files(monkeypatch):
    """The files that the pages offer, by their names; each is made when it is asked for."""
    offered = {}

    def add_deferred(*given, file_name, element_id):
        _, data, kind, _ = given
        assert kind == ("text/csv" if file_name.endswith(".csv") else "application/json")
        offered[file_name] = data
        return element_id

    manager = "streamlit.runtime.media_file_manager.MediaFileManager"
    monkeypatch.setattr(f"{manager}.add_deferred", add_deferred)
    return offered


@pytest.mark.parametrize("horizon", ["minute", "long"])
@pytest.mark.parametrize(
    ("name", "figures", "tables"),
    [
        ("Over time", ["errors", "coverage"], ["over_time"]),
        ("Calibration", ["reliability", "histogram"], ["reliability", "errors"]),
        ("When", ["volatility", "hours"], ["by_volatility", "by_hour"]),
        ("Why", [], []),
        ("Time machine", ["hindsight"], []),
        ("Numbers", [], ["forecasts", "by_hour"]),
    ],
)
def test_every_section_draws_its_own_figures_and_offers_its_tables(
    trained, visit, files, horizon, name, figures, tables
):
    app = visit(trained, "pages/Accuracy.py")
    choose(app, "accuracy-horizon", horizon)
    files.clear()
    section(app, name)
    assert len(charts(app)) == 1 + len(figures)
    assert all(drawn(app, figure) for figure in ("forecasts", *figures))
    minutes = 1 if horizon == "minute" else 45
    assert {f"market-pulse_BTC-USD_{minutes}min_{table}.csv" for table in tables} <= set(files)
    made = [data() for name, data in files.items() if "importance" not in name]
    assert all(len(pd.read_csv(StringIO(text))) for text in made)


def test_there_is_a_test_of_every_section():
    assert list(SECTIONS) == ["Over time", "Calibration", "When", "Why", "Time machine", "Numbers"]


def test_forecasts_are_downloaded_with_their_outcomes(trained, visit, files):
    app = section(visit(trained, "pages/Accuracy.py", tail="50"), "Numbers")
    assert app.table[0].value.size > 0
    rows = pd.read_csv(StringIO(files["market-pulse_BTC-USD_45min_forecasts.csv"]()))
    outlook = trained.market().snapshot.outlooks[Settings().horizons[1]]
    assert len(rows) == 50
    assert rows["actual"].tolist() == pytest.approx(
        outlook.settled["actual_price"].tail(50).tolist()
    )


def test_what_the_features_are_worth_is_drawn_once_it_was_measured(trained, visit, monkeypatch):
    app = section(visit(trained, "pages/Accuracy.py"), "Why")
    assert any("not there yet" in each.value for each in app.caption)
    worth = pd.DataFrame({"centre": [0.1], "spread": [0.2]}, index=["return_1"])
    published(trained, monkeypatch, importance=worth)
    again(app)
    assert drawn(app, "importance")["data"][0]["y"] == ["return 1"]


def test_walk_forward_figures_are_marked_as_such_until_the_record_is_long_enough(
    trained, visit, monkeypatch
):
    app = visit(trained, "pages/Accuracy.py", tail="50")
    assert WALKED in badges(app)
    assert ON_RECORD not in badges(app)
    long = trained.market().snapshot.outlooks[Settings().horizons[1]]
    published(trained, monkeypatch, recorded=long.settled.tail(60), pending=9)
    again(app)
    assert ON_RECORD in badges(app)
    assert WALKED not in badges(app)
    assert any(each.value == "On record: 60 settled, 9 pending" for each in app.caption)
    app.switch_page("app.py")
    again(app)
    assert "1 min and 45 min: on record, said live" in [each.value for each in app.caption]


# The time machine --------------------------------------------------------------------------------


def test_the_time_machine_shows_what_was_said_then_and_keeps_it_apart_from_what_came(
    trained, visit
):
    app = section(visit(trained, "pages/Accuracy.py"), "Time machine")
    outlook = trained.market().snapshot.outlooks[Settings().horizons[1]]
    row = outlook.settled.iloc[-31]
    dial = slider(app, "Bar")
    dial.set_value(row.name.tz_localize(None).to_pydatetime())
    again(app)
    assert facts(app)["Said at"] == f"{row.name:%Y-%m-%d %H:%M} UTC"
    assert facts(app)["Model"] == row["model"]
    traces = drawn(app, "hindsight")["data"]
    known, came = (each for each in traces if each["type"] == "candlestick")
    as_of = row.name.tz_localize(None)
    assert pd.Timestamp(known["x"][-1]) + ONE_MINUTE == as_of
    assert pd.Timestamp(came["x"][0]) == as_of
    assert came["name"] == "What came"
    assert WALKED in badges(app)


def test_the_time_machine_moves_bar_by_bar_and_stays_where_it_is_while_bars_close(tmp_path, visit):
    desk = Desk(tmp_path)
    desk.step()
    app = section(visit(desk, "pages/Accuracy.py"), "Time machine")
    settled = desk.market().snapshot.outlooks[Settings().horizons[1]].settled.index
    assert button(app, "Newest").disabled
    press(app, "Earlier")
    press(app, "Earlier")
    said = f"{settled[-3]:%Y-%m-%d %H:%M} UTC"
    assert facts(app)["Said at"] == said
    newest = desk.step(pd.Timedelta(minutes=5)).outlooks[Settings().horizons[1]].settled.index
    assert newest[-1] > settled[-1]
    again(app)
    section(app, "When")
    section(app, "Time machine")
    assert facts(app)["Said at"] == said
    press(app, "Later")
    assert facts(app)["Said at"] == f"{settled[-2]:%Y-%m-%d %H:%M} UTC"
    press(app, "Newest")
    assert facts(app)["Said at"] == f"{newest[-1]:%Y-%m-%d %H:%M} UTC"


def test_the_worst_forecast_can_be_looked_at(trained, visit):
    app = section(visit(trained, "pages/Accuracy.py"), "Time machine")
    press(app, "Worst")
    rows = trained.market().snapshot.outlooks[Settings().horizons[1]].settled.tail(200)
    worst = rows.index[np.argmax(rows["error"].abs() / rows["close"])]
    assert facts(app)["Said at"] == f"{worst:%Y-%m-%d %H:%M} UTC"


# The pulse of the Live page ----------------------------------------------------------------------


def test_the_live_page_says_how_far_the_trees_are_trusted_and_how_wild_it_will_be(trained, visit):
    app = visit(trained)
    for label in ("In 1 min", "In 45 min"):
        assert re.fullmatch(r"trees (0|[+-][\d.]+) bps · trust \d+ %", metrics(app)[label].delta)
    pulse = next(each.value for each in app.markdown if "Next 45 min" in each.value)
    assert "than usual" in pulse
    assert len(re.findall("[●○]", pulse)) == 60


def test_the_live_page_marks_its_tails_as_walk_forward(trained, visit):
    assert any("walk-forward" in each.value for each in visit(trained).caption)


def test_without_forecasts_the_live_page_has_no_pulse(desk, visit):
    desk.step()
    assert not [each for each in visit(desk).markdown if "Next " in each.value]


def test_the_ledger_page_works_as_the_first_page_and_says_how_to_begin(desk, visit):
    desk.step()
    app = visit(desk, "pages/Ledger.py", tail="300")
    assert slider(app, "Judge by the last").value == 300
    assert any(text.startswith("No trades yet.") for text in sentences(app))


def test_the_ledger_page_draws_the_equity_and_every_fill(desk, visit):
    desk.step()
    app = traded(visit(desk), desk, "Buy 1,000 USD of BTC")
    for _ in range(3):
        desk.step(ONE_MINUTE)
    traded(again(app), desk, "Sell all BTC")
    app.switch_page("pages/Ledger.py")
    again(app)
    assert {"Equity", "Realised", "Unrealised", "Fees paid"} <= metrics(app).keys()
    assert app.dataframe[0].value["side"].tolist() == ["sell", "buy"]
    assert charts(app)


def test_the_end_of_a_replay_offers_to_begin_again(desk, visit):
    folder = desk.hub.home / "recordings"
    folder.mkdir(parents=True)
    SAMPLE.candles.iloc[:200].drop(columns="filled").to_csv(folder / "short.csv")
    desk.step(source="short.csv")
    app = visit(desk, source="short.csv")
    assert "Replay again" not in [each.label for each in app.button]
    ended = desk.step(pd.Timedelta(seconds=101), source="short.csv")
    again(app)
    assert ended.ended
    last = metrics(app)["BTC/USD"].value
    press(app, "Replay again")
    desk.step(source="short.csv")
    again(app)
    assert "Replay again" not in [each.label for each in app.button]
    assert metrics(app)["BTC/USD"].value != last


# Provenance --------------------------------------------------------------------------------------

PAGES = ["app.py", *(f"pages/{name}.py" for name in ("Accuracy", "Backtest", "Ledger", "Health"))]
BANNED = VenueState("bitstamp", "banned", NOON + pd.Timedelta(hours=2), "bitstamp said no.", 9)
COINBASE = VenueState("coinbase", "ok", calls=60, clock_offset=NO_TIME, answered=NOON)


def by_coinbase(desk, monkeypatch):
    return shown_as(desk, monkeypatch, venue="coinbase", venues=(BANNED, COINBASE))


def listed(app):
    """The lines of the page's lists."""
    lists = [each.value for each in app.markdown if each.value.startswith("- ")]
    return [line.removeprefix("- ") for each in lists for line in each.splitlines()]


@pytest.mark.parametrize("page", PAGES)
def test_every_page_says_why_another_venue_is_in_use(desk, visit, monkeypatch, page):
    desk.step()
    by_coinbase(desk, monkeypatch)
    until = f"{BANNED.until:%H:%M}"
    assert f" · coinbase, as bitstamp is banned until {until} · " in bar(visit(desk, page))


@pytest.mark.parametrize("page", PAGES)
def test_every_page_says_that_stale_candles_carry_no_signal_and_no_trade(desk, visit, page):
    desk.step()
    desk.venue.fault = SourceUnavailable(f"{VENUE} does not answer.")
    desk.step(pd.Timedelta(minutes=7))
    said = bar(visit(desk, page))
    assert said.startswith(":gray-badge[Offline]")
    assert "stale: no signal, no trade] newest candle closed 7 min ago" in said


def test_no_button_trades_at_a_price_that_is_too_old_and_the_page_says_why(desk, visit):
    desk.step()
    app = traded(visit(desk), desk, "Buy 1,000 USD of BTC")
    assert all(orders(app).values())
    reason = ":material/block: No trade: the newest candle is 7 min old."
    assert reason not in [each.value for each in app.caption]
    desk.venue.fault = SourceUnavailable(f"{VENUE} does not answer.")
    desk.step(pd.Timedelta(minutes=7))
    again(app)
    assert len(orders(app)) == 3
    assert not any(orders(app).values())
    assert reason in [each.value for each in app.caption]
    desk.venue.fault = None
    desk.step(ONE_MINUTE)
    again(app)
    assert all(orders(app).values())


def test_no_signal_is_given_on_candles_that_are_too_old(trained, visit, monkeypatch):
    now = trained.market().snapshot.as_of
    app = visit(trained)
    assert not [each for each in app.caption if each.value.startswith("No signal")]
    shown_as(trained, monkeypatch, now=now + pd.Timedelta(minutes=4))
    again(app)
    assert "No signal: the newest candle is 4 min old." in [each.value for each in app.caption]
    assert "**Signal** · Wait" in [each.value for each in app.markdown]


def test_nothing_is_traded_while_the_clock_is_in_doubt(desk, visit, monkeypatch):
    desk.step()
    shown_as(desk, monkeypatch, clock_known=False, problem="This machine's clock is slow.")
    app = visit(desk)
    assert not any(orders(app).values())
    assert "This machine's clock is slow. The last good candles stay." in sentences(app)
    assert "nobody knows how old the newest candle is" in bar(app)


def test_the_health_page_works_as_the_first_page(desk, visit):
    desk.step()
    app = visit(desk, "pages/Health.py", tail="300")
    assert slider(app, "Judge by the last").value == 300
    assert headings(app)[0].startswith(f"#### Live from {VENUE}, the first choice; the newest")
    assert list(metrics(app)) == [
        *("Newest candle", "Price", "Minutes without a trade", "Rows dropped", "Server clock"),
        *("Rerun", "Worker", "Training", "Memory", "Sessions", "Kept"),
    ]
    assert metrics(app)["Newest candle"].delta == "fresh"
    assert any(line.startswith("No trouble") for line in listed(app))


def test_the_health_page_lists_every_venue_and_says_why_the_first_is_not_in_use(
    desk, visit, monkeypatch
):
    desk.step()
    by_coinbase(desk, monkeypatch)
    app = visit(desk, "pages/Health.py")
    until = f"{BANNED.until:%H:%M} UTC"
    assert f"because bitstamp is banned until {until};" in headings(app)[0]
    table = app.table[0].value.map(lambda cell: cell.replace("\u00a0", " "))
    assert table["State"].tolist() == [f"banned until {until}", "ok"]
    assert table["Last error"].tolist() == ["bitstamp said no.", "none"]
    assert "in\u00a0use" in table.index[1]


def test_the_health_page_tells_what_was_cleaned_and_what_is_wrong(desk, visit, monkeypatch):
    desk.step()
    report = CandleReport((("price", 2),), 0, (("wick", 1),))
    shown_as(desk, monkeypatch, report=report, cache_problem="The disk is full.")
    lines = listed(visit(desk, "pages/Health.py"))
    assert "2 candles without a usable price dropped" in lines
    assert "1 candle with a wick that forecasts ignore" in lines
    assert "The disk is full." in lines


def test_the_health_page_says_that_stale_candles_are_stale(desk, visit, monkeypatch):
    desk.step()
    now = desk.market().snapshot.as_of + pd.Timedelta(minutes=6)
    shown_as(desk, monkeypatch, now=now)
    app = visit(desk, "pages/Health.py")
    assert headings(app)[0].startswith("#### No candle for 6 min: no signal is given and no trade")
    assert metrics(app)["Newest candle"].delta == "stale"


def test_the_health_page_of_a_replay_needs_no_venue(desk, visit):
    desk.step(source="sample")
    app = visit(desk, "pages/Health.py", source="sample")
    assert headings(app)[0].endswith("at 60×, which needs no venue.")
    assert "Server clock" not in metrics(app)
    assert not app.table
    assert "None: nobody is asked for recorded candles." in [each.value for each in app.caption]


def test_the_health_page_of_a_replay_that_stands_in_shows_the_venues_that_failed(
    desk, visit, monkeypatch
):
    desk.venue.fault = SourceUnavailable("Nobody answers.")
    desk.step()
    shown_as(desk, monkeypatch, venues=(BANNED,))
    desk.step(source="sample")
    app = visit(desk, "pages/Health.py")
    assert headings(app)[0].endswith("because no live venue answered.")
    assert app.table[0].value["Last error"].tolist() == ["bitstamp\u00a0said\u00a0no."]


def test_the_health_page_before_any_candle_says_so_and_lists_the_venues(desk, visit, monkeypatch):
    shown_as(desk, monkeypatch, venues=(VenueState("bitstamp"),))
    app = visit(desk, "pages/Health.py")
    assert headings(app)[0] == "#### There are no candles yet."
    assert next(iter(metrics(app))) == "Rerun"
    assert app.table[0].value["State"].tolist() == ["not\u00a0asked\u00a0yet"]


def test_health_tells_how_the_server_is_doing(trained, visit):
    app = again(visit(trained, "pages/Health.py"))
    shown = {label: metric.value for label, metric in metrics(app).items()}
    assert re.fullmatch(r"\d+ ms|[\d.]+ s", shown["Rerun"])
    assert re.fullmatch(r"\d+ MB|[\d.]+ GB", shown["Memory"])
    assert int(shown["Sessions"]) > 0
    assert shown["Training"] != "–"


# Paper books --------------------------------------------------------------------------------------


def captions(app):
    return [each.value for each in app.caption]


def waits(app):
    """What the page says of orders that wait."""
    return [text for text in captions(app) if "Order placed" in text]


def timer_ms(app):
    return json.loads(app.get("component_instance")[0].proto.json_args)["interval"]


def test_the_address_names_the_book_so_that_a_reload_and_a_second_tab_show_it(desk, visit):
    desk.step()
    app = traded(visit(desk), desk, "Buy 1,000 USD of BTC")
    before = position(app)
    assert before[0] > 0
    owner = app.query_params["book"]
    reloaded = visit(desk, book=owner)
    assert position(reloaded) == before
    traded(reloaded, desk, "Sell all BTC")
    again(app)
    assert position(app) == position(reloaded)
    assert position(app)[0] == 0
    assert position(visit(desk)) == (0, 10_000)


def test_a_process_that_starts_again_shows_the_same_book(desk, visit):
    desk.step()
    app = traded(visit(desk), desk, "Buy 1,000 USD of BTC")
    owner, before = app.query_params["book"], position(app)
    desk.hub.close()
    desk.hub = Hub(
        lambda: desk.now,
        threads=False,
        home=desk.hub.home,
        models=desk.hub.home,
        open_live=lambda _: desk.venue,
    )
    desk.step()
    st.cache_resource.clear()
    assert position(visit(desk, book=owner)) == before


@pytest.mark.parametrize("owner", ["short", "x" * 23, "../../etc/passwd-2222x", "<b>book</b>"])
def test_an_address_that_names_no_book_gets_a_new_one_and_says_so(desk, visit, owner):
    desk.step()
    app = visit(desk, book=owner)
    assert "The book in this address is none, so a new one was begun." in sentences(app)
    again(app)
    assert re.fullmatch(r"[\w-]{22}", app.query_params["book"])
    assert app.query_params["book"] != owner


def test_a_book_is_written_only_when_something_happens_to_it(desk, visit):
    desk.step()
    app = visit(desk)
    owner = app.query_params["book"]
    assert desk.hub.desk.journal.books_of(owner) == ()
    press(app, "Buy 1,000 USD of BTC")
    assert len(desk.hub.desk.journal.books_of(owner)) == 1


def test_a_click_shows_its_order_at_once_and_looks_often_until_it_is_filled(desk, visit):
    desk.step()
    app = again(visit(desk))
    app = press(app, "Buy 1,000 USD of BTC")
    (said,) = waits(app)
    assert said.endswith(f"Order placed: waits for the first price after {NOON:%H:%M:%S} UTC.")
    assert not any(orders(app).values())
    assert timer_ms(app) <= 500
    desk.step(NEXT_BAR)
    again(app)
    assert waits(app) == []
    assert all(orders(app).values())
    assert any(text.startswith(":material/check: Buy 0.0") for text in captions(app))


def test_an_order_that_waits_for_its_latency_is_filled_after_it(desk, visit):
    desk.step()
    app = press(visit(desk, latency="60"), "Buy 1,000 USD of BTC")
    assert f"{NOON + ONE_MINUTE:%H:%M:%S}" in waits(app)[0]
    desk.step(pd.Timedelta(seconds=30))
    assert waits(again(app))
    desk.step(pd.Timedelta(seconds=33))
    again(app)
    (fill,) = desk.book(app).ledger.fills
    assert fill.receipt.delay == ONE_MINUTE


def test_a_page_whose_book_moved_on_while_it_was_drawn_is_drawn_again(desk, visit, monkeypatch):
    desk.step()
    app = press(visit(desk), "Buy 1,000 USD of BTC")
    drawn = []

    def filled_meanwhile(_):
        drawn.append(len(drawn))
        if len(drawn) == 1:
            desk.step(NEXT_BAR)

    monkeypatch.setattr("marketpulse.ui.live.draw_presets", filled_meanwhile)
    again(app)
    assert len(drawn) == 2
    assert waits(app) == []
    assert position(app)[0] > 0


def test_a_limit_refuses_a_purchase_by_hand_and_is_named(desk, visit):
    desk.step()
    app = press(visit(desk, max_position="5"), "Buy 1,000 USD of BTC")
    assert app.warning[-1].value.startswith("No purchase: the position would be worth 1,000.00 USD")
    assert "the limit of 5.0 % of equity" in app.warning[-1].value
    order, refusal = desk.book(app).ledger.events[-2:]
    assert refusal.order == order.id
    assert position(app) == (0, 10_000)


def test_what_a_trade_costs_is_what_the_sliders_say(desk, visit):
    desk.step()
    app = traded(visit(desk, fee="10", spread="20", impact="0"), desk, "Buy 1,000 USD of BTC")
    (fill,) = desk.book(app).ledger.fills
    assert float(fill.fee) == pytest.approx(1.0, abs=1e-6)
    assert float(fill.price / fill.receipt.reference) == pytest.approx(1.002)


def test_fees_can_be_those_of_another_venue_or_ones_own(desk, visit):
    desk.step()
    app = visit(desk)
    choice = next(each for each in app.selectbox if each.label == "Fees")
    assert choice.value == "taker"
    choice.set_value("kraken maker")
    again(app)
    assert slider(app, "Fee for each trade").value == 25
    again(app)
    assert query(app) == {"fees": "kraken maker"}
    slider(app, "Fee for each trade").set_value(7)
    again(app)
    again(app)
    assert next(each for each in app.selectbox if each.label == "Fees").value == "own"
    assert query(app) == {"fees": "kraken maker", "fee": "7"}


def test_the_journal_s_trouble_is_one_sentence_and_the_forecasts_go_on(tmp_path, visit):
    desk = Desk(tmp_path)
    desk.hub = Hub(
        lambda: desk.now,
        threads=False,
        home=tmp_path,
        models=tmp_path,
        open_live=lambda _: desk.venue,
        database="sqlite:////proc/nowhere/journal.db",
    )
    desk.step(times=1)
    app = visit(desk)
    told = [text for text in sentences(app) if "journal" in text]
    assert len(told) == 1
    assert "cannot be used" in told[0]
    assert metrics(app)["Position"].value == "–"
    assert not any(orders(app).values())
    assert charts(app)


def test_while_the_journal_is_being_opened_only_those_who_need_it_say_so(desk, visit, monkeypatch):
    desk.step()
    monkeypatch.setattr(Office, "desk", None)
    monkeypatch.setattr(desk.hub.office, "problem", OPENING)
    app = visit(desk)
    assert [text for text in sentences(app) if OPENING in text] == []
    assert [each.value for each in app.caption if OPENING in each.value] == [
        f":material/block: {OPENING}"
    ]
    assert not any(orders(app).values())
    ledger = visit(desk, "pages/Ledger.py")
    assert [text for text in sentences(ledger) if OPENING in text] == [OPENING]
    assert not [text for text in sentences(ledger) if "No trades yet" in text]


# The auto-pilot -----------------------------------------------------------------------------------


def test_the_auto_pilot_is_off_until_it_is_armed_with_every_setting(desk, visit):
    desk.step()
    app = visit(desk, buy_mae="1", symbol="BTC/USD")
    assert "**Auto-pilot** · :gray-badge[off]" in [each.value for each in app.markdown]
    press(app, "Arm with these settings")
    armed = desk.book(app).ledger.armed
    assert dict(armed.settings).keys() == {field.name for field in dataclasses.fields(Settings)}
    assert dict(armed.settings)["buy_mae"] == "1"
    assert any(
        text == f"Armed with safety margin to buy 1 × MAE, since {NOON:%-d %b %H:%M} UTC."
        for text in captions(app)
    )
    assert "Re-arm with these sliders" not in [each.label for each in app.button]


def test_sliders_that_differ_change_nothing_until_the_book_is_armed_again(desk, visit):
    desk.step()
    app = press(visit(desk), "Arm with these settings")
    slider(app, "Safety margin to sell").set_value(2.0)
    again(app)
    again(app)
    assert dict(desk.book(app).ledger.armed.settings)["sell_mae"] == "0.25"
    press(app, "Re-arm with these sliders")
    assert dict(desk.book(app).ledger.armed.settings)["sell_mae"] == "2"
    press(app, "Disarm")
    assert desk.book(app).ledger.armed is None
    assert any("Disarmed: By hand." in each.value for each in app.markdown)


def test_the_ledger_page_tells_what_the_auto_pilot_did(desk, visit):
    desk.step()
    app = press(visit(desk), "Arm with these settings")
    app.switch_page("pages/Ledger.py")
    again(app)
    choose(app, "ledger-section-current", "Activity")
    assert app.dataframe[0].value["what"].tolist() == ["Armed", "Deposit"]


# The Ledger page ----------------------------------------------------------------------------------


@pytest.fixture
def traded_ledger(desk, visit):
    """The Ledger page of a book that bought, was refused once, and sold."""
    desk.step()
    app = traded(visit(desk), desk, "Buy 1,000 USD of BTC")
    order_of(app, 1e6)
    press(app, "Buy 1,000,000 USD of BTC")
    order_of(app, 1000.0)
    desk.step(ONE_MINUTE)
    traded(again(app), desk, "Sell all BTC")
    app.switch_page("pages/Ledger.py")
    return again(app)


def test_the_ledger_page_says_where_the_profit_came_from_and_what_a_year_is(traded_ledger):
    figures, split = (table.value for table in traded_ledger.table)
    assert figures.loc["Fills"].tolist() == ["2"]
    assert split.columns.tolist() == ["Manual", "Auto-pilot", "Both"]
    assert split.index.tolist() == ["Price move", "Spread", "Impact", "Latency", "Fees", "Total"]
    assert any("a year of 365 days" in text for text in captions(traded_ledger))


def test_every_order_that_was_not_filled_has_its_reason(traded_ledger):
    app = choose(traded_ledger, "ledger-section-current", "Not filled")
    assert app.dataframe[0].value["what"].tolist() == ["Not filled"]
    assert "but the cash is" in app.dataframe[0].value["detail"].iloc[0]


def test_a_book_is_saved_whole_and_its_trades_as_a_table(traded_ledger, files, desk):
    again(traded_ledger)
    ledger = desk.book(traded_ledger).ledger
    rows = pd.read_csv(StringIO(files["market-pulse_BTC-USD_trades.csv"]()))
    assert rows["side"].tolist() == ["buy", "sell"]
    read = imported(files["market-pulse_BTC-USD_book.json"]())
    assert read.ledger == ledger


def test_a_book_from_a_file_is_looked_at_first_and_opened_beside_the_others(
    traded_ledger, files, desk, visit
):
    again(traded_ledger)
    content = files["market-pulse_BTC-USD_book.json"]()
    app = visit(desk, "pages/Ledger.py")
    owner = app.query_params["book"]
    app.file_uploader[0].set_value(("book.json", content, "application/json"))
    again(app)
    preview = [each.value for each in app.markdown if "2 trades" in each.value]
    assert len(preview) == 1
    assert desk.hub.desk.journal.books_of(owner) == ()
    press(app, "Import it")
    (info,) = desk.hub.desk.journal.books_of(owner)
    assert info.run_id.startswith("import-")
    other = next(each for each in app.selectbox if each.label == "To be read only")
    other.set_value(info.id)
    again(app)
    assert app.dataframe[0].value["side"].tolist() == ["sell", "buy"]


def test_a_file_that_is_no_book_is_refused_in_one_sentence(desk, visit):
    desk.step()
    app = visit(desk, "pages/Ledger.py")
    app.file_uploader[0].set_value(("book.json", b'{"format": 1}', "application/json"))
    again(app)
    assert any(text.startswith("The file is no book") for text in sentences(app))
    assert "Import it" not in [each.label for each in app.button]


def test_books_of_earlier_replays_can_be_read(desk, visit):
    desk.step(source="sample")
    app = traded(visit(desk, source="sample"), desk, "Buy 1,000 USD of BTC", source="sample")
    desk.hub.replay_again(Settings(source="sample"))
    desk.step(source="sample")
    app.switch_page("pages/Ledger.py")
    again(app)
    assert any(text.startswith("No trades yet.") for text in sentences(app))
    other = next(each for each in app.selectbox if each.label == "To be read only")
    assert [option.split(",")[1] for option in other.options] == [" ended replay of sample"]


def test_only_a_warned_place_shows_the_link_to_the_book(desk, visit):
    desk.step()
    app = visit(desk, "pages/Ledger.py")
    owner = app.query_params["book"]
    assert [each.value for each in app.code if owner in each.value]
    assert any("Whoever has this link has your books" in text for text in sentences(app))
    shown = [each.value for each in (*app.markdown, *app.caption, *app.info)]
    assert not [text for text in shown if owner in text]


def test_a_host_that_forgets_its_files_is_named_with_what_helps(desk, visit, monkeypatch):
    desk.step()
    app = visit(desk, "pages/Ledger.py")
    assert not any("forgets its files" in text for text in sentences(app))
    monkeypatch.setattr("marketpulse.ui.files.is_fleeting", lambda _: True)
    again(app)
    assert any("MARKETPULSE_DATABASE_URL" in text for text in sentences(app))
