import numpy as np
import pytest

from marketpulse.backtest import run
from marketpulse.broker import Broker, Trading
from marketpulse.chain import Gated
from marketpulse.costs import Costs
from marketpulse.sweep import Cell, ThresholdMap, deflated_sharpe, grid_of, swept
from marketpulse.tape import taped
from tests.books import BTC
from tests.markets import FREE, rough_market, rule

MULTIPLIERS, MARGINS = [0.0, 0.5, 1.0], [-10.0, 0.0, 10.0, 40.0]


@pytest.fixture(scope="module")
def market():
    return rough_market(0, 600)


def swept_map(market, paid=FREE, **more):
    table, frame = market
    tape = taped(table, frame, paid)
    broker = Broker(tape, Trading(BTC, 10_000, 1_000, paid))
    gated = Gated(rule(hold_minutes=9), paid)
    return swept({"raw": tape}, broker, gated, MULTIPLIERS, MARGINS, **more)


def test_every_cell_is_the_backtest_of_its_thresholds(market):
    paid = Costs(3)
    made = swept_map(market, paid)
    assert [(cell.mae_multiplier, cell.margin_bps) for cell in made.cells] == [
        (multiplier, margin) for multiplier in MULTIPLIERS for margin in MARGINS
    ]
    for cell in made.cells:
        asked = rule(
            hold_minutes=9,
            buy_mae=cell.mae_multiplier,
            sell_mae=cell.mae_multiplier,
            margin_bps=cell.margin_bps,
        )
        alone = run(*market, asked, paid, Trading(BTC, 10_000, 1_000, paid))
        assert cell.trades == alone.trades
        assert cell.net_return == pytest.approx(cell.net / 10_000)
        worth = float(alone.ledger.cash - 10_000)
        if not alone.ledger.positions:
            assert cell.net == pytest.approx(worth, abs=1e-5)
    counts = [cell.trades for cell in made.cells]
    assert counts[0] == max(counts) > 20
    assert counts[-1] < counts[0]


def test_a_sweep_tells_how_far_it_is_and_can_be_stopped(market):
    told = []
    made = swept_map(market, progress=lambda *so_far: told.append(so_far), stop=lambda: bool(told))
    assert told == [(1, 2)]
    assert (len(made.cells), made.asked) == (10, 12)


@pytest.mark.parametrize(("fee", "first"), [(0, 0), (4, -9), (40, -90), (200, -100)])
def test_the_grid_begins_at_no_doubt_and_at_minus_the_costs_and_holds_no_margin_at_all(fee, first):
    multipliers, margins = grid_of(Costs(fee))
    assert (multipliers[0], len(set(multipliers)), len(set(margins))) == (0, 20, 20)
    assert (margins[0], margins[-1] > 0, 0 in margins) == (first, True, True)
    assert -margins[0] >= min(Costs(fee).round_trip() * 1e4, 100)
    assert max(multipliers) <= 3
    assert max(margins) <= 100


# Picking the best ---------------------------------------------------------------------------------


def cell(sharpe, *, net=100.0, skew=0.0, kurtosis=3.0, trades=10):
    return Cell("raw", 0.0, 0.0, trades, net, net / 10_000, sharpe, skew, kurtosis)


def test_the_example_of_the_paper_comes_out():
    # Bailey & López de Prado 2014, section 'A numerical example': 100 tries whose annual Sharpe
    # ratios vary by 1/2, 1,250 days of 250 a year, a best of 2.5, skew -3, kurtosis 10: 0.9004.
    best = cell(2.5 / np.sqrt(250), skew=-3.0, kurtosis=10.0)
    assert deflated_sharpe(best, 0.5 / 250, 100, 1_250) == pytest.approx(0.9004, abs=5e-5)


def test_the_best_of_more_tries_is_more_likely_luck():
    best = cell(0.05)
    shares = [deflated_sharpe(best, 0.0004, tries, 2_000) for tries in (2, 10, 100, 1_000)]
    assert shares == sorted(shares, reverse=True)


def test_the_best_cells_of_pure_luck_are_called_luck():
    random = np.random.default_rng(0)
    called = 0
    for _ in range(200):
        returns = random.normal(0, 1, (50, 500))
        ratios = returns.mean(axis=1) / returns.std(axis=1, ddof=1)
        cells = tuple(cell(float(each), net=float(each)) for each in ratios)
        called += ThresholdMap(cells, 50, 500).deflated_sharpe >= 0.95
    assert called / 200 <= 0.05


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ((cell(None, trades=0, net=0.0),), "None of the 1 cells traded."),
        ((cell(0.1), cell(None, trades=0, net=0.0)), "There is nothing to compare it with."),
        ((cell(0.01), cell(0.0, net=50.0)), "take it for luck."),
        ((cell(0.3), cell(0.29, net=50.0)), "try it on other days."),
        ((cell(-0.1, net=-5.0), cell(-0.2, net=-9.0)), "not trading was better."),
    ],
)
def test_the_warning_says_what_the_best_cell_is_worth(cells, said):
    made = ThresholdMap(cells, len(cells), 1_000)
    assert made.warning.endswith(said)
