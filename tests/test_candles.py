import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketpulse.candles import (
    COLUMNS,
    CandleReport,
    clean,
    concat_reports,
    empty,
    faults,
    fill_gaps,
    merge,
    resample,
    table,
    times,
)
from marketpulse.errors import MalformedCandles
from marketpulse.horizons import FIVE_MINUTES, ONE_MINUTE
from tests.build import START, candles

LATER = START + pd.Timedelta(days=30)
NAN, INF = float("nan"), float("inf")


def at(minute):
    return START + minute * ONE_MINUTE


def raw(*rows):
    """Raw rows of (minute, open, high, low, close, volume)."""
    open_time = pd.DatetimeIndex([at(row[0]) for row in rows], tz="UTC").as_unit("us")
    values = pd.DataFrame([row[1:] for row in rows], columns=list(COLUMNS), dtype="float64")
    return table(open_time, values)


def flat(minute, price=100.0, volume=1.0):
    return (minute, price, price, price, price, volume)


def many(*rows):
    """Raw rows behind 200 good ones, so that one bad row is less than 1 % of them."""
    return raw(*(flat(minute) for minute in range(-200, 0)), *rows)


def cleaned(rows, now=LATER, bar=ONE_MINUTE):
    return clean(rows, bar, now).candles


def row(frame, minute):
    return frame.loc[at(minute), list(COLUMNS)].tolist()


# Times -------------------------------------------------------------------------------------------

# 2021-05-03 00:00 and 00:01 UTC
SECONDS = [1_620_000_000, 1_620_000_060]


@pytest.mark.parametrize("factor", [1, 10**3, 10**6, 10**9], ids=["s", "ms", "us", "ns"])
@pytest.mark.parametrize("kind", [int, float, str])
def test_a_number_is_a_time_in_the_unit_of_its_magnitude(factor, kind):
    column = pd.Series([kind(second * factor) for second in SECONDS])
    expected = [pd.Timestamp("2021-05-03", tz="UTC"), pd.Timestamp("2021-05-03 00:01", tz="UTC")]
    assert times(column).tolist() == expected


@pytest.mark.parametrize(
    "text", ["2021-05-03T00:00:00Z", "2021-05-03 00:00:00", "2021-05-03", "2021-05-03T02:00+02:00"]
)
def test_a_text_is_an_iso_time_and_utc_unless_it_says_otherwise(text):
    assert times(pd.Series([text])).tolist() == [pd.Timestamp("2021-05-03", tz="UTC")]


def test_times_that_are_times_already_become_utc():
    zoned = pd.Series(pd.to_datetime(["2021-05-03 02:00"]).tz_localize("Europe/Berlin"))
    assert times(zoned).tolist() == [pd.Timestamp("2021-05-03", tz="UTC")]


@pytest.mark.parametrize(
    ("column", "row"),
    [
        (["2021-05-03", "tomorrow"], 2),
        ([*SECONDS, "soon"], 3),
        ([*SECONDS, None], 3),
        ([pd.NaT, pd.Timestamp("2021-05-03")], 1),
        (["inf", "inf"], 1),
    ],
)
def test_a_value_that_is_no_time_is_named_by_its_row(column, row):
    with pytest.raises(MalformedCandles, match=f"^Row {row} has no readable time"):
        times(pd.Series(column))


def test_no_times_are_no_times():
    assert len(times(pd.Series([], dtype="object"))) == 0


def test_what_is_no_number_in_a_table_is_nan():
    values = pd.DataFrame({name: ["1.5", "n/a"] for name in COLUMNS})
    made = table(times(pd.Series(SECONDS)), values)
    assert made["close"].iloc[0] == 1.5
    assert made["close"].isna().tolist() == [False, True]


# Impossible rows ---------------------------------------------------------------------------------


@pytest.mark.parametrize("price", [0.0, -1.0, NAN, INF, -INF])
@pytest.mark.parametrize("column", [1, 2, 3, 4])
def test_a_price_that_cannot_be_breaks_the_rule_of_prices(price, column):
    bad = list(flat(0))
    bad[column] = price
    assert faults(raw(bad)).tolist() == ["price"]


@pytest.mark.parametrize(
    "bad",
    [
        (0, 10, 9, 8, 8, 1),  # high below open
        (0, 8, 9, 8, 10, 1),  # high below close
        (0, 10, 12, 11, 12, 1),  # low above open
        (0, 12, 12, 11, 10, 1),  # low above close
        (0, 10, 9, 11, 10, 1),  # high below low
    ],
)
def test_a_range_that_does_not_hold_its_open_and_close_breaks_the_rule_of_ranges(bad):
    assert faults(raw(bad)).tolist() == ["range"]


def test_a_possible_row_breaks_no_rule():
    assert faults(raw((0, 10, 12, 9, 11, 0), flat(1))).tolist() == ["", ""]


