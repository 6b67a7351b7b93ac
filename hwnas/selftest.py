"""The checks of a new or repaired board: ``docs/bring-up.md`` as a program.

They need nothing but the serial protocol, so they run on silicon, in QEMU and on the virtual board
alike; what an emulator lacks (a cycle counter) is skipped and said.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from hashlib import shake_256
from typing import Final

import numpy as np

from hwnas.arena import tensor_bytes
from hwnas.device.client import BoardClient
from hwnas.device.clock import check_clock
from hwnas.device.identity import check_identity
from hwnas.device.protocol import STATUS_BYTES, ResetCause
from hwnas.errors import BoardMismatchError, BoardProtocolError, HwnasError, PlanError
from hwnas.firmware import FirmwareManifest
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
from hwnas.plan import (
    ExecutionPlan,
    LayerParameters,
    NetworkParameters,
    ParameterKind,
    TensorQuantization,
    compile_plan,
    layer_parameters,
    parameter_counts,
)

ALLOWED_SPREAD: Final = 0.001
"""Of the same run, repeated: (slowest - fastest) / median. No interrupt is on while it counts."""
_REPEATS: Final = 20
_MARKER_RUNS: Final = 200
_SCALE: Final = 0.1
_ZERO_POINT: Final = -3
_DEVIATION: Final = 74.0
"""Standard deviation of uniform int8 values: it brings sums back to int8."""


class CheckState(StrEnum):
    """How a check ended."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Check:
    """A check that ran.

    Attributes:
        name: What was checked.
        state: How it ended.
        detail: What was found.
    """

    name: str
    state: CheckState
    detail: str


@dataclass(frozen=True, slots=True)
class KernelCase:
    """A kernel, and what it must compute from seeded values.

    Attributes:
        layer: What is computed.
        crc32: Of the output's bytes.
    """

    layer: Layer
    crc32: int


KERNEL_CASES: Final = (
    KernelCase(conv2d((9, 8, 3), 6, 3, activation="relu"), 0x9211_BBC6),
    KernelCase(conv2d((9, 8, 7), 5, 3, strides=2), 0xF67C_2FD7),
    KernelCase(conv2d((6, 6, 8), 12, 1), 0x8BDD_F998),
    KernelCase(conv2d((6, 6, 8), 4, 1, strides=2), 0x3A55_6819),
    KernelCase(conv2d((1, 16, 4), 4, (1, 3)), 0x3061_DE94),
    KernelCase(depthwise_conv2d((8, 8, 6), 3, activation="relu6"), 0x049A_1643),
    KernelCase(depthwise_conv2d((8, 8, 6), 5, strides=2), 0xB4B7_5014),
    KernelCase(depthwise_conv2d((6, 6, 3), 3, depth_multiplier=4), 0x6ACB_ACA6),
    KernelCase(dense((70,), 11, activation="relu"), 0x818C_A710),
    KernelCase(max_pool2d((8, 8, 5), 2), 0x1241_5325),
    KernelCase(average_pool2d((9, 9, 6), 3, strides=2, padding="same"), 0x44B3_6313),
    KernelCase(global_average_pool2d((7, 5, 6)), 0xAD31_14C2),
    KernelCase(softmax((12,)), 0xEA9B_5A10),
    KernelCase(relu((5, 5, 4)), 0x8C68_344F),
    KernelCase(relu6((5, 5, 4)), 0x4006_B2AB),
    KernelCase(add((6, 5, 4), activation="relu"), 0x7ACD_B2D1),
    KernelCase(binary(Operator.ADD, (7, 5, 3), operand=(3,)), 0x9DF2_7512),
    KernelCase(binary(Operator.SUB, (6, 5, 4), (6, 5, 4)), 0xCA03_B046),
    KernelCase(binary(Operator.MUL, (9, 9, 5), operand=(1,), activation="relu6"), 0x1132_372F),
    KernelCase(conv2d((8, 7, 6), 9, 3, groups=3), 0xD568_6C54),
    KernelCase(conv2d((9, 9, 4), 5, 3, dilation=2), 0x33E2_32E9),
    KernelCase(depthwise_conv2d((9, 9, 5), 3, dilation=(2, 3)), 0xEE06_789B),
    KernelCase(concatenation([(5, 4, 3), (5, 4, 6), (5, 4, 2)]), 0x1B72_E674),
    KernelCase(pad((5, 4, 3), (1, 2, 3, 0)), 0x4D4A_5E77),
    KernelCase(global_max_pool2d((7, 5, 6)), 0x40FF_B7E1),
    KernelCase(leaky_relu((5, 5, 4)), 0x8D16_EFC5),
    KernelCase(logistic((9, 9, 8)), 0x36F4_E7E1),
    KernelCase(tanh((5, 5, 4)), 0xF011_0A7A),
    KernelCase(hard_swish((9, 9, 8)), 0x4CA9_5385),
    KernelCase(quantize((5, 5, 4)), 0x5EA7_0B21),
    KernelCase(dequantize((5, 5, 4)), 0xC8BA_6EE6),
    KernelCase(requantize((5, 5, 4)), 0xEB22_8306),
    KernelCase(binary(Operator.SUB, (7, 5, 3), operand=(3,), operand_first=True), 0xDCFC_4F05),
)
"""Every kernel and variant, with what all boards and emulators must compute."""


