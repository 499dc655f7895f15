"""Time of a backtest and of a sweep, beside vectorbt and backtesting.py: ``-m benchmarks.pace``.

Where rules are comparable, all get the same signals: buy when the forecast move clears a threshold,
sell when another forecast turns below one, at the next open, 1,000 of 10,000 at 10 bps a trade. The
peers are given the two columns of booleans; ours finds them by the rule. Ours counts every decimal
of the book in ``result_of`` and floats in a cell of a sweep, as the peers do. A sale that depends
on what was paid, and an expiry, vectorbt has only in a callback of one's own and backtesting.py in
Python for each bar: there nothing is compared. Prints seconds as JSON on the last line.
"""

import argparse
import json
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks import simulation
from benchmarks.claims import Claim, at_most, unmeasured
from marketpulse import signals
from marketpulse.backtest import result_of
from marketpulse.bands import BANDS
from marketpulse.broker import Broker, Trading
from marketpulse.chain import Gated
from marketpulse.costs import Costs
from marketpulse.horizons import ONE_MINUTE
from marketpulse.paths import net, path_of
from marketpulse.tape import Tape, taped
from marketpulse.terms import Holding, Known, Term, Thresholds

ROOT = Path(__file__).parents[1]
INSTALL = "pip install -r benchmarks/requirements.txt"
BARS, ROUNDS = 43_200, 3
FEE, CASH, AMOUNT = 10, 10_000.0, 1_000.0
# Basis points that a forecast must clear to buy, and below which the other one sells.
GRID = list(product(np.linspace(8, 20, 10).tolist(), np.linspace(-20, -8, 10).tolist()))
# Columns that vectorbt gets at once: with more it is no quicker and takes gigabytes.
TOGETHER = 20
Cell = tuple[float, float]


def market() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Decisions of a month whose forecasts are noise of 8 bps, and its candles."""
    candles = simulation.candles(simulation.walk(BARS + 1, 0), 0)
    random, price = np.random.default_rng(0), candles["close"].iloc[:-1]
    table = pd.DataFrame({"price": price.to_numpy()}, index=price.index + ONE_MINUTE)
    for label in ("minute", "long"):
        move = random.normal(0, 8e-4, BARS)
        table[f"{label}_price"] = table["price"] * (1 + move)
        table[f"{label}_mae"] = table["price"] * 1e-3
        for end, level in {"middle": 0.5, **BANDS}.items():
            table[f"{label}_{end}"] = move + (level - 0.5) * 4e-3
    return table.assign(volume=10.0), candles


def turn(
    known: Known,
    costs: Costs,  # noqa: ARG001  peers' signals know of none
    at: Thresholds,
    holding: Holding | None,
) -> tuple[Term, ...]:
    """Buys above one threshold and sells below another, whatever was paid."""
    if holding is None:
        move = known["long_price"] / known["price"] - 1
        return (Term("forecast move", move * 1e4), Term("profit margin", -at.margin_bps))
    move = known["minute_price"] / known["price"] - 1
    return (Term("forecast move", -move * 1e4), Term("stop", -at.sell_mae))


def asked(cell: Cell) -> Thresholds:
    rise, fall = cell
    return Thresholds(0, -fall, rise, None, "raw", "last buy", "turn", amount=AMOUNT)


def columns(table: pd.DataFrame, cell: Cell) -> tuple[np.ndarray, np.ndarray]:
    """Entries and exits of a cell, as the peers want them."""
    rise, fall = cell
    long, minute = (table[f"{label}_price"] / table["price"] - 1 for label in ("long", "minute"))
    return (long * 1e4 > rise).to_numpy(), (minute * 1e4 < fall).to_numpy()


def ours(table: pd.DataFrame, candles: pd.DataFrame) -> Callable[[], list[float]]:
    costs = Costs(FEE)
    tape = taped(table, candles, costs)

    def cells() -> list[float]:
        broker = Broker(tape, Trading("BTC/USD", CASH, AMOUNT, costs))
        paths = (path_of(tape, broker, Gated(asked(cell), costs)) for cell in GRID)
        return [net(tape, CASH, path) for path in paths]

    return cells


def vectorbt(table: pd.DataFrame, candles: pd.DataFrame) -> Callable[[], list[float]]:
    import vectorbt as vbt

    opens = candles["open"].iloc[1:].set_axis(table.index)
    close = table["price"].shift(-1).fillna(candles["close"].iloc[-2])

    def some(cells: Sequence[Cell]) -> list[float]:
        both = [columns(table, cell) for cell in cells]
        entries, exits = (np.column_stack([each[n] for each in both]) for n in (0, 1))
        made = vbt.Portfolio.from_signals(
            close, entries, exits, price=opens, size=AMOUNT / opens, size_type="amount",
            fees=FEE / 1e4, init_cash=CASH, accumulate=False, upon_long_conflict="opposite",
        )  # fmt: skip
        return [float(worth) - CASH for worth in made.final_value()]

    def cells() -> list[float]:
        parts = range(0, len(GRID), TOGETHER)
        return [each for start in parts for each in some(GRID[start : start + TOGETHER])]

    return cells


def backtesting(table: pd.DataFrame, candles: pd.DataFrame) -> Callable[[], list[float]]:
    from backtesting import Backtest, Strategy

    bars = candles.iloc[:-1].rename(columns=str.capitalize)[["Open", "High", "Low", "Close"]]
    # It counts whole units only: prices in thousandths of a cent of a coin would be too coarse.
    unit = 1e-6
    bars = bars.tz_localize(None) * unit

    def cells() -> list[float]:
        return [one(cell) for cell in GRID[:1]]

    def one(cell: Cell) -> float:
        entries, exits = columns(table, cell)

        class Turn(Strategy):
            def init(self) -> None:
                pass

            def next(self) -> None:
                row = len(self.data) - 1
                if not self.position and entries[row]:
                    self.buy(size=int(AMOUNT / self.data.Close[-1]))
                elif self.position and exits[row]:
                    self.position.close()

        made = Backtest(bars, Turn, cash=CASH, commission=FEE / 1e4).run()
        return float(made["Equity Final [$]"]) - CASH

    return cells


def timed(work: Callable[[], Any], rounds: int = ROUNDS) -> tuple[float, Any]:
    """Least seconds of some rounds, of this process's own time where others use the machine too."""
    work()
    best, made = float("inf"), None
    for _ in range(rounds):
        begun = time.process_time()
        made = work()
        best = min(best, time.process_time() - begun)
    return best, made


