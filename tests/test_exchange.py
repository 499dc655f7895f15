"""Exchanges: the real ccxt client against venues on loopback, healthy and at fault."""

import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial, reduce

import pandas as pd
import pytest

from marketpulse.candles import empty, merge
from marketpulse.errors import BadReply, SourceUnavailable, UnknownSymbol
from marketpulse.sources import gateway, replies
from marketpulse.sources.exchange import ExchangeSource, _exchange
from marketpulse.sources.venues import DEFAULT_ORDER as VENUES
from tests.exchange_server import ExchangeServer, Fault, Kind, ramp

FIRST = pd.Timestamp("2026-03-01", tz="UTC")
NOW = pd.Timestamp("2026-03-03 02:00:30", tz="UTC")
NEWEST = pd.Timestamp("2026-03-03 01:59", tz="UTC")
MINUTE = pd.Timedelta(minutes=1)

BITSTAMP_OHLC = ("bitstamp", "/api/v2/ohlc/btcusd/")


def serving(candles: pd.DataFrame) -> ExchangeServer:
    return ExchangeServer(candles, offset=pd.Timedelta(0), clock=lambda: NOW)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits before asking once more, and no failure is remembered."""
    monkeypatch.setattr(gateway, "RETRY_AFTER_S", (0.0, 0.0))
    monkeypatch.setattr(gateway, "FAILURE_KEPT_S", 0.0)


@pytest.fixture
def server() -> Iterator[ExchangeServer]:
    with serving(ramp(3001)) as running:
        yield running


def window(
    source: ExchangeSource, start: pd.Timestamp, symbol: str = "BTC/USD", now: pd.Timestamp = NOW
) -> pd.DataFrame:
    pages = [page.candles for page in source.pages(symbol, start=start, now=now)]
    return pd.concat(pages[::-1])


@pytest.mark.parametrize(
    ("venue", "sizes"),
    [
        ("bitstamp", [999, 501]),
        ("coinbase", [299, 301, 301, 301, 301, 2]),  # to the end that it was told, and with it
        ("kraken", [720]),
        ("gemini", [1439]),
    ],
)
def test_closed_candles_come_newest_page_first_as_deep_as_the_venue_goes(
    server: ExchangeServer, venue: str, sizes: list[int]
) -> None:
    source = ExchangeSource(venue, server.url)
    start = NEWEST - 1499 * MINUTE
    pages = list(source.pages("BTC/USD", start=start, now=NOW))
    assert [len(page.candles) for page in pages] == sizes
    newest = pages[0].candles.iloc[-1]
    assert newest.name == NEWEST
    assert newest.tolist() == [3099, 3100, 3099, 3100, 2, False]
    joined = reduce(lambda older, page: merge(page.candles, older, MINUTE), pages, empty())
    assert list(joined.index) == list(pd.date_range(end=NEWEST, periods=len(joined), freq="min"))
    assert len(joined) == min(sum(sizes), 1500)
    assert not joined["filled"].any()


@pytest.mark.parametrize("venue", VENUES)
def test_the_quote_is_the_last_trade_within_the_forming_bar(
    server: ExchangeServer, venue: str
) -> None:
    quote = ExchangeSource(venue, server.url).quote("BTC/USD", now=NOW)
    assert (quote.price, quote.time) == (3100.5, NOW)


@pytest.mark.parametrize("venue", VENUES)
def test_a_candle_that_still_formed_by_the_venue_s_clock_is_not_taken_for_closed(
    server: ExchangeServer, venue: str
) -> None:
    server.skew = pd.Timedelta(seconds=-31.5)  # less than 2 s behind a machine at :00
    now = NEWEST + MINUTE
    candles = window(ExchangeSource(venue, server.url), NEWEST - 9 * MINUTE, now=now)
    assert candles.index[-1] == NEWEST - MINUTE


def test_the_list_of_pairs_is_asked_for_once(server: ExchangeServer) -> None:
    source = ExchangeSource("bitstamp", server.url)
    for minutes in (300, 400, 500):
        list(source.pages("BTC/USD", start=NEWEST - minutes * MINUTE, now=NOW))
    assert server.requests["bitstamp", "/api/v2/markets/"] == 1
    assert server.requests[BITSTAMP_OHLC] == 3


@pytest.mark.parametrize(
    ("symbol", "sentence"),
    [
        (
            "BTC/UDS",
            r"^bitstamp has no pair BTC/UDS; near matches: BTC/USD, BTC/USDT, BTC/USDC\.$",
        ),
        ("btc/usd", r"^bitstamp has no pair btc/usd; near matches: BTC/USD"),
        ("LUNA/USD", r"^bitstamp has no pair LUNA/USD"),
        ("QQQ/ZZZ", r"^bitstamp has no pair QQQ/ZZZ\.$"),
    ],
)
def test_an_unknown_or_inactive_pair_is_refused_with_near_matches(
    server: ExchangeServer, symbol: str, sentence: str
) -> None:
    source = ExchangeSource("bitstamp", server.url)
    with pytest.raises(UnknownSymbol, match=sentence):
        list(source.pages(symbol, start=NEWEST, now=NOW))
    with pytest.raises(UnknownSymbol, match=sentence):
        source.quote(symbol, now=NOW)


@pytest.mark.parametrize("kind", ["markets", "candles", "ticker"])
@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (403, "bitstamp refused this server (403)."),
        (404, "bitstamp refused us (404)."),
        (418, "bitstamp has banned this server for asking too often (418)."),
        (429, "bitstamp is asked too often (429)."),
        (451, "bitstamp is not available from this server's country (451)."),
        (500, "bitstamp has trouble of its own (500)."),
        (503, "bitstamp has trouble of its own (503)."),
    ],
)
def test_a_refusal_is_told_by_its_status(
    server: ExchangeServer, fault: Fault, kind: Kind, sentence: str
) -> None:
    server.fail("bitstamp", fault, on=(kind,))
    source = ExchangeSource("bitstamp", server.url)
    ask = source.quote if kind == "ticker" else partial(window, source, NEWEST)
    with pytest.raises(SourceUnavailable) as caught:
        ask("BTC/USD", now=NOW)
    assert str(caught.value) == sentence


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ("html", "sent a page that is no data."),
        ("truncated", "sent a page that is no data."),
        ("empty", "sent no closed candle of BTC/USD."),
    ],
)
def test_what_is_no_candles_is_not_believed_though_the_status_is_200(
    server: ExchangeServer, venue: str, fault: Fault, sentence: str
) -> None:
    server.fail(venue, fault, on=("candles",))
    with pytest.raises(SourceUnavailable) as caught:
        list(ExchangeSource(venue, server.url).pages("BTC/USD", start=NEWEST, now=NOW))
    assert str(caught.value) == f"{venue} {sentence}"


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ("html", "sent a page that is no data."),
        ("truncated", "sent a page that is no data."),
        ("empty", "sent no list of its pairs."),
    ],
)
def test_a_list_of_pairs_that_is_none_makes_no_pair_unknown(
    server: ExchangeServer, venue: str, fault: Fault, sentence: str
) -> None:
    server.fail(venue, fault, on=("markets",))
    source = ExchangeSource(venue, server.url)
    with pytest.raises(BadReply, match=f"^{venue} {sentence}$"):
        source.quote("BTC/USD", now=NOW)


def test_a_venue_that_recovers_is_asked_again(server: ExchangeServer) -> None:
    source = ExchangeSource("bitstamp", server.url)
    server.fail("bitstamp", 503)
    with pytest.raises(SourceUnavailable):
        source.quote("BTC/USD", now=NOW)
    server.heal("bitstamp")
    assert source.quote("BTC/USD", now=NOW).price == 3100.5


def test_a_venue_that_hangs_is_given_up_in_time(
    server: ExchangeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway, "DEADLINE_S", 0.2)
    server.fail("bitstamp", "hang")
    with pytest.raises(SourceUnavailable, match=r"^bitstamp did not answer in time\.$"):
        ExchangeSource("bitstamp", server.url).quote("BTC/USD", now=NOW)


def test_a_venue_that_is_not_there_cannot_be_reached() -> None:
    with serving(ramp(1)) as stopped:
        url = stopped.url
    with pytest.raises(SourceUnavailable, match=r"^bitstamp cannot be reached\.$"):
        ExchangeSource("bitstamp", url).quote("BTC/USD", now=NOW)


@pytest.mark.parametrize("name", ["mtgox2", "base", "abstract"])
def test_there_is_no_exchange_of_an_invented_name_or_of_another_module_s(name: str) -> None:
    with pytest.raises(SourceUnavailable, match=rf"^There is no exchange named {name}\.$"):
        ExchangeSource(name).quote("BTC/USD", now=NOW)


def test_an_exchange_whose_client_lacks_a_library_is_not_said_to_be_unknown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "ccxt.abstract.hitbtc", None)
    monkeypatch.delitem(sys.modules, "ccxt.hitbtc", raising=False)
    with pytest.raises(ModuleNotFoundError, match="hitbtc"):
        _exchange("hitbtc")


@pytest.mark.parametrize("venue", ["binance", "binanceus", "okx"])
def test_any_exchange_is_had_by_name_and_asked_under_its_own_root(
    server: ExchangeServer, venue: str
) -> None:
    ExchangeSource(venue, server.url).quote("BTC/USD", now=NOW)
    assert {name for name, _ in server.requests} == {venue}


def test_a_silent_quarter_of_an_hour_is_no_failure() -> None:
    with serving(ramp(2980)) as server:
        source = ExchangeSource("bitstamp", server.url)
        (page,) = source.pages("BTC/USD", start=NEWEST - 5 * MINUTE, now=NOW)
        assert page.candles.empty


def test_a_minute_without_a_trade_is_marked() -> None:
    silent = NEWEST - 3 * MINUTE
    with serving(ramp(3001).drop(index=silent)) as server:
        (page,) = ExchangeSource("coinbase", server.url).pages(
            "BTC/USD", start=NEWEST - 9 * MINUTE, now=NOW
        )
    assert page.candles.index[page.candles["filled"]].tolist() == [silent]
    assert page.candles.loc[silent, "close"] == page.candles.loc[silent - MINUTE, "close"]
    assert page.report.filled == 1


def test_one_impossible_row_is_dropped_and_reported() -> None:
    candles = ramp(3001)
    candles.loc[NEWEST, "high"] = 1.0
    with serving(candles) as server:
        (page,) = ExchangeSource("bitstamp", server.url).pages(
            "BTC/USD", start=NEWEST - 9 * MINUTE, now=NOW
        )
    assert page.report.dropped == (("range", 1),)
    assert page.candles.index[-1] == NEWEST - MINUTE


def test_a_reply_with_many_impossible_rows_is_refused() -> None:
    candles = ramp(3001)
    candles.iloc[-21:-1, 1] = 1.0
    with (
        serving(candles) as server,
        pytest.raises(SourceUnavailable, match="bitstamp sent no usable candles: 20 of 299"),
    ):
        list(ExchangeSource("bitstamp", server.url).pages("BTC/USD", start=NEWEST, now=NOW))


def test_a_reply_of_which_a_fifth_is_no_numbers_is_refused() -> None:
    candles = ramp(3001)
    candles.iloc[-61:-1, 3] = float("nan")
    with (
        serving(candles) as server,
        pytest.raises(SourceUnavailable, match="Only 80% of its 300 rows are numbers"),
    ):
        list(ExchangeSource("bitstamp", server.url).pages("BTC/USD", start=NEWEST, now=NOW))


def test_the_venue_has_no_more_when_an_older_page_is_empty() -> None:
    with serving(ramp(3001).loc[NEWEST - 1200 * MINUTE :]) as server:
        source = ExchangeSource("bitstamp", server.url)
        assert len(window(source, FIRST)) == 1201
        assert server.requests[BITSTAMP_OHLC] == 3


def test_threads_that_share_a_source_keep_to_its_rate_limit(server: ExchangeServer) -> None:
    source = ExchangeSource("bitstamp", server.url)
    source.quote("BTC/USD", now=NOW)
    starts = [NEWEST - minutes * MINUTE for minutes in range(400, 408)]
    began = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        pages = list(pool.map(lambda start: window(source, start), starts))
    assert [len(page) for page in pages] == list(range(401, 409))
    assert time.monotonic() - began > 7 * 0.075


def test_two_markets_that_poll_in_the_same_moment_share_one_reply(server: ExchangeServer) -> None:
    source = ExchangeSource("bitstamp", server.url)
    first, second = (window(source, NEWEST - 3 * MINUTE) for _ in range(2))
    assert first.equals(second)
    assert server.requests[BITSTAMP_OHLC] == 1


# Replies that are not what they seem --------------------------------------------------------------


@pytest.mark.parametrize("venue", VENUES)
def test_a_bar_that_comes_twice_costs_no_other_bar(server: ExchangeServer, venue: str) -> None:
    server.fail(venue, "duplicates")
    candles = window(ExchangeSource(venue, server.url), NEWEST - 9 * MINUTE)
    assert candles["close"].tolist() == list(range(3091, 3101))


@pytest.mark.parametrize("venue", VENUES)
def test_pages_of_a_venue_that_sends_few_bars_have_no_holes_between_them(
    server: ExchangeServer, venue: str
) -> None:
    server.fail(venue, "few", on=("candles",))
    pages = ExchangeSource(venue, server.url).pages("BTC/USD", start=NEWEST - 19 * MINUTE, now=NOW)
    joined = reduce(lambda older, page: merge(page.candles, older, MINUTE), pages, empty())
    assert not joined["filled"].any()
    assert len(joined) == (4 if venue in ("kraken", "gemini") else 20)


@pytest.mark.parametrize("venue", ["bitstamp", "coinbase", "binance", "okx"])
def test_candles_of_local_time_are_refused_where_others_were_asked_for(
    server: ExchangeServer, venue: str
) -> None:
    server.fail(venue, "local-time", on=("candles",))
    with pytest.raises(BadReply, match=f"^{venue} sent candles of BTC/USD of another time"):
        window(ExchangeSource(venue, server.url), NEWEST - 9 * MINUTE)


@pytest.mark.parametrize("venue", ["kraken", "gemini"])
def test_of_an_old_reply_the_newest_candle_is_left_out_because_it_may_have_been_forming(
    server: ExchangeServer, venue: str
) -> None:
    server.fail(venue, "local-time", on=("candles",))
    candles = window(ExchangeSource(venue, server.url), NEWEST - 399 * MINUTE)
    assert candles.index[-1] == NEWEST - pd.Timedelta(hours=5)
    assert candles["close"].iloc[-1] == 3100  # and not 3100.5, which is on its way


@pytest.mark.parametrize("venue", VENUES)
def test_a_candle_from_the_future_is_dropped_and_counted(
    server: ExchangeServer, venue: str
) -> None:
    server.fail(venue, "future", on=("candles",))
    (page,) = ExchangeSource(venue, server.url).pages("BTC/USD", start=NEWEST - 9 * MINUTE, now=NOW)
    assert page.candles.index[-1] == NEWEST
    assert page.report.dropped == (("future", 1),)


@pytest.mark.parametrize(
    ("venue", "fault", "outcome"),
    [
        ("bitstamp", "milliseconds", NOW),
        ("bitstamp", "microseconds", NOW),
        ("bitstamp", "nanoseconds", "bitstamp sent a price of BTC/USD of no time."),
        ("gemini", "seconds", NOW),
        ("gemini", "microseconds", NOW),
        ("gemini", "nanoseconds", NOW),
    ],
)
def test_the_time_of_a_price_is_told_by_its_magnitude_or_refused(
    server: ExchangeServer, venue: str, fault: Fault, outcome: pd.Timestamp | str
) -> None:
    server.fail(venue, fault, on=("ticker",))
    source = ExchangeSource(venue, server.url)
    try:
        told: pd.Timestamp | str = source.quote("BTC/USD", now=NOW).time.round("s")
    except BadReply as error:
        told = str(error)
    assert told == outcome


def test_a_price_from_the_future_is_refused() -> None:
    assert replies.quote("gemini", "BTC/USD", 1.0, NOW, NOW).price == 1.0
    with pytest.raises(BadReply, match=r"^gemini sent a price of BTC/USD from the future\.$"):
        replies.quote("gemini", "BTC/USD", 1.0, NOW + MINUTE, NOW)


def test_a_list_of_no_pairs_is_asked_for_once(server: ExchangeServer) -> None:
    server.fail("gemini", "empty", on=("markets",))
    with pytest.raises(BadReply, match="sent no list of its pairs"):
        ExchangeSource("gemini", server.url).quote("BTC/USD", now=NOW)
    assert server.asked("gemini") == 1


@pytest.mark.parametrize("venue", VENUES)
def test_numbers_that_json_does_not_have_make_a_page_no_data(
    server: ExchangeServer, venue: str
) -> None:
    server.fail(venue, "nan-json", on=("candles",))
    with pytest.raises(BadReply, match=rf"^{venue} sent a page that is no data\.$"):
        window(ExchangeSource(venue, server.url), NEWEST)
