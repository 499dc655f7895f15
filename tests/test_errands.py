from threading import Event

import pytest

from marketpulse.errors import NotEnoughCandles
from marketpulse.ui.errands import Errands


@pytest.fixture
def gate():
    """Opened, it lets work go on; it is open after the test."""
    made = Event()
    yield made
    made.set()


def finished(errand):
    errand.join(10)
    assert not errand.running
    return errand


def test_the_result_is_there_once_the_work_is_done_and_so_is_its_share(gate):
    def work(progress, _):
        progress(1, 4)
        gate.wait(10)
        progress(4, 4)
        return "made"

    errand = Errands(2).begin("key", work)
    assert errand.running
    assert errand.result is None
    gate.set()
    assert finished(errand).result == "made"
    assert errand.share == 1


def test_what_was_made_before_stays_if_the_work_is_stopped(gate):
    errands = Errands(2)
    finished(errands.begin("key", lambda *_: "first"))
    errand = errands.begin("key", lambda *_: gate.wait(10) and "second")
    assert errand.result == "first"
    errand.stop()
    gate.set()
    assert finished(errand).result == "first"


def test_work_that_runs_already_is_not_begun_twice(gate):
    errands = Errands(2)
    first = errands.begin("key", lambda *_: gate.wait(10))
    assert errands.begin("key", lambda *_: gate.wait(10)) is first


def test_why_it_failed_is_told():
    def work(*_):
        raise NotEnoughCandles("Too few.")

    assert finished(Errands(2).begin("key", work)).problem == "Too few."


def test_the_oldest_goes_when_there_is_no_place():
    errands = Errands(2)
    for key in "abc":
        finished(errands.begin(key, lambda *_: 1))
    assert errands.get("a") is None
    assert len(errands) == 2
