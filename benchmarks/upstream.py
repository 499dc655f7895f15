"""What many visitors of one market cost its venues: ``python -m benchmarks.upstream``.

The app's own server, visited by a hundred sessions that each press their page's timer, asks an
exchange on loopback, which keeps a log. Bars are real minutes: first some in peace; then every
venue refuses with status 429, asks to be left alone for 45 s, and answers again after that.
"""

import argparse
import math
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread

from websocket import WebSocketException

from benchmarks.claims import Claim, at_least, at_most, publish
from benchmarks.session import TIMEOUT_S, Server, Session, app_server
from marketpulse.settings import DEFAULTS
from tests.exchange_server import FORMATS, ExchangeServer, Kind, Refusal

SESSIONS = 100
# Seconds from one arrival to the next.
ARRIVAL_S = 0.3
# A visitor whose connection broke comes again so soon.
AGAIN_S = 1.0
BARS, FULL_BARS = 2, 15
MINUTE_S = 60.0
# No page of the history is asked for any more when no candle was for so long.
QUIET_S = 15.0
BAN_S = 45.0
# After a ban a venue is asked again so soon.
RETRIED_S = 10.0
# Late in a minute, so that a venue asked for prices only is still banned as its next bar closes.
REFUSED_AT_S = 45.0
# Those of the chain that a market has by default.
VENUES = ("bitstamp", "coinbase", "kraken", "gemini", "yahoo")


@dataclass(slots=True)
class Visits:
    """What the visitors did and met.

    Attributes
    ----------
    reruns : list of float
        When each ended, in seconds of the monotonic clock.
    errors : list of str
        That a page showed.
    broken : list of str
        Why a connection ended; its visitor came again, as a browser does.
    """

    reruns: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)


def visit(server: Server, late: float, done: Event, visits: Visits) -> None:
    """Come so many seconds late, and press the page's timer whenever it is due, until ``done``."""
    while not done.wait(late):
        try:
            with Session(server) as session:
                for _ in session.ticking():
                    visits.reruns.append(time.monotonic())
                    if done.is_set():
                        return
        except RuntimeError as error:
            visits.errors.append(str(error))
        except (OSError, WebSocketException) as error:
            visits.broken.append(repr(error))
        late = AGAIN_S


@contextmanager
def visitors(server: Server) -> Iterator[Visits]:
    """A hundred sessions, each in a thread of its own, for as long as the context lasts."""
    done, visits = Event(), Visits()
    lates = (n * ARRIVAL_S for n in range(SESSIONS))
    threads = [Thread(target=visit, args=(server, late, done, visits)) for late in lates]
    for thread in threads:
        thread.start()
    try:
        yield visits
    finally:
        done.set()
        for thread in threads:
            thread.join(TIMEOUT_S)


def per_minute(times: Sequence[float], start: float, minutes: int) -> list[int]:
    """How many of the times lie in each minute from ``start`` on."""
    counts = [0] * minutes
    for moment in times:
        minute = int((moment - start) // MINUTE_S)
        if 0 <= minute < minutes:
            counts[minute] += 1
    return counts


def per_interval(times: Sequence[float], interval: float) -> float:
    """How many of the times there are in an interval, from the first of them to the last."""
    if len(times) < 2:
        return 0.0
    return (len(times) - 1) * interval / (max(times) - min(times))


def within(times: Sequence[float], start: float, end: float) -> list[float]:
    """The times in [start, end)."""
    return [moment for moment in times if start <= moment < end]


def after_refusal(times: Sequence[float], ordered: float, seconds: float) -> tuple[int, float]:
    """How often a venue was asked while it was banned, and how soon after that again.

    Parameters
    ----------
    times : sequence of float
        When it was asked.
    ordered : float
        From when on it refuses.
    seconds : float
        For which it then wants to be left alone.

    Returns
    -------
    (int, float)
        Requests after the first refused one, within its ban; seconds from the end of the ban to
        the next request, infinite without one.
    """
    refused = min((moment for moment in times if moment >= ordered), default=math.inf)
    banned = [moment for moment in times if refused < moment < refused + seconds]
    later = [moment for moment in times if moment >= refused + seconds]
    return len(banned), min(later, default=math.inf) - refused - seconds


def times(exchange: ExchangeServer, venue: str, kind: Kind) -> list[float]:
    """When a venue was asked for one kind of thing."""
    return [each.at for each in exchange.log if (each.venue, each.kind) == (venue, kind)]


def settle(exchange: ExchangeServer) -> None:
    """Wait until the history is loaded.

    Raises
    ------
    RuntimeError
        If that takes longer than two minutes.
    """
    begun = time.monotonic()
    while time.monotonic() < begun + 2 * TIMEOUT_S:
        asked = times(exchange, VENUES[0], "candles")
        if asked and time.monotonic() - asked[-1] > QUIET_S:
            return
        time.sleep(0.5)
    raise RuntimeError("the history is being loaded all the time")


def next_minute() -> float:
    """The start of the next minute of the wall clock, in seconds of the monotonic clock."""
    return time.monotonic() + MINUTE_S - time.time() % MINUTE_S


def sleep_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.monotonic()))


