"""A second paper book, kept in whole units of the last decimal place, to hold the first against.

It shares no arithmetic with the package: integers and fractions only. Money, fees and quantities
are counted in units of 1e-8, prices, spreads and impacts in units of 1e-12.
"""

import math
from bisect import bisect_left
from decimal import Context, Decimal
from fractions import Fraction

from marketpulse.events import Deposit, Disarmed, Fill, Order, Rejection

LIMIT = 10**15
EXACT = Context(prec=80)  # to move the point, not to reckon
WAIT = 180_000_000  # three minutes in microseconds


def units(number, places):
    """A decimal as a whole number of its last place; None if it is finer."""
    moved = number.scaleb(places, EXACT)
    whole = int(moved)
    return whole if whole == moved else None


def half_even(numerator, denominator):
    """The nearest whole number to a quotient, a half going to the even one."""
    whole, rest = divmod(numerator, denominator)
    return whole + (2 * rest > denominator or (2 * rest == denominator and whole % 2))


def bps(number):
    """Basis points as they are printed, as a fraction."""
    return Fraction(str(number)) / 10_000


def micros(time):
    return time.value // 1000


def due(order):
    """When the first price counts for an order, in microseconds."""
    return micros(order.time) + math.ceil(Fraction(str(order.costs.latency_s)) * 10**6)


def notional(quantity, price):
    """Quantity times price, in units of money."""
    return half_even(quantity * price, 10**12)