def run_selftest(
    client: BoardClient, manifest: FirmwareManifest, *, host_clock: bool
) -> Iterator[Check]:
    """Run all checks, one after the other.

    Args:
        client: Of the board; the board is reset once.
        manifest: Of the image that should run on it.
        host_clock: Whether the board's clock runs in this machine's time, as silicon's does.

    Yields:
        Each check as it ends; a failed one does not end the others.
    """
    checks: list[tuple[str, Callable[[], str]]] = [
        ("banner", lambda: _banner(client)),
        ("identity", lambda: _identity(client, manifest)),
        ("clock", lambda: _clock(client, manifest, host_clock)),
        ("echo", lambda: _echo(client)),
        ("arena limits", lambda: _arena_limits(client, manifest)),
        *(
            (f"kernel {case.layer.describe()}", _kernel_check(client, case))
            for case in KERNEL_CASES
        ),
        ("repeatability", lambda: _repeatability(client)),
        ("markers", lambda: _markers(client)),
    ]
    for name, check in checks:
        try:
            detail = check()
        except _Skip as skip:
            yield Check(name, CheckState.SKIPPED, str(skip))
        except HwnasError as error:
            yield Check(name, CheckState.FAILED, f"{type(error).__name__}: {error}")
        else:
            yield Check(name, CheckState.PASSED, detail)


def kernel_plan(layer: Layer) -> tuple[ExecutionPlan, bytes]:
    """A plan of one layer with seeded parameters in its arena, and the seeded input.

    What reads several inputs gets what convolutions make of one, so that they differ.
    """
    network = _network_of(layer)
    plan = compile_plan(network, parameters=kernel_parameters(network), placement="arena")
    image = _stream("input", math.prod(network.input_shape))
    if network.dtype_of(0) is DType.FLOAT32:
        floats = np.frombuffer(image, np.int8).astype("<f4") * np.float32(0.13)
        return plan, floats.tobytes()
    return plan, image


def kernel_parameters(network: Network) -> NetworkParameters:
    """Seeded parameters of a network: every int8 value has the same quantization."""
    quantization = TensorQuantization(_SCALE, _ZERO_POINT)
    layers = [
        LayerParameters() if node.layer.is_free else _seeded(f"layer {i}", node.layer, quantization)
        for i, node in enumerate(network.nodes)
    ]
    points = [
        _ZERO_POINT if network.dtype_of(value) is DType.INT8 else 0
        for value in range(len(network.nodes) + 1)
    ]
    return NetworkParameters(tuple(points), tuple(layers))


def run_kernel(client: BoardClient, layer: Layer) -> bytes:
    """The output of one layer with seeded values, computed by the board.

    Raises:
        HwnasError: The board failed or refused the plan.
    """
    plan, image = kernel_plan(layer)
    client.load(plan.data)
    for index, data in plan.arena_writes:
        client.write_tensor(index, data)
    client.write_tensor(plan.input_tensor, image)
    client.run(warmup=0, per_layer=False, fill_inputs=False, step_count=len(plan.step_nodes))
    size = tensor_bytes(layer.output_shape, layer.output_dtype)
    return client.read_tensor(plan.output_tensor, size)


class _Skip(Exception):
    """What is checked is not there to be checked."""


def _network_of(layer: Layer) -> Network:
    if len(layer.input_shapes) == 1:
        return Network(layer.input_shape, (Node(layer, (0,)),))
    b = NetworkBuilder(layer.input_shape)
    b.append(layer, *(b.conv2d(b.input, shape[-1], 1) for shape in layer.input_shapes))
    return b.build()


