"""Message bodies: HELLO, statuses, results."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted_board import hello_payload, ok, status

from hwnas.device import protocol
from hwnas.device.protocol import BoardInfo, Feature, ResetCause
from hwnas.device.status import Status
from hwnas.errors import BoardProtocolError, HwnasError, PlanError


def test_hello_is_read_field_by_field() -> None:
    info = BoardInfo.from_payload(hello_payload(reset_cause=6, board=b"nucleo_l496zg"))
    assert info.clock_hz == 80_000_000
    assert (info.flash_base, info.flash_bytes) == (0x0800_0000, 1 << 20)
    assert (info.ram_base, info.ram_bytes) == (0x2000_0000, 320 << 10)
    assert (info.workspace_base, info.workspace_bytes) == (0x2000_2000, 300 << 10)
    assert (info.parameters_base, info.parameters_bytes) == (0x0802_0000, 800 << 10)
    assert (info.max_body_bytes, info.result_capacity) == (2048, 40)
    assert info.features is Feature.CYCLE_COUNTER
    assert info.counts_cycles
    assert info.reset_cause == ResetCause.SOFTWARE | ResetCause.WATCHDOG
    assert info.reset_cause.describe() == "software, watchdog"
    assert info.measured_code_sha256 == "11" * 32
    assert info.image_sha256 == "22" * 32
    assert info.pool_sha256 == "33" * 32
    assert info.board == "nucleo_l496zg"


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"protocol_version": 2}, "protocol version 2"),
        ({"plan_version": 9}, "plan version 9"),
        ({"clock_hz": 0}, "clock_hz"),
        ({"flash_bytes": 0xFFFF_FFFF}, "flash"),
        ({"parameters_base": 0xFFFF_FFFF}, "parameter region"),
        ({"workspace_bytes": 0}, "workspace_bytes"),
        ({"workspace_base": 0x1FFF_0000}, "workspace"),
        ({"workspace_bytes": 330 << 10}, "workspace"),
        ({"max_body": 187}, "largest body"),
        ({"max_body": 2049}, "largest body"),
        ({"result_capacity": 0}, "result_capacity"),
        ({"board": b""}, "board name"),
        ({"board": b"a\0b"}, "board name"),
        ({"board": b"\xff\xfe"}, "board name"),
        ({"board": b"a\nb"}, "board name"),
    ],
)
def test_a_hello_out_of_bounds_names_the_field(changes: dict[str, object], named: str) -> None:
    with pytest.raises(BoardProtocolError, match=named):
        BoardInfo.from_payload(hello_payload(**changes))


@given(st.binary(max_size=200) | st.binary(min_size=180, max_size=180))
def test_any_hello_is_read_or_refused(payload: bytes) -> None:
    try:
        info = BoardInfo.from_payload(payload)
    except BoardProtocolError:
        return
    assert info.workspace_base + info.workspace_bytes <= 1 << 32


@given(
    st.integers(0, 4),
    st.lists(st.tuples(st.integers(0, 179), st.integers(0, 255)), max_size=6),
)
def test_a_damaged_hello_is_read_or_refused(cut: int, changes: list[tuple[int, int]]) -> None:
    payload = bytearray(hello_payload())
    for at, value in changes:
        payload[at] = value
    data = bytes(payload[: len(payload) - cut])
    try:
        info = BoardInfo.from_payload(data)
    except BoardProtocolError:
        return
    assert cut == 0
    assert info.board.isprintable()


@pytest.mark.parametrize(
    ("code", "reason", "detail", "words"),
    [
        (Status.PLAN_HEADER, 16, 17, ["arena_bytes", "17"]),
        (Status.PLAN_CRC, 0, 0xABCD, ["CRC-32", "0x0000abcd"]),
        (Status.PLAN_TENSOR, 12, 5, ["offset", "tensor 5"]),
        (Status.PLAN_STEP, 18, 3, ["kernel_w", "step 3"]),
        (Status.PLAN_STEP, 52 + 4 * 8, 2, ["p[8]", "step 2"]),
        (Status.PLAN_STEP, 99, 2, ["byte at offset 99", "step 2"]),
        (Status.PLAN_TOO_LARGE, 0, 4096, ["4096"]),
        (Status.PARAMETERS_TOO_LARGE, 0, 8192, ["8192"]),
        (Status.UNSUPPORTED_KERNEL_SET, 0, 2, ["float32"]),
        (Status.UNSUPPORTED_KERNEL_SET, 0, 77, ["77", "unknown"]),
    ],
)
def test_a_refused_plan_names_field_and_record(
    code: Status, reason: int, detail: int, words: list[str]
) -> None:
    with pytest.raises(PlanError) as caught:
        protocol.check_response(status(code, reason, detail))
    assert [word for word in words if word not in str(caught.value)] == []


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (Status.UNKNOWN_MESSAGE, "message type"),
        (Status.BAD_LENGTH, "body of 7 bytes"),
        (Status.BAD_ARGUMENT, "argument 3 has the value 7"),
        (Status.NO_PLAN, "no plan"),
        (Status.TOO_MANY_RESULTS, "7 results"),
        (Status.KERNEL_FAILED, "step 7 failed with code 3"),
        (99, "unknown status 99"),
    ],
)
def test_other_refusals_are_protocol_errors(code: int, words: str) -> None:
    with pytest.raises(BoardProtocolError, match=words):
        protocol.check_response(struct.pack("<BBHI", code, 0, 3, 7))


@given(st.binary(max_size=40))
def test_any_response_is_read_or_refused(body: bytes) -> None:
    try:
        payload = protocol.check_response(body)
    except HwnasError:
        return
    assert body[:2] == b"\0\0"
    assert body[8:] == payload


def test_a_payload_follows_an_ok() -> None:
    assert protocol.check_response(ok(b"payload")) == b"payload"


@given(st.lists(st.integers(0, (1 << 63) - 1), max_size=20))
def test_results_come_back_as_they_were_sent(cycles: list[int]) -> None:
    payload = struct.pack(f"<{len(cycles)}Q", *cycles)
    got = protocol.decode_results(payload, len(cycles))
    assert got.dtype == np.int64
    assert got.tolist() == cycles


def test_results_of_a_counter_that_ran_back_are_refused() -> None:
    with pytest.raises(BoardProtocolError, match="ran back"):
        protocol.decode_results(struct.pack("<2Q", 5, (1 << 64) - 3), 2)


@pytest.mark.parametrize("length", [0, 15, 17, 24])
def test_results_of_another_length_are_refused(length: int) -> None:
    with pytest.raises(BoardProtocolError, match="instead of 16"):
        protocol.decode_results(bytes(length), 2)


def test_a_run_response_of_another_length_is_refused() -> None:
    with pytest.raises(BoardProtocolError, match="instead of 4"):
        protocol.decode_run(b"abc")


def test_bodies_have_the_documented_layout() -> None:
    assert protocol.encode_plan_write(1, 2, b"xy") == bytes.fromhex("0100000002000000") + b"xy"
    assert protocol.encode_tensor_write(3, 4, b"z") == bytes.fromhex("0300000004000000") + b"z"
    assert protocol.encode_tensor_read(1, 2, 3) == bytes.fromhex("010000000200000003000000")
    flags = protocol.RunFlag.PER_LAYER | protocol.RunFlag.FILL_INPUTS
    assert protocol.encode_run(1, 2, flags) == bytes.fromhex("0100020005000000")
    assert protocol.encode_results_read(7, 8) == bytes.fromhex("0700000008000000")
