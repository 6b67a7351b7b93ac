"""Frames: whatever goes in comes out, and damage never gets through or raises."""

from __future__ import annotations

import tracemalloc
import zlib
from itertools import pairwise

import pytest
from cobs import cobs
from hypothesis import given
from hypothesis import strategies as st

from hwnas.device.protocol import MAX_BODY_BYTES, Frame, FrameDecoder, encode_frame
from hwnas.errors import BoardProtocolError

bodies = st.binary(max_size=MAX_BODY_BYTES)
frames = st.builds(Frame, st.integers(0, 255), st.integers(0, 65535), bodies)


def wire_of(frame: Frame) -> bytes:
    return encode_frame(frame.type, frame.request_id, frame.body)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[a:b] for a, b in pairwise(edges)]


def raw_frame(covered: bytes) -> bytes:
    return b"\0" + cobs.encode(covered + zlib.crc32(covered).to_bytes(4, "little")) + b"\0"


def test_a_hello_request_has_the_documented_bytes() -> None:
    covered = bytes([1, 0x01, 0x34, 0x12])
    assert encode_frame(0x01, 0x1234) == raw_frame(covered)


@given(st.lists(frames, max_size=4), st.lists(st.integers(0, 1 << 14), max_size=12))
def test_frames_survive_any_cut_of_the_stream(sent: list[Frame], cuts: list[int]) -> None:
    stream = b"".join(wire_of(frame) for frame in sent)
    decoder = FrameDecoder()
    got = [frame for piece in pieces(stream, cuts) for frame in decoder.feed(piece)]
    assert got == sent
    assert decoder.dropped == 0


@given(st.lists(st.binary(max_size=3000), max_size=6), frames)
def test_garbage_never_raises_and_the_next_frame_gets_through(
    garbage: list[bytes], frame: Frame
) -> None:
    decoder = FrameDecoder()
    for piece in garbage:
        decoder.feed(piece)
    assert decoder.feed(wire_of(frame))[-1] == frame


@given(frames, st.integers(0, 1 << 14), st.integers(1, 255))
def test_a_flipped_byte_never_yields_another_frame(frame: Frame, at: int, flip: int) -> None:
    damaged = bytearray(wire_of(frame))
    damaged[at % len(damaged)] ^= flip
    assert FrameDecoder().feed(bytes(damaged)) in ([], [frame])


@given(frames, st.integers(0, 1 << 14))
def test_a_truncated_frame_is_lost_but_not_the_one_after(frame: Frame, at: int) -> None:
    wire = wire_of(frame)
    cut = 1 + at % (len(wire) - 1)
    after = Frame(0x81, 9, b"after")
    got = FrameDecoder().feed(wire[:cut] + wire_of(after))
    assert got in ([after], [frame, after])


@pytest.mark.parametrize(
    "covered",
    [
        b"\x02\x01\x01\x00",
        b"\x01\x01\x01",
        b"\x01\x01\x01\x00" + bytes(MAX_BODY_BYTES + 1),
        b"\x01\x01\x01\x00" + bytes(range(1, 256)) * 20,
    ],
    ids=["another version", "too short", "one byte too long", "far too long"],
)
def test_a_frame_outside_the_protocol_is_dropped_and_counted(covered: bytes) -> None:
    decoder = FrameDecoder()
    assert decoder.feed(raw_frame(covered)) == []
    assert decoder.dropped == 1
    last = Frame(1, 1, b"x")
    assert decoder.feed(wire_of(last)) == [last]


def test_empty_frames_are_not_counted() -> None:
    decoder = FrameDecoder()
    assert decoder.feed(bytes(1000)) == []
    assert decoder.dropped == 0


def test_the_largest_frame_passes_in_its_worst_coding() -> None:
    frame = Frame(0xFF, 0xFFFF, b"\xff" * MAX_BODY_BYTES)
    assert FrameDecoder().feed(wire_of(frame)) == [frame]


def test_a_stream_without_delimiters_does_not_pile_up() -> None:
    decoder = FrameDecoder()
    tracemalloc.start()
    for _ in range(1000):
        assert decoder.feed(b"\x55" * 4096) == []
    held_bytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held_bytes < 64 << 10
    assert decoder.feed(b"\0") == []
    assert decoder.dropped == 1


@pytest.mark.parametrize(
    ("message_type", "request_id", "body"),
    [(256, 1, b""), (-1, 1, b""), (1, 65536, b""), (1, -1, b""), (1, 1, bytes(2049))],
)
def test_what_does_not_fit_a_frame_is_refused(
    message_type: int, request_id: int, body: bytes
) -> None:
    with pytest.raises(BoardProtocolError):
        encode_frame(message_type, request_id, body)
