"""The record of live forecasts: frozen as they were said, then settled once, in an SQL database.

A forecast is known by the hash of its source, symbol, bar, steps and ``as_of``. The first one said
counts; saying it again, after a restart or with a newer model, changes nothing. Times and spans
are stored as whole microseconds, in UTC since 1970.
"""

import json
from hashlib import sha256
from typing import Any, cast

import pandas as pd
import sqlalchemy as sa

from marketpulse.database import Database
from marketpulse.errors import RecordError
from marketpulse.horizons import Horizon

EPOCH = pd.Timestamp(0, tz="UTC")
MICROSECOND = pd.Timedelta(microseconds=1)

# Columns and their dtypes: what makes a forecast the same one, what it says (returns are logs over
# the horizon, as in `marketpulse.model.predict`), and what a settled one has besides.
_TIME = "datetime64[us, UTC]"
KEY = {"source": "str", "symbol": "str", "bar": "int64", "steps": "int64", "as_of": _TIME}
_RETURNS = (
    *("raw", "trusted", "low_90", "low_50", "high_50", "high_90"),
    *("usual_low", "usual_high", "volatility", "expected_move", "usual_move"),
)
SAID = dict.fromkeys(("close", *_RETURNS, "trust"), "float64")
SAID |= {"fit_at": _TIME, "model": "str", "data": "str"}
SETTLED = {**SAID, "actual_price": "float64", "issued_at": _TIME, "settled_at": _TIME}


