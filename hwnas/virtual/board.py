"""A board in this process, behind the same seam as a real one."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hwnas.boards import BoardSpec
from hwnas.device.transport import Transport
from hwnas.elf import Image
from hwnas.errors import BoardError
from hwnas.virtual.chips import ResetCause, Wiring, make_chip
from hwnas.virtual.ledger import ledger_for
from hwnas.virtual.machine import Machine
from hwnas.virtual.meter import StillMeter
from hwnas.virtual.peripherals import PinLevel
from hwnas.virtual.serial_line import SerialLine

_SLICE_BLOCKS: Final = 500_000
"""Blocks between two looks at the host's clock: about a tenth of a second."""


@dataclass(frozen=True, slots=True)
class MarkerEvent:
    """An output pin that changed.

    Attributes:
        cycle: When, in core cycles since the board was switched on.
        pin: As the chip's maker writes it: ``PD9`` or ``P1.02``.
        level: High or low.
    """

    cycle: int
    pin: str
    level: bool


@dataclass(frozen=True, slots=True)
class BlockCount:
    """What a block of code did since the board was switched on.

    Attributes:
        address: Of the block.
        size_bytes: Of the block.
        executions: How often it ran.
        taken: How often it was entered by a taken branch.
        instruction_lines: Instruction lines that it missed in the cache.
        flash_reads: Data reads from flash.
        data_lines: Data lines from flash that it missed in the cache.
        unaligned: Unaligned data reads.
        ram_lines: Data lines from RAM that it missed in the core's cache.
    """

    address: int
    size_bytes: int
    executions: int
    taken: int
    instruction_lines: int
    flash_reads: int
    data_lines: int
    unaligned: int
    ram_lines: int = 0


