"""Ledger: every fill of the paper book, and what it is worth over time."""

import pandas as pd
import streamlit as st

from marketpulse import performance
from marketpulse.charts import equity_chart
from marketpulse.horizons import ONE_MINUTE
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
    summary = performance.summary(ledger, closes)
    held = percent_text(summary.buy_and_hold_return, 2, signed=True)
    figures = (
        ("Equity", summary.equity, "Cash and position at the last close."),
        ("Realised", summary.realised, "Of what was sold, less all fees."),
        ("Unrealised", summary.unrealised, "Of what is still held."),
        ("Fees paid", summary.fees, "On purchases and on sales."),
    )
    *money, gained, drawdown = st.columns(6)
    for column, (label, amount, text) in zip(money, figures, strict=True):
        column.metric(label, money_text(float(amount), currency), help=text)
    gained.metric(
        "Return",
        percent_text(summary.total_return, 2, signed=True),
        help=f"After all fees. Buying and holding instead: {held}.",
    )
    drawdown.metric(
        "Deepest drawdown",
        percent_text(summary.max_drawdown, 2),
        help="Largest fall of equity from its high.",
    )
    won = "no round trip closed yet"
    if summary.hit_rate is not None:
        won = f"{percent_text(summary.hit_rate, 0)} of round trips made money"
    st.caption(
        f"{summary.trade_count} fills · {won} ·"
        f" in the market {percent_text(summary.exposure, 0)} of the time"
    )
    curve = performance.equity_curve(ledger.events, closes)
    st.plotly_chart(equity_chart(curve, height=340), key="ledger-equity")

if ledger.fills:
    fills = performance.trades(ledger)
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
                performance.trades(journal.ledger),
                hide_index=True,
                column_config=trade_columns(key.symbol.split("/")[1]),
            )
