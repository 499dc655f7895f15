import pandas as pd
import pytest

from marketpulse import model
from marketpulse.calls import Call
from marketpulse.candles import CandleReport
from marketpulse.errors import ClockOff, RecordError, SourceUnavailable, UnknownSymbol
from marketpulse.horizons import FIVE_MINUTES, LONG, MINUTE, ONE_MINUTE
from marketpulse.market import RETRY, RETRY_UNKNOWN, Feed, Market
from marketpulse.model import Plan
from marketpulse.snapshot import MarketKey
from marketpulse.sources.recorded import RecordedSource, Recording, Replay
from marketpulse.store import ForecastRecord
from tests.build import START, walk

SMALL = {
    "minute": Plan(train_bars=300, min_train_bars=200, calibration_bars=100),
    "long": Plan(train_bars=120, min_train_bars=80, calibration_bars=60),
}
CANDLES = walk(6_000, seed=3)
RECORDING = Recording("walk.csv", "bitstamp", "BTC/USD", CANDLES, CandleReport(), "0" * 64)
KEY = MarketKey("walk.csv", "BTC/USD")
# Two hours after a scheduled fit.
NOW = START + pd.Timedelta(hours=82)


def fitted(_, data, fit_at, plan, say):
    say("Training")
    return model.fit(data, fit_at, plan)


def opened(source, now=NOW, replay=None):
    return Market(KEY, lambda _: Feed(source, replay), fitted, asked_at=now)


def settled(market, now=NOW):
    market.step(now)
    while market.busy:
        market.step(now)
    return market.snapshot


@pytest.fixture(autouse=True)
def small_plans(monkeypatch):
    monkeypatch.setattr("marketpulse.track.PLANS", SMALL)


@pytest.fixture(scope="module")
def snapshot():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("marketpulse.track.PLANS", SMALL)
        return settled(opened(RecordedSource(RECORDING)))


class Pages(RecordedSource):
    """The recording in pages of 1000 bars, newest first, from a venue that may change or fail."""

    name = "bitstamp"
    fault = None
    price_fault = None

    @property
    def venue(self):
        return self.name

    def pages(self, symbol, *, start, now):
        if self.fault:
            raise self.fault
        whole = next(super().pages(symbol, start=start, now=now))
        for end in range(len(whole.candles), 0, -1000):
            yield type(whole)(whole.candles.iloc[max(0, end - 1000) : end], CandleReport())

    def quote(self, symbol, *, now):
        if self.price_fault:
            raise self.price_fault
        return super().quote(symbol, now=now)


class Asked(RecordedSource):
    """The recording, counting how often it is asked for candles."""

    asked = 0

    def pages(self, symbol, *, start, now):
        self.asked += 1
        return super().pages(symbol, start=start, now=now)


def test_a_market_forecasts_both_horizons_from_the_newest_closed_bars(snapshot):
    minute, long = snapshot.outlooks[MINUTE].forecast, snapshot.outlooks[LONG].forecast
    assert minute.as_of == NOW
    assert minute.target_time == NOW + ONE_MINUTE
    assert long.as_of == NOW.floor(FIVE_MINUTES)
    assert minute.last_price == CANDLES["close"][NOW - ONE_MINUTE]


def test_every_settled_forecast_was_made_by_a_model_fitted_before_it(snapshot):
    for outlook in snapshot.outlooks.values():
        assert len(outlook.settled) >= 200
        assert (outlook.settled["fit_at"] <= outlook.settled.index).all()


def test_candles_are_shown_before_there_are_forecasts():
    market = opened(Pages(RECORDING))
    market.step(NOW)
    assert len(market.snapshot.candles) == 1000
    assert market.snapshot.progress == "Loading history: 1,000 of 20,160 minutes"


def test_while_older_candles_come_only_the_progress_moves_and_then_all_are_there():
    market = opened(Pages(RECORDING))
    while len(market.snapshot.outlooks) < 2 or market.gives_way:
        forecast = market.step(NOW)
    later = market.step(NOW)
    assert later.candles is forecast.candles
    assert later.mark((MINUTE, LONG)) == forecast.mark((MINUTE, LONG))
    assert later.progress == "Loading history: 4,920 of 20,160 minutes"
    assert len(settled(market).candles) == 4_920


