from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketpulse.candles import (
    COLUMNS,
    EARLIEST,
    MOST_VOLUME,
    WICK_WINDOW,
    CandleReport,
    Cleaned,
    clean,
    concat_reports,
    empty,
    faults,
    fill_gaps,
    jumps,
    merge,
    oddities,
    resample,
    revised,
    table,
    times,
    wicks,
    without_wicks,
)
from marketpulse.errors import MalformedCandles
from marketpulse.horizons import FIVE_MINUTES, ONE_MINUTE
from marketpulse.sources.recorded import load_sample
from marketpulse.words import rule_text
from tests.bad_frames import DEFECTS, bad_frame, broken_invariants, expected, stabbed
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


def exactly_equal(left, right):
    pd.testing.assert_frame_equal(left, right, check_exact=True, check_freq=False)


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


UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("year", [2010, 2026, 2100])
def test_a_unit_is_told_from_its_neighbours_for_a_hundred_years(unit, year):
    when = pd.Timestamp(f"{year}-01-01 00:00", tz="UTC")
    assert times(pd.Series([int(when.timestamp()) * UNITS[unit]])).tolist() == [when]


@pytest.mark.parametrize("other", UNITS)
@pytest.mark.parametrize("most", UNITS)
@pytest.mark.parametrize("kind", [int, float, str])
def test_a_row_in_another_unit_than_most_becomes_no_candle(most, other, kind):
    second = int(START.timestamp())
    stamps = [(second + 60 * n) * UNITS[most] for n in range(5)] + [(second + 300) * UNITS[other]]
    opens = times(pd.Series([kind(stamp) for stamp in stamps]))
    values = pd.DataFrame(dict.fromkeys(COLUMNS, [1.0] * 6))
    result = clean(table(opens, values), ONE_MINUTE, LATER)
    if most == other:
        assert len(result.candles) == 6
        return
    assert result.candles.index.tolist() == [at(n) for n in range(5)]
    rule = "time" if UNITS[other] < UNITS[most] else "future"
    assert result.report == CandleReport(((rule, 1),))


@pytest.mark.parametrize("number", [1e19, -1e19, 1e300])
def test_a_number_too_large_for_any_unit_is_no_time(number):
    with pytest.raises(MalformedCandles, match="Row 3 has no readable time"):
        times(pd.Series([*SECONDS, number]))


def test_no_times_are_no_times():
    assert len(times(pd.Series([], dtype="object"))) == 0


def test_what_is_no_number_in_a_table_is_nan():
    values = pd.DataFrame({name: ["1.5", "n/a"] for name in COLUMNS})
    made = table(times(pd.Series(SECONDS)), values)
    assert made["close"].iloc[0] == 1.5
    assert made["close"].isna().tolist() == [False, True]


# Impossible rows ---------------------------------------------------------------------------------


@pytest.mark.parametrize("price", [0.0, -1.0, NAN, INF, -INF, 5e-324, 9e-19, 1.1e18, 1e300])
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
    rows = raw((0, 10, 12, 9, 11, 0), flat(1), flat(2, 1e-18), flat(3, 1e18))
    assert faults(rows).tolist() == [""] * 4


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


@pytest.mark.parametrize("volume", [NAN, INF, -INF, -1.0, MOST_VOLUME * 1.01])
def test_an_impossible_volume_is_unknown_and_not_zero(volume):
    result = clean(raw(flat(0, 99, volume=volume), flat(1), flat(3)), ONE_MINUTE, LATER)
    assert result.candles["close"].iloc[0] == 99
    assert result.candles["volume"].isna().tolist() == [True, False, False, False]
    assert result.candles["volume"].tolist()[1:] == [1, 0, 1]
    assert result.report == CandleReport((), 1, (("volume", 1),))


def test_a_volume_that_one_of_two_rows_knows_is_known():
    result = clean(raw(flat(0, volume=NAN), flat(0, volume=3)), ONE_MINUTE, LATER)
    assert result.candles["volume"].tolist() == [3]
    assert result.report == CandleReport((("duplicate", 1),))


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
    assert result.report == CandleReport((("duplicate", 1),), 0, (("conflict", 1),))


