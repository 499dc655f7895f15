"""What the benchmark of skill takes for granted: its simulations, and its own copies of rules."""

import json
import math

import numpy as np
import pandas as pd
import pytest

from benchmarks import simulation
from benchmarks.claims import above, at_most, publish
from benchmarks.proofs import differences
from benchmarks.sets import too_filled
from marketpulse.candles import clean
from marketpulse.dataset import build
from marketpulse.horizons import MINUTE, ONE_MINUTE
from tests.build import walk


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
