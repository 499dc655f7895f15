"""What a trade costs: the taker fee of each venue and what it asks of a price."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

# Entry-tier taker fees of the venues' public schedules, as carried in the metadata of ccxt 4.5
# (read in November 2026), except kraken: its current entry tier is 0.40 %, the metadata still has
# an older one. Yahoo is no venue: its figure stands for an ordinary retail venue.
TAKER_FEE_BPS: Mapping[str, float] = MappingProxyType(
    {
        "bitstamp": 40.0,
        "coinbase": 120.0,
        "kraken": 40.0,
        "gemini": 40.0,
        "binance": 10.0,
        "binanceus": 10.0,
        "okx": 15.0,
        "yahoo": 40.0,
    }
)
DEFAULT_TAKER_FEE_BPS = 40.0


def taker_fee_bps(venue: str) -> float:
    """Taker fee of a venue in basis points; `DEFAULT_TAKER_FEE_BPS` for one not listed."""
    return TAKER_FEE_BPS.get(venue, DEFAULT_TAKER_FEE_BPS)


@dataclass(frozen=True, slots=True)
class Costs:
    """What buying and selling again costs.

    Parameters
    ----------
    fee_bps : float
        Taker fee of each of the two legs, in basis points of the traded amount; at least 0 and
        below 1000.

    Raises
    ------
    ValueError
        If the fee is outside these bounds or not a number.
    """

    fee_bps: float

    def __post_init__(self) -> None:
        if not 0 <= self.fee_bps < 1000:
            raise ValueError(f"fee_bps must be at least 0 and below 1000, got {self.fee_bps}")

    @property
    def fee_rate(self) -> float:
        """Fee of one leg as a fraction of the traded amount."""
        return self.fee_bps / 10_000

    @property
    def exit(self) -> float:
        """Fraction by which the price must rise to pay the fee of selling."""
        return self.fee_rate / (1 - self.fee_rate)

    @property
    def round_trip(self) -> float:
        """Fraction by which the price must rise to pay both fees: the exact break-even."""
        return 2 * self.fee_rate / (1 - self.fee_rate)
