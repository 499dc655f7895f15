import dataclasses
from io import StringIO

import pandas as pd
import pytest

from marketpulse import report
from marketpulse.forecast import said_at
from marketpulse.report import View
from marketpulse.tables import (
    BREAKDOWNS,
    at_hand,
    csv_text,
    file_name,
    forecast_table,
    preset_lines,
    pulse_text,
    recall,
    said_table,
    said_text,
    said_times,
    source_lines,
    tail_table,
    trust_of,
)
from marketpulse.zones import UTC
from tests.test_report import SETTINGS, seen, snapshot  # noqa: F401  fixtures

NOTHING = pd.DataFrame()


def recorded(view, rows, **more):
    """The view's outlook with these settled forecasts on record."""
    return dataclasses.replace(view.outlook, recorded=rows, **more)


def empty(view):
    """A view before anything was said."""
    bare = dataclasses.replace(
        view.outlook, predictions=NOTHING, settled=NOTHING, forecast=None, recorded=NOTHING
    )
    return View(bare, view.asked, NOTHING, False, None)


def test_every_metric_stands_beside_that_of_no_change(seen):  # noqa: F811
    table = tail_table(seen)
    assert list(table.columns) == ["1 min", "no change, 1 min", "45 min", "no change, 45 min"]
    assert table.loc["MAE", "1 min"].endswith(" USD")
    assert table.loc["MAE", "no change, 1 min"].endswith(" USD")
    assert table.loc["Skill", "no change, 1 min"] == "0.00 %"
    assert table.loc["R² of price", "no change, 1 min"].startswith("+")


def test_a_horizon_without_settled_forecasts_has_dashes(seen):  # noqa: F811
    without = dataclasses.replace(seen, long=empty(seen.long))
    assert set(tail_table(without)["45 min"]) == {"–"}


def test_a_preset_that_never_bought_made_nothing(seen):  # noqa: F811
    never = dataclasses.replace(seen.presets["Strict"], trades=0, decisions=200)
    lines = preset_lines(dataclasses.replace(seen, presets=dict.fromkeys(seen.presets, never)))
    assert lines["Strict"] == "Bought never in 200 min"


def test_a_preset_that_bought_says_how_often_and_what_it_made(seen):  # noqa: F811
    twice = dataclasses.replace(seen.presets["Lean"], trades=2, decisions=200, net=-8.5)
    lines = preset_lines(dataclasses.replace(seen, presets=dict.fromkeys(seen.presets, twice)))
    assert lines["Lean"] == "Bought 2 × in 200 min, made -8.50 USD"


# What can be downloaded --------------------------------------------------------------------------


def test_forecasts_are_downloaded_in_prices_with_what_came(seen):  # noqa: F811
    view = seen.long
    table = pd.read_csv(StringIO(csv_text(view, "forecasts")), index_col="as_of", parse_dates=True)
    rows = view.settled
    assert len(table) == 200
    assert table["forecast"].tolist() == pytest.approx(rows["price"].tolist())
    assert (table["low_90"] < table["high_90"]).all()
    inside = table["actual"].between(table["low_90"], table["high_90"])
    assert (inside == table["inside_90"]).all()
    assert (table["forecast"] - table["actual"]).tolist() == pytest.approx(
        table["error"].tolist(), abs=1e-3
    )
    assert set(table["on_record"]) == {False}
    assert (pd.to_datetime(table["due"]) - table.index == view.outlook.horizon.span).all()
    assert table["model"].str.startswith("long-").all()


@pytest.mark.parametrize("name", BREAKDOWNS)
def test_every_breakdown_is_a_file_whose_rows_have_a_name(name, seen):  # noqa: F811
    text = csv_text(seen.minute, name)
    rows = pd.read_csv(StringIO(text)) if name != "importance" else NOTHING
    assert name == "importance" or not rows.columns[0].startswith("Unnamed")
    assert len(rows) == len(BREAKDOWNS[name](seen.minute, UTC))


@pytest.mark.parametrize("name", BREAKDOWNS)
def test_before_anything_was_said_every_breakdown_is_empty(name, seen):  # noqa: F811
    assert BREAKDOWNS[name](empty(seen.long), UTC).empty
    assert forecast_table(empty(seen.long)).empty


def test_a_file_says_what_it_is_of():
    assert file_name("BTC/USD", 45, "forecasts") == "market-pulse_BTC-USD_45min_forecasts.csv"


def test_groups_are_of_all_that_is_at_hand_of_one_kind(seen):  # noqa: F811
    view = seen.minute
    assert at_hand(view) is view.outlook.settled
    rows = view.settled.tail(60)
    live = dataclasses.replace(view, outlook=recorded(view, rows), from_record=True)
    assert at_hand(live) is rows


