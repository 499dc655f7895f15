"""The sidebar: every knob of the settings, seeded from them and writing back to them."""

from typing import Any

import streamlit as st

from marketpulse.costs import taker_fee_bps
from marketpulse.settings import (
    DEFAULT_SYMBOL,
    KNOBS,
    PRESET_HELP,
    PRESETS,
    REPLAY_SPEEDS,
    Settings,
)
from marketpulse.sources.catalogue import LIVE, is_recording, recorded_names
from marketpulse.ui import session
from marketpulse.ui.cached import hub

SYMBOLS = (DEFAULT_SYMBOL, "ETH/USD", "SOL/USD", "XRP/USD", "DOGE/USD", "LTC/USD")
SOURCE_WORDS = {"auto": "First venue that answers", "sample": "Replay of the bundled sample"}


def draw_sidebar(settings: Settings, venue: str) -> None:
    """Draw every knob. A change is kept at once and takes effect in the same rerun's drawing."""
    with st.sidebar:
        st.markdown("### :material/monitoring: Market Pulse")
        _draw_market(settings)
        st.markdown("##### Forecast")
        _draw_forecast(settings)
        st.markdown("##### Signal")
        _draw_signal(settings, venue)
        st.button(
            "Reset all settings", on_click=_reset, width="stretch", icon=":material/restart_alt:"
        )


def _draw_market(settings: Settings) -> None:
    symbols = tuple(dict.fromkeys((settings.symbol, *SYMBOLS)))
    st.selectbox(
        "Symbol",
        symbols,
        key=_seeded("symbol", settings.symbol),
        on_change=_take,
        args=("symbol",),
        accept_new_options=True,
        help="Pick a pair, or type one: base/quote, as in BTC/USD.",
    )
    known = (*LIVE, *recorded_names(hub().home))
    names = tuple(dict.fromkeys((*known, settings.source)))
    st.selectbox(
        "Candles from",
        names,
        key=_seeded("source", settings.source),
        on_change=_take,
        args=("source",),
        format_func=_source_words,
        help="Live venues in order, one venue, or a recording. Put files of one-minute candles"
        " into var/recordings to see them here.",
    )
    if is_recording(settings.source) or session.watching_replay():
        st.segmented_control(
            "Replay speed",
            REPLAY_SPEEDS,
            key=_seeded("speed", settings.speed),
            on_change=_take,
            args=("speed",),
            format_func=lambda speed: f"{speed}×",
            required=True,
            help="60× closes one bar every second. Another speed begins a new replay.",
        )
    _slider("refresh", settings.refresh)


def _draw_forecast(settings: Settings) -> None:
    for name in ("minute", "long", "tail"):
        _slider(name, getattr(settings, name))


def _draw_signal(settings: Settings, venue: str) -> None:
    st.caption("Presets")
    with st.container(horizontal=True, gap="xsmall"):
        for name in PRESETS:
            st.button(
                name,
                key=f"preset-{name}",
                on_click=use_preset,
                args=(name,),
                help=PRESET_HELP[name],
            )
    _slider("buy_mae", settings.buy_mae)
    _slider("sell_mae", settings.sell_mae)
    _slider("margin", int(settings.margin))
    fee = taker_fee_bps(venue) if settings.fee is None else settings.fee
    _slider("fee", round(fee))
    _slider("hold", settings.hold_minutes or 0)
    st.segmented_control(
        "Act on",
        ("trusted", "raw"),
        key=_seeded("centre", settings.centre),
        on_change=_take,
        args=("centre",),
        required=True,
        help="Trusted: what the trees have earned so far. Raw: what they say, earned or not.",
    )
    st.segmented_control(
        "A sale must beat",
        ("last buy", "average cost"),
        key=_seeded("reference", settings.reference),
        on_change=_take,
        args=("reference",),
        required=True,
        help="With its entry fee.",
    )


def use_preset(name: str) -> None:
    """Fill the signal's sliders with a preset."""
    session.save_settings(session.settings().changed(**PRESETS[name]))


def _reset() -> None:
    session.save_settings(Settings())
    session.watch_replay(False)
    session.note_live(False)


def _slider(name: str, value: float) -> None:
    """One knob. Whole numbers if its step is whole."""
    knob = KNOBS[name]
    kind = int if float(knob.step).is_integer() else float
    st.slider(
        f"{knob.label} ({knob.unit})" if knob.unit else knob.label,
        kind(knob.low),
        kind(knob.high),
        step=kind(knob.step),
        key=_seeded(name, kind(value)),
        on_change=_take,
        args=(name,),
        help=knob.help,
    )


def _key(name: str) -> str:
    return f"knob-{name}"


def _seeded(name: str, value: Any) -> str:
    """The key of a widget that shows ``value``. Untouched if it does already: no typing is lost."""
    key = _key(name)
    if st.session_state.get(key) != value:
        st.session_state[key] = value
    return key


def _take(name: str) -> None:
    """Carry a widget's new value into the settings."""
    before = session.settings()
    changed = before.changed(**{name: st.session_state[_key(name)]})
    session.save_settings(changed)
    if (changed.symbol, changed.source) != (before.symbol, before.source):
        session.watch_replay(False)
        session.note_live(False)


def _source_words(name: str) -> str:
    if name in SOURCE_WORDS:
        return SOURCE_WORDS[name]
    return f"Replay of {name}" if is_recording(name) else name.capitalize()
