"""Faults that are met by a market rather than by a source: what a visitor would see of them."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd

from benchmarks import rules
from benchmarks.stages import SYMBOL, VENUES, Stage, lost, made_up, staged
from marketpulse import candles as candle_table
from marketpulse import charts, features, health, model, report, track
from marketpulse.horizons import FIVE_MINUTES, MINUTE, ONE_MINUTE
from marketpulse.market import Feed, Market
from marketpulse.model import Plan
from marketpulse.settings import Settings
from marketpulse.snapshot import MarketKey, Snapshot
from marketpulse.sources import CandleSource
from marketpulse.sources.chain import ChainSource

Scene = Callable[[Stage], list[str]]

ROOT = Path(__file__).parents[1]
SETTINGS = Settings()
# Enough for a forecast; how good it is does not matter here.
SMALL = {
    "minute": Plan(train_bars=300, min_train_bars=200, calibration_bars=100),
    "long": Plan(train_bars=120, min_train_bars=80, calibration_bars=60),
}
A_MINUTE_S, TWO_MINUTES_S = 60.0, 125.0
# A venue that answers is waited for, however busy this machine is.
PATIENCE_S = 12.0
# When clocks are set in New York, and days like others elsewhere.
ZONES = ("America/New_York", "Asia/Kolkata", "Pacific/Apia")
CHANGES = ("2024-03-10 07:30", "2024-11-03 06:30")


def use_small_models() -> None:
    """Let every market of this process make do with little history."""
    track.PLANS = SMALL


def opened(stage: Stage, *sources: CandleSource) -> Market:
    """A market that asks these, the first one rather than the second."""
    chain = ChainSource(sources, patience=PATIENCE_S)
    market = Market(
        MarketKey("auto", SYMBOL), lambda _: Feed(chain),
        lambda _, data, fit_at, plan: model.fit(data, fit_at, plan), asked_at=stage.clock.now(),
    )  # fmt: skip
    market.want([], tail=1, refresh=pd.Timedelta(seconds=SETTINGS.refresh))
    return market


def settled(stage: Stage, market: Market) -> Snapshot:
    """What is on screen when all that is due is done."""
    market.step(stage.clock.now())
    while market.busy:
        market.step(stage.clock.now())
    return market.snapshot


def unless(holds: bool, problem: str) -> list[str]:
    """The problem, if it is one."""
    return [] if holds else [problem]


def told_of(shown: pd.DataFrame, right: pd.DataFrame) -> list[str]:
    """What is wrong with the candles on screen."""
    return unless(made_up(shown, right) == 0, f"{made_up(shown, right)} candles are made up")


def inactive(shown: Snapshot) -> list[str]:
    """What is wrong if something is acted on."""
    decided = report.signal(report.build(shown, SETTINGS), shown, None)
    acts = decided is not None and bool(decided.terms)
    return unless(not acts, "a signal is given") + unless(
        bool(health.refusal(shown)), "a trade would be filled"
    )


def offline(stage: Stage) -> list[str]:
    """F08: nobody answers any more."""
    market = opened(stage, stage.source())
    before = settled(stage, market)
    stage.server.fail(stage.venue, "reset")
    stage.clock.jump(TWO_MINUTES_S)
    shown = settled(stage, market)
    kept = shown.candles.equals(before.candles) and shown.has_candles
    return unless(kept, "the last good candles are gone") + unless(
        health.offline(shown) and "cannot be reached" in shown.problem, "it is not said to be so"
    )


def gap(stage: Stage) -> list[str]:
    """F16: no forecast from a window with five minutes absent."""
    stage.server.fail(stage.venue, "gap")
    shown = settled(stage, opened(stage, stage.source()))
    made = shown.outlooks[MINUTE]
    right = rules.told(stage.truth, "gap", stage.venue, stage.clock.now())
    return told_of(shown.candles, right) + unless(
        made.forecast is None and "gap" in made.missing, "a forecast is made over the gap"
    )


def stale(stage: Stage) -> list[str]:
    """F18: nothing is acted on, and the age is told."""
    stage.server.fail(stage.venue, "stale")
    shown = settled(stage, opened(stage, stage.source()))
    said = health.freshness(shown) == "stale" and "No candle for 1 h" in health.standing(shown)
    return inactive(shown) + unless(said, "it is not said to be stale")


def clock(stage: Stage) -> list[str]:
    """F19: nothing is acted on while nobody knows what time it is."""
    market = opened(stage, stage.source())
    settled(stage, market)
    stage.server.fail(stage.venue, "fast-clock")
    stage.clock.jump(A_MINUTE_S)
    shown = settled(stage, market)
    said = not shown.clock_known and "clock is 5 min behind" in shown.problem
    return inactive(shown) + unless(said, "it is not said that the clock is off")


def wick(stage: Stage) -> list[str]:
    """F20: marked, kept out of the features, and no price to trade at."""
    stage.server.fail(stage.venue, "wick")
    shown = settled(stage, opened(stage, stage.source()))
    right = rules.told(stage.truth, "wick", stage.venue, stage.clock.now())
    hit = candle_table.wicks(shown.candles)
    bar = shown.candles[hit]
    seen = features.build(shown.candles).abs().max().max()
    unhurt = features.build(stage.truth[stage.truth.index <= shown.candles.index[-1]])
    body = (bar["close"] / shown.candles["close"].iloc[-1] - 1).abs().max()
    traces = charts.price_chart(shown.candles, None, None).data
    marked = any(trace.name == "Unusual wick" for trace in traces)
    return [
        *told_of(shown.candles, right),
        *unless(len(bar) == 1, "it is not told as a wick"),
        *unless(marked, "it is not marked on the chart"),
        *unless(seen < 10 * unhurt.abs().max().max(), "features see it"),
        *unless(body < 0.03 and abs(shown.price / bar["close"].iloc[0] - 1) < 0.03, "its price"),
    ]


def west(stage: Stage) -> list[str]:
    """F29: candles of local time are refused, or too old to be acted on."""
    stage.server.fail(stage.venue, "local-time")
    return inactive(settled(stage, opened(stage, stage.source())))


def revised(stage: Stage) -> list[str]:
    """F31: the newest word counts, is told, and forecasts that stood on the older one are gone."""
    stage.server.fail(stage.venue, "revised")
    market = opened(stage, stage.source())
    before = settled(stage, market)
    bar = before.candles.index[-2]
    stage.clock.jump(A_MINUTE_S)
    shown = settled(stage, market)
    now = shown.candles.loc[bar, "close"]
    said = shown.outlooks[MINUTE].predictions["close"].get(bar + ONE_MINUTE)
    return [
        *unless(now == round(stage.truth.loc[bar, "close"] * 1.01, 8), "the older word is shown"),
        *unless(dict(shown.report.flagged).get("revised", 0) > 0, "it is not told"),
        *unless(said == now, "a forecast stands on the older word"),
    ]


def changed(stage: Stage) -> list[str]:
    """F32: all is read again from the other venue, and no forecast of the old one stays."""
    market = opened(stage, stage.source(), stage.other_source())
    before = settled(stage, market)
    stage.server.fail(stage.venue, 503)
    stage.clock.jump(A_MINUTE_S)
    shown = settled(stage, market)
    right = rules.told(stage.others_truth, "", stage.other, stage.clock.now())
    said = shown.outlooks[MINUTE].predictions
    stands = said["close"] == right["close"].reindex(said.index - ONE_MINUTE).to_numpy()
    first = shown.candles.index[0]
    return [
        *unless(before.venue == stage.venue, "the venue was not in use"),
        *unless(shown.venue == stage.other, "the other venue is not in use"),
        *told_of(shown.candles, right),
        *unless(lost(shown.candles, right, first) == 0, "candles are lost"),
        *unless(len(shown.candles) > 1000, "the window is not read again"),
        *unless(bool(stands.all()) and len(said) > 0, "forecasts of the old venue stay"),
    ]


def longer_bars(stage: Stage) -> list[str]:
    """F26: longer bars are whole groups of minutes, by their own clock."""
    shown = settled(stage, opened(stage, stage.source())).candles
    groups = shown.resample(FIVE_MINUTES, closed="left", label="left")
    right = groups.agg(
        {"open": "first", "high": "max", "low": "min", "close": "last"}
    )[groups.size() == 5]  # fmt: skip
    made = candle_table.resample(shown, FIVE_MINUTES)
    same = made.index.equals(right.index) and bool((made[right.columns] == right).all(axis=None))
    return unless(same and len(made) > 100, "a longer bar is no group of five minutes")


SCENES: dict[str, Scene] = {
    "F08": offline,
    "F16": gap,
    "F18": stale,
    "F19": clock,
    "F20": wick,
    "F26": longer_bars,
    "F29": west,
    "F31": revised,
    "F32": changed,
}


# Local time ---------------------------------------------------------------------------------------


def read_on(day: str, venue: str) -> list[str]:
    """What is wrong with three hours of candles around a moment."""
    with staged(venue, at=pd.Timestamp(day, tz="UTC")) as stage:
        now = stage.clock.now()
        start = now.floor("min") - pd.Timedelta(hours=3)
        pages = [page.candles for page in stage.source().pages(SYMBOL, start=start, now=now)]
        right = rules.told(stage.truth, "", venue, now)
        wrong = sum(made_up(page, right) for page in pages) + lost(pd.concat(pages), right, start)
        return unless(wrong == 0, f"{wrong} candles are wrong on {day}")


def zones() -> dict[str, list[str]]:
    """What is wrong at each venue in any of three zones: every zone in a process of its own."""

    def read_in(zone: str) -> dict[str, list[str]]:
        command = [sys.executable, "-W", "ignore", "-m", "benchmarks.scenes"]
        done = subprocess.run(
            command, cwd=ROOT, env=os.environ | {"TZ": zone}, check=True, capture_output=True,
            text=True,
        )  # fmt: skip
        return {v: [f"{p} in {zone}" for p in each] for v, each in json.loads(done.stdout).items()}

    with ThreadPoolExecutor(len(ZONES)) as pool:
        found = list(pool.map(read_in, ZONES))
    return {venue: [p for each in found for p in each[venue]] for venue in VENUES}


if __name__ == "__main__":
    print(json.dumps({v: [p for day in CHANGES for p in read_on(day, v)] for v in VENUES}))
