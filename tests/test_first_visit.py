"""What a visitor is told who sees the figures for the first time, and later."""

import pytest

from tests.pages import again, press
from tests.test_app import (
    PAGES,
    _no_memory,  # noqa: F401  a fixture
    desk,  # noqa: F401  a fixture
    headings,
    traded_ledger,  # noqa: F401  a fixture
    trained,  # noqa: F401  a fixture
    visit,  # noqa: F401  a fixture
)


def explained(app):
    return any("**New here?**" in each.value for each in app.markdown)


def explain(app):
    return next(each for each in app.toggle if each.label == "Explain the figures")


@pytest.mark.parametrize("page", PAGES)
def test_the_first_visit_explains_the_figures_of_every_page(trained, visit, page):  # noqa: F811
    app = visit(trained, page)
    assert explained(app)
    assert explain(app).value


def test_one_click_puts_the_explanations_away_on_every_page_for_good(trained, visit):  # noqa: F811
    app = press(visit(trained), "Got it")
    for page in PAGES[1:]:
        app.switch_page(page)
        assert not explained(again(app))
    assert not explain(app).value


@pytest.mark.parametrize("page", PAGES)
def test_whoever_was_here_before_is_not_told_again(trained, visit, page):  # noqa: F811
    before = visit(trained)
    app = visit(trained, page, book=before.query_params["book"])
    assert not explained(app)


def test_the_explanations_can_be_asked_for_again(trained, visit):  # noqa: F811
    app = press(visit(trained, "pages/Health.py"), "Got it")
    explain(app).set_value(True)
    assert explained(again(app))
    assert headings(app)


@pytest.mark.parametrize("page", PAGES)
def test_every_figure_says_what_it_is_when_it_is_pointed_at(trained, visit, page):  # noqa: F811
    for figure in visit(trained, page).metric:
        assert figure.proto.help, figure.label


def test_before_the_forecasts_are_there_every_figure_says_why(desk, visit):  # noqa: F811
    desk.step()
    assert all(figure.proto.help for figure in visit(desk).metric)


def test_every_figure_of_a_book_says_what_it_is(traded_ledger):  # noqa: F811
    assert len(traded_ledger.metric) == 6
    assert all(figure.proto.help for figure in traded_ledger.metric)
