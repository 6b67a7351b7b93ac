"""Outputs of a board, kept as they come: a long verification goes on where it was stopped."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from hwnas._closing import Closing
from hwnas.errors import HwnasError

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS outputs (
    run TEXT NOT NULL, sample INTEGER NOT NULL, output BLOB NOT NULL, PRIMARY KEY (run, sample)
) WITHOUT ROWID
"""
_WAIT_S: Final = 30.0


class KeptOutputs(Closing):
    """Outputs by run and sample, in an SQLite file.

    Args:
        path: The file; it is made where it is missing.

    Raises:
        HwnasError: It cannot be opened, or is something else.

    Example:
        >>> with KeptOutputs(Path("verify.db")) as kept:  # doctest: +SKIP
        ...     kept.put("lenet on nucleo_l496zg", 0, output.tobytes())
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._told("open"):
            self._database = sqlite3.connect(path, timeout=_WAIT_S, isolation_level=None)
            # After a crash of the machine the last outputs may be missing, which costs their time.
            self._database.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;")
            self._database.execute(_SCHEMA)

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    def get(self, run: str) -> dict[int, bytes]:
        """The outputs of a run, by the sample's number."""
        with self._told("read"):
            return dict(
                self._database.execute("SELECT sample, output FROM outputs WHERE run = ?", (run,))
            )

    def put(self, run: str, sample: int, output: bytes) -> None:
        """Keep an output; that of the same sample before is replaced."""
        with self._told("write"):
            self._database.execute(
                "INSERT OR REPLACE INTO outputs VALUES (?, ?, ?)", (run, sample, output)
            )

    @contextmanager
    def _told(self, doing: str) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise HwnasError(
                f"outputs {self._path}: cannot {doing} it ({error}); name another file"
            ) from error
