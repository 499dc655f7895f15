"""The app at one moment that never passes: ``python -m tests.frozen_app run app.py``.

Two days of the bundled candles have come from a venue, small models are fitted to them, and the
book of `OWNER` has traded. The clock stands still from then on, so every page looks the same
whenever it is looked at, but for how the server itself is doing.
"""

import pandas as pd
from streamlit.web.cli import main  # noqa: TID251  the app is served

from marketpulse import hub, model, report
from marketpulse.books import BookKey
from marketpulse.candles import CandleReport
from marketpulse.hub import Hub
from marketpulse.model import Plan
from marketpulse.settings import Settings
from marketpulse.sources import Provenance, VenueState
from marketpulse.sources.catalogue import place_of
from marketpulse.sources.recorded import RecordedSource, Recording, load_sample
from marketpulse.tickets import Ticket, ordered

OWNER = "frozen" + "0" * 16
SAMPLE = load_sample()
BARS = 2_600
PLANS = {"minute": Plan(400, 200, 200), "long": Plan(120, 60, 60)}
# A bar has closed two seconds ago, and both models have been in use for two and a half hours.
NOW = SAMPLE.candles.index[-1].floor("D") - pd.Timedelta(hours=5.5) + pd.Timedelta(seconds=2)
# Minutes before now at which the book trades, and what it is asked to.
DEEDS = (
    (150, "buy", 2_000.0),
    (110, "sell", 800.0),
    (70, "sell all", 0.0),
    (45, "buy", 1_000_000.0),
    (40, "buy", 1_500.0),
)
A_BAR = pd.Timedelta(seconds=63)


class Venue(RecordedSource):
    """The venue of the sample, in use because a better one is banned."""

    def provenance(self, now):
        until, answered = now + pd.Timedelta(minutes=44), now - pd.Timedelta(seconds=2)
        banned = VenueState("coinbase", "banned", until, "coinbase said: too many requests.", 9)
        return Provenance((banned, VenueState(self.venue, "ok", calls=61, answered=answered)))


def open_live(_):
    """The one venue there is."""
    candles = SAMPLE.candles.loc[: NOW.floor("min")].tail(BARS)
    return Venue(
        Recording("frozen", SAMPLE.venue, SAMPLE.symbol, candles, CandleReport(), "frozen")
    )


class StillHub(Hub):
    """A hub for which it is always now."""

    def __init__(self, **given):
        super().__init__(lambda: NOW, open_live=open_live, **given)


def trade():
    """Let the book make its deeds, one after the other."""
    clock, settings = [NOW], Settings()
    moving = Hub(lambda: clock[0], threads=False, open_live=open_live)
    key = BookKey(OWNER, *place_of(settings.source, settings.symbol, ""))
    for minutes, deed, amount in DEEDS:
        clock[0] = NOW - pd.Timedelta(minutes=minutes)
        market = moving.watch("frozen", settings)
        for _ in range(2):
            moving.step(market)
        place(moving, market, key, deed, amount)
        clock[0] += A_BAR
        moving.step(market)
    moving.close()


def place(moving, market, key, deed, amount):
    """Order what a button of the page would."""
    seen, now, settings = market.snapshot, moving.clock(), Settings()
    costs, limits = report.build(seen, settings).costs, report.visitor_limits(settings)
    ticket = Ticket(f"{now}", deed, settings.symbol, amount, seen.price, costs, limits)
    moving.place(market, key, ticket.id, lambda ledger: ordered(ticket, ledger, seen, now), now)


if __name__ == "__main__":
    model.PLANS.update(PLANS)
    trade()
    # Before the pages are imported: what they register must find the server running.
    hub.Hub = StillHub
    main()