@pytest.mark.parametrize(
    ("others", "duplicates", "conflicts"),
    [
        ([flat(0)], 1, 0),
        ([flat(0, 100.1)], 1, 0),
        ([flat(0, 100.11)], 1, 1),
        ([flat(0, 99.89)], 1, 1),
        ([(0, 100, 100.2, 100, 100, 1)], 1, 1),
        ([flat(0, volume=9)], 1, 0),
        ([flat(0), flat(0, 101), flat(0, 102), flat(1), flat(1)], 4, 1),
        ([flat(0, NAN)], 0, 0),
    ],
)
def test_rows_of_one_bar_that_disagree_by_more_than_a_tenth_of_a_percent_are_counted(
    others, duplicates, conflicts
):
    report = clean(many(flat(0), *others), ONE_MINUTE, LATER).report
    assert dict(report.dropped).get("duplicate", 0) == duplicates
    assert dict(report.flagged).get("conflict", 0) == conflicts


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


def ago(span):
    return int(-pd.Timedelta(span) / ONE_MINUTE)


def test_a_stray_row_of_long_ago_is_refused_and_not_filled_up_from():
    first_block = int((EARLIEST - START) / ONE_MINUTE)
    said = (
        r"There are 2 candles for the 8,943,841 bars from 2009-01-03 to 2026-01-05,"
        r" too few to fill up the others\."
    )
    with pytest.raises(MalformedCandles, match=said):
        clean(raw(flat(first_block), flat(0)), ONE_MINUTE, LATER)


def test_a_thin_market_of_two_months_is_filled_up():
    result = clean(raw(flat(ago("60D")), flat(0)), ONE_MINUTE, LATER)
    assert result.report == CandleReport((), 60 * 1440 - 1)


@pytest.mark.parametrize(("every", "refused"), [(20, False), (21, True)])
def test_a_long_span_needs_rows_for_a_twentieth_of_its_bars(every, refused):
    opens = pd.date_range(START, periods=6_000, freq=every * ONE_MINUTE, unit="us")
    rows = table(opens, pd.DataFrame(dict.fromkeys(COLUMNS, [1.0] * 6_000)))
    if refused:
        with pytest.raises(MalformedCandles, match="too few to fill up the others"):
            clean(rows, ONE_MINUTE, START + pd.Timedelta("365D"))
    else:
        cleaned = clean(rows, ONE_MINUTE, START + pd.Timedelta("365D")).candles
        assert len(cleaned) == 5_999 * 20 + 1


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


# Revisions ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("column", range(1, 5))
def test_a_bar_whose_price_changed_is_revised(column):
    was = [list(flat(n)) for n in range(4)]
    was[2] = [2, 100, 101, 99, 100, 1]
    other = [list(bar) for bar in was]
    other[2][column] *= 1 + 2e-9
    before, after = (fill_gaps(raw(*bars), ONE_MINUTE) for bars in (was, other))
    assert revised(before, after).tolist() == [at(2)]
    assert revised(after, before).tolist() == [at(2)]


def test_other_digits_of_a_price_or_another_volume_are_no_revision():
    before = fill_gaps(raw(flat(0), flat(1)), ONE_MINUTE)
    after = fill_gaps(raw(flat(0, 100 * (1 + 5e-10)), flat(1, volume=9)), ONE_MINUTE)
    assert revised(before, after).empty


def test_only_what_both_tables_hold_can_be_revised():
    before = fill_gaps(raw(flat(0), flat(1, 50)), ONE_MINUTE)
    after = fill_gaps(raw(flat(1, 51), flat(2)), ONE_MINUTE)
    assert revised(before, after).tolist() == [at(1)]
    assert str(revised(before, after).dtype) == "datetime64[us, UTC]"
    for nothing in (revised(before, empty()), revised(empty(), after), revised(empty(), empty())):
        assert nothing.empty
        assert nothing.name == "open_time"


@pytest.mark.parametrize(("price", "changed"), [(100, []), (101, [1])])
def test_a_filled_bar_that_the_venue_tells_of_after_all_is_revised_if_its_price_is_another(
    price, changed
):
    gap = fill_gaps(raw(flat(0), flat(2)), ONE_MINUTE)
    told = fill_gaps(raw(flat(0), flat(1, price), flat(2)), ONE_MINUTE)
    assert revised(gap, told).tolist() == [at(n) for n in changed]


def test_a_bar_that_is_missing_now_is_not_revised():
    told = fill_gaps(raw(flat(0), flat(1, 101), flat(2)), ONE_MINUTE)
    gap = fill_gaps(raw(flat(0), flat(2)), ONE_MINUTE)
    assert revised(told, gap).empty


