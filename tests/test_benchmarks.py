"""What the benchmark of skill takes for granted: its simulations, and its own copies of rules."""

import json
import math

import numpy as np
import pandas as pd
import pytest

from benchmarks import simulation
from benchmarks.bootstrap import DAY, bootstrapped
from benchmarks.claims import above, at_most, publish
from benchmarks.proofs import differences
from benchmarks.sets import too_filled
from marketpulse.candles import clean
from marketpulse.dataset import build
from marketpulse.horizons import MINUTE, ONE_MINUTE
from tests.build import candles, walk


@pytest.mark.parametrize("steps", [1, 9])
@pytest.mark.parametrize("share", [0.01, 0.02])
def test_a_planted_signal_explains_what_is_said(steps, share):
    returns = simulation.planted(200_000, 0, steps=steps, share=share)
    ahead = np.convolve(returns, np.ones(steps), "valid")[1:]
    correlation = np.corrcoef(np.sign(returns[: len(ahead)]), ahead)[0, 1]
    assert correlation**2 == pytest.approx(share, rel=0.1)


def test_the_last_return_says_nothing_of_the_next_on_a_walk():
    returns = simulation.walk(50_000, 0)
    assert abs(np.corrcoef(np.sign(returns[:-1]), returns[1:])[0, 1]) < 0.015
    assert np.std(returns) == pytest.approx(simulation.BAR_VOLATILITY, rel=0.2)


def test_simulated_candles_are_clean():
    candles = simulation.candles(simulation.walk(500, 0), 0)
    end = candles.index[-1] + ONE_MINUTE
    pd.testing.assert_frame_equal(
        clean(candles.drop(columns="filled"), ONE_MINUTE, end).candles, candles, check_freq=False
    )


@pytest.mark.parametrize("wicks", [True, False])
def test_bootstrapped_candles_are_clean(wicks):
    record = walk(4 * DAY + 100, 3, rough=True)
    if not wicks:
        ends = record[["open", "close"]]
        record = record.assign(high=ends.max(axis=1), low=ends.min(axis=1))
    made = bootstrapped(record, 0)
    end = made.index[-1] + ONE_MINUTE
    reported = made[~made["filled"]].drop(columns="filled")
    pd.testing.assert_frame_equal(clean(reported, ONE_MINUTE, end).candles, made, check_freq=False)


def test_the_same_seed_makes_the_same_candles_and_another_seed_others():
    record = walk(8 * DAY, 3)
    again = [bootstrapped(record, seed) for seed in (0, 0, 1)]
    pd.testing.assert_frame_equal(again[0], again[1])
    assert not again[0]["close"].equals(again[2]["close"])
    assert not again[0]["close"].equals(record["close"])


def test_bootstrapped_candles_move_as_the_days_of_the_record_did_in_another_order():
    # Too few for days, so every two bars are one, and the last bar is left over. All but the first
    # open at twice the close before.
    factors = [1, 3, 5, 7, 11, 13, 17, 19, 23]
    record = candles(np.cumprod(factors), volume=range(9))
    record.loc[record.index[1:], "open"] *= 2
    made = bootstrapped(record.assign(low=record["open"]), 0)
    before = made["close"].shift(fill_value=1)
    moves = (made["close"] / before).round(9).astype(int).tolist()
    days = list(zip(moves[:8:2], moves[1:8:2], strict=True))
    assert sorted(days) == [(1, 3), (5, 7), (11, 13), (17, 19)] != days
    assert moves[8] == 23
    gaps = (made["open"] / before).round(9).tolist()
    assert gaps == [1 if move == 1 else 2 for move in moves]
    assert made["volume"].tolist() == [factors.index(move) for move in moves]


def test_every_day_of_a_record_is_in_its_bootstrapped_candles_once_with_its_wicks():
    record = walk(8 * DAY, 3, rough=True)
    both = [np.log(each["high"] / each["low"]) for each in (record, bootstrapped(record, 0))]
    days = [each.to_numpy().reshape(8, DAY) for each in both]
    before, after = (each[np.argsort(each.sum(axis=1))] for each in days)
    np.testing.assert_allclose(after, before, atol=1e-12)


def test_the_rule_on_gaps_is_the_same_as_the_code_s():
    candles = walk(2_000, 3, rough=True)
    candles = candles.assign(filled=np.random.default_rng(0).random(2_000) < 0.05)
    usable = build(candles, MINUTE).usable
    assert not (usable & too_filled(candles)).any()
    assert (usable == ~too_filled(candles) & ~candles["filled"])[60:].all()


def test_a_difference_is_a_cell_or_a_missing_row():
    said = pd.DataFrame({"a": [1.0, np.nan, 3.0], "b": [1.0, 2.0, 3.0]})
    other = said.assign(a=[math.nextafter(1.0, 2.0), np.nan, 3.0])
    assert differences(said, said) == 0
    assert differences(said, other) == 1
    assert differences(said, other.iloc[:2]) == 2
    assert differences(said, said.assign(b=[1.0, np.nan, 3.0])) == 1


def test_a_figure_of_numpy_is_published_like_any_other(capsys):
    assert (
        publish("figures", [at_most("Share", np.float64(0.25), 1), above("Count", np.int64(3), 2)])
        == 0
    )
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert [(each["value"], each["ok"]) for each in last["claims"]] == [(0.25, True), (3.0, True)]
