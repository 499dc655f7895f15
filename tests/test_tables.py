import dataclasses

from marketpulse.report import View
from marketpulse.tables import preset_lines, tail_table
from tests.test_report import seen, snapshot  # noqa: F401  fixtures


def test_every_metric_stands_beside_that_of_no_change(seen):  # noqa: F811
    table = tail_table(seen)
    assert list(table.columns) == ["1 min", "no change, 1 min", "45 min", "no change, 45 min"]
    assert table.loc["MAE", "1 min"].endswith(" USD")
    assert table.loc["MAE", "no change, 1 min"].endswith(" USD")
    assert table.loc["Skill", "no change, 1 min"] == "0.00 %"
    assert table.loc["R² of price", "no change, 1 min"].startswith("+")


def test_a_horizon_without_settled_forecasts_has_dashes(seen):  # noqa: F811
    empty = dataclasses.replace(seen, long=View(seen.long.outlook, seen.long.asked, None))
    assert set(tail_table(empty)["45 min"]) == {"–"}


def test_a_preset_that_never_bought_made_nothing(seen):  # noqa: F811
    never = dataclasses.replace(seen.presets["Strict"], trades=0, decisions=200)
    lines = preset_lines(dataclasses.replace(seen, presets=dict.fromkeys(seen.presets, never)))
    assert lines["Strict"] == "Bought never in 200 min"


def test_a_preset_that_bought_says_how_often_and_what_it_made(seen):  # noqa: F811
    twice = dataclasses.replace(seen.presets["Lean"], trades=2, decisions=200, net=-8.5)
    lines = preset_lines(dataclasses.replace(seen, presets=dict.fromkeys(seen.presets, twice)))
    assert lines["Lean"] == "Bought 2 × in 200 min, made -8.50 USD"
