"""Books as files, and the owner's other books: what stands at the end of the Ledger page."""

from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from marketpulse.books import Book, BookInfo, owner_hash
from marketpulse.errors import JournalError
from marketpulse.hub import Hub
from marketpulse.places import DATABASE_VARIABLE, is_fleeting
from marketpulse.ui import session
from marketpulse.ui.cached import books_of, read_file
from marketpulse.ui.frame import Frame
from marketpulse.ui.ledger import draw_tables
from marketpulse.words import money_text

if TYPE_CHECKING:
    from marketpulse.bookfile import Imported

IMPORTED = "import-"
# An event takes some 400 bytes of a file, and an import at most 1 MB.
MANY_EVENTS = 2_400


def draw_keeping(hub: Hub) -> None:
    """Where the book is kept, if it will not be kept for long."""
    if is_fleeting(hub.office.url):
        st.warning(
            "This host forgets its files whenever it restarts, and the paper books with them."
            f" Export yours, or set `{DATABASE_VARIABLE}` in the app's secrets to a PostgreSQL"
            " database that keeps them.",
            icon=":material/cloud_off:",
        )


def draw_export(book: Book) -> None:
    """The trades as a table, and the whole book as a file."""
    if not book.ledger.events or not book.sequence:
        return
    name = f"market-pulse_{book.symbol.replace('/', '-')}"
    with st.container(horizontal=True):
        st.download_button(
            "Trades as CSV",
            partial(_csv, book),
            f"{name}_trades.csv",
            "text/csv",
            key=f"csv-{book.id}",
            disabled=not book.ledger.fills,
            icon=":material/download:",
        )
        st.download_button(
            "Whole book as JSON",
            partial(_json, book),
            f"{name}_book.json",
            "application/json",
            key=f"json-{book.id}",
            icon=":material/download:",
        )
    if len(book.ledger.events) > MANY_EVENTS:
        st.caption(
            f"With {len(book.ledger.events):,} events the file is likely to be larger than the 1 MB"
            " that an import takes: it is whole, but can only be read elsewhere."
        )


def _csv(book: Book) -> str:
    # pydantic comes with it, which a page without files does not need.
    from marketpulse.bookfile import trades_csv

    return trades_csv(book.ledger.fills)


def _json(book: Book) -> bytes:
    from marketpulse.bookfile import exported

    return exported(book.ledger.events, source=book.source, symbol=book.symbol)


def draw_import(frame: Frame) -> None:
    """A file is looked at first, and opened as one more book only when that is confirmed."""
    with st.expander("Import a book", icon=":material/upload_file:"):
        file = st.file_uploader("A book as JSON, at most 1 MB", type="json", key="import-file")
        if file is None:
            return
        read = read_file(file.getvalue())
        if isinstance(read, str):
            st.warning(read, icon=":material/block:")
            return
        ledger, currency = read.ledger, read.symbol.split("/")[1]
        st.markdown(
            f"**{read.symbol}, {read.source}**: {len(read.events):,} events,"
            f" {len(ledger.fills):,} trades, {money_text(float(ledger.cash), currency)} in cash,"
            f" {money_text(float(ledger.realised), currency, signed=True)} realised."
        )
        st.caption("It becomes one more book of yours, to be read. Nothing else is changed.")
        st.button(
            "Import it",
            key=f"import-{read.checksum}",
            on_click=adopt,
            args=(frame.hub, session.owner(), read),
            disabled=frame.hub.desk is None,
            type="primary",
        )


def adopt(hub: Hub, owner: str, read: "Imported") -> None:
    """Open an imported book, once; a button's callback that touches no Streamlit state."""
    if hub.desk is not None:
        hub.desk.adopt(owner, read, hub.clock())


def draw_others(frame: Frame) -> None:
    """The owner's books of other markets, of earlier replays and from files, to be read."""
    desk = frame.hub.desk
    if desk is None:
        return
    trouble = desk.problems.get(owner_hash(session.owner()))
    if trouble:
        st.warning(trouble, icon=":material/menu_book:")
    try:
        infos = books_of(session.owner(), frame.book.sequence + desk.adopted)
        others = {info.id: info for info in infos if info.id != frame.book.id}
        if not others:
            return
        st.markdown("##### Your other books")
        chosen = st.selectbox(
            "To be read only",
            list(others),
            index=None,
            format_func=lambda id: title_of(others[id], frame.zone),
            key="other-book",
        )
        if chosen in others:
            info = others[chosen]
            _draw_other(desk.journal.book(info) or desk.journal.refresh(info), frame.zone)
    except JournalError as error:
        st.warning(str(error), icon=":material/menu_book:")


def title_of(info: BookInfo, zone: str) -> str:
    """A book in a line: its market, what it was, and when it was begun."""
    if info.run_id.startswith(IMPORTED):
        kind = f"imported, {info.source}"
    elif info.run_id:
        kind = f"ended replay of {info.source}"
    else:
        kind = info.source
    armed = ", armed" if info.armed and not info.run_id else ""
    day = f"{info.opened_at.tz_convert(zone):%-d %b %Y}"
    return f"{info.symbol}, {kind}, {info.sequence:,} events, {day}{armed}"


def _draw_other(book: Book, zone: str) -> None:
    if book.damage:
        st.warning(book.damage, icon=":material/menu_book:")
    ledger, currency = book.ledger, book.symbol.split("/")[1]
    base, held = book.symbol.split("/")[0], ledger.positions.get(book.symbol)
    position = f"{held.quantity.normalize():f}" if held else "no"
    st.markdown(
        f"{money_text(float(ledger.cash), currency)} in cash, {position} {base} held,"
        f" {money_text(float(ledger.realised), currency, signed=True)} realised after"
        f" {money_text(float(ledger.fees), currency)} of fees."
    )
    draw_tables(book, "other", zone)
    draw_export(book)
