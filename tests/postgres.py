"""A PostgreSQL server of the tests' own."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
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


@contextmanager
def postgres_server() -> Iterator[str]:
    """The URL of an empty database of a server that lives as long as the block."""
    initdb, control = _binary("initdb"), _binary("pg_ctl")
    # A socket's path has room for a hundred characters, which pytest's folders exceed.
    with tempfile.TemporaryDirectory(prefix="hwnas-pg-") as name:
        folder = Path(name)
        data = folder / "data"
        data.mkdir()
        if os.geteuid() == 0:
            for place in (folder, data):
                shutil.chown(place, _USER, _USER)
        _run(initdb, "-D", str(data), "-U", "hwnas", "-A", "trust", "--no-sync")
        options = f"-c listen_addresses='' -c unix_socket_directories='{folder}' -c fsync=off"
        log = str(folder / "log")
        _run(control, "-D", str(data), "-w", "-l", log, "-o", options, "start")
        try:
            yield f"postgresql://hwnas@/postgres?host={folder}"
        finally:
            _run(control, "-D", str(data), "-w", "-m", "immediate", "stop")
