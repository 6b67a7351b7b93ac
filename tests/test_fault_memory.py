"""Windows of every size against the real firmware: a step writes its output and its scratch memory.

Nothing else of the workspace may change, in the arena, behind it or in the plan itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from small_plan import (
    ADD,
    AVERAGE_POOL,
    CONCATENATION,
    CONV,
    DEPTHWISE,
    DEQUANTIZE,
    FLOAT32,
    GLOBAL_AVERAGE_POOL,
    GLOBAL_MAX_POOL,
    HARD_SWISH,
    INT8,
    INT32,
    LEAKY_RELU,
    LOGISTIC,
    MAX_POOL,
    MUL,
    NONE,
    PAD,
    QUANTIZE,
    RELU,
    REQUANTIZE,
    SOFTMAX,
    STEP,
    SUB,
    TANH,
    TENSOR,
    pack_plan,
)

from hwnas.boards import load_board
from hwnas.device import BoardClient
from hwnas.errors import PlanError
from hwnas.firmware import find_image
from hwnas.virtual import VirtualBoard

BOARD = "nucleo_l496zg"
PATTERN = b"\xa5"
Shape = tuple[int, int, int]
WHOLE_ARENA = 2
"""Index of a tensor over all of the arena, in every plan here."""
LARGEST_SIDE = 0x7FFF
LARGEST_COUNT = 0xFFFF
MOST_SCRATCH = 200_000
MOST_WEIGHTS = 400_000


@dataclass(frozen=True)
class Axis:
    """Sizes along one axis; every window touches the input, as the firmware demands."""

    size: int
    kernel: int
    stride: int
    pad: int
    out: int
    dilation: int = 1

    @property
    def reach(self) -> int:
        return (self.kernel - 1) * self.dilation + 1


@dataclass(frozen=True)
class Window:
    operator: int
    rows: Axis
    columns: Axis
    channels: int
    multiplier: int
    groups: int = 1

    @property
    def taps(self) -> int:
        return self.rows.kernel * self.columns.kernel

    @property
    def out_channels(self) -> int:
        return self.channels * (self.multiplier if self.operator in (CONV, DEPTHWISE) else 1)

    @property
    def weights(self) -> int:
        sums = {CONV: self.channels // self.groups, DEPTHWISE: 1}.get(self.operator, 0)
        return self.taps * self.out_channels * sums

    @property
    def scratch_bytes(self) -> int:
        dilated = max(self.rows.dilation, self.columns.dilation) > 1
        if self.groups > 1:
            return 2 * self.channels // self.groups * self.taps
        if self.operator == CONV:
            unpadded = not (self.rows.pad or self.columns.pad)
            pointwise = self.taps == 1 and unpadded and not dilated
            return 0 if pointwise else 4 * self.channels * self.taps
        if self.operator == DEPTHWISE:
            single = self.multiplier == 1 and not dilated
            return 2 * self.channels * self.taps if single else 0
        return 4 * self.channels if self.operator == AVERAGE_POOL else 0

    @property
    def is_within_limits(self) -> bool:
        sums = {CONV: self.channels // self.groups, DEPTHWISE: 1}.get(self.operator, 0)
        sides = (self.rows.reach, self.columns.reach)
        return max(sides) <= LARGEST_SIDE and self.taps * sums <= LARGEST_COUNT


def up(size: int) -> int:
    return -(-size // 16) * 16


@dataclass(frozen=True)
class Laid:
    """A plan of one step, input, scratch and output side by side in this order or the other."""

    plan: bytes
    arena_bytes: int
    written: tuple[range, range]

    @classmethod
    def out(cls, window: Window, *, output_first: bool) -> Laid:
        rows, columns, out_channels = window.rows, window.columns, window.out_channels
        shapes = {"in": (rows.size, columns.size, window.channels),
                  "out": (rows.out, columns.out, out_channels)}  # fmt: skip
        sizes = {name: h * w * c for name, (h, w, c) in shapes.items()}
        sizes["scratch"] = window.scratch_bytes
        offsets, end = {}, 0
        for name in ("out", "in", "scratch") if output_first else ("in", "scratch", "out"):
            offsets[name] = end
            end += up(sizes[name])
        tensors = [TENSOR.pack(0, 0, h, w, 0, c, offsets[name], sizes[name], 0)
                   for name, (h, w, c) in shapes.items()]  # fmt: skip
        tensors.append(TENSOR.pack(0, 0, 1, 1, 0, end, 0, end, 0))
        references = [NONE] * 4
        extent = 0
        if weights := window.weights:
            references = [3, NONE, 4, 4]
            extent = up(weights) + 4 * out_channels
            tensors.append(TENSOR.pack(1, 0, 1, 1, 0, weights, 0, weights, 0))
            tensors.append(
                TENSOR.pack(1, INT32, 1, 1, 0, out_channels, up(weights), 4 * out_channels, 0)
            )
        step = STEP.pack(
            window.operator, 0, 0, NONE, 1, *references,
            rows.kernel, columns.kernel, rows.stride, columns.stride, rows.pad, columns.pad,
            rows.dilation, columns.dilation,
            window.multiplier if window.operator == DEPTHWISE else 1, window.groups,
            offsets["scratch"], sizes["scratch"], -128, 127, *(0,) * 11,
        )  # fmt: skip
        written = tuple(
            range(offsets[name], offsets[name] + sizes[name]) for name in ("scratch", "out")
        )
        plan = pack_plan(tensors, [step], arena_bytes=end, parameter_bytes=extent)
        return cls(plan, end, (written[0], written[1]))


@st.composite
def axes(draw: st.DrawFn, *, dilated: bool) -> Axis:
    size = draw(st.integers(1, 9) | st.just(40))
    kernel = draw(st.integers(1, 5) | st.sampled_from([7, 64, 255, 32767, 32768, 32770, 65535]))
    stride = draw(st.integers(1, 4) | st.sampled_from([7, 255, 32767, 65535]))
    spread = st.integers(1, 4) | st.sampled_from([9, 255, 8191, 32767, 65535])
    dilation = draw(spread) if dilated else 1
    reach = (kernel - 1) * dilation + 1
    pads = st.integers(0, min(reach - 1, 3)) | st.integers(0, reach - 1) | st.just(reach - 1)
    pad = min(draw(pads), 0xFFFF)
    # Of the last window: it starts inside the input, and there is no room for another.
    most = (size + pad - 1) // stride
    least = max(-(-(size + pad - reach - stride + 1) // stride), 0)
    out = 1 + draw(st.integers(least, min(most, least + 12)) if most >= least else st.nothing())
    return Axis(size, kernel, stride, pad, out, dilation)


@st.composite
def windows(draw: st.DrawFn) -> Window:
    operator = draw(st.sampled_from([CONV, DEPTHWISE, MAX_POOL, AVERAGE_POOL]))
    along = axes(dilated=operator in (CONV, DEPTHWISE) and draw(st.booleans()))
    groups = draw(st.integers(1, 4)) if operator == CONV else 1
    channels, multiplier = draw(st.integers(1, 9)), draw(st.integers(1, 5))
    window = Window(operator, draw(along), draw(along), channels * groups, multiplier, groups)
    assume(window.scratch_bytes <= MOST_SCRATCH and window.weights <= MOST_WEIGHTS)
    assume(window.rows.out * window.columns.out * window.taps * window.channels <= 4_000_000)
    return window


@pytest.fixture(scope="module")
def line() -> Iterator[VirtualBoard]:
    with VirtualBoard(load_board(BOARD), find_image(BOARD).elf) as board:
        yield board


@pytest.fixture(scope="module")
def client(line: VirtualBoard) -> BoardClient:
    return BoardClient(line)


ONE = Axis(size=1, kernel=1, stride=1, pad=0, out=1)
SPREAD = Axis(size=40, kernel=2, stride=7, pad=32766, out=4687, dilation=32766)
DEEP = Axis(size=1, kernel=32770, stride=1, pad=32769, out=1)
WIDE = Axis(size=4, kernel=300, stride=1, pad=0, out=1)


@settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much],
)
@given(windows(), st.booleans())
@example(Window(DEPTHWISE, DEEP, ONE, 1, 1), False).via("zeros beyond the scratch memory")
@example(Window(DEPTHWISE, DEEP, ONE, 1, 4), False)
@example(Window(DEPTHWISE, WIDE, WIDE, 1, 1), False).via("a count of 16 bits that wraps around")
@example(Window(MAX_POOL, DEEP, ONE, 4, 1), True)
@example(Window(DEPTHWISE, SPREAD, ONE, 3, 1), True)
@example(Window(CONV, SPREAD, ONE, 6, 1, 3), False)
def test_a_step_writes_nothing_but_its_output_and_scratch(
    line: VirtualBoard, client: BoardClient, window: Window, output_first: bool
) -> None:
    laid = Laid.out(window, output_first=output_first)
    try:
        client.load(laid.plan)
    except PlanError:
        assert not window.is_within_limits
        return
    assert window.is_within_limits
    assert_writes_its_own(line, client, laid)


def assert_writes_its_own(line: VirtualBoard, client: BoardClient, laid: Laid) -> None:
    client.write_tensor(WHOLE_ARENA, PATTERN * laid.arena_bytes)
    before = workspace(line, client)
    client.run(step_count=1, fill_inputs=False)
    after = workspace(line, client)
    for span in laid.written:
        after[span.start : span.stop] = before[span.start : span.stop]
    assert after == before


@dataclass(frozen=True)
class Other:
    """A step without a window: shapes and types of its inputs and its output."""

    operator: int
    inputs: tuple[tuple[Shape, int], ...]
    output: tuple[Shape, int]
    pad: tuple[int, int] = (0, 0)
    p: tuple[int, ...] = ()

    def laid(self, *, output_first: bool) -> Laid:
        """Its tensors side by side; a concatenation's further inputs are named here."""
        tensors = [*self.inputs, self.output]
        order = list(range(len(tensors)))
        if output_first:
            order.reverse()
        offsets, end = {}, 0
        for i in order:
            offsets[i] = end
            end += up(size_of(*tensors[i]))
        packed = [
            TENSOR.pack(0, dtype, *shape[:2], 0, shape[2], offsets[i], size_of(shape, dtype), 0)
            for i, (shape, dtype) in enumerate(tensors)
        ]
        # The whole arena keeps its place, so one input goes to the end.
        names = list(range(len(tensors)))
        if len(tensors) > WHOLE_ARENA:
            names[WHOLE_ARENA] = len(packed)
            packed.append(packed[WHOLE_ARENA])
        else:
            packed += packed[:1] * (WHOLE_ARENA - len(packed))
            packed.append(b"")
        packed[WHOLE_ARENA] = TENSOR.pack(0, 0, 1, 1, 0, end, 0, end, 0)
        inputs, output = names[:-1], names[-1]
        p = [*self.p, *inputs[2:]] if self.operator == CONCATENATION else list(self.p)
        step = STEP.pack(
            self.operator, 0, inputs[0], inputs[1] if len(inputs) > 1 else NONE, output,
            *[NONE] * 4, 1, 1, 1, 1, *self.pad, 1, 1, 1, 1, 0, 0, -128, 127,
            *p, *(0,) * (11 - len(p)),
        )  # fmt: skip
        last = len(tensors) - 1
        written = range(offsets[last], offsets[last] + size_of(*tensors[last]))
        plan = pack_plan(packed, [step], arena_bytes=end)
        return Laid(plan, end, (range(0), written))


