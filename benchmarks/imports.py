"""What becomes of hostile files: ``python -m benchmarks.imports [--full]``.

More than 60 files made by hand and 5,000 (``--full``: 50,000) made by chance are imported as a
visitor would. Each must be refused in one sentence, or be a whole book: one whose events, replayed,
are its ledger, that goes out again as a file of the same events, and that a journal takes in one
piece. Chance changes bytes and pieces of good files and fields of their events, mostly with a right
checksum, so that every layer is reached. An import waits for nothing, so its time is counted on the
processor.
"""

import argparse
import json
import random
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.claims import at_least, at_most, publish
from marketpulse.bookfile import Imported, exported, imported
from marketpulse.books import new_owner
from marketpulse.errors import ImportRefused, MarketPulseError
from marketpulse.journal import Journal
from marketpulse.ledger import fold
from tests.books import NOON
from tests.hostile_imports import HOSTILE, good, many_deposits, of, sealed

FUZZED, MORE_FUZZED = 5_000, 50_000
HAND_MADE = 60
LONGEST_S, MOST_MB = 1.0, 50.0
LARGE_EVERY = 100
PIECES = (
    b'"', b"[", b"]", b"{", b"}", b",", b":", b"\\", b"\x00", b"\xff", b"\\ud800", b"NaN", b"-0",
    b"1e999", b"Infinity", b"9" * 400, b"null", b"true", b"0.1", b'"id":"a",', b"[" * 50,
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 1.5, 10**17, "", "0", "-1", "1e9", "NaN", "Infinity", "\u0661", "1_0",
    "0.0000000000001", "999999999999999.999999999999", "1", "0.00000001", "x" * 2000, "a/fill",
    "\ud800", "\u202e", "<script>", "=1+1", [], {}, [[]], {"a": "b"}, "buy", "sell", "a", "b",
    "2026-01-02T12:00:00.000000Z", "2199-12-31T23:59:59.999999Z", "1970-01-01T00:00:00.000000Z",
)  # fmt: skip


@dataclass
class Outcome:
    """What became of the files so far.

    Attributes
    ----------
    files, refused : int
    partial : int
        Neither refused in a sentence nor a whole book.
    longest : float
        Seconds of the processor, for the slowest.
    most : float
        MB that the process grew by within the one that needed most.
    """

    files: int = 0
    refused: int = 0
    partial: int = 0
    longest: float = 0.0
    most: float = 0.0

    def take(self, content: bytes, journal: Journal) -> None:
        """Import a file, and judge what came of it."""
        self.files += 1
        seconds, grown, book, error = imported_once(content)
        self.longest, self.most = max(self.longest, seconds), max(self.most, grown)
        if isinstance(error, ImportRefused):
            self.refused += 1
            self.partial += not is_sentence(str(error))
        else:
            self.partial += book is None or not is_whole(book, journal)
            if error:
                print(f"{type(error).__name__}: {error}", flush=True)


def imported_once(
    content: bytes,
) -> tuple[float, float, Imported | None, Exception | None]:
    """Processor seconds, MB more at the peak, and the book or what was raised."""
    book = error = None
    before = memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    begun = time.thread_time()
    try:
        book = imported(content)
    except Exception as raised:
        error = raised
    seconds = time.thread_time() - begun
    return seconds, memory("VmHWM") - before, book, error


