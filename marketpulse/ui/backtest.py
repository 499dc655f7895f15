"""The parts of the Backtest page, from the top of the screen to its end."""

from collections.abc import Callable
from typing import Any

import streamlit as st

from marketpulse import backtest_report, book_tables
from marketpulse.backtest_charts import cells_of
from marketpulse.charts import EQUITY_ALT
from marketpulse.errors import NotEnoughCandles
from marketpulse.settings import CENTRES
from marketpulse.sweep import ThresholdMap
from marketpulse.trial import Trial, cell_settings
from marketpulse.ui import session
from marketpulse.ui.backtests import (
    Forecasts,
    begin_luck,
    begin_map,
    begin_walk,
    luck_of,
    map_of,
    shared_equity,
    shared_fan,
    shared_map,
    shared_trial,
    walk_of,
)
from marketpulse.ui.cached import scheduler
from marketpulse.ui.columns import trade_columns
from marketpulse.ui.errands import Errand
from marketpulse.ui.frame import Frame
from marketpulse.ui.plain_chart import plain_chart
from marketpulse.zones import time_text

MAP = "backtest-map"
FAN_ALT = (
    "Equity of the rule over time, inside the range of what its placebos made and the outline of"
    " what entries at random made."
)
POLL_SECONDS = 0.5


def draw_title(frame: Frame) -> None:
    """What the page answers."""
    st.markdown(f"#### Would acting on it have paid? {frame.snapshot.key.symbol}")


def draw_run(frame: Frame) -> Forecasts | None:
    """The button that makes the forecasts, how that goes, and the newest ones that are made."""
    snapshot, settings = frame.snapshot, frame.settings
    errand = walk_of(snapshot, settings)
    made = None if errand is None else errand.result
    _draw_cluster()
    label = "Run the backtest" if made is None else "Run again"
    _draw_errand("walk", label, "Forecasting", errand, begin_walk, snapshot, settings)
    if made is None:
        st.caption(
            f"Forecasts the {len(snapshot.candles):,} minutes on the screen as the live app would"
            " have, each by a model that had not seen it. That takes minutes, once; then every"
            " slider answers at once."
        )
        return None
    until = made.walk.candles.index[-1]
    told = time_text(until, frame.zone, "%Y-%m-%d %H:%M")
    newer = int((snapshot.candles.index > until).sum())
    more = f" {newer:,} newer minutes are not in it: run again to add them." if newer else ""
    st.caption(f"On candles up to {told}.{more}")
    return made


def _draw_cluster() -> None:
    """Where the work is done, if this server has a choice."""
    address = scheduler()
    if address is not None:
        st.toggle(
            f"Work on the cluster at {address}",
            value=session.on_cluster(),
            key=session.CLUSTER,
            on_change=session.keep_cluster,
            help="The Dask cluster that this server was given. Off: on the server's own cores. The"
            " results are the same to the last bit.",
        )


def _chosen_scheduler() -> str | None:
    return scheduler() if session.on_cluster() else None


def _draw_errand(
    key: str,
    label: str,
    doing: str,
    errand: Errand[Any] | None,
    begin: Callable[..., None],
    *args: Any,
) -> None:
    """A button that begins an errand; how it goes while it runs, and why it failed."""
    if errand is not None and errand.running:
        _draw_progress(key, doing, errand)
        return
    st.button(
        label,
        key=f"begin-{key}",
        on_click=begin,
        args=(*args, _chosen_scheduler()),
        icon=":material/play_arrow:",
    )
    if errand is not None and errand.problem:
        st.warning(errand.problem, icon=":material/block:")


@st.fragment(run_every=POLL_SECONDS)
def _draw_progress(key: str, doing: str, errand: Errand[Any]) -> None:
    """How far an errand is; draws the page whole once it has ended."""
    if not errand.running:
        st.rerun()
    with st.container(horizontal=True, vertical_alignment="center"):
        st.progress(errand.share, f"{doing}: {errand.share:.0%}")
        st.button("Stop", key=f"stop-{key}", on_click=errand.stop, icon=":material/stop:")


def draw_trial(frame: Frame, forecasts: Forecasts) -> None:
    """What the rule of the sliders made, what luck would have, and what other sliders would."""
    try:
        made = shared_trial(forecasts, frame.report)
    except NotEnoughCandles as problem:
        st.warning(str(problem), icon=":material/block:")
        return
    _draw_words(made, frame.zone)
    figure = shared_equity(forecasts, frame.report, frame.zone)
    plain_chart(figure, key="backtest-equity", alt=EQUITY_ALT)
    _draw_luck(frame, forecasts, made)
    _draw_figures(made, frame.zone)
    _draw_map(frame, forecasts)


