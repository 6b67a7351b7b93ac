"""Cycles under synthetic parameters against those under real ones, kernel by kernel.

``python tests/test_synthetic.py`` writes the tables of docs/kernels.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import pytest
from flat_models import random_model
from oracle import Values, images, read_model

from hwnas.boards import load_board
from hwnas.device import BoardClient
from hwnas.firmware import DEFAULT_VARIANT, FirmwareImage, Variant, find_image
from hwnas.kernels import CMSIS_NN, FLOAT32, REFERENCE, KernelSet, kernel_variant
from hwnas.network import (
    DType,
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
    requantize,
    softmax,
    tanh,
)
from hwnas.opening import virtual_client
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
    binary(Operator.SUB, MAP, operand=(8,), operand_first=True),
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
    requantize(SMALL),
    requantize(MAP),
)


BOUNDS = {
    "float32_logistic": 0.02,
    "own_hard_swish": 0.06,
    "own_leaky_relu": 0.02,
    "own_logistic": 0.08,
    "own_quantize": 0.16,
    "own_rescale": 0.08,
    "own_softmax": 0.08,
    "own_tanh": 0.08,
    "reference_add": 0.04,
    "reference_hard_swish": 0.05,
    "reference_leaky_relu": 0.04,
    "reference_logistic": 0.09,
    "reference_mul": 0.06,
    "reference_rescale": 0.08,
    "reference_softmax": 0.06,
    "reference_sub": 0.04,
    "reference_tanh": 0.09,
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


def synthetic_cycles(
    client: BoardClient, image: FirmwareImage, layer: Layer, kernels: KernelSet
) -> int:
    pool = PoolLayout.for_region(image.manifest.parameter_bytes)
    client.load(compile_layers([layer], pool=pool, kernel_set=kernels.name).data)
    return int(client.run(step_count=1).layer_cycles[0, 0])


def network_of(layer: Layer) -> Network:
    if len(layer.input_shapes) == 1:
        return Network(layer.input_shape, (Node(layer, (0,)),), layer.dtype)
    b = NetworkBuilder(layer.input_shape, layer.dtype)
    b.append(layer, *(b.conv2d(b.input, shape[-1], 1) for shape in layer.input_shapes))
    return b.build()


def real_cycles(image: FirmwareImage, network: Network, seed: int, kernels: KernelSet) -> list[int]:
    """Of the last layer, with parameters in flash, for several inputs."""
    model = read_model(random_model(network, seed))
    plan = compile_plan(network, parameters=model.parameters, kernel_set=kernels.name)
    flash = {image.manifest.parameter_base: plan.parameter_data} if plan.parameter_data else {}
    with BoardClient(VirtualBoard(load_board(BOARD), image.elf, flash)) as client:
        client.load(plan.data)
        steps = len(plan.step_nodes)
        return [last_layer(client, value, steps) for value in inputs_of(network, seed)]


def inputs_of(network: Network, seed: int) -> list[Values]:
    """Such as networks have; floats with the zeros that a rectifier leaves, and without."""
    if network.dtype is DType.INT8:
        return images(network, seed)
    random = np.random.default_rng(seed)
    values = random.normal(0, 1, math.prod(network.input_shape)).astype(np.float32)
    return [values, np.maximum(values, 0)]


def last_layer(client: BoardClient, value: Values, steps: int) -> int:
    client.write_tensor(0, value.tobytes())
    # Once: what an arena's tensors share, the first run may leave overwritten.
    client.run(warmup=0, fill_inputs=False, step_count=steps)
    client.write_tensor(0, value.tobytes())
    return int(client.run(warmup=0, fill_inputs=False, step_count=steps).layer_cycles[0, -1])


def spread_of(layer: Layer, kernels: KernelSet, variant: Variant = DEFAULT_VARIANT) -> Spread:
    image = find_image(BOARD, variant)
    with virtual_client(load_board(BOARD), image) as client:
        synthetic = synthetic_cycles(client, image, layer, kernels)
    network = network_of(layer)
    real = [n for seed in range(MODELS) for n in real_cycles(image, network, seed, kernels)]
    return Spread(synthetic, min(real), max(real))


def describe(layer: Layer) -> str:
    options = []
    if layer.dilation != (1, 1):
        options.append(f"dilation {layer.dilation[0]}")
    if layer.groups > 1:
        options.append(f"{layer.groups} groups")
    return ", ".join([layer.describe(), *options])


def within_bounds(layer: Layer, kernels: KernelSet) -> bool:
    return spread_of(layer, kernels).relative <= BOUNDS.get(kernel_variant(layer, kernels), 0.01)


@pytest.mark.parametrize("layer", LAYERS, ids=describe)
def test_synthetic_parameters_cost_what_real_ones_do(layer: Layer) -> None:
    assert within_bounds(layer, CMSIS_NN)


REFERENCE_LAYERS = [
    layer for layer in LAYERS if kernel_variant(layer, REFERENCE) != kernel_variant(layer)
]
"""Those that not every set computes by the same function."""


@pytest.mark.parametrize("layer", REFERENCE_LAYERS, ids=describe)
def test_so_they_do_with_reference_kernels(layer: Layer) -> None:
    assert within_bounds(layer, REFERENCE)


FLOAT_LAYERS = [
    replace(layer, dtype=DType.FLOAT32)
    for layer in LAYERS
    if not layer.operator.endswith("quantize")
]
ONE_EACH = list({kernel_variant(layer, FLOAT32): layer for layer in FLOAT_LAYERS}.values())
WITHOUT_FPU = Variant(fpu=False)
SOFTWARE_BOUND = 0.3
"""Software adds a zero, of which a rectifier makes half of all values, in less time."""


@pytest.mark.parametrize("layer", ONE_EACH, ids=describe)
def test_so_they_do_with_floats(layer: Layer) -> None:
    bound = BOUNDS.get(kernel_variant(layer, FLOAT32), 0.01)
    assert spread_of(layer, FLOAT32).relative <= bound


@pytest.mark.parametrize("layer", ONE_EACH[::3], ids=describe)
def test_floats_without_fpu_cost_less_where_they_are_zero(layer: Layer) -> None:
    found = spread_of(layer, FLOAT32, WITHOUT_FPU)
    assert found.relative <= SOFTWARE_BOUND


def print_table(
    layers: Iterable[Layer], kernels: KernelSet, variant: Variant = DEFAULT_VARIANT
) -> None:
    """Writes a table."""
    print(f"\n{kernels.name}, {variant.describe()}\n")
    print("| layer | kernel | synthetic | real, least | real, most | spread |")
    print("|---|---|---|---|---|---|")
    for layer in layers:
        found = spread_of(layer, kernels, variant)
        print(
            f"| {describe(layer)} | `{kernel_variant(layer, kernels)}` | {found.synthetic:,} | "
            f"{found.least:,} | {found.most:,} | {100 * found.relative:.1f} % |"
        )


if __name__ == "__main__":
    print_table(LAYERS, CMSIS_NN)
    print_table(REFERENCE_LAYERS, REFERENCE)
    print_table(FLOAT_LAYERS, FLOAT32)
    print_table(ONE_EACH, FLOAT32, WITHOUT_FPU)
