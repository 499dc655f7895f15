"""The sidebar: every knob of the settings, seeded from them and writing back to them."""

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from marketpulse.costs import chosen_fee_bps
from marketpulse.rulebook import RULE_HELP, RULES
from marketpulse.settings import (
    CENTRES,
    DEFAULT_SYMBOL,
    DEFAULTS,
    FEE_CHOICES,
    KNOBS,
    PRESET_HELP,
    PRESETS,
    REFERENCES,
    REPLAY_SPEEDS,
    SIZINGS,
    ZONES,
    Settings,
)
from marketpulse.sources.catalogue import LIVE, is_recording
from marketpulse.ui import session
from marketpulse.ui.cached import recordings

SYMBOLS = (DEFAULT_SYMBOL, "ETH/USD", "SOL/USD", "XRP/USD", "DOGE/USD", "LTC/USD")
# The choice of fees of who sets their own.
OWN_FEE = "own"
SOURCE_WORDS = {"auto": "First venue that answers", "sample": "Replay of the bundled sample"}


def draw_sidebar(page: str, settings: Settings, venue: str) -> None:
    """Draw every knob. A change is kept at once and takes effect in the same rerun's drawing.

    The widgets of each page have keys of their own: Streamlit forgets a widget's value when the
    page changes, but only after the next page has begun.
    """
    with st.sidebar:
        st.markdown("### :material/monitoring: Market Pulse")
        st.markdown("##### Market")
        _draw_market(page, settings)
        st.markdown("##### Forecast")
        _draw_forecast(page, settings)
        st.markdown("##### Signal")
        _draw_signal(page, settings)
        st.markdown("##### Paper trading")
        _draw_costs(page, settings, venue)
        _draw_sizes(page, settings)
        st.markdown("##### Display")
        _draw_display(page, settings)


def _draw_market(page: str, settings: Settings) -> None:
    symbols = tuple(dict.fromkeys((settings.symbol, *SYMBOLS)))
    st.selectbox(
        "Symbol",
        symbols,
        symbols.index(settings.symbol),
        key=_seeded(page, "symbol", settings.symbol),
        on_change=_take,
        args=(page, "symbol"),
        accept_new_options=True,
        help="Pick a pair, or type one: base/quote, as in BTC/USD.",
    )
    known = (*LIVE, *recordings())
    names = tuple(dict.fromkeys((*known, settings.source)))
    st.selectbox(
        "Candles from",
        names,
        names.index(settings.source),
        key=_seeded(page, "source", settings.source),
        on_change=_take,
        args=(page, "source"),
        format_func=_source_words,
        help="Live venues in order, one venue, or a recording. Put files of one-minute candles"
        " into var/recordings to see them here.",
    )
    if is_recording(settings.source) or session.watching_replay():
        _choice(
            page,
            "speed",
            settings.speed,
            REPLAY_SPEEDS,
            "Replay speed (×)",
            "60 closes one bar every second. Another speed begins a new replay.",
        )


def _draw_forecast(page: str, settings: Settings) -> None:
    for name in ("minute", "long", "tail"):
        _slider(page, name, getattr(settings, name))


def _draw_signal(page: str, settings: Settings) -> None:
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
    _choice(
        page,
        "rule",
        settings.rule,
        tuple(RULES),
        "Rule",
        " ".join(f"{name.capitalize()}: {text}" for name, text in RULE_HELP.items()),
    )
    if settings.rule != DEFAULTS.rule:
        _slider(page, "chance", int(settings.chance))
    _slider(page, "buy_mae", settings.buy_mae)
    _slider(page, "sell_mae", settings.sell_mae)
    _slider(page, "margin", int(settings.margin))
    _slider(page, "hold", settings.hold_minutes or 0)
    _choice(
        page,
        "centre",
        settings.centre,
        CENTRES,
        "Act on",
        "Trusted: what the trees have earned so far. Raw: what they say, earned or not.",
    )
    _choice(
        page,
        "reference",
        settings.reference,
        REFERENCES,
        "A sale must beat",
        "The price of the last purchase or the average of all, with its entry fee.",
    )


def _draw_costs(page: str, settings: Settings, venue: str) -> None:
    with st.expander("What a trade costs", icon=":material/payments:"):
        chosen = settings.fees if settings.fee is None else OWN_FEE
        choices = (*FEE_CHOICES, OWN_FEE)
        st.selectbox(
            "Fees",
            choices,
            choices.index(chosen),
            key=_seeded(page, "fees", chosen),
            on_change=_take_fees,
            args=(page, venue),
            format_func=lambda choice: _fee_words(choice, venue),
            help="A market order takes what is offered and pays the taker's fee; the maker's is for"
            " who wants to see what patience would save.",
        )
        fee = chosen_fee_bps(settings.fees, venue) if settings.fee is None else settings.fee
        _slider(page, "fee", round(fee))
        for name in ("spread", "impact", "latency"):
            _slider(page, name, getattr(settings, name))


