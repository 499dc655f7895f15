import dataclasses
import math

import pandas as pd
import pytest

from marketpulse.words import (
    UNKNOWN,
    VERDICT_WORDS,
    age_text,
    bps_text,
    money_text,
    percent_text,
    price_text,
    verdict_text,
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


def test_a_verdict_names_the_tail_that_it_is_of():
    assert verdict_text(Judged("no evidence", 200)).endswith("'no change' (last 200)")
    texts = {verdict_text(Judged(verdict, 50)) for verdict in VERDICT_WORDS}
    assert len(texts) == 3


def test_without_a_tail_there_is_no_verdict():
    assert "come due yet" in verdict_text(None)
