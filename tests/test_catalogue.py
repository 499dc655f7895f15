import pytest

from marketpulse.errors import SourceUnavailable
from marketpulse.sources.catalogue import is_recording, live_source, recorded_names, recording
from marketpulse.sources.chain import ChainSource


def test_auto_is_the_chain_and_a_venue_is_itself():
    assert isinstance(live_source("auto"), ChainSource)
    assert live_source("kraken").venue == "kraken"
    assert live_source("yahoo").venue == "yahoo"


def test_a_venue_is_one_source_for_the_whole_process_so_that_its_limits_hold():
    assert live_source("kraken") is live_source("kraken")


def test_a_venue_that_nobody_knows_is_one_sentence():
    with pytest.raises(SourceUnavailable):
        live_source("nosuchvenue").quote("BTC/USD", now=None)


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
