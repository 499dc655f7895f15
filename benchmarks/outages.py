"""How soon there is a chart without the first venues, and fresh data after an outage of all.

``python -m benchmarks.outages`` starts the app's own server as `benchmarks.coldstart` does, against
an exchange on loopback. First charts: the first venue answers 451 and the second 429; and no venue
answers at all, because packets are dropped. Outages: four servers, each with an exchange of its
own, lose every venue at the same time, each in another way, for 200 s, and with ``--full`` for 10
minutes. That is longer than it takes for candles to be stale, and venues are being left alone when
they come back. One session each watches, and does nothing but press the page's own timer.
"""

import argparse
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import pandas as pd

from benchmarks.claims import Claim, at_least, at_most, publish
from benchmarks.session import TIMEOUT_S, Run, Server, Session, app_server, free_port
from marketpulse.sources.recorded import load_sample
from tests.exchange_server import FORMATS, ExchangeServer, Fault, Refusal, shift_to, silent_url

STARTS = 3
FIRST_CHART_S, FRESH_S = 5.0, 60.0
OUTAGE_S, FULL_OUTAGE_S = 200.0, 600.0
GIVE_UP_S = 180.0
# Before it breaks off, everything is to be loaded and quiet.
SETTLED_S = 30.0

FRESH = ":blue[:material/check_circle:] newest candle closed"
LIVE, LIVE_AGAIN = ":blue-badge[Live]", "Live candles from"
STALE = "no signal, no trade"
STAND_IN = "so this is a replay of real BTC/USD candles"

REFUSED: Mapping[str, Fault] = {"bitstamp": 451, "coinbase": 429}
# How each server loses its venues; of the first, nobody listens any more.
OUTAGES: Mapping[str, Mapping[str, Fault]] = {
    "closed ports": {},
    "status 503": dict.fromkeys(FORMATS, 503),
    "hangs": dict.fromkeys(FORMATS, "hang"),
    "a long ban, 403, 503, a hang and a reset": {
        **dict.fromkeys(FORMATS, "reset"),
        "bitstamp": Refusal(429, "3600"),
        "coinbase": 403,
        "kraken": 503,
        "gemini": "hang",
    },
}


def said(run: Run) -> str:
    """The texts on the screen."""
    texts = (
        getattr(element, kind).body
        for element in run.elements
        for kind in ("markdown", "alert")
        if element.HasField(kind)
    )
    return "\n".join(texts)


def is_fresh(run: Run) -> bool:
    """Whether the screen shows the newest candle of a live venue."""
    text = said(run)
    return LIVE in text and FRESH in text


# First charts ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class First:
    """The first run that held candles.

    Attributes
    ----------
    since_start, since_visit : float
        Seconds to its end, from the start of the process and from the first visitor's coming.
    stands_in : bool
        Whether the screen says that it is a replay because no live venue answers.
    """

    since_start: float
    since_visit: float
    stands_in: bool


def first_chart(folder: Path, venues: str) -> First:
    """Start a server, visit it until there is a chart, and end it."""
    with app_server(folder, venues) as server, Session(server) as session:
        came = time.perf_counter()
        for run in session.ticking():
            if run.has_chart:
                return First(run.end - server.started, run.end - came, STAND_IN in said(run))
            if run.end - server.started > TIMEOUT_S:
                raise RuntimeError(f"no chart after {TIMEOUT_S:g} s")
    raise AssertionError("the timer never stops")


def first_charts(folder: Path, name: str, venues: str) -> list[First]:
    """Some starts, after one that is not measured because it compiles modules."""
    starts = [first_chart(folder / f"{name}-{n}", venues) for n in range(STARTS + 1)][1:]
    for each in starts:
        print(f"First chart, {name}: {each}", flush=True)
    return starts


def chart_claims(folder: Path) -> list[Claim]:
    """Claims on starts without the venues of choice."""
    with ExchangeServer() as exchange:
        for venue, fault in REFUSED.items():
            exchange.fail(venue, fault)
        refused = first_charts(folder, "refused", exchange.url)
    with silent_url() as silent:
        dropped = first_charts(folder, "dropped", silent)
    return [
        *_soon("first venue 451, second 429", refused),
        at_most(
            "First chart is a replay though a venue answers, starts",
            sum(each.stands_in for each in refused),
            0,
        ),
        *_soon("all packets dropped", dropped),
        at_least(
            "First chart is said to be a replay, all packets dropped, starts",
            sum(each.stands_in for each in dropped),
            STARTS,
        ),
    ]


