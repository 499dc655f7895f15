from decimal import Decimal

import numpy as np
import pandas as pd

from marketpulse.charts import CANDLES_SHOWN, POINTS, equity_chart, outcome_mark, price_chart
from marketpulse.events import Fill, Side
from tests.test_report import seen, snapshot  # noqa: F401  fixtures


def named(figure, start):
    return next(trace for trace in figure.data if (trace.name or "").startswith(start))


def bought(time, side=Side.BUY, **more):
    price, size = Decimal("60000"), Decimal("0.01000000")
    return Fill("a", time, "BTC/USD", side, size, price, Decimal(0), "by hand", **more)


def test_the_price_chart_shows_the_newest_candles_and_both_forecasts(snapshot, seen):  # noqa: F811
    figure = price_chart(snapshot.candles, seen.minute.forecast, seen.long.forecast)
    candles = next(trace for trace in figure.data if trace.type == "candlestick")
    assert len(candles.x) == CANDLES_SHOWN
    assert candles.close[-1] == snapshot.candles["close"].iloc[-1]
    assert named(figure, "In 1 min").y[0] == seen.minute.forecast.price
    assert named(figure, "In 45 min:").y[1] == seen.long.forecast.price
    assert named(figure, "What the trees say").y[1] == seen.long.forecast.raw_price


def test_the_fan_ends_at_the_band_and_begins_at_the_last_price(snapshot, seen):  # noqa: F811
    forecast = seen.long.forecast
    band = named(price_chart(snapshot.candles, None, forecast), "In 45 min, 9 in 10")
    assert (min(band.y), max(band.y)) == (forecast.low_90, forecast.high_90)
    assert band.y[0] == band.y[-1] == forecast.last_price


def test_times_are_drawn_without_a_zone_because_zones_are_slow(snapshot, seen):  # noqa: F811
    figure = price_chart(snapshot.candles, seen.minute.forecast, seen.long.forecast)
    assert all(pd.Timestamp(trace.x[0]).tzinfo is None for trace in figure.data)


def test_fills_are_marked_if_they_are_in_view(snapshot):  # noqa: F811
    now = snapshot.as_of
    marked = price_chart(snapshot.candles, None, None, [bought(now)])
    unmarked = price_chart(snapshot.candles, None, None, [bought(now - pd.Timedelta(days=1))])
    assert named(marked, "Your buys").y == (60_000.0,)
    assert named(marked, "Your buys").customdata == ("0.01 BTC",)
    assert not any(trace.name == "Your buys" for trace in unmarked.data)


def test_the_auto_pilots_fills_are_told_apart_by_shape_and_by_name(snapshot):  # noqa: F811
    fills = [
        bought(snapshot.as_of, side=side, origin=origin)
        for side in Side
        for origin in ("manual", "auto-pilot")
    ]
    marks = price_chart(snapshot.candles, None, None, fills).data[1:]
    assert {mark.name: mark.marker.symbol for mark in marks} == {
        "Your buys": "triangle-up",
        "Your sells": "triangle-down",
        "Auto-pilot buys": "triangle-up-open",
        "Auto-pilot sells": "triangle-down-open",
    }
    assert len({mark.marker.color for mark in marks}) == 2


def test_a_wick_that_forecasts_ignore_is_marked_at_its_end_if_it_is_in_view(snapshot):  # noqa: F811
    def stabbed(row):
        candles = snapshot.candles.copy()
        candles.iloc[row, candles.columns.get_loc("low")] *= 0.9
        return price_chart(candles, None, None), candles

    figure, candles = stabbed(-5)
    mark = named(figure, "Unusual wick")
    assert list(mark.y) == [candles["low"].iloc[-5]]
    assert pd.Timestamp(mark.x[0], tz="UTC") == candles.index[-5]
    first_shown, _ = stabbed(-CANDLES_SHOWN)
    assert len(named(first_shown, "Unusual wick").x) == 1
    out_of_view, _ = stabbed(-CANDLES_SHOWN - 1)
    assert len(out_of_view.data) == 1


def test_a_chart_without_forecasts_or_candles_is_still_a_chart(snapshot):  # noqa: F811
    assert len(price_chart(snapshot.candles, None, None).data) == 1
    assert price_chart(snapshot.candles.head(0), None, None).data[0].x.size == 0


def test_a_chart_does_not_change_the_candles(snapshot, seen):  # noqa: F811
    before = snapshot.candles.copy()
    price_chart(snapshot.candles, seen.minute.forecast, seen.long.forecast)
    pd.testing.assert_frame_equal(snapshot.candles, before)


def test_candles_that_came_later_are_drawn_faint_behind_a_line(snapshot, seen):  # noqa: F811
    known, came = snapshot.candles.iloc[:-20], snapshot.candles.iloc[-20:]
    figure = price_chart(known, None, seen.long.forecast, came=came)
    first, second = (trace for trace in figure.data if trace.type == "candlestick")
    assert len(first.x) == CANDLES_SHOWN
    assert len(second.x) == 20
    assert second.opacity < 1
    assert len(figure.layout.shapes) == 1
    assert not price_chart(known, None, seen.long.forecast).layout.shapes


def test_an_outcome_is_told_apart_by_colour_and_by_word(seen):  # noqa: F811
    forecast = seen.long.forecast
    held, missed = outcome_mark(forecast, forecast.high_90), outcome_mark(forecast, 1.0)
    assert held["name"].endswith(", inside")
    assert missed["name"] == "It came to 1.000, outside"
    assert held["marker"]["color"] != missed["marker"]["color"]


def curve_of(equity, drawdown, hold):
    index = pd.date_range("2026-01-05", periods=len(equity), freq="min", tz="UTC")
    return pd.DataFrame({"equity": equity, "drawdown": drawdown, "hold": hold}, index=index)


def test_drawdown_is_drawn_in_percent_below_equity_and_buy_and_hold():
    figure = equity_chart(curve_of([100.0, 90.0], [0.0, -0.1], [100.0, 95.0]))
    equity, hold, below = (named(figure, name) for name in ("Equity", "Buy", "Drawdown"))
    assert list(equity.y) == [100.0, 90.0]
    assert list(hold.y) == [100.0, 95.0]
    assert list(below.y) == [0.0, -10.0]
    assert figure.layout.yaxis2.domain[1] < figure.layout.yaxis.domain[0]
    assert all(pd.Timestamp(trace.x[0]).tzinfo is None for trace in figure.data)


def test_equity_and_what_it_is_measured_by_are_told_apart_without_their_colours():
    figure = equity_chart(curve_of([100.0], [0.0], [100.0]))
    assert named(figure, "Buy").line.dash == "dash"
    assert named(figure, "Equity").line.dash is None


def test_a_long_curve_keeps_its_ends_and_its_deepest_drawdown():
    count = 20 * POINTS
    curve = curve_of(np.arange(count, dtype=float), np.zeros(count), np.ones(count))
    curve.loc[curve.index[12_345], "drawdown"] = -0.5
    figure = equity_chart(curve)
    equity = named(figure, "Equity").y
    assert len(equity) <= POINTS + 2
    assert (equity[0], equity[-1]) == (0, count - 1)
    assert min(named(figure, "Drawdown").y) == -50
    assert (np.diff(equity) > 0).all()


def test_a_curve_without_bars_is_still_a_chart():
    assert len(equity_chart(curve_of([], [], [])).data) == 3
