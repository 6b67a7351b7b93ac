"""A PostgreSQL server of the tests' own."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

_USER = "postgres"


def _binary(name: str) -> str:
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    path = str(found[-1]) if found else shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed (Debian: postgresql)")
    return path


def _run(*command: str) -> None:
    # It refuses to run as root.
    user = ["runuser", "-u", _USER, "--"] if os.geteuid() == 0 else []
    done = subprocess.run([*user, *command], capture_output=True, text=True, timeout=60, cwd="/")
    assert done.returncode == 0, done.stdout + done.stderr


@dataclass(frozen=True)
class PostgresServer:
    """A server that can go away and come back.

    Attributes:
        folder: Where its data, log and socket are.
    """

    folder: Path

    @property
    def url(self) -> str:
        return f"postgresql://hwnas@/postgres?host={self.folder}"

    def start(self) -> None:
        options = f"-c listen_addresses='' -c unix_socket_directories='{self.folder}' -c fsync=off"
        self._control("-w", "-l", str(self.folder / "log"), "-o", options, "start")

    def stop(self) -> None:
        """As where the machine loses its power: connections break off."""
        self._control("-w", "-m", "immediate", "stop")

    def _control(self, *arguments: str) -> None:
        _run(_binary("pg_ctl"), "-D", str(self.folder / "data"), *arguments)


@contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """A server with an empty database that lives as long as the block."""
    initdb = _binary("initdb")
    # A socket's path has room for a hundred characters, which pytest's folders exceed.
    with tempfile.TemporaryDirectory(prefix="hwnas-pg-") as name:
        server = PostgresServer(Path(name))
        data = server.folder / "data"
        data.mkdir()
        if os.geteuid() == 0:
            for place in (server.folder, data):
                shutil.chown(place, _USER, _USER)
        _run(initdb, "-D", str(data), "-U", "hwnas", "-A", "trust", "--no-sync")
        server.start()
        try:
            yield server
        finally:
            if (data / "postmaster.pid").exists():
                server.stop()


@contextmanager
def postgres_server() -> Iterator[str]:
    """The URL of an empty database of a server that lives as long as the block."""
    with running_postgres() as server:
        yield server.url
