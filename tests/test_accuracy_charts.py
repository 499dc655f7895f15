import dataclasses

import numpy as np
import pandas as pd
import pytest

from marketpulse.accuracy_charts import (
    CHARTS,
    accuracy_chart,
    error_chart,
    hindsight_chart,
    histogram_chart,
    hour_chart,
    importance_chart,
    reliability_chart,
    volatility_chart,
)
from marketpulse.horizons import LONG, MINUTE, ONE_MINUTE
from marketpulse.tables import BREAKDOWNS, recall
from marketpulse.zones import UTC
from tests.test_charts import named
from tests.test_report import seen, snapshot  # noqa: F401  fixtures

WORTH = pd.DataFrame(
    {"centre": [0.02, np.nan], "spread": [-0.01, 0.03]},
    index=pd.Index(["return_1", "time_of_day"], name="feature"),
)


@pytest.fixture(scope="module")
def views(seen):  # noqa: F811
    """Both views, with importances."""
    return [
        dataclasses.replace(view, outlook=dataclasses.replace(view.outlook, importance=WORTH))
        for view in (seen.minute, seen.long)
    ]


@pytest.mark.parametrize("name", CHARTS)
def test_every_figure_can_be_drawn_of_both_horizons_and_changes_nothing(name, views):
    source, drawn = CHARTS[name]
    for view in views:
        table = BREAKDOWNS[source](view, UTC)
        before = table.copy()
        figure = drawn(table, view.outlook.horizon, UTC)
        assert all(trace.name for trace in figure.data)
        pd.testing.assert_frame_equal(table, before)


@pytest.mark.parametrize(("zone", "shift"), [(UTC, "0min"), ("Asia/Kathmandu", "5h45min")])
@pytest.mark.parametrize("name", ["forecasts", "errors", "coverage"])
def test_times_are_those_at_which_forecasts_came_due_on_the_zone_s_clocks(name, zone, shift, views):
    source, drawn = CHARTS[name]
    view = views[1]
    figure = drawn(BREAKDOWNS[source](view, zone), LONG, zone)
    last = pd.Timestamp(figure.data[0].x[-1])
    due = view.settled.index[-1].tz_localize(None) + LONG.span
    assert last == due + pd.Timedelta(shift)
    assert figure.layout.xaxis.ticksuffix in (" UTC", " UTC+0545")


def test_outcomes_outside_the_band_are_marked(views):
    rows = views[0].settled
    outside = ~rows["actual"].between(rows["low_90"], rows["high_90"])
    figure = accuracy_chart(rows, MINUTE)
    assert len(named(figure, "Outside the band").x) == outside.sum() > 0
    assert np.array_equal(named(figure, "What came").y, rows["actual_price"])


def test_both_bands_are_drawn_one_within_the_other(views):
    figure = accuracy_chart(views[0].settled, MINUTE)
    upper = {odds: named(figure, odds).y for odds in ("9-in-10 band", "1-in-2 band")}
    assert (upper["9-in-10 band"] >= upper["1-in-2 band"]).all()


def test_errors_are_drawn_beside_those_of_no_change_and_skill_below_in_percent(views):
    table = BREAKDOWNS["over_time"](views[1], UTC)
    figure = error_chart(table, LONG)
    assert np.array_equal(named(figure, "No change").y, table["naive_mae_bps"])
    skill = next(trace for trace in figure.data if trace.name == "Trees alone" and trace.yaxis)
    assert np.allclose(skill.y, table["raw_skill"] * 100)


def test_reliability_has_an_interval_around_every_point(views):
    table = BREAKDOWNS["reliability"](views[0], UTC)
    points = named(reliability_chart(table, MINUTE), "As it was")
    assert list(points.x) == [5, 25, 75, 95]
    assert np.allclose(points.y + points.error_y.array, table["high"] * 100)
    assert np.allclose(points.y - points.error_y.arrayminus, table["low"] * 100)


def test_the_histogram_draws_every_error(views):
    figure = histogram_chart(BREAKDOWNS["errors"](views[0], UTC), MINUTE)
    assert named(figure, "Forecast").y.sum() == named(figure, "No change").y.sum() == 200


def test_groups_are_named_with_their_unit(views):
    calm = volatility_chart(BREAKDOWNS["by_volatility"](views[0], UTC), MINUTE)
    assert [label.split(",")[0] for label in calm.data[0].x] == ["calm", "middle", "wild"]
    assert all(label.endswith(" bps") for label in calm.data[0].x)
    hours = hour_chart(BREAKDOWNS["by_hour"](views[0], UTC), MINUTE)
    assert all(len(label) == 2 for label in hours.data[0].x)
    assert hours.layout.xaxis.title.text.endswith("(UTC)")


def test_importance_is_in_percent_most_important_on_top():
    figure = importance_chart(WORTH, MINUTE)
    centre = named(figure, "Where to")
    assert list(centre.y) == ["time of day", "return 1"]
    assert centre.x[-1] == 2


# Hindsight ---------------------------------------------------------------------------------------


def candlesticks(figure):
    """Times of the candles drawn as known, and of those drawn as what came."""
    known, *came = (trace for trace in figure.data if trace.type == "candlestick")
    return tuple(
        pd.DatetimeIndex(trace.x) if trace else pd.DatetimeIndex([])
        for trace in (known, came[0] if came else None)
    )


@pytest.mark.parametrize("row", [0, 77, -1])
def test_no_candle_that_closed_after_the_forecast_is_drawn_as_known(snapshot, views, row):  # noqa: F811
    for view in views:
        said = recall(view.outlook, view.settled.index[row])
        figure = hindsight_chart(snapshot.candles, said.forecast, said.actual_price)
        known, came = candlesticks(figure)
        as_of = said.forecast.as_of.tz_localize(None)
        assert known[-1] + ONE_MINUTE == as_of
        assert came[0] == as_of
        assert said.forecast.target_time.tz_localize(None) - ONE_MINUTE in came
        assert figure.layout.shapes[0].x0 == as_of


def test_what_came_looks_different_and_ends_at_the_price_that_settled_it(snapshot, views):  # noqa: F811
    view = views[1]
    said = recall(view.outlook, view.settled.index[50])
    figure = hindsight_chart(snapshot.candles, said.forecast, said.actual_price)
    known, came = (trace for trace in figure.data if trace.type == "candlestick")
    assert came.name == "What came"
    assert came.opacity < 1
    assert came.increasing.line.color != known.increasing.line.color
    target = said.forecast.target_time - ONE_MINUTE
    price = snapshot.candles["close"][target]
    assert named(figure, "It came to").y == (pytest.approx(price),)
    where = "inside" if said.inside else "outside"
    assert named(figure, "It came to").name.endswith(where)


def test_the_newest_forecast_has_nothing_behind_its_line(snapshot, views):  # noqa: F811
    said = recall(views[0].outlook, views[0].outlook.predictions.index[-1])
    figure = hindsight_chart(snapshot.candles, said.forecast, said.actual_price)
    known, came = candlesticks(figure)
    assert known[-1] == snapshot.candles.index[-1].tz_localize(None)
    assert came.empty
    assert not [trace for trace in figure.data if (trace.name or "").startswith("It came")]


def test_a_forecast_older_than_the_candles_is_drawn_without_them(snapshot, views):  # noqa: F811
    said = recall(views[1].outlook, views[1].settled.index[0])
    candles = snapshot.candles[snapshot.candles.index >= said.forecast.target_time]
    figure = hindsight_chart(candles.tail(5), said.forecast, said.actual_price)
    assert named(figure, "In 45 min:").y[1] == said.forecast.price
