"""Work on a real Dask cluster of two worker processes on this machine."""

import os
import signal
from types import SimpleNamespace

import pytest

from marketpulse import model, parallel
from marketpulse.broker import Trading
from marketpulse.errors import SchedulerUnavailable
from marketpulse.horizons import LONG, MINUTE
from marketpulse.model import Plan
from marketpulse.parallel import in_parallel, scheduled
from marketpulse.settings import Settings
from marketpulse.snapshot import MarketKey, Snapshot
from marketpulse.trial import fan, threshold_map, trial_of
from marketpulse.ui import backtests
from marketpulse.walks import walk
from tests.books import BTC
from tests.build import walk as random_walk
from tests.markets import FREE

distributed = pytest.importorskip("distributed")

# Dask and its workers leave sockets and loops to the collector when they are torn down.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]

SMALL = {"minute": Plan(400, 200, 200), "long": Plan(120, 60, 60)}
HORIZONS = (MINUTE, LONG)


@pytest.fixture(scope="module")
def candles():
    return random_walk(2_300, seed=3, memory=0.2)


@pytest.fixture(autouse=True)
def small_plans(monkeypatch):
    for label, plan in SMALL.items():
        monkeypatch.setitem(model.PLANS, label, plan)


@pytest.fixture(scope="module")
def cluster():
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
    ) as made:
        yield made


def trial_on(candles):
    settings = Settings().changed(centre="raw", buy_mae=0, sell_mae=0, fee=0)
    return trial_of(walk(candles, HORIZONS), settings, Trading(BTC, 10_000, 1_000, FREE))


def killer(cluster):
    """A progress callback that kills one worker when the first task is done."""
    told = []

    def move(*so_far):
        if not told:
            os.kill(next(iter(cluster.workers.values())).pid, signal.SIGKILL)
        told.append(so_far)

    return move, told


def test_work_within_is_done_by_the_workers(cluster):
    with scheduled(cluster.scheduler_address):
        workers = set(in_parallel(os.getpid, [()] * 8))
    assert os.getpid() not in workers
    assert workers <= {worker.pid for worker in cluster.workers.values()}


def test_a_cluster_makes_the_same_to_the_last_bit_and_a_killed_worker_changes_nothing(
    cluster, candles
):
    here = trial_on(candles)
    cells, placebos = threshold_map(here), fan(here, count=100)
    with scheduled(cluster.scheduler_address):
        there = trial_on(candles)
        assert there.walk.minute.equals(here.walk.minute)
        assert there.walk.long.equals(here.walk.long)
        assert there.result.ledger.fills == here.result.ledger.fills
        assert len(here.result.ledger.fills) > 10
        move, told = killer(cluster)
        assert threshold_map(there, progress=move) == cells
        assert len(told) == 40
        move, told = killer(cluster)
        again = fan(there, count=100, progress=move)
        assert (again.placebos == placebos.placebos).all()
        assert again.percentile == placebos.percentile


def test_the_page_has_its_forecasts_made_there(cluster, candles, monkeypatch, tmp_path):
    monkeypatch.setattr(backtests, "hub", lambda: SimpleNamespace(home=tmp_path))
    settings = Settings(symbol=BTC)
    now = candles.index[-1]
    snapshot = Snapshot(MarketKey("auto", BTC), 0, now, now, "bitstamp", candles)
    backtests.begin_walk(snapshot, settings, cluster.scheduler_address)
    errand = backtests.walk_of(snapshot, settings)
    errand.join(120)
    assert errand.problem == ""
    assert errand.result.walk.long.equals(walk(candles, HORIZONS).long)


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "127.0.0.1:9", "foo bar", "", "tcp://"])
def test_a_scheduler_that_is_not_there_is_one_sentence(address, monkeypatch):
    monkeypatch.setattr(parallel, "ANSWER_WITHIN", 1)
    with pytest.raises(SchedulerUnavailable, match=r"\.$"), scheduled(address):
        pass
