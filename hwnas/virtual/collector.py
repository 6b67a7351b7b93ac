"""What a run of code did, counted by compiled hooks in the emulator."""

from __future__ import annotations

import ctypes
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, ClassVar, Final

import numpy as np
import numpy.typing as npt
from unicorn import arm_const, unicorn_const

from hwnas.errors import BoardError
from hwnas.virtual.accesses import Access

EVENTS: Final = (
    "taken", "instruction_lines", "flash_reads", "data_lines", "unaligned", "ram_lines"
)  # fmt: skip
"""Columns of :attr:`Counts.events`."""

_ROWS_PER_KIB: Final = 256
_MINIMUM_ROWS: Final = 1024
_PROGRAM_PER_ROW: Final = 128
_EVERYTHING: Final = (1, 0)

ProgramOf = Callable[[int, int], Sequence[int]]
"""Gives the program of a block's accesses, by address and size; see ``_native_accesses.py``."""
_COMPILE_CALLBACK: Final = ctypes.CFUNCTYPE(None, ctypes.c_int64)


@dataclass(frozen=True, slots=True)
class SharedMemory:
    """A memory of the emulated core, as it stands in this process.

    Attributes:
        base: Its address for the core.
        data: Its contents.
    """

    base: int
    data: npt.NDArray[np.uint8]

    @property
    def pointer(self) -> int:
        """Where the contents are."""
        return int(self.data.ctypes.data)


@dataclass(frozen=True, slots=True)
class Counts:
    """Counts of the blocks that have run since the counters were made.

    Attributes:
        address: Of each block, shape (blocks,), int64.
        size: In bytes, shape (blocks,), int64.
        executions: Shape (blocks,), int64.
        events: Shape (blocks, 6), int64, in the order of :data:`EVENTS`: entries by a taken
            branch, instruction lines that missed the cache, data reads from flash, data lines
            from there that missed the cache, unaligned data reads, and data lines from RAM that
            missed the cache.
    """

    address: npt.NDArray[np.int64]
    size: npt.NDArray[np.int64]
    executions: npt.NDArray[np.int64]
    events: npt.NDArray[np.int64]