def test_a_step_ends_with_what_visitors_have_waited_for():
    source, both = RecordedSource(RECORDING), (MINUTE, LONG)
    record, opened_records = ForecastRecord("sqlite://"), []

    def open_record():
        opened_records.append(market.snapshot.revision)
        return record

    market = Market(KEY, lambda _: Feed(source, None, open_record), fitted, asked_at=NOW)
    first = market.step(NOW)
    assert (first.has_candles, dict(first.outlooks), market.gives_way) == (True, {}, True)
    second = market.step(NOW)
    assert [second.outlooks[h].forecast is not None for h in both] == [True, True]
    assert (market.gives_way, market.busy, opened_records) == (True, True, [])
    market.step(NOW)
    assert (market.gives_way, len(opened_records)) == (False, 1)
    record.close()


def test_a_step_does_not_end_with_the_first_forecast_of_a_further_horizon():
    market, further = opened(RecordedSource(RECORDING)), MINUTE.with_steps(7)
    settled(market)
    market.want({further}, tail=200, refresh=pd.Timedelta(seconds=5))
    later = market.step(NOW + ONE_MINUTE)
    assert (later.outlooks[further].forecast is not None, market.gives_way) == (True, False)


def test_the_first_forecast_is_shown_while_the_next_model_is_trained():
    shown, market = [], None

    def slowly(_, data, fit_at, plan, say):
        say(f"Training the {data.horizon.minutes}-minute model")
        shown.append((market.snapshot.progress, len(market.snapshot.outlooks)))
        return model.fit(data, fit_at, plan)

    market = Market(KEY, lambda _: Feed(RecordedSource(RECORDING)), slowly, asked_at=NOW)
    market.step(NOW)
    market.step(NOW)
    assert shown == [("Training the 1-minute model", 0), ("Training the 45-minute model", 2)]
    assert market.snapshot.progress == ""


def test_everything_published_is_announced():
    market, heard = opened(RecordedSource(RECORDING)), []
    market.announce = lambda: heard.append(market.snapshot.revision)
    settled(market)
    assert heard == sorted(heard)
    assert heard[-1] == market.snapshot.revision


def test_a_market_that_watched_bars_come_says_what_one_that_starts_late_says():
    watching = opened(RecordedSource(RECORDING), NOW - pd.Timedelta(hours=5))
    for minutes in range(-300, 1, 1):
        settled(watching, NOW + minutes * ONE_MINUTE)
    late = settled(opened(RecordedSource(RECORDING)))
    for horizon in (MINUTE, LONG):
        seen, fresh = watching.snapshot.outlooks[horizon], late.outlooks[horizon]
        both = seen.predictions.index.intersection(fresh.predictions.index)
        assert len(both) > 200
        pd.testing.assert_frame_equal(
            seen.predictions.loc[both], fresh.predictions.loc[both], check_exact=True
        )


def test_a_further_horizon_is_forecast_once_it_is_wanted():
    market = opened(RecordedSource(RECORDING))
    settled(market)
    five = MINUTE.with_steps(5)
    market.want([five], tail=50, refresh=ONE_MINUTE)
    assert market.busy
    assert settled(market).outlooks[five].forecast.target_time == NOW + 5 * ONE_MINUTE
    assert MINUTE in market.snapshot.outlooks


def test_a_source_that_fails_leaves_the_last_good_candles_and_one_sentence():
    source = Pages(RECORDING)
    market = opened(source)
    before = settled(market)
    source.fault = SourceUnavailable("bitstamp did not answer.")
    after = market.step(NOW + 2 * ONE_MINUTE)
    assert after.problem == "bitstamp did not answer."
    assert after.candles is before.candles
    assert after.age == 2 * ONE_MINUTE


