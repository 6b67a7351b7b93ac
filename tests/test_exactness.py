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
from flat_models import random_model
from networks import residual_block
from oracle import Int8, Model, convert, interpret, read_model, run_on_board

from hwnas.boards import load_board
from hwnas.device import BoardClient
from hwnas.errors import PlanError
from hwnas.firmware import find_image
from hwnas.keras_io import to_keras
from hwnas.network import (
    Layer,
    Network,
    NetworkBuilder,
    Node,
    add,
    average_pool2d,
    conv2d,
    dense,
    depthwise_conv2d,
    global_average_pool2d,
    max_pool2d,
    relu,
    relu6,
    softmax,
)
from hwnas.plan import compile_plan
from hwnas.virtual import VirtualBoard

BOARDS = ("nucleo_l496zg", "nucleo_f767zi")
"""One with each core for which the kernels are compiled otherwise."""
HEADER_BYTES, STEP_BYTES = 48, 96
CRC_AT, SCRATCH_BYTES_AT = 12, 40
SEEDS = range(6)
ACTIVATIONS = ("none", "relu", "relu6")
Make = Callable[[np.random.Generator], Layer]


@pytest.fixture(scope="module", params=BOARDS)
def client(request: pytest.FixtureRequest) -> Iterator[BoardClient]:
    board: str = request.param
    with BoardClient(VirtualBoard(load_board(board), find_image(board).elf)) as opened:
        yield opened


def side(random: np.random.Generator) -> int:
    return int(random.integers(5, 14))


def channels(random: np.random.Generator) -> int:
    return int(random.integers(1, 21))


def feature_map(random: np.random.Generator) -> tuple[int, int, int]:
    return side(random), side(random), channels(random)


def activation(random: np.random.Generator) -> str:
    return str(random.choice(ACTIVATIONS))


def biased(random: np.random.Generator) -> bool:
    return bool(random.random() < 0.8)


def convolution(kernel: int, padding: str, stride: int) -> Make:
    return lambda r: conv2d(
        feature_map(r), channels(r), kernel, strides=stride, padding=padding,
        activation=activation(r), use_bias=biased(r),
    )  # fmt: skip


def single_row(random: np.random.Generator) -> Layer:
    width = int(random.integers(2, 5)) * 4
    return conv2d(
        (1, width, channels(random)), channels(random), (1, 3), activation=activation(random)
    )


def depthwise(kernel: int, padding: str, stride: int, multiplier: int = 1) -> Make:
    return lambda r: depthwise_conv2d(
        feature_map(r), kernel, strides=stride, padding=padding, depth_multiplier=multiplier,
        activation=activation(r), use_bias=biased(r),
    )  # fmt: skip


def pooling(pool: Callable[..., Layer], size: int, padding: str, stride: int) -> Make:
    return lambda r: pool(
        feature_map(r), size, strides=stride, padding=padding, activation=activation(r)
    )


CASES: dict[str, Make] = {
    "conv 3x3 same": convolution(3, "same", 1),
    "conv 3x3 valid": convolution(3, "valid", 1),
    "conv 3x3 same strided": convolution(3, "same", 2),
    "conv 5x5 same": convolution(5, "same", 1),
    "conv 1x1": convolution(1, "same", 1),
    "conv 1x1 strided": convolution(1, "same", 2),
    "conv 1x3 of one row": single_row,
    "depthwise 3x3 same": depthwise(3, "same", 1),
    "depthwise 3x3 valid": depthwise(3, "valid", 1),
    "depthwise 3x3 same strided": depthwise(3, "same", 2),
    "depthwise 5x5 same": depthwise(5, "same", 1),
    "depthwise 5x5 valid strided": depthwise(5, "valid", 2),
    "depthwise 3x3 multiplier 3": depthwise(3, "same", 1, 3),
    "depthwise 3x3 multiplier 4": depthwise(3, "same", 2, 4),
    "dense": lambda r: dense(
        (int(r.integers(1, 200)),), channels(r), activation=activation(r), use_bias=biased(r)
    ),
    "max pool 2x2": pooling(max_pool2d, 2, "valid", 2),
    "max pool 3x3 same": pooling(max_pool2d, 3, "same", 2),
    "average pool 2x2": pooling(average_pool2d, 2, "valid", 2),
    "average pool 3x3 same": pooling(average_pool2d, 3, "same", 2),
    "average pool 5x5": pooling(average_pool2d, 5, "valid", 1),
    "mean": lambda r: global_average_pool2d(feature_map(r)),
    "softmax": lambda r: softmax((int(r.integers(2, 40)),)),
    "relu": lambda r: relu(feature_map(r)),
    "relu6": lambda r: relu6(feature_map(r)),
    "add": lambda r: add(feature_map(r), activation=activation(r)),
}


