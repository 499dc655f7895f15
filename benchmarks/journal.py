"""What the journal loses when its writers are killed, and how long a durable event takes.

    python -m benchmarks.journal [--full]

A writer places deeds of one to five events, one after another. After a random number of them, and a
moment more, it is killed with SIGKILL; some are killed while they open the journal. The journal is
then opened anew, and every deed that was acknowledged must be there, whole, once, in order and to
the last bit; the one that was under way is there whole or not at all. The next writer first repeats
the last deed, as a client does that heard no answer, and goes on in the same database: 1,000 cycles
on SQLite (``--full``: 10,000), 100 on a PostgreSQL server that is started for it.
"""

import argparse
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import sqlalchemy as sa

from benchmarks.claims import Claim, at_least, at_most, publish, unmeasured
from benchmarks.session import ROOT
from marketpulse.errors import JournalError
from marketpulse.events import Event
from marketpulse.journal import Journal
from marketpulse.journal_rows import EVENTS
from tests.books import NOON, deposit
from tests.crashing_journal import deed, key_of
from tests.postgres import postgres_server

CYCLES, MORE_CYCLES, POSTGRESQL_CYCLES = 1_000, 10_000, 100
EVENTS_PER_CYCLE = 20
MOST_DEEDS = 26
# So long a writer lives beyond its last deed, or that has none from its start on, in seconds.
LONGEST_MOMENT_S, LONGEST_START_S = 0.01, 0.2
APPENDS = 500
APPEND_MS = 5.0


@dataclass(slots=True)
class Told:
    """What the writers said that they had placed, and what became of it.

    Attributes
    ----------
    books : dict
        The events that a book must have, by the book's id.
    acknowledged, interrupted : int
        Events whose deed was said to be done; writers killed within a deed.
    lost, doubled, torn, unreadable : int
        Events that are not where they must be or are not as they were; ids or places that are
        taken twice or not at all; deeds of which a part is there; journals that could not be read,
        or say that they are damaged.
    """

    books: dict[str, list[Event]] = field(default_factory=dict)
    last: tuple[int, int] | None = None
    acknowledged: int = 0
    interrupted: int = 0
    lost: int = 0
    doubled: int = 0
    torn: int = 0
    unreadable: int = 0

    def check(self, url: str, cycle: int, done: int, under_way: bool) -> None:
        """Open the journal after a crash, and count what is not as it was said.

        Parameters
        ----------
        url : str
        cycle : int
        done : int
            Deeds that were acknowledged in this cycle.
        under_way : bool
            Whether one more had begun.
        """
        self.interrupted += under_way
        book = self.books.setdefault(key_of(cycle).id, [])
        fresh = [event for number in range(done) for event in deed(cycle, number)]
        self.acknowledged += len(fresh)
        book += fresh
        try:
            found = settled(url, cycle)
        except JournalError as error:
            if book or not isinstance(error, Unopened):
                print(error, flush=True)
                self.unreadable += 1
            return
        rest = self._compare(book, found)
        if rest:
            whole = under_way and rest == deed(cycle, done)
            self.torn += not whole
            book += rest
            done += 1
        if done:
            self.last = (cycle, done - 1)

    def check_all(self, url: str) -> None:
        """Compare every book once more, at the end."""
        with closing(Journal(url)) as journal:
            for info in journal.books_of(key_of(0).owner):
                rest = self._compare(self.books[info.id], list(journal.refresh(info).ledger.events))
                self.torn += len(rest)
                self.doubled += misplaced(journal, info.id)

    def _compare(self, book: list[Event], found: list[Event]) -> list[Event]:
        """What is there beyond the events that must be; those that are not, are counted."""
        expected = [deposit(id="opening"), *book]
        same = sum(a == b for a, b in zip(expected, found, strict=False))
        self.lost += len(expected) - same
        self.doubled += len(found) - len({event.id for event in found})
        return found[len(expected) :]


class Unopened(JournalError):
    """No writer has got so far as to open the book."""


def settled(url: str, cycle: int) -> list[Event]:
    """The events of a cycle's book, once no dead writer's transaction is under way any more."""
    key = key_of(cycle)
    with closing(Journal(url)) as journal:
        if all(info.id != key.id for info in journal.books_of(key.owner)):
            raise Unopened("The writer was killed before it had opened its book.")
        book = journal.place(key, "nothing", lambda _: (), time=NOON)
        if book.damage:
            raise JournalError(book.damage)
        return list(book.ledger.events)


