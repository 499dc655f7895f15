import dataclasses
import math

import pandas as pd
import pytest

from marketpulse.breakdown import WildnessRecord
from marketpulse.horizons import LONG, MINUTE
from marketpulse.scoreboard import Scoreboard
from marketpulse.words import (
    RULE_WORDS,
    UNKNOWN,
    VERDICT_WORDS,
    age_text,
    bps_text,
    chance_text,
    money_text,
    percent_text,
    price_digits,
    price_text,
    rule_text,
    score_text,
    score_verdict_text,
    source_text,
    strip_text,
    trust_text,
    verdict_text,
    wildness_text,
)


@pytest.mark.parametrize(
    ("price", "text"),
    [
        (62_830.4, "62,830"),
        (10_000, "10,000"),
        (1_843.268, "1,843.27"),
        (10, "10.00"),
        (2.5, "2.500"),
        (0.53124, "0.5312"),
        (0.00001234, "0.00001234"),
        (0, "0.0000"),
        (None, UNKNOWN),
        (math.nan, UNKNOWN),
        (math.inf, UNKNOWN),
    ],
)
def test_a_price_has_as_many_digits_as_matter(price, text):
    assert price_text(price) == text


@pytest.mark.parametrize(
    ("amount", "signed", "text"),
    [
        (1000, False, "1,000.00 USD"),
        (12.345, True, "+12.35 USD"),
        (-3, True, "-3.00 USD"),
        (-3, False, "-3.00 USD"),
        (0, True, "0.00 USD"),
        (-0.001, True, "0.00 USD"),
        (0.001, True, "0.00 USD"),
    ],
)
def test_money_has_cents_and_its_sign_only_if_it_is_more_than_nothing(amount, signed, text):
    assert money_text(amount, "USD", signed=signed) == text


@pytest.mark.parametrize(
    ("bps", "digits", "text"),
    [(4, 0, "+4 bps"), (-4.26, 1, "-4.3 bps"), (-0.3, 0, "0 bps"), (0.04, 1, "0 bps")],
)
def test_basis_points_are_signed_unless_they_round_to_nothing(bps, digits, text):
    assert bps_text(bps, digits) == text


@pytest.mark.parametrize(
    ("fraction", "signed", "text"),
    [
        (0.905, False, "90.5 %"),
        (0.01, True, "+1.0 %"),
        (-0.01, True, "-1.0 %"),
        (-0.00001, True, "0.0 %"),
        (None, False, UNKNOWN),
        (math.nan, False, UNKNOWN),
    ],
)
def test_a_fraction_is_shown_in_percent(fraction, signed, text):
    assert percent_text(fraction, signed=signed) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (12, "12 s"),
        (59.9, "59 s"),
        (180, "3 min"),
        (3599, "59 min"),
        (7500, "2 h 5 min"),
        (100_000, "27 h 46 min"),
        (2 * 86_400, "2 days"),
        (3 * 86_400, "3 days"),
    ],
)
def test_an_age_is_told_in_the_largest_unit_that_fits(seconds, text):
    assert age_text(pd.Timedelta(seconds=seconds)) == text


def test_an_unknown_age_is_a_dash():
    assert age_text(None) == UNKNOWN


@dataclasses.dataclass
class Judged:
    verdict: str
    n: int
    coverage_90: float = 0.9


def test_a_verdict_names_the_tail_that_it_is_of():
    assert verdict_text(Judged("no evidence", 200)).endswith("'no change' (last 200)")
    texts = {verdict_text(Judged(verdict, 50)) for verdict in VERDICT_WORDS}
    assert len(texts) == 3


def test_without_a_tail_there_is_no_verdict():
    assert "come due yet" in verdict_text(None)


@pytest.mark.parametrize(("price", "digits"), [(62_830, 2), (1_843, 2), (0.5312, 4), (2e-5, 8)])
def test_amounts_of_cheap_coins_need_more_digits(price, digits):
    assert price_digits(price) == digits


@pytest.mark.parametrize(
    ("rule", "count", "text"),
    [
        ("price", 1, "1 candle without a usable price dropped"),
        ("price", 2, "2 candles without a usable price dropped"),
        ("range", 3, "3 candles with an impossible high or low dropped"),
        ("future", 1, "1 candle from the future dropped"),
        ("time", 2, "2 candles with an impossible time dropped"),
        ("duplicate", 1, "1 repeated candle merged"),
        ("duplicate", 1_234, "1,234 repeated candles merged"),
        ("conflict", 2, "2 candles told twice with different prices"),
        ("volume", 1, "1 candle without a usable volume"),
        ("wick", 2, "2 candles with a wick that forecasts ignore"),
        ("jump", 2, "2 candles with a sudden jump of the price"),
        ("revised", 1, "1 closed candle revised by the venue"),
        ("revised", 2, "2 closed candles revised by the venue"),
    ],
)
def test_a_cleaning_rule_is_told_by_what_it_did(rule, count, text):
    assert rule_text(rule, count) == text


def test_every_cleaning_rule_has_words_of_its_own():
    assert len({rule_text(rule, 1) for rule in RULE_WORDS}) == len(RULE_WORDS) == 10


