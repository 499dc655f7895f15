"""Whether a clock that is wrong can spoil anything: ``python -m benchmarks.clocks``.

Three things are done to a market. Its machine's clock, or the venue's, is wrong from the start; or
is set while the market runs; or the machine lives in another time zone, on a day on which its local
time jumps. Each screen of each second is held against what the venue knows at that second by its
own clock. What is shown is right or refused with the reason, and never wrong.

Clocks are moved and not waited for, so every second is looked at; requests are real. The time
zones are those of processes of their own, and what they show is compared with a process in UTC.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
from joblib import Parallel, delayed

from benchmarks.claims import Claim, at_least, at_most, publish
from benchmarks.clockwork import (
    NO_SHIFT,
    SECOND,
    SETTINGS,
    WRONG,
    Clocks,
    Seen,
    Stage,
    source,
    staged,
    use_small_models,
    wrong_candles,
)
from benchmarks.session import ROOT
from marketpulse import health, report
from marketpulse.horizons import ONE_MINUTE
from marketpulse.snapshot import Snapshot

NOON = pd.Timestamp("2026-03-02 12:00", tz="UTC")
# Seconds after a minute at which a market is opened: right after a bar of the venue, or within one.
JUST_AFTER, WITHIN = 0.2, 31.0
# A reply's time is a whole second: never proven, sometimes proven.
UNPROVEN = ("1500ms", "2500ms")
# Corrected, refused, refused.
SHIFTS = ("5s", "6min", "1D")
SET_AFTER, SET_BACK_AFTER, WATCHED = 35 * SECOND, 95 * SECOND, 150 * SECOND
STILL_WATCHED = 65 * SECOND
JOBS = 2

ZONES = ("America/New_York", "Asia/Kolkata", "Pacific/Apia")
# New York loses an hour and wins one; midnight in Kolkata; Apia wins an hour, and loses a day.
DAYS = (
    "2024-03-10 07:00", "2024-11-03 06:00", "2024-03-10 18:30", "2021-04-03 14:00",
    "2011-12-30 10:00",
)  # fmt: skip
OTHERS = ("coinbase", "kraken", "gemini", "yahoo")
WINDOW = pd.Timedelta(hours=6)


@dataclass(frozen=True, slots=True)
class Case:
    """What is done to the clocks.

    Attributes
    ----------
    name : str
    ours, theirs : pandas.Timedelta
        By how much the machine's and the venue's are wrong.
    later : bool
        Whether they are right at first, then wrong, then right again.
    phase : float
        Seconds after a minute at which the market is opened.
    """

    name: str
    ours: pd.Timedelta = NO_SHIFT
    theirs: pd.Timedelta = NO_SHIFT
    later: bool = False
    phase: float = JUST_AFTER

    def __str__(self) -> str:
        when = "later" if self.later else f"from the start, {self.phase:g} s after a minute"
        return f"{self.name} {when}"

    def shifts(self, passed: pd.Timedelta) -> tuple[pd.Timedelta, pd.Timedelta]:
        """What the two are after so much time."""
        if self.later and not SET_AFTER <= passed < SET_BACK_AFTER:
            return NO_SHIFT, NO_SHIFT
        return self.ours, self.theirs


def cases() -> Iterator[Case]:
    """Either clock, each shift, ahead and behind, from the start and later."""
    for text, sign in product(UNPROVEN, "+-"):
        for phase in (JUST_AFTER, WITHIN):
            yield Case(f"venue {sign}{text}", theirs=pd.Timedelta(sign + text), phase=phase)
    for text, sign, later in product(SHIFTS, "+-", (False, True)):
        shift = pd.Timedelta(sign + text)
        yield Case(f"machine {sign}{text}", ours=shift, later=later)
        yield Case(f"venue {sign}{text}", theirs=shift, later=later)


def watched(folder: Path, case: Case) -> Seen:
    """Every second of a market whose clocks have this done to them."""
    use_small_models()
    opened = NOON + case.phase * SECOND
    seen = Seen(Counter())
    with staged(folder, Clocks(opened, *case.shifts(NO_SHIFT))) as stage:
        seconds = WATCHED if case.later else STILL_WATCHED
        for passed in pd.timedelta_range(NO_SHIFT, seconds, freq="s"):
            stage.clocks.true = opened + passed
            stage.clocks.shift(*case.shifts(passed))
            seen.add(stage, stage.step())
    print(f"{case}: {_told(seen)}", flush=True)
    return seen


def skews(folder: Path) -> list[Claim]:
    """Claims on clocks that are wrong, or are set."""
    every = list(cases())
    found = Parallel(n_jobs=JOBS)(
        delayed(watched)(folder / str(n), case) for n, case in enumerate(every)
    )
    total = sum(found, Seen(Counter()))
    which = "clocks wrong by 1.5 s to 1 day or set by 5 s to 1 day"
    return [
        *(at_most(f"Wrong {what}, {which}", total.wrong[what], 0) for what in WRONG),
        at_most("Largest error of an age, clocks wrong by 5 s, s", _worst(every, found, "5s"), 2),
        at_most(
            "Largest error of an age, clocks wrong by 2.5 s, s", _worst(every, found, "2500ms"), 3
        ),
        at_most(f"Screens that do not say why nothing is done, {which}", total.silent, 0),
        at_most("Screens without the newest bar, clocks wrong by 5 s or less", total.late, 0),
        at_least("Screens judged", total.screens, 1000),
        at_least("Of these, refused with the reason", total.refused, 100),
    ]


def _worst(every: list[Case], found: list[Seen], shift: str) -> float:
    return max(
        seen.age_error for case, seen in zip(every, found, strict=True) if case.name.endswith(shift)
    )


def _told(seen: Seen) -> str:
    wrong = ", ".join(f"{n} {what}" for what, n in seen.wrong.items() if n) or "nothing"
    return (
        f"{seen.screens} screens, {seen.fresh} fresh, {seen.refused} refused, wrong: {wrong};"
        f" {seen.silent} silent, {seen.late} late, ages off by up to {seen.age_error:.1f} s"
    )


def days(folder: Path) -> list[dict[str, object]]:
    """What is shown and what is wrong around each of `DAYS`, in this process's time zone."""
    return [_day(folder / f"day-{n}", pd.Timestamp(day, tz="UTC")) for n, day in enumerate(DAYS)]


