"""The fault matrix: it covers what it says, and hears what is wrong."""

import pandas as pd
import pytest

from benchmarks import faults, rules
from benchmarks.faults import Cell, doors, excluded, fault_claims, matrix, struck
from benchmarks.stages import VENUES, lost, made_up, staged
from marketpulse.sources import gateway
from tests.build import candles
from tests.exchange_server import SCRIPTS


def test_every_mode_has_a_row_and_every_fault_that_stages_it_a_rule() -> None:
    assert list(rules.MODES) == [f"F{number:02}" for number in range(1, 36)]
    assert SCRIPTS.keys() | {"F35"} == rules.MODES.keys()
    for mode, scripted in SCRIPTS.items():
        for venue in VENUES:
            for fault in scripted:
                if not rules.inapplicable(mode, venue) and not excluded(mode, venue):
                    assert rules.right(mode, str(fault), venue)
                    assert next(doors(mode, fault, venue))


@pytest.mark.parametrize("mode", ["F01", "F14", "F20"])
def test_a_cell_is_right_today(mode: str) -> None:
    (fault, *_) = SCRIPTS[mode]
    assert struck(mode, fault, "bitstamp").problems == []


def test_a_ban_that_ends_too_early_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(rules.RIGHT, "F01", rules.RIGHT["F02"])
    told = struck("F01", 429, "gemini").problems
    assert any("its state" not in each and "left alone for" in each for each in told)
    assert any("it says 'gemini is asked too often (429).'" in each for each in told)


def test_a_venue_that_is_not_asked_again_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway, "RETRY_AFTER_S", (0.0, 0.0))
    monkeypatch.setattr(gateway, "VenueTroubled", ZeroDivisionError)
    assert "500 on candles: asked 1 times" in struck("F05", 500, "bitstamp").problems


def test_candles_that_were_not_told_are_made_up_and_those_not_there_are_lost() -> None:
    told = candles([1.0, 2.0, 3.0, 4.0], filled=[1])
    other = told.assign(close=[1.0, 2.0, 3.5, 4.0])
    assert made_up(told, told) == 0
    assert made_up(other, told) == 1
    assert made_up(other, told, other) == 0
    assert made_up(told.assign(filled=False), told) == 1
    assert made_up(told, told.iloc[:2]) == 2
    assert made_up(told.assign(volume=float("nan")), told) == 4
    assert lost(told.iloc[1:3], told, told.index[1]) == 1


def test_a_fault_of_the_data_leaves_all_other_minutes_as_they_are() -> None:
    with staged("gemini") as stage:
        now = stage.clock.now()
        right = rules.told(stage.truth, "", "gemini", now)
        gap = rules.told(stage.truth, "gap", "gemini", now)
    changed = (gap != right).any(axis=1)
    minutes = (now.floor("min") - pd.DatetimeIndex(gap.index[changed])) / pd.Timedelta(minutes=1)
    assert sorted(minutes) == [13, 14, 15, 16, 17]


def test_a_matrix_is_claimed_by_its_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "prepare", lambda: None)
    monkeypatch.setattr(faults, "begun", lambda *_: [])
    cells = matrix(["F34", "F01"])
    cells["F01", "kraken"] = Cell(["429: it answers"], 2, 12.5)
    values = [(claim.value, claim.ok) for claim in fault_claims(cells)]
    assert values == [(1, False), (4, True), (2, False), (12.5, False)]
