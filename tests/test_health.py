import dataclasses

import pandas as pd
import pytest

from marketpulse import health
from marketpulse.candles import CandleReport
from marketpulse.health import Gap, Gaps
from marketpulse.snapshot import MarketKey, Snapshot
from marketpulse.sources import Quote, VenueState
from marketpulse.sources.recorded import Replay
from tests.build import START, candles

SECOND, MINUTE = pd.Timedelta(seconds=1), pd.Timedelta(minutes=1)
REFRESH = 5 * SECOND
# Ten candles have closed by then.
CLOSED = START + 10 * MINUTE
NOW = CLOSED + 12 * SECOND
# Of a recording that goes on for long.
LAST = START + pd.Timedelta(days=2)
FIRST = VenueState("bitstamp", "ok", calls=60, clock_offset=0 * SECOND, answered=NOW - 3 * SECOND)
SECOND_CHOICE = dataclasses.replace(FIRST, venue="coinbase")


def seen(**changes):
    """A live market of ten candles, the newest of which closed 12 s ago."""
    plain = Snapshot(
        MarketKey("auto", "BTC/USD"), 1, NOW, START, "bitstamp", candles([100.0] * 10),
        quote=Quote(100.0, NOW - 3 * SECOND), venues=(FIRST, VenueState("coinbase")),
    )  # fmt: skip
    return dataclasses.replace(plain, **changes)


def aged(span, **changes):
    return seen(now=CLOSED + span, quote=None, **changes)


def fallen_back(state, **changes):
    """The same market, served by the second choice because the first one is in ``state``."""
    first = VenueState("bitstamp", state, **changes)
    return seen(venue="coinbase", venues=(first, SECOND_CHOICE))


def replayed(last=LAST, now=NOW):
    replay = Replay(START, last, 60, START, "run")
    return seen(key=MarketKey("sample", "BTC/USD", "run"), venues=(), replay=replay, now=now)


EMPTY = seen(candles=candles([]), quote=None, venue="")
CLOCK_OFF = seen(clock_known=False, problem="This machine's clock is 5 min slow.")
ENDED = replayed(last=CLOSED - MINUTE, now=CLOSED)
OFFLINE = aged(7 * MINUTE, problem="No venue answers.")


@pytest.mark.parametrize(
    ("age", "state"),
    [(0, "fresh"), (120, "fresh"), (121, "late"), (180, "late"), (181, "stale"), (9999, "stale")],
)
def test_a_candle_is_late_beyond_two_bars_and_stale_beyond_three(age, state):
    shown = aged(age * SECOND)
    assert health.freshness(shown) == state
    assert shown.stale == (state == "stale")


def test_a_candle_of_unknown_age_is_stale():
    assert health.freshness(CLOCK_OFF) == "stale"


# The bar -----------------------------------------------------------------------------------------


def bar(shown, refresh=REFRESH):
    return health.bar_text(shown, refresh)


def test_in_the_normal_case_the_bar_names_pair_venue_and_age():
    assert bar(seen()) == (
        ":blue-badge[Live] **BTC/USD** · bitstamp"
        " · :blue[:material/check_circle:] newest candle closed 12 s ago"
    )


def test_what_was_filled_dropped_and_odd_is_summed_up():
    report = CandleReport((("duplicate", 2), ("price", 1)), 1214, (("wick", 1),))
    assert bar(seen(report=report)).endswith(
        " · 1,214 minutes without a trade · 3 rows dropped · 1 odd candle kept"
    )


def test_late_and_stale_are_said_in_a_word_and_a_colour():
    assert ":yellow-badge[:material/schedule: late] newest candle closed 2 min ago" in bar(
        aged(150 * SECOND)
    )
    assert (
        ":red-badge[:material/error: stale: no signal, no trade] newest candle closed 6 min ago"
        in bar(aged(6 * MINUTE))
    )


def test_an_unknown_age_is_not_told():
    assert bar(CLOCK_OFF).endswith("no trade] nobody knows how old the newest candle is")


def test_live_turns_offline_once_nobody_answers_and_the_candles_age():
    assert bar(OFFLINE).startswith(":gray-badge[Offline] **BTC/USD**")
    assert bar(seen(problem="bitstamp sent no price.")).startswith(":blue-badge[Live]")
    assert bar(aged(7 * MINUTE)).startswith(":blue-badge[Live]")


