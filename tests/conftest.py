"""What several test modules share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hwnas.backend import BoardBackend, open_backend
from hwnas.network import Network, NetworkBuilder


@pytest.fixture(scope="session")
def backend() -> Iterator[BoardBackend]:
    """The virtual NUCLEO-L496ZG with the real firmware."""
    with open_backend("nucleo_l496zg") as opened:
        yield opened


@pytest.fixture(scope="session")
def lenet() -> Network:
    """The paper's LeNet: 274,656 MACs, 81,194 parameters."""
    b = NetworkBuilder((32, 32, 1))
    x = b.conv2d(b.input, 6, 3, padding="valid", activation="relu")
    x = b.max_pool2d(x)
    x = b.conv2d(x, 16, 3, padding="valid", activation="relu")
    x = b.max_pool2d(x)
    x = b.dense(b.flatten(x), 120, activation="relu")
    x = b.dense(x, 84, activation="relu")
    b.softmax(b.dense(x, 10))
    return b.build()
