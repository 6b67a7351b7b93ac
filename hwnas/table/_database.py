"""A database that holds a lookup table: opened, checked, and its transactions."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine

from hwnas._databases import label_of
from hwnas.errors import TableError
from hwnas.table import _schema
from hwnas.table._engine import (
    WRITES,
    check_path,
    enable_wal,
    make_engine,
    parse_url,
    translated,
)


class Database:
    """An open database whose schema is that of this hwnas.

    Args:
        engine: From :func:`hwnas.table._engine.make_engine`.
        label: The path, or the URL without its password.
    """

    def __init__(self, engine: Engine, label: str) -> None:
        self.label = label
        self._engine = engine
        self._writer = engine.execution_options(**{WRITES: True})
        self._process = os.getpid()
        self._closed = False

    @classmethod
    def open(cls, url_or_path: str | Path, *, create: bool, timeout_s: float) -> Database:
        """Open a database, and make its tables if there are none.

        Raises:
            TableError: As :meth:`hwnas.table.LookupTable.open`.
        """
        url = parse_url(url_or_path)
        check_path(url, create=create)
        database = cls(make_engine(url, timeout_s), label_of(url))
        try:
            database._prepare(create=create, timeout_s=timeout_s)
        except BaseException:
            database.close()
            raise
        return database

    def close(self) -> None:
        """Give the connections back."""
        self._closed = True
        # A forked child must leave its parent's connections alone.
        if os.getpid() == self._process:
            self._engine.dispose()

    @contextmanager
    def transaction(self, doing: str, *, writes: bool = False) -> Iterator[Connection]:
        """A transaction that is rolled back where the body raises.

        Args:
            doing: What it is for, as in "cannot be <doing>".
            writes: Whether it writes.

        Raises:
            TableError: The database is closed, was opened by another process, or failed.
        """
        if self._closed:
            raise TableError(f"{self.label}: cannot be {doing}: the lookup table is closed")
        if os.getpid() != self._process:
            raise TableError(
                f"{self.label}: cannot be {doing}: another process opened it; open it again here"
            )
        engine = self._writer if writes else self._engine
        with translated(self.label, doing), engine.begin() as connection:
            yield connection

    def _prepare(self, *, create: bool, timeout_s: float) -> None:
        with self.transaction("opened") as connection:
            empty = _schema.is_empty(connection, self.label)
            outdated = not empty and _schema.is_older(connection)
        if empty and not create:
            raise TableError(f"{self.label}: holds no lookup table; check the path")
        if empty and self._engine.dialect.name == "sqlite":
            enable_wal(self._engine, self.label, timeout_s)
        with self.transaction("opened", writes=True) as connection:
            if empty or outdated:
                _schema.create(connection, self.label)
            # Now rather than after the first measurement.
            _schema.check_writable(connection)
