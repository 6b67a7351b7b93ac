"""What several test modules share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import networks
import pytest
from hypothesis import settings
from space_files import HEAD

from hwnas.backend import BoardBackend
from hwnas.network import Network
from hwnas.opening import open_backend
from hwnas.spaces import DeclaredSpace, load_space

# CI must say of a change what it would have said yesterday; people's runs go on searching.
settings.register_profile("ci", derandomize=True, print_blob=True)
if os.environ.get("CI"):
    settings.load_profile("ci")


@pytest.fixture(scope="session")
def backend() -> Iterator[BoardBackend]:
    """The virtual NUCLEO-L496ZG with the real firmware."""
    with open_backend("nucleo_l496zg") as opened:
        yield opened


@pytest.fixture(scope="session")
def lenet() -> Network:
    """The paper's LeNet: 274,656 MACs, 81,194 parameters."""
    return networks.lenet()


@pytest.fixture
def declare(tmp_path: Path) -> Any:
    """Writes a search space and loads it."""

    def write(text: str, head: str = HEAD) -> DeclaredSpace:
        path = tmp_path / "small.yaml"
        path.write_text(head + text)
        return load_space(path)

    return write
