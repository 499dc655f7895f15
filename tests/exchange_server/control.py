"""Orders over HTTP, for whoever watches the app through faults by hand."""

import json
from typing import Any

from tests.exchange_server.faults import NAMES, SCRIPTS, cannot, spelled, typed
from tests.exchange_server.formats import FORMATS, KINDS, PAIRS
from tests.exchange_server.orders import Orders
from tests.exchange_server.replies import Reply

ROOT = "/control"


def controlled(orders: Orders, path: str, query: dict[str, str]) -> Reply:
    """What is answered under `ROOT`: the state after the order, or a sentence why there is none."""
    try:
        if path == f"{ROOT}/fail":
            _fail(orders, query)
        elif path == f"{ROOT}/heal":
            _heal(orders, query)
        elif path != ROOT:
            raise ValueError(f"Ask {ROOT}, {ROOT}/fail or {ROOT}/heal.")
    except ValueError as error:
        return Reply(f"{error}\n".encode(), 400, "text/plain; charset=utf-8")
    return Reply((json.dumps(_state(orders), indent=1) + "\n").encode())


def _fail(orders: Orders, query: dict[str, str]) -> None:
    for name in ("venue", "fault"):
        if name not in query:
            raise ValueError(f"A fault needs a {name}.")
    times = query.get("times")
    if times is not None and not (times.isascii() and times.isdigit()):
        raise ValueError(f"{times!r} is no number of times.")
    kinds: Any = (query["on"],) if "on" in query else KINDS
    orders.place(
        query["venue"],
        typed(query["fault"]),
        kinds,
        None if times is None else int(times),
        query.get("symbol"),
    )


def _heal(orders: Orders, query: dict[str, str]) -> None:
    venues = [query["venue"]] if "venue" in query else list(FORMATS)
    for venue in venues:
        if venue not in FORMATS:
            raise ValueError(f"There is no venue {venue!r}.")
        orders.cancel(venue)


def _state(orders: Orders) -> dict[str, Any]:
    return {
        "venues": {
            venue: {"cannot": [name for name in NAMES if cannot(venue, typed(name))]}
            for venue in FORMATS
        },
        "kinds": list(KINDS),
        "symbols": [f"{base}/{quote}" for base, quote, _ in PAIRS],
        "faults": [*NAMES, "429", "429:120", "429:html"],
        "scripts": {name: [spelled(fault) for fault in faults] for name, faults in SCRIPTS.items()},
        "ordered": orders.listed(),
    }
