import math
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketpulse import features
from marketpulse.candles import WICK_WINDOW, clean, wicks, without_wicks
from marketpulse.errors import MalformedCandles
from marketpulse.features import FEATURES, SPREAD_ONLY, WARM_UP, build
from marketpulse.horizons import MINUTE, ONE_MINUTE
from marketpulse.leaks import LEAKS, PLACE
from tests.bad_frames import bad_frame, stabbed
from tests.build import START, candles, walk

# The same columns in plain Python: one function of the bars up to and including the row ----------


def mean(values):
    return sum(values) / len(values)


def deviation(values):
    return math.sqrt(mean([(value - mean(values)) ** 2 for value in values]))


def column(bars, name):
    return [float(value) for value in bars[name]]


def log_change(bars, back):
    close = column(bars, "close")
    return math.log(close[-1] / close[-1 - back])


def distance(bars, window):
    close = column(bars, "close")
    return math.log(close[-1] / mean(close[-window:]))


def volatility(bars, window):
    close = column(bars, "close")[-window - 1 :]
    return deviation([math.log(b / a) for a, b in pairwise(close)])


def volume_ema(bars, window):
    weights = [(1 - 2 / (window + 1)) ** back for back in range(window)]
    newest_first = column(bars, "volume")[: -window - 1 : -1]
    weighted = sum(w * v for w, v in zip(weights, newest_first, strict=True)) / sum(weights)
    return weighted / mean(newest_first)


def range_fraction(bars):
    return (bars["high"].iloc[-1] - bars["low"].iloc[-1]) / bars["close"].iloc[-1]


def mean_range(bars, window):
    return mean([range_fraction(bars.iloc[: len(bars) - back]) for back in range(window)])


def close_position(bars):
    bar = bars.iloc[-1]
    return (bar["close"] - bar["low"]) / (bar["high"] - bar["low"]) if bar.high > bar.low else 0.5


def flat_share(bars, window):
    return mean([a == b for a, b in pairwise(column(bars, "close")[-window - 1 :])])


def signed_volume(bars, window):
    moves = pairwise(column(bars, "close")[-window - 1 :])
    volume = column(bars, "volume")[-window:]
    signed = [v * ((b > a) - (b < a)) for v, (a, b) in zip(volume, moves, strict=True)]
    return sum(signed) / sum(volume)


def scaled(twin, *args):
    """The twin in units of the volatility over 60 bars."""
    return lambda bars: twin(bars, *args) / volatility(bars, 60)


TWINS = {
    "time_of_day": lambda bars: (bars.index[-1] - bars.index[-1].normalize()) / ONE_MINUTE,
    "volatility_5": scaled(volatility, 5),
    "volatility_240": scaled(volatility, 240),
    "mean_range_5": scaled(mean_range, 5),
    "mean_range_20": scaled(mean_range, 20),
    "return_1": scaled(lambda bars: bars["close"].iloc[-1] / bars["close"].iloc[-2] - 1),
    "return_2": scaled(log_change, 2),
    "return_5": scaled(log_change, 5),
    "momentum_10": scaled(log_change, 10),
    "mean_distance_5": scaled(distance, 5),
    "mean_distance_15": scaled(distance, 15),
    "mean_distance_60": scaled(distance, 60),
    "volatility_15": scaled(volatility, 15),
    "volatility_60": lambda bars: volatility(bars, 60),
    "range_fraction": scaled(range_fraction),
    "close_position": close_position,
    "flat_share_20": lambda bars: flat_share(bars, 20),
    "signed_volume_20": lambda bars: signed_volume(bars, 20),
    "volume_mean_ratio_20": lambda bars: (
        bars["volume"].iloc[-1] / mean(column(bars, "volume")[-20:])
    ),
    "volume_std_ratio_20": lambda bars: (
        deviation(column(bars, "volume")[-20:]) / mean(column(bars, "volume")[-20:])
    ),
    "volume_ema_ratio_20": lambda bars: volume_ema(bars, 20),
}
OF_VOLUME = [
    "signed_volume_20",
    "volume_mean_ratio_20",
    "volume_std_ratio_20",
    "volume_ema_ratio_20",
]


@pytest.mark.parametrize("rough", [False, True])
@pytest.mark.parametrize("name", FEATURES)
def test_a_feature_is_what_a_slow_loop_over_the_bars_says(name, rough):
    frame = walk(WARM_UP + 29, seed=1, rough=rough)
    made = FEATURES[name](frame)
    rows = range(WARM_UP - 1, len(frame))
    expected = [TWINS[name](frame.iloc[: row + 1]) for row in rows]
    np.testing.assert_allclose(made[rows], expected, rtol=1e-9, atol=1e-11)


