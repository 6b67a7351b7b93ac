"""The emulated core with an image of somebody else's, which may do anything."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from unicorn import arm_const, unicorn_const

from hwnas.boards import BoardSpec
from hwnas.elf import Image
from hwnas.errors import BoardError, ImageFault, ImageRunError
from hwnas.virtual.collector import Collector, ProgramOf
from hwnas.virtual.guest._admission import Admission
from hwnas.virtual.guest._bus import Bus
from hwnas.virtual.guest._faults import ACCESS_ERRORS, BREAKPOINT, Fault, Scene, even_branch
from hwnas.virtual.guest._layout import GuestLayout
from hwnas.virtual.guest._semihosting import SEMIHOSTING_CALL, Semihosting
from hwnas.virtual.guest._setup import GuestSetup
from hwnas.virtual.guest._stop import Stop, StopReason
from hwnas.virtual.machine import NOWHERE, Machine
from hwnas.virtual.watch import Watch, ends_in_call

_THUMB: Final = 1
_THUMB_STATE: Final = 1 << 5
"""In CPSR, as the emulator shows it."""
_BKPT: Final = 0xBE
_HALFWORD: Final = 2
_SHOWN_BLOCKS: Final = 5


class GuestMachine(Machine):
    """Runs an image until it ends, or does what its core or this model of it would not bear.

    Args:
        spec: The board.
        image: The image.
        setup: How to run it.
        watch: What watches its blocks.

    Attributes:
        called: Addresses that were called, of all calls that came to code that had not run before.

    Raises:
        ImageError: The image is for other memories, or has no vector table.
    """

    def __init__(self, spec: BoardSpec, image: Image, setup: GuestSetup, watch: Watch) -> None:
        self._layout = layout = GuestLayout.of(spec, image, setup.vectors)
        self._watch = watch
        self.called: set[int] = set()
        super().__init__(spec, layout.in_flash, setup.flash_data, exact=setup.exact)
        for segment in layout.in_ram:
            self.write(segment.address, segment.data)
        self._until = NOWHERE if setup.until is None else setup.until
        self._ending: StopReason | None = None
        self._failure: ImageRunError | None = None
        self._interrupt: int | None = None
        self._refused: tuple[int, str] | None = None
        if setup.exact:
            self._told: ProgramOf = lambda address, size: ()
        else:
            assert self._programs is not None
            self._told = self._programs.of
        self.counters.compute_accesses(self._admit, self._flash, self._ram)
        self._engine.hook_add(unicorn_const.UC_HOOK_INTR, self._on_interrupt)

    def make_counters(self) -> Collector:
        """See :class:`Machine`; blocks are watched, too."""
        counters = super().make_counters()
        self._watch.attach(counters)
        return counters

    def vectors(self) -> tuple[int, int]:
        """See :class:`Machine`."""
        return self._layout.stack, self._layout.entry

    def plug(self, bus: Bus, admission: Admission, semihosting: Semihosting) -> None:
        """Gives the core what it talks to.

        Args:
            bus: All peripherals.
            admission: What looks at new blocks.
            semihosting: The debugger.
        """
        self._admission = admission
        self._semihosting = semihosting
        for start, size in bus.areas():
            self._engine.mmio_map(start, size, _read, (bus, start), _write, (bus, start))

    def write(self, address: int, data: bytes) -> None:
        """Changes bytes of RAM.

        Raises:
            BoardError: They are not in RAM.
        """
        start = address - self._ram.base
        if not 0 <= start <= start + len(data) <= len(self._ram.data):
            raise BoardError(f"no RAM at {address:#010x}, {len(data)} bytes")
        self._ram.data[start : start + len(data)] = np.frombuffer(data, np.uint8)

    def end(self, reason: StopReason) -> None:
        """Ends the run before the next block."""
        self._ending = self._ending or reason
        self.stop()

    def fail(self, fault: Fault) -> None:
        """Ends the run with an error: the first one counts."""
        if self._failure is None:
            self._failure = self.error(fault)
        self.stop()
        self._engine.emu_stop()

    def error(self, fault: Fault) -> ImageRunError:
        """The error that a fault makes, with the blocks that ran last."""
        where = self.here if fault.address is None else fault.address
        blocks = tuple(map(self.describe, self._watch.recent))
        shown = ", ".join(blocks[-_SHOWN_BLOCKS:])
        last = f"The last blocks of code were {shown}" if shown else "No code has run"
        return ImageRunError(
            f"{self._spec.name}: {fault.what}; at {self.describe(where)}. {last}",
            fault.kind, where, self.place(where), blocks,
        )  # fmt: skip

    @property
    def here(self) -> int:
        """Address of the block that runs, or of where the core starts."""
        block = self.counters.current_block
        return self._pc if block is None else block

    @property
    def entry(self) -> int:
        """Where the core starts."""
        return self._layout.entry & ~_THUMB

    def decode(self, address: int, size: int) -> Sequence[Any]:
        """The instructions of a block, up to where the bytes are none."""
        return self._admission.decode(address, size)

    def describe(self, address: int) -> str:
        """An address with its symbol."""
        return self._image.describe(address)

    def place(self, address: int) -> str:
        """The function that an address lies in and the offset in it; empty if that is unknown."""
        return self._image.place(address)

    def execute(self, blocks: int) -> Stop | None:
        """Runs up to a number of blocks.

        Returns:
            How the run ended, ``None`` where it could go on.

        Raises:
            ImageRunError: The image did what its core, or this model of it, would not bear.
            BoardError: The virtual board came to its own limits.
        """
        self.counters.blocks_left = blocks
        while self.counters.blocks_left > 0 and self._ending is None:
            if self._pc == self._until:
                self._ending = StopReason.UNTIL
                break
            self._interrupt = None
            stopped = self._emulate(self._until)
            error = None if stopped is None else int(stopped.errno)
            if self._failure is not None:
                raise self._failure
            refused = self._refused
            if refused is not None and (error not in ACCESS_ERRORS or self._pc >= refused[0]):
                raise self.error(Fault(ImageFault.INSTRUCTION, refused[1], refused[0]))
            self.counters.check()
            if self.counters.is_full:
                raise BoardError(
                    f"{self._spec.name}: more different blocks of code ran than can be counted"
                )
            if error is not None:
                if not self._passes_hint(error):
                    raise self.error(self._scene().after_error(error))
            elif self._interrupt == BREAKPOINT:
                self._after_breakpoint()
            elif self._interrupt is not None:
                raise self.error(self._scene().after_exception(self._interrupt))
            elif self.counters.blocks_left > 0 and self._pc != self._until:
                self._ending = StopReason.SLEEP
        if self._ending is None:
            return None
        return self.stop_here(self._ending)

    def stop_here(self, reason: StopReason) -> Stop:
        """The stop that a reason makes where the core is."""
        return Stop(reason, self._pc, self._image.place(self._pc), self._semihosting.exit_code)

    def _admit(self, address: int, size: int) -> Sequence[int]:
        """Called by the hook on blocks before a block runs for the first time."""
        counters = self.counters
        if self._refused is not None:
            return ()
        before = counters.block_at(counters.current_row)
        if before is not None and address != sum(before) and ends_in_call(self.decode(*before)):
            self.called.add(address)
        if not self._is_thumb():
            self.fail(even_branch(address))
            return ()
        instructions = self.decode(address, size)
        self._refused = self._admission.refusal(instructions, address, size)
        if self._refused is not None:
            # The block runs all the same, as the last one: what stands before may fail first.
            counters.blocks_left = 1
            return ()
        if self._admission.is_endless(instructions):
            self.end(StopReason.SELF_BRANCH)
        return self._told(address, size)

    def _on_interrupt(self, engine: Any, number: int, data: Any) -> None:
        self._interrupt = number
        engine.emu_stop()

    def _after_breakpoint(self) -> None:
        opcode = self.read(self._pc, _HALFWORD)
        if opcode != bytes([SEMIHOSTING_CALL, _BKPT]):
            self._ending = StopReason.BREAKPOINT
            return
        number, argument = (
            self._engine.reg_read(register)
            for register in (arm_const.UC_ARM_REG_R0, arm_const.UC_ARM_REG_R1)
        )
        try:
            answer = self._semihosting.call(number, argument)
        except BoardError as error:
            what = f"semihosting call {number:#x}: {error}"
            raise self.error(Fault(ImageFault.SEMIHOSTING, what, self._pc)) from error
        if self._semihosting.exit_code is not None:
            self._ending = StopReason.EXIT
            return
        self._engine.reg_write(arm_const.UC_ARM_REG_R0, answer)
        self._pc += _HALFWORD

    def _passes_hint(self, error: int) -> bool:
        """Whether it was a YIELD or a WFE that stopped the emulator, with its block complete.

        A WFE goes on where its block holds a SEV: of other events there are none.
        """
        block = self.counters.block_at(self.counters.current_row)
        if error != unicorn_const.UC_ERR_INSN_INVALID or block is None or sum(block) != self._pc:
            return False
        names = [instruction.mnemonic for instruction in self.decode(*block)]
        hint = names[-1].removesuffix(".w")
        if hint == "wfe" and not any(name.startswith("sev") for name in names):
            self._ending = StopReason.SLEEP
        return hint in ("wfe", "yield")

    def _scene(self) -> Scene:
        start, pc = self._ram.base, self._pc
        in_ram = start <= pc < start + len(self._ram.data)
        return Scene(pc, self._is_thumb(), in_ram, self._spec.core.name, self._bad_access)

    def _is_thumb(self) -> bool:
        return bool(self._engine.reg_read(arm_const.UC_ARM_REG_CPSR) & _THUMB_STATE)


# What leaves one of these two would be printed by ctypes on its way.
def _read(engine: Any, offset: int, size: int, area: tuple[Bus, int]) -> int:
    bus, start = area
    return bus.read(start + offset, size)


def _write(engine: Any, offset: int, size: int, value: int, area: tuple[Bus, int]) -> None:
    bus, start = area
    bus.write(start + offset, size, value)