class _Exact(sa.types.UserDefinedType[float]):
    """A float to the last bit: a SQLite column with a declared type would store -0.0 as 0.0."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        return ""


_TYPES: dict[str, sa.types.TypeEngine[Any]] = {
    "float64": sa.Double().with_variant(_Exact(), "sqlite"),
    "int64": sa.BigInteger(),
    "str": sa.Text(),
    _TIME: sa.BigInteger(),
}
_FORECASTS = sa.Table(
    "forecasts",
    sa.MetaData(),
    sa.Column("id", sa.String(64), primary_key=True),
    *(
        sa.Column(name, _TYPES[dtype], nullable=name in ("actual_price", "settled_at"))
        for name, dtype in {**KEY, **SETTLED}.items()
    ),
)
_C = _FORECASTS.c
_PENDING = _C.settled_at.is_(None)
sa.Index("forecasts_in_time", *(_C[name] for name in KEY))
# So that the few that wait are found at once among the many that are settled.
sa.Index("forecasts_pending", *(_C[name] for name in KEY), sqlite_where=_PENDING)


class ForecastRecord:
    """Forecasts as they were said live, and what came of them.

    It may be used from several threads, and its file by several processes: a write is one
    transaction, all or nothing, that waits for its turn; a read waits for nobody.

    Parameters
    ----------
    url : str
        ``sqlite:///`` and a path, whose folder is made if need be; ``sqlite://`` for an empty
        record that dies with the process.

    Raises
    ------
    RecordError
        If the database cannot be opened; from any method, if it cannot be read or written.
    """

    def __init__(self, url: str) -> None:
        self._database = Database(
            url, _FORECASTS.metadata, name="record of forecasts", error=RecordError
        )

    def issue(
        self,
        source: str,
        symbol: str,
        horizon: Horizon,
        said: pd.DataFrame,
        *,
        issued_at: pd.Timestamp,
    ) -> int:
        """Freeze the forecasts that are not in the record yet.

        Parameters
        ----------
        source : str
            The venue whose prices they are.
        symbol : str
        horizon : Horizon
        said : pandas.DataFrame
            Prediction table by ``as_of`` with at least the columns of `SAID`: ``close`` in quote
            currency, ``trust`` 0 to 1, ``model`` the model's id, ``data`` the hash of what the
            forecast was made from.
        issued_at : pandas.Timestamp

        Returns
        -------
        int
            How many were new.
        """
        if said.empty:
            return 0
        as_of = pd.DatetimeIndex(said.index)
        rows = said[list(SAID)].assign(
            **_key(source, symbol, horizon),
            id=[forecast_id(source, symbol, horizon, time) for time in as_of],
            as_of=(as_of - EPOCH) // MICROSECOND,
            fit_at=(said["fit_at"] - EPOCH) // MICROSECOND,
            issued_at=_microseconds(issued_at),
        )
        frozen = cast(list[dict[str, Any]], rows.to_dict("records"))
        statement = self._database.insert(_FORECASTS).on_conflict_do_nothing()
        with self._database.writing() as connection:
            return connection.execute(statement, frozen).rowcount

    def settle(
        self,
        source: str,
        symbol: str,
        horizon: Horizon,
        outcomes: "pd.Series[float]",
        *,
        settled_at: pd.Timestamp,
    ) -> int:
        """Put outcomes beside pending forecasts; a settled one never changes.

        Parameters
        ----------
        source, symbol, horizon
            As in `issue`.
        outcomes : pandas.Series
            Price at the target time in quote currency, by ``as_of``; NaN if it is unknown.
        settled_at : pandas.Timestamp

        Returns
        -------
        int
            How many were settled.
        """
        known = outcomes.dropna()
        times = pd.DatetimeIndex(known.index)
        ids = [forecast_id(source, symbol, horizon, time) for time in times]
        if not ids:
            return 0
        statement = (
            sa.update(_FORECASTS)
            .where(_C.id == sa.bindparam("known"), _PENDING)
            .values(actual_price=sa.bindparam("price"), settled_at=_microseconds(settled_at))
        )
        rows = [{"known": id_, "price": price} for id_, price in zip(ids, known, strict=True)]
        with self._database.writing() as connection:
            return connection.execute(statement, rows).rowcount

    def pending(self, source: str, symbol: str, horizon: Horizon) -> pd.DataFrame:
        """The forecasts without an outcome as they were issued, in time order."""
        query = _forecasts(SAID, _key(source, symbol, horizon)).where(_PENDING)
        return self._table(query.order_by(_C.as_of), SAID)

    def settled(self, source: str, symbol: str, horizon: Horizon, n: int) -> pd.DataFrame:
        """The newest ``n`` forecasts with an outcome, in time order.

        Returns
        -------
        pandas.DataFrame
            As they were issued, with ``actual_price`` (quote currency), ``issued_at`` and
            ``settled_at``.
        """
        query = _forecasts(SETTLED, _key(source, symbol, horizon)).where(~_PENDING)
        return self._table(query.order_by(_C.as_of.desc()).limit(n), SETTLED).iloc[::-1]

    def close(self) -> None:
        """Close the database; a record in memory is gone."""
        self._database.close()

    def _table(self, query: sa.Select[Any], dtypes: dict[str, str]) -> pd.DataFrame:
        with self._database.reading() as connection:
            table = pd.DataFrame(connection.execute(query).all(), columns=["as_of", *dtypes])
            return table.astype({"as_of": _TIME, **dtypes}).set_index("as_of")


def forecast_id(source: str, symbol: str, horizon: Horizon, as_of: pd.Timestamp) -> str:
    """What a forecast is known by: a SHA-256 hash in hexadecimal."""
    key = [*_key(source, symbol, horizon).values(), _microseconds(as_of)]
    return sha256(json.dumps(key).encode()).hexdigest()


def _key(source: str, symbol: str, horizon: Horizon) -> dict[str, str | int]:
    bar = horizon.bar // MICROSECOND
    return {"source": source, "symbol": symbol, "bar": bar, "steps": horizon.steps}


def _microseconds(time: pd.Timestamp) -> int:
    return (time - EPOCH) // MICROSECOND


def _forecasts(columns: dict[str, str], key: dict[str, str | int]) -> sa.Select[Any]:
    return sa.select(_C.as_of, *(_C[name] for name in columns)).filter_by(**key)
