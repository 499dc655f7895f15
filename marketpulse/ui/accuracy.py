"""The parts of the Accuracy page, from the top of the screen to its end."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import pandas as pd
import streamlit as st

from marketpulse.report import View
from marketpulse.tables import (
    BREAKDOWNS,
    at_hand,
    csv_text,
    file_name,
    recall,
    said_table,
    said_text,
    said_times,
    tail_table,
    trust_of,
)
from marketpulse.ui.cached import (
    shared_accuracy_figure,
    shared_breakdown,
    shared_hindsight_chart,
)
from marketpulse.ui.columns import forecast_columns
from marketpulse.ui.frame import Frame
from marketpulse.ui.plain_chart import plain_chart
from marketpulse.words import UNKNOWN, percent_text, price_digits, trust_text
from marketpulse.zones import UTC, local_times

ON_RECORD = "On record: said live"
WALKED = "Walk-forward: what these models would have said"
RECORD_HELP = (
    "On record: written down when it was said, before anybody knew what came. Walk-forward: what"
    " the models in charge would have said at each bar, of which they had seen nothing. The record"
    " takes over once it holds as many settled forecasts as you judge by."
)


def choose_view(frame: Frame) -> View:
    """The horizon to look at."""
    views = {"minute": frame.report.minute, "long": frame.report.long}
    label = st.segmented_control(
        "Horizon",
        list(views),
        default="long",
        format_func=lambda label: f"{views[label].outlook.horizon.minutes} min ahead",
        required=True,
        key="accuracy-horizon",
    )
    return views.get(label, frame.report.long)


def draw_verdict(view: View) -> None:
    """What may be trusted, and whether that was said live."""
    if view.tail is None:
        why = view.outlook.missing or "No forecast has come due yet."
        st.info(why, icon=":material/hourglass_top:")
        return
    st.markdown(f"##### {trust_text(view.outlook.horizon, trust_of(view), view.tail)}")
    recorded, pending = len(view.outlook.recorded), view.outlook.pending
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if view.from_record:
            st.badge(ON_RECORD, icon=":material/history_edu:", color="blue", help=RECORD_HELP)
        else:
            st.badge(WALKED, icon=":material/directions_walk:", color="violet", help=RECORD_HELP)
        st.caption(f"On record: {recorded:,} settled, {pending:,} pending", width="content")


def draw_metrics(view: View) -> None:
    """Trust, skill with its interval, and how often the band held."""
    tail = view.tail
    if tail is None:
        return
    interval = UNKNOWN
    if tail.skill_low is not None and tail.skill_high is not None:
        ends = (percent_text(end, 2, signed=True) for end in (tail.skill_low, tail.skill_high))
        interval = " to ".join(ends)
    figures = (
        ("Trust", percent_text(trust_of(view), 0),
         "The share of the trees' lean that has earned its place in the forecast."),
        ("Skill against no change", percent_text(tail.skill, 2, signed=True),
         "1 - MAE / MAE of 'the price stays'. Above zero is better than no forecast at all."),
        ("What the skill may really be", interval,
         "95 % block-bootstrap interval. While it holds zero, there is no evidence either way."),
        ("Band held", percent_text(tail.coverage_90),
         "How often the price fell inside the 9-in-10 band. 90 % is right; more is too wide."),
    )  # fmt: skip
    with st.container(horizontal=True, gap="medium"):
        for label, value, text in figures:
            st.metric(label, value, help=text, width="content")


def draw_figure(frame: Frame, view: View, name: str, alt: str, empty: str = "") -> None:
    """One of the shared figures, or why there is none yet."""
    figure = shared_accuracy_figure(frame.snapshot, view, name, frame.zone)
    if figure is None:
        st.caption(f":material/hourglass_top: {empty or 'Too few forecasts have come due yet.'}")
        return
    plain_chart(figure, key=f"accuracy-{name}", alt=alt)


def draw_main_chart(frame: Frame, view: View) -> None:
    """What was forecast, with its bands, against what came."""
    alt = "The price that came, inside or outside the bands that were forecast for it."
    draw_figure(frame, view, "forecasts", alt)


def draw_sections(frame: Frame, view: View) -> None:
    """A choice of sections, and the chosen one."""
    section = st.segmented_control(
        "Look closer",
        list(SECTIONS),
        default=next(iter(SECTIONS)),
        required=True,
        key="accuracy-section",
        label_visibility="collapsed",
        width="stretch",
    )
    SECTIONS.get(section, _draw_over_time)(frame, view)


def _draw_over_time(frame: Frame, view: View) -> None:
    window = _window(frame, view)
    st.markdown(f"**Error against no change**, over {window} forecasts at a time")
    alt = "Mean absolute error of forecast, trees and no change over time; their skill below."
    draw_figure(frame, view, "errors", alt)
    st.markdown(f"**How often the bands held**, over {window} forecasts at a time")
    draw_figure(frame, view, "coverage", "Share of outcomes inside both bands over time.")
    _draw_downloads(frame, view, "over_time")


def _window(frame: Frame, view: View) -> int:
    table = shared_breakdown(frame.snapshot, view, "over_time", frame.zone)
    return len(view.settled) - len(table) + 1 if len(table) else len(view.settled)


def _draw_calibration(frame: Frame, view: View) -> None:
    left, right = st.columns(2, gap="medium")
    with left:
        st.markdown("**Reliability**: did as much fall below each end of the bands as should?")
        alt = "Shares that should lie below each end of the bands, against shares that did."
        draw_figure(frame, view, "reliability", alt)
    with right:
        st.markdown("**Errors**: how far off, and on which side?")
        draw_figure(frame, view, "histogram", "Histogram of errors of forecast and of no change.")
    _draw_downloads(frame, view, "reliability", "errors")


def _draw_when(frame: Frame, view: View) -> None:
    count = len(at_hand(view))
    st.caption(
        f"Over all {count:,} settled forecasts at hand. Whiskers are 95 % intervals; without one"
        " there are too few. 'Judge by the last' in the sidebar reaches further back."
    )
    left, right = st.columns(2, gap="medium")
    with left:
        st.markdown("**By volatility**")
        draw_figure(frame, view, "volatility", "Skill and coverage in calm and wild markets.")
    with right:
        st.markdown("**By hour of the day**")
        draw_figure(frame, view, "hours", "Skill and coverage by the hour of the day.")
    _draw_downloads(frame, view, "by_volatility", "by_hour")


def _draw_why(frame: Frame, view: View) -> None:
    st.caption(
        "How much worse the model gets when one of its inputs is scrambled, on bars that it was"
        " not fitted to. Nothing on the left of zero, or near it, is of use."
    )
    empty = "Measured in the background after a model was fitted; not there yet."
    draw_figure(frame, view, "importance", "Permutation importance of each feature.", empty)
    if not view.outlook.importance.empty:
        _draw_downloads(frame, view, "importance")


def _draw_numbers(frame: Frame, view: View) -> None:
    st.caption(
        "Over the most recent forecasts, each made before its outcome was known and by a model that"
        " never saw it. R² of price mostly measures how much the price moved: no change scores high"
        " as well."
    )
    st.table(tail_table(frame.report), border="horizontal")
    table = shared_breakdown(frame.snapshot, view, "forecasts", frame.zone)
    minutes = view.outlook.horizon.minutes
    st.markdown(f"**Every forecast {minutes} min ahead**, newest first")
    newest = table.iloc[::-1].reset_index()
    digits = price_digits(table["last_price"].iloc[-1])
    columns = forecast_columns(frame.report.settings.quote_currency, digits, frame.zone)
    st.dataframe(newest, hide_index=True, height=300, column_config=columns)
    _draw_downloads(frame, view, *(name for name in BREAKDOWNS if name != "settled"))


def _draw_downloads(frame: Frame, view: View, *names: str) -> None:
    """A button for each table. What it holds is computed when it is clicked."""
    symbol, minutes = frame.snapshot.key.symbol, view.outlook.horizon.minutes
    with st.container(horizontal=True, gap="small"):
        for name in names:
            st.download_button(
                f"{name.replace('_', ' ').capitalize()} as CSV",
                partial(csv_text, view, name),
                file_name(symbol, minutes, name),
                "text/csv",
                key=f"csv-{name}",
                on_click="ignore",
                type="tertiary",
                icon=":material/download:",
            )


@dataclass(frozen=True, slots=True)
class Dial:
    """Where a visitor's time machine stands.

    Its ends move only when the visitor does: a slider whose ends moved with every bar would begin
    anew under their hand.
    """

    first: pd.Timestamp
    last: pd.Timestamp
    at: pd.Timestamp


def _draw_time_machine(frame: Frame, view: View) -> None:
    times = said_times(view.outlook)
    said = recall(view.outlook, _picked(frame, view, times))
    kind = f":blue-badge[{ON_RECORD}]" if said.on_record else f":violet-badge[{WALKED}]"
    st.markdown(f"{said_text(said, frame.zone)} {kind}")
    chart, facts = st.columns([5, 2], gap="medium")
    with chart:
        plain_chart(
            shared_hindsight_chart(frame.snapshot, view, said, frame.zone),
            key="accuracy-hindsight",
            alt="Candles up to the chosen bar, the forecast said then, and faintly what came.",
        )
    currency = frame.report.settings.quote_currency
    facts.table(said_table(said, currency, frame.zone), border="horizontal")


def _picked(frame: Frame, view: View, times: pd.DatetimeIndex) -> pd.Timestamp:
    """The bar that the dial stands at; a rerun never moves it."""
    name = f"time-machine-{frame.snapshot.key}-{view.outlook.horizon.minutes}"
    newest = pd.Timestamp(view.settled.index[-1])
    dial = st.session_state.setdefault(name, Dial(times[0], times[-1], newest))
    row = max(0, int(times.searchsorted(dial.at, side="right")) - 1)
    missed = (view.settled["error"].abs() / view.settled["close"]).to_numpy()
    worst = pd.Timestamp(view.settled.index[int(missed.argmax())])
    turns = (
        ("Earlier", ":material/chevron_left:", times[max(0, row - 1)]),
        ("Later", ":material/chevron_right:", times[min(len(times) - 1, row + 1)]),
        ("Worst", ":material/bolt:", worst),
        ("Newest", ":material/last_page:", newest),
    )
    with st.container(horizontal=True, gap="xsmall"):
        for label, icon, at in turns:
            turned = (name, Dial(times[0], times[-1], at))
            key = f"turn-{label}"
            still = at == times[row]
            st.button(label, key, on_click=_turn, args=turned, icon=icon, disabled=still)
    if dial.first < dial.last:
        _draw_slider(name, dial, view.outlook.horizon.bar, frame.zone)
    return times[row]


def _turn(name: str, dial: Dial) -> None:
    st.session_state[name] = dial


def _draw_slider(name: str, dial: Dial, bar: pd.Timedelta, zone: str) -> None:
    first, last, at = (
        local_times(each, zone).to_pydatetime() for each in (dial.first, dial.last, dial.at)
    )
    # Other ends are another slider, so that it is seeded again.
    key = f"{name}-{first}-{last}"
    if st.session_state.get(key) != at:
        st.session_state[key] = at
    st.slider(
        f"Bar ({zone})",
        first,
        last,
        step=bar.to_pytimedelta(),
        format="D MMM HH:mm",
        key=key,
        on_change=_slide,
        args=(name, key, zone),
    )


def _slide(name: str, key: str, zone: str) -> None:
    dial: Dial = st.session_state[name]
    # Where the clocks change, an hour comes twice or not at all.
    shown = pd.Timestamp(st.session_state[key])
    at = shown.tz_localize(zone, ambiguous=True, nonexistent="shift_forward").tz_convert(UTC)
    st.session_state[name] = Dial(dial.first, dial.last, at)


SECTIONS: Mapping[str, Callable[[Frame, View], None]] = {
    "Over time": _draw_over_time,
    "Calibration": _draw_calibration,
    "When": _draw_when,
    "Why": _draw_why,
    "Time machine": _draw_time_machine,
    "Numbers": _draw_numbers,
}