def size_of(shape: Shape, dtype: int) -> int:
    return shape[0] * shape[1] * shape[2] * (1 if dtype == INT8 else 4)


maps = st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 40))
multipliers = st.integers(0, (1 << 31) - 1) | st.just(1 << 30)
shifts = st.integers(-31, 30)
right_shifts = st.integers(-31, 0)
POINTWISE = {
    SOFTMAX: st.tuples(multipliers, st.integers(0, 30), st.integers(-(1 << 31), 0)),
    RELU: st.tuples(multipliers, shifts),
    REQUANTIZE: st.tuples(multipliers, shifts),
    LEAKY_RELU: st.tuples(multipliers, shifts, multipliers, shifts),
    LOGISTIC: st.tuples(multipliers, multipliers, st.integers(0, 30)),
    TANH: st.tuples(multipliers, multipliers, st.integers(0, 30)),
    HARD_SWISH: st.tuples(
        st.integers(0, 32767), st.integers(-15, 0), st.integers(0, 32767), st.integers(-15, 30)
    ),
}
SUMS = st.tuples(st.just(20), *(multipliers, right_shifts) * 3)
BINARY = {ADD: SUMS, SUB: SUMS, MUL: st.tuples(multipliers, shifts)}


@st.composite
def pointwise(draw: st.DrawFn) -> Other:
    operator, shape = draw(st.sampled_from(sorted(POINTWISE))), draw(maps)
    return Other(operator, ((shape, INT8),), (shape, INT8), p=draw(POINTWISE[operator]))


