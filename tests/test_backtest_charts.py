import numpy as np
import pandas as pd
import plotly.graph_objects as go

from marketpulse.backtest_charts import cells_of, fan_chart, map_chart
from marketpulse.placebo import Fan, RandomEntries
from marketpulse.signal_charts import history_chart, history_line, meter_alt, meter_content
from marketpulse.signals import Signal
from marketpulse.sweep import Cell, ThresholdMap
from marketpulse.terms import Term
from tests.build import START

TIMES = pd.date_range(START, periods=3, freq="min", unit="us")
CELLS = tuple(
    Cell(centre, mae, margin, trades, net, net / 100, None, None, None)
    for centre, mae, margin, trades, net in (
        ("trusted", 0.0, -5.0, 7, -2.0),
        ("trusted", 0.0, 0.0, 4, 1.0),
        ("trusted", 0.5, -5.0, 1, 0.5),
        ("trusted", 0.5, 0.0, 0, 0.0),
        ("raw", 0.0, -5.0, 9, 3.0),
    )
)
MAP = ThresholdMap(CELLS, asked=5, bars=100)


def named(figure):
    return {trace.name: trace for trace in figure.data}


def blocked(*terms):
    made = tuple(Term(label, bps) for label, bps in terms)
    return Signal("hold", START, made, sum(term.bps for term in made), ())


def meter(*terms):
    """The figure that Plotly makes of a meter, which it has checked."""
    return go.Figure(meter_content(blocked(*terms)))


def fan_figure():
    """Placebos from 90 to 110 and entries at random from 80 to 100, every time."""
    placebos = np.linspace(90, 110, 21)[:, None] * np.ones(3)
    real = np.array([100.0, 101.0, 104.0])
    fan = Fan(TIMES, real, placebos, placebos[:, -1] - 100, 4.0, 0.7, pd.Timedelta(hours=1))
    return fan_chart(fan, RandomEntries(fan.real, placebos - 10, placebos[:, -1] - 110, 4.0, 0.7))


def test_the_rule_is_drawn_inside_the_placebos_that_lie_around_their_median():
    figure = fan_figure()
    traces = named(figure)
    assert list(traces["The rule"].y) == [100, 101, 104]
    assert list(traces["Median placebo"].y) == [100, 100, 100]
    low, high = (trace for trace in figure.data[:2])
    assert (round(low.y[0], 6), round(high.y[0], 6)) == (109, 91)


def test_entries_at_random_are_a_dotted_outline_that_the_legend_names_once():
    upper, lower = (each for each in fan_figure().data if each.name == "9 in 10 entries at random")
    assert [list(each.y.round(6)) for each in (upper, lower)] == [[99] * 3, [81] * 3]
    assert [each.line.dash for each in (upper, lower)] == ["dot", "dot"]
    assert [each.fill for each in (upper, lower)] == [None, None]
    assert [each.showlegend for each in (upper, lower)] == [False, None]


def test_the_map_shows_one_centre_with_the_trades_of_each_cell_as_text():
    heat = map_chart(MAP, "trusted", (0.5, 0.0)).data[0]
    assert list(heat.text) == ["7", "4", "1", "0"]
    assert list(heat.z) == [-2.0, 1.0, 0.5, 0.0]


def test_no_gain_and_no_loss_is_the_middle_of_the_colours():
    heat = map_chart(MAP, "trusted", (0.5, 0.0)).data[0]
    assert (heat.zmin, heat.zmax) == (-2.0, 2.0)
    assert [round(at, 1) for at, _ in heat.colorscale] == [0, 0.5, 1]


def test_the_point_that_is_clicked_is_the_cell_at_the_same_place():
    targets = map_chart(MAP, "trusted", (0.5, 0.0)).data[-1]
    cells = cells_of(MAP, "trusted")
    assert [(cell.margin_bps, cell.mae_multiplier) for cell in cells] == list(
        zip(targets.x, targets.y, strict=True)
    )


def test_a_ring_is_where_the_sliders_are():
    ring = named(map_chart(MAP, "trusted", (0.5, -5.0)))["Sliders"]
    assert (ring.x[0], ring.y[0]) == (-5.0, 0.5)


def test_a_map_without_cells_is_a_figure_all_the_same():
    assert map_chart(ThresholdMap((), 5, 100), "raw", (0, 0)).data[0].zmax == 1


def test_each_term_of_the_meter_begins_where_the_ones_before_it_ended():
    bars = meter(("move", 10), ("fees", -8), ("spread", -6), ("margin", -1)).data[0]
    assert list(bars.base) == [0, 10, 2, -4, 0]
    assert list(bars.x) == [10, -8, -6, -1, -5]


def test_the_meter_marks_the_term_at_which_the_sum_is_used_up_and_no_other():
    bars = meter(("move", 10), ("fees", -8), ("spread", -6), ("margin", -1)).data[0]
    assert list(bars.y) == ["Move", "Fees", "Spread\u00a0◀", "Margin", "Distance"]
    assert list(bars.marker.opacity) == [0.55, 0.55, 1, 0.55, 1]


def test_every_term_has_its_figure_beside_it():
    figure = meter(("move", 10), ("fees", -8))
    assert [each.text for each in figure.layout.annotations] == ["+10.0", "-8.0", "+2.0"]


def test_the_meter_is_told_in_words_as_well():
    said = meter_alt(blocked(("move", 10), ("fees", -8)))
    assert said.endswith("in basis points: move +10.0, fees -8.0; distance +2.0.")


def test_a_trade_that_is_on_is_blocked_by_nothing():
    bars = meter(("move", 10), ("fees", -8)).data[0]
    assert list(bars.y) == ["Move", "Fees", "Distance"]
    assert list(bars.marker.opacity) == [1, 1, 1]


def past(*distances):
    table = pd.DataFrame({"distance": distances}, index=TIMES[: len(distances)])
    return table.assign(fired=table["distance"] > 0)


def test_the_history_marks_the_bars_on_which_the_rule_fired():
    assert list(named(history_chart(past(-4.0, 2.0, -1.0)))["Would buy"].y) == [2.0]


def test_the_history_says_how_often_the_rule_fired_or_how_near_it_came():
    fired = "With nothing held it would have bought on 1 of the last 3 bars."
    never = "With nothing held it would have bought on none of the last 2 bars, the nearest"
    assert history_line(past(-4.0, 2.0, -1.0)) == fired
    assert history_line(past(-4.0, -1.5)) == f"{never} 1.5 bps short."
    assert history_line(past()) == ""
