"""A virtual board behind a pseudo-terminal, which passes for one on a serial port.

Its counter runs in this machine's time where that is asked for, as silicon's does: the answers to
CYCLES are replaced on the line, everything else is the real firmware's.
"""

from __future__ import annotations

import os
import select
import struct
import threading
import time
import tty
from typing import Self

from hwnas.device import Transport
from hwnas.device.protocol import (
    RESPONSE_BIT,
    STATUS_BYTES,
    FrameDecoder,
    MessageType,
    encode_frame,
)

_CYCLES_RESPONSE = MessageType.CYCLES | RESPONSE_BIT


class WiredBoard:
    """Moves bytes between a transport and a pseudo-terminal, whose name is ``port``."""

    def __init__(self, board: Transport, cycles_hz: float | None = None) -> None:
        self._board = board
        self._cycles_hz = cycles_hz
        self._decoder = FrameDecoder()
        self._far, self._near = os.openpty()
        tty.setraw(self._near)
        self.port = os.ttyname(self._near)
        self._stopping = False
        self._thread = threading.Thread(target=self._move, daemon=True)
        self._thread.start()

    def _move(self) -> None:
        self._send(self._board.read(1.0))
        while not self._stopping:
            ready, _, _ = select.select([self._far], [], [], 0.02)
            if ready:
                self._board.write(os.read(self._far, 4096))
                while data := self._board.read(30.0):
                    self._send(data)

    def _send(self, data: bytes) -> None:
        for frame in self._decoder.feed(data):
            body = frame.body
            if frame.type == _CYCLES_RESPONSE and self._cycles_hz is not None:
                now = int(time.monotonic() * self._cycles_hz)
                body = body[:STATUS_BYTES] + struct.pack("<Q", now)
            wire = encode_frame(frame.type, frame.request_id, body)
            while wire:
                wire = wire[os.write(self._far, wire) :]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping = True
        self._thread.join()
        self._board.close()
        for end in (self._far, self._near):
            os.close(end)