@st.composite
def binary(draw: st.DrawFn) -> Other:
    operator, shape = draw(st.sampled_from(sorted(BINARY))), draw(maps)
    other = draw(st.sampled_from([shape, (1, 1, shape[2]), (1, 1, 1)]))
    pair = draw(st.permutations([(shape, INT8), (other, INT8)]))
    return Other(operator, tuple(pair), (shape, INT8), p=draw(BINARY[operator]))


@st.composite
def joined(draw: st.DrawFn) -> Other:
    axis, count = draw(st.integers(0, 2)), draw(st.integers(2, 11))
    shape = list(draw(maps))
    inputs, total = [], 0
    for _ in range(count):
        shape[2 - axis] = draw(st.integers(1, 9))
        total += shape[2 - axis]
        inputs.append(((shape[0], shape[1], shape[2]), INT8))
    shape[2 - axis] = total
    output = (shape[0], shape[1], shape[2])
    return Other(CONCATENATION, tuple(inputs), (output, INT8), p=(count, axis))


@st.composite
def padded(draw: st.DrawFn) -> Other:
    (height, width, channels), pads = draw(maps), draw(st.tuples(*[st.integers(0, 5)] * 4))
    output = (height + pads[0] + pads[2], width + pads[1] + pads[3], channels)
    inputs = (((height, width, channels), INT8),)
    return Other(PAD, inputs, (output, INT8), pad=(pads[0], pads[1]))


