"""Whether any fault of a venue is met as it should be: ``python -m benchmarks.faults``.

Every failure mode F01 to F35 is staged at every venue by each fault that brings it about: a server
on loopback speaks the venue's wire format, and the real ccxt or yfinance reads it, through the real
sources, gateways and chain. A cell is right only if the error is of the right kind and says why in
one sentence, the venue is asked as often as it should be and left alone for as long, the chain goes
on to the other venue or stays, every candle is one that the venue told, and all of it within 12 s.
The other venue's prices are 1 % higher, so that no candle of one can pass for one of the other.
Where the market decides, `benchmarks.scenes` looks at what a visitor would see.
"""

import re
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import reduce

import pandas as pd

from benchmarks import rules, scenes
from benchmarks.claims import Claim, at_most, publish
from benchmarks.rules import MODES, Right
from benchmarks.stages import SYMBOL, VENUES, WINDOW, Stage, lost, made_up, staged
from marketpulse import candles as candle_table
from marketpulse.candles import Cleaned
from marketpulse.errors import BadReply, DataError, UnknownSymbol
from marketpulse.horizons import ONE_MINUTE
from marketpulse.sources import CandleSource
from marketpulse.sources.chain import ChainSource
from tests import ccxt_contract
from tests.exchange_server import (
    Fault,
    Kind,
    cannot,
    refused_url,
    silent_url,
    spelled,
    unresolvable_url,
)
from tests.exchange_server.replies import healthy, spoiled

LONGEST_S = 12.0
MOST_INAPPLICABLE = 16
# Most of the time goes into waiting. Yahoo's client serves one caller at a time.
EXCHANGES_AT_ONCE = 6
# Every page of a venue that sends four candles costs a request.
SHORT_WINDOW = pd.Timedelta(minutes=30)
# A venue that failed at each of these is left alone for so long.
SYMBOLS, REST_S = ("ETH/USD", "BTC/USDT", "BTC/USDC"), 30.0

# A fault of the transport strikes lists and prices as well as candles.
TRANSPORT = tuple(f"F{number:02}" for number in range(1, 13))
PRICED = ("F21", "F28", "F30")
LISTED = ("F24", "F25")

# One sentence, with no trace of how it came about.
SENTENCE = re.compile(r"[A-Za-z][^\n<>{}]{10,200}[^.\s]\.")


@dataclass(slots=True)
class Cell:
    """One failure mode of one venue.

    Attributes
    ----------
    problems : list of str
    fakes : int
        Candles that were made up.
    slowest : float
        Seconds until the last answer or sentence.
    reason : str
        Why it does not apply; empty if it does.
    """

    problems: list[str] = field(default_factory=list)
    fakes: int = 0
    slowest: float = 0.0
    reason: str = ""

    @property
    def verdict(self) -> str:
        """One word of the matrix."""
        return "n/a" if self.reason else "WRONG" if self.problems else "ok"

    def expect(self, holds: bool, problem: str) -> None:
        """Note a problem, if it is one."""
        if not holds:
            self.problems.append(problem)

    def add(self, other: "Cell", where: str) -> None:
        """Take in what one fault did."""
        self.problems += [f"{where}: {problem}" for problem in other.problems]
        self.fakes += other.fakes
        self.slowest = max(self.slowest, other.slowest)


def joined(pages: Iterable[Cleaned]) -> tuple[pd.DataFrame, Cleaned]:
    """All candles of some pages, and the newest page."""
    got = list(pages)
    whole = reduce(
        lambda newer, page: candle_table.merge(page.candles, newer, ONE_MINUTE), got,
        candle_table.empty(),
    )  # fmt: skip
    return whole, got[0]


def failure(
    ask: CandleSource, symbol: str, start: pd.Timestamp, now: pd.Timestamp
) -> DataError | None:
    """The error with which a source answers, if it does not send candles."""
    try:
        list(ask.pages(symbol, start=start, now=now))
    except DataError as error:
        return error
    return None


def asked(stage: Stage, kind: Kind) -> int:
    """Requests of a kind that the venue has had."""
    return sum(each.kind == kind for each in stage.server.log if each.venue == stage.venue)


def require_sentence(cell: Cell, error: DataError, right: Right) -> None:
    text = str(error)
    cell.expect(type(error) is right.error, f"{type(error).__name__}: {text}")
    cell.expect(right.says in text, f"it says {text!r}")
    cell.expect(bool(SENTENCE.fullmatch(text)), f"no sentence: {text!r}")


