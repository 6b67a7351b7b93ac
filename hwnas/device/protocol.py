"""Frames and messages of the serial protocol: bytes to values and back, no input or output.

``docs/protocol.md`` is the contract; ``firmware/src/protocol.c`` is the other side.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Final

import numpy as np
import numpy.typing as npt
from cobs import cobs

from hwnas.device.status import Status, status_error
from hwnas.errors import BoardProtocolError
from hwnas.plan import PLAN_VERSION

PROTOCOL_VERSION: Final = 1
MAX_BODY_BYTES: Final = 2048
RESPONSE_BIT: Final = 0x80
BANNER_TYPE: Final = 0x80
BANNER_ID: Final = 0
STATUS_BYTES: Final = 8
"""Bytes of the status at the head of each response body."""
CHUNK_HEADER_BYTES: Final = 8
"""Bytes before the data in the body of a PLAN_WRITE or TENSOR_WRITE."""

_HEAD: Final = struct.Struct("<BBH")
_CRC: Final = struct.Struct("<I")
_MIN_FRAME_BYTES: Final = _HEAD.size + _CRC.size
_MAX_FRAME_BYTES: Final = _MIN_FRAME_BYTES + MAX_BODY_BYTES
_MAX_CODED_BYTES: Final = _MAX_FRAME_BYTES + -(-_MAX_FRAME_BYTES // 254)
_STATUS: Final = struct.Struct("<BBHI")
_HELLO: Final = struct.Struct("<2H13I32s32s32s28s")
_MIN_BODY_LIMIT: Final = STATUS_BYTES + _HELLO.size


class MessageType(IntEnum):
    """What a request asks for; its response has :data:`RESPONSE_BIT` set."""

    HELLO = 0x01
    ECHO = 0x02
    PLAN_WRITE = 0x03
    PLAN_COMMIT = 0x04
    TENSOR_WRITE = 0x05
    TENSOR_READ = 0x06
    RUN = 0x07
    RESULTS_READ = 0x08
    RESET = 0x09
    CYCLES = 0x0A
    MODEL_LOAD = 0x0B


class RunFlag(IntFlag):
    """Flags of a RUN request."""

    PER_LAYER = 1
    MARKERS = 2
    FILL_INPUTS = 4


class Feature(IntFlag):
    """What a board has, as its HELLO says."""

    CYCLE_COUNTER = 1


class ResetCause(IntFlag):
    """Why a board started last."""

    POWER_OR_PIN = 1
    SOFTWARE = 2
    WATCHDOG = 4

    def describe(self) -> str:
        """The causes in words, for messages."""
        names = {1: "power-on or reset pin", 2: "software", 4: "watchdog"}
        return ", ".join(text for bit, text in names.items() if self & bit) or "unknown cause"


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame whose CRC was right.

    Attributes:
        type: A :class:`MessageType`, or one with :data:`RESPONSE_BIT` set; any byte off the line.
        request_id: 16 bits; 0 only in the banner.
        body: 0 to :data:`MAX_BODY_BYTES` bytes.
    """

    type: int
    request_id: int
    body: bytes

    @property
    def is_banner(self) -> bool:
        """True for what a board sends after it has booted."""
        return self.type == BANNER_TYPE and self.request_id == BANNER_ID


@dataclass(frozen=True, slots=True)
class BoardInfo:
    """What a board says about itself in its HELLO response and its banner.

    Attributes:
        protocol_version: 1.
        plan_version: 1.
        clock_hz: Core clock, in hertz.
        flash_base: First address of the flash.
        flash_bytes: Size of the flash.
        ram_base: First address of the RAM.
        ram_bytes: Size of the RAM.
        workspace_base: First address of what plan and arena share.
        workspace_bytes: Size of what plan and arena share.
        parameters_base: First address of the parameter region.
        parameters_bytes: Size of the parameter region.
        max_body_bytes: Largest message body that the board takes.
        result_capacity: Cycle counts that the board can keep of one RUN.
        features: What the board has.
        reset_cause: Why it started last.
        measured_code_sha256: Hash of kernels, executor and timer, in hexadecimal.
        image_sha256: Hash of the firmware image, in hexadecimal.
        pool_sha256: Hash of the synthetic parameter pool, or of the model deployed in its place, as
            written beside it, in hexadecimal.
        board: Name of the board, like ``nucleo_l496zg``.
    """

    protocol_version: int
    plan_version: int
    clock_hz: int
    flash_base: int
    flash_bytes: int
    ram_base: int
    ram_bytes: int
    workspace_base: int
    workspace_bytes: int
    parameters_base: int
    parameters_bytes: int
    max_body_bytes: int
    result_capacity: int
    features: Feature
    reset_cause: ResetCause
    measured_code_sha256: str
    image_sha256: str
    pool_sha256: str
    board: str

    @property
    def counts_cycles(self) -> bool:
        """False where the cycle counter stands still, so that cycles mean nothing (QEMU)."""
        return bool(self.features & Feature.CYCLE_COUNTER)

    @classmethod
    def from_payload(cls, payload: bytes) -> BoardInfo:
        """Reads the payload of a HELLO response.

        Raises:
            BoardProtocolError: Its length, a version, a memory region, a limit or the name is not
                what the protocol allows; the message names the field.
        """
        if len(payload) != _HELLO.size:
            raise BoardProtocolError(
                f"the board's HELLO has {len(payload)} bytes instead of {_HELLO.size}"
            )
        *numbers, features, cause, code, image, pool, name = _HELLO.unpack(payload)
        hashes = [digest.hex() for digest in (code, image, pool)]
        values = [*numbers, Feature(features), ResetCause(cause), *hashes, _board_name(name)]
        info = cls(*values)
        _check_info(info)
        return info