# Wicks and jumps ---------------------------------------------------------------------------------


def after_quiet(*bars, ranges=0.1, price=100.0):
    """Bars of the given (open, high, low, close) behind a window of bars with that range."""
    quiet = [(price, price + ranges, price, price)] * WICK_WINDOW
    return fill_gaps(raw(*((n, *bar, 1.0) for n, bar in enumerate([*quiet, *bars]))), ONE_MINUTE)


@pytest.mark.parametrize(
    ("ranges", "bar", "clipped"),
    [
        # ten ranges of 0.4 are 4 % of the price
        (0.4, (100, 104.9, 100, 101), (104.9, 100)),
        (0.4, (100, 105.5, 100, 101), (105, 100)),
        (0.4, (100, 105.5, 95.5, 101), (105, 96)),
        (0.4, (101, 101, 95.9, 100), (101, 96)),
        (0.4, (100, 1e8, 1e-6, 100), (104, 96)),
        # after an hour that stood still 3 % of the price is allowed
        (0.0, (100, 102.9, 97.1, 100), (102.9, 97.1)),
        (0.0, (100, 103.5, 96.5, 100), (103, 97)),
        # a move that the close keeps is no wick
        (0.4, (100, 150, 100, 150), (150, 100)),
        (0.4, (100, 100, 50, 50), (100, 50)),
    ],
)
def test_a_wick_ends_ten_ranges_out_of_the_body_or_three_in_a_hundred_of_the_price(
    ranges, bar, clipped
):
    frame = after_quiet(bar, ranges=ranges)
    kept = frame.copy()
    calm = without_wicks(frame)
    assert calm[["high", "low"]].iloc[-1].tolist() == pytest.approx(clipped)
    assert wicks(frame).tolist() == [False] * WICK_WINDOW + [clipped != (bar[1], bar[2])]
    pd.testing.assert_frame_equal(frame, kept, check_exact=True)
    others = ["open", "close", "volume", "filled"]
    pd.testing.assert_frame_equal(calm[others], frame[others], check_exact=True)


def test_a_flash_crash_through_a_thin_book_is_a_wick():
    # Kraken BTC/CAD, 2019-06-02: from 11,200 to 101 and back within a minute
    frame = after_quiet((11_200, 11_250, 101, 11_190), ranges=40, price=11_200)
    assert wicks(frame).sum() == 1
    assert without_wicks(frame)["low"].iloc[-1] == 11_190 - 400


def test_a_wick_does_not_hide_the_next_one():
    frame = after_quiet(*[(100, 1e8, 100, 100)] * 20)
    assert wicks(frame).sum() == 20


def test_without_a_window_of_bars_before_it_a_bar_has_no_wick():
    frame = after_quiet((100, 1e8, 100, 100)).iloc[1:]
    assert not wicks(frame).any()
    pd.testing.assert_frame_equal(without_wicks(frame), frame, check_exact=True)
    assert len(wicks(empty())) == 0
    assert without_wicks(empty()).empty


def test_no_bar_of_the_bundled_sample_is_odd():
    minutes = load_sample().candles
    assert oddities(minutes) == oddities(resample(minutes, FIVE_MINUTES)) == ()


@pytest.mark.parametrize("seed", range(5))
def test_what_is_a_wick_depends_on_the_window_before_it_alone_bit_for_bit(seed):
    frame = stabbed(400, seed)
    whole, flags = without_wicks(frame), wicks(frame)
    assert flags.sum() > 10
    for cut in range(WICK_WINDOW + 1, 400, 37):
        exactly_equal(without_wicks(frame.iloc[:cut]), whole.iloc[:cut])
        alone = frame.iloc[cut - WICK_WINDOW - 1 : cut]
        exactly_equal(without_wicks(alone).tail(1), whole.iloc[cut - 1 : cut])
        assert wicks(alone)[-1] == flags[cut - 1]


@pytest.mark.parametrize("unit", [2.0**20, 2.0**-40])
def test_the_unit_of_a_price_makes_no_wick(unit):
    frame = stabbed(400, 0)
    scaled = frame.assign(**frame[["open", "high", "low", "close"]] * unit)
    assert wicks(scaled).tolist() == wicks(frame).tolist()
    prices = ["open", "high", "low", "close"]
    exactly_equal(without_wicks(scaled)[prices], without_wicks(frame)[prices] * unit)


