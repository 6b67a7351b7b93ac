"""Connections to the databases that a lookup table can live in, and their errors."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import QueuePool

from hwnas._databases import explain, label_of, read_url
from hwnas._text import one_line
from hwnas.errors import TableError

WRITES: Final = "hwnas_writes"
"""Execution option of connections whose transactions write."""

_WAL_RETRY_S: Final = 0.01
_DRIVERS: Final = ("sqlite", "sqlite+pysqlite", "postgresql+psycopg")


def parse_url(url_or_path: str | Path) -> URL:
    """The database that a path or URL names.

    Args:
        url_or_path: A path of an SQLite file, ``:memory:``, or an SQLAlchemy URL.

    Raises:
        TableError: The URL is malformed, or its database is not supported.
    """
    text = str(url_or_path)
    if not text:
        raise TableError("lookup table: the path is empty; give one, or :memory:")
    if "://" not in text:
        return URL.create("sqlite", database=text)
    try:
        url = read_url(text)
    except ValueError as error:
        raise TableError(f"lookup table: {error}") from error
    if url.drivername not in _DRIVERS:
        raise TableError(
            f"lookup table: {url.drivername} is not supported; use sqlite or postgresql"
        )
    return url


def check_path(url: URL, *, create: bool) -> None:
    """Refuse what SQLite would report badly, or create although it must not.

    Raises:
        TableError: The path is a folder, or missing while ``create`` is False, or its folder
            cannot be made.
    """
    name = url.database
    if url.get_backend_name() != "sqlite" or not name or name.startswith((":memory:", "file:")):
        return
    path = Path(name)
    if "\0" in name:
        raise TableError(f"{name!r}: a path cannot hold a NUL character")
    try:
        if path.is_dir():
            raise TableError(f"{name}: is a folder; name a file inside it")
        if not path.exists():
            if not create:
                raise TableError(f"{name}: there is no lookup table; check the path")
            path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TableError(f"{name}: the file cannot be reached ({error})") from error


def make_engine(url: URL, timeout_s: float) -> Engine:
    """An engine whose connections keep foreign keys and wait for locks.

    Args:
        url: From :func:`parse_url`.
        timeout_s: How long to wait for another writer's lock, in seconds.

    Raises:
        TableError: The database's driver is not installed, or refuses the URL.
    """
    sqlite = url.get_backend_name() == "sqlite"
    options: dict[str, Any] = {}
    if sqlite:
        # Without an isolation level of its own the driver leaves BEGIN to _begin_sqlite.
        options["connect_args"] = {
            "check_same_thread": False,
            "isolation_level": None,
            "timeout": timeout_s,
        }
    if sqlite and (url.database or ":memory:") == ":memory:":
        # The one connection is the database: threads take turns, and it is never dropped.
        options.update(poolclass=QueuePool, pool_size=1, max_overflow=0)
    try:
        engine = create_engine(url, **options)
    except ImportError as error:
        raise TableError(
            f"{label_of(url)}: the driver is missing ({error}); pip install 'hwnas[postgres]'"
        ) from error
    except (SQLAlchemyError, TypeError) as error:
        raise TableError(f"{label_of(url)}: the URL cannot be used ({one_line(error)})") from error
    if sqlite:
        event.listen(engine, "connect", _enforce_foreign_keys)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def _enforce_foreign_keys(connection: sqlite3.Connection, _record: object) -> None:
    connection.execute("PRAGMA foreign_keys = ON")


def _begin_sqlite(connection: Connection) -> None:
    # A reader that turns writer fails at once where another wrote meanwhile; a transaction that
    # says at its start that it will write waits for its turn.
    writes = connection.get_execution_options().get(WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def translated(label: str, doing: str) -> Iterator[None]:
    """Turn the database's errors into :class:`TableError`.

    Args:
        label: The database's name, from :func:`hwnas._databases.label_of`.
        doing: What failed, as in "cannot be <doing>".
    """
    try:
        yield
    except SQLAlchemyError as error:
        raise TableError(f"{label}: cannot be {doing}: {explain(error)}") from error
    except ValueError as error:
        # A column that was changed by hand: SQLite does not enforce types.
        raise TableError(f"{label}: cannot be {doing}: a value is damaged ({error})") from error


def enable_wal(engine: Engine, label: str, timeout_s: float) -> None:
    """Let an SQLite file's readers go on while one process writes; kept in the file.

    Args:
        engine: Of an SQLite database.
        label: The database's name in messages.
        timeout_s: How long to wait for another process's lock, in seconds.

    Raises:
        TableError: The file cannot be written.
    """
    deadline = time.monotonic() + timeout_s
    with translated(label, "opened"), engine.connect() as connection:
        # Outside a transaction, where SQLAlchemy would open one.
        driver: Any = connection.connection.driver_connection
        while True:
            try:
                driver.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.Error as error:
                # Of two that make one file, SQLite fails the slower at once, whatever the timeout.
                busy = getattr(error, "sqlite_errorname", "").startswith("SQLITE_BUSY")
                if not busy or time.monotonic() > deadline:
                    raise TableError(f"{label}: cannot be opened: {explain(error)}") from error
                time.sleep(_WAL_RETRY_S)
