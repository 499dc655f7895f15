import ctypes
from threading import Event, Thread

import pytest

from marketpulse.process import bytes_on_disk, footprint, give_back_memory


def test_what_is_allocated_shows_in_the_footprint():
    before = footprint()
    taken = bytearray(b"x") * 50_000_000
    after = footprint()
    assert after.memory - before.memory > 40_000_000
    assert after.peak >= after.memory * 0.9
    del taken


def test_a_thread_shows_in_the_footprint():
    done, before = Event(), footprint().threads
    thread = Thread(target=done.wait)
    thread.start()
    assert footprint().threads == before + 1
    done.set()
    thread.join()


def test_files_below_a_folder_are_added_up(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "a").write_bytes(b"12345")
    (tmp_path / "deep" / "b").write_bytes(b"123")
    assert bytes_on_disk(tmp_path) == 8
    assert bytes_on_disk(tmp_path / "not there") == 0


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="asks glibc")
def test_what_was_freed_between_what_is_kept_is_given_back():
    taken = [bytes(5_000) for _ in range(20_000)]
    kept = taken[::50]
    del taken
    before = footprint()
    give_back_memory()
    assert before.memory - footprint().memory > 40_000_000
    assert len(kept) == 400
