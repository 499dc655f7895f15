"""The decimals of a paper book: how they are counted, cut and checked.

Money is `Decimal`, because binary floats leave accidental shorts. Cash, fees and quantities have 8
decimal places, prices 12. Where something must be rounded it is rounded against the user: a
quantity down, a fee, a spread and an impact up.
"""

from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Context, Decimal, localcontext

from marketpulse.errors import InvalidOrder

Number = Decimal | float

PLACES = Decimal("1e-8")
PRICE_PLACES = Decimal("1e-12")
# 15 digits before and 12 after the point leave room in 38 digits for every sum of a book.
LIMIT = Decimal("1e15")
CONTEXT = Context(prec=38, rounding=ROUND_HALF_EVEN)


def decimal(value: Number) -> Decimal:
    """The value as a Decimal; a float counts as the shortest decimal that means it."""
    return value if isinstance(value, Decimal) else Decimal(str(value))


def to_step(value: Number, step: Number = PLACES, rounding: str = ROUND_DOWN) -> Decimal:
    """The value as a whole multiple of ``step``, cut towards zero unless told otherwise.

    Parameters
    ----------
    value : Decimal or float
    step : Decimal or float
        Above 0: ``0.01`` are two decimal places, ``0.5`` is a tick of a half.
    rounding : str
        A rounding of the module `decimal`.
    """
    size = decimal(step)
    with localcontext(CONTEXT):
        return (decimal(value) / size).to_integral_value(rounding) * size


def positive(what: str, value: Number) -> Decimal:
    """The value as a Decimal; a float counts as the shortest decimal that means it.

    Raises
    ------
    InvalidOrder
        If it is zero, negative, not finite, 1e15 or more; names ``what`` it is.
    """
    number = decimal(value)
    if not (number.is_finite() and 0 < number < LIMIT):
        raise InvalidOrder(f"The {what} must be above 0 and below 1e15, not {number:.6g}.")
    return number


def to_price(value: Number) -> Decimal:
    """A price at 12 decimal places, the nearest one.

    Raises
    ------
    InvalidOrder
        As `positive` does; also if nothing is left of it.
    """
    price = positive("price", value).quantize(PRICE_PLACES, ROUND_HALF_EVEN, CONTEXT)
    return positive("price", price)


def not_negative(what: str, value: Decimal) -> Decimal:
    """The value if it is 0 or as `positive` asks for, and raises as it does."""
    return value if value.is_zero() else positive(what, value)


def on_grid(what: str, number: Decimal, places: Decimal = PLACES) -> Decimal:
    """The number itself, if it has no more decimal places than ``places``.

    Raises
    ------
    InvalidOrder
        If it is finer; names ``what`` it is.
    """
    if number != number.quantize(places, ROUND_DOWN, CONTEXT):
        most = -int(places.as_tuple().exponent)
        raise InvalidOrder(
            f"The {what} must have at most {most} decimal places, not {number:.16g}."
        )
    return number
