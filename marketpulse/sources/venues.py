"""What is known of each exchange before it is asked."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Venue:
    """How an exchange serves one-minute candles.

    Attributes
    ----------
    page_bars : int
        Most bars of one reply.
    depth_bars : int or None
        How far back it goes from now; None if as far as anyone asks. A venue that has a depth
        ignores what it is asked for and sends all of it in one reply.
    newest_first : bool
        In which order it sends them.
    sends_forming : bool
        Whether its newest row is the bar that has not closed yet.
    """

    page_bars: int
    depth_bars: int | None = None
    newest_first: bool = False
    sends_forming: bool = True


KNOWN = {
    "bitstamp": Venue(1000),
    "coinbase": Venue(300, newest_first=True),
    "kraken": Venue(720, depth_bars=720),
    "gemini": Venue(1440, depth_bars=1440, newest_first=True),
    "binance": Venue(1000),
    "binanceus": Venue(1000),
    "okx": Venue(300, newest_first=True),
}

# All of these serve BTC/USD, and answer to hosts in the United States.
DEFAULT_ORDER = ("bitstamp", "coinbase", "kraken", "gemini")

# Of another exchange that ccxt knows: as careful as the least of the above.
UNKNOWN = Venue(300)
