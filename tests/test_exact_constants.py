"""Multipliers and shifts to their last bit, against TFLite for Microcontrollers.

Most values do not tell a factor from one that is a little larger. So here are all values there are,
for many scales, and sums that lie where the last bits of a factor decide.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
from flat_models import USUAL, Extremes, halfway_model, random_model
from oracle import assert_exact, images, read_model

from hwnas.boards import load_board
from hwnas.device import BoardClient
from hwnas.firmware import find_image
from hwnas.network import (
    Layer,
    Network,
    Node,
    Operator,
    Shape,
    binary,
    conv2d,
    dense,
    depthwise_conv2d,
    global_average_pool2d,
    hard_swish,
    leaky_relu,
    logistic,
    relu,
    relu6,
    requantize,
    softmax,
    tanh,
)
from hwnas.virtual import VirtualBoard

SCALES = 25
WIDE = Extremes(wide=True)
EVERY_VALUE = np.arange(-128, 128, dtype=np.int8)
ROW = (1, 1, EVERY_VALUE.size)
SQUARE = (EVERY_VALUE.size, EVERY_VALUE.size, 1)
POINTWISE = (relu, relu6, leaky_relu, logistic, tanh, hard_swish, requantize)


@pytest.fixture(scope="module")
def client() -> Iterator[BoardClient]:
    """One core is enough: constants do not depend on it. Without cycles it is faster."""
    spec = replace(load_board("nucleo_l496zg"), timing=None)
    with BoardClient(VirtualBoard(spec, find_image(spec.name).elf)) as opened:
        yield opened


def alone(layer: Layer) -> Network:
    return Network(layer.input_shape, (Node(layer, (0,)),))


@pytest.mark.parametrize("extremes", [USUAL, WIDE], ids=["usual", "wide"])
@pytest.mark.parametrize("make", POINTWISE)
def test_every_value_for_many_scales(
    client: BoardClient, make: Callable[[Shape], Layer], extremes: Extremes
) -> None:
    for seed in range(SCALES):
        model = read_model(random_model(alone(make(ROW)), seed, extremes))
        assert_exact(client, model, [EVERY_VALUE])


@pytest.mark.parametrize("layer", [softmax((8, 256)), global_average_pool2d((7, 9, 256))])
def test_many_values_for_many_scales(client: BoardClient, layer: Layer) -> None:
    for seed in range(SCALES):
        model = read_model(random_model(alone(layer), seed, (USUAL, WIDE)[seed % 2]))
        assert_exact(client, model, images(model.network, seed)[:1])


@pytest.mark.parametrize(
    ("operator", "first"),
    [
        (Operator.ADD, False),
        (Operator.SUB, False),
        (Operator.SUB, True),
        (Operator.MUL, False),
    ],
)
def test_many_pairs_of_values(client: BoardClient, operator: Operator, first: bool) -> None:
    layer = binary(operator, SQUARE, operand=SQUARE, operand_first=first)
    for seed in range(2):
        model = read_model(random_model(alone(layer), seed, (USUAL, WIDE)[seed % 2]))
        assert_exact(client, model, images(model.network, seed)[:1])


@pytest.mark.parametrize(
    "layer",
    [dense((1,), 500), conv2d((1, 1, 1), 500, 1), depthwise_conv2d((1, 1, 500), 1)],
    ids=Layer.describe,
)
def test_sums_halfway_between_two_outputs(client: BoardClient, layer: Layer) -> None:
    for seed in range(8):
        model = read_model(halfway_model(layer, seed))
        assert_exact(client, model, images(model.network, seed)[:1])
