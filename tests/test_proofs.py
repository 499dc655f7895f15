"""Proofs over the whole pipeline that it sees no future, finds no ghosts and misses no signal.

Of single parts they stand elsewhere: that every feature has the same bits after a truncation and
with any history in test_features, that a model has the same bytes whatever follows in test_model,
that live forecasts are those of a late start in test_market, and the gate of leaks in test_leaks.
"""

import hashlib
import io
import time

import joblib
import numpy as np
import pandas as pd
import pytest

from marketpulse import backtest, model, report
from marketpulse.bands import BANDS
from marketpulse.candles import CandleReport
from marketpulse.costs import Costs
from marketpulse.dataset import build
from marketpulse.evaluation import walked
from marketpulse.features import WARM_UP
from marketpulse.horizons import LONG, MINUTE, ONE_MINUTE
from marketpulse.market import Feed, Market
from marketpulse.model import Plan, fit, predict, rows_seen
from marketpulse.settings import PRESETS, Settings
from marketpulse.signals import Thresholds
from marketpulse.snapshot import MarketKey
from marketpulse.sources.recorded import RecordedSource, Recording, load
from tests.build import START, candles, walk

HOUR = pd.Timedelta(hours=1)
SMALL = {
    "minute": Plan(train_bars=400, min_train_bars=200, calibration_bars=200),
    "long": Plan(train_bars=500, min_train_bars=150, calibration_bars=240),
}
BOTH = pytest.mark.parametrize("horizon", [MINUTE, LONG], ids=lambda horizon: horizon.label)
RETURNS = ["raw", "trusted", *BANDS]


def exactly_equal(left, right):
    pd.testing.assert_frame_equal(left, right, check_exact=True, check_freq=False)


@pytest.fixture(autouse=True)
def small_plans(monkeypatch):
    for label, plan in SMALL.items():
        monkeypatch.setitem(model.PLANS, label, plan)


def market(frame, now):
    recording = Recording("walk.csv", "bitstamp", "BTC/USD", frame, CandleReport(), "0" * 64)
    return Market(
        MarketKey("walk.csv", "BTC/USD"),
        lambda _: Feed(RecordedSource(recording)),
        lambda _, data, fit_at, plan, _say: fit(data, fit_at, plan),
        asked_at=now,
    )


def settled(opened, now):
    opened.step(now)
    while opened.busy:
        opened.step(now)
    return opened.snapshot


# Live is what is evaluated ------------------------------------------------------------------------


def test_what_is_said_live_over_300_bars_is_what_an_evaluation_says_byte_for_byte():
    frame = walk(64 * 60, seed=3)
    end = frame.index[-1] + ONE_MINUTE
    live = market(frame, end - 300 * ONE_MINUTE)
    for minutes in range(-300, 1):
        settled(live, end + minutes * ONE_MINUTE)
    for horizon in (MINUTE, LONG):
        said = live.snapshot.outlooks[horizon].settled
        batch = walked(frame, horizon)
        last = batch.index[batch.index > end - 300 * ONE_MINUTE]
        assert len(last) == (300 * ONE_MINUTE - horizon.span) / horizon.bar
        exactly_equal(said.loc[last], batch.loc[last])


# History ------------------------------------------------------------------------------------------


@BOTH
def test_a_forecast_has_the_same_bits_with_the_least_history_and_with_ten_times_as_much(horizon):
    plan = SMALL[horizon.label]
    least = WARM_UP + plan.train_bars + plan.calibration_bars + 2 * horizon.steps
    hours = int(np.ceil(10 * least * horizon.bar / (4 * HOUR))) * 4
    frame = walk(int(hours * HOUR / horizon.bar) + 20, seed=5, bar=horizon.bar)
    fit_at = START + hours * HOUR
    whole = build(frame, horizon)
    first = rows_seen(whole, fit_at, plan).train.start - WARM_UP
    assert len(frame) > 9 * (len(frame) - first)
    short = build(frame.iloc[first:], horizon)
    made = [
        predict(fit(data, fit_at, plan), data, data.position(fit_at), len(data))
        for data in (short, whole)
    ]
    assert len(made[0]) > 0
    exactly_equal(*made)


