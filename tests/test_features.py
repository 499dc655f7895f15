import math
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketpulse.features import FEATURES, WARM_UP, build
from marketpulse.horizons import FIVE_MINUTES
from tests.build import candles, walk

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


TWINS = {
    "simple_return_1": lambda bars: bars["close"].iloc[-1] / bars["close"].iloc[-2] - 1,
    "log_return_5": lambda bars: log_change(bars, 5),
    "momentum_10": lambda bars: log_change(bars, 10),
    "mean_distance_5": lambda bars: distance(bars, 5),
    "mean_distance_15": lambda bars: distance(bars, 15),
    "mean_distance_60": lambda bars: distance(bars, 60),
    "volatility_15": lambda bars: volatility(bars, 15),
    "volatility_60": lambda bars: volatility(bars, 60),
    "range_fraction": lambda bars: (bars.high.iloc[-1] - bars.low.iloc[-1]) / bars.close.iloc[-1],
    "volume_mean_ratio_20": lambda bars: (
        bars["volume"].iloc[-1] / mean(column(bars, "volume")[-20:])
    ),
    "volume_std_ratio_20": lambda bars: (
        deviation(column(bars, "volume")[-20:]) / mean(column(bars, "volume")[-20:])
    ),
    "volume_ema_ratio_20": lambda bars: volume_ema(bars, 20),
}


@pytest.mark.parametrize("name", FEATURES)
def test_a_feature_is_what_a_slow_loop_over_the_bars_says(name):
    frame = walk(70, seed=3)
    made = FEATURES[name](frame)
    rows = range(WARM_UP - 1, len(frame))
    expected = [TWINS[name](frame.iloc[: row + 1]) for row in rows]
    np.testing.assert_allclose(made[rows], expected, rtol=1e-9, atol=1e-15)


def test_a_rise_of_one_in_a_hundred_is_a_return_of_one_in_a_hundred():
    frame = candles([100.0] * 10 + [101.0])
    last = build(frame).iloc[-1]
    assert last["simple_return_1"] == pytest.approx(0.01)
    assert last["log_return_5"] == pytest.approx(math.log(1.01))
    assert last["momentum_10"] == pytest.approx(math.log(1.01))
    assert last["mean_distance_5"] == pytest.approx(math.log(101 / 100.2))
    assert last["range_fraction"] == pytest.approx(1 / 101)


def test_a_burst_of_volume_stands_out_from_its_mean():
    last = build(candles([100.0] * 20, volume=[1.0] * 19 + [21.0])).iloc[-1]
    assert last["volume_mean_ratio_20"] == pytest.approx(21 / 2)
    assert last["volume_std_ratio_20"] == pytest.approx(math.sqrt((19 + 19**2) / 20) / 2)
    # the newest of 20 weights is 2/21 of an endless series, here of what 20 weights leave of it
    share = (2 / 21) / (1 - (19 / 21) ** 20)
    assert last["volume_ema_ratio_20"] == pytest.approx((1 + 20 * share) / 2)


def test_a_market_without_volume_has_no_volume_ratios():
    last = build(candles([100.0] * 80, volume=0.0)).iloc[-1]
    missing = ["volume_mean_ratio_20", "volume_std_ratio_20", "volume_ema_ratio_20"]
    assert last.index[last.isna()].tolist() == missing


def test_a_market_that_stands_still_has_no_returns_and_no_volatility():
    last = build(candles([100.0] * 80)).iloc[-1]
    assert last.drop(["volume_mean_ratio_20", "volume_ema_ratio_20"]).tolist() == [0.0] * 10


def test_unknown_volume_leaves_the_features_of_price_alone():
    frame = walk(100)
    unknown = frame.assign(volume=frame["volume"].where(np.arange(100) != 90))
    prices = [name for name in FEATURES if not name.startswith("volume_")]
    pd.testing.assert_frame_equal(build(unknown)[prices], build(frame)[prices], check_exact=True)
    assert build(unknown).drop(columns=prices).iloc[90:].isna().all(axis=None)


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


frames = st.builds(walk, st.integers(65, 130), st.integers(0, 10**6), rough=st.booleans())


@settings(deadline=None, max_examples=60)
@given(frames, st.lists(st.integers(1, 129), min_size=5, max_size=5))
def test_no_feature_depends_on_a_later_bar(frame, cuts):
    assert not looking_ahead(FEATURES, frame, [min(cut, len(frame) - 1) for cut in cuts])


def five_minute_close_by_open_time(frame):
    longer = frame["close"].groupby(frame.index.floor(FIVE_MINUTES)).last()
    return longer.reindex(frame.index, method="ffill")


LEAKS = {
    "a centred window": lambda f: f["close"].rolling(5, center=True).mean(),
    "a z-score over all rows": lambda f: (f["close"] - f["close"].mean()) / f["close"].std(),
    "a range over all rows": lambda f: f["close"] / f["close"].max(),
    "a rank over all rows": lambda f: f["close"].rank(pct=True),
    "an unfinished longer bar": five_minute_close_by_open_time,
    "the next bar": lambda f: f["close"].shift(-1),
    "a gap filled backwards": lambda f: f["volume"].where(f["volume"] > 1.0).bfill(),
    "a gap filled in between": lambda f: f["volume"].where(f["volume"] > 1.0).interpolate(),
    "a smoother that runs both ways": lambda f: f["close"][::-1].ewm(span=5).mean()[::-1],
    "a window that ends at the last row": lambda f: f["close"] - f["close"].iloc[-1],
}


def test_the_check_for_looking_ahead_catches_every_leak_and_nothing_else():
    suspects = {**LEAKS, "an honest one": lambda f: f["close"].shift(1)}
    assert looking_ahead(suspects, walk(100), [17, 33, 48, 66, 81]) == set(LEAKS)


@pytest.mark.parametrize("bars", [0, 1, 3, 59])
def test_too_little_history_for_a_window_is_no_feature_and_no_error(bars):
    made = build(walk(60).iloc[:bars])
    assert len(made) == bars
    assert made[["mean_distance_60", "volatility_60"]].isna().all(axis=None)


# No feature depends on the unit or on how much history there is ---------------------------------


@settings(deadline=None, max_examples=20)
@given(frames, st.sampled_from([1e3, 1e-6]), st.sampled_from([1e3, 1e-6]))
def test_other_units_of_price_and_volume_change_no_feature(frame, price, volume):
    prices = frame[["open", "high", "low", "close"]] * price
    scaled = frame.assign(**prices, volume=frame["volume"] * volume)
    np.testing.assert_allclose(build(scaled), build(frame), rtol=1e-9, atol=1e-13)


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
    frame = walk(70)
    assert build(frame).index.equals(frame.index)
    assert build(frame).columns.tolist() == list(TWINS)
