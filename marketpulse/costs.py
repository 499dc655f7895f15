"""What a trade costs: fees of each venue, half the spread, the order's own impact, and time."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Fees:
    """A venue's entry-tier fees of one trade, in basis points of the traded amount."""

    maker_bps: float
    taker_bps: float


# Of the venues' public schedules, as carried in the metadata of ccxt 4.5 (read in November 2026),
# except kraken: its current entry tier is 0.25 % and 0.40 %, the metadata still has an older one.
# Yahoo is no venue: its figure stands for an ordinary retail venue.
FEES: Mapping[str, Fees] = MappingProxyType(
    {
        "bitstamp": Fees(40.0, 40.0),
        "coinbase": Fees(60.0, 120.0),
        "kraken": Fees(25.0, 40.0),
        "gemini": Fees(20.0, 40.0),
        "binance": Fees(10.0, 10.0),
        "binanceus": Fees(10.0, 10.0),
        "okx": Fees(10.0, 15.0),
        "yahoo": Fees(40.0, 40.0),
        "zero": Fees(0.0, 0.0),
    }
)
DEFAULT_FEES = Fees(40.0, 40.0)

# Costs at or beyond these are no market's.
BOUNDS: Mapping[str, float] = MappingProxyType(
    {"fee_bps": 1_000, "half_spread_bps": 1_000, "impact_bps": 10_000, "latency_s": 3_600}
)


def fees_of(venue: str) -> Fees:
    """Fees of a venue; `DEFAULT_FEES` for one not listed."""
    return FEES.get(venue, DEFAULT_FEES)


def chosen_fee_bps(choice: str, venue: str) -> float:
    """Fee of one trade, in basis points.

    Parameters
    ----------
    choice : str
        ``taker`` or ``maker``, or one of them behind a venue's name, or ``zero``.
    venue : str
        The venue in use, whose fee it is if the choice names none.
    """
    if choice == "zero":
        return 0.0
    named, _, kind = choice.rpartition(" ")
    fees = fees_of(named or venue)
    return fees.maker_bps if kind == "maker" else fees.taker_bps


def taker_fee_bps(venue: str) -> float:
    """Taker fee of a venue in basis points; that of `DEFAULT_FEES` for one not listed."""
    return fees_of(venue).taker_bps


@dataclass(frozen=True, slots=True)
class Costs:
    """What buying and selling again costs.

    A purchase is filled above the reference price by half the spread and by its impact, a sale
    below it. The impact of an order grows with the square root of its share of a bar's volume, the
    square-root law of market impact (Tóth et al. 2011, "Anomalous price impact and the critical
    nature of liquidity in financial markets", Physical Review X 1, 021006). A share is reckoned at
    the reference price.

    Parameters
    ----------
    fee_bps : float
        Fee of each of the two legs, in basis points of the traded amount; below 1,000.
    half_spread_bps : float
        Half the distance from bid to ask, in basis points of the price; below 1,000.
    impact_bps : float
        How far an order as large as a whole bar's volume moves its own price, in basis points;
        below 10,000.
    latency_s : float
        Seconds from an order to the earliest price that may fill it; below 3,600.

    Raises
    ------
    ValueError
        If one of them is negative, at its bound or beyond it, or not a number.
    """

    fee_bps: float
    half_spread_bps: float = 0.0
    impact_bps: float = 0.0
    latency_s: float = 0.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value, bound = getattr(self, field.name), BOUNDS[field.name]
            if not 0 <= value < bound:
                raise ValueError(f"{field.name} must be from 0 to below {bound:g}, got {value}")

    @property
    def fee_rate(self) -> float:
        """Fee of one leg as a fraction of the traded amount."""
        return self.fee_bps / 10_000

    def slippage(self, share: float = 0.0) -> float:
        """Fraction of the reference price that spread and impact take from one leg.

        Parameters
        ----------
        share : float
            Size of the order over a bar's volume, at least 0; 0 leaves the impact out.
        """
        return (self.half_spread_bps + self.impact_bps * math.sqrt(share)) / 10_000

    def exit(self, share: float = 0.0) -> float:
        """Fraction by which the price must rise to pay for selling; otherwise as `round_trip`."""
        fee, slip = self.fee_rate, self.slippage(share)
        return _over(fee + slip - fee * slip, self._kept(slip))

    def round_trip(self, share: float = 0.0) -> float:
        """Fraction by which the price must rise to pay for buying and selling: the break-even.

        Exact, and infinite if the order is so large that its sale would bring nothing; ``share`` as
        for `slippage`.
        """
        fee, slip = self.fee_rate, self.slippage(share)
        return _over(2 * (fee + slip), self._kept(slip))

    def _kept(self, slip: float) -> float:
        """What a sale leaves of the price: a fraction, at least 0."""
        return max(1 - slip, 0.0) * (1 - self.fee_rate)


def _over(cost: float, kept: float) -> float:
    return cost / kept if kept else math.inf
