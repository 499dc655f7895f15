"""Whether a click is done exactly once, whatever else happens: ``python -m benchmarks.races``.

A real server replays the bundled sample, and clients that speak its WebSocket as browsers do click
while they do something else: move a slider, type, click again, leave, click in two tabs, arm the
auto-pilot. Afterwards the database of the journal is read: each race must have left exactly one
order of its own, with one answer at most, in a book whose chain of checksums is whole.

In Chromium, if there is one, the time from a click to what it did on the screen is measured too.
"""

import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from streamlit.proto.WidgetStates_pb2 import WidgetState  # noqa: TID251  it is Streamlit that races

from benchmarks.claims import Claim, at_least, at_most, publish, unmeasured
from benchmarks.session import (
    TIMEOUT_S,
    Run,
    Server,
    Session,
    app_server,
    closed_venues,
    percentile,
    slid,
)
from marketpulse.books import new_owner
from marketpulse.events import Order
from marketpulse.journal import Journal
from marketpulse.ledger import Ledger
from tests.browser import browser, chromium

RACES = 500
VISITORS = 16
CLICKS = 25
# A bar every six seconds, a small ticket so that the cash lasts, and no limit on trades.
QUERY = "source=sample&speed=10&ticket=20&max_trades=600"
BUY = "Buy "
# Nothing more comes from a server that was quiet for so long.
QUIET_S = 0.4
# From one input to the next: from both in the same instant to as far apart as a hand takes.
GAPS_S = (0.0, 0.005, 0.02, 0.05, 0.1)
# How often a tab looks whether the last order is filled.
LOOK_S = 0.75
# An order that is not in the database by then is lost.
LATEST_S = 10.0
SHOWN_MS = 300


@dataclass(slots=True)
class Visitor:
    """One owner of a book, and the tab that they race in.

    Attributes
    ----------
    server : Server
    owner : str
    races : list of (str, int)
        The races so far, and how many orders by hand each left in the book.
    """

    server: Server
    owner: str = field(default_factory=new_owner)
    races: list[tuple[str, int]] = field(default_factory=list)

    def tab(self) -> Session:
        """A fresh tab on the Live page, with this owner's book."""
        return Session(self.server, f"{QUERY}&book={self.owner}")


def ready(session: Session) -> Run:
    """The first run that offers to buy, with no order waiting.

    Raises
    ------
    RuntimeError
        If that takes longer than `TIMEOUT_S`.
    """
    begun = time.perf_counter()
    run = session.rerun()
    while time.perf_counter() - begun < TIMEOUT_S:
        if run.has_button(BUY):
            return run
        time.sleep(LOOK_S)
        run = session.tick(run)
    raise RuntimeError(f"no button to buy after {TIMEOUT_S:g} s; the page says: {run.texts}")


def pressed(run: Run, label: str) -> WidgetState:
    """A click of the button whose label begins so."""
    return WidgetState(id=run.button(label), trigger_value=True)


def moved(at: "Start") -> WidgetState:
    """A slider that costs no training, moved elsewhere."""
    return slid(at.run.slider("Refresh every"), 3 + at.number % 50)


def typed(at: "Start") -> WidgetState:
    """Another amount in the ticket."""
    state = WidgetState(id=at.run.number_input("Amount"))
    state.double_value = 20.0 + at.number % 9
    return state


# The races ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Start:
    """Where a race begins: a tab that shows ``run``, and the number of the race."""

    visitor: Visitor
    tab: Session
    run: Run
    number: int

    @property
    def click(self) -> WidgetState:
        """A click that buys."""
        return pressed(self.run, BUY)

    def at_once(self, *widgets: WidgetState) -> None:
        """Ask for one rerun after another without waiting for any."""
        for widget in widgets:
            self.tab.send(widget)
            time.sleep(GAPS_S[self.number % len(GAPS_S)])
        self.tab.settle(QUIET_S)


def click_with_slider(at: Start) -> None:
    at.at_once(at.click, moved(at))


def slider_with_click(at: Start) -> None:
    at.at_once(moved(at), at.click)


def type_then_click(at: Start) -> None:
    at.at_once(typed(at), at.click)


def double_click(at: Start) -> None:
    at.at_once(at.click, at.click)


def five_clicks(at: Start) -> None:
    for click in range(5):
        at.tab.send(at.click)
        time.sleep(GAPS_S[click])
    at.tab.settle(QUIET_S)


def leave(at: Start) -> None:
    at.tab.send(at.click)
    at.tab.await_start()
    time.sleep(0.004 * (at.number % 5))
    at.tab.close()


def two_tabs(at: Start) -> None:
    with at.visitor.tab() as other:
        shown, run = other.rerun(), at.run
        # Both tabs show the book as it is now, and so the same ticket.
        if run.button(BUY) != shown.button(BUY):
            run = at.tab.tick(run)
        at.tab.send(pressed(run, BUY))
        other.send(pressed(shown, BUY))
        at.tab.settle(QUIET_S)
        other.settle(QUIET_S)


def pilot_and_click(at: Start) -> None:
    label = "Disarm" if at.run.has_button("Disarm") else "Arm with these settings"
    at.at_once(pressed(at.run, label), at.click)


Race = Callable[[Start], None]
KINDS: tuple[Race, ...] = (
    click_with_slider,
    slider_with_click,
    type_then_click,
    double_click,
    five_clicks,
    leave,
    two_tabs,
    pilot_and_click,
)


