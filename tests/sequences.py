"""Random lives of a paper book, drawn from a seed and held against the oracle and the invariants.

Every kind of event occurs, with what a book must refuse: sales of more than is held, purchases
beyond the cash, figures off the grid, and events that come again.
"""

import math
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random

import numpy as np
import pandas as pd

from marketpulse.costs import Costs
from marketpulse.errors import LedgerError
from marketpulse.events import Armed, Deposit, Disarmed, Fill, Missed, Order, Rejection, Side
from marketpulse.fills import Price, outcome
from marketpulse.horizons import ONE_MINUTE
from marketpulse.ledger import Ledger, append
from tests.invariants import Tally
from tests.oracle import Book, Tape, micros, units

START = pd.Timestamp("2026-01-05", tz="UTC")
BARS = 240
FEES = (0.0, 0.07, 10.0, 40.0, 99.9)
HALF_SPREADS = (0.0, 0.0, 0.5, 3.3, 25.0)
IMPACTS = (0.0, 0.0, 5.0, 80.0, 2500.0)
LATENCIES = (0.0, 0.0, 0.25, 1.5, 61.0)


@dataclass
class Life:
    """One book's life so far."""

    seed: int
    random: Random = field(init=False)
    ledger: Ledger = field(default_factory=Ledger)
    book: Book = field(default_factory=Book)
    tally: Tally = field(default_factory=Tally)
    fills: int = 0
    refused: int = 0
    rejected: int = 0
    differences: int = 0
    count: int = 0

    def __post_init__(self):
        self.random = Random(self.seed)
        level = 10 ** self.random.uniform(-6, 5)
        self.candles = candles(self.seed, level)
        self.tape = Tape(self.candles)
        self.price = Decimal(str(float(f"{level:.6g}")))
        self.symbols = ["BTC/USD"] if self.random.random() < 0.8 else ["BTC/USD", "ETH/USD"]

    def name(self):
        self.count += 1
        return str(self.count)

    def some_time(self):
        return START + pd.Timedelta(self.random.randrange(BARS * 60 * 10**6), "us")

    def some_price(self):
        """A price near the level, at any number of places up to the 12th."""
        near = self.price * Decimal(str(round(self.random.uniform(0.5, 1.6), 6)))
        places = Decimal(1).scaleb(-self.random.randint(2, 12))
        return near.quantize(places) or near.quantize(Decimal("1e-12"))

    def some_quantity(self, most):
        cut = most * Decimal(str(round(self.random.uniform(0.001, 1.05), 4)))
        return max(cut.quantize(Decimal("1e-8")), Decimal("1e-8"))

    def held(self, symbol):
        position = self.ledger.positions.get(symbol)
        return position.quantity if position else Decimal(0)

    def take(self, event, order=None, frame=None):
        """Carry an event out in both books; they must agree on whether that is possible."""
        before = self.ledger
        try:
            self.ledger = append(before, event)
        except LedgerError:
            self.refused += 1
            self.differences += self.book.take(event)
            return False
        if not self.book.take(event):
            self.differences += 1
        self.tally.take(event)
        if isinstance(event, Fill):
            self.fills += 1
            if event.receipt is not None:
                self.tally.check_price(event, order, frame)
        self.differences += len(self.book.differences(self.ledger))
        self.tally.check_money(self.ledger, dict.fromkeys(self.symbols, self.price))
        return True


def candles(seed, level):
    """A random walk with gaps, and volumes of which some are zero or unknown."""
    rng = np.random.default_rng(seed)
    close = level * np.exp(np.cumsum(rng.normal(0, 2e-3, BARS)))
    opening = close * np.exp(rng.normal(0, 5e-4, BARS))
    volume = rng.lognormal(0, 1, BARS) * 1000 / level
    volume[rng.random(BARS) < 0.05] = 0.0
    volume[rng.random(BARS) < 0.05] = math.nan
    columns = {
        "open": opening,
        "high": np.maximum(opening, close) * 1.001,
        "low": np.minimum(opening, close) * 0.999,
        "close": close,
        "volume": volume,
        "filled": rng.random(BARS) < 0.05,
    }
    index = pd.date_range(START, periods=BARS, freq=ONE_MINUTE, unit="us", name="open_time")
    return pd.DataFrame(columns, index=index)


def lived(seed, fills, *, written=True):
    """A life of at least so many fills, every event checked; the costly checks come at its end.

    Those of the journal and the file (I9, I10) are left out if it is not ``written``.
    """
    life = Life(seed)
    life.take(Deposit(life.name(), START, Decimal(life.random.randrange(10**10)).scaleb(-2) + 1))
    deeds = (_order, _fill, _deposit, _switch, _repeat, _hostile)
    while life.fills < fills:
        (deed,) = life.random.choices(deeds, (15, 70, 5, 3, 4, 3))
        deed(life)
    _check_whole(life)
    if written:
        _check_written(life)
    return life


def _order(life):
    order = _some_order(life)
    if life.take(order):
        _settle(life, order)