def refuse(exchange: ExchangeServer) -> float:
    """Let every venue refuse once, and return from when on they did."""
    ordered = time.monotonic()
    for venue in FORMATS:
        exchange.fail(venue, Refusal(429, f"{BAN_S:.0f}"))
    while not all(within(exchange.times(venue), ordered, math.inf) for venue in VENUES):
        if time.monotonic() > ordered + 3 * MINUTE_S:
            asked = [venue for venue in VENUES if within(exchange.times(venue), ordered, math.inf)]
            raise RuntimeError(f"only {asked} were asked when the first refused")
        time.sleep(0.05)
    for venue in FORMATS:
        exchange.heal(venue)
    return ordered


def measured(exchange: ExchangeServer, visits: Visits, bars: int) -> list[Claim]:
    """Claims on so many bars in peace, one ban of everything, and a bar after it."""
    settle(exchange)
    start = next_minute()
    sleep_until(start + bars * MINUTE_S)
    peace = per_minute(times(exchange, VENUES[0], "candles"), start, bars)
    prices = within(times(exchange, VENUES[0], "ticker"), start, start + bars * MINUTE_S)
    reruns = len(within(visits.reruns, start, start + bars * MINUTE_S))
    sleep_until(start + bars * MINUTE_S + REFUSED_AT_S)
    ordered = refuse(exchange)
    sleep_until(time.monotonic() + BAN_S + RETRIED_S)
    again = next_minute()
    sleep_until(again + MINUTE_S)
    banned = [after_refusal(exchange.times(venue), ordered, BAN_S) for venue in VENUES]
    peace += per_minute(times(exchange, VENUES[0], "candles"), again, 1)
    print(
        f"{reruns} reruns and {len(prices)} price calls in {bars} min; candles: {peace}", flush=True
    )
    print(f"After the order to refuse: {banned}", flush=True)
    who = f"{SESSIONS} sessions"
    return [
        at_most(f"{who}: most candle calls for one closed bar", max(peace), 1),
        at_least(f"{who}: fewest candle calls for one closed bar", min(peace), 1),
        at_most(
            f"{who}: price calls in a refresh interval of {DEFAULTS.refresh} s",
            per_interval(prices, DEFAULTS.refresh),
            1.05,
        ),
        at_most(
            f"{who}: most requests in flight at one venue",
            max(exchange.in_flight_most(venue) for venue in FORMATS),
            1,
        ),
        at_most(f"{who}: requests to a venue while it was banned", sum(n for n, _ in banned), 0),
        at_most(f"{who}: from the end of a ban to the next request, s", banned[0][1], RETRIED_S),
        at_least(f"{who}: reruns in a minute", reruns / bars, SESSIONS),
        at_most(f"{who}: pages that showed an error", len(visits.errors), 0),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true", help=f"{FULL_BARS} bars, not {BARS}")
    bars = FULL_BARS if parser.parse_args().full else BARS
    with (
        TemporaryDirectory(prefix="marketpulse-") as name,
        ExchangeServer() as exchange,
        app_server(Path(name), exchange.url) as server,
        visitors(server) as visits,
    ):
        claims = measured(exchange, visits, bars)
        for error in visits.errors:
            print(error, flush=True)
        print(f"Connections that broke: {dict(Counter(visits.broken))}", flush=True)
    return publish("upstream", claims)


if __name__ == "__main__":
    sys.exit(main())