def test_a_price_that_shows_a_clock_to_be_off_puts_the_age_of_the_candles_in_doubt():
    source = Pages(RECORDING)
    market = opened(source)
    assert not settled(market).stale
    source.price_fault = ClockOff("This machine's clock is 6 min behind that of bitstamp.")
    after = market.step(NOW + pd.Timedelta(seconds=20))
    assert after.problem == str(source.price_fault)
    assert not after.clock_known
    assert after.stale
    source.price_fault = None
    assert market.step(NOW + pd.Timedelta(seconds=20) + RETRY).clock_known


def test_a_source_that_works_again_clears_its_problem():
    source = Pages(RECORDING)
    market = opened(source)
    settled(market)
    source.fault = SourceUnavailable("bitstamp did not answer.")
    market.step(NOW + 2 * ONE_MINUTE)
    source.fault = None
    after = market.step(NOW + 2 * ONE_MINUTE + RETRY)
    assert after.problem == ""
    assert after.as_of == NOW + 2 * ONE_MINUTE


def test_a_market_that_never_had_candles_says_why_and_asks_again():
    source = Pages(RECORDING)
    source.fault = UnknownSymbol("bitstamp has no XYZ/USD; near: XRP/USD.")
    market = opened(source)
    assert market.step(NOW).problem == "bitstamp has no XYZ/USD; near: XRP/USD."
    assert not market.snapshot.has_candles
    assert market.pause(NOW) == RETRY_UNKNOWN


def test_after_the_history_nothing_is_asked_until_the_next_bar_has_closed():
    source = Asked(RECORDING)
    market = opened(source)
    settled(market)
    for seconds in (1, 30, 61):
        market.step(NOW + pd.Timedelta(seconds=seconds))
    assert source.asked == 1
    market.step(NOW + pd.Timedelta(seconds=62))
    assert source.asked == 2


def test_candles_of_another_venue_replace_the_old_ones_whole():
    source = Pages(RECORDING)
    market = opened(source)
    settled(market)
    source.name = "kraken"
    later = NOW + 2 * ONE_MINUTE
    market.step(later)
    assert market.snapshot.venue == "bitstamp"
    market.step(later)
    assert market.snapshot.venue == "kraken"
    assert len(market.snapshot.candles) == 1000
    assert len(settled(market, later).candles) == 4_922


def test_too_little_history_is_said_in_one_sentence():
    early = START + 200 * ONE_MINUTE
    outlook = settled(opened(RecordedSource(RECORDING), early), early).outlooks[MINUTE]
    assert outlook.forecast is None
    assert outlook.missing.startswith("The 1-minute model needs ")


def test_no_forecast_stands_on_a_gap():
    gappy = CANDLES[(CANDLES.index < NOW - 9 * ONE_MINUTE) | (CANDLES.index >= NOW - ONE_MINUTE)]
    gappy = gappy.assign(filled=False)
    with_gap = Recording("gap.csv", "bitstamp", "BTC/USD", gappy, CandleReport(), "1" * 64)
    outlook = settled(opened(RecordedSource(with_gap))).outlooks[MINUTE]
    assert outlook.forecast is None
    assert outlook.missing == "No forecast over a gap in the candles."


def test_a_replay_closes_a_bar_for_every_second_at_sixty_times():
    index = CANDLES.index
    replay = Replay(index[0], index[-1], 60, NOW, "run")
    market = opened(RecordedSource(RECORDING), NOW, replay)
    first = settled(market, NOW)
    second = market.step(NOW + pd.Timedelta(seconds=1))
    assert first.as_of == replay.start
    assert second.as_of == first.as_of + ONE_MINUTE
    assert second.revision > first.revision
    assert second.price == CANDLES["open"][second.as_of]


def test_a_quiet_market_pauses_until_something_is_due():
    market = opened(RecordedSource(RECORDING))
    settled(market)
    assert pd.Timedelta(0) < market.pause(NOW) <= pd.Timedelta(seconds=5)


# On record ---------------------------------------------------------------------------------------


