"""The parts of the Ledger page, from the top of the screen to its end."""

import streamlit as st

from marketpulse import book_tables
from marketpulse.attribution import by_origin
from marketpulse.books import Book
from marketpulse.charts import EQUITY_ALT
from marketpulse.office import OPENING
from marketpulse.performance import Summary
from marketpulse.ui import session
from marketpulse.ui.cached import shared_book_table, shared_equity_chart, shared_summary
from marketpulse.ui.columns import trade_columns
from marketpulse.ui.frame import Frame
from marketpulse.ui.plain_chart import plain_chart
from marketpulse.words import money_text, percent_text

# Six beside each other on a wide screen, two on a phone of 360 pixels.
METRIC_WIDTH = 150


def draw_title(frame: Frame) -> None:
    """Whose paper book it is, and how to open it elsewhere."""
    with st.container(horizontal=True, horizontal_alignment="distribute"):
        st.markdown(f"#### Paper book: {frame.snapshot.key.symbol}", width="content")
        with st.popover("Open my book elsewhere", icon=":material/key:"):
            st.warning(
                "Whoever has this link has your books: they see them and trade in them. Links that"
                " you share for their settings should not hold it.",
                icon=":material/warning:",
            )
            page = (st.context.url or "").split("?", maxsplit=1)[0]
            st.code(f"{page}?{session.BOOK}={session.owner()}", language=None, wrap_lines=True)


def draw_figures(frame: Frame) -> None:
    """What the book is worth and what it has made; or how to begin."""
    if frame.book.damage == OPENING:
        st.info(OPENING, icon=":material/hourglass_top:")
        return
    if not frame.book.ledger.fills:
        st.info(
            "No trades yet. Buy or sell on the Live page, or arm the auto-pilot: it is paper money,"
            " at real prices and fees.",
            icon=":material/receipt_long:",
        )
        return
    figures = shared_summary(frame.snapshot, frame.book)
    if figures is None:
        st.info("The figures appear once two bars have closed.", icon=":material/hourglass_top:")
        return
    _draw_metrics(figures, frame.snapshot.key.symbol.split("/")[1])
    chart = shared_equity_chart(frame.snapshot, frame.book, 340, frame.zone)
    plain_chart(chart, key="ledger-equity", alt=EQUITY_ALT)
    if since := book_tables.since_text(figures, frame.zone):
        st.caption(since)
    _draw_breakdown(frame, figures)


def _draw_metrics(figures: Summary, currency: str) -> None:
    held = percent_text(figures.buy_and_hold_return, 2, signed=True)
    money = (
        ("Equity", figures.equity, "Cash and position at the last close."),
        ("Realised", figures.realised, "Of what was sold, less all fees."),
        ("Unrealised", figures.unrealised, "Of what is still held."),
        ("Fees paid", figures.fees, "On purchases and on sales."),
    )
    with st.container(horizontal=True, horizontal_alignment="distribute", gap="xsmall"):
        places = [st.container(width=METRIC_WIDTH) for _ in range(6)]
    for place, (label, amount, text) in zip(places, money, strict=False):
        place.metric(label, money_text(float(amount), currency), help=text)
    places[4].metric(
        "Return",
        percent_text(figures.total_return, 2, signed=True),
        None if figures.buy_and_hold_return is None else f"{held} held",
        delta_color="off",
        delta_arrow="off",
        help="After all costs. Below it, the same money held in the coin from the first bar on.",
    )
    places[5].metric(
        "Deepest drawdown",
        percent_text(figures.curve.max_drawdown, 2),
        help="Largest fall of equity from its high.",
    )


def _draw_breakdown(frame: Frame, figures: Summary) -> None:
    """The figures, and where the profit came from."""
    symbol = frame.snapshot.key.symbol
    currency = symbol.split("/")[1]
    last = float(frame.snapshot.candles["close"].iloc[-1])
    left, right = st.columns(2, gap="medium")
    with left:
        st.markdown("##### Figures")
        st.table(book_tables.figures_table(figures, currency), border="horizontal")
        st.caption(book_tables.year_text(figures.curve))
    with right:
        st.markdown("##### Where the profit came from")
        splits = by_origin(frame.book.ledger, {symbol: last})
        st.table(book_tables.split_table(splits, currency), border="horizontal")
        st.caption(
            "Each trade is held against the last close. Price move: from the price on the screen."
            " Latency: from there to the price that came first after the order."
        )


def draw_tables(book: Book, key: str, zone: str) -> None:
    """Trades with their receipts, everything that happened, and what was not filled."""
    counts = {name: shared_book_table(book, name, zone) for name in book_tables.TABLES}
    name = st.segmented_control(
        "Show",
        list(counts),
        default="Trades",
        format_func=lambda each: f"{each} ({len(counts[each]):,})",
        required=True,
        key=f"ledger-section-{key}",
        label_visibility="collapsed",
    )
    table = counts.get(name, counts["Trades"])
    if table.empty:
        st.caption("None so far.")
        return
    columns = trade_columns(book.symbol.split("/")[1], zone)
    st.dataframe(table, hide_index=True, column_config=columns, key=f"ledger-table-{key}")
