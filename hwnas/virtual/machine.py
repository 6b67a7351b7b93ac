"""The emulated core with its memories and its bus."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import unicorn
from unicorn import arm_const, unicorn_const

from hwnas.boards import BoardSpec
from hwnas.elf import Image, Segment
from hwnas.errors import BoardError
from hwnas.virtual._interrupts import held_back
from hwnas.virtual.code import AccessPrograms, access_programs
from hwnas.virtual.collector import Collector, SharedMemory
from hwnas.virtual.counters import Counters
from hwnas.virtual.edge_counters import EdgeCounters
from hwnas.virtual.peripherals import Peripheral
from hwnas.virtual.timing import CoreCaches, memory_model

PAGE_BYTES: Final = 1024
_ERASED: Final = b"\xff"
NOWHERE: Final = 0xFFFF_FFFE
_THUMB: Final = 1
_WORD_BYTES: Final = 4
_HOST_PAGE_BYTES: Final = 1 << 16
_VECTORS: Final = struct.Struct("<II")
_MODELS: Final = {
    "cortex-m4": arm_const.UC_CPU_ARM_CORTEX_M4,
    "cortex-m7": arm_const.UC_CPU_ARM_CORTEX_M7,
    "cortex-m33": arm_const.UC_CPU_ARM_CORTEX_M33,
}
_ACCESSES: Final = {
    unicorn_const.UC_MEM_READ_UNMAPPED: "reading",
    unicorn_const.UC_MEM_WRITE_UNMAPPED: "writing",
    unicorn_const.UC_MEM_FETCH_UNMAPPED: "fetching code from",
    unicorn_const.UC_MEM_READ_PROT: "reading protected",
    unicorn_const.UC_MEM_WRITE_PROT: "writing protected",
    unicorn_const.UC_MEM_FETCH_PROT: "fetching code from",
}


class Machine:
    """Executes an image, and counts what it does.

    Flash holds the image, with data beside it, and 0xFF elsewhere; code runs only from the pages
    of flash that the image's code lies in. RAM starts as zeros and keeps its contents over resets.

    Args:
        spec: The board.
        image: The firmware.
        data: More bytes for the flash, by address.
        exact: Whether accesses to memory are counted by hooks, and not told at the entry of a
            block.

    Raises:
        BoardError: The core cannot be emulated, or image and data do not fit the flash.
    """

    def __init__(
        self, spec: BoardSpec, image: Image, data: Mapping[int, bytes], *, exact: bool = False
    ) -> None:
        if spec.core.name not in _MODELS:
            raise BoardError(f"{spec.name}: the core {spec.core.name!r} cannot be emulated yet")
        self._spec = spec
        self._image = image
        flash = np.frombuffer(_fill_flash(spec, image, data), np.uint8)
        code_bytes = _code_bytes(spec, image)
        self.code = flash[:code_bytes].tobytes()
        self.counters = self.make_counters()
        # With UC_MODE_MCLASS the model would be ignored.
        self._flash = SharedMemory(spec.flash.base, _shared(spec.flash.size_bytes))
        self._ram = SharedMemory(spec.ram.base, _shared(spec.ram.size_bytes))
        self._flash.data[:] = flash
        self._engine = engine = unicorn.Uc(
            unicorn_const.UC_ARCH_ARM, unicorn_const.UC_MODE_THUMB, _MODELS[spec.core.name]
        )
        read, write, run = (
            unicorn_const.UC_PROT_READ, unicorn_const.UC_PROT_WRITE, unicorn_const.UC_PROT_EXEC,
        )  # fmt: skip
        base, rest = spec.flash.base, spec.flash.size_bytes - code_bytes
        engine.mem_map_ptr(base, code_bytes, read | run, self._flash.pointer)
        if rest:
            pointer = self._flash.pointer + code_bytes
            engine.mem_map_ptr(base + code_bytes, rest, read, pointer)
        engine.mem_map_ptr(spec.ram.base, spec.ram.size_bytes, read | write, self._ram.pointer)
        engine.hook_add(unicorn_const.UC_HOOK_MEM_INVALID, self._note_access)
        # Without a cycle model, accesses need not be counted; hooks on them cost most of the speed.
        self.counters.attach(engine, reads=exact and spec.timing is not None)
        self._programs: AccessPrograms | None = None
        if not exact and spec.timing is not None:
            self._programs = access_programs(base, self.code, type(self.counters))
            self.counters.compute_accesses(self._programs.of, self._flash, self._ram)
        self._fresh = engine.context_save()
        self._bad_access = ""
        self._refusal: BoardError | None = None
        self._pc = 0
        self.reset()

    def make_counters(self) -> Collector:
        """The counters that the board's cycle model needs."""
        flash = self._spec.flash
        where = (flash.base, self.code, flash.base, flash.size_bytes)
        memory = None if self._spec.timing is None else memory_model(self._spec)
        if isinstance(memory, CoreCaches):
            return EdgeCounters(*where, memory)
        return Counters(*where, flash.instruction_cache, flash.data_cache)

    def vectors(self) -> tuple[int, int]:
        """What the core takes from the vector table: its stack pointer, and where it starts."""
        stack, entry = _VECTORS.unpack_from(self.code)
        return stack, entry

    def connect(self, peripherals: Iterable[Peripheral]) -> None:
        """Puts peripherals on the bus.

        Raises:
            BoardError: The board file puts one over a memory or over another one.
        """
        for peripheral in peripherals:
            try:
                self._engine.mmio_map(
                    peripheral.base, peripheral.size_bytes,
                    self._read_register, peripheral, self._write_register, peripheral,
                )  # fmt: skip
            except unicorn.UcError as error:
                raise BoardError(
                    f"{self._spec.name}: {peripheral.name} cannot be at {peripheral.base:#010x}: "
                    "a memory or another peripheral is there, or it is no multiple of 1024"
                ) from error

    def reset(self) -> None:
        """Starts over from the vector table, with cold caches."""
        stack, entry = self.vectors()
        if not entry & _THUMB:
            raise BoardError(f"{self._spec.name}: the reset vector {entry:#010x} is not Thumb code")
        self._engine.context_restore(self._fresh)
        self._engine.reg_write(arm_const.UC_ARM_REG_SP, stack)
        self._pc = entry & ~_THUMB
        self.counters.invalidate(instructions=True, data=True)
        self.counters.restart()

    def run(self, blocks: int) -> None:
        """Executes up to a number of blocks, or until :meth:`stop` is called from a peripheral.

        Args:
            blocks: How many, at most.

        Raises:
            BoardError: The code faulted, or did what the virtual board does not model.
        """
        self.counters.blocks_left = blocks
        error = self._emulate(NOWHERE)
        # What a register refused comes first: the rest of its block ran on a made-up value.
        if self._refusal is not None:
            raise type(self._refusal)(f"{self._refusal} {self._where()}") from self._refusal
        if error is not None:
            raise self._fault(self._bad_access or str(error)) from error
        self.counters.check()
        if self.counters.is_full:
            raise self._fault("more different blocks of code ran than can be counted")
        if self.counters.blocks_left > 0:
            raise self._fault("the core went to sleep, and nothing can wake it")

    def _emulate(self, until: int) -> unicorn.UcError | None:
        """Runs until something stops it; the emulator's error, or ``None``."""
        with held_back(self.stop):
            try:
                self._engine.emu_start(self._pc | _THUMB, until)
            except unicorn.UcError as error:
                return error
            finally:
                self._pc = self._engine.reg_read(arm_const.UC_ARM_REG_PC)
        return None

    def stop(self) -> None:
        """Ends :meth:`run` before the next block of code."""
        self.counters.blocks_left = 0

    def save(self) -> None:
        """Keeps what was worked out about the code for later processes."""
        if self._programs is not None:
            self._programs.save()

    def read(self, address: int, size: int) -> bytes:
        """Bytes of memory.

        Raises:
            BoardError: There is no memory.
        """
        try:
            return bytes(self._engine.mem_read(address, size))
        except unicorn.UcError as error:
            raise BoardError(
                f"{self._spec.name}: no memory at {address:#010x}, {size} bytes"
            ) from error

    # An exception that leaves one of these two would be printed by ctypes on its way.
    def _read_register(self, engine: Any, offset: int, size: int, peripheral: Peripheral) -> int:
        start = offset & 3
        try:
            return peripheral.read(offset - start) >> 8 * start & ((1 << 8 * size) - 1)
        except BoardError as error:
            self._refuse(error)
            return 0

    def _write_register(
        self, engine: Any, offset: int, size: int, value: int, peripheral: Peripheral
    ) -> None:
        try:
            if offset & 3 or (size < _WORD_BYTES and offset not in peripheral.NARROW_WRITES):
                raise BoardError(
                    f"{peripheral.name}: writing {size} bytes at offset {offset:#x} is not modelled"
                )
            peripheral.write(offset, value)
        except BoardError as error:
            self._refuse(error)

    def _refuse(self, error: BoardError) -> None:
        self._refusal = self._refusal or error
        self._engine.emu_stop()

    def _note_access(
        self, engine: Any, kind: int, address: int, size: int, value: int, data: Any
    ) -> bool:
        self._bad_access = f"{_ACCESSES.get(kind, 'touching')} {address:#010x}, {size} bytes"
        return False

    def _fault(self, what: str) -> BoardError:
        return BoardError(f"{self._spec.name}: the firmware failed: {what} {self._where()}")

    def _where(self) -> str:
        block = self.counters.current_block
        last = "none" if block is None else self._image.describe(block)
        pc = self._engine.reg_read(arm_const.UC_ARM_REG_PC)
        return f"at pc {self._image.describe(pc)}, last block {last}"


