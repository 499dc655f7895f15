from contextlib import closing
from dataclasses import replace

import pytest

from benchmarks import imports, journal
from benchmarks.imports import Outcome, fuzzed
from benchmarks.journal import Told, killed
from marketpulse.journal import Journal
from tests.books import NOON, deposit
from tests.crashing_journal import deed, key_of, place
from tests.hostile_imports import HOSTILE, good


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/journal.db"


def counts(told):
    return (told.lost, told.doubled, told.torn, told.unreadable)


def test_some_killed_writers_lose_nothing(url, monkeypatch):
    monkeypatch.setattr(journal, "MOST_DEEDS", 4)
    told = killed(url, 3)
    assert counts(told) == (0, 0, 0, 0)
    assert told.acknowledged > 0


def written(url, deeds):
    with closing(Journal(url)) as opened:
        opened.open(key_of(0), deposit().amount, NOON)
        for number in range(deeds):
            place(opened, 0, number)


def test_a_deed_that_was_acknowledged_and_is_not_there_is_lost(url):
    written(url, 2)
    told = Told()
    told.check(url, 0, 3, under_way=False)
    assert counts(told) == (len(deed(0, 2)), 0, 0, 0)


def test_a_deed_that_was_under_way_may_be_there(url):
    written(url, 3)
    told = Told()
    told.check(url, 0, 2, under_way=True)
    assert counts(told) == (0, 0, 0, 0)
    assert told.last == (0, 2)


def test_a_deed_that_nobody_began_is_heard(url):
    written(url, 3)
    told = Told()
    told.check(url, 0, 2, under_way=False)
    assert told.torn == 1


def test_an_acknowledged_book_that_is_not_there_is_unreadable(url):
    told = Told()
    told.check(url, 0, 1, under_way=False)
    assert told.unreadable == 1


def test_half_an_import_is_heard(url, monkeypatch):
    real = imports.imported

    def careless(content):
        book = real(content)
        return replace(book, ledger=replace(book.ledger, cash=deposit().amount))

    with closing(Journal(url)) as opened:
        outcome = Outcome()
        outcome.take(good(), opened)
        outcome.take(HOSTILE["deep lists"][0], opened)
        assert (outcome.files, outcome.refused, outcome.partial) == (2, 1, 0)
        monkeypatch.setattr(imports, "imported", careless)
        outcome.take(good(), opened)
        assert outcome.partial == 1


def test_an_error_of_another_kind_is_heard(url, monkeypatch):
    monkeypatch.setattr(imports, "imported", lambda _: 1 / 0)
    with closing(Journal(url)) as opened:
        outcome = Outcome()
        outcome.take(good(), opened)
    assert (outcome.refused, outcome.partial) == (0, 1)


def test_chance_makes_the_same_files_again_and_other_ones():
    files = list(fuzzed(40))
    assert files == list(fuzzed(40))
    assert len(set(files)) > 30
