from threading import Event, Thread

from marketpulse.process import bytes_on_disk, footprint


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
