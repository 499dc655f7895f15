import numpy as np
import pandas as pd
import pytest

from marketpulse import model, walks
from marketpulse.errors import NotEnoughCandles
from marketpulse.evaluation import walked
from marketpulse.forecast import settled_part
from marketpulse.horizons import LONG, MINUTE
from marketpulse.model import Plan
from marketpulse.walks import fingerprint, walk
from tests.build import walk as random_walk

BOTH = (MINUTE, LONG)
SMALL = {"minute": Plan(400, 200, 200), "long": Plan(120, 60, 60)}


@pytest.fixture(autouse=True)
def small_plans(monkeypatch):
    for label, plan in SMALL.items():
        monkeypatch.setitem(model.PLANS, label, plan)


@pytest.fixture(scope="module")
def candles():
    return random_walk(2_300, seed=3, memory=0.2)


@pytest.fixture(scope="module")
def made(candles, tmp_path_factory):
    """A walk, and the folder that keeps it."""
    folder = tmp_path_factory.mktemp("walk")
    with pytest.MonkeyPatch.context() as patch:
        for label, plan in SMALL.items():
            patch.setitem(model.PLANS, label, plan)
        return walk(candles, BOTH, folder=folder), folder


def test_parts_on_many_cores_forecast_as_one_walk_does_to_the_last_bit(candles, made):
    for horizon, table in zip(BOTH, (made[0].minute, made[0].long), strict=True):
        pd.testing.assert_frame_equal(
            settled_part(table), walked(candles, horizon), check_exact=True, check_freq=False
        )


def test_forecasts_without_an_outcome_yet_are_there_too(candles, made):
    assert made[0].long["actual_price"].isna().to_numpy()[-9:].all()
    assert made[0].minute.index[-1] == candles.index[-1] + pd.Timedelta(minutes=1)


def test_a_second_walk_is_read_from_disk(candles, made, monkeypatch):
    assert len(list(made[1].iterdir())) == 2
    monkeypatch.setattr(walks, "forecast_part", None)
    again = walk(candles, BOTH, folder=made[1])
    for name in ("minute", "long"):
        pd.testing.assert_frame_equal(
            getattr(again, name), getattr(made[0], name), check_exact=True, check_freq=False
        )


def test_a_damaged_file_is_made_again(candles, made, tmp_path):
    for path in made[1].iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes()[:500])
    again = walk(candles, BOTH, folder=tmp_path)
    pd.testing.assert_frame_equal(again.long, made[0].long, check_exact=True, check_freq=False)


def test_a_fingerprint_is_of_everything_that_forecasts_depend_on(candles, monkeypatch):
    seen = {fingerprint(candles, MINUTE), fingerprint(candles, LONG)}
    seen.add(fingerprint(candles, LONG.with_steps(8)))
    seen.add(fingerprint(candles.iloc[1:], MINUTE))
    moved = candles.copy()
    moved.iloc[7, 3] = np.nextafter(moved.iloc[7, 3], 0)
    seen.add(fingerprint(moved, MINUTE))
    monkeypatch.setitem(model.PLANS, "minute", Plan(401, 200, 200))
    seen.add(fingerprint(candles, MINUTE))
    assert len(seen) == 6


def test_a_walk_can_be_stopped_and_tells_how_far_it_is(candles, tmp_path):
    told = []
    stopped = walk(
        candles,
        BOTH,
        folder=tmp_path,
        progress=lambda *so_far: told.append(so_far),
        stop=lambda: len(told) == 2,
    )
    assert stopped is None
    assert told == [(1, told[0][1]), (2, told[0][1])]
    assert list(tmp_path.iterdir()) == []


def test_too_few_candles_are_refused_in_words():
    with pytest.raises(NotEnoughCandles, match="1-minute model needs more than"):
        walk(random_walk(300), BOTH)


def test_decisions_begin_once_both_horizons_have_spoken(made):
    table = made[0].decisions(200, "raw")
    assert table.index[0] == max(made[0].minute.index[0], made[0].long.index[0])
    assert table["long_price"].notna().iloc[0]
    assert table.index.equals(made[0].decisions(200, "trusted").index)
