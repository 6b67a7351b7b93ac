"""Which C function computes a layer, as the firmware on the virtual board really chooses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import bakenn
import pytest

from hwnas._kernel_rules import CONVOLUTION_RULES, DEPTHWISE_RULES
from hwnas.boards import load_board
from hwnas.device import BoardClient
from hwnas.elf import Image
from hwnas.firmware import FirmwareImage, find_image
from hwnas.kernels import CMSIS_NN, FLOAT32, REFERENCE, KernelSet, kernel_rule, kernel_variant
from hwnas.network import (
    DType,
    Layer,
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
from hwnas.plan import PoolLayout, compile_layers
from hwnas.virtual import VirtualBoard

HOME = Path(__file__).parent.parent
CMSIS_NN_SOURCES = Path(bakenn.__file__).parent / "backend" / "cmsis_nn" / "vendor"
BOARD = "nucleo_l496zg"
MAP = (6, 7, 5)
LAYERS = [
    conv2d(MAP, 4, 1),
    conv2d(MAP, 4, 1, strides=2),
    conv2d(MAP, 4, 3),
    conv2d((1, 8, 5), 4, (1, 3)),
    conv2d((1, 9, 5), 4, (1, 3)),
    conv2d((1, 9, 5), 4, (1, 3), strides=(1, 2), padding="valid"),
    conv2d((1, 8, 5), 4, (1, 3), dilation=(1, 2)),
    conv2d((1, 8, 5), 4, (3, 3)),
    conv2d((2, 8, 5), 4, (1, 3)),
    depthwise_conv2d(MAP, 3),
    depthwise_conv2d(MAP, 3, strides=2),
    depthwise_conv2d(MAP, 3, padding=(1, 1, 2, 1)),
    depthwise_conv2d(MAP, 3, padding=(1, 1, 1, 2)),
    depthwise_conv2d(MAP, 3, padding=(1, 2, 1, 1)),
    depthwise_conv2d(MAP, 3, padding=(2, 1, 1, 1)),
    depthwise_conv2d(MAP, 5),
    depthwise_conv2d(MAP, 3, depth_multiplier=2),
    depthwise_conv2d(MAP, 3, depth_multiplier=4),
    dense((20,), 6),
    max_pool2d(MAP),
    average_pool2d(MAP),
    global_average_pool2d(MAP),
    softmax((10,)),
    relu(MAP),
    relu6(MAP),
    add(MAP),
    conv2d(MAP, 4, 3, dilation=2),
    conv2d((6, 7, 6), 4, 3, groups=2),
    conv2d((6, 7, 6), 4, 1, groups=2),
    depthwise_conv2d(MAP, 3, dilation=2),
    depthwise_conv2d(MAP, 3, dilation=(1, 3), padding=(1, 3, 1, 3)),
    binary(Operator.ADD, MAP, operand=(5,)),
    binary(Operator.SUB, MAP, MAP),
    binary(Operator.MUL, MAP, (1, 1, 5)),
    concatenation([MAP, MAP, MAP]),
    pad(MAP, (1, 1, 1, 1)),
    global_max_pool2d(MAP),
    leaky_relu(MAP),
    logistic(MAP),
    tanh(MAP),
    hard_swish(MAP),
    quantize(MAP),
    dequantize(MAP),
    requantize(MAP),
    binary(Operator.SUB, MAP, operand=(5,), operand_first=True),
]

_HANDING_OVER = {
    "arm_convolve_1_x_n_s8": "arm_convolve_s8",  # on cores without MVE
    "reference_sub": "reference_add",  # the same code, which GCC keeps once
}


@pytest.fixture(scope="module")
def image() -> FirmwareImage:
    return find_image(BOARD)


@pytest.fixture(scope="module")
def board(image: FirmwareImage) -> Iterator[VirtualBoard]:
    with VirtualBoard(load_board(BOARD), image.elf) as opened:
        yield opened


FLOAT_LAYERS = [
    replace(layer, dtype=DType.FLOAT32)
    for layer in LAYERS
    if not layer.operator.endswith("quantize")
]
CASES = [
    *((layer, kernels) for kernels in (CMSIS_NN, REFERENCE) for layer in LAYERS),
    *((layer, FLOAT32) for layer in FLOAT_LAYERS),
]


@pytest.mark.parametrize(
    ("layer", "kernels"), CASES, ids=lambda part: getattr(part, "name", None) or part.canonical()
)
def test_the_named_function_runs_and_no_other_of_its_kind(
    board: VirtualBoard, image: FirmwareImage, layer: Layer, kernels: KernelSet
) -> None:
    pool = PoolLayout.for_region(image.manifest.parameter_bytes)
    client = BoardClient(board)
    client.load(compile_layers([layer], pool=pool, kernel_set=kernels.name).data)
    entries = {address: name for address, name in Image.read(image.elf).functions}
    before = calls(board, entries)
    client.run(step_count=1, warmup=0)
    started = calls(board, entries) - before
    variants = {kernel_variant(*case) for case in CASES}
    name = kernel_variant(layer, kernels)
    assert {name} <= variants.intersection(started) <= {name, _HANDING_OVER.get(name, name)}


def test_every_rule_is_among_what_is_watched() -> None:
    """With what the test above watches, this holds each rule against what really runs."""
    watched = {kernel_rule(layer) for layer in LAYERS}
    assert watched >= {*CONVOLUTION_RULES, *DEPTHWISE_RULES}


@pytest.mark.parametrize("kernels", [CMSIS_NN, REFERENCE, FLOAT32], ids=lambda k: k.name)
def test_a_rule_says_why_and_where_it_stands(kernels: KernelSet) -> None:
    for layer in LAYERS:
        rule = kernel_rule(layer, kernels)
        assert rule.why and rule.source
        if rule.source.startswith("firmware/") and not rule.source.endswith(".c"):
            assert (HOME / rule.source).is_dir()
        elif rule.source.startswith("firmware/"):
            assert (HOME / rule.source).is_file()
        else:
            assert list(CMSIS_NN_SOURCES.rglob(rule.source))


def calls(board: VirtualBoard, entries: dict[int, str]) -> Counter[str]:
    """How often each function was entered since the board was switched on."""
    return Counter(
        {
            entries[block.address]: block.executions
            for block in board.block_counts
            if block.address in entries
        }
    )