class Book:
    """Cash, deposits, fees and what is held with its cost, as whole units."""

    def __init__(self):
        self.cash = self.deposits = self.fees = self.realised = 0
        self.held = {}  # symbol: (quantity, cost)
        self.pending = {}
        self.armed = None

    def take(self, event):
        """Carry out an event; False if that is not possible."""
        if isinstance(event, Fill):
            return self._fill(event)
        if isinstance(event, Deposit):
            self.cash += units(event.amount, 8)
            self.deposits += units(event.amount, 8)
        elif isinstance(event, Order):
            self.pending[event.id] = event
        elif isinstance(event, Rejection):
            self.pending.pop(event.order, None)
        elif hasattr(event, "settings"):
            self.armed = event
        elif isinstance(event, Disarmed):
            self.armed = None
        return True

    def _fill(self, fill):
        quantity, price, fee = (
            units(fill.quantity, 8),
            units(fill.price, 12),
            units(fill.fee, 8),
        )
        if not self.affords(fill.symbol, fill.side, quantity, price, fee):
            return False
        held, cost = self.held.get(fill.symbol, (0, 0))
        worth = notional(quantity, price)
        if fill.side == "buy":
            self.cash -= worth + fee
            self.realised -= fee
            self.held[fill.symbol] = (held + quantity, cost + worth)
        else:
            released = half_even(cost * quantity, held)
            self.cash += worth - fee
            self.realised += worth - released - fee
            self.held[fill.symbol] = (held - quantity, cost - released)
            if held == quantity:
                del self.held[fill.symbol]
        self.fees += fee
        self.pending.pop(fill.order, None)
        return True

    def affords(self, symbol, side, quantity, price, fee):
        """Whether a fill is possible at all, and the book can carry it."""
        if None in (quantity, price, fee) or fee < 0 or min(quantity, price) <= 0:
            return False
        if max(quantity, fee) >= LIMIT * 10**8 or price >= LIMIT * 10**12:
            return False
        worth = notional(quantity, price)
        if side == "buy":
            return 0 < worth < LIMIT * 10**8 and self.cash >= worth + fee
        held = self.held.get(symbol, (0, 0))[0]
        return quantity <= held and self.cash + worth - fee >= 0

    def differences(self, ledger):
        """The names of the figures in which the ledger is not this book."""
        pairs = {
            "cash": (ledger.cash, self.cash),
            "deposits": (ledger.deposits, self.deposits),
            "fees": (ledger.fees, self.fees),
            "realised": (ledger.realised, self.realised),
        }
        for symbol in ledger.positions.keys() | self.held.keys():
            position = ledger.positions.get(symbol)
            quantity, cost = self.held.get(symbol, (0, 0))
            pairs[f"{symbol} held"] = (position and position.quantity, quantity)
            pairs[f"{symbol} cost"] = (position and position.cost, cost)
        wrong = [name for name, (said, own) in pairs.items() if said != Decimal(own).scaleb(-8)]
        wrong += ["pending"] * (list(ledger.pending) != list(self.pending))
        return wrong + ["armed"] * (ledger.armed != self.armed)

    def outcome(self, order, tape, quote, now):
        """What becomes of an order: a dict of the fill's figures, "rejected" or None for waiting.

        Parameters
        ----------
        order : Order
        tape : Tape
        quote : tuple of (int, int) or None
            Microseconds and price.
        now : int
            Microseconds.
        """
        earliest = due(order)
        price = tape.first(earliest, quote)
        if price is None or price[0] > earliest + WAIT:
            return "rejected" if now > earliest + WAIT else None
        figures = self._priced(order, price[1], lambda: tape.volume(price[0]))
        if figures is None:
            return "rejected"
        traded = (figures["quantity"], figures["price"], figures["fee"])
        affordable = self.affords(order.symbol, order.side, *traded)
        return {**figures, "time": price[0]} if affordable else "rejected"

    def _priced(self, order, reference, volume):
        held = self.held.get(order.symbol, (0, 0))[0]
        if order.amount is not None:
            size = Fraction(order.amount) / Fraction(reference, 10**12)
        else:
            size = Fraction(held, 10**8) if order.quantity is None else Fraction(order.quantity)
        spread = math.ceil(reference * bps(order.costs.half_spread_bps))
        impact = 0
        if order.costs.impact_bps:
            usual = volume()
            share = size / Fraction(str(usual)) if usual else 1
            impact = root_up((reference * bps(order.costs.impact_bps)) ** 2 * share)
        price = reference + (1 if order.side == "buy" else -1) * (spread + impact)
        if price <= 0:
            return None
        if order.amount is None:
            quantity = math.floor(size * 10**8)
        else:
            quantity = units(order.amount, 8) * 10**12 // price
        fee = math.ceil(notional(quantity, price) * bps(order.costs.fee_bps))
        return {
            "reference": reference,
            "spread": spread,
            "impact": impact,
            "price": price,
            "quantity": quantity,
            "fee": fee,
        }


def root_up(square):
    """The smallest whole number whose square is at least ``square``."""
    root = math.isqrt(math.floor(square))
    while root * root < square:
        root += 1
    return root


class Tape:
    """The candles of a market as plain lists."""

    def __init__(self, candles):
        self.opened = [micros(time) for time in candles.index]
        opens = [Fraction(str(price)) * 10**12 for price in candles["open"].tolist()]
        self.opens = [half_even(price.numerator, price.denominator) for price in opens]
        self.traded = [not filled for filled in candles["filled"].tolist()]
        self.volumes = candles["volume"].tolist()

    def first(self, earliest, quote):
        """The earliest price at or after a time: microseconds and price; None if there is none."""
        stamps = [quote] if quote is not None and quote[0] >= earliest else []
        row = bisect_left(self.opened, earliest)
        while row < len(self.opened) and not self.traded[row]:
            row += 1
        if row < len(self.opened):
            stamps.append((self.opened[row], self.opens[row]))
        return min(stamps, default=None)

    def volume(self, time):
        """Mean volume of the last 20 bars of known volume, up to the last traded one by a time."""
        row = bisect_left(self.opened, time - 60_000_000 + 1)
        while row and not self.traded[row - 1]:
            row -= 1
        known = [volume for volume in self.volumes[:row] if volume == volume][-20:]
        return float(sum(map(Fraction, known))) / len(known) if known else None
