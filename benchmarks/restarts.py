"""What a restart asks for that was kept on disk: ``python -m benchmarks.restarts``.

A market is opened with an empty folder, ended, and opened again with the same folder: at once, and
with a clock that is 20 hours on. Then nobody answers, and no candle is younger than an hour. Calls
are counted by the exchange on loopback, and every candle is compared with what the venue knows.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from benchmarks.claims import Claim, at_least, at_most, publish
from benchmarks.clockwork import (
    NO_SHIFT,
    SECOND,
    SETTINGS,
    Clocks,
    acting,
    source,
    use_small_models,
    wrong_candles,
)
from benchmarks.session import closed_venues
from marketpulse import health
from marketpulse.horizons import ONE_MINUTE
from marketpulse.hub import Hub
from marketpulse.market import RETRY
from marketpulse.snapshot import Snapshot
from marketpulse.sources.candle_cache import CandleCache
from marketpulse.sources.chain import REREAD, ChainSource
from marketpulse.sources.recorded import load_sample
from marketpulse.sources.venues import KNOWN
from marketpulse.words import age_text
from tests.exchange_server import ExchangeServer

VENUE = "bitstamp"
OPENED = pd.Timestamp("2026-03-02 12:00:30", tz="UTC")
AWAY, SILENCE = pd.Timedelta(hours=20), pd.Timedelta(hours=1)
# Bars that the venue has at first, and in all.
KNOWN_BARS, BARS = 18_000, 20_160
TRIES = 20


@contextmanager
def opened(folder: Path, url: str, clocks: Clocks) -> Iterator[Snapshot]:
    """What a market of a fresh process shows, once it has all that it can get."""
    cache = CandleCache(folder / "candles")
    with TemporaryDirectory(prefix="marketpulse-") as models:
        hub = Hub(
            clocks.machine, threads=False, home=folder, models=Path(models),
            open_live=lambda _: ChainSource([source(VENUE, url, clocks)], cache),
        )  # fmt: skip
        try:
            market = hub.watch("visitor", SETTINGS)
            for _ in range(TRIES):
                market.step(clocks.machine())
                while market.busy:
                    market.step(clocks.machine())
                if market.snapshot.has_candles:
                    break
                clocks.true += RETRY  # a machine that has no time for it may miss a deadline
            yield market.snapshot
        finally:
            hub.close()


@dataclass(frozen=True, slots=True)
class Opening:
    """What one start of a market asked for, and what it then had."""

    calls: int
    bars: int
    wrong: int


def opening(folder: Path, exchange: ExchangeServer, truth: pd.DataFrame, clocks: Clocks) -> Opening:
    """Open a market and count."""
    before = len(exchange.log)
    with opened(folder, exchange.url, clocks) as shown:
        asked = [each for each in exchange.log[before:] if each.kind == "candles"]
        wrong = wrong_candles(shown.candles, truth, clocks.venue())
        return Opening(len(asked), len(shown.candles), wrong)


def needed(bars: int) -> int:
    """Calls that so many bars take at least."""
    return ceil(bars / KNOWN[VENUE].page_bars)


def main() -> int:
    use_small_models()
    candles = load_sample().candles.iloc[:BARS]
    first = OPENED.floor("min") - KNOWN_BARS * ONE_MINUTE
    index = pd.date_range(first, periods=BARS, freq="min", unit="us", name="open_time")
    truth, clocks = candles.set_axis(index), Clocks(OPENED)
    with (
        TemporaryDirectory(prefix="marketpulse-") as name,
        ExchangeServer(truth, offset=NO_SHIFT, clock=clocks.venue) as exchange,
    ):
        folder = Path(name)
        fresh = opening(folder, exchange, truth, clocks)
        at_once = opening(folder, exchange, truth, clocks)
        clocks.true += AWAY
        later = opening(folder, exchange, truth, clocks)
        clocks.true += SILENCE
        with opened(folder, closed_venues(), clocks) as offline:
            alone = _offline(offline, truth, clocks, later.bars)
    print(f"First start {fresh}, at once {at_once}, after {AWAY} {later}", flush=True)
    return publish("restarts", [*_claims(fresh, at_once, later), *alone])


def _claims(fresh: Opening, at_once: Opening, later: Opening) -> list[Claim]:
    missing = int((AWAY + REREAD) / ONE_MINUTE) + 1
    return [
        at_least("First start: candle calls, to compare with", fresh.calls, needed(KNOWN_BARS)),
        at_most("Restart at once: candle calls", at_once.calls, 1),
        at_most("Restart after 20 h: candle calls", later.calls, needed(missing)),
        at_least("Restart after 20 h: bars at hand", later.bars, KNOWN_BARS + AWAY / ONE_MINUTE),
        at_most(
            "Starts: candles that are wrong or missing",
            fresh.wrong + at_once.wrong + later.wrong,
            0,
        ),
    ]


def _offline(shown: Snapshot, truth: pd.DataFrame, clocks: Clocks, kept: int) -> list[Claim]:
    """Claims on a restart without venues, an hour after the last candle."""
    print(health.standing(shown), flush=True)
    print(health.bar_text(shown, SETTINGS.refresh * SECOND), shown.problem, flush=True)
    old = clocks.machine() - shown.as_of
    said = age_text(old) in health.standing(shown) and bool(shown.problem)
    return [
        at_least("Restart offline: bars served", len(shown.candles), kept - SILENCE / ONE_MINUTE),
        at_most(
            "Restart offline: candles that are wrong",
            wrong_candles(shown.candles, truth, clocks.venue()),
            0,
        ),
        at_most("Restart offline: age is off by, s", abs(shown.age - old) / SECOND, 0),
        at_least("Restart offline: age and reason are said", int(said), 1),
        at_most(
            "Restart offline: signals or trades on candles of an hour ago",
            int(acting(shown)) + (not health.refusal(shown)),
            0,
        ),
    ]


if __name__ == "__main__":
    sys.exit(main())
