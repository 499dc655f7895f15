"""The faults that are ordered at present."""

from dataclasses import dataclass, field
from threading import Lock

from tests.exchange_server.damage import Revisions
from tests.exchange_server.faults import Fault, require, spelled
from tests.exchange_server.formats import KINDS, PAIRS, Kind

_SYMBOLS = {f"{base}/{quote}" for base, quote, _ in PAIRS}


@dataclass(slots=True)
class Order:
    """One fault of one venue for one kind of request.

    Attributes
    ----------
    fault : Fault
    left : int or None
        How many requests are still to fail; None if all.
    revisions : Revisions
        Which candles the fault "revised" has changed so far.
    """

    fault: Fault
    left: int | None = None
    revisions: Revisions = field(default_factory=Revisions)


class Orders:
    """All of them. Safe to share between threads."""

    def __init__(self) -> None:
        self._orders: dict[tuple[str, Kind, str | None], Order] = {}
        self._lock = Lock()

    def place(
        self, venue: str, fault: Fault, kinds: tuple[Kind, ...], times: int | None,
        symbol: str | None,
    ) -> None:  # fmt: skip
        """Take an order; it replaces an earlier one for the same requests.

        Raises
        ------
        ValueError
            In one sentence, if it cannot be carried out.
        """
        require(venue, fault)
        for kind in kinds:
            if kind not in KINDS:
                raise ValueError(f"There is no kind of request {kind!r}.")
        if symbol is not None and symbol not in _SYMBOLS:
            raise ValueError(f"There is no pair {symbol!r}.")
        if times is not None and times < 1:
            raise ValueError("A fault happens at least once.")
        with self._lock:
            self._orders |= {(venue, kind, symbol): Order(fault, times) for kind in kinds}

    def cancel(self, venue: str) -> None:
        """Forget all of a venue's."""
        with self._lock:
            self._orders = {key: each for key, each in self._orders.items() if key[0] != venue}

    def take(self, venue: str, kind: Kind, symbol: str | None) -> Order | None:
        """The order that a request falls under: that of its pair before that of all pairs."""
        with self._lock:
            for key in ((venue, kind, symbol), (venue, kind, None)):
                order = self._orders.get(key)
                if order is None:
                    continue
                if order.left is not None:
                    order.left -= 1
                    if order.left == 0:
                        del self._orders[key]
                return order
        return None

    def listed(self) -> list[dict[str, str | int | None]]:
        """All of them, as JSON can tell them."""
        with self._lock:
            return [
                {"venue": venue, "on": kind, "symbol": symbol, "fault": spelled(order.fault),
                 "times": order.left}
                for (venue, kind, symbol), order in self._orders.items()
            ]  # fmt: skip