def test_a_few_impossible_rows_are_dropped_counted_and_filled():
    result = clean(many(flat(0, NAN), (1, 10, 9, 8, 8, 1), flat(2, 101)), ONE_MINUTE, LATER)
    assert result.report == CandleReport((("price", 1), ("range", 1)), 2)
    assert result.candles["filled"].tail(3).tolist() == [True, True, False]
    assert row(result.candles, 1) == [100, 100, 100, 100, 0]


def test_a_reply_of_which_more_than_one_in_a_hundred_is_impossible_is_refused():
    two_of_200 = raw(*(flat(n) for n in range(198)), flat(198, 0), flat(199, 0))
    assert len(cleaned(two_of_200)) == 198
    three_of_200 = raw(*(flat(n) for n in range(197)), *(flat(n, 0) for n in range(197, 200)))
    said = r"3 of 200 candles are impossible, the first at 2026-01-05 03:17 UTC \(price\)"
    with pytest.raises(MalformedCandles, match=said):
        cleaned(three_of_200)


@pytest.mark.parametrize("volume", [NAN, INF, -1.0])
def test_an_impossible_volume_is_unknown_and_not_zero(volume):
    result = clean(raw(flat(0, volume=volume), flat(1)), ONE_MINUTE, LATER)
    assert np.isnan(result.candles["volume"].iloc[0])
    assert result.candles["volume"].iloc[1] == 1
    assert result.report == CandleReport()


# Closed bars -------------------------------------------------------------------------------------


def test_a_bar_is_left_out_until_it_has_closed():
    rows = raw(flat(0), flat(1))
    almost = at(2) - pd.Timedelta(microseconds=1)
    assert cleaned(rows, now=almost).index.tolist() == [at(0)]
    assert cleaned(rows, now=at(2)).index.tolist() == [at(0), at(1)]


def test_the_forming_bar_is_found_by_its_time_wherever_it_stands():
    newest_first = raw(flat(2), flat(1), flat(0))
    assert cleaned(newest_first, now=at(2.5)).index.tolist() == [at(0), at(1)]


def test_a_last_bar_that_has_closed_is_kept():
    assert cleaned(raw(flat(0), flat(1)), now=at(60)).index.tolist() == [at(0), at(1)]


def test_a_bar_from_the_future_is_counted_and_the_forming_one_is_not():
    result = clean(raw(flat(0), flat(1), flat(2)), ONE_MINUTE, at(1.5))
    assert result.candles.index.tolist() == [at(0)]
    assert result.report == CandleReport((("future", 1),), 0)


# Order, duplicates, gaps -------------------------------------------------------------------------


def test_a_reply_that_comes_newest_first_is_turned_round():
    # freqtrade c9ae5e1e, test___async_get_candle_history_sort: ten 5-minute bars, newest first
    stamps = pd.Series(range(1_527_833_100_000, 1_527_830_400_000 - 1, -300_000))
    values = pd.DataFrame(dict.fromkeys(COLUMNS, [0.1] * 10))
    frame = cleaned(table(times(stamps), values), bar=FIVE_MINUTES)
    assert len(frame) == 10
    assert frame.index[0] == pd.Timestamp(1_527_830_400_000, unit="ms", tz="UTC")
    assert frame.index[-1] == pd.Timestamp(1_527_833_100_000, unit="ms", tz="UTC")


def test_two_rows_of_one_bar_are_merged():
    # freqtrade c9ae5e1e, clean_ohlcv_dataframe: first open, max high, min low, last close
    result = clean(raw((0, 1, 3, 1, 2, 10), (0, 2, 4, 0.5, 3, 12)), ONE_MINUTE, LATER)
    assert row(result.candles, 0) == [1, 4, 0.5, 3, 12]
    assert result.report == CandleReport((("duplicate", 1),), 0)


def test_a_missing_bar_is_filled_with_the_close_before_it_and_no_volume():
    # freqtrade c9ae5e1e, test_ohlcv_fill_up_missing_data2; the fourth bar is still forming
    rows = [
        [1511686200000, 8.794e-05, 8.948e-05, 8.794e-05, 8.88e-05, 2255],
        [1511686500000, 8.88e-05, 8.942e-05, 8.88e-05, 8.893e-05, 9911],
        [1511687100000, 8.891e-05, 8.893e-05, 8.875e-05, 8.877e-05, 2251],
        [1511687400000, 8.877e-05, 8.895e-05, 8.817e-05, 8.883e-05, 123551],
    ]
    reply = table(
        times(pd.Series([r[0] for r in rows])),
        pd.DataFrame([r[1:] for r in rows], columns=list(COLUMNS)),
    )
    now = pd.Timestamp(1511687400000, unit="ms", tz="UTC") + ONE_MINUTE
    result = clean(reply, FIVE_MINUTES, now)
    assert len(result.candles) == 4
    filled = result.candles.loc[pd.Timestamp(1511686800000, unit="ms", tz="UTC")]
    assert filled[list(COLUMNS)].tolist() == [8.893e-05] * 4 + [0]
    assert result.candles["filled"].tolist() == [False, False, True, False]
    assert result.report == CandleReport((), 1)


