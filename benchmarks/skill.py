"""Whether the forecasts are as good and as honest as is said: ``python -m benchmarks.skill``.

    python -m benchmarks.skill [FILE...] [--full] [--peers PYTHON]

Every file is forecast as the live app would have, both horizons refitted every four hours; without
files it is the bundled sample, and a part of it with outages. Means of skill and what holds on a
thin venue are claimed only of files. The rest is measured on seeded simulations: verdicts on series
of which the truth is known, leaks made on purpose, and the time of a walk of thirty days.
``--full`` takes as many series as the claims are about, and, like several files, more than ten
minutes. ``pip install -r benchmarks/requirements.txt`` brings the peers of the claims on time;
``--peers`` names the interpreter that has them, if it is another one.
"""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks import peers, proofs, sets, speed, verdicts
from benchmarks.claims import Claim, publish
from marketpulse.sources.recorded import SAMPLE_PATH, load

GAPPY_MINUTES = 8 * 24 * 60


def arguments() -> argparse.Namespace:
    about = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(prog="benchmarks.skill", description=about)
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="one-minute candles")
    parser.add_argument("--full", action="store_true", help="as many series as are claimed")
    parser.add_argument(
        "--peers", default=sys.executable, metavar="PYTHON", help="interpreter that has the peers"
    )
    return parser.parse_args()


def set_claims(files: Sequence[Path]) -> Iterator[Claim]:
    """Claims on the files, or on the sample and on a part of it that is given gaps."""
    candles = {path.name.split(".")[0]: load(path).candles for path in files}
    if not files:
        sample = load(SAMPLE_PATH).candles
        candles = {"sample": sample, "sample-gappy": sets.with_gaps(sample.tail(GAPPY_MINUTES))}
    print(f"Sets: {len(files) or 'no'} files, so {', '.join(candles)}", flush=True)
    if not files:
        print("Without files nothing is claimed of mean skill and of a thin venue", flush=True)
    elif sets.THIN_VENUE not in candles:
        print(f"Without {sets.THIN_VENUE} nothing is claimed of a thin venue", flush=True)
    yield from sets.claims(sets.scores(candles), several=bool(files))


def all_claims(options: argparse.Namespace) -> Iterator[Claim]:
    """Everything, the claims on memory first: a process starts with what its parent held."""
    yield from speed.claims(options.files)
    yield from peers.claims(options.peers)
    yield from set_claims(options.files)
    yield from verdicts.claims(options.full)
    sample = load(SAMPLE_PATH)
    yield from proofs.online_claims(sample.candles, sample.name, options.full)
    yield from proofs.leak_claims(sample.candles)


def main() -> int:
    options, begun = arguments(), time.perf_counter()
    claims = list(all_claims(options))
    print(f"Took {time.perf_counter() - begun:.0f} s")
    return publish("skill", claims)


if __name__ == "__main__":
    sys.exit(main())