@pytest.mark.parametrize(
    ("quoted", "refresh", "old"), [(30, 5, False), (31, 5, True), (60, 30, False), (61, 30, True)]
)
def test_a_price_is_old_after_two_refreshes_and_half_a_minute(quoted, refresh, old):
    shown = seen(now=CLOSED + 40 * SECOND, quote=Quote(1.0, CLOSED + (40 - quoted) * SECOND))
    assert health.price_is_old(shown, refresh * SECOND) == old
    assert (
        f"price {'1 min' if quoted > 59 else '31 s'} old" in bar(shown, refresh * SECOND)
    ) == old


def test_the_last_close_in_place_of_a_price_is_not_told_twice():
    assert "price" not in bar(aged(6 * MINUTE))
    assert health.price_age(aged(6 * MINUTE)) == 6 * MINUTE


@pytest.mark.parametrize(
    ("offset", "text"),
    [
        (0, ""),
        (1.9, ""),
        (-1.9, ""),
        (2, "server clock 2 s slow"),
        (-130, "server clock 2 min fast"),
    ],
)
def test_a_clock_is_slow_if_the_venues_is_ahead(offset, text):
    assert health.clock_text(pd.Timedelta(seconds=offset)) == text
    assert bar(seen(clock_offset=pd.Timedelta(seconds=offset))).endswith(text)


@pytest.mark.parametrize(
    ("state", "until", "why"),
    [
        ("banned", NOW + 44 * MINUTE, "bitstamp is banned until 00:54"),
        ("resting", NOW + 20 * SECOND, "bitstamp is left alone until 00:10:32"),
        ("blocked", None, "bitstamp is not available in this server's country"),
        ("failing", None, "bitstamp failed last time"),
        ("ok", None, "bitstamp did not answer first"),
        ("unasked", None, "bitstamp was not asked yet"),
    ],
)
def test_the_bar_says_why_another_venue_than_the_first_is_in_use(state, until, why):
    assert f"**BTC/USD** · coinbase, as {why} · " in bar(fallen_back(state, until=until))


@pytest.mark.parametrize(
    ("ahead", "text"),
    [
        ("20s", "00:10:32 UTC"),
        ("44min", "00:54 UTC"),
        ("2D", "7 Jan 00:10 UTC"),
    ],
)
def test_a_moment_is_told_as_exactly_as_is_of_use(ahead, text):
    assert health.moment_text(NOW + pd.Timedelta(ahead), NOW) == text
    assert health.moment_text(None, NOW) == "–"


@pytest.mark.parametrize(
    ("ahead", "text"), [("44min", "19:54 EST"), ("5h", "5 Jan 00:10 EST"), ("20s", "19:10:32 EST")]
)
def test_a_moment_is_of_another_day_when_the_visitor_s_day_has_ended(ahead, text):
    assert health.moment_text(NOW + pd.Timedelta(ahead), NOW, "America/New_York") == text


def test_the_bar_of_a_replay_tells_its_own_time():
    assert bar(replayed()).startswith(
        ":violet-badge[Replay at 60×] **BTC/USD** · bitstamp · 5 Jan 2026 00:10 UTC · "
    )


# Orders ------------------------------------------------------------------------------------------


def test_no_trade_is_refused_without_a_reason():
    assert health.refusal(seen()) == ""
    assert health.refusal(aged(3 * MINUTE)) == ""
    assert health.refusal(aged(6 * MINUTE)) == "No trade: the newest candle is 6 min old."
    assert health.refusal(CLOCK_OFF) == "No trade: nobody knows how old the newest candle is."
    assert health.refusal(EMPTY) == "No trade: there is no candle yet."
    assert health.refusal(ENDED) == "No trade: the replay has ended."


