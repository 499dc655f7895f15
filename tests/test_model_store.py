import hashlib
import os
import stat

import pandas as pd
import pytest

from marketpulse import dataset, model, model_store
from marketpulse.errors import ArtifactRejected
from marketpulse.horizons import MINUTE
from marketpulse.model import Plan
from marketpulse.model_store import ModelStore, load, save, signing_key
from tests.build import START, walk

PLAN = Plan(train_bars=300, min_train_bars=200, calibration_bars=100)
DATA = dataset.build(walk(1000, seed=1), MINUTE)
FIT_AT = START + pd.Timedelta(hours=15)
KEY = b"a key"
FACTS = {"layout": 1}


@pytest.fixture(scope="module")
def fitted():
    return model.fit(DATA, FIT_AT, PLAN)


@pytest.fixture
def path(tmp_path, fitted):
    file = tmp_path / "a.model"
    save(file, KEY, FACTS, fitted)
    return file


def digest(fitted):
    said = fitted.centre.predict(DATA.X[241:, model.CENTRE_COLUMNS])
    return hashlib.sha256(said.tobytes()).hexdigest()


def test_a_loaded_model_says_exactly_what_the_saved_one_said(path, fitted):
    assert digest(load(path, KEY, FACTS)) == digest(fitted)


def test_a_file_signed_with_another_key_is_refused(path):
    with pytest.raises(ArtifactRejected, match="signature"):
        load(path, b"another key", FACTS)


def test_a_file_of_other_versions_is_refused(path):
    with pytest.raises(ArtifactRejected, match="other versions"):
        load(path, KEY, {"layout": 2})


@pytest.mark.parametrize("where", [0.0, 0.01, 0.1, 0.5, 0.9, 0.999])
def test_a_flipped_bit_anywhere_is_refused_before_anything_is_opened(path, monkeypatch, where):
    content = bytearray(path.read_bytes())
    content[int(where * (len(content) - 1))] ^= 1
    path.write_bytes(bytes(content))
    for opened in ("pickle.loads", "zlib.decompress"):
        monkeypatch.setattr(opened, lambda *_: pytest.fail("it was opened"))
    with pytest.raises(ArtifactRejected):
        load(path, KEY, FACTS)


def test_a_truncated_file_is_refused(path):
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ArtifactRejected):
        load(path, KEY, FACTS)


def test_a_file_larger_than_any_model_is_refused_unread(path, monkeypatch):
    monkeypatch.setattr(model_store, "MAX_BYTES", 100)
    with pytest.raises(ArtifactRejected, match="larger"):
        load(path, KEY, FACTS)


def test_a_forged_file_that_would_run_code_is_never_opened(tmp_path):
    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "exploded"),)

    store = ModelStore(tmp_path, KEY)
    forged = tmp_path / model_store.file_name("v_BTC/USD", MINUTE, FIT_AT)
    save(forged, b"not the key", FACTS, Bomb())
    store.fitted("v_BTC/USD", DATA, FIT_AT, PLAN, print)
    assert not (tmp_path / "exploded").exists()
    assert forged.with_suffix(".rejected").exists()


def test_a_second_start_loads_what_the_first_one_fitted(tmp_path, monkeypatch):
    store = ModelStore(tmp_path, KEY)
    said = []
    first = store.fitted("v_BTC/USD", DATA, FIT_AT, PLAN, said.append)
    assert said == ["Training the 1-minute model"]
    monkeypatch.setattr(model, "fit", lambda *_: pytest.fail("it was fitted again"))
    assert digest(store.fitted("v_BTC/USD", DATA, FIT_AT, PLAN, said.append)) == digest(first)
    assert said == ["Training the 1-minute model"]


def test_a_model_of_other_candles_is_not_believed(tmp_path):
    store = ModelStore(tmp_path, KEY)
    store.fitted("v_BTC/USD", DATA, FIT_AT, PLAN, print)
    other = dataset.build(walk(1000, seed=2), MINUTE)
    expected = digest(model.fit(other, FIT_AT, PLAN))
    assert digest(store.fitted("v_BTC/USD", other, FIT_AT, PLAN, print)) == expected


def test_only_the_newest_files_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(model_store, "MAX_FILES", 2)
    store = ModelStore(tmp_path, KEY)
    for hours in (13, 14, 15):
        store.fitted("v_BTC/USD", DATA, START + pd.Timedelta(hours=hours), PLAN, print)
    times = sorted(file.stem.rpartition("_")[2] for file in tmp_path.iterdir())
    assert times == ["20260105T1400Z", "20260105T1500Z"]


def test_a_folder_that_cannot_be_written_costs_only_the_file(tmp_path, fitted):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    store = ModelStore(blocked / "models", KEY)
    assert digest(store.fitted("v_BTC/USD", DATA, FIT_AT, PLAN, print)) == digest(fitted)


def test_the_key_is_made_once_and_only_its_owner_can_read_it(tmp_path, monkeypatch):
    monkeypatch.delenv(model_store.KEY_VARIABLE, raising=False)
    key = signing_key(tmp_path / "new")
    assert len(key) == 32
    assert signing_key(tmp_path / "new") == key
    assert stat.S_IMODE((tmp_path / "new" / "key").stat().st_mode) == 0o600


def test_a_key_in_the_environment_comes_first(tmp_path, monkeypatch):
    monkeypatch.setenv(model_store.KEY_VARIABLE, "given")
    assert signing_key(tmp_path / "none") == b"given"
    assert not (tmp_path / "none").exists()


def test_a_market_name_cannot_leave_the_folder():
    name = model_store.file_name("../../etc/passwd", MINUTE, FIT_AT)
    assert "/" not in name