def test_nothing_is_filled_before_the_first_or_after_the_last_bar():
    frame = fill_gaps(raw(flat(3), flat(5)), ONE_MINUTE)
    assert frame.index.tolist() == [at(3), at(4), at(5)]


def test_a_bar_that_opens_between_two_bars_is_refused():
    said = "A candle at 2026-01-05 00:01:00 UTC does not open on a whole 5-minute bar"
    with pytest.raises(MalformedCandles, match=said):
        fill_gaps(raw(flat(0), flat(1)), FIVE_MINUTES)


def test_unknown_volume_is_not_taken_for_a_missing_bar():
    frame = fill_gaps(raw(flat(0, volume=NAN), flat(1)), ONE_MINUTE)
    assert not frame["filled"].any()
    assert np.isnan(frame["volume"].iloc[0])


def test_a_clean_table_keeps_its_types():
    frame = cleaned(raw(flat(0), flat(2)))
    assert frame.dtypes.astype(str).tolist() == ["float64"] * 5 + ["bool"]
    assert frame.columns.tolist() == [*COLUMNS, "filled"]
    assert str(frame.index.dtype) == "datetime64[us, UTC]"
    assert frame.index.name == "open_time"
    assert frame.dtypes.equals(empty().dtypes)
    assert frame.index.dtype == empty().index.dtype


def test_nothing_cleaned_is_an_empty_table():
    result = clean(raw(flat(0)).iloc[:0], ONE_MINUTE, LATER)
    pd.testing.assert_frame_equal(result.candles, empty(), check_freq=False)
    assert result.report == CandleReport()


# Merging -----------------------------------------------------------------------------------------


def test_where_two_tables_overlap_the_newer_word_counts():
    older = fill_gaps(raw(flat(0), flat(1), flat(2)), ONE_MINUTE)
    newer = fill_gaps(raw(flat(2, 105), flat(3, 106)), ONE_MINUTE)
    assert merge(older, newer, ONE_MINUTE)["close"].tolist() == [100, 100, 105, 106]


def test_a_filled_bar_gives_way_to_a_reported_one_on_either_side():
    gap = fill_gaps(raw(flat(0), flat(2)), ONE_MINUTE)
    report = fill_gaps(raw(flat(1, 105)), ONE_MINUTE)
    for both in (merge(gap, report, ONE_MINUTE), merge(report, gap, ONE_MINUTE)):
        assert both["close"].tolist() == [100, 105, 100]
        assert not both["filled"].any()


def test_the_gap_between_two_tables_is_filled():
    both = merge(*(fill_gaps(raw(flat(n)), ONE_MINUTE) for n in (0, 3)), ONE_MINUTE)
    assert both["filled"].tolist() == [False, True, True, False]


def test_the_older_table_may_come_second():
    late, early = (fill_gaps(raw(flat(n)), ONE_MINUTE) for n in (1, 0))
    assert merge(late, early, ONE_MINUTE).index.tolist() == [at(0), at(1)]


def test_merging_with_nothing_changes_nothing():
    some = fill_gaps(raw(flat(0), flat(2)), ONE_MINUTE)
    for both in (merge(some, empty(), ONE_MINUTE), merge(empty(), some, ONE_MINUTE)):
        pd.testing.assert_frame_equal(both, some)
    assert merge(empty(), empty(), ONE_MINUTE).empty


# Resampling --------------------------------------------------------------------------------------


def test_a_longer_bar_is_first_open_highest_high_lowest_low_last_close_and_all_volume():
    minutes = fill_gaps(
        raw(
            (0, 10, 12, 10, 11, 1),
            (1, 11, 15, 11, 12, 2),
            (2, 12, 12, 8, 9, 3),
            (3, 9, 10, 9, 10, 4),
            (4, 10, 11, 10, 11, 5),
        ),
        ONE_MINUTE,
    )
    longer = resample(minutes, FIVE_MINUTES)
    assert longer.index.tolist() == [at(0)]
    assert row(longer, 0) == [10, 15, 8, 11, 15]


def test_incomplete_groups_at_either_end_are_left_out():
    # 00:03 to 00:16: only 00:05 and 00:10 are whole
    frame = candles(range(100, 114), start=at(3))
    assert resample(frame, FIVE_MINUTES).index.tolist() == [at(5), at(10)]


@pytest.mark.parametrize(("start", "count"), [(0, 0), (0, 1), (0, 4), (1, 8), (1, 3)])
def test_without_a_whole_group_there_is_no_longer_bar(start, count):
    assert resample(candles([100.0] * count, start=at(start)), FIVE_MINUTES).empty