def recording_market(record, now=NOW):
    feed = Feed(RecordedSource(RECORDING), open_record=lambda: record)
    return Market(KEY, lambda _: feed, fitted, asked_at=now)


@pytest.fixture
def record():
    kept = ForecastRecord("sqlite://")
    yield kept
    kept.close()


def test_what_is_said_live_is_put_on_record_and_settled_when_it_comes_due(record):
    market = recording_market(record)
    said = settled(market).outlooks[MINUTE]
    assert said.pending == 1
    assert said.recorded.empty
    later = settled(market, NOW + 2 * ONE_MINUTE).outlooks[MINUTE]
    assert later.pending == 1
    row = later.recorded.iloc[0]
    assert later.recorded.index.tolist() == [NOW]
    assert row["raw"] == said.predictions.loc[NOW, "raw"]
    assert row["actual_price"] == CANDLES["close"][NOW]
    assert row["naive_error"] == CANDLES["close"][NOW - ONE_MINUTE] - CANDLES["close"][NOW]
    assert len(row["data"]) == 64


def test_only_what_was_said_before_its_outcome_is_on_record(record):
    market = recording_market(record)
    settled(market)
    settled(market, NOW + 10 * ONE_MINUTE)  # nine bars came while nobody looked
    said = settled(market, NOW + 12 * ONE_MINUTE).outlooks[MINUTE]
    assert said.recorded.index.tolist() == [NOW, NOW + 10 * ONE_MINUTE]


def test_a_restart_goes_on_with_the_record(record):
    settled(recording_market(record))
    later = NOW + 50 * ONE_MINUTE
    outlooks = settled(recording_market(record, later), later).outlooks
    assert outlooks[MINUTE].recorded.index.tolist() == [NOW]
    assert outlooks[LONG].recorded.index.tolist() == [NOW]
    assert outlooks[LONG].recorded["actual_price"].item() == CANDLES["close"][NOW + 44 * ONE_MINUTE]


def test_a_record_that_cannot_be_kept_is_said_and_the_forecasts_go_on():
    def broken():
        raise RecordError("The record is damaged.")

    feed = Feed(RecordedSource(RECORDING), open_record=broken)
    market = Market(KEY, lambda _: feed, fitted, asked_at=NOW)
    shown = settled(market)
    assert shown.record_problem == "The record is damaged."
    assert shown.outlooks[MINUTE].forecast is not None


def test_each_model_is_explained_once():
    market = opened(RecordedSource(RECORDING))
    settled(market)
    for _ in range(2):
        market.explain()
    worth = {horizon: outlook.importance for horizon, outlook in market.snapshot.outlooks.items()}
    assert all(not table.empty for table in worth.values())
    market.explain()
    assert all(market.snapshot.outlooks[horizon].importance is worth[horizon] for horizon in worth)


# Calls -------------------------------------------------------------------------------------------

# The long forecast is made at a whole five minutes; a call for it, before.
AHEAD, BEFORE = NOW + FIVE_MINUTES, NOW + 2 * ONE_MINUTE


def called(market, up, caller="ann", *, as_of=AHEAD, at=BEFORE, venue="bitstamp"):
    market.call(Call(caller, venue, LONG, as_of, up, at), at)


def calls_of(market, now):
    return settled(market, now).outlooks[LONG].calls


def test_calls_are_put_on_record_with_the_forecast_and_settled_with_it(record):
    market = recording_market(record)
    settled(market)
    called(market, up=True)
    called(market, up=False, caller="bob")
    assert calls_of(market, BEFORE).empty
    made = calls_of(market, AHEAD)
    assert made.index.tolist() == [AHEAD, AHEAD]
    assert dict(zip(made["caller"], made["raw"] > 0, strict=True)) == {"ann": True, "bob": False}
    said = market.snapshot.outlooks[LONG].forecast
    assert (made["close"] == said.last_price).all()
    assert made["actual_price"].isna().all()
    due = settled(market, said.target_time).outlooks[LONG]
    came = CANDLES["close"][said.target_time - ONE_MINUTE]
    assert due.calls["actual_price"].tolist() == [came, came]
    assert due.recorded.loc[AHEAD, "actual_price"] == came


