import re

import pytest

from marketpulse.hints import HINTS, hints_text
from marketpulse.ui.frame import PAGES


def test_every_page_explains_what_is_on_it():
    assert set(HINTS) == {name for _, name, _ in PAGES}


@pytest.mark.parametrize("page", HINTS)
def test_each_figure_is_explained_in_one_sentence(page):
    for name, text in HINTS[page].items():
        assert name
        assert len(re.findall(r"[.!?](\s|$)", text)) == 1
        assert text.endswith(".")


def test_hints_are_a_list_with_the_figures_names_in_bold():
    first, *_ = hints_text("Health").splitlines()
    assert first.startswith("- **Newest candle**: How long ago")
