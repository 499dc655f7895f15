"""What the candle cache loses when its process is killed: ``python -m benchmarks.crash``.

A writer keeps one-minute candles one by one, revises some, and now and then keeps a page of up to
2,000. At a random moment it is killed with SIGKILL, the cache is loaded, and every bar whose
append had returned must be there as it was last said, to the last bit. A bar of the append that
was under way may be as it was before or as it should have become. The next writer goes on with
the same files.
"""

import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from benchmarks.claims import Claim, at_least, at_most, publish
from benchmarks.session import ROOT
from marketpulse.errors import CacheError
from marketpulse.horizons import ONE_MINUTE
from marketpulse.sources.candle_cache import CandleCache
from tests.crashing_writer import MARKET, START, bars

CYCLES = 200
# So few bars for each cycle are acknowledged even on a slow disk.
BARS_PER_CYCLE = 10
# From the start of a writer to its end, in seconds: some have not even read what there is.
LONGEST_LIFE_S = 0.4
WINDOW = 15 * 1440


@dataclass(slots=True)
class Told:
    """What the writers said that they had kept, and what became of it.

    Attributes
    ----------
    revisions : dict of int to int
        The revision acknowledged last, by minute.
    under_way : dict of int to int
        Those of an append that was cut short: it may or may not have happened.
    acknowledged, lost, unreadable, damaged, interrupted : int
        Bars that were new when they were acknowledged; bars that were not as they should be;
        loads that failed; files set aside; writers killed within an append.
    """

    revisions: dict[int, int] = field(default_factory=dict)
    under_way: dict[int, int] = field(default_factory=dict)
    acknowledged: int = 0
    lost: int = 0
    unreadable: int = 0
    damaged: int = 0
    interrupted: int = 0

    def hear(self, line: str) -> None:
        """Take note of a line that a writer said."""
        if line == "done":
            self.acknowledged += len(self.under_way.keys() - self.revisions.keys())
            self.revisions |= self.under_way
            self.under_way = {}
            return
        first, length, revision = (int(word) for word in line.split()[1:])
        self.under_way = dict.fromkeys(range(first, first + length), revision)

    def check(self, folder: Path) -> None:
        """Load the cache after a crash, and count what is not as it was said."""
        self.interrupted += bool(self.under_way)
        self.damaged = len(list(folder.rglob("*.damaged")))
        try:
            found = CandleCache(folder).load(*MARKET)
        except CacheError as error:
            print(error, flush=True)
            self.unreadable += 1
            return
        self.lost += self.differing(found)
        self._settle(found)

    def differing(self, found: pd.DataFrame) -> int:
        """Bars, among the newest that a cache holds, that are missing or not as they were said."""
        minutes = _minutes(found)
        newest = max([*self.revisions, *minutes.tolist()], default=-1)
        due = {minute for minute in self.revisions if minute > newest - WINDOW}
        missing = len(due - set(minutes.tolist()))
        return missing + int((~self._as_said(found) & ~self._as_under_way(found)).sum())

    def _as_said(self, found: pd.DataFrame) -> np.ndarray:
        return _same(found, [self.revisions.get(minute, -1) for minute in _minutes(found)])

    def _as_under_way(self, found: pd.DataFrame) -> np.ndarray:
        return _same(found, [self.under_way.get(minute, -1) for minute in _minutes(found)])

    def _settle(self, found: pd.DataFrame) -> None:
        """From now on, what the append that was cut short did achieve counts."""
        for minute in _minutes(found)[self._as_under_way(found)].tolist():
            self.revisions[minute] = self.under_way[minute]
        self.under_way = {}


def _minutes(found: pd.DataFrame) -> np.ndarray:
    return ((pd.DatetimeIndex(found.index) - START) // ONE_MINUTE).to_numpy()


def _same(found: pd.DataFrame, revisions: list[int]) -> np.ndarray:
    """Whether each bar is, bit for bit, that of a revision; -1 is none. Shape (n,)."""
    wanted = bars(_minutes(found), np.array(revisions, dtype="int64"))
    same = np.array(revisions, dtype="int64") >= 0
    for name in found.columns:
        size = "V8" if name != "filled" else "V1"
        same &= found[name].to_numpy().view(size) == wanted[name].to_numpy().view(size)
    return same


@contextmanager
def writers(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """The process that starts and kills writers."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.crashing_writer", str(folder)],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
    ) as process:  # fmt: skip
        yield process
        process.stdin.close()


def killed(folder: Path, cycles: int, seed: int = 0) -> Told:
    """What was told and lost in so many crashes of a cache in a folder.

    Raises
    ------
    RuntimeError
        If a writer ended by itself.
    """
    told, chance = Told(), random.Random(seed)
    with writers(folder) as process:
        for cycle in range(cycles):
            process.stdin.write(f"{cycle}\n")
            time.sleep(chance.uniform(0, LONGEST_LIFE_S))
            process.stdin.write("kill\n")
            while not (line := process.stdout.readline().strip()).startswith("ended"):
                if not line:
                    raise RuntimeError("the process that starts writers ended")
                told.hear(line)
            if line != f"ended {-signal.SIGKILL}":
                raise RuntimeError("a writer ended by itself")
            told.check(folder)
    return told


def crash_claims(cycles: int) -> list[Claim]:
    """Claims on a cache whose writers are killed so many times."""
    with TemporaryDirectory(prefix="marketpulse-") as name:
        told = killed(Path(name), cycles)
    print(f"{told.interrupted} of {cycles} writers were killed within an append", flush=True)
    after = f"after kill -9, {cycles} cycles"
    return [
        at_most(f"Acknowledged bars that were lost {after}", told.lost, 0),
        at_most(f"Caches that could not be read {after}", told.unreadable, 0),
        at_most(f"Files set aside as damaged {after}", told.damaged, 0),
        at_least(f"Bars acknowledged {after}", told.acknowledged, BARS_PER_CYCLE * cycles),
    ]


if __name__ == "__main__":
    sys.exit(publish("crash", crash_claims(CYCLES)))