# The page ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        (EMPTY, "There are no candles yet."),
        (seen(), "Live from bitstamp, the first choice; the newest candle closed 12 s ago."),
        (
            seen(venues=(FIRST,)),
            "Live from bitstamp, the only venue asked; the newest candle closed 12 s ago.",
        ),
        (
            fallen_back("banned", until=NOW + 44 * MINUTE),
            "Live from coinbase, because bitstamp is banned until 00:54 UTC;"
            " the newest candle closed 12 s ago.",
        ),
        (
            aged(150 * SECOND),
            "Live from bitstamp, the first choice;"
            " the newest candle closed 2 min ago, later than it should.",
        ),
        (
            aged(150 * SECOND, problem="No venue answers."),
            "These are the last good candles of bitstamp;"
            " the newest candle closed 2 min ago, later than it should.",
        ),
        (
            aged(6 * MINUTE),
            "No candle for 6 min: no signal is given and no trade is filled until one comes."
            " bitstamp answers, but with none that is newer.",
        ),
        (
            OFFLINE,
            "No candle for 7 min: no signal is given and no trade is filled until one comes."
            " These are the last good ones of bitstamp.",
        ),
        (
            CLOCK_OFF,
            "Nobody knows how old the newest candle is: no signal is given and no trade is filled"
            " until the clock can be trusted.",
        ),
        (
            replayed(),
            "A replay of recorded bitstamp candles, 5 Jan to 7 Jan 2026, at 60×,"
            " which needs no venue.",
        ),
        (
            ENDED,
            "The replay of recorded bitstamp candles, 5 Jan to 5 Jan 2026, has ended:"
            " no signal, no trade until it begins again.",
        ),
    ],
)
def test_the_page_begins_with_how_it_stands(shown, text):
    assert health.standing(shown) == text


def test_a_replay_that_stands_in_says_so():
    assert health.standing(replayed(), stands_in=True).endswith("because no live venue answered.")


def test_every_venue_that_was_preferred_has_its_reason():
    blocked = VenueState("coinbase", "blocked")
    venues = (
        VenueState("bitstamp", "failing"),
        blocked,
        dataclasses.replace(FIRST, venue="kraken"),
    )
    said = health.standing(seen(venue="kraken", venues=venues))
    assert said.startswith(
        "Live from kraken, because bitstamp failed last time"
        " and coinbase is not available in this server's country;"
    )


def figures(shown):
    found = health.figures(shown, health.gaps(shown.candles), REFRESH)
    return {each.label: (each.value, each.note, each.tone) for each in found}


def test_the_figures_of_a_live_market():
    report = CandleReport((("price", 3),), 1, (("wick", 1),))
    shown = seen(candles=candles([100.0] * 10, filled=[4]), report=report)
    assert figures(shown) == {
        "Newest candle": ("12 s old", "fresh", "blue"),
        "Price": ("3 s old", "fresh", "blue"),
        "Minutes without a trade": ("1", "10.0 % of 10", "off"),
        "Rows dropped": ("3", "1 odd candle kept", "off"),
        "Server clock": ("right", "as the venue's", "blue"),
    }


def test_the_figures_warn_in_words_and_in_colours():
    assert figures(aged(150 * SECOND))["Newest candle"] == ("2 min old", "late", "yellow")
    stale = figures(aged(6 * MINUTE, clock_offset=-3 * SECOND))
    assert stale["Newest candle"] == ("6 min old", "stale", "red")
    assert stale["Price"] == ("6 min old", "last close", "yellow")
    assert stale["Server clock"] == ("3 s fast", "corrected", "yellow")
    old = figures(seen(quote=Quote(100.0, NOW - 40 * SECOND)))
    assert old["Price"] == ("40 s old", "old", "yellow")


def test_what_nobody_knows_is_not_told_as_a_number():
    off = figures(CLOCK_OFF)
    assert off["Newest candle"] == ("unknown", "stale", "red")
    assert off["Price"] == ("unknown", "in doubt", "red")
    assert off["Server clock"] == ("unknown", "in doubt", "red")
    silent = dataclasses.replace(FIRST, clock_offset=None)
    told = figures(seen(venues=(silent,)))["Server clock"]
    assert told == ("unknown", "the venue does not tell", "off")


def test_a_recording_has_no_price_of_a_venue_and_no_clock_of_one():
    assert list(figures(replayed())) == [
        "Newest candle",
        "Minutes without a trade",
        "Rows dropped",
    ]


def venues(shown):
    table = health.venue_table(shown).map(lambda cell: cell.replace("\u00a0", " "))
    return table.rename(lambda name: name.replace("\u00a0", " "))


