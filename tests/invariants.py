"""The twelve invariants of a paper book, each as a check that fails if it does not hold.

==== ==============================================================================================
I1   cash + quantities x marks = equity
I2   realised + unrealised = equity - deposits, both net of fees
I3   cash = deposits - buys + sells - fees, exactly
I4   quantity = bought - sold, and never below 0
I5   fees = the sum of the fills' fees
I6   the fold of the events is the live state, bit for bit
I7   the fold does not depend on how the events are cut into parts
I8   the same event twice counts once
I9   the chain of checksums is unbroken, and a change breaks it
I10  a book that was exported and imported is exported as the same bytes
I11  a fill's price is its reference and the costs exactly, no sooner than it was due, in its candle
I12  all in and all out at the same price loses exactly the fees, the spread and the impact
==== ==============================================================================================
"""

from collections import Counter
from decimal import Decimal, localcontext
from fractions import Fraction

import pandas as pd
import sqlalchemy as sa

from marketpulse import journal_rows
from marketpulse.bookfile import exported, imported
from marketpulse.events import Deposit, Fill
from marketpulse.fills import Price, filled
from marketpulse.horizons import ONE_MINUTE
from marketpulse.journal_rows import Head
from marketpulse.ledger import append, apply, equity, fold, unrealised
from marketpulse.money import CONTEXT, to_price
from marketpulse.orders import buy, sell_all
from marketpulse.sizing import affordable
from tests.oracle import due, micros, notional, units

UNIT = Fraction(1, 10**8)


class Tally:
    """Plain sums over the events that a book took, in whole units, and what was checked."""

    def __init__(self):
        self.deposits = self.bought = self.sold = self.fees = 0
        self.held = Counter()
        self.checked = Counter()

    def take(self, event):
        if isinstance(event, Deposit):
            self.deposits += units(event.amount, 8)
        elif isinstance(event, Fill):
            quantity = units(event.quantity, 8)
            worth = notional(quantity, units(event.price, 12))
            self.fees += units(event.fee, 8)
            if event.side == "buy":
                self.bought += worth
                self.held[event.symbol] += quantity
            else:
                self.sold += worth
                self.held[event.symbol] -= quantity

    def check_money(self, ledger, marks):
        """I1 to I5, at the given marks."""
        worth = equity(ledger, marks)
        with localcontext(CONTEXT):
            value = sum(p.quantity * marks[s] for s, p in ledger.positions.items())
            assert ledger.cash + value == worth, "I1"
            gained = ledger.realised + unrealised(ledger, marks)
            assert gained == worth - ledger.deposits, "I2"
        cash = self.deposits - self.bought + self.sold - self.fees
        assert ledger.cash == Decimal(cash).scaleb(-8) >= 0, "I3"
        held = {s: Decimal(q).scaleb(-8) for s, q in self.held.items() if q}
        assert {s: p.quantity for s, p in ledger.positions.items()} == held, "I4"
        assert all(quantity > 0 for quantity in held.values()), "I4"
        assert ledger.fees == Decimal(self.fees).scaleb(-8), "I5"
        self.checked.update(("I1", "I2", "I3", "I4", "I5"))

    def check_price(self, fill, order, candles=None):
        """I11; ``candles`` are those that the price must lie in."""
        receipt = fill.receipt
        parts = (fill.price, receipt.reference, receipt.spread, receipt.impact)
        price, reference, spread, impact = (units(part, 12) for part in parts)
        signed = (1 if fill.side == "buy" else -1) * (spread + impact)
        assert min(spread, impact) >= 0, "I11"
        assert price == reference + signed, "I11"
        stamped = micros(receipt.reference_time)
        assert due(order) <= stamped <= micros(fill.time), "I11"
        assert receipt.delay == receipt.reference_time - order.time, "I11"
        if candles is not None:
            row = candles.index.searchsorted(receipt.reference_time, side="right") - 1
            low, high = (candles[side].to_numpy()[row].item() for side in ("low", "high"))
            assert receipt.reference_time - candles.index[row] < ONE_MINUTE, "I11"
            assert to_price(low) <= receipt.reference <= to_price(high), "I11"
        self.checked["I11"] += 1

    def check_replay(self, ledger):
        """I6."""
        assert bits(fold(ledger.events)) == bits(ledger), "I6"
        self.checked["I6"] += 1

    def check_parts(self, ledger, cut):
        """I7, the events cut in two."""
        first = fold(ledger.events[:cut])
        assert bits(fold(ledger.events[cut:], first)) == bits(ledger), "I7"
        self.checked["I7"] += 1

    def check_repeat(self, ledger, event):
        """I8, of an event that the ledger has."""
        assert apply(ledger, event) is ledger, "I8"
        self.checked["I8"] += 1

    def check_chain(self, ledger, changed):
        """I9, with one event's body changed by hand."""
        with sa.create_engine("sqlite://").begin() as connection:
            journal_rows.TABLES.create_all(connection)
            head = journal_rows.write(connection, "book", Head(), ledger.events, ledger)
            read = journal_rows.events_between(connection, "book", Head(), head)
            assert (read.events, read.damage) == (ledger.events, ""), "I9"
            c = journal_rows.EVENTS.c
            connection.execute(
                sa.update(journal_rows.EVENTS)
                .where(c.sequence == changed + 1)
                .values(body=c.body + " ")
            )
            read = journal_rows.events_between(connection, "book", Head(), head)
            assert read.events == ledger.events[:changed], "I9"
            assert read.damage, "I9"
        self.checked["I9"] += 1

    def check_file(self, ledger, symbol):
        """I10."""
        content = exported(ledger.events, source="auto", symbol=symbol)
        again = imported(content)
        assert bits(again.ledger) == bits(ledger), "I10"
        assert exported(again.events, source="auto", symbol=symbol) == content, "I10"
        self.checked["I10"] += 1

    def check_round_trip(self, ledger, order, price, volume):
        """I12, from the ledger with everything sold; ``order`` says symbol, time and costs."""
        if order.symbol in ledger.positions:
            return
        terms = {
            "time": order.time,
            "symbol": order.symbol,
            "seen": price,
            "costs": order.costs,
            "origin": order.origin,
            "reason": "",
        }
        at = Price.of(order.time + pd.Timedelta(hours=2), price)
        bought = buy(affordable(ledger.cash, order.costs), id="all in", **terms)
        inside, first = _taken(ledger, bought, at, volume)
        outside, second = _taken(inside, sell_all(id="all out", **terms), at, volume)
        slips = [Fraction(f.receipt.spread) + Fraction(f.receipt.impact) for f in (first, second)]
        lost = Fraction(ledger.cash) - Fraction(outside.cash)
        paid = Fraction(first.fee) + Fraction(second.fee)
        # Each leg rounds its money by half a unit; without spread and impact both do it alike.
        allowed = UNIT if any(slips) else 0
        assert abs(lost - paid - sum(slips) * Fraction(first.quantity)) <= allowed, "I12"
        assert order.symbol not in outside.positions, "I12"
        self.checked["I12"] += 1


def _taken(ledger, order, price, volume):
    waiting = append(ledger, order)
    fill = filled(order, waiting, price, volume)
    return append(waiting, fill), fill


def bits(ledger):
    """Everything that a ledger says, down to the digits in which it says it."""
    figures = (ledger.cash, ledger.deposits, ledger.realised, ledger.fees)
    held = sorted((s, str(p.quantity), str(p.cost)) for s, p in ledger.positions.items())
    return [*map(str, figures)], held, list(ledger.pending.items()), ledger.armed, ledger.events
