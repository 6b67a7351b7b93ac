"""An image of somebody else's on a board's virtual copy."""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import StrEnum
from typing import Final

from hwnas.boards import BoardSpec
from hwnas.elf import Image
from hwnas.errors import ImageError, ImageFault
from hwnas.virtual.chips import ResetCause, Wiring
from hwnas.virtual.guest._admission import Admission
from hwnas.virtual.guest._bus import INFORMATION, Bus, UnknownRegister
from hwnas.virtual.guest._chip import tolerant_chip
from hwnas.virtual.guest._control import GuestControl
from hwnas.virtual.guest._faults import Fault
from hwnas.virtual.guest._machine import GuestMachine
from hwnas.virtual.guest._semihosting import Semihosting
from hwnas.virtual.guest._setup import GuestSetup
from hwnas.virtual.guest._stop import Stop, StopReason
from hwnas.virtual.ledger import ledger_for
from hwnas.virtual.peripherals.systick import SysTick
from hwnas.virtual.serial_line import SerialLine
from hwnas.virtual.watch import Watch

SLICE_BLOCKS: Final = 100_000
"""Blocks between two looks at clock and cycles: about a fiftieth of a second, where no peripheral
is polled."""
CYCLES_A_BLOCK: Final = 64
"""So many cycles a block are reckoned with where a limit of cycles is near."""
IDLE_POLLS: Final = 100
"""Polls of an empty receiver, with nothing done in between, that make a wait."""
_SYSTICK: Final = 0xE000_E010
_SYSTICK_DIVIDER: Final = 8
"""STM32 reference manuals, clock tree: SysTick's other clock is that of the core divided by 8."""


class Output(StrEnum):
    """Where an image writes to."""

    SERIAL = "serial"
    SEMIHOSTING = "semihosting"


class Guest:
    """Runs an image once.

    Args:
        spec: The board, which has a cycle model.
        image: The image.
        setup: How to run it.
        watch: What watches its blocks.
        on_output: Takes what the image writes.
        on_unknown: Called when a register that nothing is known of is touched first.

    Attributes:
        ledger: What its blocks cost.
        ignored: Interrupts that were switched on, and never come.

    Raises:
        ImageError: The image is for other memories, or has no vector table.
        BoardError: The board has no cycle model, or its chip is not modelled.
    """

    def __init__(
        self,
        spec: BoardSpec,
        image: Image,
        setup: GuestSetup,
        watch: Watch,
        on_output: Callable[[Output, bytes], None] = lambda where, data: None,
        on_unknown: Callable[[UnknownRegister], None] = lambda register: None,
    ) -> None:
        _check_values(spec, setup)
        self._setup = setup
        self._on_output = on_output
        self.machine = machine = GuestMachine(spec, image, setup, watch)
        self.counters = counters = machine.counters
        self.ledger = ledger_for(spec, counters, machine.code)
        self.ignored: dict[str, None] = {}
        self._line = SerialLine(lambda: self.blocks, self._poll_in_vain)
        self._line.feed(setup.serial_input)
        self._vain_polls = 0
        self._polled_at = 0
        self._chip = chip = tolerant_chip(
            spec,
            Wiring(
                line=self._line,
                cycles=self.ledger.read,
                invalidate=lambda instructions, data: counters.invalidate(
                    instructions=instructions, data=data
                ),
                on_reset=lambda: machine.end(StopReason.RESET),
                on_pin=lambda pin: None,
            ),
        )
        systick = SysTick(_SYSTICK, self.ledger.read, _SYSTICK_DIVIDER)
        control = GuestControl(chip.scs, systick, self._on_interrupt)
        self.bus = Bus(
            (*chip.own_peripherals, control, chip.dwt),
            setup.peripherals,
            lambda: machine.describe(machine.here),
            on_unknown,
            areas=INFORMATION.get(spec.chip.family, ()),
            has_bit_band=_has_bit_band(spec),
        )
        machine.plug(
            self.bus,
            Admission(spec, machine.code, lambda: control.fpu_on),
            Semihosting(
                machine,
                lambda data: on_output(Output.SEMIHOSTING, data),
                self.ledger.read,
                spec.core.clock_hz,
            ),
        )
        chip.reset(ResetCause.POWER_ON)

    @property
    def blocks(self) -> int:
        """Blocks of code that ran so far."""
        return int(self.counters.counts().executions.sum())

    @property
    def mismatches(self) -> tuple[str, ...]:
        """What the image set up otherwise than the board file says, on which cycles rest."""
        self._chip.check_clock()
        return tuple(self._chip.mismatches)

    def run(self) -> Stop:
        """Runs the image until it ends or a limit is reached.

        Raises:
            ImageRunError: The image did what its core, or this model of it, would not bear.
            BoardError: The virtual board came to its own limits.
        """
        start = time.monotonic()
        setup = self._setup
        while True:
            blocks = SLICE_BLOCKS
            if setup.max_cycles is not None:
                left = setup.max_cycles - self.ledger.peek()
                if left <= 0:
                    return self.machine.stop_here(StopReason.MAX_CYCLES)
                blocks = max(1, min(blocks, left // CYCLES_A_BLOCK))
            stop = self._run_slice(blocks)
            if stop is not None:
                return stop
            if setup.max_seconds is not None and time.monotonic() - start >= setup.max_seconds:
                return self.machine.stop_here(StopReason.MAX_SECONDS)

    def run_again(self, blocks: int, pause: Callable[[], None]) -> None:
        """Runs as many blocks as it took to the end of a run before.

        Args:
            blocks: How many.
            pause: Called now and then, while nothing runs.

        Raises:
            BoardError: See :meth:`run`.
        """
        while (
            self.blocks < blocks
            and self._run_slice(min(SLICE_BLOCKS, blocks - self.blocks)) is None
        ):
            pause()
        pause()

    def _run_slice(self, blocks: int) -> Stop | None:
        try:
            return self.machine.execute(blocks)
        finally:
            sent = self._line.drain()
            if sent:
                self._on_output(Output.SERIAL, sent)

    def _on_interrupt(self, what: str) -> None:
        if self._setup.ignore_interrupts:
            self.ignored[what] = None
            return
        what = (
            f"the image switches on {what}: it needs exceptions, and handlers are not modelled "
            "(where it can do without, have interrupts ignored)"
        )
        self.machine.fail(Fault(ImageFault.EXCEPTION, what))

    def _poll_in_vain(self) -> None:
        """The line reports the second poll already, which drivers that only send make, too."""
        now = self.blocks
        close = now - self._polled_at <= 2 * self._line.WAITING_BLOCKS
        self._polled_at = now
        self._vain_polls = self._vain_polls + 1 if close else 0
        if self._vain_polls >= IDLE_POLLS:
            self.machine.end(StopReason.SERIAL_INPUT)


def _check_values(spec: BoardSpec, setup: GuestSetup) -> None:
    for address in setup.peripherals:
        for memory in (spec.flash, spec.ram):
            if memory.base <= address < memory.base + memory.size_bytes:
                raise ImageError(f"{address:#010x} is memory of {spec.name}, and no register")


def _has_bit_band(spec: BoardSpec) -> bool:
    """RM0351 and RM0390, "Bit banding"; Nordic's Cortex-M4 comes without, other cores have none."""
    return spec.core.name == "cortex-m4" and spec.chip.family.startswith("stm32")