def require_standing(cell: Cell, stage: Stage, source: CandleSource, right: Right) -> None:
    """Check what is told of the venue, and that it is let alone, and asked again in time."""
    now = stage.clock.now()
    state = source.provenance(now).venues[0]
    cell.expect(state.state == right.state, f"its state is {state.state}")
    cell.expect((right.error is None) == (not state.error) or right.error is UnknownSymbol,
                f"its error is told as {state.error!r}")  # fmt: skip
    if right.state == "banned":
        left = (state.until - now).total_seconds() if state.until is not None else 0.0
        cell.expect(right.seconds - LONGEST_S < left <= right.seconds, f"left alone for {left} s")
        require_ban(cell, stage, source, left)
    elif right.state == "blocked":
        stage.clock.jump(1e6)
        require_silence(cell, stage, source)
    elif right.error is UnknownSymbol:
        require_silence(cell, stage, source)
    elif right.error is not None:
        stage.server.heal(stage.venue)
        require_answer(cell, stage, source)


def require_ban(cell: Cell, stage: Stage, source: CandleSource, left: float) -> None:
    """Check that a venue is asked after so many seconds, and not before."""
    stage.clock.jump(left - 2)
    require_silence(cell, stage, source)
    stage.clock.jump(4)
    stage.server.heal(stage.venue)
    require_answer(cell, stage, source)


def require_silence(cell: Cell, stage: Stage, source: CandleSource) -> None:
    """Check that a question that was never asked before is refused without a request."""
    before = len(stage.server.log)
    try:
        source.quote(SYMBOL, now=stage.clock.now())
    except DataError as error:
        cell.expect(bool(SENTENCE.fullmatch(str(error))), f"no sentence: {error}")
    else:
        cell.expect(False, "it answers though it is to be left alone")
    cell.expect(len(stage.server.log) == before, "it is asked though it is to be left alone")


def require_answer(cell: Cell, stage: Stage, source: CandleSource) -> None:
    """Check that a venue that is well again is asked again."""
    try:
        source.quote(SYMBOL, now=stage.clock.now())
    except DataError as error:
        cell.expect(False, f"well again, it is not asked: {error}")


def require_rest(cell: Cell, stage: Stage, source: CandleSource) -> None:
    """Check that a venue rests after three failures, and is tried once afterwards."""
    for symbol in SYMBOLS:
        failure(source, symbol, stage.clock.now() - WINDOW, stage.clock.now())
    now = stage.clock.now()
    state = source.provenance(now).venues[0]
    cell.expect(state.state == "resting", f"after three failures its state is {state.state}")
    if state.until is not None:
        left = (state.until - now).total_seconds()
        cell.expect(REST_S - LONGEST_S < left <= REST_S, f"it rests for {left} s")
        require_ban(cell, stage, source, left)


def require_candles(
    cell: Cell, stage: Stage, fault: str, shown: pd.DataFrame, newest: Cleaned, right: Right,
    start: pd.Timestamp,
) -> None:  # fmt: skip
    """Check candles that are used although something was wrong with them."""
    told = rules.told(stage.truth, fault, stage.venue, stage.clock.now())
    require_told(cell, shown, start, told, *rules.also(told, fault, stage.venue))
    report = newest.report
    counted = {rule for rule, _ in (*report.dropped, *report.flagged)}
    cell.expect(counted == set(right.rules), f"counted: {', '.join(sorted(counted)) or 'nothing'}")


def require_told(cell: Cell, shown: pd.DataFrame, start: pd.Timestamp, *told: pd.DataFrame) -> None:
    """Check that candles are all that was told from ``start`` on, and nothing else."""
    fakes, missing = made_up(shown, *told), lost(shown, told[0], start)
    cell.fakes += fakes
    cell.expect(fakes == 0, f"{fakes} candles are made up")
    cell.expect(missing == 0, f"{missing} candles are lost")


# One fault ---------------------------------------------------------------------------------------