def test_the_table_of_venues_marks_the_one_in_use():
    first = FIRST.__class__("bitstamp", "banned", NOW + 44 * MINUTE, "bitstamp said no.", 1214)
    table = venues(seen(venue="coinbase", venues=(first, SECOND_CHOICE)))
    assert list(table.index) == ["bitstamp", "**coinbase** (in use)"]
    assert table.loc["bitstamp"].to_dict() == {
        "State": "banned until 00:54 UTC",
        "Last error": "bitstamp said no.",
        "Last good answer": "none yet",
        "Calls in 1 h": "1,214",
        "Clock": "–",
    }
    assert table.iloc[1].tolist() == ["ok", "none", "3 s ago", "60", "agrees"]


def test_nobody_is_in_use_while_nobody_answers():
    assert list(venues(OFFLINE).index) == ["bitstamp", "coinbase"]
    assert "bitstamp" in venues(dataclasses.replace(EMPTY, venue="bitstamp")).index


def test_times_of_venues_are_this_machines():
    shown = seen(clock_offset=10 * SECOND)
    assert venues(shown).iloc[0]["Last good answer"] == "0 s ago"
    ahead = dataclasses.replace(FIRST, clock_offset=10 * SECOND, answered=NOW - 25 * SECOND)
    row = venues(seen(clock_offset=10 * SECOND, venues=(ahead,))).iloc[0]
    assert (row["Last good answer"], row["Clock"]) == ("15 s ago", "10 s ahead")


@pytest.mark.parametrize(
    ("state", "text"),
    [
        ("unasked", "not asked yet"),
        ("ok", "ok"),
        ("failing", "failed last time, is asked again as usual"),
        ("resting", "left alone until 00:10:32 UTC after repeated failures"),
        ("banned", "banned until 00:10:32 UTC"),
        ("blocked", "not available in this server's country"),
    ],
)
def test_every_state_of_a_venue_has_its_words(state, text):
    assert health.state_text(VenueState("kraken", state, NOW + 20 * SECOND), NOW) == text


def test_a_market_without_venues_has_an_empty_table():
    assert health.venue_table(replayed()).empty


# Gaps and cleaning -------------------------------------------------------------------------------


def gap(start, bars):
    return Gap(START + start * MINUTE, bars)


@pytest.mark.parametrize(
    ("filled", "longest", "newest"),
    [
        ([], None, None),
        ([3], gap(3, 1), gap(3, 1)),
        ([2, 3, 7], gap(2, 2), gap(7, 1)),
        ([2, 3, 6, 7], gap(6, 2), gap(6, 2)),
        ([8, 9], gap(8, 2), gap(8, 2)),
        ([0, 1], gap(0, 2), gap(0, 2)),
    ],
)
def test_gaps_are_runs_of_filled_minutes(filled, longest, newest):
    found = health.gaps(candles([100.0] * 10, filled=filled))
    assert found == Gaps(10, len(filled), longest, newest)


def test_no_candles_have_no_gaps():
    assert health.gaps(candles([])) == Gaps(0, 0)


def test_cleaning_is_told_rule_by_rule():
    report = CandleReport((("price", 2),), 3, (("wick", 1),))
    assert health.cleaning_lines(report, Gaps(10, 3, gap(2, 2), gap(7, 1))) == [
        "2 candles without a usable price dropped",
        "1 candle with a wick that forecasts ignore",
        "3 minutes without a trade filled with the last price",
        "The longest gap: 2 min, from 5 Jan 2026 00:02 UTC",
        "The newest gap: 1 min, from 5 Jan 2026 00:07 UTC",
    ]
    assert health.cleaning_lines(CandleReport(), Gaps(10, 0)) == [
        "Nothing was dropped, and nothing is odd",
        "Every minute had a trade",
    ]


def test_troubles_are_told_and_nothing_if_there_are_none():
    assert health.troubles(seen()) == []
    shown = seen(problem="A.", record_problem="B.", cache_problem="C.")
    assert health.troubles(shown, "KeyError: 1") == [
        "A.", "The worker failed and starts again: KeyError: 1", "B.", "C.",
    ]  # fmt: skip