# The pulse of the Live page ----------------------------------------------------------------------


def test_the_pulse_has_a_strip_and_a_statement_for_each_horizon(seen):  # noqa: F811
    text = pulse_text(seen).replace("\xa0", " ")
    assert text.count('role="img"') == 2
    assert text.count("●") + text.count("○") == 60
    inside = [view.settled.tail(30) for view in (seen.minute, seen.long)]
    for rows in inside:
        held = rows["actual"].between(rows["low_90"], rows["high_90"]).sum()
        assert f"{held} of 30 inside" in text
    assert text.index("Next 1 min") < text.index("Next 45 min")


def test_without_a_forecast_the_pulse_says_nothing(seen):  # noqa: F811
    bare = dataclasses.replace(seen, minute=empty(seen.minute), long=empty(seen.long))
    assert pulse_text(bare) == source_lines(bare) == ""
    one = dataclasses.replace(seen, minute=empty(seen.minute))
    assert "1 min" not in pulse_text(one)
    assert "Next 45 min" in pulse_text(one)


def test_tails_are_marked_as_walk_forward_until_the_record_is_long_enough(snapshot):  # noqa: F811
    def lines(rows):
        outlooks = {
            horizon: dataclasses.replace(
                each, recorded=each.settled.tail(rows if horizon.steps == 1 else 3), pending=9
            )
            for horizon, each in snapshot.outlooks.items()
        }
        said = dataclasses.replace(snapshot, outlooks=outlooks)
        return source_lines(report.build(said, SETTINGS.changed(tail=100)))

    walked = "walk-forward, what the models would have said (3 settled on record, 9 pending)"
    assert lines(3) == f"1 min and 45 min: {walked}"
    assert lines(100) == f"1 min: on record, said live · 45 min: {walked}"


# The time machine --------------------------------------------------------------------------------


def test_every_forecast_can_be_recalled_as_it_was_said(seen):  # noqa: F811
    outlook = seen.long.outlook
    times = said_times(outlook)
    assert times.equals(outlook.predictions.index)
    for as_of in times[[0, 100, -1]]:
        said = recall(outlook, as_of)
        assert said.forecast == said_at(outlook.predictions, outlook.horizon, as_of)
        assert said.forecast.fit_at <= as_of
        assert not said.on_record


def test_what_came_is_known_only_once_it_came(seen):  # noqa: F811
    outlook = seen.long.outlook
    settled, newest = outlook.settled.index[-1], outlook.predictions.index[-1]
    assert recall(outlook, settled).actual_price == outlook.settled["actual_price"].iloc[-1]
    pending = recall(outlook, newest)
    assert pending.actual_price is pending.inside is None
    assert said_text(pending).endswith("What came is not known yet.")
    assert said_table(pending, "USD").loc["What came", ""] == "–"


def test_the_records_own_words_count_before_what_would_be_said_today(seen):  # noqa: F811
    view = seen.long
    as_of = view.settled.index[5]
    told = view.settled.loc[[as_of]].assign(model="as said then", trust=0.35)
    older = told.set_axis([told.index[0] - pd.Timedelta(days=30)])
    outlook = recorded(view, pd.concat([older, told]))
    said = recall(outlook, as_of)
    assert said.on_record
    assert (said.forecast.model, said.forecast.trust) == ("as said then", 0.35)
    assert said_times(outlook)[0] == older.index[0]
    assert recall(outlook, older.index[0]).on_record
    assert not recall(outlook, view.settled.index[6]).on_record


def test_the_facts_of_a_past_bar_hold_its_model_band_and_both_errors(seen):  # noqa: F811
    view = seen.long
    row = view.settled.iloc[7]
    said = recall(view.outlook, view.settled.index[7])
    facts = said_table(said, "USD")[""]
    assert facts["Model"] == row["model"]
    assert facts["Said at"] == f"{row.name:%Y-%m-%d %H:%M} UTC"
    assert facts["Fitted"] == f"{row['fit_at']:%Y-%m-%d %H:%M} UTC"
    naive = row["naive_error"] / row["close"] * 1e4
    assert facts["Error of no change"] == f"{naive:+.1f} bps"
    inside = row["low_90"] <= row["actual"] <= row["high_90"]
    assert said.inside == inside
    assert ("**outside**" in said_text(said)) == (not inside)


def test_trust_is_that_of_the_model_in_charge(seen):  # noqa: F811
    assert trust_of(seen.long) == seen.long.forecast.trust
    outlook = dataclasses.replace(seen.long.outlook, forecast=None)
    rows = seen.long.settled.assign(trust=0.4)
    assert trust_of(dataclasses.replace(seen.long, outlook=outlook, settled=rows)) == 0.4
    assert trust_of(empty(seen.long)) == 0
