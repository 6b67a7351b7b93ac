"""The client: requests to one board, with retries and deadlines."""

from __future__ import annotations

import math
import random
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hwnas._closing import Closing
from hwnas.device import protocol
from hwnas.device.clock import check_turns
from hwnas.device.protocol import BoardInfo, Frame, MessageType, RunFlag
from hwnas.device.transport import Transport
from hwnas.errors import (
    BoardError,
    BoardProtocolError,
    BoardTimeoutError,
    HwnasError,
    PlanError,
)

_MAX_U16 = 0xFFFF
_MAX_U32 = 0xFFFF_FFFF


@dataclass(frozen=True, slots=True)
class RunResult:
    """Cycles of the repetitions of a plan, in the order in which they ran.

    Attributes:
        total_cycles: Cycles of each repetition, shape (repeats,), int64. With per-layer readings
            they contain the reading of the counter at each step.
        layer_cycles: Cycles of each step, shape (repeats, steps), int64; (repeats, 0) without
            per-layer readings.
        counts_cycles: False where the board's cycle counter stands still, so that the cycles
            mean nothing (QEMU).
    """

    total_cycles: npt.NDArray[np.int64]
    layer_cycles: npt.NDArray[np.int64]
    counts_cycles: bool


class BoardClient(Closing):
    """Talks to one board over a transport, which it owns from then on. For one thread.

    A request whose response does not come within ``timeout_s`` is sent again with the same id,
    which the board executes at most once, up to ``retries`` times. So no call outlasts
    ``timeout_s * (retries + 1)`` for each request that it makes, whatever the line delivers.

    Any call raises :class:`~hwnas.errors.BoardTimeoutError` when the board stays silent,
    :class:`~hwnas.errors.BoardProtocolError` when it answers with what the protocol does not
    allow or refuses the request, and :class:`~hwnas.errors.BoardError` when the line breaks or
    the board restarts in the middle. After a restart the board holds no plan, and the next call
    begins with a new HELLO.

    Example:
        >>> with BoardClient(transport) as client:  # doctest: +SKIP
        ...     client.load(plan)
        ...     client.run(repeats=3, step_count=5).total_cycles
        array([2513017, 2513017, 2513017])
    """

    def __init__(self, transport: Transport, *, timeout_s: float = 2.0, retries: int = 3) -> None:
        """Takes a line, on which nothing is sent before the first call.

        Args:
            transport: An open line to the board.
            timeout_s: Longest wait for one response before the request is repeated, in seconds.
            retries: How often a request is repeated.

        Raises:
            BoardError: ``timeout_s`` is not positive, or ``retries`` is negative.
        """
        _check_timeout(timeout_s)
        if retries < 0:
            raise BoardError(f"retries {retries} must not be negative")
        self._transport = transport
        self._timeout_s = timeout_s
        self._attempts = retries + 1
        self._decoder = protocol.FrameDecoder()
        self._frames: deque[Frame] = deque()
        self._request_id = random.SystemRandom().randint(1, _MAX_U16)
        self._info: BoardInfo | None = None

    @property
    def transport(self) -> Transport:
        """The line to the board."""
        return self._transport

    def close(self) -> None:
        """Closes the transport; the board keeps its state. May be called again."""
        self._transport.close()

    def hello(self) -> BoardInfo:
        """Asks the board who it is. The first call also skips what a boot left on the line."""
        return self._hello(self._attempts)

    def wait_ready(self, *, timeout_s: float = 10.0) -> BoardInfo:
        """Waits until a board that may be booting, or was swapped or restarted, answers.

        Args:
            timeout_s: Longest wait, in seconds, rounded up to whole multiples of the client's.
        """
        _check_timeout(timeout_s)
        self._info = None
        return self._hello(math.ceil(timeout_s / self._timeout_s))

    def reset(self) -> BoardInfo:
        """Resets the board and returns what it says after it has booted. It forgets its plan."""
        self._info = None
        self._exchange(MessageType.RESET)
        self._await_banner()
        # A lost banner, or a second reset by a repeated request, ends with this exchange at the
        # latest, since the board takes requests in order.
        return self.hello()

    def echo(self, data: bytes) -> bytes:
        """Sends ``data`` to the board and returns it.

        Args:
            data: At most :attr:`BoardInfo.max_body_bytes` - 8 bytes.

        Raises:
            BoardProtocolError: Other bytes came back.
        """
        limit = self._board().max_body_bytes - protocol.STATUS_BYTES
        if len(data) > limit:
            raise BoardError(f"an echo of {len(data)} bytes exceeds the board's {limit}")
        answer = self._exchange(MessageType.ECHO, data)
        if answer != data:
            raise BoardProtocolError(f"the board echoed {len(data)} bytes with other ones")
        return answer

    def cycles(self) -> int:
        """Core cycles since the board's counter started; 0 for ever where it stands still."""
        return protocol.decode_cycles(self._exchange(MessageType.CYCLES))

    def load(self, plan: bytes) -> None:
        """Sends an execution plan to the board, which checks it before it takes it.

        Args:
            plan: As ``docs/plan-format.md`` says.

        Raises:
            PlanError: The plan is empty, or the board refused it; the message names the field
                and the record.
        """
        if not 0 < len(plan) <= _MAX_U32:
            raise PlanError(f"a plan of {len(plan)} bytes cannot be sent")
        for offset, chunk in self._chunks(plan):
            body = protocol.encode_plan_write(offset, len(plan), chunk)
            self._exchange_empty(MessageType.PLAN_WRITE, body)
        self._exchange_empty(MessageType.PLAN_COMMIT)

    def load_model(self) -> str:
        """Has the board take the model that is deployed in its flash, instead of a plan sent.

        Returns:
            The hash of its parameters and plan, in hexadecimal.

        Raises:
            BoardProtocolError: There is none, or it is damaged.
            PlanError: The board refused its plan; the message names the field and the record.
        """
        return protocol.decode_model(self._exchange(MessageType.MODEL_LOAD))

    def write_tensor(self, index: int, data: bytes) -> None:
        """Writes the first bytes of an arena tensor of the loaded plan.

        Args:
            index: Of the tensor in the plan.
            data: At most the tensor's size.
        """
        _check_u32("tensor index", index)
        for offset, chunk in self._chunks(data):
            body = protocol.encode_tensor_write(index, offset, chunk)
            self._exchange_empty(MessageType.TENSOR_WRITE, body)

    def read_tensor(self, index: int, length: int) -> bytes:
        """Reads the first ``length`` bytes of a tensor of the loaded plan.

        Args:
            index: Of the tensor in the plan.
            length: In bytes, at most the tensor's size.
        """
        _check_u32("tensor index", index)
        _check_u32("length", length)
        limit = self._board().max_body_bytes - protocol.STATUS_BYTES
        data = bytearray()
        while len(data) < length:
            part = min(limit, length - len(data))
            body = protocol.encode_tensor_read(index, len(data), part)
            answer = self._exchange(MessageType.TENSOR_READ, body)
            if len(answer) != part:
                raise BoardProtocolError(
                    f"the board sent {len(answer)} bytes of tensor {index} instead of {part}"
                )
            data += answer
        return bytes(data)

    def run(
        self,
        *,
        warmup: int = 1,
        repeats: int = 1,
        per_layer: bool = True,
        markers: bool = True,
        fill_inputs: bool = True,
        step_count: int,
        timeout_s: float = 30.0,
    ) -> RunResult:
        """Runs the loaded plan and returns its cycles.

        More repetitions than the board can keep results of are split over several RUN requests,
        of which only the first warms up.

        Args:
            warmup: Repetitions before those that count, 0 to 65535.
            repeats: Repetitions that count, 1 or more.
            per_layer: Whether each step is timed, too.
            markers: Whether the GPIO markers for energy meters switch.
            fill_inputs: Whether the inputs are filled from the seeded generator before each
                repetition; False leaves what :meth:`write_tensor` wrote.
            step_count: Steps of the loaded plan.
            timeout_s: Longest that one RUN request takes on the board, in seconds; it is
                repeated like any other, so a board that hangs is noticed after
                ``timeout_s * (retries + 1)``.

        Raises:
            BoardError: An argument is out of range, the results of a single repetition exceed
                what the board can keep, or it took so long that the cycle counter turned over
                unseen.
            BoardProtocolError: The cycles contradict each other: a step or a repetition of none,
                or less in total than the steps took.
        """
        _check_run_arguments(warmup, repeats, step_count, timeout_s)
        info = self._board()
        columns = 1 + (step_count if per_layer else 0)
        most = min(info.result_capacity // columns, _MAX_U16)
        if most == 0:
            raise BoardError(
                f"one repetition of {step_count} steps has {columns} results, the board keeps "
                f"{info.result_capacity}: run it without per-layer readings"
            )
        flags = (
            (RunFlag.PER_LAYER if per_layer else RunFlag(0))
            | (RunFlag.MARKERS if markers else RunFlag(0))
            | (RunFlag.FILL_INPUTS if fill_inputs else RunFlag(0))
        )
        parts = []
        for first in range(0, repeats, most):
            count = min(most, repeats - first)
            parts.append(self._run_once(0 if first else warmup, count, flags, columns, timeout_s))
        cycles = np.concatenate(parts)
        result = RunResult(cycles[:, 0].copy(), cycles[:, 1:].copy(), info.counts_cycles)
        _check_cycles(result)
        return result

    def _run_once(
        self, warmup: int, repeats: int, flags: RunFlag, columns: int, timeout_s: float
    ) -> npt.NDArray[np.int64]:
        """Results of one RUN request, shape (repeats, columns)."""
        body = protocol.encode_run(warmup, repeats, flags)
        start_s = self._transport.now_s()
        count = protocol.decode_run(self._exchange(MessageType.RUN, body, timeout_s=timeout_s))
        elapsed_s = self._transport.now_s() - start_s
        expected = repeats * columns
        if count != expected:
            raise BoardProtocolError(
                f"the board has {count} results instead of {expected}: "
                "does step_count match the loaded plan?"
            )
        info = self._board()
        limit = (info.max_body_bytes - protocol.STATUS_BYTES) // 8
        parts = []
        for first in range(0, expected, limit):
            part = min(limit, expected - first)
            request = protocol.encode_results_read(first, part)
            answer = self._exchange(MessageType.RESULTS_READ, request)
            parts.append(protocol.decode_results(answer, part))
        cycles = np.concatenate(parts).reshape(repeats, columns)
        if info.counts_cycles:
            check_turns(cycles[:, 0], warmup, elapsed_s, info.clock_hz)
        return cycles

    def _hello(self, attempts: int) -> BoardInfo:
        payload = self._exchange(MessageType.HELLO, attempts=attempts)
        self._info = BoardInfo.from_payload(payload)
        return self._info

    def _board(self) -> BoardInfo:
        return self._info if self._info is not None else self.hello()

    def _chunks(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        size = self._board().max_body_bytes - protocol.CHUNK_HEADER_BYTES
        return ((start, data[start : start + size]) for start in range(0, len(data), size))

    def _exchange_empty(self, message: MessageType, body: bytes = b"") -> None:
        payload = self._exchange(message, body)
        if payload:
            raise BoardProtocolError(
                f"the board answered {message.name} with {len(payload)} bytes instead of none"
            )

    def _exchange(
        self,
        message: MessageType,
        body: bytes = b"",
        *,
        timeout_s: float | None = None,
        attempts: int | None = None,
    ) -> bytes:
        """Sends a request until its response comes, and returns the response's payload."""
        timeout_s = self._timeout_s if timeout_s is None else timeout_s
        attempts = self._attempts if attempts is None else attempts
        self._request_id = self._request_id % _MAX_U16 + 1
        wire = protocol.encode_frame(message, self._request_id, body)
        dropped = self._decoder.dropped
        for _ in range(attempts):
            self._transport.write(wire)
            response = self._await_response(message, time.monotonic() + timeout_s)
            if response is not None:
                return protocol.check_response(response.body)
        raise BoardTimeoutError(
            f"the board did not answer {message.name} in {attempts} attempts of {timeout_s:g} s "
            f"({self._decoder.dropped - dropped} damaged frames came instead): check that the "
            "port and the baud rate are right and that the board runs the firmware of hwnas"
        )

    def _await_response(self, message: MessageType, deadline: float) -> Frame | None:
        """Returns the response, or None when it is time to send the request again."""
        expected = (message | protocol.RESPONSE_BIT, self._request_id)
        while (frame := self._next_frame(deadline)) is not None:
            if (frame.type, frame.request_id) == expected:
                return frame
            if frame.is_banner and self._info is not None:
                self._info = None
                raise BoardError(_restart_text(frame, message))
            if frame.is_banner and not self._frames:
                # The boot may have swallowed the request.
                return None
        return None

    def _await_banner(self) -> None:
        deadline = time.monotonic() + self._timeout_s
        while (frame := self._next_frame(deadline)) is not None and not frame.is_banner:
            pass

    def _next_frame(self, deadline: float) -> Frame | None:
        while not self._frames:
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            data = self._transport.read(left)
            if not data:
                return None
            self._frames.extend(self._decoder.feed(data))
        return self._frames.popleft()


def _restart_text(banner: Frame, message: MessageType) -> str:
    try:
        info = BoardInfo.from_payload(protocol.check_response(banner.body))
        cause = info.reset_cause.describe()
    except HwnasError:
        cause = "unknown cause"
    return (
        f"the board restarted ({cause}) before it answered {message.name}; it has forgotten its "
        "plan: load it again"
    )


def _check_u32(what: str, value: int) -> None:
    if not 0 <= value <= _MAX_U32:
        raise BoardError(f"{what} {value} is outside 0 to {_MAX_U32}")


def _check_timeout(timeout_s: float) -> None:
    if not (math.isfinite(timeout_s) and timeout_s > 0):
        raise BoardError(f"timeout_s {timeout_s} must be positive")


def _check_run_arguments(warmup: int, repeats: int, step_count: int, timeout_s: float) -> None:
    if not 0 <= warmup <= _MAX_U16:
        raise BoardError(f"warmup {warmup} is outside 0 to {_MAX_U16}")
    if repeats < 1 or step_count < 1:
        raise BoardError(f"repeats {repeats} and step_count {step_count} must be 1 or more")
    _check_timeout(timeout_s)


def _check_cycles(result: RunResult) -> None:
    layers = result.layer_cycles
    # Each value is below 2**63, their sum may not be.
    sums = layers.astype(object).sum(axis=1) if layers.shape[1] else result.total_cycles
    short = np.flatnonzero(result.total_cycles < sums)
    if short.size:
        at = int(short[0])
        raise BoardProtocolError(
            f"repetition {at} took {result.total_cycles[at]} cycles, its steps {sums[at]}"
        )
    if not result.counts_cycles:
        return
    if not result.total_cycles.all() or not layers.all():
        raise BoardProtocolError("the board reports a repetition or step of 0 cycles")
