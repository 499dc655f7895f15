from types import SimpleNamespace

import pytest

from marketpulse.backtest import result_of
from marketpulse.backtest_report import left_out, lines, map_lines
from marketpulse.broker import Broker, Trading
from marketpulse.chain import Gated
from marketpulse.costs import Costs
from marketpulse.settings import Settings
from marketpulse.sweep import Cell, ThresholdMap, grid_of
from marketpulse.tape import taped
from marketpulse.trial import Trial
from tests.books import BTC
from tests.markets import FREE, rough_market, rule


def told(cash, fee, **thresholds):
    table, frame = rough_market(2)
    trading = Trading(BTC, cash, 1_000, Costs(fee))
    tape = taped(table, frame, trading.costs)
    broker, asked = Broker(tape, trading), Gated(rule(hold_minutes=7, **thresholds), FREE)
    walk = SimpleNamespace()
    made = result_of(tape, broker, asked)
    return lines(Trial(walk, Settings(), trading, tape, broker, asked, made), None)[1:]


def test_a_rule_that_never_fired_is_not_said_to_lack_the_cash():
    (said,) = told(10_000, 40, margin_bps=5_000)
    assert said == "The rule never traded: no forecast cleared its costs and thresholds."


def test_a_rule_that_cannot_pay_is_not_said_to_lack_the_forecast():
    (said,) = told(1_000, 40)
    assert said == (
        "The rule never traded: its cash of 1,000.00 USD does not pay for a trade of 1,000.00 USD"
        " with the fee."
    )


def test_a_rule_that_runs_out_of_cash_says_so():
    assert told(1_100, 300)[-1].startswith("  It could not go on to the end: its cash of ")
    assert not any("could not go on" in line for line in told(10_000, 0))


@pytest.mark.parametrize(("nets", "ignored"), [((5, 5), True), ((5, 4), False)])
def test_a_map_on_which_the_multiplier_does_nothing_says_so(nets, ignored):
    cells = [
        Cell("raw", multiplier, margin, 3, net - margin, 0.0, None, None, None)
        for multiplier, net in enumerate(nets)
        for margin in (0.0, 1.0)
    ]
    said = map_lines(ThresholdMap(tuple(cells), 4, 100), FREE)
    assert any("The multiplier changes nothing" in line for line in said) == ignored


@pytest.mark.parametrize("trades", [0, 3])
@pytest.mark.parametrize(("fee", "cut"), [(0, False), (40, False), (49, False), (50, True)])
def test_a_map_whose_margins_do_not_reach_the_costs_says_so_even_if_nothing_traded(
    fee, cut, trades
):
    _, margins = grid_of(Costs(fee))
    cells = tuple(Cell("raw", 0, each, trades, each, 0.0, None, None, None) for each in margins)
    # Two fees of 0.5 %, the second of what the price must rise to: 2 x 50 / 0.995 bps.
    told = (
        "The map is cut at a margin of -100 bps, where the settings end: a round trip costs 101"
        " bps."
    )
    said = map_lines(ThresholdMap(cells, 20, 100), Costs(fee))
    assert [line for line in said if "cut" in line] == ([told] if cut else [])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, ""),
        ({"max_trades": 600}, ""),
        ({"sizing": "share"}, "sizes"),
        ({"max_loss": 2}, "limits"),
        ({"sizing": "volatility", "max_position": 50}, "sizes and limits"),
    ],
)
def test_what_the_auto_pilot_would_do_otherwise_is_told(changes, said):
    expected = f"Each purchase spends 1,000.00 USD: the auto-pilot's {said} are not in it."
    assert left_out(Settings().changed(**changes)) == (expected if said else "")
