import pandas as pd
import pytest

from marketpulse.errors import SourceUnavailable
from marketpulse.sources.catalogue import (
    SERVER_VARIABLE,
    candles_folder,
    is_recording,
    live_source,
    recorded_names,
    recording,
)
from tests.exchange_server import ExchangeServer

NOW = pd.Timestamp("2026-03-01 10:00:30", tz="UTC")


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("auto", ("bitstamp", "coinbase", "kraken", "gemini", "yahoo")),
        ("kraken", ("kraken",)),
        ("yahoo", ("yahoo",)),
    ],
)
def test_a_live_source_asks_all_venues_in_order_or_the_one_that_is_named(name, asked, tmp_path):
    venues = live_source(name, tmp_path).provenance(NOW).venues
    assert tuple(each.venue for each in venues) == asked


def test_two_markets_ask_a_venue_in_one_place_so_that_its_limits_hold(tmp_path, monkeypatch):
    with ExchangeServer(clock=lambda: NOW) as server:
        monkeypatch.setenv(SERVER_VARIABLE, server.url)
        live_source("gemini", tmp_path).quote("BTC/USD", now=NOW)
        (seen,) = live_source("gemini", tmp_path).provenance(NOW).venues
    assert (seen.state, seen.calls) == ("ok", server.asked("gemini"))


def test_what_a_test_server_sends_is_not_kept_among_the_real_candles(tmp_path, monkeypatch):
    with ExchangeServer(clock=lambda: NOW) as server:
        monkeypatch.setenv(SERVER_VARIABLE, server.url)
        source = live_source("gemini", tmp_path)
        list(source.pages("BTC/USD", start=NOW - pd.Timedelta(hours=2), now=NOW))
    assert any(candles_folder(tmp_path, server.url).rglob("*.parquet"))
    others = (candles_folder(tmp_path, each) for each in (None, "http://127.0.0.1:9"))
    assert not any(folder.exists() for folder in others)


def test_a_venue_that_nobody_knows_is_one_sentence(tmp_path):
    with pytest.raises(SourceUnavailable, match=r"There is no exchange named nosuchvenue\."):
        live_source("nosuchvenue", tmp_path).quote("BTC/USD", now=NOW)


@pytest.mark.parametrize("name", ["sample", "mine.csv", "mine.CSV.GZ", "a/b.parquet"])
def test_the_sample_and_files_are_recordings(name):
    assert is_recording(name)


@pytest.mark.parametrize("name", ["auto", "bitstamp", "yahoo"])
def test_venues_are_not_recordings(name):
    assert not is_recording(name)


def test_only_files_of_candles_in_the_recordings_folder_are_offered(tmp_path):
    (tmp_path / "recordings").mkdir()
    for name in ("b.csv", "a.parquet", "notes.txt"):
        (tmp_path / "recordings" / name).touch()
    assert recorded_names(tmp_path) == ("sample", "a.parquet", "b.csv")


def test_a_name_from_a_link_cannot_leave_the_recordings_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "home" / "recordings").mkdir(parents=True)
    with pytest.raises(SourceUnavailable):
        recording("../secret.csv", tmp_path / "home", "BTC/USD")
