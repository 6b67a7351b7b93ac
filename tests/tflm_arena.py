"""The arena of TensorFlow Lite for Microcontrollers: what its interpreter tells, and its planner.

The interpreter's host kernels need no scratch memory where CMSIS-NN's do. So its planner
(``greedy_memory_planner.cc``) is repeated here, to lay out what it would with CMSIS-NN's kernels.

``python tests/tflm_arena.py`` writes the table of docs/plan-format.md.
"""

from __future__ import annotations

import math
import os
import re
import sys
import tempfile
from collections.abc import Callable
from typing import NamedTuple

from flat_models import random_model
from networks import WHOLE
from tflite_micro.python.tflite_micro import runtime

from hwnas.arena import (
    ARENA_ALIGNMENT,
    align_up,
    network_requests,
    plan_arena,
    plan_network_arena,
    tensor_bytes,
)
from hwnas.kernels import scratch_bytes
from hwnas.network import Layer, Network, Operator

Scratch = Callable[[Layer], int]


class Requirement(NamedTuple):
    """A buffer and the steps that need it."""

    size: int
    first: int
    last: int


def head_bytes(network: Network) -> int:
    """The interpreter's head section, which it tells on the standard error stream only."""
    interpreter = runtime.Interpreter.from_bytes(random_model(network, 0), arena_size=1 << 22)
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 2)
        try:
            interpreter.print_allocations()
        finally:
            os.dup2(kept, 2)
            os.close(kept)
        said.seek(0)
        found = re.search(rb"Arena allocation head (\d+) bytes", said.read())
    assert found is not None
    return int(found[1])


def planned_bytes(network: Network, scratch: Scratch) -> int:
    """What its planner takes for a network's values and the scratch memory of its layers."""
    last = [0] * (len(network.nodes) + 1)
    for step, node in enumerate(network.nodes):
        for value in (*node.inputs, step + 1):
            last[value] = step + 1
    values = [
        Requirement(tensor_bytes(network.shape_of(v), network.dtype_of(v)), v, end)
        for v, end in enumerate(last)
    ]
    return _placed(
        values
        + [
            Requirement(scratch(node.layer), step + 1, step + 1)
            for step, node in enumerate(network.nodes)
        ]
    )


def _placed(requirements: list[Requirement]) -> int:
    """The largest first, of equals the last, each where it fits first."""
    placed: list[tuple[int, int, Requirement]] = []
    ordered = sorted(enumerate(requirements), key=lambda r: (r[1].size, r[0]), reverse=True)
    for _, wanted in ordered:
        size, offset = align_up(wanted.size, ARENA_ALIGNMENT), 0
        for start, end, other in sorted(placed):
            if other.first > wanted.last or wanted.first > other.last:
                continue
            if start - offset >= size:
                break
            offset = max(offset, end)
        placed.append((offset, offset + size, wanted))
    return max(end for _, end, _ in placed)


def host_scratch(layer: Layer) -> int:
    """What its own kernels ask for: MEAN sums up in 32 bits (``reduce_common.cc``)."""
    return 4 * layer.output_shape[-1] if layer.operator is Operator.GLOBAL_AVERAGE_POOL2D else 0


def cmsis_nn_scratch(layer: Layer) -> int:
    """What its kernels on CMSIS-NN ask for: the sizes that ``*_get_buffer_size`` gives."""
    plain = layer.depth_multiplier == 1 and layer.dilation == (1, 1)
    if layer.operator is Operator.DEPTHWISE_CONV2D and plain:
        # arm_depthwise_conv_wrapper_s8_get_buffer_size, also where the 3x3 kernel uses none.
        return 2 * layer.input_shape[-1] * math.prod(layer.kernel_size)
    if layer.groups > 1:
        return 0  # CMSIS-NN 4.0.0 has no kernel; the reference kernel asks for nothing.
    return scratch_bytes(layer) + host_scratch(layer)


def activation_bytes(network: Network) -> int:
    """hwnas's arena if no kernel needed scratch memory."""
    requests, _ = network_requests(network)
    return plan_arena(requests[: -len(network.nodes)]).arena_bytes


def main() -> None:
    """Writes the table."""
    print("| network | values alone | TFLM's head section | with scratch | TFLM with CMSIS-NN's |")
    print("|---|---|---|---|---|")
    for name, make in WHOLE.items():
        network = make()
        sizes = (
            activation_bytes(network),
            head_bytes(network),
            plan_network_arena(network).arena_bytes,
            planned_bytes(network, cmsis_nn_scratch),
        )
        print(f"| {name} | " + " | ".join(f"{size:,}" for size in sizes) + " |")


if __name__ == "__main__":
    main()
