"""Yahoo Finance: the real yfinance client against a chart API on loopback."""

import importlib
from collections.abc import Iterator
from functools import reduce

import pandas as pd
import pytest

from marketpulse.candles import empty, merge
from marketpulse.errors import BadReply, SourceUnavailable, UnknownSymbol
from marketpulse.sources import gateway
from marketpulse.sources.yahoo import YahooSource
from tests.exchange_server import ExchangeServer, Fault, ramp

# Its import puts warning filters of its own before everybody's: here, where pytest undoes that.
importlib.import_module("yfinance")

# yfinance 1.7 still sorts in place, which pandas 3.1 discourages.
pytestmark = pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning")

NOW = pd.Timestamp("2026-03-31 00:00:30", tz="UTC")
NEWEST = pd.Timestamp("2026-03-30 23:59", tz="UTC")
MINUTE = pd.Timedelta(minutes=1)
DAY = pd.Timedelta(days=1)
CHART = ("yahoo", "/v8/finance/chart/BTC-USD")


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits before asking once more, and no failure is remembered."""
    monkeypatch.setattr(gateway, "RETRY_AFTER_S", (0.0, 0.0))
    monkeypatch.setattr(gateway, "FAILURE_KEPT_S", 0.0)


@pytest.fixture
def server() -> Iterator[ExchangeServer]:
    thirty_days = ramp(30 * 1440 + 1)
    with ExchangeServer(thirty_days, offset=pd.Timedelta(0), clock=lambda: NOW) as running:
        yield running


def test_it_reaches_back_29_days_in_calls_of_at_most_seven(server: ExchangeServer) -> None:
    source = YahooSource(server.url)
    pages = list(source.pages("BTC/USD", start=NOW - 60 * DAY, now=NOW))
    assert [len(page.candles) for page in pages] == [10079, 10080, 10080, 10080, 1440]
    assert server.requests[CHART] == 5
    assert pages[0].candles.index[-1] == NEWEST
    assert pages[0].candles.iloc[-1].tolist() == [43299, 43300, 43299, 43300, 2, False]
    assert pages[-1].candles.index[0] == NOW.ceil("min") - 29 * DAY


def test_only_candles_that_open_at_or_after_the_start_are_kept(server: ExchangeServer) -> None:
    source = YahooSource(server.url)
    (page,) = source.pages("BTC/USD", start=NEWEST - 4 * MINUTE, now=NOW)
    assert page.candles["close"].tolist() == [43296, 43297, 43298, 43299, 43300]
    assert str(page.candles.index.tz) == "UTC"


def test_a_candle_that_still_formed_by_yahoo_s_clock_is_not_taken_for_closed(
    server: ExchangeServer,
) -> None:
    server.skew = pd.Timedelta(seconds=-31.5)  # less than 2 s behind a machine at :00
    (page,) = YahooSource(server.url).pages(
        "BTC/USD", start=NEWEST - 4 * MINUTE, now=NEWEST + MINUTE
    )
    assert page.candles.index[-1] == NEWEST - MINUTE


def test_the_quote_is_the_newest_trade_with_its_second(server: ExchangeServer) -> None:
    quote = YahooSource(server.url).quote("BTC/USD", now=NOW)
    assert (quote.price, quote.time) == (43300.5, NOW)


@pytest.mark.parametrize("symbol", ["BTC/UDS", "LUNA/USD"])
def test_a_pair_that_yahoo_does_not_have_is_unknown(server: ExchangeServer, symbol: str) -> None:
    source = YahooSource(server.url)
    with pytest.raises(UnknownSymbol, match=f"^yahoo has no pair {symbol}"):
        list(source.pages(symbol, start=NEWEST, now=NOW))


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (403, "yahoo refused this server (403)."),
        (429, "yahoo is asked too often (429)."),
        (451, "yahoo is not available from this server's country (451)."),
        (500, "yahoo has trouble of its own (500)."),
        (503, "yahoo has trouble of its own (503)."),
        ("html", "yahoo sent a page that is no data."),
        ("truncated", "yahoo sent a page that is no data."),
        ("empty", "yahoo sent no candles."),
    ],
)
def test_each_way_of_failing_is_one_sentence(
    server: ExchangeServer, fault: Fault, sentence: str
) -> None:
    source = YahooSource(server.url)
    server.fail("yahoo", fault, on=("candles",))
    with pytest.raises(SourceUnavailable) as caught:
        list(source.pages("BTC/USD", start=NEWEST, now=NOW))
    assert str(caught.value) == sentence
    with pytest.raises(SourceUnavailable):
        source.quote("BTC/USD", now=NOW)


def test_a_page_that_failed_once_is_asked_for_again(server: ExchangeServer) -> None:
    source = YahooSource(server.url)
    server.fail("yahoo", 500)
    with pytest.raises(SourceUnavailable):
        source.quote("BTC/USD", now=NOW)
    server.heal("yahoo")
    assert source.quote("BTC/USD", now=NOW).price == 43300.5


def test_it_is_given_up_in_time_when_it_hangs(
    server: ExchangeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway, "DEADLINE_S", 0.2)
    server.fail("yahoo", "hang")
    with pytest.raises(SourceUnavailable, match=r"^yahoo did not answer in time\.$"):
        YahooSource(server.url).quote("BTC/USD", now=NOW)


def test_it_cannot_be_reached_when_nobody_listens() -> None:
    with ExchangeServer(ramp(1)) as stopped:
        url = stopped.url
    with pytest.raises(SourceUnavailable, match=r"^yahoo cannot be reached\.$"):
        YahooSource(url).quote("BTC/USD", now=NOW)


# Replies that are not what they seem --------------------------------------------------------------


def test_a_volume_that_yahoo_does_not_tell_is_unknown_and_not_zero(server: ExchangeServer) -> None:
    server.fail("yahoo", "no-volume")
    (page,) = YahooSource(server.url).pages("BTC/USD", start=NEWEST - 4 * MINUTE, now=NOW)
    assert page.candles["volume"].isna().all()
    assert page.candles["close"].tolist() == [43296, 43297, 43298, 43299, 43300]


def test_a_minute_of_nulls_is_one_without_a_trade() -> None:
    candles = ramp(30 * 1440 + 1)
    silent = NEWEST - 3 * MINUTE
    candles.loc[silent, ["open", "high", "low", "close", "volume"]] = float("nan")
    with ExchangeServer(candles, offset=pd.Timedelta(0), clock=lambda: NOW) as server:
        (page,) = YahooSource(server.url).pages("BTC/USD", start=NEWEST - 4 * MINUTE, now=NOW)
    assert page.candles.index[page.candles["filled"]].tolist() == [silent]
    assert page.report.dropped == ()


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ("many-zeros", "yahoo sent no usable candles: "),
        ("milliseconds", "yahoo sent no closed candle of BTC/USD."),
        ("local-time", "yahoo sent candles of BTC/USD of another time than was asked for."),
    ],
)
def test_candles_that_cannot_be_are_refused_and_yahoo_is_noted_as_failing(
    server: ExchangeServer, fault: Fault, sentence: str
) -> None:
    source = YahooSource(server.url)
    server.fail("yahoo", fault)
    with pytest.raises(BadReply) as caught:
        list(source.pages("BTC/USD", start=NEWEST - 299 * MINUTE, now=NOW))
    assert str(caught.value).startswith(sentence)
    assert source.provenance(NOW).venues[0].state == "failing"


def test_pages_with_few_bars_have_no_holes_between_them(server: ExchangeServer) -> None:
    server.fail("yahoo", "few")
    pages = YahooSource(server.url).pages("BTC/USD", start=NEWEST - 19 * MINUTE, now=NOW)
    joined = reduce(lambda older, page: merge(page.candles, older, MINUTE), pages, empty())
    assert (len(joined), joined["filled"].sum()) == (20, 0)