def month(tape: Tape, costs: Costs, at: Thresholds) -> tuple[float, int]:
    """Seconds of a whole backtest, every figure of the Ledger page included, and its trades."""
    trading = Trading("BTC/USD", CASH, AMOUNT, costs)
    seconds, made = timed(lambda: result_of(tape, Broker(tape, trading), Gated(at, costs)))
    return seconds, made.summary.trips.count


def measured() -> dict[str, Any]:
    signals.RULES = {**signals.RULES, "turn": turn}  # type: ignore[misc]
    table, candles = market()
    found: dict[str, Any] = {}
    usual = Thresholds(0.25, 0.25, 0, 45, "raw", "last buy", amount=AMOUNT)
    for name, fee, margin in (("usual", FEE, -12.0), ("restless", 0, 0.0)):
        costs = Costs(fee)
        at = Thresholds(0.0, 0.25, margin, 45, "raw", "last buy", amount=AMOUNT)
        found[name] = month(taped(table, candles, costs), costs, at)
    found["idle"] = month(taped(table, candles, Costs(40)), Costs(40), usual)
    makers = {"ours": ours, "vectorbt": vectorbt, "backtesting": backtesting}
    for name, maker in makers.items():
        if name != "ours" and find_spec(name) is None:
            continue
        seconds, nets = timed(maker(table, candles), 1 if name == "backtesting" else ROUNDS)
        found[name] = {"seconds": seconds / len(nets), "nets": nets}
    return found


def claims(python: str) -> Iterator[Claim]:
    done = subprocess.run(
        [python, "-m", "benchmarks.pace"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        print(f"Pace: {done.stderr.strip()[-500:]}", flush=True)
        yield unmeasured("Backtest of 43,200 bars, s", 1.0, "it failed")
        return
    print(done.stdout.rpartition("\n{")[0], flush=True)
    found = json.loads(done.stdout.splitlines()[-1])
    yield at_most(f"Backtest of {BARS:,} bars, s", found["usual"][0], 1.0)
    claim = "Time per cell over the faster peer's"
    peers = [found[name]["seconds"] for name in ("vectorbt", "backtesting") if name in found]
    if peers:
        yield at_most(claim, found["ours"]["seconds"] / min(peers), 1.0)
    else:
        yield unmeasured(claim, 1.0, INSTALL)


def main() -> int:
    argparse.ArgumentParser(description=__doc__).parse_args()
    warnings.simplefilter("ignore")  # the peers warn of what they themselves do
    found = measured()
    print(f"Pace: {BARS:,} bars, {len(GRID)} cells, least processor time of {ROUNDS} rounds")
    for name in ("usual", "restless", "idle"):
        seconds, trips = found[name]
        print(f"  whole backtest, {name}: {trips:,} round trips in {seconds:.2f} s")
    for name in ("ours", "vectorbt", "backtesting"):
        if name in found:
            first = found[name]["nets"][0]
            print(f"  {name}: {found[name]['seconds'] * 1e3:.1f} ms a cell, first P&L {first:.4f}")
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
