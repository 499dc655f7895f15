import re
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd
import pytest

from marketpulse import rulebook, signals
from marketpulse.backtest import Trading, run
from marketpulse.costs import Costs
from marketpulse.rulebook import RULE_HELP, RULES
from marketpulse.signals import decide, fires
from tests.books import BTC
from tests.live_loop import lived
from tests.markets import rough_market, rule

DOCS = Path(__file__).parents[1] / "docs" / "rules.md"


def example():
    """The code of the file that the documentation shows."""
    (code,) = re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    return code


@pytest.fixture
def calm(monkeypatch):
    """The documented rule, listed as the documentation says."""
    made = {}
    exec(compile(example(), "calm.py", "exec"), made)  # the page's own text
    monkeypatch.setattr(signals, "RULES", MappingProxyType({**RULES, "calm": made["calm"]}))
    return made["calm"]


def with_bands(table, seed=0):
    """The table with a long band that is 100 or 200 bps wide."""
    half = np.random.default_rng(seed).choice([0.005, 0.01], len(table))
    return table.assign(long_low_90=-half, long_high_90=half)


def test_every_rule_has_its_sentence():
    assert RULES.keys() == RULE_HELP.keys()
    assert all(said.endswith(".") for said in RULE_HELP.values())
    assert rulebook.RULES["distance"] is not None


def test_the_documented_rule_is_a_file_of_ten_lines():
    lines = [line for line in example().splitlines() if line.strip()]
    assert len(lines) <= 10
    assert all(len(line) <= 100 for line in lines)


@pytest.mark.usefixtures("calm")
def test_the_documented_rule_buys_only_while_the_band_is_narrow():
    table, frame = rough_market(0)
    table = with_bands(table)
    asked, costs = rule(rule="calm", hold_minutes=7), Costs(1)
    made = run(table, frame, asked, costs, Trading(BTC, 10_000, 1_000, costs)).ledger
    assert made.fills == lived(table, frame, asked, costs, Trading(BTC, 10_000, 1_000, costs)).fills
    bought = [pd.Timestamp(fill.order) for fill in made.fills if fill.side == "buy"]
    assert bought
    assert (table.loc[bought, "long_high_90"] == 0.005).all()


@pytest.mark.usefixtures("calm")
def test_the_documented_rule_says_the_same_of_many_bars_as_of_each():
    table = with_bands(rough_market(1)[0])
    asked, costs = rule(rule="calm"), Costs(1)
    columns = {name: column.to_numpy() for name, column in table.items()}
    for held in (None, signals.Holding(60_000.0, table.index[0])):
        together = fires(columns, asked, costs, held)
        each = [
            decide(time, row.to_dict(), asked, costs, held).side != "hold"
            for time, row in table.iterrows()
        ]
        assert together.tolist() == each
        assert any(each)
