"""A transport on which things go wrong on purpose."""

from __future__ import annotations

import random
import time
from collections import deque
from typing import Final

from hwnas.device.protocol import Frame, FrameDecoder, MessageType, encode_frame
from hwnas.device.transport import Transport
from hwnas.errors import BoardError
from hwnas.testing._faults import Direction, Fault, FaultKind, FaultSchedule

_READ_BYTES: Final = 4096
_RESTART_S: Final = 2.0
_RESTART_READ_S: Final = 0.1
_KEPT_ANSWERS: Final = 16


class FaultyTransport(Transport):
    """Carries bytes to and from a board as another transport does, but for the scheduled faults.

    For testing what stands on a transport: whatever the schedule, it must give the right number or
    a typed error in time. The same schedule and seed do the same to the same passages; only delays
    and hangs take this machine's time.

    A board that answers at once that nothing can come, as a virtual one does, is waited for only
    where a delay or a hang asks for it.

    Args:
        inner: The way to the board, which this owns from then on.
        schedule: What goes wrong.
        seed: Decides what the schedule leaves open: places, values, which earlier answer.

    Example:
        >>> lost = Fault(FaultKind.TRUNCATE, at=2, count=WHOLE)  # doctest: +SKIP
        >>> line = FaultyTransport(board, FaultSchedule((lost,)))  # doctest: +SKIP
        >>> BoardClient(line).hello().board  # doctest: +SKIP
        'nucleo_l496zg'
    """

    def __init__(self, inner: Transport, schedule: FaultSchedule, seed: int = 0) -> None:
        self._inner = inner
        self._schedule = schedule
        self._random = random.Random(seed)
        self._passed = dict.fromkeys(Direction, 0)
        # What is under way, with the time when it arrives.
        self._queues: dict[Direction, deque[tuple[float, bytes]]] = {
            direction: deque() for direction in Direction
        }
        self._answers: deque[Frame] = deque(maxlen=_KEPT_ANSWERS)
        self._silent_until = 0.0
        self._absent_calls = 0
        self._closed = False

    def write(self, data: bytes) -> None:
        """Sends ``data``, or what the schedule makes of it; see :meth:`Transport.write`."""
        self._check()
        self._pass(Direction.TO_BOARD, data)
        self._forward()

    def read(self, timeout_s: float) -> bytes:
        """Returns what has arrived; see :meth:`Transport.read`."""
        self._check()
        deadline = time.monotonic() + timeout_s
        while True:
            self._forward()
            if data := self._arrived():
                return data
            now = time.monotonic()
            awaited = [queue[0][0] for queue in self._queues.values() if queue]
            if now < self._silent_until:
                self._inner.read(0)
                awaited.append(self._silent_until)
            elif data := self._inner.read(max(min([deadline, *awaited]) - now, 0)):
                self._pass(Direction.TO_HOST, data)
                continue
            left = deadline - time.monotonic()
            if left <= 0 or not awaited:
                return b""
            time.sleep(max(min(left, min(awaited) - time.monotonic()), 0))

    def now_s(self) -> float:
        """Time at the board; see :meth:`Transport.now_s`."""
        return self._inner.now_s()

    def close(self) -> None:
        """Gives the line back; see :meth:`Transport.close`."""
        self._closed = True
        self._inner.close()

    def _check(self) -> None:
        if self._closed:
            raise BoardError("the faulty line is closed")
        if self._absent_calls:
            self._absent_calls -= 1
            raise BoardError("the line is gone (injected fault)")

    def _pass(self, direction: Direction, data: bytes) -> None:
        """Takes one passage: all of it is under way or lost afterwards."""
        at = self._passed[direction]
        self._passed[direction] += 1
        if time.monotonic() < self._silent_until:
            return
        due = 0.0
        for fault in self._schedule.of(direction, at):
            match fault.kind:
                case FaultKind.DELAY:
                    due = time.monotonic() + fault.seconds
                case FaultKind.HANG:
                    self._silent_until = time.monotonic() + fault.seconds
                    return
                case FaultKind.DISCONNECT:
                    self._absent_calls = fault.count
                    for queue in self._queues.values():
                        queue.clear()
                    raise BoardError("the line broke (injected fault)")
                case FaultKind.RESET:
                    data = self._restart(data if direction is Direction.TO_BOARD else b"")
                    direction = Direction.TO_HOST
                case FaultKind.MISANSWER:
                    data = self._misanswer(data)
                case _:
                    data = self._damage(data, fault)
        if direction is Direction.TO_HOST:
            self._answers.extend(FrameDecoder().feed(data))
        if data:
            queue = self._queues[direction]
            queue.append((max(due, queue[-1][0] if queue else 0.0), data))

    def _damage(self, data: bytes, fault: Fault) -> bytes:
        start = self._random.randrange(len(data) + 1) if fault.count < len(data) else 0
        head, part, tail = data[:start], data[start : start + fault.count], data[start:]
        rest = tail[fault.count :]
        match fault.kind:
            case FaultKind.DROP:
                return head + rest
            case FaultKind.DUPLICATE:
                return head + part + tail
            case FaultKind.CORRUPT:
                return head + bytes(byte ^ self._random.randint(1, 255) for byte in part) + rest
            case FaultKind.TRUNCATE:
                return data[: max(len(data) - fault.count, 0)]
            case _:
                place = self._random.randrange(len(data) + 1)
                return data[:place] + self._random.randbytes(fault.count) + data[place:]

    def _misanswer(self, data: bytes) -> bytes:
        """An answer that nobody asked for, before ``data`` or instead of it."""
        frames = FrameDecoder().feed(data)
        if not frames:
            return data
        frame = self._random.choice([*frames, *self._answers])
        number = frame.request_id
        if frame in frames:
            number = (number + self._random.randint(1, 0xFFFE)) % 0x10000
        wrong = encode_frame(frame.type, number, frame.body)
        return wrong + data if self._random.random() < 0.5 else wrong

    def _restart(self, request: bytes) -> bytes:
        """Restarts the board after it took ``request``; what it says when it has booted."""
        number = self._random.randint(1, 0xFFFF)
        self._inner.write(request + encode_frame(MessageType.RESET, number))
        decoder = FrameDecoder()
        end = time.monotonic() + _RESTART_S
        while time.monotonic() < end:
            for frame in decoder.feed(self._inner.read(_RESTART_READ_S)):
                if frame.is_banner:
                    return encode_frame(frame.type, frame.request_id, frame.body)
        return b""

    def _forward(self) -> None:
        """Hands to the board what has arrived there."""
        queue = self._queues[Direction.TO_BOARD]
        while queue and queue[0][0] <= time.monotonic():
            self._inner.write(queue.popleft()[1])

    def _arrived(self) -> bytes:
        """What has arrived at the host, a buffer of it at most."""
        queue = self._queues[Direction.TO_HOST]
        data = bytearray()
        while queue and queue[0][0] <= time.monotonic() and len(data) < _READ_BYTES:
            due, part = queue.popleft()
            room = _READ_BYTES - len(data)
            data += part[:room]
            if part[room:]:
                queue.appendleft((due, part[room:]))
        return bytes(data)