def _draw_sizes(page: str, settings: Settings) -> None:
    with st.expander("Size and limits", icon=":material/shield:"):
        _choice(
            page,
            "sizing",
            settings.sizing,
            SIZINGS,
            "The auto-pilot buys",
            "Fixed: the amount of the ticket. Share: of what the book is worth. Volatility: that"
            " share on a usual day, less when the forecast expects a wilder one.",
        )
        for name in ("share", "max_position", "max_loss", "max_trades"):
            _slider(page, name, getattr(settings, name))


def _draw_display(page: str, settings: Settings) -> None:
    _slider(page, "refresh", settings.refresh)
    here = session.browser_zone()
    _choice(
        page,
        "zone",
        settings.zone,
        ZONES,
        "Times",
        "UTC, or the time zone that your browser is set to. Downloaded files keep to UTC, and so"
        " does the day of a limit.",
        {"UTC": "UTC", "local": f"Local: {here}"}.__getitem__,
    )
    st.toggle(
        "Explain the figures",
        session.wants_hints(),
        key=_seeded(page, "hints", session.wants_hints()),
        on_change=_take_hints,
        args=(page,),
        help="A sentence for each of what is on the page. It is there on your first visit.",
    )
    with st.popover("Copy link", icon=":material/link:", width="stretch"):
        st.caption("This page with these settings. Whose paper book you look at is not in it.")
        st.code(session.link(), language=None, wrap_lines=True)
    st.button("Reset all settings", on_click=_reset, width="stretch", icon=":material/restart_alt:")


def _take_hints(page: str) -> None:
    session.want_hints(st.session_state[_key(page, "hints")])


def _take_fees(page: str, venue: str) -> None:
    """Carry the choice of fees into the settings: of a venue, or the visitor's own."""
    before, choice = session.settings(), st.session_state[_key(page, "fees")]
    if choice == OWN_FEE:
        fee = chosen_fee_bps(before.fees, venue) if before.fee is None else before.fee
        session.save_settings(before.changed(fee=fee))
    else:
        session.save_settings(before.changed(fees=choice, fee=None))


def _fee_words(choice: str, venue: str) -> str:
    """A choice of fees as the list shows it, with its figure."""
    if choice == OWN_FEE:
        return "My own"
    name = "No fee" if choice == "zero" else choice
    if choice in ("taker", "maker"):
        name = f"The venue's {choice} fee"
    return f"{name[0].upper()}{name[1:]}: {chosen_fee_bps(choice, venue):g} bps"


def use_preset(name: str) -> None:
    """Fill the signal's sliders with a preset."""
    session.save_settings(session.settings().changed(**PRESETS[name]))


def _reset() -> None:
    session.save_settings(Settings())
    session.watch_replay(False)
    session.note_live(False)


def _slider(page: str, name: str, value: float) -> None:
    """One knob. Whole numbers if its step is whole."""
    knob = KNOBS[name]
    kind = int if float(knob.step).is_integer() else float
    st.slider(
        f"{knob.label} ({knob.unit})" if knob.unit else knob.label,
        kind(knob.low),
        kind(knob.high),
        kind(value),
        step=kind(knob.step),
        key=_seeded(page, name, kind(value)),
        on_change=_take,
        args=(page, name),
        help=knob.help,
    )


def _choice(
    page: str,
    name: str,
    value: Any,
    choices: Sequence[Any],
    label: str,
    text: str,
    in_words: Callable[[Any], str] = str,
) -> None:
    """One knob of a few values."""
    st.segmented_control(
        label,
        choices,
        default=value,
        key=_seeded(page, name, value),
        on_change=_take,
        args=(page, name),
        format_func=in_words,
        required=True,
        help=text,
    )


def _key(page: str, name: str) -> str:
    return f"knob-{page}-{name}"


def _seeded(page: str, name: str, value: Any) -> str:
    """The key of a widget that shows ``value``. Untouched if it does already: no typing is lost.

    The widget gets ``value`` as its default as well. What is only set here reaches the browser in
    one message, which is lost if the rerun is interrupted; a widget that appears after that would
    show its lowest value, and report it as if the visitor had chosen it.
    """
    key = _key(page, name)
    if st.session_state.get(key) != value:
        st.session_state[key] = value
    return key


def _take(page: str, name: str) -> None:
    """Carry a widget's new value into the settings."""
    before, value = session.settings(), st.session_state[_key(page, name)]
    changed = before.changed(**{name: value})
    session.save_settings(changed)
    if name == "symbol" and changed == before:
        st.toast(f"A symbol reads like BTC/USD, not {value!r}.", icon=":material/block:")
    if (changed.symbol, changed.source) != (before.symbol, before.source):
        session.watch_replay(False)
        session.note_live(False)


def _source_words(name: str) -> str:
    if name in SOURCE_WORDS:
        return SOURCE_WORDS[name]
    return f"Replay of {name}" if is_recording(name) else name.capitalize()
