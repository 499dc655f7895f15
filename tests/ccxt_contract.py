"""What ccxt makes of each fault of a venue, and what we make of it: agreed in a table (F35).

A new version of ccxt may give a fault another class, and code that goes by the class is wrong from
then on. We go by status and content before ccxt sees a reply, so a change of its classes should
change nothing of ours: the table is where both can be seen. Once every difference was looked at,
``python -m tests.ccxt_contract`` writes it anew.
"""

import json
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import ccxt
import pandas as pd

from marketpulse.errors import DataError
from marketpulse.sources.exchange import ExchangeSource
from marketpulse.sources.gateway import Gateway
from tests.exchange_server import ExchangeServer, Fault, Refusal, cannot, ramp, spelled

VENUES = ("bitstamp", "coinbase", "kraken", "gemini")
FAULTS: tuple[Fault, ...] = (
    400, 401, 403, 404, 418, 429, 451, 500, 502, 503, 504, 520,
    Refusal(403, html=True), Refusal(429, html=True), Refusal(503, html=True), "restricted",
    "reset", "close", "short", "blank", "html", "truncated", "null", "object", "foo", "bad-gzip",
    "binary", "nan-json", "thousands", "empty",
)  # fmt: skip
TABLE = Path(__file__).with_suffix(".json")

_SYMBOL = "BTC/USD"
_NOW = pd.Timestamp("2026-03-02 09:00:30", tz="UTC")
_START = _NOW.floor("min") - pd.Timedelta(minutes=299)

Outcomes = dict[str, list[str]]


def measured(venue: str) -> Outcomes:
    """What ccxt answers by itself, and what our source does, by fault of the candles."""
    found = {}
    with ExchangeServer(ramp(2000), offset=pd.Timedelta(0), clock=lambda: _NOW) as server:
        client, source = _client(venue, server.url), ExchangeSource(venue, server.url)
        wire = source._wire()
        source._gateway = Gateway(venue, lambda: wire)
        _ours(source)
        wire.interval = 0.0
        for fault in FAULTS:
            if cannot(venue, fault):
                continue
            server.fail(venue, fault, on=("candles",))
            # Without a memory of the fault before.
            source._gateway = Gateway(venue, lambda: wire, sleep=lambda _: None)
            found[spelled(fault)] = [_theirs(client), _ours(source)]
    return found


def _client(venue: str, url: str) -> Any:
    """The client by itself, with a connection of its own, its markets loaded."""
    client = getattr(ccxt, venue)({"enableRateLimit": False, "timeout": 5000})
    client.urls["api"] = _moved(client.urls["api"], f"{url}/{venue}")
    client.has["fetchCurrencies"] = False
    client.load_markets()
    return client


def _moved(urls: Any, root: str) -> Any:
    if isinstance(urls, dict):
        return {name: _moved(each, root) for name, each in urls.items()}
    return root + urlsplit(urls).path


def _theirs(client: Any) -> str:
    try:
        rows = client.fetch_ohlcv(_SYMBOL, "1m", int(_START.timestamp()) * 1000, 300)
    except Exception as error:  # whatever it is, it is the answer
        return type(error).__name__
    return "rows" if rows else "no rows"


def _ours(source: ExchangeSource) -> str:
    try:
        list(source.pages(_SYMBOL, start=_START, now=_NOW))
    except DataError as error:
        return type(error).__name__
    return "candles"


@cache
def agreed() -> dict[str, Any]:
    """The table, and the version of ccxt that it was made with."""
    table: dict[str, Any] = json.loads(TABLE.read_text(encoding="utf-8"))
    return table


def differences(venue: str) -> list[str]:
    """What is not as agreed, each as a sentence."""
    return compared(venue, agreed()["outcomes"][venue], measured(venue))


def compared(venue: str, before: Outcomes, now: Outcomes) -> list[str]:
    """Where two outcomes differ, each as a sentence."""
    versions = (ccxt.__version__, agreed()["ccxt"])
    told = []
    for fault in sorted(before.keys() | now.keys()):
        for whose, is_now, was in zip(
            (f"ccxt {versions[0]}", "our source"),
            now.get(fault, ["nothing"] * 2),
            before.get(fault, ["nothing"] * 2),
            strict=True,
        ):
            if is_now != was:
                told.append(
                    f"At {fault!r} of {venue} {whose} answers {is_now}, where {was} was agreed"
                    f" with ccxt {versions[1]}."
                )
    return told


def main() -> None:
    """Write the table anew."""
    with ThreadPoolExecutor(len(VENUES)) as pool:
        outcomes = dict(zip(VENUES, pool.map(measured, VENUES), strict=True))
    lines = ",\n".join(
        f"  {json.dumps(venue)}: {{\n"
        + ",\n".join(f"   {json.dumps(k)}: {json.dumps(v)}" for k, v in by_fault.items())
        + "\n  }"
        for venue, by_fault in outcomes.items()
    )
    head = f'{{\n "ccxt": {json.dumps(ccxt.__version__)},\n "outcomes": {{\n'
    TABLE.write_text(f"{head}{lines}\n }}\n}}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
