"""How large an order may be."""

from decimal import Decimal, localcontext

from marketpulse.money import CONTEXT

# An order below the smallest size is enlarged to it by at most this fraction, or not placed.
LARGEST_RISE = Decimal("0.3")


def order_size(
    asked: Decimal, *, available: Decimal, largest: Decimal, smallest: Decimal = Decimal(0)
) -> Decimal:
    """The amount to order instead of the one ``asked`` for, 0 for no order; all in quote currency.

    It is cut down to what is available and to the largest amount. One that is too small is raised
    to the smallest amount, but by no more than `LARGEST_RISE`: a larger order than was meant is a
    larger risk than was meant.
    """
    most = min(available, largest)
    if asked <= 0 or most <= 0 or smallest > most:
        return Decimal(0)
    with localcontext(CONTEXT):
        if asked * (1 + LARGEST_RISE) < smallest:
            return Decimal(0)
    return min(max(asked, smallest), most)
