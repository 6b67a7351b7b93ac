"""What a run of code did: counts of each basic block, taken by compiled hooks in the emulator."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from unicorn import arm_const, unicorn_const

from hwnas.boards import CacheGeometry
from hwnas.errors import BoardError

EVENTS: Final = ("taken", "instruction_lines", "flash_reads", "data_lines", "unaligned")
"""Columns of :attr:`Counts.events`."""

_ROWS_PER_KIB: Final = 256
_MINIMUM_ROWS: Final = 1024
_EVERYTHING: Final = (1, 0)


@dataclass(frozen=True, slots=True)
class Counts:
    """Counts of the blocks that have run since the counters were made.

    Attributes:
        address: Of each block, shape (blocks,), int64.
        size: In bytes, shape (blocks,), int64.
        executions: Shape (blocks,), int64.
        events: Shape (blocks, 5), int64, in the order of :data:`EVENTS`: entries by a taken
            branch, instruction lines that missed the cache, data reads from flash, data lines
            that missed the cache, unaligned data reads.
    """

    address: npt.NDArray[np.int64]
    size: npt.NDArray[np.int64]
    executions: npt.NDArray[np.int64]
    events: npt.NDArray[np.int64]


class Counters:
    """Counts blocks, branches, cache lines and reads of one emulator, natively.

    A block is what the emulator translates at once: straight code up to a branch or to the end
    of a page. Caches are fully associative with LRU replacement.

    Args:
        code_base: Address of the code.
        code: All the code that may run.
        flash_base: Start of the memory whose data reads count as flash reads.
        flash_bytes: Its size, in bytes.
        instruction_cache: Geometry of the flash accelerator's instruction cache, if any.
        data_cache: Geometry of its data cache, if any.
    """

    def __init__(
        self,
        code_base: int,
        code: bytes,
        flash_base: int,
        flash_bytes: int,
        instruction_cache: CacheGeometry | None,
        data_cache: CacheGeometry | None,
    ) -> None:
        # numba takes half a second to import, which only a board that boots should cost.
        from hwnas.virtual import _native

        self._native = _native
        halfwords = np.frombuffer(code + bytes(-len(code) % 2), "<u2")
        layout = _Layout(_native.HEADER)
        at_halfwords, at_map = layout.add(len(halfwords)), layout.add(len(halfwords))
        caches = {
            _native.INSTRUCTION_CACHE: (instruction_cache, code_base, len(code)),
            _native.DATA_CACHE: (data_cache, flash_base, flash_bytes),
        }
        places = {
            at: (layout.add(size // geometry.line_bytes + 2), layout.add(2 * geometry.lines))
            for at, (geometry, _, size) in caches.items()
            if geometry is not None
        }
        rows = max(_MINIMUM_ROWS, len(code) * _ROWS_PER_KIB // 1024)
        self._first_row = layout.add(rows * _native.ROW_SIZE)
        self._state = state = np.zeros(layout.end, np.int64)
        state[at_halfwords:at_map] = halfwords
        state[_native.CODE_BASE] = code_base
        state[_native.FLASH_BASE] = flash_base
        state[_native.FLASH_END] = flash_base + flash_bytes
        state[_native.HALFWORDS] = at_halfwords
        state[_native.ROW_OF] = at_map
        state[_native.NEXT_ROW] = self._first_row
        state[_native.ROWS_END] = layout.end
        for at, (where, slots) in places.items():
            geometry, base, _ = caches[at]
            assert geometry is not None
            shift = geometry.line_bytes.bit_length() - 1
            state[at + _native.LINES] = geometry.lines
            state[at + _native.SHIFT] = shift
            state[at + _native.FIRST_LINE] = base >> shift
            state[at + _native.SLOT_OF] = where
            state[at + _native.SLOTS] = slots
        self._caches = {
            at: (where, slots, slots + 2 * int(state[at + _native.LINES]))
            for at, (where, slots) in places.items()
        }
        self.invalidate(instructions=True, data=True)

    def attach(self, engine: Any, *, reads: bool = True) -> None:
        """Hooks into an emulator.

        Args:
            engine: The ``unicorn.Uc``, which must not outlive these counters.
            reads: Whether data reads are counted, too.
        """
        from unicorn.unicorn_py3.unicorn import uclib

        native, state = self._native, self._state
        state[native.CPSR_POINTER] = state.ctypes.data + 8 * native.CPSR
        state[native.CPSR_NUMBER] = arm_const.UC_ARM_REG_CPSR
        for at, name in (
            (native.STOP_FUNCTION, "uc_emu_stop"),
            (native.READ_REGISTER_FUNCTION, "uc_reg_read"),
            (native.WRITE_REGISTER_FUNCTION, "uc_reg_write"),
        ):
            state[at] = ctypes.cast(getattr(uclib, name), ctypes.c_void_p).value or 0
        hooks = [(unicorn_const.UC_HOOK_BLOCK, native.ON_BLOCK)]
        if reads:
            hooks.append((unicorn_const.UC_HOOK_MEM_READ, native.ON_READ))
        for kind, hook in hooks:
            handle = ctypes.c_size_t()
            status = uclib.uc_hook_add(
                engine._uch,
                ctypes.byref(handle),
                kind,
                ctypes.c_void_p(hook.address),
                ctypes.c_void_p(state.ctypes.data),
                *(ctypes.c_uint64(bound) for bound in _EVERYTHING),
            )
            if status != unicorn_const.UC_ERR_OK:
                raise BoardError(f"the emulator refused a hook: error {status}")

    @property
    def blocks_left(self) -> int:
        """Blocks that may still run before emulation stops by itself, uncounted."""
        return int(self._state[self._native.BLOCKS_LEFT])

    @blocks_left.setter
    def blocks_left(self, blocks: int) -> None:
        self._state[self._native.BLOCKS_LEFT] = blocks

    @property
    def is_full(self) -> bool:
        """Whether more different blocks ran than there are rows for."""
        native = self._native
        room = self._state[native.ROWS_END] - self._state[native.NEXT_ROW]
        return bool(room < native.ROW_SIZE)

    @property
    def current_block(self) -> int | None:
        """Address of the block that ran last, or ``None`` before the first."""
        row = int(self._state[self._native.ROW])
        return int(self._state[row + self._native.ADDRESS]) if row else None

    def counts(self) -> Counts:
        """The counts so far; views that go on changing while code runs."""
        native = self._native
        used = self._state[self._first_row : int(self._state[native.NEXT_ROW])]
        rows = used.reshape(-1, native.ROW_SIZE)
        return Counts(
            rows[:, native.ADDRESS],
            rows[:, native.SIZE],
            rows[:, native.COUNT],
            rows[:, native.TAKEN :],
        )

    def invalidate(self, *, instructions: bool = False, data: bool = False) -> None:
        """Empties the caches, as a reset or the flash controller does."""
        native, state = self._native, self._state
        wanted = {native.INSTRUCTION_CACHE: instructions, native.DATA_CACHE: data}
        for at, (where, _, end) in self._caches.items():
            if wanted[at]:
                state[where:end] = 0
                state[at + native.LAST_LINE] = -1
                state[at + native.CLOCK] = 0

    def restart(self) -> None:
        """Tells that the next block does not follow the one before, as after a reset."""
        self._state[self._native.NEXT_PC] = -1


class _Layout:
    """Hands out consecutive places in an array."""

    def __init__(self, start: int) -> None:
        self.end = start

    def add(self, count: int) -> int:
        start = self.end
        self.end += count
        return start
