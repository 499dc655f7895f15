"""Random lives of paper books, against an oracle that shares no arithmetic with them.

    python -m benchmarks.ledger [--full]

5,000 books of at least 205 fills each live through deposits, orders, fills, refusals, rejections
and repeated events. After each event every figure is compared with that of a book kept in whole
numbers, and the invariants that are cheap to check are checked; those that are not (the fold, its
parts, all in and all out) at the end of a life, and the journal's chain and the file's bytes in
every fifth book. ``--full`` takes 50,000 books.
"""

import argparse
import sys
from collections import Counter
from dataclasses import dataclass, field
from functools import reduce
from time import perf_counter

from joblib import Parallel, delayed

from benchmarks.claims import at_least, at_most, publish
from tests.sequences import lived

SEQUENCES, MORE_SEQUENCES = 5_000, 50_000
FILLS = 205
FEWEST_FILLS = 1_000_000
WRITTEN_EVERY = 5
BATCH = 25
JOBS = 2
INVARIANTS = [f"I{number}" for number in range(1, 13)]


@dataclass
class Count:
    """What happened in some lives."""

    lives: int = 0
    events: int = 0
    fills: int = 0
    refused: int = 0
    rejected: int = 0
    differences: int = 0
    broken: list[str] = field(default_factory=list)
    checked: Counter[str] = field(default_factory=Counter)

    def add(self, other: "Count") -> "Count":
        """Both together."""
        for name in ("lives", "events", "fills", "refused", "rejected", "differences"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.broken += other.broken
        self.checked += other.checked
        return self


def count(seeds: range) -> Count:
    """What happens in the lives of these seeds."""
    return reduce(Count.add, map(one, seeds), Count())


def one(seed: int) -> Count:
    """What happens in one life; a broken invariant ends it."""
    try:
        life = lived(seed, FILLS, written=seed % WRITTEN_EVERY == 0)
    except AssertionError as error:
        return Count(1, broken=[f"{error} in book {seed}"])
    return Count(
        lives=1,
        events=len(life.ledger.events),
        fills=life.fills,
        refused=life.refused,
        rejected=life.rejected,
        differences=life.differences,
        checked=life.tally.checked,
    )


def main() -> int:
    """Run it; the exit code."""
    about = __doc__.partition("\n")[0]
    parser = argparse.ArgumentParser(prog="benchmarks.ledger", description=about)
    parser.add_argument("--full", action="store_true", help=f"{MORE_SEQUENCES:,} books")
    sequences = MORE_SEQUENCES if parser.parse_args().full else SEQUENCES
    started = perf_counter()
    batches = [range(first, first + BATCH) for first in range(0, sequences, BATCH)]
    found = Parallel(JOBS, return_as="generator")(delayed(count)(seeds) for seeds in batches)
    total = reduce(Count.add, found, Count())
    print(
        f"{total.events:,} events, {total.refused:,} refused, {total.rejected:,} orders rejected,"
        f" in {perf_counter() - started:.0f} s"
    )
    print("Checked: " + ", ".join(f"{name} {total.checked[name]:,}" for name in INVARIANTS))
    for sentence in total.broken[:10]:
        print(f"Broken: {sentence}")
    return publish(
        "ledger",
        [
            at_least("Random event sequences", total.lives, SEQUENCES),
            at_least("Fills against an independent oracle", total.fills, FEWEST_FILLS),
            at_most("Figures that differ from the oracle's", total.differences, 0),
            at_least("Invariants checked", sum(map(bool, total.checked.values())), 12),
            at_most("Invariants broken", len(total.broken), 0),
        ],
    )


if __name__ == "__main__":
    sys.exit(main())