class VirtualBoard(Transport):
    """Executes the board's firmware image, cycle counter and all: every number is simulated.

    A board without a cycle model runs, too, but its cycle counter stands still.

    The firmware runs only inside :meth:`read`, as long as it has something to do. Sending and
    receiving take no cycles. The same bytes in give the same cycles, on every machine.

    Args:
        spec: The board.
        elf: The firmware image: an ELF file's bytes or its path.
        flash_data: More bytes for the flash, by address, such as the parameter pool.
        marker_capacity: How many of the last marker events are kept; 0 records none.
        exact: Whether each access to memory is counted when it happens. Otherwise, which is several
            times as fast, a block's accesses are told when it is entered; see docs/timing.md for
            what that changes.

    Raises:
        BoardError: The board's chip or core is not modelled, or the image does not fit it.

    Example:
        >>> with VirtualBoard(spec, image.elf) as board:  # doctest: +SKIP
        ...     BoardClient(board).hello().board
        'nucleo_l496zg'
    """

    def __init__(
        self,
        spec: BoardSpec,
        elf: bytes | Path,
        flash_data: Mapping[int, bytes] | None = None,
        *,
        marker_capacity: int = 0,
        exact: bool = False,
    ) -> None:
        image = Image.read(elf)
        self._machine = machine = Machine(spec, image, flash_data or {}, exact=exact)
        counters = machine.counters
        self._clock_hz = spec.core.clock_hz
        self._meter = (
            StillMeter() if spec.timing is None else ledger_for(spec, counters, machine.code)
        )
        self._line = SerialLine(
            lambda: self._granted_blocks - counters.blocks_left, self._become_idle
        )
        wiring = Wiring(
            line=self._line,
            cycles=self._meter.read,
            invalidate=lambda instructions, data: counters.invalidate(
                instructions=instructions, data=data
            ),
            on_reset=self._ask_for_reset,
            on_pin=self._record if marker_capacity else lambda pin: None,
        )
        self._chip = make_chip(spec, wiring)
        machine.connect(self._chip.peripherals)
        self._markers: deque[MarkerEvent] = deque(maxlen=marker_capacity)
        self._granted_blocks = 0
        self._idle = False
        self._resetting = False
        self._failure: BoardError | None = None
        self._closed = False
        self._host_seconds = 0.0
        self._chip.reset(ResetCause.POWER_ON)

    def write(self, data: bytes) -> None:
        """Queues bytes for the firmware's UART; see :meth:`Transport.write`."""
        self._check()
        self._line.feed(data)
        self._idle = False

    def read(self, timeout_s: float) -> bytes:
        """Lets the firmware run until it waits for more, and returns what it sent.

        Args:
            timeout_s: Longest time of this machine to spend, in seconds, rounded up to about a
                tenth of a second.

        Returns:
            What the firmware sent; nothing where it waits without having sent anything, or where
            the time was over.

        Raises:
            BoardMismatchError: The firmware set clock or UART up otherwise than the board file
                says.
            BoardError: The board is closed, or its firmware failed, now or before.
        """
        self._check()
        start = time.monotonic()
        while not self._idle:
            self._run_slice()
            if time.monotonic() - start >= timeout_s:
                break
        self._host_seconds += time.monotonic() - start
        return self._line.drain()

    def now_s(self) -> float:
        """Simulated time since the board was switched on, in seconds; see :meth:`Transport.now_s`.

        It stands still on a board without a cycle model.
        """
        return self.cycles / self._clock_hz

    def close(self) -> None:
        """Switches the board off; see :meth:`Transport.close`."""
        if not self._closed:
            self._meter.save()
            self._machine.save()
        self._closed = True

    @property
    def cycles(self) -> int:
        """Core cycles since the board was switched on, simulated."""
        return self._meter.peek()

    @property
    def instructions(self) -> int:
        """Instructions executed since the board was switched on."""
        return self._meter.instructions

    @property
    def mips(self) -> float:
        """Million instructions a second of this machine's time, so far; 0 before the first."""
        seconds = self._host_seconds
        return self.instructions / seconds / 1e6 if seconds else 0.0

    @property
    def untold_accesses(self) -> int:
        """Accesses that the fast mode could not tell the address of: they cost nothing."""
        return self._machine.counters.untold_accesses

    @property
    def marker_events(self) -> tuple[MarkerEvent, ...]:
        """The last marker events, oldest first."""
        return tuple(self._markers)

    @property
    def block_counts(self) -> tuple[BlockCount, ...]:
        """What each block of code did, in the order in which they ran first."""
        counts = self._machine.counters.counts()
        rows = zip(
            counts.address.tolist(),
            counts.size.tolist(),
            counts.executions.tolist(),
            counts.events.tolist(),
            strict=True,
        )
        return tuple(BlockCount(*row, *events) for *row, events in rows)

    def memory(self, address: int, size: int) -> bytes:
        """Bytes of flash or RAM, for looking at a firmware from outside.

        Raises:
            BoardError: There is no memory.
        """
        return self._machine.read(address, size)

    def _run_slice(self) -> None:
        try:
            self._granted_blocks += _SLICE_BLOCKS
            self._machine.run(_SLICE_BLOCKS)
        except BoardError as error:
            self._failure = error
            raise
        if self._resetting:
            self._resetting = False
            self._machine.reset()
            self._chip.reset(ResetCause.SOFTWARE)

    def _check(self) -> None:
        if self._closed:
            raise BoardError("the virtual board is closed")
        if self._failure is not None:
            raise type(self._failure)(f"the virtual board has failed before: {self._failure}")

    def _become_idle(self) -> None:
        self._idle = True
        # A loop whose branches alternate keeps for good the state that it found: without this a
        # layer's cycles would depend on what ran before it, by a few in a million.
        self._machine.counters.forget()
        self._machine.stop()

    def _ask_for_reset(self) -> None:
        self._resetting = True
        self._machine.stop()

    def _record(self, pin: PinLevel) -> None:
        self._markers.append(MarkerEvent(self._meter.peek(), pin.name, pin.level))
