"""The firmware's kernels against TFLite for Microcontrollers, bit for bit.

Random models of one operator, and whole networks, run on the real firmware on the virtual board
with their parameters in the arena; the reference kernels of the ``tflite_micro`` interpreter say
what must come out.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from exactness_cases import CASES, of_one_operator
from flat_models import Extremes, random_model
from networks import residual_block
from oracle import assert_exact, convert, images, interpret, read_model

from hwnas.boards import load_board
from hwnas.device import BoardClient
from hwnas.errors import PlanError
from hwnas.firmware import find_image
from hwnas.keras_io import from_keras, to_keras
from hwnas.kernel_cases import kernel_parameters
from hwnas.network import (
    Layer,
    Network,
    NetworkBuilder,
    Node,
    average_pool2d,
    conv2d,
    depthwise_conv2d,
)
from hwnas.plan import compile_plan
from hwnas.virtual import VirtualBoard

BOARDS = ("nucleo_l496zg", "nucleo_f767zi")
"""One with each core for which the kernels are compiled otherwise."""
HEADER_BYTES, STEP_BYTES = 48, 96
CRC_AT, SCRATCH_BYTES_AT = 12, 40
SEEDS = range(6)


@pytest.fixture(scope="module", params=BOARDS)
def client(request: pytest.FixtureRequest) -> Iterator[BoardClient]:
    board: str = request.param
    with BoardClient(VirtualBoard(load_board(board), find_image(board).elf)) as opened:
        yield opened


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", CASES)
def test_an_operator_is_exact(client: BoardClient, name: str, seed: int) -> None:
    random = np.random.default_rng([seed, *name.encode()])
    network = of_one_operator(CASES[name](random), random)
    model = read_model(random_model(network, seed))
    assert model.network == network
    assert_exact(client, model, images(network, seed))


SCALED = [
    name
    for name in CASES
    if name.startswith(("add", "sub", "mul"))
    or name in ("relu", "leaky relu", "logistic", "tanh", "hard swish", "mean", "quantize")
]
"""Cases whose constants follow from scales alone."""


@pytest.mark.parametrize("name", SCALED)
def test_an_operator_is_exact_between_scales_far_apart(client: BoardClient, name: str) -> None:
    for seed in range(100, 112):
        random = np.random.default_rng([seed, *name.encode()])
        network = of_one_operator(CASES[name](random), random)
        model = read_model(random_model(network, seed, Extremes(wide=True)))
        assert_exact(client, model, images(network, seed))


def test_the_oracle_tells_outputs_apart() -> None:
    """What the cases compare is neither constant nor saturated, but for a few of them."""
    for name, make in CASES.items():
        varied = 0
        for seed in SEEDS:
            random = np.random.default_rng([seed, *name.encode()])
            network = of_one_operator(make(random), random)
            output = interpret(random_model(network, seed), images(network, seed)[0])
            varied += len(set(output.tolist())) > 1
        assert varied >= len(SEEDS) / 2, name


def lenet_like() -> Network:
    b = NetworkBuilder((20, 20, 1))
    x = b.max_pool2d(b.conv2d(b.input, 6, 5, padding="valid", activation="relu"))
    x = b.average_pool2d(b.conv2d(x, 16, 3, activation="relu"))
    x = b.dense(b.flatten(x), 30, activation="relu")
    b.softmax(b.dense(x, 10))
    return b.build()


def without_softmax(network: Network) -> Network:
    return Network(network.input_shape, network.nodes[:-1])


@pytest.mark.parametrize("seed", range(2))
def test_lenet_is_exact(client: BoardClient, lenet: Network, seed: int) -> None:
    for network in (lenet, without_softmax(lenet)):
        assert_exact(client, read_model(random_model(network, seed)), images(network, seed))


def small_resnet() -> Network:
    b = NetworkBuilder((16, 16, 3))
    x = b.conv2d(b.input, 8, 3, activation="relu")
    x = residual_block(b, x, 8, 1)
    x = residual_block(b, x, 12, 2)
    x = b.depthwise_conv2d(x, 3, activation="relu6")
    x = b.max_pool2d(b.conv2d(x, 10, 1))
    b.softmax(b.dense(b.global_average_pool2d(x), 10))
    return b.build()


@pytest.mark.parametrize("seed", range(2))
def test_a_small_residual_network_is_exact(client: BoardClient, seed: int) -> None:
    for network in (small_resnet(), without_softmax(small_resnet())):
        assert_exact(client, read_model(random_model(network, seed)), images(network, seed))


@pytest.mark.parametrize("make", [lenet_like, small_resnet])
def test_what_tflites_converter_makes_is_exact(
    client: BoardClient, make: Callable[[], Network]
) -> None:
    keras_model = to_keras(make())
    random = np.random.default_rng(3)
    for weight in keras_model.weights:
        if weight.path.endswith("bias"):
            weight.assign(random.normal(0, 0.1, weight.shape))
    model = read_model(convert(keras_model))
    assert model.network == from_keras(keras_model)
    assert_exact(client, model, images(model.network, 3, count=4))


@pytest.mark.parametrize(
    "layer",
    [
        conv2d((5, 6, 7), 3, 3),
        conv2d((1, 8, 7), 3, (1, 3)),
        depthwise_conv2d((5, 6, 7), 3, padding=(2, 1, 1, 1)),
        depthwise_conv2d((5, 6, 7), 3, padding=(1, 1, 1, 2)),
        depthwise_conv2d((5, 6, 7), 5),
        conv2d((5, 6, 7), 3, 1, dilation=2),
        conv2d((5, 6, 8), 6, 3, groups=2, dilation=2),
        average_pool2d((5, 6, 7)),
    ],
    ids=Layer.canonical,
)
def test_a_kernel_asks_for_no_less_scratch_than_it_gets(client: BoardClient, layer: Layer) -> None:
    """The firmware compares with what the linked kernels themselves ask for."""
    network = Network(layer.input_shape, (Node(layer, (0,)),))
    plan = compile_plan(network, parameters=kernel_parameters(network))
    step = len(plan.data) - STEP_BYTES
    size = struct.unpack_from("<I", plan.data, step + SCRATCH_BYTES_AT)[0]
    tight = bytearray(plan.data)
    struct.pack_into("<I", tight, step + SCRATCH_BYTES_AT, size - 1)
    struct.pack_into("<I", tight, CRC_AT, zlib.crc32(tight[HEADER_BYTES:]))
    client.load(plan.data)
    with pytest.raises(PlanError, match="scratch"):
        client.load(bytes(tight))
