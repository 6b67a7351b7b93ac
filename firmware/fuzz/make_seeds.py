"""Writes what the fuzzers start from: plans and dialogues of a real client.

    python firmware/fuzz/make_seeds.py FOLDER

makes FOLDER/plan and FOLDER/protocol; fuzz_plan.c and fuzz_protocol.c say how inputs look.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from hwnas.device import protocol
from hwnas.device.protocol import MessageType, RunFlag
from hwnas.kernels import KERNEL_SETS, KernelSet
from hwnas.network import (
    DType,
    Layer,
    NetworkBuilder,
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
    softmax,
    tanh,
)
from hwnas.plan import PoolLayout, compile_layers, compile_plan

PLAN_POOL = PoolLayout.for_region(16 << 10)
LARGE_POOL = PoolLayout.for_region(384 << 10)
PROTOCOL_POOL = PoolLayout.for_region(8 << 10)
SMALL, LARGE = b"\0\1", b"\2\1"
RAW, FRAME, FRAME_TWICE, PLAN = range(4)

LAYERS = (
    conv2d((8, 8, 4), 8, 3),
    conv2d((5, 7, 3), 5, 3, strides=2, activation="relu"),
    conv2d((6, 6, 8), 12, 1),
    conv2d((6, 6, 5), 3, 1, use_bias=False),
    conv2d((1, 20, 2), 4, (1, 5), padding="valid"),
    conv2d((9, 9, 3), 2, (2, 4), padding="valid"),
    depthwise_conv2d((8, 8, 8), 3),
    depthwise_conv2d((7, 5, 5), 3, strides=2),
    depthwise_conv2d((6, 6, 3), 5, activation="relu6"),
    depthwise_conv2d((5, 5, 2), 3, depth_multiplier=3),
    dense((40,), 10),
    dense((33,), 7, activation="relu", use_bias=False),
    max_pool2d((8, 8, 4)),
    average_pool2d((9, 7, 6), 3),
    global_average_pool2d((4, 4, 16)),
    softmax((10,)),
    relu((5, 5, 5)),
    add((4, 4, 8)),
    conv2d((8, 8, 6), 9, 3, groups=3),
    conv2d((9, 7, 4), 5, 3, dilation=2),
    depthwise_conv2d((9, 7, 5), 3, dilation=(2, 3)),
    binary(Operator.ADD, (4, 5, 7), operand=(7,)),
    binary(Operator.SUB, (4, 5, 7), (1, 1, 7)),
    binary(Operator.MUL, (1, 1, 1), (4, 5, 7)),
    concatenation([(4, 5, 3), (4, 5, 4), (4, 5, 1)]),
    concatenation([(4, 5, 3)] * 11, axis=-2),
    pad((4, 5, 3), (1, 2, 3, 4)),
    global_max_pool2d((4, 4, 15)),
    leaky_relu((5, 5, 5)),
    logistic((9, 9, 8)),
    tanh((5, 5, 5)),
    hard_swish((9, 9, 8)),
    quantize((4, 5, 3)),
    dequantize((4, 5, 3)),
)
LARGEST = (
    # At the limits of what the kernels count in 16 bits, and still within the fuzzer's work.
    conv2d((1, 1, 1), 1, (255, 257)),
    conv2d((1, 1, 2621), 1, 5),
    conv2d((1, 1, 4095), 1, 4),
    conv2d((1, 1, 1), 1, (1, 32767)),
    depthwise_conv2d((1, 1, 1), (255, 257)),
    depthwise_conv2d((1, 1, 1), (32767, 1)),
    depthwise_conv2d((1, 1, 1), (1, 32767), depth_multiplier=2),
    depthwise_conv2d((32767, 1, 1), 3, strides=9),
    relu((1, 1, 65535)),
    add((1, 1, 65535)),
    max_pool2d((32767, 1, 2), (2, 1)),
    average_pool2d((1, 32767, 1), (1, 3)),
    dense((30000,), 3),
)


def layers_of(kernels: KernelSet, layers: Iterable[Layer]) -> list[Layer]:
    """Those that a kernel set computes, in its type."""
    floats = kernels.dtype is DType.FLOAT32
    converts = (Operator.QUANTIZE, Operator.DEQUANTIZE)
    known = [layer for layer in layers if not (floats and layer.operator in converts)]
    return [replace(layer, dtype=kernels.dtype) for layer in known]


def small_network(pool: PoolLayout, kernels: KernelSet) -> bytes:
    """The plan of a network with nearly every operator."""
    b = NetworkBuilder((12, 12, 3), kernels.dtype)
    x = b.conv2d(b.input, 8, 3, activation="relu")
    y = b.depthwise_conv2d(x, 3)
    x = b.max_pool2d(b.add(x, y))
    x = b.average_pool2d(b.conv2d(x, 4, 1), 2)
    x = b.global_average_pool2d(x)
    b.softmax(b.dense(x, 5))
    return compile_plan(b.build(), pool=pool, kernel_set=kernels.name).data


def plans(pool: PoolLayout) -> Iterator[bytes]:
    """A plan of each layer alone, of all together and of a network, for each kernel set."""
    for kernels in KERNEL_SETS.values():
        layers = layers_of(kernels, LAYERS)
        for layer in layers:
            yield compile_layers([layer], pool=pool, kernel_set=kernels.name).data
        yield compile_layers(layers[10:], pool=pool, kernel_set=kernels.name).data
        yield small_network(pool, kernels)


def largest_plans() -> Iterator[bytes]:
    """Plans of the largest layers, for each kernel set."""
    for kernels in KERNEL_SETS.values():
        for layer in layers_of(kernels, LARGEST):
            yield compile_layers([layer], pool=LARGE_POOL, kernel_set=kernels.name).data


def record(kind: int, data: bytes) -> bytes:
    """A record of the protocol's inputs."""
    return struct.pack("<BH", kind, len(data)) + data


