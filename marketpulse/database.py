"""An SQL database: opened, prepared so that nothing is lost, and plain about what is wrong with it.

SQLite by default, PostgreSQL by its URL.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, DatabaseError, SQLAlchemyError

from marketpulse.errors import MarketPulseError

# How long a write waits for its turn, in milliseconds.
BUSY_TIMEOUT = 30_000
# Pages after which a log begins anew: to write over a file is quicker than to let it grow.
LOG_PAGES = 200
# Taken while tables are made: two processes that both find none would get in each other's way.
_MAKING_TABLES = "SELECT pg_advisory_xact_lock(5214867301)"
_POSTGRESQL = {"postgres", "postgresql"}


class Database:
    """The connections to a database, for several threads at once.

    Parameters
    ----------
    url : str
        ``sqlite:///`` and a path, whose folder is made if need be; ``sqlite://`` for an empty
        database that dies with the process; or ``postgresql://``.
    tables : sqlalchemy.MetaData
        Made if they are not there.
    name : str
        What is kept, in the words of an error.
    error : type of MarketPulseError
        Raised, with one sentence, when the database cannot be opened, read or written.
    bring_up_to_date : callable, optional
        Given a connection, changes tables that an earlier version made.
    salvage : bool
        Read what can still be read of a damaged SQLite file, and write nothing to it.

    Attributes
    ----------
    reads, writes : sqlalchemy.Engine
        The same connections, but only `writes` begins a transaction, and with SQLite's write lock:
        one that began as a reader is refused as soon as another has written.
    """

    def __init__(
        self,
        url: str,
        tables: sa.MetaData,
        *,
        name: str,
        error: type[MarketPulseError],
        bring_up_to_date: Callable[[sa.Connection], None] | None = None,
        salvage: bool = False,
    ) -> None:
        self._name, self._error, self._shown = name, error, ""
        with self._plainly(OSError, ValueError):
            address = sa.make_url(url)
            if address.get_backend_name() in _POSTGRESQL:
                address = address.set(drivername="postgresql+psycopg")
            elif address.get_backend_name() != "sqlite":
                raise ArgumentError("neither SQLite nor PostgreSQL")
            self._shown = f" at {address.render_as_string(hide_password=True)}"
            self.reads = _engine(address, _prepare_to_salvage if salvage else _prepare)
        self.writes = self.reads.execution_options()
        if self.is_sqlite and not salvage:
            sa.event.listen(self.writes, "begin", _begin)
        try:
            with self.writing() as connection:
                if not self.is_sqlite:
                    connection.exec_driver_sql(_MAKING_TABLES)
                tables.create_all(connection)
                if bring_up_to_date is not None:
                    bring_up_to_date(connection)
        except MarketPulseError:
            self.close()
            raise

    @property
    def is_sqlite(self) -> bool:
        """Whether it is SQLite, and not PostgreSQL."""
        return self.reads.dialect.name == "sqlite"

    def reading(self) -> AbstractContextManager[sa.Connection]:
        """A connection that waits for no writer."""
        # The errors are those of damaged bytes that pass for a value, but not of the column's kind.
        return self._connected(self.reads, ValueError, TypeError)

    def writing(self) -> AbstractContextManager[sa.Connection]:
        """A connection within one transaction: all or nothing, durable when it is left."""
        return self._connected(self.writes)

    def insert(self, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
        """An insert that may say what to do about rows that are there already."""
        return sqlite.insert(table) if self.is_sqlite else postgresql.insert(table)

    def close(self) -> None:
        """Close the connections; a database in memory is gone."""
        self.reads.dispose()

    @contextmanager
    def _connected(self, engine: sa.Engine, *errors: type[Exception]) -> Iterator[sa.Connection]:
        with self._plainly(*errors), engine.begin() as connection:
            yield connection

    @contextmanager
    def _plainly(self, *errors: type[Exception]) -> Iterator[None]:
        """Say in one sentence what is wrong with the database, and of ``errors`` too."""
        # SQLite may quote damaged bytes in its message.
        caught: tuple[type[Exception], ...] = (SQLAlchemyError, UnicodeDecodeError, *errors)
        try:
            yield
        except ArgumentError as error:
            raise self._error(f"The {self._name} needs the URL of a database.") from error
        except ModuleNotFoundError as error:
            needs = "needs the packages of requirements-postgres.txt"
            raise self._error(f"The {self._name}{self._shown} {needs} ({error}).") from error
        except caught as error:
            reason = " ".join(str(getattr(error, "orig", None) or error.args[-1]).split())
            remedy = "; move it away to begin a new one" if is_damage(error) else ""
            sentence = f"The {self._name}{self._shown} cannot be used ({reason}){remedy}."
            raise self._error(sentence) from error


def is_damage(error: BaseException | None) -> bool:
    """Whether SQLite cannot make sense of its file, or of a text in it."""
    # For the file, the error is of this very class; all others have a narrower one.
    return type(error) is DatabaseError or (
        isinstance(error, DatabaseError) and "Could not decode" in str(error.orig)
    )


def _engine(url: sa.URL, prepare: Callable[[Any, object], None]) -> sa.Engine:
    if url.get_backend_name() != "sqlite":
        # A statement sees what was committed before it, once it has the book locked. Hosted servers
        # hang up when idle, and their poolers know no prepared statements.
        return sa.create_engine(
            url,
            isolation_level="READ COMMITTED",
            pool_pre_ping=True,
            connect_args={"prepare_threshold": None},
        )
    if url.database in (None, "", ":memory:"):
        # The database is its connection: there is one, which the threads take in turns.
        engine = sa.create_engine(
            url,
            poolclass=sa.QueuePool,
            pool_size=1,
            max_overflow=0,
            connect_args={"check_same_thread": False},
        )
    else:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
        engine = sa.create_engine(url)
    sa.event.listen(engine, "connect", prepare)
    return engine


def _prepare(connection: Any, _: object) -> None:
    """Let readers and a writer work at once, and lose no commit in a power cut."""
    connection.isolation_level = None  # the driver begins no transaction of its own
    durable = ("journal_mode=WAL", "synchronous=FULL", f"wal_autocheckpoint={LOG_PAGES}")
    for pragma in (f"busy_timeout={BUSY_TIMEOUT}", *durable):
        connection.execute(f"PRAGMA {pragma}")


def _prepare_to_salvage(connection: Any, _: object) -> None:
    """Read pages although others are missing, which SQLite refuses otherwise; write nothing."""
    connection.isolation_level = None
    for pragma in (f"busy_timeout={BUSY_TIMEOUT}", "writable_schema=ON", "query_only=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