def _soon(which: str, starts: list[First]) -> list[Claim]:
    return [
        at_most(
            f"First chart since the process began, {which}, s",
            median(each.since_start for each in starts),
            FIRST_CHART_S,
        ),
        at_most(
            f"First chart since the first visit, {which}, s",
            median(each.since_visit for each in starts),
            FIRST_CHART_S,
        ),
    ]


# Outages -----------------------------------------------------------------------------------------


class Exchange:
    """An exchange at one address, that can be there, fail, or not be there.

    Parameters
    ----------
    faults : mapping of str to Fault
        How venues fail; if there are none, nobody listens.
    """

    def __init__(self, faults: Mapping[str, Fault]) -> None:
        self._faults = faults
        self._port = free_port()
        # Of later ones as well, so that all have the same candles.
        self._offset = shift_to(load_sample().candles, pd.Timestamp.now("UTC"))
        self._stack = ExitStack()
        self.url = f"http://127.0.0.1:{self._port}"
        self._server = self._listening()

    def _listening(self) -> ExchangeServer:
        return self._stack.enter_context(ExchangeServer(offset=self._offset, port=self._port))

    def fail(self) -> None:
        """Begin the outage."""
        for venue, fault in self._faults.items():
            self._server.fail(venue, fault)
        if not self._faults:
            self.close()

    def heal(self) -> None:
        """End it."""
        for venue in self._faults:
            self._server.heal(venue)
        if not self._faults:
            self._server = self._listening()

    def close(self) -> None:
        """Listen no more."""
        self._stack.close()


@dataclass(frozen=True, slots=True)
class Outage:
    """What a session saw of one.

    Attributes
    ----------
    recovery : float
        Seconds from its end to the end of the first run with a fresh candle.
    said_stale : bool
        Whether the last run within it said that nothing is decided or traded.
    """

    recovery: float
    said_stale: bool


def outage(folder: Path, faults: Mapping[str, Fault], seconds: float) -> Outage:
    """Watch one market before, in and after an outage of so many seconds.

    Raises
    ------
    RuntimeError
        If there is no fresh candle `GIVE_UP_S` after the start.
    """
    with _served(folder, faults) as (exchange, server), Session(server) as session:
        runs = session.ticking()
        _settle(runs)
        exchange.fail()
        broken = time.perf_counter()
        run = next(runs)
        while run.end < broken + seconds:
            run = next(runs)
        stale = STALE in said(run)
        exchange.heal()
        healed = time.perf_counter()
        while not is_fresh(run) and run.end < healed + GIVE_UP_S:
            run = next(runs)
        return Outage(run.end - healed, stale)


@contextmanager
def _served(folder: Path, faults: Mapping[str, Fault]) -> Iterator[tuple[Exchange, Server]]:
    exchange = Exchange(faults)
    try:
        with app_server(folder, exchange.url) as server:
            _warm(server)
            yield exchange, server
    finally:
        exchange.close()


def _warm(server: Server) -> None:
    """Come first, so that whoever comes next is shown live candles and no replay."""
    with Session(server) as session:
        for run in session.ticking():
            if any(sign in said(run) for sign in (LIVE, LIVE_AGAIN)):
                return
            if run.end > server.started + GIVE_UP_S:
                raise RuntimeError("no live candle before the outage")


def _settle(runs: Iterator[Run]) -> None:
    begun = time.perf_counter()
    for run in runs:
        if run.has_forecasts and is_fresh(run) and run.end > begun + SETTLED_S:
            return
        if run.end > begun + GIVE_UP_S:
            raise RuntimeError("no fresh candle before the outage")


def outage_claims(folder: Path, seconds: float) -> list[Claim]:
    """Claims on outages of all venues."""
    with ThreadPoolExecutor(len(OUTAGES)) as pool:
        running = {
            name: pool.submit(outage, folder / f"outage-{n}", faults, seconds)
            for n, (name, faults) in enumerate(OUTAGES.items())
        }
        seen = {name: each.result() for name, each in running.items()}
    for name, each in seen.items():
        print(f"Outage of {seconds:.0f} s by {name}: {each}", flush=True)
    return [
        *(
            at_most(f"Fresh after {seconds:.0f} s of {name}, s", each.recovery, FRESH_S)
            for name, each in seen.items()
        ),
        at_least(
            f'Outages of {seconds:.0f} s that end with "{STALE}" on screen',
            sum(each.said_stale for each in seen.values()),
            len(OUTAGES),
        ),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true", help="outages of 10 minutes")
    seconds = FULL_OUTAGE_S if parser.parse_args().full else OUTAGE_S
    with TemporaryDirectory(prefix="marketpulse-") as name:
        folder = Path(name)
        return publish("outages", [*chart_claims(folder), *outage_claims(folder, seconds)])


if __name__ == "__main__":
    sys.exit(main())