def read(stage: Stage, mode: str, fault: str, door: Kind, url: str | None = None) -> Cell:
    """Ask for candles through a chain that knows one more venue, and check all that comes of it.

    Parameters
    ----------
    stage : Stage
        Its fault is ordered.
    mode, fault : str
    door : Kind
        The kind of request that fails.
    url : str, optional
        Where the venue is looked for, if not where it is.
    """
    cell, right = Cell(), rules.right(mode, fault, stage.venue)
    source = stage.source(url)
    patience = {} if right.error is not None else {"patience": scenes.PATIENCE_S}
    chain = ChainSource([source, stage.other_source()], **patience)
    now = stage.clock.now()
    start = now.floor("min") - (SHORT_WINDOW if mode == "F27" else WINDOW)
    begun = time.monotonic()
    shown, newest = joined(chain.pages(SYMBOL, start=start, now=now))
    cell.slowest = time.monotonic() - begun
    if right.error is None:
        cell.expect(chain.venue == stage.venue, f"{chain.venue} is chosen")
        require_candles(cell, stage, fault, shown, newest, right, start)
    else:
        cell.expect(chain.venue == stage.other, f"{chain.venue} is chosen")
        others = rules.told(stage.others_truth, "", stage.other, stage.clock.now())
        require_told(cell, shown, start, others)
        # Its gateway knows the answer to this question, or is about to.
        error = failure(source, SYMBOL, start, now)
        cell.slowest = max(cell.slowest, time.monotonic() - begun)
        if error is None:
            cell.expect(False, "no error")
            return cell
        require_sentence(cell, error, right)
        count = asked(stage, door)
        cell.expect(url is not None or count == right.asked, f"asked {count} times")
    if url is None:
        require_standing(cell, stage, source, right)
    cell.expect(cell.slowest <= LONGEST_S, f"it takes {cell.slowest:.1f} s")
    return cell


def priced(stage: Stage, mode: str, fault: str) -> Cell:
    """Ask for a price, the list of pairs or the price being at fault: an error, or the right price.

    What an error says of candles need not be what it says of these.
    """
    cell, right = Cell(), rules.right(mode, fault, stage.venue)
    source, begun, before = stage.source(), time.monotonic(), stage.clock.now()
    try:
        quote = source.quote(SYMBOL, now=before)
    except DataError as error:
        kinds = (right.error, BadReply)
        cell.expect(type(error) in kinds, f"{type(error).__name__}: {error}")
        cell.expect(bool(SENTENCE.fullmatch(str(error))), f"no sentence: {error}")
    else:
        cell.expect(mode in PRICED or fault == "thousands", f"{quote.price} is taken for a price")
        low, high = sorted(last_trade(stage, at) for at in (before, stage.clock.now()))
        cell.expect(low <= quote.price <= high, f"{quote.price} is no price of now")
        age = abs((before - quote.time).total_seconds())
        cell.expect(age < 60 + LONGEST_S, f"the price is said to be of {quote.time}")
    cell.slowest = time.monotonic() - begun
    cell.expect(cell.slowest <= LONGEST_S, f"it takes {cell.slowest:.1f} s")
    return cell


def last_trade(stage: Stage, at: pd.Timestamp) -> float:
    """Price at a moment: on the way from the forming bar's open to its close."""
    bar = stage.truth.loc[at.floor("min")]
    part = (at - at.floor("min")) / ONE_MINUTE
    return round(float(bar["open"] + (bar["close"] - bar["open"]) * part), 8)


def doors(mode: str, fault: Fault, venue: str) -> Iterator[Kind]:
    """The kinds of request at which a fault is staged, the one for candles first."""
    if venue == "yahoo":
        yield "candles"
        return
    yield "markets" if mode in LISTED or mode == "F34" else "candles"
    if mode in TRANSPORT:
        if fault != "thousands":
            yield "markets"
        yield "ticker"
    elif mode in PRICED:
        yield "ticker"


def struck(mode: str, fault: Fault, venue: str) -> Cell:
    """What comes of one fault of one venue, at all kinds of request that it can strike."""
    cell, name = Cell(), spelled(fault)
    for number, door in enumerate(doors(mode, fault, venue)):
        with staged(venue) as stage:
            stage.server.fail(venue, fault, on=(door,))
            once = read(stage, mode, name, door) if number == 0 else priced(stage, mode, name)
            cell.add(once, f"{name} on {door}")
    if (mode, fault) == ("F05", 500):
        cell.add(rested(venue), name)
    return cell


def rested(venue: str) -> Cell:
    """What comes of three failures in a row."""
    cell = Cell()
    with staged(venue) as stage:
        stage.server.fail(venue, 500)
        require_rest(cell, stage, stage.source())
    return cell


def nowhere(mode: str, address: str, venue: str) -> Cell:
    """What comes of an address at which there is no venue."""
    with ExitStack() as stack:
        url = {
            "silent address": lambda: stack.enter_context(silent_url()),
            "refused address": refused_url,
            "unknown host": unresolvable_url,
        }[address]()
        cell = Cell()
        cell.add(read(stack.enter_context(staged(venue)), mode, address, "candles", url), address)
        return cell


def scene(mode: str, venue: str) -> Cell:
    """What a visitor would see of it."""
    with staged(venue) as stage:
        cell = Cell()
        cell.add(Cell(scenes.SCENES[mode](stage)), "on screen")
        return cell