def race(visitor: Visitor, kinds: list[Race], journal: Journal) -> None:
    """Race in a fresh tab each time, on a book in which no order waits."""
    before = 0
    for number, kind in enumerate(kinds):
        with visitor.tab() as tab:
            kind(Start(visitor, tab, ready(tab), number))
            now = orders(visitor, journal, expected=before + 1)
        visitor.races.append((kind.__name__, now - before))
        before = now


def ledger_of(visitor: Visitor, journal: Journal) -> Ledger:
    """The visitor's book as it is in the database; without events if it is not there yet."""
    infos = journal.books_of(visitor.owner)
    if len(infos) > 1:
        raise RuntimeError(f"{len(infos)} books where one was raced in")
    return journal.refresh(infos[0]).ledger if infos else Ledger()


def orders(visitor: Visitor, journal: Journal, expected: int) -> int:
    """How many orders by hand the book has, as soon as it has as many as expected."""
    deadline = time.perf_counter() + LATEST_S
    while True:
        found = len(by_hand(ledger_of(visitor, journal)))
        if found >= expected or time.perf_counter() > deadline:
            return found
        time.sleep(0.05)


def by_hand(ledger: Ledger) -> list[Order]:
    """The orders of clicks."""
    every = (event for event in ledger.events if isinstance(event, Order))
    return [order for order in every if order.origin == "manual"]


def raced(server: Server, url: str) -> list[Claim]:
    """All races, by several visitors at once, and what the database says of them."""
    visitors = [Visitor(server) for _ in range(VISITORS)]
    kinds = list(islice(cycle(KINDS), RACES))
    with closing(Journal(url)) as journal, ThreadPoolExecutor(VISITORS) as pool:
        shares = [kinds[number::VISITORS] for number in range(VISITORS)]
        # Every visitor would get one kind only: each begins elsewhere in the whole list.
        shares = [list(islice(cycle(KINDS), n, n + len(s))) for n, s in enumerate(shares)]
        for done in [
            pool.submit(race, *each, journal) for each in zip(visitors, shares, strict=True)
        ]:
            done.result()
    # Read again from the first event, every checksum included.
    with closing(Journal(url)) as journal:
        books = [journal.refresh(journal.books_of(each.owner)[0]) for each in visitors]
    once: Counter[str] = Counter()
    for visitor in visitors:
        for name, found in visitor.races:
            once[name] += found == 1
    for name, count in Counter(name for each in visitors for name, _ in each.races).items():
        print(f"{name:<18} exactly once {once[name]} of {count}")
    answered = sum(len(by_hand(book.ledger)) for book in books)
    fills = Counter(fill.order for book in books for fill in book.ledger.fills)
    print(f"{answered} orders by hand, {sum(fills.values())} fills with those of the auto-pilot")
    sound = sum(not book.damage for book in books)
    twice = sum(len(f) != len({x.order for x in f}) for f in (b.ledger.fills for b in books))
    return [
        at_least(f"Clicks done exactly once, of {RACES} races", sum(once.values()), RACES),
        at_most("Orders by hand more than races", answered - RACES, 0),
        at_most("Books with an order filled twice", twice, 0),
        at_least(f"Books whose chain is whole, of {VISITORS}", sound, VISITORS),
    ]


# A click in a browser -----------------------------------------------------------------------------

# Resolves with the milliseconds from the click to the first sign of the order on the page.
CLICK = """button => new Promise(done => {
  const begun = performance.now();
  const seen = () => document.body.innerText.includes('Order placed');
  const watch = new MutationObserver(() => {
    if (!seen()) return;
    watch.disconnect();
    requestAnimationFrame(() => done(performance.now() - begun));
  });
  watch.observe(document.body, {childList: true, subtree: true, characterData: true});
  button.click();
})"""


def clicked(server: Server) -> Claim:
    """How long a click takes until the page shows its order."""
    claim = "From a trade's click to its order on screen in Chromium, median, ms"
    if chromium() is None:
        return unmeasured(claim, SHOWN_MS, "no Chromium")
    took = []
    with browser() as driven:
        page = driven.new_page(viewport={"width": 1400, "height": 1000})
        page.set_default_timeout(3 * TIMEOUT_S * 1000)  # it may be a busy machine
        page.goto(f"{server.url}/?{QUERY}")
        for _ in range(CLICKS):
            button = page.locator("button[kind=primary]:enabled")
            button.wait_for()
            took.append(button.evaluate(CLICK))
            page.get_by_text("Order placed").wait_for(state="detached")
    print(f"Clicks in Chromium, ms: {' '.join(f'{each:.0f}' for each in took)}")
    print(f"95th percentile {percentile(took, 0.95):.0f} ms")
    return at_most(claim, median(took), SHOWN_MS)


def main() -> int:
    begun = time.perf_counter()
    with TemporaryDirectory(prefix="marketpulse-") as name:
        folder = Path(name)
        with app_server(folder, closed_venues()) as server:
            with Session(server, QUERY) as first:
                while not ready(first).has_forecasts:
                    time.sleep(1)
            claims = raced(server, f"sqlite:///{folder / 'home' / 'journal.db'}")
            shown = clicked(server)
    print(f"{time.perf_counter() - begun:.0f} s")
    return publish("races", [*claims, shown])


if __name__ == "__main__":
    sys.exit(main())