def _seeded(name: str, layer: Layer, quantization: TensorQuantization) -> LayerParameters:
    counts = parameter_counts(layer)
    weights = counts.get(ParameterKind.WEIGHTS, 0)
    sums = weights / layer.output_shape[-1]
    channels = 1 if ParameterKind.MULTIPLIERS not in counts else layer.output_shape[-1]
    scales = [float(np.float32((1 + i % 3 / 4) / (_DEVIATION * math.sqrt(max(sums, 1)))))
              for i in range(channels)]  # fmt: skip
    biases = np.frombuffer(_stream(f"{name} bias", 2 * counts.get(ParameterKind.BIAS, 0)), "<i2")
    return layer_parameters(
        layer,
        [quantization] * len(layer.input_shapes),
        quantization,
        weights=_stream(f"{name} weights", weights),
        weight_scales=scales,
        bias=[int(b) // 16 for b in biases],
        operand=_stream(f"{name} operand", counts.get(ParameterKind.OPERAND, 0)),
        operand_quantization=quantization,
    )


def _stream(name: str, size: int) -> bytes:
    return shake_256(f"hwnas selftest {name}".encode()).digest(size)


def _banner(client: BoardClient) -> str:
    info = client.reset()
    if info.reset_cause & ResetCause.WATCHDOG:
        raise BoardProtocolError(
            f"after a reset by request it tells: {info.reset_cause.describe()}"
        )
    return f"{info.board} answers after a reset; its cause: {info.reset_cause.describe()}"


def _identity(client: BoardClient, manifest: FirmwareManifest) -> str:
    info = client.hello()
    check_identity(info, manifest)
    if info.image_sha256 != manifest.image_sha256:
        raise BoardMismatchError(
            f"its image is {info.image_sha256[:12]}..., not {manifest.image_sha256[:12]}...: the "
            "measured code is the same, so its times hold; flash it for the rest"
        )
    return f"image {info.image_sha256[:12]}, pool {info.pool_sha256[:12]}"


def _clock(client: BoardClient, manifest: FirmwareManifest, host_clock: bool) -> str:
    if not client.hello().counts_cycles:
        raise _Skip("the cycle counter stands still: no time of this board means anything")
    if not host_clock:
        raise _Skip("the virtual board's clock does not run in this machine's time")
    found = check_clock(client, manifest.clock_hz)
    return (
        f"{found.hz / 1e6:.3f} MHz (measured, +- {found.uncertainty_hz / 1e6:.3f}) of "
        f"{manifest.clock_hz / 1e6:g}"
    )


def _echo(client: BoardClient) -> str:
    longest = client.hello().max_body_bytes - STATUS_BYTES
    for size in (0, 1, 253, 254, 255, longest):
        client.echo((bytes(range(256)) * (size // 256 + 1))[:size])
        client.echo(bytes(size))
    return f"0 to {longest} bytes of all values came back"


def _arena_limits(client: BoardClient, manifest: FirmwareManifest) -> str:
    """A plan that fills the workspace to the last byte runs, a larger one is refused."""
    plan, _ = kernel_plan(relu((1, 1, 1)))
    workspace = client.hello().workspace_bytes
    if workspace != manifest.workspace_bytes:
        raise BoardMismatchError(
            f"a workspace of {workspace} bytes, not {manifest.workspace_bytes}"
        )
    room = (workspace - len(plan.data)) // 16 * 16
    client.load(_with_arena(plan.data, room))
    client.run(step_count=1, per_layer=False)
    try:
        client.load(_with_arena(plan.data, room + 16))
    except PlanError:
        return f"an arena of {room} bytes runs, {room + 16} are refused"
    raise BoardProtocolError(f"an arena of {room + 16} bytes beside the plan was accepted")


def _with_arena(plan: bytes, arena_bytes: int) -> bytes:
    """The plan with another size of the arena, which the header's CRC does not cover."""
    at = 16
    return plan[:at] + arena_bytes.to_bytes(4, "little") + plan[at + 4 :]


def _kernel_check(client: BoardClient, case: KernelCase) -> Callable[[], str]:
    def check() -> str:
        found = zlib.crc32(run_kernel(client, case.layer))
        if found != case.crc32:
            raise BoardProtocolError(f"its output has CRC-32 {found:#010x}, not {case.crc32:#010x}")
        return "as expected"

    return check


def _repeatability(client: BoardClient) -> str:
    if not client.hello().counts_cycles:
        raise _Skip("the cycle counter stands still")
    plan, _ = kernel_plan(KERNEL_CASES[0].layer)
    client.load(plan.data)
    cycles = client.run(repeats=_REPEATS, per_layer=False, step_count=1).total_cycles
    spread = float((cycles.max() - cycles.min()) / np.median(cycles))
    if spread > ALLOWED_SPREAD:
        raise BoardProtocolError(
            f"{_REPEATS} equal runs took {cycles.min()} to {cycles.max()} cycles: something "
            "interrupts the kernels, or a memory's timing wanders"
        )
    return f"{_REPEATS} equal runs: {cycles.min()} to {cycles.max()} cycles"


def _markers(client: BoardClient) -> str:
    plan, _ = kernel_plan(KERNEL_CASES[0].layer)
    client.load(plan.data)
    client.run(warmup=0, repeats=_MARKER_RUNS, per_layer=False, step_count=1, markers=True)
    return f"{_MARKER_RUNS} pulses on the inference pin, as many on the layer pin: look at them"
