"""What a healthy venue answers: one function per venue, in the venue's own wire format."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from tests.exchange_server.bars import Bar, closed

Kind = Literal["markets", "candles", "ticker", "other"]
Pair = tuple[str, str, bool]

KINDS: tuple[Kind, ...] = ("markets", "candles", "ticker", "other")

PAIRS: tuple[Pair, ...] = (
    ("BTC", "USD", True),
    ("ETH", "USD", True),
    ("LUNA", "USD", False),
    ("BTC", "USDT", True),
    ("BTC", "USDC", True),
)
"""Base, quote and whether it is traded. Pairs of the same quote have the same candles."""

FACTORS = {"USD": 1.0, "USDT": 1.001, "USDC": 0.999}
"""What prices in a quote currency are multiplied by, so that a splice of two can be seen."""

PER_SECOND = {
    "bitstamp": 1,
    "coinbase": 1,
    "kraken": 1,
    "gemini": 1000,
    "binance": 1000,
    "binanceus": 1000,
    "okx": 1000,
    "yahoo": 1,
}
"""In which unit a venue tells the times of its candles."""

NUMBERS = frozenset({"gemini", "yahoo"})
"""Venues that send prices of candles as JSON numbers; the others send texts."""

_NEVER, _EVER = 0.0, float("inf")


@dataclass(frozen=True, slots=True)
class Ask:
    """One request and all that goes into its reply: what the venue knows, and how it spoils it.

    Attributes
    ----------
    path : str
        Without the venue.
    query : dict of str to str
    now : pandas.Timestamp
        By the venue's clock.
    bars : list of Bar
        What the venue knows of the pair, oldest first; the last one may still be forming.
    pairs : tuple of Pair
        Of the list of markets.
    edited : callable
        What becomes of a page of bars, oldest first, before it is written.
    price : float, optional
        Of the last trade; the newest bar's close unless given.
    unit : int, optional
        How many units of its times a second has, if not the venue's usual number.
    grouped : bool
        Whether texts of numbers have a comma after the thousands.
    """

    path: str
    query: dict[str, str]
    now: pd.Timestamp
    bars: list[Bar]
    pairs: tuple[Pair, ...] = PAIRS
    edited: Callable[[list[Bar]], list[Bar]] = list
    price: float | None = None
    unit: int | None = None
    grouped: bool = False

    def page(
        self, start: float = _NEVER, end: float = _EVER, *, most: int, oldest: bool = False
    ) -> list[Bar]:
        """At most so many of the bars that open in [start, end], the newest unless ``oldest``."""
        bars = [bar for bar in self.bars if start <= bar.time <= end]
        return self.edited(bars[:most] if oldest else bars[-most:])

    def ticks(self, seconds: float, usual: int) -> int:
        """Seconds since 1970 in the unit that the venue uses, or should not use."""
        return int(seconds * (self.unit or usual))

    def moment(self, usual: int) -> int:
        """The venue's time as a number."""
        return self.ticks(self.now.timestamp(), usual)

    def text(self, value: float | None) -> str:
        """A price or volume as the venues write it that send texts."""
        if value is None:
            return ""
        if not math.isfinite(value):
            return "NaN" if math.isnan(value) else "Infinity"
        return f"{value:,}" if self.grouped else str(value)

    def texts(self, bar: Bar) -> list[str]:
        """A bar's prices and volume as texts."""
        return [self.text(value) for value in bar[1:]]

    @property
    def last(self) -> float:
        """Price of the last trade."""
        return self.bars[-1].close if self.price is None else self.price

    @property
    def bid(self) -> float:
        """Best bid: one below the last trade, unless that is no price."""
        return self.last - 1 if 1 < self.last < _EVER else self.last

    @property
    def ask(self) -> float:
        """Best ask: one above the last trade, unless that is no price."""
        return self.last + 1 if 1 < self.last < _EVER else self.last

    @property
    def traded(self) -> list[tuple[str, str]]:
        """Base and quote of the pairs that are traded."""
        return [(base, quote) for base, quote, active in self.pairs if active]