# Purge --------------------------------------------------------------------------------------------


def trees_of(data, fit_at, plan):
    """The bytes of the trees of a model, in short."""
    made = fit(data, fit_at, plan)
    dump = io.BytesIO()
    joblib.dump((made.centre, made.spread), dump)
    return hashlib.sha256(dump.getvalue()).hexdigest()


@BOTH
def test_the_trees_see_no_price_after_the_last_train_target(horizon):
    plan = SMALL[horizon.label]
    frame = walk(1_300, seed=2, bar=horizon.bar)
    fit_at = (START + 1_200 * horizon.bar).floor(4 * HOUR)
    data = build(frame, horizon)
    seen = rows_seen(data, fit_at, plan)
    last = seen.train.stop - 1 + horizon.steps  # the bar at which the last train target comes due
    assert last == seen.calibrate.start - 1

    def with_other_prices_from(bar):
        other = frame.copy()
        other.iloc[bar:, :4] *= 10.0
        return trees_of(build(other, horizon), fit_at, plan)

    honest = trees_of(data, fit_at, plan)
    assert with_other_prices_from(last + 1) == honest
    assert with_other_prices_from(last) != honest


@BOTH
def test_no_fit_is_given_a_row_whose_outcome_was_unknown(horizon, monkeypatch):
    plan = SMALL[horizon.label]
    data = build(walk(1_300, seed=2, bar=horizon.bar), horizon)
    # every number that a fit can be given is the number of its row
    rows = np.arange(len(data), dtype=float)
    numbered = model.Dataset(
        horizon, data.as_of, data.close, np.repeat(rows[:, None], data.X.shape[1], axis=1),
        data.scale, rows, rows, rows, np.isfinite(data.scale),
    )  # fmt: skip
    given = []
    trees = model.regressor()

    class Spy(trees):
        def fit(self, X, y):
            given.append(("fit", X.max(), y.max()))
            return super().fit(X, y)

        def predict(self, X):
            given.append(("predict", X.max(), X.max()))
            return super().predict(X)

    monkeypatch.setattr(model, "regressor", lambda: Spy)
    fit_at = (START + 1_200 * horizon.bar).floor(4 * HOUR)
    fit(numbered, fit_at, plan)
    newest = data.position(fit_at)  # the row of the bar that closes at the fit
    assert data.as_of[newest] == fit_at
    fitted = [max(X, y) for what, X, y in given if what == "fit"]
    judged = [X for what, X, _ in given if what == "predict"]
    assert len(fitted) == 2 + (model.FOLDS if horizon.steps == 1 else model.FOLDS_OVERLAPPING)
    assert max(fitted) == newest - horizon.steps - plan.calibration_bars - horizon.steps
    assert max(judged) == newest - horizon.steps


# No ghosts, and no signal missed ------------------------------------------------------------------


def tidal(seed):
    """A walk that drifts up for an hour and a half and then down, as its last hour shows."""
    random = np.random.default_rng(seed)
    tide = 5e-4 * np.sin(np.arange(7_200) * 2 * np.pi / 180)
    returns = tide + random.normal(0, 1e-3, 7_200)
    return candles(60_000 * np.exp(np.cumsum(returns)), volume=random.lognormal(0, 1, 7_200))


def snapshots(frames):
    """Each market at its end."""
    ends = [frame.index[-1] + ONE_MINUTE for frame in frames]
    return [settled(market(frame, end), end) for frame, end in zip(frames, ends, strict=True)]


def reports(made, monkeypatch, fee):
    """What a visitor sees of each market, if a trade costs ``fee`` basis points."""
    monkeypatch.setattr(report, "taker_fee_bps", lambda _: fee)
    return [report.build(snapshot, Settings(source="walk.csv")) for snapshot in made]


