"""Hostile plans and frames against the real firmware on the virtual board.

Whatever comes, the firmware answers with a status or not at all; it never faults or restarts, and
afterwards it still computes what it should.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

import pytest
from cobs import cobs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_plan import STEP, TENSOR, Case, convolution, every_operator, seal

from hwnas.boards import load_board
from hwnas.device import BoardClient
from hwnas.device.protocol import (
    MAX_BODY_BYTES,
    RESPONSE_BIT,
    FrameDecoder,
    MessageType,
    encode_frame,
)
from hwnas.device.status import HEADER_FIELDS, STEP_FIELDS, TENSOR_FIELDS, Status
from hwnas.errors import BoardProtocolError, PlanError
from hwnas.firmware import find_image
from hwnas.virtual import VirtualBoard

BOARD = "nucleo_l496zg"
hostile = settings(
    max_examples=250,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

EVERYTHING = every_operator()
EDGES = [0, 1, 2, 3, 7, 8, 15, 16, 17, 31, 32, 127, 128, 255, 256, 0x7FFF, 0x8000, 0xFFFF, 0x10000,
         0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFF0, 0xFFFF_FFFF]  # fmt: skip
numbers = st.sampled_from(EDGES) | st.integers(0, 300) | st.integers(0, 0xFFFF_FFFF)


def field_positions(case: Case) -> list[tuple[int, int]]:
    """Offset and width of every field of the plan, in bytes."""
    records = [(0, 48, HEADER_FIELDS)]
    (tensor_count,) = struct.unpack_from("<H", case.plan, 20)
    records += [(48 + 24 * i, 24, TENSOR_FIELDS) for i in range(tensor_count)]
    first_step = 48 + 24 * tensor_count
    records += [(first_step + 96 * i, 96, STEP_FIELDS) for i in range(case.step_count)]
    positions = []
    for start, size, fields in records:
        ends = [*list(fields)[1:], size]
        positions += [(start + at, min(end - at, 4)) for at, end in zip(fields, ends, strict=True)]
    return positions


changes = st.tuples(
    st.sampled_from(field_positions(EVERYTHING)),
    st.tuples(st.just("set"), numbers)
    | st.tuples(st.just("add"), st.sampled_from([-16, -4, -1, 1, 4, 16, 1 << 8, 1 << 16])),
)


def changed(plan: bytes, edits: list[tuple[tuple[int, int], tuple[str, int]]]) -> bytes:
    data = bytearray(plan)
    for (at, width), (how, value) in edits:
        old = int.from_bytes(data[at : at + width], "little")
        new = (value if how == "set" else old + value) % (1 << 8 * width)
        data[at : at + width] = new.to_bytes(width, "little")
    return bytes(data)


@pytest.fixture(scope="module")
def line() -> Iterator[VirtualBoard]:
    with VirtualBoard(load_board(BOARD), find_image(BOARD).elf) as board:
        yield board


@pytest.fixture(scope="module")
def client(line: VirtualBoard) -> BoardClient:
    opened = BoardClient(line)
    opened.hello()
    return opened


@pytest.fixture(scope="module", autouse=True)
def unharmed(client: BoardClient) -> Iterator[None]:
    before = client.hello()
    yield
    assert client.hello() == before
    case, expected = convolution()
    assert case.run(client) == [expected]


def raw_frame(covered: bytes) -> bytes:
    return b"\0" + cobs.encode(covered + zlib.crc32(covered).to_bytes(4, "little")) + b"\0"


def answers(line: VirtualBoard, wire: bytes) -> list[tuple[int, int, bytes]]:
    """Frames that the board sends until it waits for more."""
    line.write(wire)
    decoder = FrameDecoder()
    frames = []
    while data := line.read(30.0):
        frames += decoder.feed(data)
    assert decoder.dropped == 0
    return [(frame.type, frame.request_id, frame.body) for frame in frames]


def written(plan: bytes) -> Iterator[tuple[int, int]]:
    """Offset and size of what the steps of a plan may write: outputs and scratch memory."""
    (tensor_count,) = struct.unpack_from("<H", plan, 20)
    steps = 48 + 24 * tensor_count
    tensors = list(TENSOR.iter_unpack(plan[48:steps]))
    for step in STEP.iter_unpack(plan[steps:]):
        yield tensors[step[4]][6:8]
        yield step[19:21]


def workspace(line: VirtualBoard, client: BoardClient) -> bytearray:
    info = client.hello()
    return bytearray(line.memory(info.workspace_base, info.workspace_bytes))


@hostile
@given(st.lists(changes, min_size=1, max_size=3))
def test_a_changed_plan_is_refused_or_runs(
    line: VirtualBoard, client: BoardClient, edits: list[tuple[tuple[int, int], tuple[str, int]]]
) -> None:
    plan = seal(changed(EVERYTHING.plan, edits))
    try:
        client.load(plan)
        before = workspace(line, client)
        client.run(step_count=EVERYTHING.step_count, fill_inputs=False)
        after = workspace(line, client)
        for start, size in written(plan):
            after[start : start + size] = before[start : start + size]
        assert after == before
        client.run(step_count=EVERYTHING.step_count)
    except (PlanError, BoardProtocolError):
        pass
    client.hello()


@hostile
@given(
    st.lists(st.tuples(st.integers(0, 1 << 13), st.integers(0, 255)), max_size=8),
    st.integers(-200, 200),
    st.booleans(),
)
def test_a_damaged_plan_is_refused_or_runs(
    client: BoardClient, edits: list[tuple[int, int]], growth: int, sealed: bool
) -> None:
    data = bytearray(EVERYTHING.plan)
    for at, value in edits:
        data[at % len(data)] = value
    data = data[: len(data) + growth] + bytes(max(growth, 0))
    try:
        client.load(seal(bytes(data)) if sealed else bytes(data))
        client.run(step_count=EVERYTHING.step_count)
    except (PlanError, BoardProtocolError):
        pass
    client.hello()


@pytest.mark.parametrize(
    "size", [1, 11, 47, 48, 49, 71, 72, len(EVERYTHING.plan) - 1, len(EVERYTHING.plan) + 1]
)
def test_a_plan_of_another_length_is_refused(client: BoardClient, size: int) -> None:
    with pytest.raises(PlanError, match="header"):
        client.load((EVERYTHING.plan + bytes(8))[:size])


def test_a_plan_with_a_wrong_crc_is_refused(client: BoardClient) -> None:
    data = bytearray(EVERYTHING.plan)
    data[-1] ^= 1
    with pytest.raises(PlanError, match="CRC-32"):
        client.load(bytes(data))


bodies = st.binary(max_size=64) | st.builds(
    lambda values, tail: struct.pack(f"<{len(values)}I", *values) + tail,
    st.lists(numbers, max_size=3),
    st.binary(max_size=40) | st.just(bytes(MAX_BODY_BYTES - 12)),
)
requests = st.tuples(
    (st.sampled_from(list(MessageType)) | st.integers(0, 255)).filter(
        lambda kind: kind != MessageType.RESET
    ),
    st.integers(0, 0xFFFF),
    bodies,
)


@hostile
@given(st.lists(requests, min_size=1, max_size=4), st.booleans())
def test_any_message_gets_a_status(
    line: VirtualBoard,
    client: BoardClient,
    sent: list[tuple[int, int, bytes]],
    loaded: bool,
) -> None:
    if loaded:
        client.load(EVERYTHING.plan)
    for kind, request_id, body in sent:
        replies = answers(line, encode_frame(kind, request_id, body))
        assert [reply[:2] for reply in replies] in ([], [(kind | RESPONSE_BIT, request_id)])
        for _, _, reply in replies:
            assert len(reply) >= 8
            assert reply[0] in list(Status)
            assert reply[1] == 0
    client.hello()


@hostile
@given(
    st.lists(
        st.binary(max_size=300)
        | st.binary(max_size=300).map(raw_frame)
        | st.binary(min_size=2040, max_size=2100).map(raw_frame),
        max_size=5,
    )
)
def test_bytes_that_are_no_request_do_no_harm(
    line: VirtualBoard, client: BoardClient, sent: list[bytes]
) -> None:
    for wire in sent:
        answers(line, wire)
    client.hello()


@hostile
@given(
    st.sampled_from([kind for kind in MessageType if kind != MessageType.RESET]),
    bodies,
    st.integers(0, 5000),
    st.integers(1, 255),
)
def test_a_damaged_frame_gets_no_answer(
    line: VirtualBoard, client: BoardClient, kind: int, body: bytes, at: int, flip: int
) -> None:
    wire = bytearray(encode_frame(kind, 7, body))
    at = 1 + at % (len(wire) - 2)
    wire[at] ^= flip
    assert answers(line, b"\0" + bytes(wire) + b"\0") == []
    client.hello()


def ask(line: VirtualBoard, kind: MessageType, *values: int, tail: bytes = b"") -> int:
    """Sends one request of 32-bit values and returns the status of its only answer."""
    body = struct.pack(f"<{len(values)}I", *values) + tail
    ((_, _, reply),) = answers(line, encode_frame(kind, 1, body))
    return reply[0]


@pytest.mark.parametrize(
    ("index", "offset", "length"),
    [
        (0, 1023, 2),
        (0, 1024, 1),
        (0, 0, 1025),
        (0, 0xFFFF_FFFF, 2),
        (0, 1, 0xFFFF_FFFF),
        (EVERYTHING.tensor_count, 0, 1),
        (0xFFFF_FFFF, 0, 1),
    ],
)
def test_nothing_beyond_a_tensor_is_read_or_written(
    line: VirtualBoard, client: BoardClient, index: int, offset: int, length: int
) -> None:
    client.load(EVERYTHING.plan)
    assert ask(line, MessageType.TENSOR_READ, index, offset, length) == Status.BAD_ARGUMENT
    data = bytes(min(length, 2000))
    assert ask(line, MessageType.TENSOR_WRITE, index, offset, tail=data) == Status.BAD_ARGUMENT


def test_parameters_in_flash_are_not_written(line: VirtualBoard, client: BoardClient) -> None:
    case, _ = convolution()
    plan = bytearray(case.plan)
    weights = 48 + 24 * 2
    plan[weights] = 1
    struct.pack_into("<I", plan, weights + 12, 0)
    struct.pack_into("<I", plan, 32, len(case.contents[2]))
    client.load(seal(bytes(plan)))
    assert ask(line, MessageType.TENSOR_WRITE, 2, 0, tail=b"x") == Status.BAD_ARGUMENT
    assert ask(line, MessageType.TENSOR_READ, 2, 0, 8) == Status.OK


def test_no_message_but_a_plan_is_served_without_a_plan(line: VirtualBoard) -> None:
    assert ask(line, MessageType.PLAN_WRITE, 0, 100, tail=b"half") == Status.OK
    for kind, values in (
        (MessageType.TENSOR_WRITE, (0, 0)),
        (MessageType.TENSOR_READ, (0, 0, 1)),
        (MessageType.RUN, (1, 1)),
    ):
        assert ask(line, kind, *values) == Status.NO_PLAN
    assert ask(line, MessageType.PLAN_WRITE, 200, 100, tail=b"beyond") == Status.BAD_ARGUMENT
    assert ask(line, MessageType.PLAN_WRITE, 0, 0xFFFF_FFFF, tail=b"x") != Status.OK