def bitstamp(ask: Ask) -> tuple[Kind, Any]:
    """Texts in an object per bar; at most 1000, from ``start`` on or the newest."""
    if ask.path.startswith("/api/v2/markets"):
        return "markets", [_bitstamp_market(*pair) for pair in ask.pairs]
    if ask.path.startswith("/api/v2/ohlc/"):
        limit = min(int(ask.query.get("limit", 1000)), 1000)
        start, end = float(ask.query.get("start", _NEVER)), float(ask.query.get("end", _EVER))
        bars = ask.page(start, end, most=limit, oldest="start" in ask.query)
        names = ("timestamp", "open", "high", "low", "close", "volume")
        values = [[str(ask.ticks(bar.time, 1)), *ask.texts(bar)] for bar in bars]
        rows = [dict(zip(names, row, strict=True)) for row in values]
        return "candles", {"data": {"pair": "BTC/USD", "ohlc": rows}}
    ticker = {"timestamp": str(ask.moment(1)), "last": ask.text(ask.last)}
    return "ticker", ticker | {"bid": ask.text(ask.bid), "ask": ask.text(ask.ask)}


def _bitstamp_market(base: str, quote: str, active: bool) -> dict[str, Any]:
    return {
        "name": f"{base}/{quote}",
        "market_symbol": f"{base}{quote}".lower(),
        "base_currency": base,
        "base_decimals": 8,
        "counter_currency": quote,
        "counter_decimals": 2,
        "minimum_order_value": "10",
        "trading": "Enabled" if active else "Disabled",
        "market_type": "SPOT",
    }


def coinbase(ask: Ask) -> tuple[Kind, Any]:
    """Texts in an object per bar, newest first; at most 350 between ``start`` and ``end``."""
    if ask.path.endswith("/products"):
        future = ask.query.get("product_type") == "FUTURE"
        return "markets", {"products": [] if future else [_coinbase_product(*p) for p in ask.pairs]}
    if ask.path.endswith("/candles"):
        bars = ask.page(float(ask.query["start"]), float(ask.query["end"]), most=350)
        names = ("start", "open", "high", "low", "close", "volume")
        values = [[str(ask.ticks(bar.time, 1)), *ask.texts(bar)] for bar in bars[::-1]]
        return "candles", {"candles": [dict(zip(names, row, strict=True)) for row in values]}
    if not ask.path.endswith("/ticker"):
        return "other", {"data": []}
    time = ask.now.tz_localize(None).isoformat() + "Z"
    trade = {"trade_id": "1", "price": ask.text(ask.last), "size": "0.01", "time": time}
    quotes = {"best_bid": ask.text(ask.bid), "best_ask": ask.text(ask.ask)}
    return "ticker", {"trades": [trade | {"product_id": "BTC-USD", "side": "BUY"}]} | quotes


def _coinbase_product(base: str, quote: str, active: bool) -> dict[str, Any]:
    return {
        "product_id": f"{base}-{quote}",
        "base_increment": "0.00000001",
        "quote_increment": "0.01",
        "price_increment": "0.01",
        "status": "online" if active else "delisted",
        "trading_disabled": not active,
        "product_type": "SPOT",
        "base_currency_id": base,
        "quote_currency_id": quote,
    }


def kraken(ask: Ask) -> tuple[Kind, Any]:
    """Rows of eight; the newest 720 and the forming one, whatever ``since`` says."""
    if ask.path == "/0/public/AssetPairs":
        result: Any = {_kraken_id(b, q): _kraken_pair(b, q, active) for b, q, active in ask.pairs}
        return "markets", {"error": [], "result": result}
    if ask.path == "/0/public/OHLC":
        bars = ask.page(float(ask.query.get("since", _NEVER)) + 1, most=721)
        rows = [_kraken_row(ask, bar) for bar in bars]
        return "candles", {"error": [], "result": {ask.query["pair"]: rows, "last": 0}}
    if ask.path == "/0/public/Ticker":
        ticker: dict[str, Any] = {"a": [ask.text(ask.ask), "1"], "b": [ask.text(ask.bid), "1"]}
        ticker |= {"c": [ask.text(ask.last), "0.1"], "v": ["1", "1"], "p": ["1", "1"]}
        ticker |= {"l": ["1", "1"], "h": ["1", "1"], "o": "1"}
        return "ticker", {"error": [], "result": {ask.query["pair"]: ticker}}
    return "other", {"error": [], "result": {}}


def _kraken_row(ask: Ask, bar: Bar) -> list[Any]:
    *prices, volume = ask.texts(bar)
    return [ask.ticks(bar.time, 1), *prices, ask.text(bar.close), volume, 9]


def _kraken_id(base: str, quote: str) -> str:
    return f"X{_kraken_code(base)}{_kraken_quote(quote)}"


