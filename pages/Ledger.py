"""Ledger: every fill of the paper book, and what it is worth over time."""

import pandas as pd
import streamlit as st

from marketpulse.charts import equity_chart
from marketpulse.curves import equity_curve
from marketpulse.horizons import ONE_MINUTE
from marketpulse.performance import summary
from marketpulse.trades import trades
from marketpulse.ui import session
from marketpulse.ui.columns import trade_columns
from marketpulse.ui.frame import open_frame
from marketpulse.words import money_text, percent_text

frame = open_frame("Ledger")
currency = frame.snapshot.key.symbol.split("/")[1]
ledger, candles = frame.journal.ledger, frame.snapshot.candles
st.markdown(f"#### Paper book: {frame.snapshot.key.symbol}")

closes = candles["close"].set_axis(pd.DatetimeIndex(candles.index) + ONE_MINUTE)
closes = closes[closes.index >= ledger.events[0].time]

if not ledger.fills:
    st.info(
        "No trades yet. Buy or sell on the Live page: it is paper money, at real prices and fees.",
        icon=":material/receipt_long:",
    )
elif len(closes) < 2:
    st.info("The figures appear once two bars have closed.", icon=":material/hourglass_top:")
else:
    book = summary(ledger, closes)
    held = percent_text(book.buy_and_hold_return, 2, signed=True)
    figures = (
        ("Equity", book.equity, "Cash and position at the last close."),
        ("Realised", book.realised, "Of what was sold, less all fees."),
        ("Unrealised", book.unrealised, "Of what is still held."),
        ("Fees paid", book.fees, "On purchases and on sales."),
    )
    *money, gained, drawdown = st.columns(6)
    for column, (label, amount, text) in zip(money, figures, strict=True):
        column.metric(label, money_text(float(amount), currency), help=text)
    gained.metric(
        "Return",
        percent_text(book.total_return, 2, signed=True),
        help=f"After all fees. Buying and holding instead: {held}.",
    )
    drawdown.metric(
        "Deepest drawdown",
        percent_text(book.curve.max_drawdown, 2),
        help="Largest fall of equity from its high.",
    )
    won = "no round trip yet"
    if book.trips.win_rate is not None:
        won = f"{percent_text(book.trips.win_rate, 0)} of round trips made money"
    st.caption(
        f"{book.trade_count} fills · {won} ·"
        f" in the market {percent_text(book.curve.exposure, 0)} of the time"
    )
    curve = equity_curve(ledger.events, closes)
    st.plotly_chart(equity_chart(curve, height=340), key="ledger-equity")

if ledger.fills:
    fills = trades(ledger)
    st.dataframe(fills.iloc[::-1], hide_index=True, column_config=trade_columns(currency))
    st.download_button(
        "Download as CSV",
        fills.to_csv(index=False),
        "fills.csv",
        "text/csv",
        icon=":material/download:",
    )

for key, journal in session.books().items():
    if key != frame.snapshot.key and journal.ledger.fills:
        with st.expander(f"Another book, read only: {key.symbol}, {key.source} {key.run_id}"):
            st.dataframe(
                trades(journal.ledger),
                hide_index=True,
                column_config=trade_columns(key.symbol.split("/")[1]),
            )