def test_a_call_changes_nothing_of_what_the_trees_said(record):
    market = recording_market(record)
    settled(market)
    called(market, up=True)
    settled(market, AHEAD)
    said = market.snapshot.outlooks[LONG]
    pending = record.pending("bitstamp", "BTC/USD", LONG)
    assert pending.loc[AHEAD, "raw"] == said.predictions.loc[AHEAD, "raw"]
    assert said.pending == len(pending) == 2


def test_a_call_after_its_bar_has_closed_is_refused_though_no_forecast_is_there_yet(record):
    market = recording_market(record)
    settled(market)
    called(market, up=True, at=AHEAD)
    assert market.calls.refused("ann", LONG).startswith("Too late")
    assert calls_of(market, AHEAD).empty


def test_the_first_call_counts_and_a_second_changes_nothing(record):
    market = recording_market(record)
    settled(market)
    for up in (True, False, False):
        called(market, up=up)
    called(market, up=False, at=AHEAD)
    assert (calls_of(market, AHEAD)["raw"] > 0).tolist() == [True]


def test_a_call_for_another_venues_price_is_not_counted(record):
    market = recording_market(record)
    settled(market)
    called(market, up=True, venue="kraken")
    assert market.calls.waiting(LONG)
    assert calls_of(market, AHEAD).empty


def test_a_call_without_a_forecast_beside_it_is_not_counted(record):
    market = recording_market(record)
    settled(market)
    called(market, up=True)
    assert market.calls.waiting(LONG)
    late = AHEAD + FIVE_MINUTES  # by now the forecast of that bar was only computed afterwards
    assert calls_of(market, late).empty
    assert market.calls.waiting(LONG) == ()


def test_a_record_that_fails_for_a_moment_loses_no_call(record, monkeypatch):
    market = recording_market(record)
    settled(market)
    called(market, up=True)
    with monkeypatch.context() as patch:

        def broken(*_, **__):
            raise RecordError("The disk is full.")

        patch.setattr(record, "issue", broken)
        assert settled(market, AHEAD).record_problem == "The disk is full."
    assert len(calls_of(market, AHEAD + ONE_MINUTE)) == 1


def test_a_restart_still_knows_the_calls_on_record(record):
    market = recording_market(record)
    settled(market)
    called(market, up=True)
    settled(market, AHEAD)
    assert len(calls_of(recording_market(record, AHEAD + ONE_MINUTE), AHEAD + ONE_MINUTE)) == 1


# Revised bars ------------------------------------------------------------------------------------


class Revising(RecordedSource):
    """The recording, of which the venue tells one bar with another close from some time on."""

    bar, revised_at, close = NOW - 2 * ONE_MINUTE, NOW + ONE_MINUTE, 61_000.0

    def pages(self, symbol, *, start, now):
        (page,) = super().pages(symbol, start=start, now=now)
        candles = page.candles.copy()
        if now >= self.revised_at and self.bar in candles.index:
            candles.loc[self.bar, ["high", "close"]] = self.close
        yield type(page)(candles, page.report)


def test_a_bar_that_is_revised_is_told_and_what_stood_on_it_is_said_again():
    market, later = opened(Revising(RECORDING)), NOW + 70 * pd.Timedelta(seconds=1)
    before = settled(market)
    after = settled(market, later)
    assert dict(after.report.flagged)["revised"] == 1
    assert after.candles.loc[Revising.bar, "close"] == Revising.close
    said = after.outlooks[MINUTE].predictions
    assert said.loc[NOW - ONE_MINUTE, "close"] == Revising.close
    older = before.outlooks[MINUTE].predictions.loc[: NOW - 2 * ONE_MINUTE]
    pd.testing.assert_frame_equal(said.loc[older.index], older)
    late = settled(opened(Revising(RECORDING), later), later).outlooks[MINUTE].predictions
    pd.testing.assert_frame_equal(said.tail(60), late.tail(60), check_exact=True)
