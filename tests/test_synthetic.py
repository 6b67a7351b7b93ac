"""Cycles under synthetic parameters against those under real ones, kernel by kernel.

``python tests/test_synthetic.py`` writes the table of docs/kernels.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from flat_models import random_model
from oracle import Values, images, read_model

from hwnas.backend import virtual_client
from hwnas.boards import load_board
from hwnas.device import BoardClient
from hwnas.firmware import FirmwareImage, find_image
from hwnas.kernels import kernel_variant
from hwnas.network import (
    Layer,
    Network,
    NetworkBuilder,
    Node,
    Operator,
    add,
    average_pool2d,
    binary,
    concatenation,
    conv2d,
    dense,
    depthwise_conv2d,
    dequantize,
    global_average_pool2d,
    global_max_pool2d,
    hard_swish,
    leaky_relu,
    logistic,
    max_pool2d,
    pad,
    quantize,
    relu,
    relu6,
    softmax,
    tanh,
)
from hwnas.plan import PoolLayout, compile_layers, compile_plan
from hwnas.virtual import VirtualBoard

BOARD = "nucleo_l496zg"
MODELS = 3
MAP, SMALL, ODD = (10, 10, 8), (5, 5, 8), (9, 10, 7)
LAYERS = (
    conv2d(MAP, 8, 3),
    conv2d(ODD, 5, 3, strides=2, activation="relu"),
    conv2d(MAP, 8, 1),
    conv2d(MAP, 8, 1, strides=2),
    conv2d((1, 40, 8), 8, (1, 5)),
    conv2d(MAP, 8, 3, dilation=2),
    conv2d(MAP, 8, 3, groups=2),
    depthwise_conv2d(MAP, 3),
    depthwise_conv2d(MAP, 5),
    depthwise_conv2d(MAP, 3, depth_multiplier=3),
    depthwise_conv2d(MAP, 3, depth_multiplier=4),
    depthwise_conv2d(MAP, 3, dilation=2),
    dense((128,), 32),
    max_pool2d(MAP),
    average_pool2d(MAP),
    average_pool2d(ODD, 3, strides=2, padding="same"),
    global_average_pool2d(MAP),
    global_max_pool2d(MAP),
    softmax((10,)),
    softmax((40,)),
    add(MAP),
    add(ODD, activation="relu"),
    binary(Operator.ADD, MAP, operand=(8,)),
    binary(Operator.SUB, MAP, MAP),
    binary(Operator.MUL, MAP, MAP),
    binary(Operator.MUL, MAP, operand=(1,)),
    relu(SMALL),
    relu(MAP),
    relu6(MAP),
    leaky_relu(SMALL),
    leaky_relu(MAP),
    logistic(SMALL),
    logistic(MAP),
    tanh(SMALL),
    tanh(MAP),
    hard_swish(SMALL),
    hard_swish(MAP),
    concatenation([MAP, MAP]),
    pad(MAP, (1, 1, 1, 1)),
    quantize(MAP),
    dequantize(MAP),
)


BOUNDS = {
    "own_hard_swish": 0.06,
    "own_leaky_relu": 0.02,
    "own_logistic": 0.08,
    "own_quantize": 0.16,
    "own_relu": 0.08,
    "own_softmax": 0.08,
    "own_tanh": 0.08,
}
"""Largest spreads of kernels that branch on values; others stay within 1 %."""


@dataclass(frozen=True)
class Spread:
    """Cycles of a layer: with synthetic parameters, and least and most with real ones."""

    synthetic: int
    least: int
    most: int

    @property
    def relative(self) -> float:
        """The largest distance from the synthetic figure."""
        far = max(self.most - self.synthetic, self.synthetic - self.least)
        return far / self.synthetic


def synthetic_cycles(client: BoardClient, image: FirmwareImage, layer: Layer) -> int:
    pool = PoolLayout.for_region(image.manifest.parameter_bytes)
    client.load(compile_layers([layer], pool=pool).data)
    return int(client.run(step_count=1).layer_cycles[0, 0])


def network_of(layer: Layer) -> Network:
    if len(layer.input_shapes) == 1:
        return Network(layer.input_shape, (Node(layer, (0,)),))
    b = NetworkBuilder(layer.input_shape)
    b.append(layer, *(b.conv2d(b.input, shape[-1], 1) for shape in layer.input_shapes))
    return b.build()


def real_cycles(image: FirmwareImage, network: Network, seed: int) -> list[int]:
    """Of the last layer, with parameters in flash, for several inputs."""
    model = read_model(random_model(network, seed))
    plan = compile_plan(network, parameters=model.parameters)
    flash = {image.manifest.parameter_base: plan.parameter_data} if plan.parameter_data else {}
    with BoardClient(VirtualBoard(load_board(BOARD), image.elf, flash)) as client:
        client.load(plan.data)
        return [last_layer(client, value, len(plan.step_nodes)) for value in images(network, seed)]


def last_layer(client: BoardClient, value: Values, steps: int) -> int:
    client.write_tensor(0, value.tobytes())
    # Once: what an arena's tensors share, the first run may leave overwritten.
    client.run(warmup=0, fill_inputs=False, step_count=steps)
    client.write_tensor(0, value.tobytes())
    return int(client.run(warmup=0, fill_inputs=False, step_count=steps).layer_cycles[0, -1])


def spread_of(layer: Layer) -> Spread:
    image = find_image(BOARD)
    with virtual_client(load_board(BOARD), image) as client:
        synthetic = synthetic_cycles(client, image, layer)
    network = network_of(layer)
    real = [n for seed in range(MODELS) for n in real_cycles(image, network, seed)]
    return Spread(synthetic, min(real), max(real))


def describe(layer: Layer) -> str:
    options = []
    if layer.dilation != (1, 1):
        options.append(f"dilation {layer.dilation[0]}")
    if layer.groups > 1:
        options.append(f"{layer.groups} groups")
    return ", ".join([layer.describe(), *options])


@pytest.mark.parametrize("layer", LAYERS, ids=describe)
def test_synthetic_parameters_cost_what_real_ones_do(layer: Layer) -> None:
    assert spread_of(layer).relative <= BOUNDS.get(kernel_variant(layer), 0.01)


def main() -> None:
    """Writes the table."""
    print("| layer | kernel | synthetic | real, least | real, most | spread |")
    print("|---|---|---|---|---|---|")
    for layer in LAYERS:
        found = spread_of(layer)
        print(
            f"| {describe(layer)} | `{kernel_variant(layer)}` | {found.synthetic:,} | "
            f"{found.least:,} | {found.most:,} | {100 * found.relative:.1f} % |"
        )


if __name__ == "__main__":
    main()
