import numpy as np
import pandas as pd
import pytest

from marketpulse import model
from marketpulse.events import Missed, Rejection, Side
from marketpulse.horizons import ONE_MINUTE
from marketpulse.settings import Settings
from marketpulse.walks import walk
from tests.build import START, candles
from tests.build import walk as random_walk
from tests.live_app import backtested, lived
from tests.test_market import SMALL

BARS = 60
BEGIN = START + 3_000 * ONE_MINUTE
# Forgives enough to trade all the time.
EAGER = Settings(
    fee=5, spread=1, impact=20, buy_mae=0.02, sell_mae=0.02, margin=-40, centre="raw", hold=3,
    max_trades=600, tail=50,
)  # fmt: skip
ASKED = {
    "distance": EAGER,
    "chance": EAGER.changed(
        rule="chance", chance=30, margin=-40, hold=5, reference="average cost", impact=0
    ),
    "short of cash": EAGER.changed(ticket=9_990),
}


def thin_market():
    """Candles in some of which nothing is traded, for a minute or for four in a row."""
    frame = random_walk(3_100, seed=3)
    empty = np.zeros(len(frame), dtype=bool)
    for first, count in ((3_025, 1), (3_032, 4), (3_045, 2)):
        empty[first : first + count] = True
    volume = np.where(empty, 0.0, frame["volume"])
    close = frame["close"].where(~empty).ffill()
    made = candles(close, volume=volume, filled=np.flatnonzero(empty))
    wicks = {name: frame[name].where(~empty, close) for name in ("high", "low")}
    return made.assign(
        high=np.maximum(made["high"], wicks["high"]), low=np.minimum(made["low"], wicks["low"])
    )


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """For each rule the book of the app's own live loop, and that of a backtest."""
    with pytest.MonkeyPatch.context() as patch:
        for label, plan in SMALL.items():
            patch.setitem(model.PLANS, label, plan)
        frame, span = thin_market(), {"start": BEGIN, "bars": BARS}
        made = walk(frame, EAGER.horizons)
        books = lived(frame, list(ASKED.values()), tmp_path_factory.mktemp("home"), **span)
        decisions = made.decisions(EAGER.tail, EAGER.centre)
        tests = [backtested(frame, decisions, asked, **span) for asked in ASKED.values()]
    return dict(zip(ASKED, zip(books, tests, strict=True), strict=True))


def figures(ledger):
    return [(f.time, f.side, f.quantity, f.price, f.fee, f.reason) for f in ledger.fills]


@pytest.mark.parametrize("name", ASKED)
def test_the_app_s_own_live_loop_makes_the_trades_of_the_backtest_to_the_last_place(both, name):
    live, backtest = both[name]
    assert figures(live) == figures(backtest)
    assert (live.cash, live.realised, live.fees) == (
        backtest.cash,
        backtest.realised,
        backtest.fees,
    )


def test_they_agree_over_many_trades_and_over_bars_in_which_nothing_is_traded(both):
    assert len(both["distance"][0].fills) >= 20
    events = both["distance"][0].events
    assert any(isinstance(event, Missed) for event in events)
    gap = pd.DatetimeIndex([BEGIN + minutes * ONE_MINUTE for minutes in (25, 32, 33, 34, 35)])
    assert not any(fill.time in gap for fill in both["distance"][0].fills)


def test_both_stop_buying_when_the_cash_no_longer_pays_the_amount(both):
    live, backtest = both["short of cash"]
    assert sum(fill.side == Side.BUY for fill in backtest.fills) < 3
    refused = [event for event in live.events if isinstance(event, Rejection)]
    assert refused
    assert all("with the fee, but the cash is" in event.sentence for event in refused)
