from collections import Counter

import numpy as np
import pytest

from marketpulse.broker import Broker, Trading
from marketpulse.chain import Gated
from marketpulse.costs import Costs
from marketpulse.errors import NotEnoughCandles
from marketpulse.horizons import ONE_MINUTE
from marketpulse.paths import equity_at, net, path_of, priced
from marketpulse.placebo import (
    RandomEntries,
    _placed,
    grid,
    least_shift,
    percentile,
    placebo_fan,
    random_entries,
    shifts_of,
)
from marketpulse.tape import taped
from tests.books import BTC
from tests.build import walk
from tests.markets import FREE, decisions, rule


def knowing(seed, skill, n=1_000):
    """A market whose long forecasts are a share of the truth and else noise; sold after 5 bars."""
    frame = walk(n + 10, seed)
    close = frame["close"].to_numpy()
    truth = close[5 : n + 5] - close[:n]
    guess = np.random.default_rng(seed + 1000).normal(0, truth.std(), n)
    table = decisions(close[:n]).set_axis(frame.index[:n] + ONE_MINUTE)
    table["long_price"] = close[:n] + skill * truth + (1 - skill) * guess
    tape = taped(table, frame, FREE)
    asked = rule(hold_minutes=5, sell_mae=1e9)
    return tape, Broker(tape, Trading(BTC, 10_000, 1_000, FREE)), Gated(asked, FREE)


def test_a_tape_shifted_by_nothing_or_all_the_way_round_is_itself():
    tape, *_ = knowing(0, 0.5)
    for rows in (0, len(tape)):
        moved = tape.shifted(rows)
        for name, column in tape.known.items():
            np.testing.assert_allclose(moved.known[name], column, rtol=1e-12)


def test_a_shift_moves_forecasts_in_proportion_and_leaves_the_market():
    tape, *_ = knowing(0, 0.5)
    moved = tape.shifted(300)
    said = tape.known["long_price"] / tape.known["price"]
    np.testing.assert_allclose(
        moved.known["long_price"] / moved.known["price"], np.roll(said, -300), rtol=1e-12
    )
    assert moved.known["price"] is tape.known["price"]
    assert moved.opens is tape.opens


def test_a_forecast_of_no_move_is_one_after_a_shift_to_the_last_digit():
    tape, *_ = knowing(0, 0.5)
    still = tape.shifted(77).known
    assert (still["minute_price"] == still["price"]).all()


def test_forecasts_are_moved_by_at_least_a_day_or_a_quarter_of_a_short_record():
    for length, least in ((1_000, 250), (20_000, 1_440)):
        tape, *_ = knowing(0, 0.5, n=length)
        assert least_shift(tape) == least
        shifts = shifts_of(tape, 300)
        assert min(shifts) >= least
        assert max(shifts) <= length - least
        assert len(set(shifts)) == 300
        assert shifts == shifts_of(tape, 300)
        assert shifts != shifts_of(tape, 300, seed=1)


def test_a_record_too_short_to_shift_is_refused_in_words():
    tape, *_ = knowing(0, 0.5, n=200)
    with pytest.raises(NotEnoughCandles, match="need 240 bars with forecasts; there are 200"):
        shifts_of(tape)


def test_a_rule_that_knows_something_beats_its_placebos():
    tape, broker, gated = knowing(0, 1.0)
    fan = placebo_fan(tape, broker, gated, count=100)
    assert fan.percentile > 0.98
    assert fan.sentence.endswith("hard to explain by luck alone.")
    assert fan.net > np.quantile(fan.nets, 0.98)
    assert fan.real[-1] == pytest.approx(10_000 + fan.net)
    assert fan.placebos.shape == (100, len(fan.times))
    assert (np.diff(fan.bands, axis=0) >= 0).all()


def test_each_placebo_is_the_rule_on_a_shifted_tape():
    tape, broker, gated = knowing(3, 0.3)
    fan = placebo_fan(tape, broker, gated, count=5)
    for shift, made in zip(shifts_of(tape, 5), fan.nets, strict=True):
        moved = tape.shifted(shift)
        own = Broker(moved, broker.trading)
        assert made == pytest.approx(net(moved, 10_000, path_of(moved, own, gated)), abs=1e-9)


def test_without_skill_every_percentile_is_as_likely_as_any_other():
    found = [placebo_fan(*knowing(seed, 0.0), count=40).percentile for seed in range(40)]
    counts, _ = np.histogram(found, bins=4, range=(0, 1))
    assert counts.min() >= 3  # 10 each on average; below 3 is one in a thousand
    assert 0.35 < np.mean(found) < 0.65


