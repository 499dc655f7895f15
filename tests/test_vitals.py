import pytest

from marketpulse.counters import Counters
from marketpulse.vitals import Load, figures, seconds_text, size_text

LOAD = Load(
    sessions=3, markets=1, threads=9, memory=312_000_000, peak=340_000_000, shared=12, on_disk=5
)


def said(counters=None, load=LOAD):
    return {each.label: each for each in figures(counters or Counters(), load)}


def test_nothing_is_claimed_before_anything_was_counted():
    shown = said()
    assert (shown["Rerun"].value, shown["Rerun"].note) == ("–", "none yet")
    assert shown["Training"].value == "–"


def test_a_rerun_is_told_by_its_median_and_its_slow_end():
    counters = Counters()
    for seconds in (0.016, 0.016, 2.0):
        counters = counters.after_rerun(seconds)
    shown = said(counters)["Rerun"]
    assert (shown.value, shown.note, shown.tone) == ("16 ms", "1 in 20 over 2.0 s", "yellow")


def test_a_worker_in_time_is_blue():
    assert said(Counters().after_step(0.3))["Worker"].tone == "blue"


def test_memory_sessions_and_caches_are_plain_numbers():
    shown = said()
    assert (shown["Memory"].value, shown["Memory"].note) == ("312 MB", "peak 340 MB")
    assert (shown["Sessions"].value, shown["Sessions"].note) == ("3", "1 market, 9 threads")
    assert shown["Kept"].note == "12 drawn and shared"


def test_memory_near_the_smallest_host_s_limit_is_a_warning():
    load = Load(3, 1, 9, None, 650_000_000, 12, 5)
    shown = said(load=load)["Memory"]
    assert (shown.value, shown.tone) == ("–", "yellow")


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, "–"), (0.0164, "16 ms"), (1.24, "1.2 s"), (45.2, "45 s")]
)
def test_a_duration_has_as_many_digits_as_matter(seconds, text):
    assert seconds_text(seconds) == text


def test_a_size_is_in_megabytes_or_gigabytes():
    assert (size_text(312_400_000), size_text(1_240_000_000)) == ("312 MB", "1.2 GB")