def _draw_words(made: Trial, zone: str) -> None:
    head, first, *more = (line.strip() for line in backtest_report.lines(made, None, zone))
    st.markdown(f"**{first}**")
    more.append(backtest_report.left_out(made.settings))
    st.caption("  \n".join((head, *filter(None, more))))


def _draw_luck(frame: Frame, forecasts: Forecasts, made: Trial) -> None:
    """The rule among its placebos, and beside entries at random."""
    st.markdown("##### Skill or luck?")
    if not made.result.summary.trade_count:
        st.caption("Without a trade there is nothing to compare.")
        return
    errand = luck_of(forecasts, frame.report)
    if errand is None or errand.result is None:
        st.caption(
            "Placebos: the same rule on the same candles, with forecasts of another time. Random"
            " entries: as many trades, held as long, begun at any time."
        )
        label = "Compare with luck"
        _draw_errand("luck", label, label, errand, begin_luck, forecasts, frame.report)
        return
    st.markdown("\n".join(f"- {each.sentence}" for each in errand.result))
    figure = shared_fan(forecasts, frame.report, errand.result, frame.zone)
    plain_chart(figure, key="backtest-fan", alt=FAN_ALT)


def _draw_figures(made: Trial, zone: str) -> None:
    """The figures of any book, and every trade."""
    currency, result = made.settings.quote_currency, made.result
    left, right = st.columns([2, 3], gap="medium")
    with left:
        st.markdown("##### Figures")
        st.table(book_tables.figures_table(result.summary, currency), border="horizontal")
        st.caption(book_tables.year_text(result.summary.curve))
    with right:
        st.markdown("##### Trades")
        if not result.ledger.fills:
            st.caption("None.")
            return
        table = book_tables.trade_table(result.ledger)
        columns = trade_columns(currency, zone)
        st.dataframe(table, hide_index=True, column_config=columns, key="backtest-trades")
        name = f"backtest-{made.settings.symbol.replace('/', '-')}.csv"
        st.download_button(
            "Trades as CSV",
            lambda: table.to_csv(index=False),
            file_name=name,
            mime="text/csv",
            icon=":material/download:",
            on_click="ignore",
        )


def _draw_map(frame: Frame, forecasts: Forecasts) -> None:
    """What other thresholds would have made; a cell becomes the sliders' values."""
    st.markdown("##### Other thresholds")
    errand = map_of(forecasts, frame.report)
    if errand is None or errand.result is None:
        st.caption("Every pair of error multiplier and margin, for both centres.")
        label = "Map the thresholds"
        _draw_errand("map", label, label, errand, begin_map, forecasts, frame.report)
        return
    made = errand.result
    said = backtest_report.map_lines(made, frame.report.costs)
    st.warning(" ".join(said), icon=":material/casino:")
    centre = st.segmented_control(
        "Act on", CENTRES, default=frame.settings.centre, key="map-centre", required=True
    )
    plain_chart(
        shared_map(forecasts, frame.report, made, centre),
        key=MAP,
        alt="What each pair of error multiplier and margin would have made, as a colour.",
        buttons=False,
        on_click=lambda: _take_clicked(made, centre),
    )
    st.caption(
        "Colour: what it made, in percent. Number, where there is room: trades. The ring: your"
        " sliders. Click a cell,"
        " or choose one below, to give its values to the sliders."
    )
    _draw_choice(made)


def _take_clicked(made: ThresholdMap, centre: Any) -> None:
    """Give the values of the clicked cell to the sliders."""
    cells = cells_of(made, centre)
    for point in session.clicked(MAP):
        if point < len(cells):
            session.save_settings(cell_settings(session.settings(), cells[point]))


def _draw_choice(made: ThresholdMap) -> None:
    """The same for a keyboard."""
    multipliers = sorted({cell.mae_multiplier for cell in made.cells})
    margins = sorted({cell.margin_bps for cell in made.cells})
    with st.container(horizontal=True, vertical_alignment="bottom"):
        multiplier = st.selectbox("× MAE", multipliers, key="map-mae", width=120)
        margin = st.selectbox("Margin (bps)", margins, key="map-margin", width=140)
        st.button("Use this cell", key="map-use", on_click=_take_chosen, args=(multiplier, margin))


def _take_chosen(multiplier: float, margin: float) -> None:
    session.save_settings(
        session.settings().changed(buy_mae=multiplier, sell_mae=multiplier, margin=margin)
    )
