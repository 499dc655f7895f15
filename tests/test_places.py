from pathlib import Path

import pytest

from marketpulse.places import (
    home_folder,
    is_fleeting,
    journal_url,
    models_folder,
    scheduler_address,
)


def test_files_are_kept_where_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.setenv("MARKETPULSE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MARKETPULSE_MODELS", str(tmp_path / "models"))
    assert (home_folder(), models_folder()) == (tmp_path / "home", tmp_path / "models")


def test_the_journal_is_a_file_unless_a_database_is_named(monkeypatch):
    monkeypatch.delenv("MARKETPULSE_DATABASE_URL", raising=False)
    home = Path("/home/me/var")
    assert journal_url(home) == "sqlite:////home/me/var/journal.db"
    assert journal_url(home, "postgresql://secret/db") == "postgresql://secret/db"
    monkeypatch.setenv("MARKETPULSE_DATABASE_URL", "postgresql://env/db")
    assert journal_url(home, "postgresql://secret/db") == "postgresql://env/db"


def test_backtests_run_on_a_cluster_only_if_the_server_was_given_one(monkeypatch):
    monkeypatch.delenv("MARKETPULSE_SCHEDULER", raising=False)
    assert scheduler_address() is None
    assert scheduler_address("tcp://secret:8786") == "tcp://secret:8786"
    monkeypatch.setenv("MARKETPULSE_SCHEDULER", "tcp://env:8786")
    assert scheduler_address("tcp://secret:8786") == "tcp://env:8786"


@pytest.mark.parametrize(
    ("url", "app", "fleeting"),
    [
        ("sqlite:////mount/src/app/var/journal.db", "/mount/src/app/marketpulse/places.py", True),
        ("postgresql://host/db", "/mount/src/app/marketpulse/places.py", False),
        ("sqlite:////home/me/var/journal.db", "/home/me/marketpulse/places.py", False),
    ],
)
def test_only_a_file_on_community_cloud_is_lost_with_a_restart(url, app, fleeting):
    assert is_fleeting(url, Path(app)) == fleeting