def test_the_rough_walk_above_has_bars_that_stand_still_and_bars_without_a_range():
    frame = walk(WARM_UP + 29, seed=1, rough=True).tail(30)
    assert (frame["close"].diff() == 0).any()
    assert (frame["high"] == frame["low"]).any()


def test_a_rise_of_one_in_a_hundred_is_a_return_of_one_in_a_hundred_over_the_volatility():
    last = build(candles([100.0] * 300 + [101.0])).iloc[-1]
    # one of the last n returns is r, the others are 0: their deviation is r * sqrt(n - 1) / n
    rise = math.log(1.01)
    volatility_60 = rise * math.sqrt(59) / 60
    assert last.to_dict() == pytest.approx(
        {
            "time_of_day": 300,
            "volatility_5": 24 / math.sqrt(59),
            "volatility_240": math.sqrt(239 / 59) / 4,
            "mean_range_5": 1 / 101 / 5 / volatility_60,
            "mean_range_20": 1 / 101 / 20 / volatility_60,
            "return_1": 0.01 / volatility_60,
            "return_2": 60 / math.sqrt(59),
            "return_5": 60 / math.sqrt(59),
            "momentum_10": 60 / math.sqrt(59),
            "mean_distance_5": math.log(101 / 100.2) / volatility_60,
            "mean_distance_15": math.log(101 / (1501 / 15)) / volatility_60,
            "mean_distance_60": math.log(101 / (6001 / 60)) / volatility_60,
            "volatility_15": 4 * math.sqrt(14 / 59),
            "volatility_60": volatility_60,
            "range_fraction": 1 / 101 / volatility_60,
            "close_position": 1,
            "flat_share_20": 19 / 20,
            "signed_volume_20": 1 / 20,
            "volume_mean_ratio_20": 1,
            "volume_std_ratio_20": 0,
            "volume_ema_ratio_20": 1,
        }
    )


def test_a_burst_of_volume_stands_out_from_its_mean():
    last = build(candles([100.0] * 20, volume=[1.0] * 19 + [21.0])).iloc[-1]
    assert last["volume_mean_ratio_20"] == pytest.approx(21 / 2)
    assert last["volume_std_ratio_20"] == pytest.approx(math.sqrt((19 + 19**2) / 20) / 2)
    # the newest of 20 weights is 2/21 of an endless series, here of what 20 weights leave of it
    share = (2 / 21) / (1 - (19 / 21) ** 20)
    assert last["volume_ema_ratio_20"] == pytest.approx((1 + 20 * share) / 2)


def test_volume_counts_for_the_side_that_its_bar_went_to():
    closes = [100.0] * 18 + [101.0, 100.0, 100.0]
    last = build(candles(closes, volume=[1.0] * 18 + [2.0, 5.0, 6.0])).iloc[-1]
    # 17 flat bars of 1, a rise on 2, a fall on 5, a flat bar of 6
    assert last["signed_volume_20"] == pytest.approx((2 - 5) / 30)
    assert last["flat_share_20"] == pytest.approx(18 / 20)


def test_a_close_stands_between_the_low_and_the_high_of_its_bar():
    frame = candles([100.0, 103.0, 99.0, 99.0, 100.0]).assign(low=[99.0, 100.0, 99.0, 99.0, 98.0])
    frame["high"] = [103.0, 103.0, 103.0, 99.0, 102.0]
    assert build(frame)["close_position"].tolist() == [0.25, 1, 0, 0.5, 0.5]


def test_the_time_of_day_begins_anew_at_midnight():
    frame = candles([100.0] * 4, start=START - 2 * ONE_MINUTE)
    assert build(frame)["time_of_day"].tolist() == [1438, 1439, 0, 1]


def test_a_market_without_volume_has_no_features_of_volume():
    last = build(walk(WARM_UP).assign(volume=0.0)).iloc[-1]
    assert last.index[last.isna()].tolist() == OF_VOLUME


def test_a_market_that_stands_still_has_no_volatility_to_measure_anything_in():
    last = build(candles([100.0] * 300)).iloc[-1]
    assert last.dropna().to_dict() == pytest.approx(
        {
            "time_of_day": 299,
            "volatility_60": 0,
            "close_position": 0.5,
            "flat_share_20": 1,
            "signed_volume_20": 0,
            "volume_mean_ratio_20": 1,
            "volume_std_ratio_20": 0,
            "volume_ema_ratio_20": 1,
        }
    )