def frame(
    message: MessageType, request_id: int, body: bytes = b"", *, twice: bool = False
) -> bytes:
    """A record that becomes a frame."""
    kind = FRAME_TWICE if twice else FRAME
    return record(kind, struct.pack("<BH", message, request_id) + body)


def dialogue(plan: bytes, layers: int) -> bytes:
    """What a client sends that measures a plan."""
    flags = RunFlag.PER_LAYER | RunFlag.MARKERS | RunFlag.FILL_INPUTS
    return b"".join(
        (
            frame(MessageType.HELLO, 1),
            record(PLAN, plan),
            frame(MessageType.TENSOR_WRITE, 2, protocol.encode_tensor_write(0, 0, bytes(9))),
            frame(MessageType.RUN, 3, protocol.encode_run(1, 2, flags), twice=True),
            frame(MessageType.RESULTS_READ, 4, protocol.encode_results_read(0, 2 * (1 + layers))),
            frame(MessageType.TENSOR_READ, 5, protocol.encode_tensor_read(0, 0, 9)),
        )
    )


def dialogues() -> Iterator[bytes]:
    """Inputs of the protocol."""
    fitting: list[Layer] = [layer for layer in LAYERS if layer.output_shape[-1] <= 8]
    for layer in fitting:
        yield dialogue(compile_layers([layer], pool=PROTOCOL_POOL).data, 1)
    for kernels in KERNEL_SETS.values():
        yield dialogue(small_network(PROTOCOL_POOL, kernels), 8)
    wire = protocol.encode_frame(MessageType.ECHO, 9, bytes(range(256)) * 7)
    yield record(RAW, wire) + record(RAW, wire[:700]) + record(RAW, wire)
    yield record(RAW, b"\x00\xff" * 1500)
    yield frame(MessageType.ECHO, 1, bytes(2040)) + frame(MessageType.RESET, 2) + record(RAW, wire)
    plan = compile_layers([LAYERS[0]], pool=PROTOCOL_POOL).data
    halves = (plan[:100], plan[100:])
    yield b"".join(
        frame(MessageType.PLAN_WRITE, i, protocol.encode_plan_write(100 * i, len(plan), half))
        for i, half in enumerate(halves)
    ) + frame(MessageType.PLAN_COMMIT, 7)
    for message in MessageType:
        yield frame(message, 1, bytes(8)) + frame(message, 2) + frame(message, 3, bytes(12))


def main() -> None:
    """Writes all seeds."""
    folder = Path(sys.argv[1])
    inputs = {
        "plan": [SMALL + plan for plan in plans(PLAN_POOL)]
        + [LARGE + plan for plan in largest_plans()],
        "protocol": [b"\xff" + dialogue for dialogue in dialogues()],
    }
    for name, seeds in inputs.items():
        place = folder / name
        place.mkdir(parents=True, exist_ok=True)
        for i, seed in enumerate(seeds):
            (place / f"seed-{i:03}").write_bytes(seed)


if __name__ == "__main__":
    main()
