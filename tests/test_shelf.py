from threading import Barrier, Thread

import pytest

from marketpulse.ui.shelf import Shelf


def test_a_thing_is_made_once():
    made = []
    shelf = Shelf(2)
    for _ in range(3):
        assert shelf.get("a", lambda: made.append("a") or "A") == "A"
    assert made == ["a"]


def test_what_was_asked_for_longest_ago_goes_first():
    shelf = Shelf(2)
    for key in ("a", "b", "a", "c"):
        shelf.get(key, lambda: "first")
    assert len(shelf) == 2
    assert shelf.get("a", lambda: "second") == "first"
    assert shelf.get("b", lambda: "second") == "second"


def test_what_failed_is_made_again():
    shelf = Shelf(2)
    with pytest.raises(ZeroDivisionError):
        shelf.get("a", lambda: 1 // 0)
    assert shelf.get("a", lambda: 7) == 7


def test_threads_that_ask_at_once_share_one():
    shelf, together, made, seen = Shelf(2), Barrier(8), [], []

    def ask():
        together.wait()
        seen.append(shelf.get("a", lambda: made.append(1) or object()))

    threads = [Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert len(set(map(id, seen))) == 1
