"""Signed model files: a restart finds its models, and nothing else is ever opened.

A file is one line of HMAC-SHA256, one line of JSON, and a compressed pickle: what joblib would
write, too, but read in a sixth of its time. Loading a pickle runs code, and a damaged one can load
and then predict nonsense, so nothing is parsed before the signature over everything behind it has
been verified. A model is a cache, never a need: whatever is wrong with a file, it is set aside and
the model is trained again.
"""

import hmac
import json
import logging
import os
import pickle
import secrets
import zlib
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cache
from importlib.metadata import version
from pathlib import Path
from tempfile import NamedTemporaryFile

import pandas as pd

from marketpulse import dataset, features, model
from marketpulse.dataset import Dataset
from marketpulse.errors import ArtifactRejected
from marketpulse.horizons import Horizon
from marketpulse.model import HorizonModel, Plan

MAX_BYTES = 5_000_000
MAX_FILES = 200
KEY_VARIABLE = "MARKETPULSE_KEY"

Say = Callable[[str], None]

_log = logging.getLogger(__name__)


def signing_key(home: Path) -> bytes:
    """The key that signs models: ``MARKETPULSE_KEY``, or 32 bytes made once under ``home``."""
    given = os.environ.get(KEY_VARIABLE)
    if given:
        return given.encode()
    path = home / "key"
    if not path.exists():
        home.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(32))
    return path.read_bytes()


def code_versions() -> dict[str, object]:
    """What a model file depends on besides its candles."""
    layout = [field.name for field in fields(HorizonModel)]
    trees = [dict(each) for each in model.TREES]
    return {"features": list(features.FEATURES), "layout": layout, "trees": trees, **_versions()}


@cache
def _versions() -> dict[str, str]:
    return {name: version(name) for name in ("scikit-learn", "numpy")}


@dataclass(frozen=True, slots=True)
class ModelStore:
    """Model files of all markets in one folder.

    Attributes
    ----------
    folder : pathlib.Path
    key : bytes
        Signs and verifies.
    """

    folder: Path
    key: bytes

    def fitted(
        self, market: str, data: Dataset, fit_at: pd.Timestamp, plan: Plan, say: Say
    ) -> HorizonModel:
        """The model of a market for one fit time: loaded if it is there, else fitted and saved.

        A saved model counts only if it was fitted on the very same rows.

        Parameters
        ----------
        market : str
        data : Dataset
        fit_at : pandas.Timestamp
        plan : Plan
        say : callable
            Told that the model is being trained, before that is done.

        Raises
        ------
        NotEnoughCandles
            If too few rows were known at ``fit_at``.
        """
        rows = model.rows_seen(data, fit_at, plan)
        facts = {**code_versions(), "rows": dataset.fingerprint(data, rows), "plan": repr(plan)}
        path = self.folder / file_name(market, data.horizon, fit_at)
        loaded = self._loaded(path, facts)
        if loaded is not None:
            return loaded
        say(f"Training the {data.horizon.minutes}-minute model")
        return self._saved(path, facts, model.fit(data, fit_at, plan))

    def _loaded(self, path: Path, facts: dict[str, object]) -> HorizonModel | None:
        if not path.exists():
            return None
        try:
            return load(path, self.key, facts)
        except ArtifactRejected as error:
            _log.warning("%s Training it again.", error)
            path.replace(path.with_suffix(".rejected"))
            return None

    def _saved(self, path: Path, facts: dict[str, object], fitted: HorizonModel) -> HorizonModel:
        try:
            save(path, self.key, facts, fitted)
            self._forget_oldest()
        except OSError as error:
            _log.warning("The model could not be saved (%s); it is kept in memory only.", error)
        return fitted

    def _forget_oldest(self) -> None:
        files = [*self.folder.glob("*.model"), *self.folder.glob("*.rejected")]
        by_age = sorted(files, key=lambda path: path.stat().st_mtime)
        for path in by_age[:-MAX_FILES]:
            path.unlink(missing_ok=True)


def file_name(market: str, horizon: Horizon, fit_at: pd.Timestamp) -> str:
    """Name of a model's file, readable and safe on every disk."""
    safe = "".join(c if c.isalnum() or c in "-." else "-" for c in market)
    return f"{safe}_{horizon.label}-{horizon.minutes}min_{fit_at:%Y%m%dT%H%MZ}.model"


def save(path: Path, key: bytes, facts: dict[str, object], fitted: HorizonModel) -> None:
    """Write a signed model file, whole or not at all."""
    dump = zlib.compress(pickle.dumps(fitted, protocol=5), level=1)
    body = json.dumps(facts).encode() + b"\n" + dump
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
        file.write(_signature(key, body) + b"\n" + body)
        file.flush()
        os.fsync(file.fileno())
    Path(file.name).replace(path)


def load(path: Path, key: bytes, facts: dict[str, object]) -> HorizonModel:
    """The model of a file, if the key signed it and its facts are the expected ones.

    Raises
    ------
    ArtifactRejected
        Otherwise, before anything in it is parsed or run.
    """
    if path.stat().st_size > MAX_BYTES:
        raise ArtifactRejected(f"{path.name} is larger than any model.")
    signature, _, body = path.read_bytes().partition(b"\n")
    if not hmac.compare_digest(signature, _signature(key, body)):
        raise ArtifactRejected(f"{path.name} does not bear this installation's signature.")
    header, _, dump = body.partition(b"\n")
    if json.loads(header) != facts:
        raise ArtifactRejected(f"{path.name} was made by other versions or from other candles.")
    # The file names modules of scikit-learn: imported by this, they bring less along.
    model.regressor()
    loaded: HorizonModel = pickle.loads(zlib.decompress(dump))
    return loaded


def _signature(key: bytes, body: bytes) -> bytes:
    return hmac.digest(key, body, "sha256").hex().encode()


FitOrLoad = Callable[[str, Dataset, pd.Timestamp, Plan, Say], HorizonModel]