def _day(folder: Path, moment: pd.Timestamp) -> dict[str, object]:
    opened = moment - 2 * ONE_MINUTE + SECOND
    told, seen = hashlib.sha256(), Seen(Counter())
    with staged(folder, Clocks(opened)) as stage:
        for passed in pd.timedelta_range(NO_SHIFT, 5 * ONE_MINUTE, freq="3s"):
            stage.clocks.true = opened + passed
            shown = stage.step()
            seen.add(stage, shown)
            told.update(screen(shown).encode())
        others = sum(_read(stage, venue) for venue in OTHERS)
    return {
        "wrong": sum(seen.wrong.values()) + others, "late": seen.late, "screens": seen.screens,
        "digest": told.hexdigest(),
    }  # fmt: skip


def _read(stage: Stage, venue: str) -> int:
    """Wrong candles of the last hours at another venue, and 1 if it has none."""
    asked, now = source(venue, stage.server.url, stage.clocks), stage.clocks.machine()
    pages = list(asked.pages("BTC/USD", start=now - WINDOW, now=now))
    candles = pd.concat([page.candles for page in pages])
    candles = candles[~candles.index.duplicated()].sort_index()
    missing = candles.empty or now - candles.index[-1] > 2 * ONE_MINUTE
    if venue == "yahoo":  # it tells whole numbers as volumes, or none
        candles = candles.assign(volume=stage.truth["volume"])
    return int(missing) + wrong_candles(candles, stage.truth, stage.clocks.venue())


def screen(shown: Snapshot) -> str:
    """What a visitor reads."""
    built = report.build(shown, SETTINGS)
    decided = report.signal(built, shown, None)
    lines = (
        health.bar_text(shown, SETTINGS.refresh * SECOND),
        health.standing(shown),
        report.headline(built, shown, decided),
        decided,
        health.venue_table(shown).to_csv(),
        shown.candles.tail(3).to_csv(),
        *(f"{h}: {outlook.forecast}, {outlook.pending}" for h, outlook in shown.outlooks.items()),
    )
    return "\n".join(map(str, lines))


def zones(folder: Path) -> list[Claim]:
    """Claims on machines in other time zones."""
    found = {zone: _in_zone(folder / zone.replace("/", "-"), zone) for zone in ("UTC", *ZONES)}
    every = [day for zone in ZONES for day in found[zone]]
    pairs = [pair for zone in ZONES for pair in zip(found[zone], found["UTC"], strict=True)]
    which = "in New York, Kolkata and Apia as local time jumps"
    return [
        at_most(f"Wrong figures {which}", sum(day["wrong"] for day in every), 0),
        at_most(f"Screens without the newest bar {which}", sum(day["late"] for day in every), 0),
        at_most(
            f"Days on which a screen {which} differs from that in UTC",
            sum(day["digest"] != plain["digest"] for day, plain in pairs),
            0,
        ),
        at_least("Screens judged in the zones", sum(day["screens"] for day in every), 1000),
    ]


def _in_zone(folder: Path, zone: str) -> list[dict[str, object]]:
    command = [sys.executable, "-m", "benchmarks.clocks", "--days", str(folder)]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"TZ": zone}, check=True, capture_output=True, text=True
    )
    print(f"TZ={zone}: {done.stdout.strip()}", flush=True)
    return json.loads(done.stdout)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--days", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    use_small_models()
    if options.days is not None:
        print(json.dumps(days(options.days)))
        return 0
    with TemporaryDirectory(prefix="marketpulse-") as name:
        folder = Path(name)
        return publish("clocks", [*skews(folder / "skews"), *zones(folder / "zones")])


if __name__ == "__main__":
    sys.exit(main())
