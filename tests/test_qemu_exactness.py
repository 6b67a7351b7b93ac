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
from float_oracle import FEW_CASES, FUSED_ERROR, assert_close
from oracle import assert_exact, images, read_model
from qemu import MACHINES, Qemu, needs_qemu

from hwnas.device import BoardClient
from hwnas.firmware import find_image
from hwnas.network import DType

pytestmark = needs_qemu


@pytest.fixture(scope="module", params=MACHINES)
def client(request: pytest.FixtureRequest) -> Iterator[BoardClient]:
    with Qemu(find_image(request.param)) as machine, machine.connect() as opened:
        yield opened


@pytest.mark.parametrize("name", CASES)
def test_an_operator_is_exact(client: BoardClient, name: str) -> None:
    random = np.random.default_rng([77, *name.encode()])
    network = of_one_operator(CASES[name](random), random)
    assert_exact(client, read_model(random_model(network, 77)), images(network, 77))


@pytest.mark.parametrize("name", FEW_CASES[::2])
def test_floats_agree(client: BoardClient, name: str) -> None:
    random = np.random.default_rng([78, *name.encode()])
    network = of_one_operator(CASES[name](random), random).as_dtype(DType.FLOAT32)
    error = FUSED_ERROR if client.hello().board == "mps2_an500" else 0.0
    assert_close(client, read_model(random_model(network, 78)), images(network, 78), error)