def encode_frame(message_type: int, request_id: int, body: bytes = b"") -> bytes:
    """Returns the bytes on the wire, delimiters included.

    Args:
        message_type: 0 to 255.
        request_id: 0 to 65535.
        body: At most :data:`MAX_BODY_BYTES` bytes.

    Raises:
        BoardProtocolError: An argument does not fit the frame.

    Example:
        >>> encode_frame(MessageType.HELLO, 7).hex()
        '00040101070589447bd700'
    """
    if not (0 <= message_type <= 0xFF and 0 <= request_id <= 0xFFFF):
        raise BoardProtocolError(
            f"type {message_type} and request id {request_id} do not fit 8 and 16 bits"
        )
    if len(body) > MAX_BODY_BYTES:
        raise BoardProtocolError(f"a body of {len(body)} bytes exceeds {MAX_BODY_BYTES}")
    covered = _HEAD.pack(PROTOCOL_VERSION, message_type, request_id) + body
    coded: bytes = cobs.encode(covered + _CRC.pack(zlib.crc32(covered)))
    return b"\0" + coded + b"\0"


class FrameDecoder:
    """Finds frames in a stream of bytes, of which any part may be damaged.

    It never raises and keeps at most one coded frame (2065 bytes) between calls.

    Attributes:
        dropped: Frames thrown away so far for their coding, CRC, version or length.
    """

    def __init__(self) -> None:
        """Starts between two frames."""
        self.dropped = 0
        self._buffer = bytearray()
        self._overlong = False

    def feed(self, data: bytes) -> list[Frame]:
        """Takes the next bytes of the stream and returns the frames that they complete."""
        *complete, rest = data.split(b"\0")
        frames = []
        for part in complete:
            self._append(part)
            frame = self._finish()
            if frame is not None:
                frames.append(frame)
        self._append(rest)
        return frames

    def _append(self, part: bytes) -> None:
        if self._overlong or len(self._buffer) + len(part) > _MAX_CODED_BYTES:
            self._overlong = True
            self._buffer.clear()
        else:
            self._buffer += part

    def _finish(self) -> Frame | None:
        coded = bytes(self._buffer)
        overlong = self._overlong
        self._buffer.clear()
        self._overlong = False
        if not coded and not overlong:
            return None
        frame = None if overlong else _decode_frame(coded)
        if frame is None:
            self.dropped += 1
        return frame


def check_response(body: bytes) -> bytes:
    """Returns the payload of a response.

    Raises:
        PlanError: The board refused the plan; the message names field and record.
        BoardProtocolError: The board refused the request otherwise, or the status is malformed.
    """
    if len(body) < STATUS_BYTES:
        raise BoardProtocolError(f"the board's response of {len(body)} bytes holds no status")
    status, reserved, reason, detail = _STATUS.unpack_from(body)
    if reserved:
        raise BoardProtocolError(f"the board's response has {reserved} in its reserved byte")
    if status != Status.OK:
        raise status_error(status, reason, detail)
    return body[STATUS_BYTES:]


def encode_plan_write(offset: int, total: int, data: bytes) -> bytes:
    """Returns the body of a PLAN_WRITE: ``data`` belongs at ``offset`` of ``total`` bytes."""
    return struct.pack("<2I", offset, total) + data


def encode_tensor_write(index: int, offset: int, data: bytes) -> bytes:
    """Returns the body of a TENSOR_WRITE: ``data`` belongs at byte ``offset`` of the tensor."""
    return struct.pack("<2I", index, offset) + data


def encode_tensor_read(index: int, offset: int, length: int) -> bytes:
    """Returns the body of a TENSOR_READ of ``length`` bytes from byte ``offset`` on."""
    return struct.pack("<3I", index, offset, length)


def encode_run(warmup: int, repeats: int, flags: RunFlag) -> bytes:
    """Returns the body of a RUN with 16-bit counts of warm-up and measured repetitions."""
    return struct.pack("<2HI", warmup, repeats, flags)


