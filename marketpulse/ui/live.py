"""The parts of the Live page, from the top of the screen to its end."""

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from marketpulse import pilot, report
from marketpulse.charts import EQUITY_ALT
from marketpulse.ledger import FLAT, equity
from marketpulse.report import View
from marketpulse.settings import PRESET_HELP, PRESETS
from marketpulse.signal_charts import history_chart, history_line
from marketpulse.signals import Signal
from marketpulse.tables import preset_lines, source_lines
from marketpulse.ui.cached import (
    shared_equity_chart,
    shared_history,
    shared_meter,
    shared_price_chart,
    shared_pulse,
    shared_tail_table,
)
from marketpulse.ui.frame import Frame
from marketpulse.ui.live_chart import Tick, live_chart, price_line
from marketpulse.ui.plain_chart import plain_chart
from marketpulse.ui.sidebar import use_preset
from marketpulse.words import (
    UNKNOWN,
    bps_text,
    money_text,
    percent_text,
    price_text,
    verdict_text,
)
from marketpulse.zones import time_text

SIGNAL_WORDS = {"buy": ":blue[Buy]", "sell": ":orange[Sell]", "hold": "Wait"}
# Five beside each other on a wide screen, two on a phone of 360 pixels.
METRIC_WIDTH = 160
PRICE_CHART = "price-chart"


def decided(frame: Frame) -> Signal | None:
    """The signal of the newest bar for the visitor's own book."""
    return pilot.signal_of(frame.book.ledger, frame.report, frame.snapshot)


def draw_moving(frame: Frame) -> None:
    """What moves with every tick: the headline and the figures of now."""
    if frame.snapshot.has_candles:
        draw_headline(frame)
        draw_metrics(frame)
        draw_price_line(frame)


def draw_headline(frame: Frame) -> None:
    """The whole page in three sentences."""
    st.markdown(f"#### {report.headline(frame.report, frame.snapshot, decided(frame))}")


def draw_metrics(frame: Frame) -> None:
    """Price, both forecasts, position and P&L in one row."""
    snapshot, book = frame.snapshot, frame.book.ledger
    if snapshot.price is None:
        return
    with st.container(horizontal=True, horizontal_alignment="distribute", gap="xsmall"):
        price, minute, long, held, profit = (st.container(width=METRIC_WIDTH) for _ in range(5))
    hour = snapshot.candles["close"].iloc[-61:]
    price.metric(
        snapshot.key.symbol,
        price_text(snapshot.price),
        f"{percent_text(snapshot.price / float(hour.iloc[0]) - 1, 2, signed=True)} in 1 h",
        help="The last known price. The change is over the last hour.",
    )
    _draw_forecast_metric(minute, frame.report.minute, frame.zone)
    _draw_forecast_metric(long, frame.report.long, frame.zone)
    symbol, currency = snapshot.key.symbol, snapshot.key.symbol.split("/")[1]
    position = book.positions.get(symbol, FLAT)
    worth = float(equity(book, {symbol: snapshot.price}))
    held.metric(
        "Position",
        f"{float(position.quantity):.5g} {symbol.split('/')[0]}" if book.events else UNKNOWN,
        f"{money_text(float(book.cash), currency)} cash" if book.events else None,
        delta_color="off",
        delta_arrow="off",
        help="What the paper book holds, and its free cash.",
    )
    made = worth - float(book.deposits)
    profit.metric(
        "P&L",
        money_text(made, currency, signed=True) if book.events else UNKNOWN,
        percent_text(made / float(book.deposits), 2, signed=True) if book.fills else None,
        help="Mark-to-market: what the book is worth now, less what was paid in, after all fees.",
    )
    _draw_pulse(frame)