def test_unknown_volume_leaves_the_features_of_price_alone():
    frame = walk(300)
    unknown = frame.assign(volume=frame["volume"].where(np.arange(300) != 285))
    prices = [name for name in FEATURES if name not in OF_VOLUME]
    pd.testing.assert_frame_equal(build(unknown)[prices], build(frame)[prices], check_exact=True)
    assert build(unknown)[OF_VOLUME].iloc[285:].isna().all(axis=None)


def test_what_only_the_spread_learns_from_are_features():
    assert FEATURES.keys() > SPREAD_ONLY


# No feature looks ahead --------------------------------------------------------------------------


def same(left, right):
    return np.array_equal(left, right, equal_nan=True)


def looking_ahead(features, frame, cuts):
    """Those features of which a row before a cut changes when what follows is cut off or other."""
    whole = {name: np.asarray(feature(frame)) for name, feature in features.items()}
    guilty = set()
    for cut in cuts:
        other = frame.copy()
        other.iloc[cut:, :5] = other.iloc[cut:, :5].to_numpy()[::-1] * 7.0
        for name, feature in features.items():
            rows = (np.asarray(feature(changed))[:cut] for changed in (frame.iloc[:cut], other))
            if not all(same(part, whole[name][:cut]) for part in rows):
                guilty.add(name)
    return guilty


frames = st.builds(
    walk, st.integers(WARM_UP + 10, WARM_UP + 80), st.integers(0, 10**6), rough=st.booleans()
)
# Some while windows fill, some behind which every feature has rows.
places = st.tuples(*[st.integers(1, WARM_UP)] * 2, *[st.integers(WARM_UP + 1, WARM_UP + 79)] * 2)


@settings(deadline=None, max_examples=40)
@given(frames, places)
def test_no_feature_depends_on_a_later_bar(frame, cuts):
    assert not looking_ahead(FEATURES, frame, [min(cut, len(frame) - 1) for cut in cuts])


def leaking_column(leak):
    return lambda frame: leak.built(frame, MINUTE).X[:, PLACE]


def test_the_check_for_looking_ahead_catches_every_leaking_column_and_nothing_else():
    frame, place = walk(WARM_UP + 130), FEATURES[list(FEATURES)[PLACE]]
    columns = {name: leaking_column(leak) for name, leak in LEAKS.items()}
    leaking = {name for name, made in columns.items() if not same(made(frame), place(frame))}
    assert len(leaking) > 20
    cuts = [WARM_UP + bars for bars in (17, 33, 48, 66, 81)]
    assert looking_ahead(columns, frame, cuts) == leaking


@pytest.mark.parametrize("bars", [0, 1, 3, 59, WARM_UP - 1])
def test_too_little_history_for_a_window_is_no_feature_and_no_error(bars):
    made = build(walk(WARM_UP).iloc[:bars])
    assert len(made) == bars
    assert made["volatility_240"].isna().all()
    assert made[["mean_distance_60", "volatility_60"]].iloc[:60].isna().all(axis=None)


# Bars from which a feature is known, where they are not the 61 that volatility needs.
FEWEST = {
    "time_of_day": 1,
    "close_position": 1,
    "volatility_240": WARM_UP,
    "flat_share_20": 21,
    "signed_volume_20": 21,
    "volume_mean_ratio_20": 20,
    "volume_std_ratio_20": 20,
    "volume_ema_ratio_20": 20,
}


@pytest.mark.parametrize("name", FEATURES)
def test_a_feature_begins_with_the_bar_that_fills_its_window(name):
    unknown = np.isnan(FEATURES[name](walk(WARM_UP + 10)))
    assert np.flatnonzero(unknown).tolist() == list(range(FEWEST.get(name, 61) - 1))


# No feature knows a wick --------------------------------------------------------------------------

OF_RANGE = ["mean_range_5", "mean_range_20", "range_fraction", "close_position"]


def test_a_wick_is_no_more_to_the_features_than_the_longest_bar_that_is_none():
    frame = walk(WARM_UP + 40)
    place = frame.columns.get_indexer(["high", "low"])
    frame.iloc[WARM_UP + 10, place] *= [1e6, 1e-6]
    longest = frame.copy()
    bar = longest.iloc[WARM_UP + 10]
    reach = 0.03 * min(bar["open"], bar["close"])
    longest.iloc[WARM_UP + 10, place] = [
        max(bar["open"], bar["close"]) + reach,
        min(bar["open"], bar["close"]) - reach,
    ]
    pd.testing.assert_frame_equal(build(frame), build(longest), check_exact=True)
    assert wicks(frame).sum() == 1
    assert not wicks(longest).any()


