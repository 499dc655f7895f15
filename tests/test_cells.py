import pytest

from marketpulse.cells import defused


@pytest.mark.parametrize(
    "start", ["=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠", " =", "  +"]
)
def test_a_text_that_begins_like_a_formula_begins_with_a_quote(start):
    assert defused(f"{start}1+1") == f"'{start}1+1"


@pytest.mark.parametrize("separator", [";", ",", "|", '"', "\t"])
def test_so_does_what_another_separator_would_make_a_cell_of_its_own(separator):
    assert defused(f"By hand{separator}=1+1") == f"By hand{separator}'=1+1"


@pytest.mark.parametrize(
    "text", ["", "By hand.", "No buy: the move is -1.0 bps, 87.6 bps short.", "auto/2026-01-02"]
)
def test_any_other_text_stays_as_it_is(text):
    assert defused(text) == text
