"""A small exchange on loopback: real HTTP in the wire formats of eight venues, faults to order.

By hand: ``python -m tests.exchange_server --port 9000``, then give sources the base URL
``http://127.0.0.1:9000``. Bitstamp answers under ``/bitstamp/...``, Yahoo under ``/yahoo/...``.

The candles are shifted in time so that they look as if they happened now. The last bar that a
venue sends is still forming: its close walks from the bar's open to its close, and its high, low
and volume grow with it.
"""

from tests.exchange_server.addresses import refused_url, silent_url, unresolvable_url
from tests.exchange_server.bars import Bar, bars_at, ramp, shift_to
from tests.exchange_server.faults import NAMES, SCRIPTS, Fault, Refusal, cannot, spelled, typed
from tests.exchange_server.formats import FORMATS, KINDS, PAIRS, Ask, Kind
from tests.exchange_server.replies import HTML
from tests.exchange_server.server import ExchangeServer

__all__ = [
    "FORMATS",
    "HTML",
    "KINDS",
    "NAMES",
    "PAIRS",
    "SCRIPTS",
    "Ask",
    "Bar",
    "ExchangeServer",
    "Fault",
    "Kind",
    "Refusal",
    "bars_at",
    "cannot",
    "ramp",
    "refused_url",
    "shift_to",
    "silent_url",
    "spelled",
    "typed",
    "unresolvable_url",
]
