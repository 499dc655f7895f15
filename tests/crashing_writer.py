"""A process whose writers keep candles as fast as they can until they are killed.

``python -m tests.crashing_writer FOLDER`` reads lines: a seed starts a writer, and whatever comes
next kills it with SIGKILL. What a writer is about to keep and what it has kept it says on stdout.
Each is a fork, because a new process would take a second to import pandas.
"""

import os
import random
import signal
import sys
import traceback
from itertools import count
from pathlib import Path

import numpy as np
import pandas as pd

from marketpulse.horizons import ONE_MINUTE
from marketpulse.sources.candle_cache import CandleCache

MARKET = ("binance", "BTC/USDT")
START = pd.Timestamp("2026-11-01 21:00", tz="UTC")
LONGEST_PAGE = 2_000


def bars(minutes, revisions):
    """Candles of minutes since `START`, each of a revision; any two differ. Arrays of shape (n,).

    Some are filled, and some volumes are unknown.
    """
    seed = np.asarray(minutes) * 12.9898 + np.asarray(revisions) * 78.233
    opening, close, volume = (60_000 + 100 * np.sin(seed * factor) for factor in (1, 2, 3))
    filled = (np.asarray(minutes) + revisions) % 40 == 0
    opening = np.where(filled, close, opening)
    wick = np.where(filled, 0.0, 1.0)
    frame = pd.DataFrame(
        {
            "open": opening,
            "high": np.maximum(opening, close) + wick,
            "low": np.minimum(opening, close) - wick,
            "close": close,
            "volume": np.where(filled, 0.0, np.where(volume > 60_099, np.nan, volume)),
        },
        index=pd.DatetimeIndex(START + np.asarray(minutes) * ONE_MINUTE, name="open_time"),
    ).assign(filled=filled)
    frame.index = frame.index.as_unit("us")
    return frame


def page(newest, chance):
    """First minute and number of bars of the next append: mostly one new bar.

    Now and then it is a page of many, and often it begins with some that are there already.
    """
    new = chance.randrange(1, LONGEST_PAGE) if chance.random() < 0.03 else 1
    again = min(chance.choice((0, 0, 3, 200)), newest + 1)
    return newest + 1 - again, again + new


def write_until_killed(folder, seed):
    """Append page after page, the first one behind what the folder holds."""
    cache, chance = CandleCache(folder), random.Random(seed)
    kept = cache.load(*MARKET)
    newest = -1 if kept.empty else (kept.index[-1] - START) // ONE_MINUTE
    for revision in count(seed * 100_000):
        first, length = page(newest, chance)
        say(f"begin {first} {length} {revision}")
        cache.append(*MARKET, bars(np.arange(first, first + length), revision))
        say("done")
        newest = first + length - 1


def say(line):
    os.write(1, f"{line}\n".encode())


def main(folder):
    for line in iter(sys.stdin.readline, ""):
        writer = os.fork()
        if not writer:
            try:
                write_until_killed(folder, int(line))
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(1)
        sys.stdin.readline()
        os.kill(writer, signal.SIGKILL)
        status = os.waitstatus_to_exitcode(os.waitpid(writer, 0)[1])
        say(f"ended {status}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