@st.composite
def pooled(draw: st.DrawFn) -> Other:
    shape, average = draw(maps), draw(st.booleans())
    operator = GLOBAL_AVERAGE_POOL if average else GLOBAL_MAX_POOL
    p = draw(st.tuples(multipliers, shifts)) if average else ()
    return Other(operator, ((shape, INT8),), ((1, 1, shape[2]), INT8), p=p)


@st.composite
def converted(draw: st.DrawFn) -> Other:
    shape, quantizes = draw(maps), draw(st.booleans())
    types = (FLOAT32, INT8) if quantizes else (INT8, FLOAT32)
    scale = draw(st.integers(1, 0x7F7F_FFFF))
    operator = QUANTIZE if quantizes else DEQUANTIZE
    return Other(operator, ((shape, types[0]),), (shape, types[1]), p=(scale,))


@settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    pointwise() | binary() | joined() | padded() | pooled() | converted(),
    st.booleans(),
)
def test_a_step_without_a_window_writes_nothing_but_its_output(
    line: VirtualBoard, client: BoardClient, other: Other, output_first: bool
) -> None:
    laid = other.laid(output_first=output_first)
    client.load(laid.plan)
    assert_writes_its_own(line, client, laid)


def workspace(line: VirtualBoard, client: BoardClient) -> bytearray:
    info = client.hello()
    return bytearray(line.memory(info.workspace_base, info.workspace_bytes))
