"""Typed access to what Streamlit keeps for one visitor.

Besides this, only what belongs to one widget is kept in the session state, where it is drawn.
"""

from functools import lru_cache
from urllib.parse import urlencode, urlsplit, urlunsplit
from uuid import uuid4
from zoneinfo import ZoneInfo

import streamlit as st

from marketpulse.books import OWNER_PATTERN, Book, new_owner, owner_hash
from marketpulse.settings import Settings
from marketpulse.zones import UTC

# Where the address says whose books are shown.
BOOK = "book"
# The switch of the Backtest page; Streamlit forgets what it says when the page changes.
CLUSTER = "on-cluster"


def visitor() -> str:
    """A name for this session, the same over all its reruns."""
    name: str = st.session_state.setdefault("visitor", uuid4().hex)
    return name


def owner() -> str:
    """The secret that the visitor's books go by: that of the address, or else a new one."""
    if "owner" not in st.session_state:
        asked = st.query_params.get(BOOK, "")
        known = OWNER_PATTERN.fullmatch(asked) is not None
        st.session_state.unknown_owner = bool(asked) and not known
        # Whoever has been here before comes with an address that names their book.
        st.session_state.hints = not asked
        st.session_state.owner = asked if known else new_owner()
    kept: str = st.session_state.owner
    return kept


def caller() -> str:
    """What the record of forecasts knows the visitor by: a hash of that secret."""
    return owner_hash(owner())


def came_with_no_owner() -> bool:
    """Whether the address named an owner that cannot be one."""
    return bool(st.session_state.get("unknown_owner", False))


def wants_hints() -> bool:
    """Whether figures are to be explained: at first to those who come with no book."""
    owner()
    return bool(st.session_state.hints)


def want_hints(wanted: bool) -> None:
    """Explain the figures, or stop doing so."""
    st.session_state.hints = wanted


def address() -> dict[str, str]:
    """The query of this session's own pages: the settings, and whose books they show."""
    return settings().to_query() | {BOOK: owner()}


def link() -> str:
    """The whole address of this page with its settings, to be given away: without the book."""
    page = urlsplit(st.context.url or "")
    query = urlencode(settings().to_query())
    return urlunsplit((page.scheme, page.netloc, page.path or "/", query, ""))


def settings() -> Settings:
    """The visitor's settings; those of the link they came by, at first."""
    if "settings" not in st.session_state:
        st.session_state.settings = Settings.from_query(st.query_params.to_dict())
    kept: Settings = st.session_state.settings
    return kept


def save_settings(changed: Settings) -> None:
    """Keep settings for the next rerun."""
    st.session_state.settings = changed


def zone() -> str:
    """IANA name of the time zone that times are told in."""
    return browser_zone() if settings().zone == "local" else UTC


def browser_zone() -> str:
    """IANA name of the zone of the visitor's browser; UTC if it tells none that is known here."""
    return _known_zone(st.context.timezone or UTC)


@lru_cache(maxsize=64)
def _known_zone(name: str) -> str:
    try:
        return ZoneInfo(name).key
    except (KeyError, ValueError, OSError):  # a browser may say anything
        return UTC


def watching_replay() -> bool:
    """Whether the visitor watches the sample because no live candles could be had."""
    return bool(st.session_state.get("watching_replay", False))


def watch_replay(watching: bool) -> None:
    """Watch the sample instead of the live market, or stop doing so."""
    st.session_state.watching_replay = watching


def saw_live() -> bool:
    """Whether live candles of the chosen market were ever on this visitor's screen."""
    return bool(st.session_state.get("saw_live", False))


def note_live(seen: bool) -> None:
    """Remember that they were, or that another market was chosen since."""
    st.session_state.saw_live = seen


def kept_book(id: str) -> Book | None:
    """A book as this session saw it last; None if it never did."""
    books: dict[str, Book] = st.session_state.setdefault("books", {})
    return books.get(id)


def keep_book(book: Book) -> Book:
    """Remember a book as it is seen now."""
    st.session_state.setdefault("books", {})[book.id] = book
    return book


def on_cluster() -> bool:
    """Whether backtests are to run on the server's Dask cluster, if it has one."""
    return bool(st.session_state.get("cluster", True))


def keep_cluster() -> None:
    """Keep what the switch says."""
    st.session_state.cluster = st.session_state[CLUSTER]


def clicked(chart: str) -> list[int]:
    """The points of a chart that were clicked, by their place in their trace."""
    selected = st.session_state.get(chart)
    return [] if selected is None else list(selected["selection"]["point_indices"])