def _shared(size: int) -> npt.NDArray[np.uint8]:
    """Zeroed memory that the emulator can use, with room behind it for a word."""
    room = np.zeros(size + _HOST_PAGE_BYTES + _WORD_BYTES, np.uint8)
    start = -room.ctypes.data % _HOST_PAGE_BYTES
    return room[start : start + size]


def _fill_flash(spec: BoardSpec, image: Image, data: Mapping[int, bytes]) -> bytearray:
    extra = [Segment(address, content, False) for address, content in data.items()]
    segments = sorted((*image.segments, *extra), key=lambda segment: segment.address)
    start, end = spec.flash.base, spec.flash.base + spec.flash.size_bytes
    for segment in segments:
        if not start <= segment.address <= segment.end <= end:
            raise BoardError(
                f"{spec.name}: {len(segment.data)} bytes at {segment.address:#010x} are outside "
                f"the flash, {start:#010x} to {end:#010x}: is this the image of another board?"
            )
    for one, other in pairwise(segments):
        if one.end > other.address:
            raise BoardError(
                f"{spec.name}: the bytes at {one.address:#010x} and at {other.address:#010x} "
                "overlap in flash"
            )
    flash = bytearray(_ERASED * spec.flash.size_bytes)
    for segment in segments:
        at = segment.address - start
        flash[at : at + len(segment.data)] = segment.data
    return flash


def _code_bytes(spec: BoardSpec, image: Image) -> int:
    end = max(segment.end for segment in image.segments if segment.executable)
    pages = -(-(end - spec.flash.base) // PAGE_BYTES)
    return min(pages * PAGE_BYTES, spec.flash.size_bytes)