def _some_order(life):
    pick = life.random.choice
    symbol = pick(life.symbols)
    side = Side.BUY if not life.held(symbol) else pick(list(Side))
    amount = quantity = None
    if life.random.random() < 0.6 or side == Side.BUY:
        part = Decimal(str(round(life.random.uniform(0.0001, 0.4), 6)))
        amount = max((life.ledger.cash * part).quantize(Decimal("1e-8")), Decimal("1e-8"))
    elif life.random.random() < 0.7:
        quantity = life.some_quantity(life.held(symbol)) + Decimal("0.000000004")
    return Order(
        id=life.name(),
        time=life.some_time(),
        symbol=symbol,
        side=side,
        amount=amount,
        quantity=quantity,
        kind="market",
        origin=pick(("manual", "auto-pilot")),
        reason="drawn",
        seen=life.some_price(),
        costs=Costs(pick(FEES), pick(HALF_SPREADS), pick(IMPACTS), pick(LATENCIES)),
    )


def _settle(life, order):
    """Ask what becomes of the order until it does not wait any more."""
    late = START + (BARS + 5) * ONE_MINUTE
    moments = [late] if life.random.random() < 0.9 else [order.time, late]
    for now in moments:
        frame, quote = life.candles, _some_quote(life, order, now)
        if now != late:
            frame = frame[: frame.index.searchsorted(now - ONE_MINUTE, side="right")]
        result = outcome(order, life.ledger, frame, quote, now, venue="drawn")
        tape = life.tape if now == late else Tape(frame)
        plain = quote and (micros(quote.time), units(quote.value, 12))
        expected = life.book.outcome(order, tape, plain, micros(now))
        life.differences += _differ(result, expected)
        if result is not None:
            life.rejected += isinstance(result, Rejection)
            taken = life.take(result, order, life.candles if quote is None else None)
            life.differences += not taken
            return


def _some_quote(life, order, now):
    if life.random.random() < 0.7:
        return None
    shift = pd.Timedelta(life.random.randrange(-(10**8), 2 * 10**8), "us")
    return Price.of(min(order.time + shift, now), life.some_price(), "drawn")


def _differ(result, expected):
    """How many figures of an outcome are not those of the oracle."""
    if result is None or isinstance(result, Rejection):
        return expected != (result and "rejected")
    if not isinstance(expected, dict):
        return 1
    places = {"quantity": 8, "fee": 8}
    said = {name: getattr(result, name) for name in ("quantity", "price", "fee")}
    said |= {name: getattr(result.receipt, name) for name in ("reference", "spread", "impact")}
    figures = {name: units(value, places.get(name, 12)) for name, value in said.items()}
    figures["time"] = micros(result.time)
    return sum(figures[name] != expected[name] for name in expected)


def _fill(life):
    """A fill without an order, as an imported book may have it."""
    symbol, price = life.random.choice(life.symbols), life.some_price()
    held = life.held(symbol)
    side = Side.BUY if not held or life.random.random() < 0.5 else Side.SELL
    if side == Side.BUY:
        quantity = life.some_quantity(life.ledger.cash / price / 3)
    elif life.random.random() < 0.2:
        quantity = held
    else:
        quantity = life.some_quantity(held)
    fee = Decimal(life.random.randrange(10**6)).scaleb(-8)
    life.take(Fill(life.name(), life.some_time(), symbol, side, quantity, price, fee, "drawn"))


def _deposit(life):
    amount = Decimal(life.random.randrange(1, 10**13)).scaleb(-8)
    life.take(Deposit(life.name(), life.some_time(), amount))


def _switch(life):
    id, time = life.name(), life.some_time()
    events = (
        Armed(id, time, (("symbol", "BTC/USD"), ("buy_mae", "0.25"))),
        Disarmed(id, time, "Switched off."),
        Missed(id, time, START, time, 3),
    )
    life.take(life.random.choice(events))


def _repeat(life):
    life.tally.check_repeat(life.ledger, life.random.choice(life.ledger.events))


def _hostile(life):
    """A fill that no book may take."""
    symbol, price = life.symbols[0], life.some_price()
    too_much = life.held(symbol) + Decimal("1e-8")
    far_too_dear = (life.ledger.cash / price + 1).quantize(Decimal("1e-8"))
    side, quantity = life.random.choice(
        (
            (Side.SELL, too_much),
            (Side.BUY, far_too_dear + far_too_dear),
            (Side.BUY, Decimal("0.000000001")),
            (Side.BUY, Decimal(0)),
            (Side.SELL, Decimal("-1")),
        )
    )
    bad = Fill(life.name(), START, symbol, side, quantity, price, Decimal(0), "drawn")
    assert not life.take(bad)


def _check_whole(life):
    """The costly invariants, of the whole life and at random cuts of it."""
    tally, events = life.tally, life.ledger.events
    tally.check_replay(life.ledger)
    tally.check_parts(life.ledger, life.random.randrange(len(events) + 1))
    tally.check_repeat(life.ledger, events[0])
    _check_round_trip(life)


def _check_written(life):
    """The chain of checksums, and the file if the book is one of a single market."""
    life.tally.check_chain(life.ledger, life.random.randrange(len(life.ledger.events)))
    if len(life.symbols) == 1:
        life.tally.check_file(life.ledger, life.symbols[0])


def _check_round_trip(life):
    """All in and all out in a book of the same cash, with and without spread and impact."""
    order, price = _some_order(life), life.some_price()
    cash = life.ledger.cash + 100  # or it might be too little to trade
    flat, volume = Ledger(cash=cash, deposits=cash), float(cash / price)
    for costs in (Costs(order.costs.fee_bps), Costs(order.costs.fee_bps, 3.3, 5.0)):
        asked = Order(*(getattr(order, name) for name in Order.__match_args__[:-1]), costs)
        life.tally.check_round_trip(flat, asked, price, volume)