def test_a_rule_that_never_trades_has_a_percentile_by_lot_and_says_so():
    tape, broker, _ = knowing(0, 0.0)
    idle = Gated(rule(margin_bps=1e6), FREE)
    lots = [placebo_fan(tape, broker, idle, count=20, seed=seed) for seed in range(30)]
    assert {fan.net for fan in lots} == {0.0}
    assert 0.3 < np.mean([fan.percentile for fan in lots]) < 0.7
    assert "nothing to tell apart" in lots[0].sentence


def test_a_percentile_counts_those_below_and_draws_lots_among_equals():
    others = np.array([1.0, 2.0, 3.0, 4.0])
    assert 0.4 <= percentile(2.5, others, 0) <= 0.6
    assert percentile(5.0, others, 0) >= 0.8
    assert percentile(0.0, others, 0) <= 0.2
    tied = [percentile(1.0, np.ones(9), seed) for seed in range(200)]
    assert min(tied) < 0.05
    assert max(tied) > 0.95
    assert np.mean(tied) == pytest.approx(0.5, abs=0.07)


def test_random_stretches_keep_their_lengths_and_never_overlap():
    random = np.random.default_rng(0)
    for _ in range(200):
        bars = random.integers(1, 30, 12)
        rows = _placed(bars, 400, random)
        assert (rows[:, 1] - rows[:, 0] == bars).all()
        assert (rows[1:, 0] > rows[:-1, 1]).all()
        assert rows[0, 0] >= 0
        assert rows[-1, 1] < 400


def test_every_way_to_place_random_stretches_is_as_likely():
    random = np.random.default_rng(0)
    found = [tuple(_placed(np.array([1, 1]), 8, random)[:, 0].tolist()) for _ in range(5_000)]
    counts = Counter(found)
    # The two begin at 0 to 5, at least two bars apart.
    assert set(counts) == {(a, b) for a in range(6) for b in range(a + 2, 6)}
    assert min(counts.values()) > 430
    assert max(counts.values()) < 570


def test_the_drawdown_of_the_rule_stands_beside_that_of_the_middle_random_run():
    # The rule fell from 120 to 90, a quarter; the others by 0, 10 and 50 %.
    curves = np.array([[100.0, 110, 120], [100, 90, 95], [100, 50, 200]])
    entries = RandomEntries(np.array([100.0, 120, 90]), curves, curves[:, -1] - 100, -10.0, 0.2)
    assert entries.drawdowns == pytest.approx((-0.25, -0.1))
    said = "Its deepest drawdown was -25.00 %, that of their middle one -10.00 %."
    assert entries.sentence.endswith(said)


def test_random_entries_begin_anywhere():
    random = np.random.default_rng(0)
    begins = [_placed(np.array([10]), 100, random)[0, 0] for _ in range(3_000)]
    counts, _ = np.histogram(begins, bins=8, range=(0, 89))
    assert counts.min() > 300


def test_random_entries_lose_their_costs_and_a_rule_that_knows_beats_them():
    tape, broker, gated = knowing(0, 1.0)
    path = path_of(tape, broker, gated)
    entries = random_entries(tape, broker, path, draws=200)
    assert entries.net == net(tape, 10_000, path)
    assert entries.percentile > 0.98
    costly = Broker(tape, Trading(BTC, 10_000, 1_000, Costs(40)))
    charged = random_entries(tape, costly, path_of(tape, costly, gated), draws=50)
    assert charged.nets.mean() == pytest.approx(-8 * path.trades, rel=0.1)
    assert random_entries(tape, broker, path, draws=20).nets.tolist() == entries.nets[:20].tolist()


def test_the_curves_of_random_entries_go_from_the_cash_to_their_nets_inside_their_outline():
    tape, broker, gated = knowing(0, 1.0)
    entries = random_entries(tape, broker, path_of(tape, broker, gated), draws=200)
    assert entries.curves.shape == (200, len(grid(tape)))
    np.testing.assert_allclose(entries.curves[:, 0], 10_000)
    assert (entries.curves[:, -1] - 10_000 == entries.nets).all()
    low, high = entries.outline
    outside = (entries.curves < low) | (entries.curves > high)
    assert outside[:, 1:].mean() == pytest.approx(0.1, abs=0.01)


def test_a_trade_that_leaves_nothing_to_chance_has_the_rule_s_own_curve():
    tape, broker, _ = knowing(0, 1.0)
    whole = priced(tape, broker, np.array([[0, len(tape) - 1]]))
    entries = random_entries(tape, broker, whole, draws=3)
    expected = equity_at(tape, 10_000, whole, grid(tape))
    assert (entries.curves == expected).all()