def _draw_forecast_metric(place: DeltaGenerator, view: View, zone: str) -> None:
    forecast = view.forecast
    minutes = view.asked.minutes
    if forecast is None:
        why = view.outlook.missing or "It is not there yet."
        place.metric(f"In {minutes} min", UNKNOWN, help=why)
        return
    shown, trust = forecast.horizon.minutes, percent_text(forecast.trust, 0)
    lean = bps_text(forecast.lean_bps, 1 if abs(forecast.lean_bps) < 10 else 0)
    label = f"In {shown} min" + (f" ({minutes} min is in training)" if view.waiting else "")
    place.metric(
        label,
        price_text(forecast.price),
        f"trees {lean} · trust {trust}",
        delta_color="off",
        delta_arrow="off",
        help=(
            f"For {time_text(forecast.target_time, zone)}. 9 in 10:"
            f" {price_text(forecast.low_90)} to {price_text(forecast.high_90)}."
            " Below: how far the trees lean from the last price, and the trust that they have"
            f" earned: {trust} of their lean is in the forecast."
        ),
    )


def _draw_pulse(frame: Frame) -> None:
    """How wild the next minutes should be, and the last outcomes in or out of the band."""
    text = shared_pulse(frame.snapshot, frame.report)
    if text:
        st.markdown(text, unsafe_allow_html=True)


def draw_price_line(frame: Frame) -> None:
    """Let the chart show the last known price."""
    snapshot = frame.snapshot
    if snapshot.price is not None:
        close = float(snapshot.candles["close"].iloc[-1])
        price_line(Tick.of(snapshot.price, close), chart=PRICE_CHART)


def draw_chart(frame: Frame) -> None:
    """Candles with both forecasts as fans."""
    spec = shared_price_chart(frame.snapshot, frame.report, frame.book, frame.zone)
    live_chart(spec, key=PRICE_CHART)


def draw_signal(frame: Frame) -> None:
    """The signal, why, and every term of its sum."""
    signal = decided(frame)
    if signal is None:
        return
    with st.container(border=True):
        st.markdown(f"**Signal** · {SIGNAL_WORDS[signal.side]}")
        chance = pilot.chance_line(frame.book.ledger, frame.report, frame.snapshot, signal)
        st.caption(" ".join((*signal.reasons, chance)))
        if signal.terms:
            meter = shared_meter(signal)
            live_chart(meter, key="meter", height=meter.height, buttons=False)
        _draw_history(frame)


def _draw_history(frame: Frame) -> None:
    """How often the rule would have bought, and how far away it was."""
    history = shared_history(frame.snapshot, frame.report)
    said = history_line(history)
    if not said:
        return
    st.caption(said)
    past = st.expander(
        "How far away it has been",
        key="signal-history-open",
        icon=":material/timeline:",
        on_change="rerun",
    )
    if past.open:
        alt = "How far each of the last bars was from a purchase, in basis points."
        with past:
            figure = history_chart(history, frame.zone)
            plain_chart(figure, key="signal-history", alt=alt, buttons=False)


def draw_tail(frame: Frame) -> None:
    """How the last forecasts did, beside no forecast at all."""
    report = frame.report
    st.markdown("##### How good were they? Always beside 'the price stays where it is'")
    views = (report.minute, report.long)
    verdicts = ((view.outlook.horizon.minutes, verdict_text(view.tail)) for view in views)
    st.markdown("\n".join(f"- **{each} min**: the trees: {said}." for each, said in verdicts))
    if report.minute.tail or report.long.tail:
        st.caption(source_lines(report))
        st.table(shared_tail_table(frame.snapshot, report), border="horizontal")


def draw_presets(frame: Frame) -> None:
    """What each preset would have made over the tail."""
    if frame.report.decisions.empty:
        return
    st.markdown("##### Would acting on it have paid?")
    lines = preset_lines(frame.report)
    for column, name in zip(st.columns(len(PRESETS)), PRESETS, strict=True):
        with column.container(border=True, height="stretch"):
            st.markdown(f"**{name}**")
            st.caption(f"{PRESET_HELP[name]} {lines[name]}.")
            st.button("Use it", key=f"use-{name}", on_click=use_preset, args=(name,))


def draw_equity(frame: Frame) -> None:
    """The book's value over time, once there is something to show."""
    if not frame.book.ledger.fills:
        return
    figure = shared_equity_chart(frame.snapshot, frame.book, 220, frame.zone)
    if figure is not None:
        st.markdown("##### Your paper book")
        plain_chart(figure, key="equity-chart", alt=EQUITY_ALT)
