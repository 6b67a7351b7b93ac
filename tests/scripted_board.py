"""A board in memory that speaks the real frames, on a line that alters frames as a test asks.

It stands in for the board only where a test is about the client and a damaged line; the real
firmware answers in the tests on QEMU and on the virtual board.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Sequence

from hwnas.device.protocol import (
    BANNER_TYPE,
    RESPONSE_BIT,
    Frame,
    FrameDecoder,
    MessageType,
    RunFlag,
    encode_frame,
)
from hwnas.device.status import Status
from hwnas.device.transport import Transport

STEPS = 3
CAPACITY = 40
Damage = Callable[[bytes], Sequence[bytes]]


def hello_payload(**changes: object) -> bytes:
    fields: dict[str, object] = {
        "protocol_version": 1,
        "plan_version": 1,
        "clock_hz": 80_000_000,
        "flash_base": 0x0800_0000,
        "flash_bytes": 1 << 20,
        "ram_base": 0x2000_0000,
        "ram_bytes": 320 << 10,
        "workspace_base": 0x2000_2000,
        "workspace_bytes": 300 << 10,
        "parameters_base": 0x0802_0000,
        "parameters_bytes": 800 << 10,
        "max_body": 2048,
        "result_capacity": CAPACITY,
        "features": 1,
        "reset_cause": 1,
        "code": b"\x11" * 32,
        "image": b"\x22" * 32,
        "pool": b"\x33" * 32,
        "board": b"scripted",
    }
    fields.update(changes)
    return struct.pack("<2H13I32s32s32s28s", *fields.values())


def ok(payload: bytes = b"") -> bytes:
    return bytes(8) + payload


def status(code: Status, reason: int = 0, detail: int = 0) -> bytes:
    return struct.pack("<BBHI", code, 0, reason, detail)


class ScriptedBoard:
    """Keeps plan, tensors and results as the protocol says; every RUN gives other cycles."""

    def __init__(self) -> None:
        self.plan = b""
        self.total = 0
        self.committed = b""
        self.tensors: dict[int, bytearray] = {}
        self.results: list[int] = []
        self.runs: list[tuple[int, int, int]] = []
        self.resets = 0
        self.hello = hello_payload()
        self._decoder = FrameDecoder()
        self._last: tuple[int, int] | None = None
        self._answer = b""

    def take(self, data: bytes) -> list[bytes]:
        """The frames that answer the bytes, each as it goes on the wire."""
        return [wire for frame in self._decoder.feed(data) for wire in self._respond(frame)]

    def boot(self) -> bytes:
        self.plan = self.committed = b""
        self.tensors.clear()
        self.results.clear()
        self._decoder = FrameDecoder()
        self._last = None
        return encode_frame(BANNER_TYPE, 0, ok(self.hello))

    def _respond(self, frame: Frame) -> list[bytes]:
        key = (frame.request_id, zlib.crc32(bytes([frame.type]) + frame.body))
        if key == self._last:
            return [self._answer]
        self._answer = encode_frame(
            frame.type | RESPONSE_BIT, frame.request_id, self._execute(frame.type, frame.body)
        )
        self._last = key
        if frame.type == MessageType.RESET:
            answer = self._answer
            self.resets += 1
            return [answer, self.boot()]
        return [self._answer]

    def _execute(self, message: int, body: bytes) -> bytes:
        match message:
            case MessageType.HELLO:
                return ok(self.hello)
            case MessageType.ECHO:
                return ok(body)
            case MessageType.PLAN_WRITE:
                offset, self.total = struct.unpack_from("<2I", body)
                if offset == 0:
                    self.plan = self.committed = b""
                if offset != len(self.plan):
                    # A late chunk 0 started the plan anew: the firmware wants chunks in order.
                    return status(Status.BAD_ARGUMENT, 0, offset)
                self.plan += body[8:]
                return ok()
            case MessageType.PLAN_COMMIT:
                if len(self.plan) != self.total:
                    return status(Status.PLAN_HEADER, 8, self.total)
                self.committed = self.plan
                return ok()
            case MessageType.RESET:
                return ok()
        if not self.committed:
            return status(Status.NO_PLAN)
        match message:
            case MessageType.TENSOR_WRITE:
                index, offset = struct.unpack_from("<2I", body)
                tensor = self.tensors.setdefault(index, bytearray())
                tensor[offset : offset + len(body) - 8] = body[8:]
                return ok()
            case MessageType.TENSOR_READ:
                index, offset, length = struct.unpack("<3I", body)
                return ok(bytes(self.tensors[index][offset : offset + length]))
            case MessageType.RUN:
                return self._run(*struct.unpack("<2HI", body))
            case MessageType.RESULTS_READ:
                first, count = struct.unpack("<2I", body)
                return ok(struct.pack(f"<{count}Q", *self.results[first : first + count]))
            case _:
                return status(Status.UNKNOWN_MESSAGE, 0, message)

    def _run(self, warmup: int, repeats: int, flags: int) -> bytes:
        steps = STEPS if flags & RunFlag.PER_LAYER else 0
        if repeats * (1 + steps) > CAPACITY:
            return status(Status.TOO_MANY_RESULTS, 0, CAPACITY)
        self.runs.append((warmup, repeats, flags))
        self.results = []
        for _ in range(repeats):
            layers = [100 * (i + 1) + len(self.runs) for i in range(steps)]
            self.results += [sum(layers) + 1000 + len(self.results), *layers]
        return ok(struct.pack("<I", len(self.results)))


class DamagedLine(Transport):
    """Carries each frame through ``to_board`` or ``to_host``, which may drop or alter it.

    Nothing can come before the next write, so an empty line answers at once.
    """

    def __init__(
        self,
        board: ScriptedBoard,
        *,
        to_board: Damage = lambda wire: [wire],
        to_host: Damage = lambda wire: [wire],
        chunk: int = 1 << 20,
    ) -> None:
        self.board = board
        self.incoming = bytearray()
        self._to_board = to_board
        self._to_host = to_host
        self._chunk = chunk

    def write(self, data: bytes) -> None:
        for piece in self._to_board(data):
            for wire in self.board.take(piece):
                self.deliver(wire)

    def deliver(self, wire: bytes) -> None:
        for piece in self._to_host(wire):
            self.incoming += piece

    def read(self, timeout_s: float) -> bytes:
        piece = bytes(self.incoming[: self._chunk])
        del self.incoming[: self._chunk]
        return piece

    def close(self) -> None:
        self.incoming.clear()
