import time
from threading import Thread

from marketpulse import turns
from marketpulse.turns import Turns


def seconds_of(wait):
    begun = time.perf_counter()
    wait()
    return time.perf_counter() - begun


def test_work_waits_until_what_is_new_has_been_drawn(monkeypatch):
    monkeypatch.setattr(turns, "LONGEST_LOOK", 30.0)
    made, looked = Turns(), []
    made.tell()
    waiting = Thread(target=lambda: looked.append(seconds_of(made.let_look)))
    waiting.start()
    assert not looked
    made.note_rerun(0.0)
    waiting.join(10)
    assert looked[0] < 10


def test_a_rerun_that_had_begun_before_it_was_there_drew_nothing_of_it(monkeypatch):
    monkeypatch.setattr(turns, "LONGEST_LOOK", 0.05)
    made = Turns()
    made.tell()
    made.note_rerun(1.0)
    assert seconds_of(made.let_look) >= 0.05


def test_where_nobody_looks_work_waits_only_so_long(monkeypatch):
    monkeypatch.setattr(turns, "LONGEST_LOOK", 0.05)
    made = Turns()
    made.tell()
    assert 0.05 <= seconds_of(made.let_look) < 5


def test_what_is_newer_has_to_be_drawn_again(monkeypatch):
    monkeypatch.setattr(turns, "LONGEST_LOOK", 0.05)
    made = Turns()
    made.tell()
    made.note_rerun(0.0)
    made.tell()
    assert seconds_of(made.let_look) >= 0.05


def test_when_all_stops_nobody_waits(monkeypatch):
    monkeypatch.setattr(turns, "LONGEST_LOOK", 30.0)
    made = Turns()
    made.tell()
    made.stop()
    assert seconds_of(made.let_look) < 10
