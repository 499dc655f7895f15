"""Whether any reply can spoil the candle table: ``python -m benchmarks.frames``.

Ten thousand raw tables, each with its own seed and any mixture of every defect that a venue's reply
may have (`tests.bad_frames`), are cleaned, and each result is held against what it should be,
worked out once more in another way. A frame that is wrong is printed with its seed.
"""

import sys
import time
from collections.abc import Sequence

import numpy as np
from joblib import Parallel, delayed

from benchmarks.claims import Claim, at_least, at_most, publish
from marketpulse.candles import clean
from marketpulse.errors import MalformedCandles
from marketpulse.horizons import ONE_MINUTE
from tests.bad_frames import bad_frame, broken_invariants

FRAMES = 10_000
JOBS = 2
# Of the frames: enough that most of what is checked is a table, and not a refusal.
LEAST_CLEANED = 60.0
CLEANED, REFUSED, BROKEN, CRASHED = "cleaned", "refused", "broken", "crashed"


def verdict(seed: int) -> str:
    """What became of one frame."""
    raw, now = bad_frame(np.random.default_rng(seed))
    try:
        result = clean(raw, ONE_MINUTE, now)
    except MalformedCandles as error:
        result = error
    except Exception as error:  # whatever it is, it would have ended the market's loop
        print(f"Frame {seed} crashed the cleaner: {error!r}", flush=True)
        return CRASHED
    if broken := broken_invariants(raw, now, result):
        print(f"Frame {seed}: {'; '.join(broken)}", flush=True)
        return BROKEN
    return REFUSED if isinstance(result, MalformedCandles) else CLEANED


def verdicts(seeds: Sequence[int]) -> list[str]:
    return [verdict(seed) for seed in seeds]


def frame_claims(count: int) -> list[Claim]:
    """Claims on so many random bad frames."""
    parts = [range(start, count, 8 * JOBS) for start in range(min(count, 8 * JOBS))]
    found = Parallel(n_jobs=JOBS)(delayed(verdicts)(part) for part in parts)
    total = [each for part in found for each in part]
    return [
        at_most(f"{count:,} random bad frames: with a broken invariant", total.count(BROKEN), 0),
        at_most(f"{count:,} random bad frames: that crashed the cleaner", total.count(CRASHED), 0),
        at_least(
            f"{count:,} random bad frames: cleaned and not refused, %",
            100 * total.count(CLEANED) / max(1, len(total)),
            LEAST_CLEANED,
        ),
    ]


def main() -> int:
    begun = time.perf_counter()
    claims = frame_claims(FRAMES)
    print(f"Took {time.perf_counter() - begun:.0f} s")
    return publish("frames", claims)


if __name__ == "__main__":
    sys.exit(main())
