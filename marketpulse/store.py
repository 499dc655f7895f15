"""The record of live forecasts: frozen as they were said, then settled once, in an SQL database.

A forecast is known by the hash of its source, symbol, bar, steps and ``as_of``, and of its caller
unless that is the trees. The first one said counts; saying it again, after a restart or with a
newer model, changes nothing. Times and spans are stored as whole microseconds, in UTC since 1970.
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
# Who said it: the trees, or a visitor, who is known by a hash.
CALLER, TREES = "caller", "trees"
# What is told of a visitor's call, and of the trees' forecast beside it.
CALLED = {CALLER: "str", "raw": "float64", "actual_price": "float64"}
CALLED |= {"id": "str", "close": "float64", "trees": "float64"}


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
    sa.Column(CALLER, sa.Text(), nullable=False, server_default=TREES),
)
_C = _FORECASTS.c
_PENDING = _C.settled_at.is_(None)
_BY_TREES = _C.caller == TREES
# Spelled out, because SQLite uses no partial index for a condition that comes with its value apart.
_BY_VISITOR = _C.caller != sa.literal_column(f"'{TREES}'")
sa.Index("forecasts_in_time", *(_C[name] for name in KEY))
# So that the few that wait are found at once among the many that are settled.
sa.Index("forecasts_pending", *(_C[name] for name in KEY), sqlite_where=_PENDING)
# The same for the calls of visitors among those of the trees.
_CALLS = sa.Index("forecasts_called", *(_C[name] for name in KEY), sqlite_where=_BY_VISITOR)


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
            url,
            _FORECASTS.metadata,
            name="record of forecasts",
            error=RecordError,
            bring_up_to_date=_add_caller,
        )

    def issue(
        self,
        source: str,
        symbol: str,
        horizon: Horizon,
        said: pd.DataFrame,
        *,
        issued_at: pd.Timestamp,
        caller: str = TREES,
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
        caller : str
            Who says them.

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
            id=[forecast_id(source, symbol, horizon, time, caller) for time in as_of],
            caller=caller,
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
        """Put outcomes beside what is pending of every caller; what is settled never changes.

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
        if known.empty:
            return 0
        times = (pd.DatetimeIndex(known.index) - EPOCH) // MICROSECOND
        statement = (
            sa.update(_FORECASTS)
            .filter_by(**_key(source, symbol, horizon))
            .where(_C.as_of == sa.bindparam("time"), _PENDING)
            .values(actual_price=sa.bindparam("price"), settled_at=_microseconds(settled_at))
        )
        rows = [{"time": time, "price": price} for time, price in zip(times, known, strict=True)]
        with self._database.writing() as connection:
            return connection.execute(statement, rows).rowcount

    def pending(self, source: str, symbol: str, horizon: Horizon) -> pd.DataFrame:
        """The trees' forecasts without an outcome as they were issued, in time order."""
        query = _forecasts(SAID, _key(source, symbol, horizon)).where(_PENDING, _BY_TREES)
        return self._table(query.order_by(_C.as_of), SAID)

    def settled(self, source: str, symbol: str, horizon: Horizon, n: int) -> pd.DataFrame:
        """The newest ``n`` of the trees' forecasts with an outcome, in time order.

        Returns
        -------
        pandas.DataFrame
            As they were issued, with ``actual_price`` (quote currency), ``issued_at`` and
            ``settled_at``.
        """
        query = _forecasts(SETTLED, _key(source, symbol, horizon)).where(~_PENDING, _BY_TREES)
        return self._table(query.order_by(_C.as_of.desc()).limit(n), SETTLED).iloc[::-1]

    def calls(self, source: str, symbol: str, horizon: Horizon, n: int) -> pd.DataFrame:
        """The newest ``n`` calls of visitors, each beside the trees' forecast, in time order.

        Returns
        -------
        pandas.DataFrame
            By ``as_of``, which may have several: ``caller`` and ``raw``, as it was called;
            ``actual_price``, NaN while it is unknown; ``id``, ``close`` and raw centre (``trees``)
            of the trees' forecast. Prices are in quote currency, centres log returns.
        """
        key, theirs = _key(source, symbol, horizon), _FORECASTS.alias("theirs").c
        same = sa.and_(*(theirs[name] == _C[name] for name in KEY), theirs.caller == TREES)
        called = [_C[name] for name in ("as_of", CALLER, "raw", "actual_price")]
        query = (
            sa.select(*called, theirs.id, theirs.close, theirs.raw.label("trees"))
            .join_from(_FORECASTS, theirs.id.table, same)
            .where(*(_C[name] == value for name, value in key.items()), _BY_VISITOR)
            .order_by(_C.as_of.desc())
            .limit(n)
        )
        return self._table(query, CALLED).iloc[::-1]

    def close(self) -> None:
        """Close the database; a record in memory is gone."""
        self._database.close()

    def _table(self, query: sa.Select[Any], dtypes: dict[str, str]) -> pd.DataFrame:
        with self._database.reading() as connection:
            table = pd.DataFrame(connection.execute(query).all(), columns=["as_of", *dtypes])
            return table.astype({"as_of": _TIME, **dtypes}).set_index("as_of")


def forecast_id(
    source: str, symbol: str, horizon: Horizon, as_of: pd.Timestamp, caller: str = TREES
) -> str:
    """What a forecast is known by: a SHA-256 hash in hexadecimal."""
    key = [*_key(source, symbol, horizon).values(), _microseconds(as_of)]
    others = [] if caller == TREES else [caller]
    return sha256(json.dumps([*key, *others]).encode()).hexdigest()


def _key(source: str, symbol: str, horizon: Horizon) -> dict[str, str | int]:
    bar = horizon.bar // MICROSECOND
    return {"source": source, "symbol": symbol, "bar": bar, "steps": horizon.steps}


def _microseconds(time: pd.Timestamp) -> int:
    return (time - EPOCH) // MICROSECOND


def _forecasts(columns: dict[str, str], key: dict[str, str | int]) -> sa.Select[Any]:
    return sa.select(_C.as_of, *(_C[name] for name in columns)).filter_by(**key)


def _add_caller(connection: sa.Connection) -> None:
    """Bring a record up to date that was made before there were visitors' calls."""
    found = {column["name"] for column in sa.inspect(connection).get_columns(_FORECASTS.name)}
    if found != {column.name for column in _C} - {CALLER}:
        return
    column = sa.schema.CreateColumn(_C.caller).compile(connection)
    connection.exec_driver_sql(f"ALTER TABLE {_FORECASTS.name} ADD COLUMN {column}")
    _CALLS.create(connection, checkfirst=True)