@pytest.mark.parametrize(("filled", "marked"), [([0, 1], False), ([0, 1, 2], True)])
def test_a_longer_bar_is_filled_if_more_than_half_of_it_is(filled, marked):
    assert resample(candles([100.0] * 5, filled=filled), FIVE_MINUTES)["filled"].tolist() == [
        marked
    ]


def test_unknown_volume_stays_unknown_in_a_longer_bar():
    longer = resample(candles([1.0] * 5, volume=[1, 1, NAN, 1, 1]), FIVE_MINUTES)
    assert longer["volume"].isna().tolist() == [True]


def test_a_longer_bar_has_the_same_bits_however_much_history_stands_before_it():
    random = np.random.default_rng(1)
    frame = candles(random.uniform(90, 110, 100), volume=random.uniform(0, 9, 100))
    whole, part = resample(frame, FIVE_MINUTES), resample(frame.iloc[37:], FIVE_MINUTES)
    pd.testing.assert_frame_equal(whole.tail(len(part)), part, check_exact=True, check_freq=False)
    assert len(part) == 12


# Reports -----------------------------------------------------------------------------------------


def test_reports_add_up_by_rule():
    reports = [CandleReport((("price", 1), ("future", 2)), 3), CandleReport((("price", 4),), 5)]
    assert concat_reports(reports) == CandleReport((("future", 2), ("price", 5)), 8)
    assert concat_reports([]) == CandleReport()


# Any reply ---------------------------------------------------------------------------------------

prices = st.floats(1e-8, 1e8) | st.sampled_from([0.0, -5.0, NAN, INF, -INF])
volumes = st.floats(0, 1e9) | st.sampled_from([0.0, -1.0, NAN, INF])
bad_rows = st.tuples(st.integers(0, 60), prices, prices, prices, prices, volumes)
good_rows = st.tuples(st.integers(0, 60), st.floats(1e-8, 1e8), st.floats(0, 1), volumes).map(
    lambda drawn: (
        drawn[0],
        drawn[1],
        drawn[1] * (1 + drawn[2]),
        drawn[1] * (1 - drawn[2] / 2),
        drawn[1] * (1 - drawn[2] / 4),
        drawn[3],
    )
)


def keep_the_contract(frame, bar, now):
    prices = frame[["open", "high", "low", "close"]].to_numpy()
    assert frame.index.is_unique
    assert frame.index.is_monotonic_increasing
    assert (np.diff(frame.index) == bar).all()
    assert (frame.index + bar <= now).all()
    assert np.isfinite(prices).all()
    assert (prices > 0).all()
    assert (frame["high"] >= frame[["open", "close"]].max(axis=1)).all()
    assert (frame["low"] <= frame[["open", "close"]].min(axis=1)).all()
    assert not (frame["volume"] < 0).any()


@settings(deadline=None, max_examples=60)
@given(
    st.lists(good_rows, max_size=25),
    st.lists(bad_rows, max_size=3),
    st.integers(0, 70),
    st.randoms(),
)
def test_whatever_a_venue_sends_is_a_clean_table_or_refused(good, bad, minute, random):
    rows = [*good, *bad, *(flat(-n) for n in range(1, 301))]
    random.shuffle(rows)
    try:
        result = clean(raw(*rows), ONE_MINUTE, at(minute))
    except MalformedCandles:
        assert (faults(raw(*rows)) != "").sum() > 3
        return
    frame = result.candles
    keep_the_contract(frame, ONE_MINUTE, at(minute))
    keep_the_contract(resample(frame, FIVE_MINUTES), FIVE_MINUTES, at(minute))
    keep_the_contract(merge(frame.iloc[:150], frame.iloc[100:], ONE_MINUTE), ONE_MINUTE, at(minute))
    assert (frame.loc[frame["filled"], "volume"] == 0).all()
    assert result.report.filled == frame["filled"].sum()


def test_a_row_from_before_there_were_prices_is_dropped_and_not_filled_up_from():
    long_ago = int((pd.Timestamp("1970-01-01", tz="UTC") - START) / ONE_MINUTE)
    result = clean(raw(flat(long_ago), flat(long_ago + 1), flat(0)), ONE_MINUTE, LATER)
    assert result.candles.index.tolist() == [START]
    assert result.report.dropped == (("time", 2),)


def test_an_impossible_forming_bar_does_not_refuse_the_closed_ones():
    frame = candles([100.0, 101.0]).drop(columns="filled")
    frame.iloc[1, frame.columns.get_loc("low")] = 0.0
    result = clean(frame, ONE_MINUTE, frame.index[1] + ONE_MINUTE / 2)
    assert result.candles.index.tolist() == [frame.index[0]]
    assert result.report.dropped == ()