def images(network: Network, seed: int, count: int = 2) -> list[Int8]:
    """Uniform values, and values near the ends, where kernels saturate."""
    random = np.random.default_rng(seed)
    size = int(np.prod(network.input_shape))
    uniform = random.integers(-128, 128, (count - 1, size), dtype=np.int8)
    ends = random.choice(np.array([-128, -127, 126, 127], np.int8), size)
    return [*uniform, ends]


def of_one_operator(layer: Layer, random: np.random.Generator) -> Network:
    if layer.operator != "add":
        return Network(layer.input_shape, (Node(layer, (0,)),))
    # Two different operands: the input, and the input in another scale.
    scaled = conv2d(layer.input_shape, layer.input_shape[-1], 1)
    order = (0, 1) if random.random() < 0.5 else (1, 0)
    return Network(layer.input_shape, (Node(scaled, (0,)), Node(layer, order)))


def assert_exact(client: BoardClient, model: Model, inputs: list[Int8]) -> None:
    for image in inputs:
        expected, found = interpret(model.flat, image), run_on_board(client, model, image)
        wrong = np.flatnonzero(expected != found)
        assert wrong.size == 0, (
            f"{[layer.describe() for layer in model.network.layers]}: {wrong.size} of "
            f"{expected.size} outputs differ, at {wrong[:5]}: {expected[wrong[:5]]} expected, "
            f"{found[wrong[:5]]} found"
        )


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", CASES)
def test_an_operator_is_exact(client: BoardClient, name: str, seed: int) -> None:
    random = np.random.default_rng([seed, *name.encode()])
    network = of_one_operator(CASES[name](random), random)
    model = read_model(random_model(network, seed))
    assert model.network == network
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
    assert model.network.layers == make().layers
    assert_exact(client, model, images(model.network, 3, count=4))


@pytest.mark.parametrize(
    "layer",
    [
        conv2d((5, 6, 7), 3, 3),
        conv2d((1, 8, 7), 3, (1, 3)),
        depthwise_conv2d((5, 6, 7), 3),
        depthwise_conv2d((5, 6, 7), 5),
        average_pool2d((5, 6, 7)),
    ],
    ids=Layer.describe,
)
def test_a_kernel_asks_for_no_less_scratch_than_it_gets(client: BoardClient, layer: Layer) -> None:
    """The firmware compares with what the linked kernels themselves ask for."""
    network = Network(layer.input_shape, (Node(layer, (0,)),))
    plan = compile_plan(network, parameters=read_model(random_model(network, 0)).parameters)
    step = len(plan.data) - STEP_BYTES
    size = struct.unpack_from("<I", plan.data, step + SCRATCH_BYTES_AT)[0]
    tight = bytearray(plan.data)
    struct.pack_into("<I", tight, step + SCRATCH_BYTES_AT, size - 1)
    struct.pack_into("<I", tight, CRC_AT, zlib.crc32(tight[HEADER_BYTES:]))
    client.load(plan.data)
    with pytest.raises(PlanError, match="scratch"):
        client.load(bytes(tight))