def memory(what: str) -> float:
    """Megabytes of this process: resident now (VmRSS), or at the peak (VmHWM)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{what}:")) / 1024


def is_sentence(text: str) -> bool:
    return text.endswith(".") and text.isprintable() and len(text) < 500


def is_whole(book: Imported, journal: Journal) -> bool:
    """Whether a book is its events and nothing else, out and in again, and in a journal."""
    market = {"source": book.source, "symbol": book.symbol}
    try:
        again = imported(exported(book.events, **market))
        adopted = journal.adopt(new_owner(), book, NOON)
    except MarketPulseError as error:
        print(error, flush=True)
        return False
    listed = adopted.ledger.events
    return (
        book.ledger == fold(book.events) == again.ledger
        and listed[: len(book.events)] == book.events
        and len(listed) == adopted.sequence == journal.refresh(adopted).sequence
        and adopted.ledger.pending == {}
    )


def fuzzed(n: int, seed: int = 0) -> Iterator[bytes]:
    """Files made by chance."""
    chance = random.Random(seed)
    small, large = good(), of(*many_deposits(9_000))
    for number in range(n):
        content = small if number % LARGE_EVERY else large
        for _ in range(chance.choice((1, 1, 1, 2, 5))):
            content = chance.choice(CHANGES)(content, chance)
        yield content


def bytes_changed(content: bytes, chance: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(chance.choice((1, 1, 3, 20))):
        if changed:
            changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed)


def piece_put_in(content: bytes, chance: random.Random) -> bytes:
    place, length = chance.randrange(len(content) + 1), chance.choice((0, 0, 1, 10))
    return content[:place] + chance.choice(PIECES) + content[place + length :]


def piece_moved(content: bytes, chance: random.Random) -> bytes:
    start, end = sorted(chance.randrange(len(content) + 1) for _ in range(2))
    place = chance.randrange(len(content) + 1)
    return content[:place] + content[start : min(end, start + 500)] + content[place:]


def cut_off(content: bytes, chance: random.Random) -> bytes:
    return content[: chance.randrange(len(content) + 1)]


def field_changed(content: bytes, chance: random.Random) -> bytes:
    """A field of an event, or of what it holds, with another value; the checksum is right."""
    return with_events(content, chance, lambda events: change_field(events, chance))


def events_changed(content: bytes, chance: random.Random) -> bytes:
    """An event left out, said twice or moved; the checksum is right."""

    def change(events: list[Any]) -> None:
        event = events.pop(chance.randrange(len(events)))
        for _ in range(chance.choice((0, 1, 2))):
            events.insert(chance.randrange(len(events) + 1), event)

    return with_events(content, chance, change)


def with_events(
    content: bytes, chance: random.Random, change: Callable[[list[Any]], None]
) -> bytes:
    try:
        file = json.loads(content)
        change(file["events"])
        return sealed(file)
    except (ValueError, TypeError, LookupError, AttributeError):
        return bytes_changed(content, chance)  # it is no file any more


def change_field(events: list[Any], chance: random.Random) -> None:
    part = chance.choice(events)
    nested = [value for value in part.values() if isinstance(value, dict)]
    if nested and chance.random() < 0.4:
        part = chance.choice(nested)
    name = chance.choice([*part, "other"])
    if chance.random() < 0.1:
        part.pop(name, None)
    else:
        part[name] = chance.choice((*VALUES, *part.values()))


CHANGES = (
    bytes_changed,
    piece_put_in,
    piece_moved,
    cut_off,
    field_changed,
    field_changed,
    field_changed,
    events_changed,
)


def main(n: int) -> int:
    by_hand, by_chance = Outcome(), Outcome()
    with (
        TemporaryDirectory(prefix="marketpulse-") as name,
        closing(Journal(f"sqlite:///{name}/journal.db")) as journal,
    ):
        by_chance.take(good(), journal)  # what is imported and allocated once
        by_chance = Outcome()
        for content, _ in HOSTILE.values():
            by_hand.take(content, journal)
        for content in fuzzed(n):
            by_chance.take(content, journal)
    print(f"of {by_chance.files:,} fuzzed files, {by_chance.refused:,} were refused", flush=True)
    claims = [
        at_least("Hostile files made by hand", by_hand.files, HAND_MADE),
        at_most(
            "Hostile files made by hand that were not refused", len(HOSTILE) - by_hand.refused, 0
        ),
        at_least("Fuzzed files", by_chance.files, n),
        at_least(
            "Fuzzed files that were whole books all the same", n - by_chance.refused, n // 100
        ),
    ]
    for which, outcome in (("made by hand", by_hand), ("fuzzed", by_chance)):
        claims += [
            at_most(f"Partial imports, files {which}", outcome.partial, 0),
            at_most(
                f"Processor seconds for the slowest of the files {which}",
                outcome.longest,
                LONGEST_S,
            ),
            at_most(f"MB more for the largest of the files {which}", outcome.most, MOST_MB),
        ]
    return publish("imports", claims)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Import hostile files.")
    parser.add_argument("--full", action="store_true", help=f"{MORE_FUZZED:,} fuzzed files")
    sys.exit(main(MORE_FUZZED if parser.parse_args().full else FUZZED))