def _kraken_code(base: str) -> str:
    return "XBT" if base == "BTC" else base


def _kraken_quote(quote: str) -> str:
    return f"Z{quote}" if quote == "USD" else quote


def _kraken_pair(base: str, quote: str, active: bool) -> dict[str, Any]:
    code = _kraken_code(base)
    return {
        "altname": f"{code}{quote}",
        "wsname": f"{code}/{quote}",
        "base": f"X{code}",
        "quote": _kraken_quote(quote),
        "pair_decimals": 1,
        "lot_decimals": 8,
        "leverage_buy": [],
        "fees": [[0, 0.26]],
        "fees_maker": [[0, 0.16]],
        "status": "online" if active else "cancel_only",
    }


def gemini(ask: Ask) -> tuple[Kind, Any]:
    """Rows of six numbers, newest first: always the last day."""
    if ask.path == "/v1/symbols":
        return "markets", [f"{base}{quote}".lower() for base, quote in ask.traded]
    if ask.path.startswith("/v2/candles/"):
        bars = ask.page(most=1440)
        return "candles", [[ask.ticks(bar.time, 1000), *bar[1:]] for bar in bars[::-1]]
    volume = {"BTC": "1", "USD": "1", "timestamp": ask.moment(1000)}
    prices = {"bid": ask.text(ask.bid), "ask": ask.text(ask.ask), "last": ask.text(ask.last)}
    return "ticker", prices | {"volume": volume}


def binance(ask: Ask) -> tuple[Kind, Any]:
    """Rows of twelve; at most 1000, from ``startTime`` on or the newest."""
    if ask.path.endswith("/exchangeInfo"):
        symbols = [_binance_symbol(*pair) for pair in ask.pairs]
        info = {"timezone": "UTC", "serverTime": ask.moment(1000), "rateLimits": []}
        return "markets", info | {"exchangeFilters": [], "symbols": symbols}
    if ask.path.endswith("/klines"):
        limit = min(int(ask.query.get("limit", 500)), 1000)
        start = float(ask.query.get("startTime", _NEVER)) / 1000
        end = float(ask.query.get("endTime", _EVER)) / 1000
        bars = ask.page(start, end, most=limit, oldest="startTime" in ask.query)
        return "candles", [_binance_row(ask, bar) for bar in bars]
    if ask.path.endswith("/ticker/24hr"):
        return "ticker", _binance_ticker(ask)
    return "other", {}