@pytest.mark.parametrize(
    ("bars", "jumped"),
    [
        ([(100, 149, 100, 149), (149, 149, 100, 100)], [0, 0]),
        ([(100, 151, 100, 151), (151, 151, 150, 150)], [1, 0]),
        ([(151, 151, 100, 100), (100, 100, 100, 100)], [1, 0]),
        ([(100, 100, 66, 66), (66, 66, 66, 66)], [1, 0]),
        # a price of another market for one bar: there and back
        ([(1e8, 1e8, 1e8, 1e8), (100, 100, 100, 100)], [1, 1]),
        # a wick that the close does not keep is none
        ([(100, 1e8, 100, 100), (100, 100, 100, 100)], [0, 0]),
    ],
)
def test_a_jump_is_a_body_half_as_high_again_as_the_close_before_it_or_as_much_below(bars, jumped):
    frame = after_quiet(*bars)
    assert jumps(frame).astype(int).tolist() == [0] * WICK_WINDOW + jumped
    assert dict(oddities(frame)).get("jump", 0) == sum(jumped)


def test_what_is_odd_is_counted_by_rule():
    frame = after_quiet((100, 1e8, 100, 100), (300, 300, 300, 300), (100, 1e8, 100, 100))
    unknown = frame.assign(volume=frame["volume"].where(np.arange(len(frame)) > 3))
    assert oddities(unknown) == (("volume", 4), ("wick", 2), ("jump", 2))
    assert oddities(frame.head(5)) == ()
    assert oddities(empty()) == ()


def test_a_first_bar_has_nothing_to_jump_from():
    assert jumps(fill_gaps(raw(flat(0, 1e6)), ONE_MINUTE)).tolist() == [False]
    assert len(jumps(empty())) == 0


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


def test_a_longer_bar_stands_at_its_open_on_the_grid_and_holds_no_bar_of_the_next():
    # closed and labelled on the left: 00:05 is in the bar of 00:05, not in that of 00:00
    longer = resample(candles(range(1, 21)), FIVE_MINUTES)
    assert longer.index.tolist() == [at(0), at(5), at(10), at(15)]
    assert longer["close"].tolist() == [5, 10, 15, 20]
    assert longer["open"].tolist() == [1, 5, 10, 15]


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
    reports = [
        CandleReport((("price", 1), ("future", 2)), 3, (("wick", 1),)),
        CandleReport((("price", 4),), 5, (("wick", 2), ("jump", 3))),
    ]
    assert concat_reports(reports) == CandleReport(
        (("future", 2), ("price", 5)), 8, (("jump", 3), ("wick", 3))
    )
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


# Random bad frames -------------------------------------------------------------------------------


def outcome(cleaner, rows, now):
    """What a cleaner makes of raw rows, or its refusal."""
    try:
        return cleaner(rows, now)
    except MalformedCandles as error:
        return error


def ours(rows, now):
    return clean(rows, ONE_MINUTE, now)


def frame_of(seed):
    return bad_frame(np.random.default_rng(seed))


def test_no_random_bad_frame_breaks_what_must_hold():
    broken, rules, refused = {}, set(), set()
    for seed in range(300):
        rows, now = frame_of(seed)
        result = outcome(ours, rows, now)
        if found := broken_invariants(rows, now, result):
            broken[seed] = found
        refused.add(expected(rows, now).refused)
        if isinstance(result, Cleaned):
            rules |= {rule for rule, _ in (*result.report.dropped, *result.report.flagged)}
    assert not broken
    # every rule was put to the test, and has words of its own
    assert rules == {
        "price", "range", "future", "time", "duplicate", "conflict", "volume", "wick", "jump",
    }  # fmt: skip
    assert all(rule_text(rule, 1) for rule in rules)
    assert len(refused) == 4


def test_a_seed_always_makes_the_same_bad_frame():
    for seed in range(20):
        (rows, now), (again, then) = frame_of(seed), frame_of(seed)
        exactly_equal(rows, again)
        assert now == then
    assert len(DEFECTS) == 17