def contract(venue: str) -> Cell:
    """Whether ccxt and the errors that we make of its errors are as agreed."""
    return Cell(ccxt_contract.differences(venue))


# The matrix --------------------------------------------------------------------------------------

Matrix = dict[tuple[str, str], Cell]


def excluded(mode: str, venue: str) -> dict[str, str]:
    """Faults of a mode that a venue cannot have, and why."""
    faults = rules.scripted(mode)
    reasons = {spelled(f): cannot(venue, f) or rules.beyond(f, venue) for f in faults}
    return {name: reason for name, reason in reasons.items() if reason}


def begun(mode: str, venue: str, pool: ThreadPoolExecutor) -> list["Future[Cell]"]:
    """All that makes up one cell, under way."""
    if mode == "F35":
        return [pool.submit(contract, venue)]
    left_out = excluded(mode, venue)
    faults = [fault for fault in rules.scripted(mode) if spelled(fault) not in left_out]
    jobs = [pool.submit(struck, mode, fault, venue) for fault in faults]
    jobs += [pool.submit(nowhere, mode, each, venue) for each in rules.ADDRESSES.get(mode, ())]
    if mode in scenes.SCENES:
        jobs.append(pool.submit(scene, mode, venue))
    return jobs


def prepare() -> None:
    """Have all at hand that would keep the first one waiting who asks for it, and no other."""
    scenes.use_small_models()
    spoiled(healthy([]), "zip-bomb")
    for venue in VENUES:
        with staged(venue) as stage:
            scenes.settled(stage, scenes.opened(stage, stage.source()))


def matrix(modes: Iterable[str] = MODES, venues: Iterable[str] = VENUES) -> Matrix:
    """Every cell of the matrix, by mode and venue."""
    prepare()
    away = scenes.zones() if "F29" in modes else {}
    with ThreadPoolExecutor(EXCHANGES_AT_ONCE) as pool, ThreadPoolExecutor(1) as one:
        reasons = {(m, v): rules.inapplicable(m, v) for m in modes for v in venues}
        jobs = {
            (mode, venue): begun(mode, venue, one if venue == "yahoo" else pool)
            for (mode, venue), reason in reasons.items()
            if not reason
        }
        cells = {key: Cell(reason=reason) for key, reason in reasons.items()}
        for key, parts in jobs.items():
            for part in parts:
                done = part.result()
                cells[key].problems += done.problems
                cells[key].fakes += done.fakes
                cells[key].slowest = max(cells[key].slowest, done.slowest)
        for venue in venues if away else ():
            cells["F29", venue].problems += away[venue]
    return cells


def show(cells: Matrix) -> None:
    """Print the matrix, what is wrong, and what does not apply."""
    modes, venues = (list(dict.fromkeys(keys)) for keys in zip(*cells, strict=True))
    print(f"{'':38}" + "".join(f"{venue:>10}" for venue in venues))
    for mode in modes:
        words = "".join(f"{cells[mode, venue].verdict:>10}" for venue in venues)
        print(f"{mode}  {MODES[mode]:<33}{words}")
    for (mode, venue), cell in cells.items():
        for problem in cell.problems:
            print(f"WRONG  {mode} {venue}: {problem}")
    for (mode, venue), cell in cells.items():
        if cell.reason:
            print(f"n/a    {mode} {venue}: {cell.reason}")
    print("Single faults that are left out of cells that apply:")
    left_out = [(*key, *each) for key, cell in cells.items() if not cell.reason
                for each in excluded(*key).items()]  # fmt: skip
    for mode, venue, fault, reason in left_out:
        print(f"       {mode} {venue} {fault}: {reason}")


def fault_claims(cells: Matrix) -> list[Claim]:
    """Claims on a matrix."""
    verdicts = [cell.verdict for cell in cells.values()]
    applicable = len(verdicts) - verdicts.count("n/a")
    return [
        at_most(f"Fault matrix: wrong cells of {applicable}", verdicts.count("WRONG"), 0),
        at_most("Fault matrix: cells that do not apply", verdicts.count("n/a"), MOST_INAPPLICABLE),
        at_most("Fault matrix: made-up candles", sum(cell.fakes for cell in cells.values()), 0),
        at_most(
            "Fault matrix: longest wait for an answer or a sentence, s",
            max(cell.slowest for cell in cells.values()),
            LONGEST_S,
        ),
    ]


def main() -> int:
    begun_at = time.perf_counter()
    cells = matrix()
    show(cells)
    print(f"Took {time.perf_counter() - begun_at:.0f} s")
    return publish("faults", fault_claims(cells))


if __name__ == "__main__":
    sys.exit(main())
