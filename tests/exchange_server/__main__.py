"""The exchange server by hand."""

import argparse
import signal
import threading
from typing import Any, NamedTuple

from tests.exchange_server import FORMATS, KINDS, ExchangeServer, Fault, Kind, typed
from tests.exchange_server.faults import require


class Wish(NamedTuple):
    """A fault to start with."""

    venue: str
    fault: Fault
    on: tuple[Kind, ...]


def wish(text: str) -> Wish:
    """What ``VENUE=FAULT[@KIND]`` says."""
    venue, _, rest = text.partition("=")
    name, _, kind = rest.partition("@")
    try:
        fault = typed(name)
        require(venue, fault)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    if kind and kind not in KINDS:
        raise argparse.ArgumentTypeError(f"There is no kind of request {kind!r}.")
    on: Any = (kind,) if kind else KINDS
    return Wish(venue, fault, on)


def main() -> None:
    """Serve the bundled sample until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m tests.exchange_server")
    parser.add_argument("--port", type=int, default=9000)
    parser.add_argument(
        "--fail",
        type=wish,
        action="append",
        default=[],
        metavar="VENUE=FAULT[@KIND]",
        help="a fault to start with, such as bitstamp=429 or kraken=stale@candles; repeatable",
    )
    options = parser.parse_args()
    # A shell lets what it starts in the background ignore the signal.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with ExchangeServer(port=options.port) as server:
        for each in options.fail:
            server.fail(each.venue, each.fault, on=each.on)
        print(f"Serving {', '.join(FORMATS)} at {server.url}")
        print(f"The app asks it with MARKETPULSE_EXCHANGE_SERVER={server.url} streamlit run app.py")
        print(f"Faults are ordered at {server.url}/control", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