def test_without_trust_the_sentence_says_that_the_forecast_is_the_last_price():
    assert trust_text(LONG, 0.0, Judged("no evidence", 200, 0.897)).replace("\xa0", " ") == (
        "The trees' 45-minute centre has earned no trust: the forecast is the last price."
        " Its 9-in-10 band may be trusted: it held 89.7 % of 200."
    )


@pytest.mark.parametrize(
    ("verdict", "said"),
    [
        ("beats naive", "and the last 200 forecasts beat 'no change'."),
        ("no evidence", "but the last 200 forecasts do not prove that"),
        ("worse than naive", "but the last 200 forecasts did worse than 'no change'."),
    ],
)
def test_with_trust_the_sentence_says_what_it_was_worth(verdict, said):
    text = trust_text(MINUTE, 0.35, Judged(verdict, 200)).replace("\xa0", " ")
    assert text.startswith("The trees' 1-minute centre has earned 35 % of trust: so much of its")
    assert said in text


@pytest.mark.parametrize(
    ("horizon", "coverage", "n", "said"),
    [
        (MINUTE, 0.80, 200, "was too narrow: it held only 80.0 % of 200."),
        (MINUTE, 0.98, 500, "was too wide: it held 98.0 % of 500."),
        (LONG, 0.80, 200, "is not proven wrong: it held 80.0 % of 200"),
        (LONG, 0.60, 200, "was too narrow: it held only 60.0 % of 200."),
        (LONG, 0.90, 50, "held 90.0 % of 50: too few to judge it by."),
        (MINUTE, 0.925, 1000, "may be trusted: it held 92.5 % of 1,000."),
    ],
)
def test_a_band_is_judged_by_independent_outcomes(horizon, coverage, n, said):
    assert said in trust_text(horizon, 0.0, Judged("no evidence", n, coverage)).replace("\xa0", " ")


def test_a_source_is_told_in_a_few_words():
    assert source_text(from_record=True, recorded=500, pending=9) == "on record, said live"
    walked = "walk-forward, what the models would have said"
    assert source_text(from_record=False, recorded=0, pending=0) == walked
    assert source_text(from_record=False, recorded=0, pending=9) == (
        f"{walked} (0 settled on record, 9 pending)"
    )


RECORD = WildnessRecord(wilder=100, wilder_larger=63, calmer=50, calmer_larger=19)
NONE_YET = WildnessRecord(0, 0, 0, 0)


@pytest.mark.parametrize(
    ("wildness", "said"),
    [
        (1.62, "**wilder than usual** at this hour, 1.6 × the norm."),
        (1.1, "**wilder than usual** at this hour, 1.1 × the norm."),
        (0.7, "**calmer than usual** at this hour, 0.7 × the norm."),
        (1.05, "**about as wild as usual** at this hour."),
    ],
)
def test_a_statement_on_wildness_names_its_horizon_and_size(wildness, said):
    assert wildness_text(45, wildness, NONE_YET) == f"Next 45 min: {said}"


def test_a_statement_on_wildness_carries_its_own_record():
    assert (
        "The move was larger than usual 63 % of 100 times after 'wilder',"
        " 38 % of 50 times after 'calmer'."
    ) in wildness_text(45, 1.6, RECORD)


def test_too_few_statements_have_no_record():
    few = WildnessRecord(wilder=9, wilder_larger=9, calmer=10, calmer_larger=4)
    text = wildness_text(45, 1.6, few)
    assert "40 % of 10 times after 'calmer'" in text
    assert "after 'wilder'" not in text


@pytest.mark.parametrize("wildness", [None, math.nan, math.inf])
def test_without_a_norm_nothing_is_wild(wildness):
    assert wildness_text(45, wildness, RECORD) == ""


def test_a_strip_shows_outcomes_in_time_order_and_says_its_count_aloud():
    text = strip_text([True, True, False, True]).replace("\xa0", " ")
    assert ":blue[●●]:orange[○]:blue[●]" in text
    assert 'aria-label="Last forecasts: 3 of 4 inside the 9-in-10 band"' in text
    assert text.endswith(" 3 of 4 inside the 9-in-10 band")


def test_a_strip_of_nothing_is_nothing():
    assert strip_text([]) == ""


def test_a_scoreboard_reads_you_trees_and_coin():
    board = Scoreboard(12, 7, 6, 6, 0, "no evidence")
    assert score_text(board).replace("\u00a0", " ") == (
        "**You 7 of 12** · trees 6 of 12 · coin 6 of 12"
    )


@pytest.mark.parametrize(
    ("n", "waiting", "verdict", "text"),
    [
        (0, 0, "no evidence", ""),
        (0, 1, "no evidence", "1 call waits for its outcome."),
        (12, 0, "no evidence", "No evidence yet that you differ from a coin (last 12)."),
        (
            *(60, 2, "beats naive"),
            "You have beaten a coin (last 60). 2 calls wait for their outcome.",
        ),
        (60, 0, "worse than naive", "You did worse than a coin (last 60)."),
    ],
)
def test_a_scoreboard_is_judged_in_words(n, waiting, verdict, text):
    assert score_verdict_text(Scoreboard(n, 0, 0, 0, waiting, verdict)) == text


@pytest.mark.parametrize(
    ("chance", "said"), [(1 - 0.95, "5 % or less"), (0.4, "40 %"), (0.95, "95 % or more")]
)
def test_a_chance_beyond_the_bands_is_told_as_such(chance, said):
    assert chance_text(chance) == said
