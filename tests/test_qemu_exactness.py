"""One case of every operator and option in QEMU against TFLite for Microcontrollers, bit for bit.

QEMU translates the instructions by itself: what it and the virtual board agree on is no slip of
one emulator.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from exactness_cases import CASES, of_one_operator
from flat_models import random_model
from oracle import assert_exact, images, read_model
from qemu import MACHINES, Qemu, available

from hwnas.device import BoardClient
from hwnas.device.serial import SerialTransport
from hwnas.firmware import find_image

pytestmark = pytest.mark.skipif(not available(), reason="qemu-system-arm is not installed")


@pytest.fixture(scope="module", params=MACHINES)
def client(request: pytest.FixtureRequest) -> Iterator[BoardClient]:
    board: str = request.param
    with (
        Qemu(find_image(board).elf, board) as machine,
        BoardClient(SerialTransport(machine.port)) as opened,
    ):
        opened.wait_ready(timeout_s=30)
        yield opened


@pytest.mark.parametrize("name", CASES)
def test_an_operator_is_exact(client: BoardClient, name: str) -> None:
    random = np.random.default_rng([77, *name.encode()])
    network = of_one_operator(CASES[name](random), random)
    assert_exact(client, read_model(random_model(network, 77)), images(network, 77))
