import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketpulse.horizons import FIVE_MINUTES, LONG
from marketpulse.scoreboard import Scoreboard, coin, most_at_once, scoreboard
from marketpulse.store import forecast_id
from tests.build import START

# Ids whose last bit is 1 and 0.
HEADS, TAILS = "f1", "f2"
HOUR = 12 * FIVE_MINUTES


def calls(raw, came, *, trees=0.0, ids=HEADS, apart=HOUR):
    """Calls of one visitor at a price of 100; an outcome that is None is still to come."""
    index = pd.date_range(START, periods=len(raw), freq=apart, name="as_of")
    prices = [np.nan if price is None else price for price in came]
    columns = {"raw": raw, "actual_price": prices, "id": ids, "close": 100.0, "trees": trees}
    return pd.DataFrame(columns, index=index).astype({"raw": float, "trees": float})


def of(table, n=1000):
    return scoreboard(table, LONG, n)


def test_whoever_pointed_the_way_that_the_price_went_was_right():
    board = of(calls([0.01, -0.01, 0.01], [101.0, 99.0, 99.0], trees=[-1, -1, -1]))
    assert (board.n, board.you, board.trees, board.coin) == (3, 2, 2, 1)


def test_a_price_that_comes_out_exactly_equal_is_nobodys_hit():
    board = of(calls([0.01, -0.01], [100.0, 100.0], trees=[1, 0], ids=[HEADS, TAILS]))
    assert (board.n, board.you, board.trees, board.coin) == (2, 0, 0, 0)


def test_trees_that_lean_nowhere_are_not_right():
    assert of(calls([0.01, 0.01], [101.0, 99.0], trees=[0.0, 0.0])).trees == 0


def test_what_is_still_to_come_is_counted_apart():
    board = of(calls([0.01, 0.01, 0.01], [101.0, None, None]))
    assert (board.n, board.waiting) == (1, 2)


def test_only_the_last_calls_are_judged():
    board = of(calls([0.01] * 4, [101.0, 101.0, 99.0, 99.0]), 3)
    assert (board.n, board.you) == (3, 1)


def test_without_calls_there_is_nothing_to_say():
    nothing = Scoreboard(0, 0, 0, 0, 0, "no evidence")
    assert of(pd.DataFrame()) == nothing
    assert of(calls([], [])) == nothing
    assert of(calls([0.01], [None])).verdict == "no evidence"


@pytest.mark.parametrize(
    ("raw", "verdict"), [(0.01, "beats naive"), (-0.01, "worse than naive"), (0.0, None)]
)
def test_forty_calls_an_hour_apart_can_carry_a_verdict(raw, verdict):
    came = [101.0] * 40
    right = [raw or 0.01 * (-1) ** row for row in range(40)]
    assert of(calls(right, came)).verdict == (verdict or "no evidence")
    assert of(calls(right[:39], came[:39])).verdict == "no evidence"


def test_calls_whose_outcomes_overlap_carry_less_evidence():
    sides = [0.01] * 100, [101.0] * 100
    assert of(calls(*sides)).verdict == "beats naive"
    assert of(calls(*sides, apart=FIVE_MINUTES)).verdict == "no evidence"


@pytest.mark.parametrize(("apart", "most"), [(1, 9), (2, 5), (3, 3), (4, 3), (8, 2), (9, 1)])
def test_as_many_forecasts_wait_at_once_as_fit_into_the_span(apart, most):
    times = pd.date_range(START, periods=30, freq=apart * FIVE_MINUTES)
    assert most_at_once(times, LONG) == most
    assert most_at_once(times[:1], LONG) == 1


def test_a_burst_of_calls_is_as_many_at_once():
    burst = pd.date_range(START, periods=4, freq=FIVE_MINUTES)
    assert most_at_once(burst.union(burst + pd.Timedelta(days=1)), LONG) == 4


def test_where_the_price_did_not_move_a_coin_would_have_been_wrong_as_well():
    assert of(calls([0.01] * 60, [100.0] * 60)).verdict == "no evidence"


SIDES = st.sampled_from([-0.01, 0.0, 0.01])
PRICES = st.sampled_from([99.0, 100.0, 101.0, None])
ROWS = st.lists(st.tuples(SIDES, PRICES, SIDES, st.sampled_from([HEADS, TAILS])), max_size=60)


def counted(board):
    return (board.n, board.you, board.trees, board.coin, board.waiting)


@given(ROWS)
def test_every_call_is_right_or_wrong_or_waits(rows):
    raw, came, trees, ids = zip(*rows, strict=True) if rows else ((), (), (), ())
    board = of(calls(raw, came, trees=list(trees), ids=list(ids)))
    moved = sum(price not in (None, 100.0) for price in came)
    assert board.n + board.waiting == len(rows)
    assert max(board.you, board.trees, board.coin) <= moved <= board.n
    opposite = of(calls([-side for side in raw], came, trees=[-side for side in trees]))
    undecided = sum(
        side == 0 for side, price in zip(raw, came, strict=True) if price != 100 and price
    )
    assert board.you + opposite.you + undecided == moved


@given(ROWS)
def test_the_trees_of_a_visitor_who_calls_as_they_lean_are_as_often_right(rows):
    raw, came, _, _ = zip(*rows, strict=True) if rows else ((), (), (), ())
    board = of(calls(raw, came, trees=list(raw)))
    assert board.you == board.trees


def test_a_visitor_who_tosses_coins_is_seldom_told_to_differ_from_one():
    random = np.random.default_rng(0)
    verdicts = []
    for _ in range(200):
        way, move = (random.choice([-1.0, 1.0], 60) for _ in range(2))
        verdicts.append(of(calls(way, 100 + move)).verdict)
    assert verdicts.count("no evidence") >= 0.85 * len(verdicts)


def test_the_coin_is_fair_and_the_same_for_everybody():
    times = pd.date_range(START, periods=4_000, freq=FIVE_MINUTES)
    ids = pd.Series([forecast_id("bitstamp", "BTC/USD", LONG, time) for time in times])
    tossed = coin(ids)
    assert set(tossed) == {-1.0, 1.0}
    assert abs(tossed.mean()) < 3 / np.sqrt(len(ids))
    # It does not follow itself, either.
    assert abs((tossed[1:] * tossed[:-1]).mean()) < 3 / np.sqrt(len(ids))
    assert (coin(ids) == tossed).all()


def test_the_coin_of_another_market_is_another_coin():
    times = pd.date_range(START, periods=100, freq=FIVE_MINUTES)
    sides = [
        coin(pd.Series([forecast_id("bitstamp", symbol, LONG, time) for time in times])).tolist()
        for symbol in ("BTC/USD", "ETH/USD")
    ]
    assert sides[0] != sides[1]