def encode_results_read(first: int, count: int) -> bytes:
    """Returns the body of a RESULTS_READ of ``count`` results from ``first`` on."""
    return struct.pack("<2I", first, count)


def decode_run(payload: bytes) -> int:
    """Returns how many results a RUN left on the board.

    Raises:
        BoardProtocolError: The payload has another length than 4 bytes.
    """
    if len(payload) != 4:
        raise BoardProtocolError(f"the board answered RUN with {len(payload)} bytes instead of 4")
    return int.from_bytes(payload, "little")


def decode_cycles(payload: bytes) -> int:
    """Returns the board's cycle counter.

    Raises:
        BoardProtocolError: The payload has another length than 8 bytes.
    """
    if len(payload) != 8:
        raise BoardProtocolError(f"the board answered CYCLES with {len(payload)} bytes, not 8")
    return int.from_bytes(payload, "little")


def decode_model(payload: bytes) -> str:
    """Returns the hash of the deployed model, in hexadecimal.

    Raises:
        BoardProtocolError: The payload has another length than 32 bytes.
    """
    if len(payload) != 32:
        raise BoardProtocolError(f"the board answered MODEL_LOAD with {len(payload)} bytes, not 32")
    return payload.hex()


def decode_results(payload: bytes, count: int) -> npt.NDArray[np.int64]:
    """Returns ``count`` cycle counts, shape (count,).

    Raises:
        BoardProtocolError: The payload has another length, or a count exceeds 63 bits, as the
            difference of a counter that ran backwards does.
    """
    if len(payload) != 8 * count:
        raise BoardProtocolError(
            f"the board answered RESULTS_READ with {len(payload)} bytes instead of {8 * count}"
        )
    cycles = np.frombuffer(payload, dtype="<u8")
    if count and cycles.max() >= 1 << 63:
        raise BoardProtocolError(f"the board reports {cycles.max()} cycles: its counter ran back")
    return cycles.astype(np.int64)


def _decode_frame(coded: bytes) -> Frame | None:
    try:
        raw = cobs.decode(coded)
    except cobs.DecodeError:
        return None
    if not _MIN_FRAME_BYTES <= len(raw) <= _MAX_FRAME_BYTES:
        return None
    covered = raw[: -_CRC.size]
    if _CRC.pack(zlib.crc32(covered)) != raw[-_CRC.size :]:
        return None
    version, message_type, request_id = _HEAD.unpack_from(covered)
    if version != PROTOCOL_VERSION:
        return None
    return Frame(message_type, request_id, covered[_HEAD.size :])


def _board_name(raw: bytes) -> str:
    name, _, padding = raw.partition(b"\0")
    text = name.decode("ascii", errors="replace")
    if not name or padding.strip(b"\0") or not (text.isascii() and text.isprintable()):
        raise BoardProtocolError(f"the board's HELLO holds no valid board name: {raw!r}")
    return text


def _check_info(info: BoardInfo) -> None:
    for what, value, expected in (
        ("protocol version", info.protocol_version, PROTOCOL_VERSION),
        ("plan version", info.plan_version, PLAN_VERSION),
    ):
        if value != expected:
            raise BoardProtocolError(
                f"board {info.board} speaks {what} {value}, this hwnas {expected}: "
                "write the firmware image of this version of hwnas to the board"
            )
    for what, base, size in (
        ("flash", info.flash_base, info.flash_bytes),
        ("RAM", info.ram_base, info.ram_bytes),
        ("workspace", info.workspace_base, info.workspace_bytes),
        ("parameter region", info.parameters_base, info.parameters_bytes),
    ):
        if base + size > 1 << 32:
            raise BoardProtocolError(
                f"board {info.board} reports a {what} of {size} bytes at {base:#x}, which ends "
                "beyond 32 bits"
            )
    if not _MIN_BODY_LIMIT <= info.max_body_bytes <= MAX_BODY_BYTES:
        raise BoardProtocolError(
            f"board {info.board} reports a largest body of {info.max_body_bytes} bytes, outside "
            f"{_MIN_BODY_LIMIT} to {MAX_BODY_BYTES}"
        )
    for what, value in (
        ("clock_hz", info.clock_hz),
        ("ram_bytes", info.ram_bytes),
        ("workspace_bytes", info.workspace_bytes),
        ("result_capacity", info.result_capacity),
    ):
        if value == 0:
            raise BoardProtocolError(f"board {info.board} reports a {what} of 0")
    ram_end = info.ram_base + info.ram_bytes
    workspace_end = info.workspace_base + info.workspace_bytes
    if info.workspace_base < info.ram_base or workspace_end > ram_end:
        raise BoardProtocolError(f"board {info.board} reports a workspace outside its RAM")
