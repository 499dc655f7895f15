"""Who looks at which market, and what it must forecast for them."""

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from marketpulse.horizons import LONG, MINUTE, Horizon
from marketpulse.settings import DEFAULTS, Settings
from marketpulse.snapshot import MarketKey

LEASE = pd.Timedelta(minutes=10)
MAX_FURTHER_HORIZONS = 6
# How often the price is asked for when only a book looks, which trades on closed bars.
UNSEEN_REFRESH = pd.Timedelta(minutes=1)
DEFAULT_HORIZONS = frozenset({MINUTE, LONG})


@dataclass(frozen=True, slots=True)
class Lease:
    """What somebody wants of a market.

    Attributes
    ----------
    horizons : frozenset of Horizon
    tail : int
        Settled forecasts.
    refresh : pandas.Timedelta
        How often the price is to be asked for.
    until : pandas.Timestamp or None
        When it ends; None if it is not a visitor's.
    settings : Settings
        That it was made of.
    """

    horizons: frozenset[Horizon]
    tail: int
    refresh: pd.Timedelta
    until: pd.Timestamp | None = None
    settings: Settings = DEFAULTS

    @classmethod
    def of_book(cls, settings: Settings) -> "Lease":
        """That of a book which was armed with ``settings``: it lasts until the book is disarmed."""
        return cls(frozenset(settings.horizons), settings.tail, UNSEEN_REFRESH, settings=settings)


class Leases:
    """The leases of all visitors: each is kept for `LEASE` after their last rerun.

    Not to be used by several threads at once.
    """

    def __init__(self) -> None:
        self._leases: dict[tuple[str, MarketKey], Lease] = {}

    def renew(
        self,
        visitor: str,
        key: MarketKey,
        settings: Settings,
        now: pd.Timestamp,
        others: Iterable[tuple[MarketKey, Lease]],
    ) -> bool:
        """Note what a visitor wants; False if there was no place for a further horizon.

        Parameters
        ----------
        visitor : str
            A newer request of the same one replaces the older one.
        key : MarketKey
        settings : Settings
        now : pandas.Timestamp
        others : iterable of (MarketKey, Lease)
            Leases that are no visitor's.
        """
        rest = [(k[1], lease) for k, lease in self._leases.items() if k != (visitor, key)]
        taken = {(at, h) for at, lease in (*rest, *others) for h in _further(lease.horizons)}
        horizons = frozenset(settings.horizons)
        asked = {(key, horizon) for horizon in _further(horizons)}
        granted = asked <= taken or len(taken | asked) <= MAX_FURTHER_HORIZONS
        self._leases[visitor, key] = Lease(
            horizons if granted else DEFAULT_HORIZONS,
            settings.tail,
            pd.Timedelta(seconds=settings.refresh),
            now + LEASE,
            settings,
        )
        return granted

    def forget_expired(self, now: pd.Timestamp) -> None:
        """Let go of what was not renewed in time."""
        self._leases = {
            k: lease for k, lease in self._leases.items() if lease.until and lease.until > now
        }

    def of(self, key: MarketKey) -> list[Lease]:
        """The visitors' leases on a market."""
        return [lease for (_, at), lease in self._leases.items() if at == key]

    def settings_of(self, key: MarketKey) -> list[Settings]:
        """What the visitors of a market asked for, the newest visitor last."""
        return [lease.settings for lease in self.of(key)]

    @property
    def visitors(self) -> int:
        """How many there are."""
        return len({visitor for visitor, _ in self._leases})


def _further(horizons: frozenset[Horizon]) -> frozenset[Horizon]:
    return horizons - DEFAULT_HORIZONS
