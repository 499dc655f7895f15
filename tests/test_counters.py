import pytest

from marketpulse.counters import KEPT, Counters, Durations


def durations(*seconds):
    kept = Durations()
    for each in seconds:
        kept = kept.and_one(each)
    return kept


def test_nothing_is_known_before_the_first():
    assert (Durations().count, Durations().usual, Durations().long) == (0, None, None)


def test_the_usual_is_the_median_and_the_long_one_in_twenty():
    kept = durations(*range(100))
    assert (kept.usual, kept.long) == (49.5, 95)


def test_only_the_newest_are_kept_but_all_are_counted():
    kept = durations(*[9.0] * KEPT, *[1.0] * KEPT)
    assert (kept.count, len(kept.newest), kept.long) == (2 * KEPT, KEPT, 1.0)


@pytest.mark.parametrize(
    ("note", "kind"),
    [("after_rerun", "reruns"), ("after_step", "lags"), ("after_training", "trainings")],
)
def test_each_kind_is_counted_by_itself(note, kind):
    counters = getattr(Counters(), note)(0.5)
    assert getattr(counters, kind).newest == (0.5,)
    assert sum(getattr(counters, name).count for name in Counters.__dataclass_fields__) == 1