def hits(views):
    """Share of right directions over several tails, and three standard errors of it.

    Outcomes that overlap over ``steps`` rows count as one.
    """
    tails = [view.tail for view in views]
    judged = sum(tail.direction_n for tail in tails)
    right = sum(tail.direction_hit_rate * tail.direction_n for tail in tails if tail.direction_n)
    return right / judged, 3 * 0.5 / np.sqrt(judged / views[0].asked.steps)


def earned(seen, preset):
    """Mean P&L of a preset, and how much of it may be luck: 95 % of Student's t, over markets."""
    nets = np.array([one.presets[preset].net for one in seen])
    return nets.mean(), 2.78 * nets.std(ddof=1) / np.sqrt(len(nets))


def test_on_random_walks_nothing_is_found_and_nothing_is_earned(monkeypatch):
    made = snapshots([walk(4_320, seed) for seed in range(5)])
    free, charged = (reports(made, monkeypatch, fee) for fee in (0.0, 40.0))
    for views in ([one.minute for one in free], [one.long for one in free]):
        assert not any(view.tail.verdict == "beats naive" for view in views)
        rate, error = hits(views)
        assert abs(rate - 0.5) < error
    for seen in (free, charged):
        assert sum(one.presets["Lean"].trades for one in seen) > 10
        for preset in PRESETS:
            net, luck = earned(seen, preset)
            assert net <= luck
    assert earned(charged, "Lean")[0] < 0


def test_a_planted_tide_is_found_and_earns_money_before_costs(monkeypatch):
    frames = [tidal(seed) for seed in range(3)]
    seen = reports(snapshots(frames), monkeypatch, fee=0.0)
    rate, error = hits([one.long for one in seen])
    assert rate - 0.5 > error
    assert all(one.long.tail.verdict == "beats naive" for one in seen)
    patient = Thresholds.of(Settings(buy_mae=0.0, sell_mae=0.0, margin=50.0))
    trading = backtest.Trading("BTC/USD", cash=10_000, amount=1_000, costs=Costs(0))
    for one, frame in zip(seen, frames, strict=True):
        made = backtest.run(one.decisions, frame, patient, Costs(0), trading)
        assert made.trades > 0
        assert made.net > 0


# The unit of price, of volume and of time ---------------------------------------------------------


@pytest.fixture(scope="module")
def frame():
    return walk(62 * 60, seed=7, memory=0.3)


@pytest.fixture(scope="module")
def honest(frame):
    with pytest.MonkeyPatch.context() as patch:
        for label, plan in SMALL.items():
            patch.setitem(model.PLANS, label, plan)
        return {horizon: walked(frame, horizon) for horizon in (MINUTE, LONG)}


@pytest.mark.parametrize(("price", "volume"), [(1e3, 1.0), (1e-6, 1.0), (1.0, 1e3)])
@BOTH
def test_other_units_of_price_and_volume_make_the_same_forecasts(
    frame, honest, horizon, price, volume
):
    prices = frame[["open", "high", "low", "close"]] * price
    other = walked(frame.assign(**prices, volume=frame["volume"] * volume), horizon)
    here = honest[horizon]
    assert here["raw"].abs().max() > 1e-4
    np.testing.assert_allclose(other[RETURNS], here[RETURNS], rtol=1e-9, atol=1e-12)


@BOTH
def test_three_years_of_whole_weeks_later_the_same_candles_make_the_same_forecasts(
    frame, honest, horizon
):
    later = pd.Timedelta(days=3 * 364)
    other = walked(frame.set_index(frame.index + later), horizon)
    other.index = other.index - later
    exactly_equal(other[RETURNS], honest[horizon][RETURNS])


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "America/New_York"])
def test_in_another_time_zone_a_file_makes_the_same_forecasts(
    frame, honest, zone, monkeypatch, tmp_path
):
    path = tmp_path / "candles.csv"
    texts = frame.index.strftime("%Y-%m-%d %H:%M:%S")
    frame.drop(columns="filled").assign(time=texts).to_csv(path, index=False)
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        assert time.localtime(0).tm_hour != 0
        exactly_equal(walked(load(path).candles, LONG), honest[LONG])
    finally:
        monkeypatch.undo()
        time.tzset()