def test_what_becomes_of_a_row_depends_on_no_later_row():
    compared = 0
    for seed in range(150):
        rows, now = frame_of(seed)
        whole = outcome(ours, rows, now)
        if isinstance(whole, Cleaned) and not whole.candles["filled"].all():
            told = whole.candles.index[~whole.candles["filled"]]
            cut = told[len(told) // 2]
            part = outcome(ours, rows[rows.index <= cut], now)
            if isinstance(part, Cleaned):
                exactly_equal(part.candles, whole.candles[:cut])
                exactly_equal(without_wicks(part.candles), without_wicks(whole.candles)[:cut])
                compared += 1
    assert compared > 60


# Cleaners with one mistake each ------------------------------------------------------------------


def changed(change):
    """Our cleaner, whose table is changed before it is handed out."""

    def cleaner(rows, now):
        result = ours(rows, now)
        return Cleaned(change(result.candles.copy()), result.report)

    return cleaner


def given_other(change):
    """Our cleaner, whose rows are changed before it sees them."""

    def cleaner(rows, now):
        return ours(change(rows, now), now)

    return cleaner


def reported(**counts):
    """Our cleaner, with other counts."""

    def cleaner(rows, now):
        result = ours(rows, now)
        return Cleaned(result.candles, replace(result.report, **counts))

    return cleaner


def shifted(frame, bars):
    return frame.set_axis(frame.index + bars * ONE_MINUTE)


def filled_with(values):
    def change(frame):
        for name in ("open", "high", "low", "close"):
            told = frame[name].where(~frame["filled"])
            frame[name] = values(told)
        return frame

    return changed(change)


def with_prices_made_usable(rows, _):
    prices = ["open", "high", "low", "close"]
    return rows.assign(**rows[prices].abs().clip(1e-8, 1e8).ffill())


def with_ranges_stretched(rows, _):
    body = rows[["open", "close"]]
    return rows.assign(
        high=np.fmax(rows["high"], body.max(axis=1)), low=np.fmin(rows["low"], body.min(axis=1))
    )


def on_the_grid(rows, _):
    return rows.set_axis(rows.index.floor(ONE_MINUTE))


def without_last_row(rows, now):
    return rows[rows.index.floor("min") != now.floor("min")].iloc[:-1]


WRONG = {
    "shows the forming bar": lambda rows, now: ours(rows, now + ONE_MINUTE),
    "drops the last row by its position": given_other(without_last_row),
    "turns the reply round": given_other(lambda rows, _: rows.iloc[::-1]),
    "keeps the first of two rows": given_other(lambda rows, _: rows[~rows.index.duplicated()]),
    "keeps the last of two rows": given_other(
        lambda rows, _: rows[~rows.index.duplicated(keep="last")]
    ),
    "takes unknown volume for none": changed(lambda frame: frame.fillna({"volume": 0.0})),
    "leaves filled volume unknown": changed(
        lambda frame: frame.assign(volume=frame["volume"].where(~frame["filled"]))
    ),
    "mends prices": given_other(with_prices_made_usable),
    "mends ranges": given_other(with_ranges_stretched),
    "moves rows to the grid": given_other(on_the_grid),
    "fills with the next price": filled_with(lambda told: told.bfill()),
    "draws a line over gaps": filled_with(lambda told: told.interpolate()),
    "hides gaps": changed(lambda frame: frame.assign(filled=False)),
    "leaves gaps out": changed(lambda frame: frame[~frame["filled"]]),
    "labels a bar by its close": changed(lambda frame: shifted(frame, 1)),
    "is a bar late": changed(lambda frame: shifted(frame, -1)),
    "loses a bar": changed(lambda frame: frame.iloc[1:]),
    "clips wicks for good": changed(without_wicks),
    "forgets the zone": changed(lambda frame: frame.tz_localize(None)),
    "counts nothing that it drops": reported(dropped=()),
    "flags nothing": reported(flagged=()),
    "counts no filled bar": reported(filled=0),
    "gives nothing": lambda *_: Cleaned(empty(), CandleReport()),
    "refuses a reply for any defect": given_other(
        lambda rows, _: rows if (faults(rows) == "").all() else with_a_row_off_the_grid(rows)
    ),
}


def with_a_row_off_the_grid(rows):
    return rows.set_axis(rows.index + ONE_MINUTE / 2)


@pytest.mark.parametrize("name", WRONG)
def test_a_cleaner_with_a_mistake_is_caught(name):
    def caught(seed):
        rows, now = frame_of(seed)
        return broken_invariants(rows, now, outcome(WRONG[name], rows, now))

    assert any(caught(seed) for seed in range(100))


def test_a_refusal_without_a_reason_is_caught():
    refusal = MalformedCandles("no")
    rows = raw(flat(0), flat(1))
    assert broken_invariants(rows, LATER, refusal) == ["refused without a reason: no"]
