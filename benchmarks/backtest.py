"""Whether a backtest can be believed, and is quick: ``python -m benchmarks.backtest``.

    python -m benchmarks.backtest [--full] [--peers PYTHON]
    python -m benchmarks.backtest --bootstrap N [FILE]

Rules on random walks, a planted edge found live as in the backtest, no look-ahead, and time: that
of a backtest, of a sweep, and from a slider of the page to its figures. Within ten minutes there
are 100 walks, 50 of them with 100 placebos each; ``--full`` takes the 200, 100 and 500 that the
claims are about. ``pip install -r benchmarks/requirements.txt`` brings the peers
of the claim on time; ``--peers`` names the interpreter that has them, if it is another one.
``--bootstrap`` claims nothing: it says where the net P&L of the bundled sample, or of a file of
one-minute candles, stands among those of N other orders of its days.
"""

import argparse
import sys
import time
from collections.abc import Iterator

from benchmarks import bootstrap, edge, luck, pace, sliders
from benchmarks.claims import Claim, at_most, publish
from marketpulse.broker import Broker, Trading
from marketpulse.chain import Gated
from marketpulse.costs import Costs
from marketpulse.paths import path_of
from marketpulse.placebo import SHIFTS, curves, shifts_of
from marketpulse.sweep import grid_of, swept
from marketpulse.tape import taped
from marketpulse.terms import Thresholds


def arguments() -> argparse.Namespace:
    about = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(prog="benchmarks.backtest", description=about)
    parser.add_argument("--full", action="store_true", help="as many walks as are claimed")
    parser.add_argument(
        "--peers", default=sys.executable, metavar="PYTHON", help="interpreter that has the peers"
    )
    parser.add_argument(
        "--bootstrap", type=int, metavar="N", help="instead, the net P&L among N orders of the days"
    )
    parser.add_argument("file", nargs="?", help="candles for --bootstrap: .csv, .csv.gz, .parquet")
    options = parser.parse_args()
    if options.bootstrap is not None and options.bootstrap < 1:
        parser.error("--bootstrap must be at least 1")
    if options.file and options.bootstrap is None:
        parser.error("FILE is for --bootstrap")
    return options


def sweep_claims() -> Iterator[Claim]:
    """A sweep of 20 x 20 on all cores, the second of two: the first one starts the processes."""
    table, candles = pace.market()
    costs = Costs(pace.FEE)
    tape = taped(table, candles, costs)
    trading = Trading("BTC/USD", pace.CASH, pace.AMOUNT, costs)
    rule = Gated(Thresholds(0, 0, 0, 45, "raw", "last buy", amount=pace.AMOUNT), costs)
    seconds = []
    for _ in range(2):
        begun = time.perf_counter()
        made = swept({"raw": tape}, Broker(tape, trading), rule, *grid_of(costs))
        seconds.append(time.perf_counter() - begun)
    trades = sum(cell.trades for cell in made.cells)
    print(f"Sweep: {len(made.cells)} cells, {trades:,} trades, {seconds[0]:.1f} s at first,")
    print(f"  {seconds[1]:.1f} s again; {made.warning}", flush=True)
    yield at_most("Sweep of 20 x 20 over 43,200 bars, s", seconds[1], 25)
    broker = Broker(tape, trading)
    begun, trips = time.process_time(), path_of(tape, broker, rule).trades
    curves(tape, broker, rule, shifts_of(tape)[:20])
    each = (time.process_time() - begun) / 21
    print(f"Placebos: {each * 1e3:.0f} ms for {trips:,} trades, {each * SHIFTS:.0f} s for {SHIFTS}")


def all_claims(options: argparse.Namespace) -> Iterator[Claim]:
    yield from pace.claims(options.peers)
    yield from sweep_claims()
    yield from edge.claims()
    yield from sliders.claims()
    yield from luck.claims(options.full)


def main() -> int:
    options, begun = arguments(), time.perf_counter()
    if options.bootstrap:
        return bootstrap.publish_nets(options.bootstrap, options.file)
    claims = list(all_claims(options))
    print(f"Took {time.perf_counter() - begun:.0f} s")
    return publish("backtest", claims)


if __name__ == "__main__":
    sys.exit(main())
