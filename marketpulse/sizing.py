"""How much the auto-pilot buys for a share: an amount of quote currency that the cash can pay.

Every size is cut down to 8 decimal places and to what is left of the cash after the fee. Spread and
impact make the quantity smaller, not the amount larger. 0 means that nothing can be bought.
"""

from decimal import ROUND_DOWN, Decimal, localcontext

from marketpulse.costs import Costs
from marketpulse.money import CONTEXT, decimal, to_step

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


def affordable(cash: Decimal, costs: Costs) -> Decimal:
    """The largest amount that ``cash`` pays together with its fee, in quote currency."""
    with localcontext(CONTEXT) as context:
        context.rounding = ROUND_DOWN
        return to_step(max(cash, Decimal(0)) / (1 + decimal(costs.fee_bps).scaleb(-4)))


def share_of_equity(share: float, equity: Decimal, cash: Decimal, costs: Costs) -> Decimal:
    """The same share of the book's equity each time.

    Parameters
    ----------
    share : float
        Fraction of equity, at least 0.
    equity, cash : decimal.Decimal
        Quote currency.
    costs : Costs

    Raises
    ------
    ValueError
        If the share is negative or not finite.
    """
    with localcontext(CONTEXT):
        return _clipped(_checked("share", share) * equity, cash, costs)


def volatility_scaled(
    risk: float, move: float, equity: Decimal, cash: Decimal, costs: Costs
) -> Decimal:
    """The amount on which the expected move, if it goes wrong, costs a set share of equity.

    Parameters
    ----------
    risk : float
        That share, a fraction of equity, at least 0.
    move : float
        Expected size of the price's move over the horizon, a fraction of the price, at least 0.
        Where nothing is expected to move, all the cash is spent.
    equity, cash : decimal.Decimal
        Quote currency.
    costs : Costs

    Raises
    ------
    ValueError
        If the risk or the move is negative or not finite.
    """
    share, size = _checked("risk", risk), _checked("move", move)
    with localcontext(CONTEXT):
        lost = share * equity
        # Compared before dividing, which overflows where hardly anything moves.
        amount = lost / size if lost < size * cash else cash
        return _clipped(amount, cash, costs)


def _checked(what: str, value: float) -> Decimal:
    number = decimal(value)
    if not number.is_finite() or number < 0:
        raise ValueError(f"the {what} must be at least 0 and finite, got {value}")
    return number


def _clipped(amount: Decimal, cash: Decimal, costs: Costs) -> Decimal:
    return to_step(order_size(amount, available=affordable(cash, costs), largest=cash))