def test_a_wick_touches_features_of_the_range_alone():
    frame = stabbed(WARM_UP + 100, 0)
    others = [name for name in FEATURES if name not in OF_RANGE]
    calm = build(without_wicks(frame))
    pd.testing.assert_frame_equal(build(frame), calm, check_exact=True)
    raw = pd.DataFrame({name: FEATURES[name](frame) for name in FEATURES}, index=frame.index)
    pd.testing.assert_frame_equal(raw[others], calm[others], check_exact=True)
    assert all(not same(raw[name], calm[name]) for name in OF_RANGE)


def built_from(frame, cuts):
    """Whether all rows before the cuts have the same bits without what follows."""
    whole = build(frame)
    return all(same(build(frame.iloc[:cut]), whole.iloc[:cut]) for cut in cuts)


CUTS = range(WICK_WINDOW, WARM_UP + 100, 29)


@pytest.mark.parametrize("seed", range(3))
def test_no_feature_knows_a_wick_that_is_still_to_come(seed):
    assert built_from(stabbed(WARM_UP + 100, seed), CUTS)


def test_wicks_told_by_bars_after_them_are_caught(monkeypatch):
    def knowing(frame):
        usual = (frame["high"] - frame["low"]).rolling(21, center=True, min_periods=1).median()
        return frame.assign(high=np.fmin(frame["high"], frame["close"] + 10 * usual))

    monkeypatch.setattr(features, "without_wicks", knowing)
    assert not built_from(stabbed(WARM_UP + 100, 0), CUTS)


def test_a_wick_is_the_same_wick_with_the_least_history_and_with_ten_times_as_much():
    frame = stabbed(10 * WARM_UP, 1)
    whole = build(frame)
    for end in range(WARM_UP, len(frame), 131):
        assert same(build(frame.iloc[end - WARM_UP : end]).iloc[-1], whole.iloc[end - 1])


def test_the_windows_of_ranges_and_of_wicks_before_them_fit_into_the_warm_up():
    longest = max(int(name.rpartition("_")[2]) for name in OF_RANGE if name[-1].isdigit())
    assert longest + WICK_WINDOW <= WARM_UP


def test_other_units_make_no_other_wicks():
    frame = stabbed(WARM_UP + 100, 2)
    prices = frame[["open", "high", "low", "close"]] * 2.0**10
    scaled = build(frame.assign(**prices))
    np.testing.assert_allclose(scaled, build(frame), rtol=1e-9, atol=1e-10)


def test_whatever_a_venue_sends_no_feature_is_infinite():
    bars = 0
    for seed in range(100):
        rows, now = bad_frame(np.random.default_rng(seed))
        try:
            frame = clean(rows, ONE_MINUTE, now).candles
        except MalformedCandles:
            continue
        assert not np.isinf(build(frame)).any(axis=None), seed
        bars += max(0, len(frame) - WARM_UP)
    assert bars > 3_000


# No feature depends on the unit or on how much history there is ---------------------------------


# Powers of two scale without rounding, so that no difference of prices is lost but in logarithms.
units = st.sampled_from([2.0**10, 2.0**-20])


@settings(deadline=None, max_examples=20)
@given(frames, units, units)
def test_other_units_of_price_and_volume_change_no_feature(frame, price, volume):
    prices = frame[["open", "high", "low", "close"]] * price
    scaled = frame.assign(**prices, volume=frame["volume"] * volume)
    np.testing.assert_allclose(build(scaled), build(frame), rtol=1e-9, atol=1e-10)


def test_only_the_time_of_day_depends_on_the_clock():
    early, late = build(walk(WARM_UP)), build(walk(WARM_UP, start=START + 100 * ONE_MINUTE))
    others = [name for name in FEATURES if name != "time_of_day"]
    assert same(early[others], late[others])
    assert (late["time_of_day"].to_numpy() - early["time_of_day"].to_numpy() == 100).all()


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6), st.booleans())
def test_a_row_has_the_same_bits_with_the_least_history_and_with_ten_times_as_much(seed, rough):
    frame = walk(10 * WARM_UP, seed, rough=rough)
    assert same(build(frame.tail(WARM_UP)).iloc[-1], build(frame).iloc[-1])


def test_the_warm_up_is_as_long_as_it_must_be_and_no_longer():
    made = build(walk(WARM_UP + 1))
    assert made.iloc[WARM_UP - 2].isna().any()
    assert made.iloc[WARM_UP - 1 :].notna().all(axis=None)


def test_features_stand_at_the_bars_that_they_are_of():
    frame = walk(WARM_UP)
    assert build(frame).index.equals(frame.index)
    assert build(frame).columns.tolist() == list(TWINS)
