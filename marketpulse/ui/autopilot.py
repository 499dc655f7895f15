"""The auto-pilot's block: what a book is armed with, and the buttons that arm and disarm it."""

from dataclasses import replace
from hashlib import sha256

import pandas as pd
import streamlit as st

from marketpulse.book_tables import activity_table
from marketpulse.books import BookKey
from marketpulse.events import Armed, Disarmed, Event, Fill, Missed, Order
from marketpulse.hub import Hub
from marketpulse.ledger import Ledger
from marketpulse.market import Market
from marketpulse.pilot import rule_of, settings_of
from marketpulse.settings import Settings
from marketpulse.ui import book
from marketpulse.ui.frame import Frame
from marketpulse.words import settings_text
from marketpulse.zones import time_text

# Of its log, how much fits beside the chart; the Ledger page has all of it.
LINES = 3
_WHAT_IT_DOES = (
    "Lets the signals trade this paper book by themselves, once for each closed bar, whether or"
    " not a browser is open."
)


def arm(hub: Hub, market: Market, key: BookKey, id: str, settings: Settings) -> None:
    """Switch the auto-pilot on; a button's callback that touches no Streamlit state."""
    now = market.now(hub.clock())
    hub.place(market, key, id, lambda _: Armed(id, now, settings.to_pairs()), now)


def disarm(hub: Hub, market: Market, key: BookKey, id: str) -> None:
    """Switch the auto-pilot off; a button's callback that touches no Streamlit state."""
    now = market.now(hub.clock())

    def off(ledger: Ledger) -> tuple[Event, ...]:
        return (Disarmed(id, now, "By hand."),) if ledger.armed else ()

    hub.place(market, key, id, off, now)


def draw_autopilot(frame: Frame) -> None:
    """Whether the auto-pilot is on, with what, and its last deeds."""
    armed = frame.book.ledger.armed
    with st.container(border=True):
        badge = ":violet-badge[:material/smart_toy: armed]" if armed else ":gray-badge[off]"
        st.markdown(f"**Auto-pilot** · {badge}")
        if armed is None:
            st.caption(_WHAT_IT_DOES)
            _draw_arm(frame, "Arm with these settings")
        else:
            _draw_armed(frame, armed)
        _draw_log(frame)


def _draw_armed(frame: Frame, armed: Armed) -> None:
    rule = rule_of(settings_of(armed))
    since = time_text(armed.time, frame.zone, "%-d %b %H:%M")
    st.caption(f"Armed with {settings_text(rule)}, since {since}.")
    if rule != rule_of(frame.settings):
        _draw_arm(frame, "Re-arm with these sliders")
    id = f"{frame.book.sequence}-disarm"
    st.button(
        "Disarm",
        key=f"autopilot-{id}",
        on_click=disarm,
        args=(frame.hub, frame.market, book.key_of(frame.snapshot.key), id),
        disabled=bool(frame.book.damage),
        width="stretch",
        icon=":material/power_settings_new:",
    )


def _draw_arm(frame: Frame, label: str) -> None:
    market = frame.snapshot.key
    settings = replace(frame.settings, source=market.source, symbol=market.symbol)
    print_of = sha256(repr(settings.to_pairs()).encode()).hexdigest()[:8]
    id = f"{frame.book.sequence}-arm-{print_of}"
    why = _not_now(frame)
    st.button(
        label,
        key=f"autopilot-{id}",
        on_click=arm,
        args=(frame.hub, frame.market, book.key_of(market), id, settings),
        disabled=bool(why),
        help=why or None,
        width="stretch",
        icon=":material/smart_toy:",
    )


def _not_now(frame: Frame) -> str:
    """Why the auto-pilot cannot be armed now; empty if it can."""
    if frame.book.damage:
        return "The journal takes nothing at the moment."
    if frame.snapshot.ended:
        return "The replay has ended."
    if frame.report.minute.waiting or frame.report.long.waiting:
        return "A horizon that it would act on is still in training."
    return ""


def _draw_log(frame: Frame) -> None:
    """The last things that the auto-pilot did."""
    events = frame.book.ledger.events
    deeds = [event for event in events[-50:] if _is_its(event)][-LINES:]
    if not deeds:
        return
    table = activity_table(frame.book.ledger, frame.snapshot.key.symbol, deeds, frame.zone)
    rows = zip(table["time"], table["what"], table["detail"], strict=True)
    st.markdown("\n".join(f"- :small[{_line(*row, frame.zone)}]" for row in rows))


def _is_its(event: Event) -> bool:
    if isinstance(event, Order | Fill):
        return event.origin == "auto-pilot"
    return isinstance(event, Disarmed | Missed)


def _line(time: pd.Timestamp, what: str, detail: str, zone: str) -> str:
    return f"{time.tz_convert(zone):%H:%M:%S} {what}: {detail}"
