"""Where a book's profit came from: the price, the spread, the orders' own size, time and fees.

Every fill is held against the present price: a purchase has made what the price rose since, a sale
what it fell since, each after its costs. That is what the book would lack without the fill, so the
fills of a book add up exactly to its profit (equity less deposits), and so do those of each origin.
What a fill paid for its execution is told apart as in the implementation shortfall (Perold 1988,
"The implementation shortfall: paper versus reality", Journal of Portfolio Management 14, 4-9).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Context, Decimal, localcontext

from marketpulse.events import ORIGINS, Fill, Origin, Side
from marketpulse.ledger import Ledger
from marketpulse.money import Number, positive

# A quantity of 23 digits times a price of 27, summed over a million fills, is still exact.
EXACT = Context(prec=60)
ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Split:
    """A profit and its parts, exactly, in quote currency; what costs money is below 0.

    Attributes
    ----------
    price_move : decimal.Decimal
        From the price on the screen when the order was given to the present price.
    spread : decimal.Decimal
        Half the spread, at most 0.
    impact : decimal.Decimal
        What the order's own size moved the price, at most 0.
    latency : decimal.Decimal
        From the price on the screen to the reference price of the fill; of either sign.
    fees : decimal.Decimal
        At most 0.
    """

    price_move: Decimal = ZERO
    spread: Decimal = ZERO
    impact: Decimal = ZERO
    latency: Decimal = ZERO
    fees: Decimal = ZERO

    @property
    def total(self) -> Decimal:
        """The profit: all parts together."""
        with localcontext(EXACT):
            return self.price_move + self.spread + self.impact + self.latency + self.fees

    def __add__(self, other: "Split") -> "Split":
        with localcontext(EXACT):
            return Split(
                self.price_move + other.price_move,
                self.spread + other.spread,
                self.impact + other.impact,
                self.latency + other.latency,
                self.fees + other.fees,
            )


def split_of(fill: Fill, mark: Number) -> Split:
    """What one fill has made at the price ``mark``, the rest of its position left aside.

    A fill without a receipt was filled at the price on the screen, without spread and impact.

    Raises
    ------
    InvalidOrder
        If the mark is no possible price.
    """
    price = positive(f"price of {fill.symbol}", mark)
    with localcontext(EXACT):
        bought = fill.quantity if fill.side == Side.BUY else -fill.quantity
        made = fill.cash_flow + bought * price
        if (receipt := fill.receipt) is None:
            return Split(price_move=made + fill.fee, fees=-fill.fee)
        spread, impact = -fill.quantity * receipt.spread, -fill.quantity * receipt.impact
        latency = -bought * (receipt.reference - receipt.seen)
        moved = made - spread - impact - latency + fill.fee
        return Split(moved, spread, impact, latency, -fill.fee)


def by_origin(ledger: Ledger, marks: Mapping[str, Number]) -> dict[Origin, Split]:
    """What the fills of each origin have made at ``marks`` (price by symbol); an entry for each.

    Together they are exactly the book's profit. A purchase of one and its sale by the other are
    each held against the present price, as everywhere here.

    Raises
    ------
    KeyError
        If a traded symbol has no mark.
    InvalidOrder
        If a mark is no possible price.
    """
    splits = dict.fromkeys(ORIGINS, Split())
    for fill in ledger.fills:
        splits[fill.origin] += split_of(fill, marks[fill.symbol])
    return splits


def split(ledger: Ledger, marks: Mapping[str, Number]) -> Split:
    """What the whole book has made at ``marks``; raises as `by_origin` does."""
    return sum(by_origin(ledger, marks).values(), Split())