def misplaced(journal: Journal, book: str) -> int:
    """Places and ids of a book that are taken twice or left out, told by the database alone."""
    c = EVENTS.c
    figures = (sa.func.count(), sa.func.max(c.sequence), sa.func.count(c.event_id.distinct()))
    with journal._database.reading() as connection:
        row = connection.execute(sa.select(*figures).where(c.book == book)).one()
    return abs(row[0] - row[1]) + abs(row[0] - row[2])


@contextmanager
def writers(url: str) -> Iterator[subprocess.Popen[str]]:
    """The process that starts and kills writers."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.crashing_journal", url],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
    ) as process:  # fmt: skip
        yield process
        process.stdin.close()


def killed(url: str, cycles: int, seed: int = 0) -> Told:
    """What was told and lost in so many crashes.

    Raises
    ------
    RuntimeError
        If a writer ended by itself.
    """
    told, chance = Told(), random.Random(seed)
    with writers(url) as process:
        for cycle in range(cycles):
            repeated = told.last if told.last and key_of(told.last[0]) == key_of(cycle) else ()
            process.stdin.write(" ".join(map(str, (cycle, *repeated))) + "\n")
            told.check(url, cycle, *one_life(process, chance))
    told.check_all(url)
    return told


def one_life(process: subprocess.Popen[str], chance: random.Random) -> tuple[int, bool]:
    """How many deeds a writer has done, and whether one more had begun when it was killed."""
    lines = said(process)
    wanted = chance.randrange(MOST_DEEDS + 1)
    heard = list(islice(lines, 2 * wanted))  # a beginning and an end of each
    time.sleep(chance.uniform(0, LONGEST_MOMENT_S if wanted else LONGEST_START_S))
    process.stdin.write("kill\n")
    heard += lines
    done = heard.count("done")
    return done, len(heard) > 2 * done


def said(process: subprocess.Popen[str]) -> Iterator[str]:
    """The lines of a writer, until it was killed."""
    while (line := process.stdout.readline().strip()) != f"ended {-signal.SIGKILL}":
        if line != "done" and not line.startswith("begin"):
            raise RuntimeError(f"a writer ended by itself: {line}")
        yield line


def crash_claims(name: str, url: str, cycles: int) -> list[Claim]:
    """Claims on a journal whose writers are killed so many times."""
    told = killed(url, cycles)
    print(f"{name}: {told.interrupted} of {cycles} writers were killed within a deed", flush=True)
    after = f"after kill -9, {name}, {cycles:,} cycles"
    return [
        at_most(f"Acknowledged events that were lost {after}", told.lost, 0),
        at_most(f"Events and places that were doubled {after}", told.doubled, 0),
        at_most(f"Deeds that were done in part {after}", told.torn, 0),
        at_most(f"Journals that could not be read {after}", told.unreadable, 0),
        at_least(f"Events acknowledged {after}", told.acknowledged, EVENTS_PER_CYCLE * cycles),
        at_least(f"Writers killed within a deed {after}", told.interrupted, cycles // 4),
    ]


def append_claim(folder: Path) -> Claim:
    """How long one durable event takes, beside a bare transaction of SQLite on the same disk."""
    url = f"sqlite:///{folder}/appends.db"
    bare, placed = [], []
    with closing(sqlite3.connect(folder / "bare.db", isolation_level=None)) as file:
        for statement in ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL"):
            file.execute(statement)
        file.execute("CREATE TABLE events (body TEXT)")
        with closing(Journal(url)) as journal:
            journal.open(key_of(0), deposit().amount, NOON)
            for number in range(APPENDS):
                event = deposit("1", id=str(number))
                begun = time.perf_counter()
                journal.place(key_of(0), event.id, lambda _, event=event: event, time=NOON)
                placed.append(time.perf_counter() - begun)
                begun = time.perf_counter()
                file.execute("INSERT INTO events VALUES (?)", ("x" * 300,))
                bare.append(time.perf_counter() - begun)
    print(f"a bare transaction takes {1000 * median(bare):.2f} ms on this disk", flush=True)
    return at_most("Milliseconds for a durable event, median", 1000 * median(placed), APPEND_MS)


def main(cycles: int) -> int:
    with TemporaryDirectory(prefix="marketpulse-") as name:
        claims = [append_claim(Path(name))]
        claims += crash_claims("SQLite", f"sqlite:///{name}/journal.db", cycles)
    try:
        with postgres_server() as url:
            claims += crash_claims("PostgreSQL", url, POSTGRESQL_CYCLES)
    except LookupError as error:
        claims.append(unmeasured("Acknowledged events that were lost, PostgreSQL", 0, str(error)))
    return publish("journal", claims)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Kill writers of the journal.")
    parser.add_argument("--full", action="store_true", help=f"{MORE_CYCLES:,} cycles on SQLite")
    sys.exit(main(MORE_CYCLES if parser.parse_args().full else CYCLES))
