"""The ordered fallback: which venue is chosen, how long it is kept, what is said when none is."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pandas as pd
import pytest

from marketpulse.candles import CandleReport, Cleaned
from marketpulse.errors import SourceUnavailable, UnknownSymbol
from marketpulse.sources import Provenance, Quote
from marketpulse.sources.chain import ChainSource
from marketpulse.sources.exchange import ExchangeSource
from tests.exchange_server import ExchangeServer, ramp

NOW = pd.Timestamp("2026-03-01 10:00:30", tz="UTC")
START = pd.Timestamp("2026-03-01 09:50", tz="UTC")
MINUTE = pd.Timedelta(minutes=1)


class Venue:
    """A venue of our own protocol whose only price is its number, and that answers when it may."""

    def __init__(self, number: int, *, error: Exception | None = None, ready: bool = True) -> None:
        self.venue = f"v{number}"
        self.price = float(number)
        self.error = error
        self.asked = 0
        self.may_answer = Event()
        if ready:
            self.may_answer.set()

    def _answer(self) -> None:
        self.asked += 1
        self.may_answer.wait(60)
        if self.error is not None:
            raise self.error

    def pages(self, *_: object, **__: object) -> Iterator[Cleaned]:
        for page in (2, 1):
            self._answer()
            yield Cleaned(ramp(page) * 0 + self.price, CandleReport())

    def quote(self, *_: object, **__: object) -> Quote:
        self._answer()
        return Quote(self.price, NOW)

    def provenance(self, _: pd.Timestamp) -> Provenance:
        return Provenance()


def chain(*venues: Venue, patience: float = 0.3, deadline: float = 5.0) -> ChainSource:
    return ChainSource(venues, stagger=0.05, patience=patience, deadline=deadline)


def read(source: ChainSource) -> list[float]:
    pages = source.pages("BTC/USD", start=START, now=NOW)
    return [float(page.candles["close"].iloc[0]) for page in pages]


def within(seconds: float, done: Callable[[], bool]) -> bool:
    end = time.monotonic() + seconds
    while not done() and time.monotonic() < end:
        time.sleep(0.005)
    return done()


def test_the_first_venue_is_chosen_and_nobody_else_is_asked_when_it_answers() -> None:
    first, second = Venue(1), Venue(2)
    source = chain(first, second)
    assert source.venue == "auto"
    assert read(source) == [1, 1]
    assert source.venue == "v1"
    assert second.asked == 0


def test_the_next_venue_is_asked_at_once_when_one_fails() -> None:
    down = SourceUnavailable("v1 has trouble of its own (503).")
    source = ChainSource([Venue(1, error=down), Venue(2)], stagger=60)
    assert read(source) == [2, 2]
    assert source.venue == "v2"


def test_a_better_venue_that_is_only_a_little_slower_still_wins() -> None:
    slow, quick = Venue(1, ready=False), Venue(2)
    source = chain(slow, quick, patience=5)
    with ThreadPoolExecutor(1) as pool:
        prices = pool.submit(read, source)
        assert within(5, lambda: quick.asked == 1)
        slow.may_answer.set()
        assert prices.result(5) == [1, 1]
    assert source.venue == "v1"


def test_a_venue_that_hangs_costs_no_more_than_the_patience() -> None:
    hung = Venue(1, ready=False)
    began = time.monotonic()
    assert read(chain(hung, Venue(2), patience=0.3)) == [2, 2]
    assert 0.3 <= time.monotonic() - began < 2
    hung.may_answer.set()


def test_nobody_is_waited_for_beyond_the_deadline() -> None:
    hung = Venue(1, ready=False), Venue(2, ready=False)
    with pytest.raises(
        SourceUnavailable, match=r"v1 did not answer in time; v2 did not answer in time\.$"
    ):
        read(chain(*hung, deadline=0.3))
    for venue in hung:
        venue.may_answer.set()


def test_the_chosen_venue_is_kept_though_a_better_one_recovers() -> None:
    better = Venue(1, error=SourceUnavailable("v1 cannot be reached."))
    source = chain(better, Venue(2))
    read(source)
    better.error = None
    assert read(source) == [2, 2]
    assert source.quote("BTC/USD", now=NOW).price == 2
    assert better.asked == 1


def test_when_the_chosen_venue_fails_another_is_chosen_at_once() -> None:
    first = Venue(1)
    source = chain(first, Venue(2))
    read(source)
    first.error = SourceUnavailable("v1 is asked too often (429).")
    assert read(source) == [2, 2]
    assert source.venue == "v2"


def test_a_window_never_goes_on_at_another_venue() -> None:
    first = Venue(1)
    source = chain(first, Venue(2))
    pages = source.pages("BTC/USD", start=START, now=NOW)
    assert next(pages).candles["close"].iloc[0] == 1
    first.error = SourceUnavailable("v1 cannot be reached.")
    with pytest.raises(SourceUnavailable):
        next(pages)
    assert read(source) == [2, 2]


def test_a_venue_that_failed_once_is_chosen_again_when_the_other_one_fails() -> None:
    first = Venue(1, error=SourceUnavailable("v1 cannot be reached."))
    second = Venue(2)
    source = chain(first, second)
    read(source)
    first.error, second.error = None, SourceUnavailable("v2 cannot be reached.")
    assert read(source) == [1, 1]


def test_when_all_fail_one_sentence_lists_each_reason() -> None:
    source = chain(
        Venue(1, error=SourceUnavailable("v1 cannot be reached.")),
        Venue(2, error=SourceUnavailable("v2 is asked too often (429).")),
    )
    with pytest.raises(SourceUnavailable) as caught:
        read(source)
    assert str(caught.value) == (
        "No venue answers for BTC/USD: v1 cannot be reached; v2 is asked too often (429)."
    )
    assert source.venue == "auto"


def test_a_pair_that_nobody_has_is_unknown_with_the_best_venues_near_matches() -> None:
    source = chain(
        Venue(1, error=UnknownSymbol("v1 has no pair BTC/UDS; near matches: BTC/USD.")),
        Venue(2, error=SourceUnavailable("v2 cannot be reached.")),
        Venue(3, error=UnknownSymbol("v3 has no pair BTC/UDS.")),
    )
    with pytest.raises(UnknownSymbol) as caught:
        read(source)
    assert str(caught.value) == ("v1 has no pair BTC/UDS; near matches: BTC/USD; neither has v3.")


def test_a_mistake_of_the_programmer_is_not_taken_for_a_failing_venue() -> None:
    with pytest.raises(ZeroDivisionError):
        read(chain(Venue(1, error=ZeroDivisionError()), Venue(2)))


def test_a_chain_of_nothing_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="at least one"):
        ChainSource([])


def test_a_venue_that_never_answers_does_not_keep_the_process_alive() -> None:
    script = (
        "from tests.test_chain import Venue, chain, read;"
        "print(read(chain(Venue(1, ready=False), Venue(2))))"
    )
    root = Path(__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=root, capture_output=True, text=True, timeout=40
    )
    assert done.stdout.strip() == "[2.0, 2.0]", done.stderr


@pytest.fixture
def server() -> Iterator[ExchangeServer]:
    with ExchangeServer(ramp(601), offset=pd.Timedelta(0), clock=lambda: NOW) as running:
        yield running


@pytest.mark.parametrize("fault", [429, 451, 503, "html", "truncated", "empty"])
def test_real_exchanges_fall_back_whatever_the_fault(server: ExchangeServer, fault: int) -> None:
    server.fail("bitstamp", fault)
    source = ChainSource([ExchangeSource(name, server.url) for name in ("bitstamp", "coinbase")])
    (page, *_) = source.pages("BTC/USD", start=START, now=NOW)
    assert page.candles["close"].tolist() == [float(690 + i + 1) for i in range(10)]
    assert source.venue == "coinbase"
    states = {each.venue: each.state for each in source.provenance(NOW).venues}
    assert states["bitstamp"] in ("failing", "banned", "blocked")
    assert states["coinbase"] == "ok"


def test_a_real_exchange_that_hangs_is_passed_over(server: ExchangeServer) -> None:
    server.fail("bitstamp", "hang")
    venues = [ExchangeSource(name, server.url) for name in ("bitstamp", "coinbase", "gemini")]
    source = ChainSource(venues, stagger=0.2, patience=0.5)
    assert source.quote("BTC/USD", now=NOW).price == 700.5
    assert source.venue == "coinbase"