class Collector(ABC):
    """Counts blocks and what they do, natively; each block has a row of counts.

    A block is what the emulator translates at once: straight code up to a branch or to the end
    of a page.

    Args:
        native: The compiled hooks.
        code_base: Address of the code.
        code: All the code that may run.
        flash_base: Start of the memory whose data reads count as flash reads.
        flash_bytes: Its size, in bytes.
        row_size: Elements of a row.
    """

    def __init__(
        self,
        native: ModuleType,
        code_base: int,
        code: bytes,
        flash_base: int,
        flash_bytes: int,
        row_size: int,
    ) -> None:
        from hwnas.virtual import _native

        self._header = header = _native
        self._native = native
        halfwords = np.frombuffer(code + bytes(-len(code) % 2), "<u2")
        layout = Layout(header.HEADER)
        at_halfwords, at_map = layout.add(len(halfwords)), layout.add(len(halfwords))
        self._rows = max(_MINIMUM_ROWS, len(code) * _ROWS_PER_KIB // 1024)
        self._row_size = row_size
        self._first_row = layout.add(self._rows * row_size)
        rows_end = layout.end
        programs = layout.add(self._rows * _PROGRAM_PER_ROW)
        programs_end = layout.end
        self._held: dict[int, tuple[slice, int]] = {}
        self.lay_out(layout)
        self._state = state = np.zeros(layout.end, np.int64)
        state[at_halfwords:at_map] = halfwords
        state[header.CODE_BASE] = code_base
        state[header.FLASH_BASE] = flash_base
        state[header.FLASH_END] = flash_base + flash_bytes
        state[header.HALFWORDS] = at_halfwords
        state[header.ROW_OF] = at_map
        state[header.NEXT_ROW] = self._first_row
        state[header.ROWS_END] = rows_end
        state[header.ROW_LENGTH] = row_size
        state[header.NEXT_PROGRAM] = programs
        state[header.PROGRAMS_END] = programs_end
        state[header.STATE_POINTER] = state.ctypes.data
        self._block_hook = native.ON_BLOCK
        self._programs: ProgramOf | None = None
        self._refusal: Exception | None = None

    @abstractmethod
    def lay_out(self, layout: Layout) -> None:
        """Reserves places for what stands behind the rows: edges, and what the caches hold.

        Tells in ``_held``, by cache, where the latter is, and what stands there for nothing.
        """

    def invalidate(self, *, instructions: bool = False, data: bool = False) -> None:
        """Empties the caches, as a reset or the flash controller does."""
        header, state = self._header, self._state
        state[header.LAST_ROW] = 0
        emptied = {header.INSTRUCTION_CACHE: instructions, header.DATA_CACHE: data}
        for at, (places, nothing) in self._held.items():
            if emptied[at]:
                state[places] = nothing
                state[at + header.LAST_LINE] = -1

    @property
    @abstractmethod
    def access_hook(self) -> int:
        """Which accesses to memory are counted, as unicorn's kinds of hooks."""

    def watch(self, hook: Any, array: npt.NDArray[np.int64]) -> None:
        """Takes another hook on blocks, before :meth:`attach`: one that counts and does more.

        Args:
            hook: The compiled hook.
            array: What it keeps, to which it gets a pointer; must live as long as these counters.
        """
        self._block_hook = hook
        self._state[self._header.WATCH] = array.ctypes.data

    @property
    def first_row(self) -> int:
        """Offset of the row of the block that ran first."""
        return self._first_row

    def attach(self, engine: Any, *, reads: bool = True) -> None:
        """Hooks into an emulator.

        Args:
            engine: The ``unicorn.Uc``, which must not outlive these counters.
            reads: Whether data accesses are counted, too.
        """
        from unicorn.unicorn_py3.unicorn import uclib

        header, state = self._header, self._state
        state[header.CPSR_POINTER] = state.ctypes.data + 8 * header.CPSR
        state[header.CPSR_NUMBER] = arm_const.UC_ARM_REG_CPSR
        for at, name in (
            (header.STOP_FUNCTION, "uc_emu_stop"),
            (header.READ_REGISTER_FUNCTION, "uc_reg_read"),
            (header.WRITE_REGISTER_FUNCTION, "uc_reg_write"),
        ):
            state[at] = ctypes.cast(getattr(uclib, name), ctypes.c_void_p).value or 0
        hooks = [(unicorn_const.UC_HOOK_BLOCK, self._block_hook)]
        if reads:
            hooks.append((self.access_hook, self._native.ON_ACCESS))
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

    def compute_accesses(self, programs: ProgramOf, flash: SharedMemory, ram: SharedMemory) -> None:
        """Counts accesses by programs that are run at the entry of a block, instead of by hooks.

        Args:
            programs: Gives the program of a block.
            flash: The memory that code and constants are in.
            ram: The memory that changes.
        """
        header, state = self._header, self._state
        self._programs = programs
        self._compile = _COMPILE_CALLBACK(self._add_program)
        state[header.COMPILE_FUNCTION] = ctypes.cast(self._compile, ctypes.c_void_p).value or 0
        state[header.FLASH_POINTER] = flash.pointer
        state[header.RAM_POINTER] = ram.pointer
        state[header.RAM_BASE] = ram.base
        state[header.RAM_END] = ram.base + len(ram.data)

    def _add_program(self, row: int) -> None:
        """Called by the hook on blocks, out of which no exception may come."""
        header, state = self._header, self._state
        address, size = state[row + header.ADDRESS], state[row + header.SIZE]
        assert self._programs is not None
        try:
            program = self._programs(int(address), int(size))
        except Exception as error:
            self._refusal = self._refusal or error
            return
        if not program:
            return
        at, end = int(state[header.NEXT_PROGRAM]), int(state[header.PROGRAMS_END])
        if at + len(program) > end:
            self._refusal = self._refusal or BoardError("there is no room for more programs")
            return
        state[at : at + len(program)] = program
        state[header.NEXT_PROGRAM] = at + len(program)
        state[row + header.PROGRAM] = at

    def check(self) -> None:
        """Raises what went wrong in a hook.

        Raises:
            BoardError: Something ran that cannot be decoded.
        """
        if self._refusal is not None:
            raise self._refusal

    compared_accesses: ClassVar[int] = 0
    """Of a block's first accesses, between how many neighbouring loads' banks are compared."""

    @property
    def untold_accesses(self) -> int:
        """Accesses that programs could not tell the address of, and that count for nothing."""
        return int(self._state[self._header.UNTOLD])

    @staticmethod
    @abstractmethod
    def wants(access: Access) -> bool:
        """Whether an access of a block has to be counted."""

    @property
    def blocks_left(self) -> int:
        """Blocks that may still run before emulation stops by itself, uncounted."""
        return int(self._state[self._header.BLOCKS_LEFT])

    @blocks_left.setter
    def blocks_left(self, blocks: int) -> None:
        self._state[self._header.BLOCKS_LEFT] = blocks

    @property
    def is_full(self) -> bool:
        """Whether more different blocks ran than there are rows for."""
        header = self._header
        room = self._state[header.ROWS_END] - self._state[header.NEXT_ROW]
        return bool(room < self._row_size)

    @property
    def current_block(self) -> int | None:
        """Address of the block that ran last, or ``None`` before the first."""
        where = self.block_at(self.current_row)
        return None if where is None else where[0]

    @property
    def current_row(self) -> int:
        """Offset of the row of the block that ran last."""
        return int(self._state[self._header.ROW])

    def block_at(self, row: int) -> tuple[int, int] | None:
        """Address and size of the block whose row is at an offset, ``None`` where there is none."""
        fields = self._state[row:]
        size = int(fields[self._header.SIZE]) if row else 0
        return (int(fields[self._header.ADDRESS]), size) if size else None

    @property
    def current_events(self) -> npt.NDArray[np.int64]:
        """The counts of :data:`EVENTS` of the block that ran last; a view."""
        header, row = self._header, self._state[self.current_row :]
        return row[header.TAKEN : header.EVENTS_END]

    def counts(self) -> Counts:
        """The counts so far; views that go on changing while code runs."""
        header, rows = self._header, self.rows()
        return Counts(
            rows[:, header.ADDRESS],
            rows[:, header.SIZE],
            rows[:, header.COUNT],
            rows[:, header.TAKEN : header.EVENTS_END],
        )

    def rows(self) -> npt.NDArray[np.int64]:
        """All of what is kept of each block, shape (blocks, elements of a row); a view."""
        used = self._state[self._first_row : int(self._state[self._header.NEXT_ROW])]
        return used.reshape(-1, self._row_size)

    def restart(self) -> None:
        """Tells that the next block does not follow the one before, as after a reset."""
        self._state[self._header.NEXT_PC] = -1
        self._state[self._header.LAST_ROW] = 0

    def forget(self) -> None:  # noqa: B027 (most cores have nothing to forget)
        """Forget what a branch predictor has learnt, where there is one."""


class Layout:
    """Hands out consecutive places in an array."""

    def __init__(self, start: int) -> None:
        self.end = start

    def add(self, count: int) -> int:
        """The first of so many places."""
        start = self.end
        self.end += count
        return start
