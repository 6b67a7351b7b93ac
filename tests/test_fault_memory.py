"""Windows of every size against the real firmware: a step writes its output and its scratch memory.

Nothing else of the workspace may change, in the arena, behind it or in the plan itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from small_plan import AVERAGE_POOL, CONV, DEPTHWISE, INT32, MAX_POOL, NONE, STEP, TENSOR, pack_plan

from hwnas.boards import load_board
from hwnas.device import BoardClient
from hwnas.errors import PlanError
from hwnas.firmware import find_image
from hwnas.virtual import VirtualBoard

BOARD = "nucleo_l496zg"
PATTERN = b"\xa5"
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


@dataclass(frozen=True)
class Window:
    operator: int
    rows: Axis
    columns: Axis
    channels: int
    multiplier: int

    @property
    def taps(self) -> int:
        return self.rows.kernel * self.columns.kernel

    @property
    def out_channels(self) -> int:
        return self.channels * (self.multiplier if self.operator in (CONV, DEPTHWISE) else 1)

    @property
    def weights(self) -> int:
        sums = {CONV: self.channels, DEPTHWISE: 1}.get(self.operator, 0)
        return self.taps * self.out_channels * sums

    @property
    def scratch_bytes(self) -> int:
        if self.operator == CONV:
            pointwise = self.taps == 1
            return 0 if pointwise else 4 * self.channels * self.taps
        if self.operator == DEPTHWISE:
            return 2 * self.channels * self.taps if self.multiplier == 1 else 0
        return 4 * self.channels if self.operator == AVERAGE_POOL else 0

    @property
    def is_within_limits(self) -> bool:
        counted = {CONV: self.taps * self.channels, DEPTHWISE: self.taps}.get(self.operator, 0)
        sides = (self.rows.kernel, self.columns.kernel)
        return max(sides) <= LARGEST_SIDE and counted <= LARGEST_COUNT


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
            rows.kernel, columns.kernel, rows.stride, columns.stride, rows.pad, columns.pad, 1, 1,
            window.multiplier if window.operator == DEPTHWISE else 1, 0,
            offsets["scratch"], sizes["scratch"], -128, 127, *(0,) * 11,
        )  # fmt: skip
        written = tuple(
            range(offsets[name], offsets[name] + sizes[name]) for name in ("scratch", "out")
        )
        plan = pack_plan(tensors, [step], arena_bytes=end, parameter_bytes=extent)
        return cls(plan, end, (written[0], written[1]))


@st.composite
def axes(draw: st.DrawFn) -> Axis:
    size = draw(st.integers(1, 9) | st.just(40))
    kernel = draw(st.integers(1, 5) | st.sampled_from([7, 64, 255, 32767, 32768, 32770, 65535]))
    stride = draw(st.integers(1, 4) | st.sampled_from([7, 255, 32767, 65535]))
    pads = st.integers(0, min(kernel - 1, 3)) | st.integers(0, kernel - 1) | st.just(kernel - 1)
    pad = draw(pads)
    # Of the last window: it starts inside the input, and there is no room for another.
    most = (size + pad - 1) // stride
    least = max(-(-(size + pad - kernel - stride + 1) // stride), 0)
    out = 1 + draw(st.integers(least, min(most, least + 12)) if most >= least else st.nothing())
    return Axis(size, kernel, stride, pad, out)


@st.composite
def windows(draw: st.DrawFn) -> Window:
    operator = draw(st.sampled_from([CONV, DEPTHWISE, MAX_POOL, AVERAGE_POOL]))
    window = Window(
        operator, draw(axes()), draw(axes()), draw(st.integers(1, 9)), draw(st.integers(1, 5))
    )
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
    client.write_tensor(2, PATTERN * laid.arena_bytes)
    before = workspace(line, client)
    client.run(step_count=1, fill_inputs=False)
    after = workspace(line, client)
    for span in laid.written:
        after[span.start : span.stop] = before[span.start : span.stop]
    assert after == before


def workspace(line: VirtualBoard, client: BoardClient) -> bytearray:
    info = client.hello()
    return bytearray(line.memory(info.workspace_base, info.workspace_bytes))