def _binance_symbol(base: str, quote: str, active: bool) -> dict[str, Any]:
    lots = {"filterType": "LOT_SIZE", "minQty": "0.00001", "maxQty": "9000", "stepSize": "0.00001"}
    prices = {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000.00"}
    return {
        "symbol": f"{base}{quote}",
        "status": "TRADING" if active else "BREAK",
        "baseAsset": base,
        "baseAssetPrecision": 8,
        "quoteAsset": quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "orderTypes": ["LIMIT", "MARKET"],
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": [prices | {"tickSize": "0.01"}, lots],
        "permissions": [],
        "permissionSets": [["SPOT"]],
    }


def _binance_row(ask: Ask, bar: Bar) -> list[Any]:
    opened, over = ask.ticks(bar.time, 1000), ask.ticks(bar.time + 59.999, 1000)
    return [opened, *ask.texts(bar), over, "1.0", 7, "1.0", "1.0", "0"]


def _binance_ticker(ask: Ask) -> dict[str, Any]:
    day_ago = ask.ticks(ask.now.timestamp() - 86_400, 1000)
    ticker = {"symbol": "BTCUSD", "lastPrice": ask.text(ask.last), "lastQty": "0.01"}
    ticker |= {"bidPrice": ask.text(ask.bid), "askPrice": ask.text(ask.ask)}
    return ticker | {"openTime": day_ago, "closeTime": ask.moment(1000), "count": 7}


def okx(ask: Ask) -> tuple[Kind, Any]:
    """Rows of nine texts, newest first; at most 300 after ``before`` and before ``after``."""
    if ask.path == "/api/v5/public/instruments":
        spot = ask.query.get("instType") == "SPOT"
        return "markets", _okx_reply([_okx_instrument(*pair) for pair in ask.pairs if spot])
    if ask.path in ("/api/v5/market/candles", "/api/v5/market/history-candles"):
        limit = min(int(ask.query.get("limit", 100)), 300)
        # Both bounds are exclusive.
        start = (float(ask.query.get("before", -1)) + 1) / 1000
        end = (float(ask.query.get("after", _EVER)) - 1) / 1000
        bars = ask.page(start, end, most=limit)
        return "candles", _okx_reply([_okx_row(ask, bar) for bar in bars[::-1]])
    if ask.path == "/api/v5/market/ticker":
        ticker = {"instType": "SPOT", "instId": ask.query["instId"], "last": ask.text(ask.last)}
        ticker |= {"bidPx": ask.text(ask.bid), "askPx": ask.text(ask.ask)}
        return "ticker", _okx_reply([ticker | {"ts": str(ask.moment(1000))}])
    return "other", _okx_reply([])


def _okx_reply(data: list[Any]) -> dict[str, Any]:
    return {"code": "0", "msg": "", "data": data}


def _okx_instrument(base: str, quote: str, active: bool) -> dict[str, str]:
    return {
        "instType": "SPOT",
        "instId": f"{base}-{quote}",
        "baseCcy": base,
        "quoteCcy": quote,
        "settleCcy": "",
        "lotSz": "0.00000001",
        "minSz": "0.00001",
        "tickSz": "0.01",
        "state": "live" if active else "suspend",
    }


def _okx_row(ask: Ask, bar: Bar) -> list[str]:
    over = "1" if closed(bar, ask.now.timestamp()) else "0"
    return [str(ask.ticks(bar.time, 1000)), *ask.texts(bar), "1.0", "1.0", over]


def yahoo(ask: Ask) -> tuple[Kind, Any]:
    """Columns; the newest row is stamped with the second of the last trade, as Yahoo does."""
    if not ask.path.startswith("/v8/finance/chart/"):
        return "other", "crumb" if ask.path.endswith("/getcrumb") else "<p></p>"
    symbol = ask.path.rpartition("/")[2]
    quotes = {f"{base}-{quote}": quote for base, quote in ask.traded}
    if symbol not in quotes:
        reason = "No data found, symbol may be delisted"
        return "candles", {"chart": {"result": None, "error": {"description": reason}}}
    start, end = float(ask.query["period1"]), float(ask.query["period2"])
    bars = ask.page(start, end - 1, most=len(ask.bars))
    names = ("open", "high", "low", "close", "volume")
    columns = {name: [_yahoo_number(getattr(bar, name)) for bar in bars] for name in names}
    meta: dict[str, Any] = {"currency": quotes[symbol], "symbol": symbol}
    meta |= {"instrumentType": "CRYPTOCURRENCY", "exchangeTimezoneName": "UTC", "timezone": "UTC"}
    result: dict[str, Any] = {"meta": meta | {"validRanges": ["1d", "max"]}}
    result |= {"timestamp": [_yahoo_time(ask, bar) for bar in bars]}
    result |= {"indicators": {"quote": [columns if bars else {}]}}
    return "candles", {"chart": {"result": [result], "error": None}}


def _yahoo_time(ask: Ask, bar: Bar) -> int:
    now = ask.now.timestamp()
    forming = bar.time <= now and not closed(bar, now)
    return ask.ticks(int(now) if forming else bar.time, 1)


def _yahoo_number(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else value


FORMATS: dict[str, Callable[[Ask], tuple[Kind, Any]]] = {
    "bitstamp": bitstamp,
    "coinbase": coinbase,
    "kraken": kraken,
    "gemini": gemini,
    "binance": binance,
    "binanceus": binance,
    "okx": okx,
    "yahoo": yahoo,
}

_IDS: dict[str, Callable[[str, str], str]] = {
    "bitstamp": lambda base, quote: f"{base}{quote}".lower(),
    "coinbase": lambda base, quote: f"{base}-{quote}",
    "kraken": _kraken_id,
    "gemini": lambda base, quote: f"{base}{quote}".lower(),
    "binance": lambda base, quote: f"{base}{quote}",
    "binanceus": lambda base, quote: f"{base}{quote}",
    "okx": lambda base, quote: f"{base}-{quote}",
    "yahoo": lambda base, quote: f"{base}-{quote}",
}


def pair_asked(venue: str, path: str, query: dict[str, str]) -> tuple[str, str] | None:
    """Base and quote of the pair that a request names; None if it names none of ours."""
    words = {*path.split("/"), *query.values()}
    named = ((base, quote) for base, quote, _ in PAIRS if _IDS[venue](base, quote) in words)
    return next(named, None)
