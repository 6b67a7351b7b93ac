"""The counters of cores whose edges between blocks have prices."""

from __future__ import annotations

from typing import ClassVar, Final

import numpy as np
import numpy.typing as npt
from unicorn import unicorn_const

from hwnas.virtual.accesses import Access
from hwnas.virtual.collector import Collector, Counts, Layout
from hwnas.virtual.timing import CoreCaches

MEMORY_END: Final = 0x4000_0000
"""[Armv7-M manual, B3.1] Where memories end and peripherals begin."""
_EDGES_PER_ROW: Final = 4


class EdgeCounters(Collector):
    """Counts edges between blocks, mispredictions, cache lines and bank conflicts, natively.

    Args:
        code_base: Address of the code.
        code: All the code that may run.
        flash_base: Start of the flash.
        flash_bytes: Its size, in bytes.
        caches: What stands before the memories.
    """

    access_hook: Final = unicorn_const.UC_HOOK_MEM_READ | unicorn_const.UC_HOOK_MEM_WRITE
    compared_accesses: ClassVar[int] = 48

    def __init__(
        self, code_base: int, code: bytes, flash_base: int, flash_bytes: int, caches: CoreCaches
    ) -> None:
        from hwnas.virtual import _native as header
        from hwnas.virtual import _native_edges as native

        self._edges_native = native
        self._caches = {
            header.INSTRUCTION_CACHE: caches.instruction_cache,
            header.DATA_CACHE: caches.data_cache,
        }
        super().__init__(native, code_base, code, flash_base, flash_bytes, native.EDGE_ROW_SIZE)
        state = self._state
        for at, geometry in self._caches.items():
            state[at + native.WAYS] = geometry.ways
            state[at + header.SHIFT] = geometry.line_bytes.bit_length() - 1
            state[at + native.SET_MASK] = geometry.sets - 1
            state[at + native.TAGS] = self._held[at][0].start
        state[native.NEXT_EDGE] = self._first_edge
        state[native.EDGES_END] = self._first_edge + self._rows * _EDGES_PER_ROW * native.EDGE_SIZE
        state[native.COUPLED_BASE] = caches.coupled_base
        state[native.COUPLED_END] = caches.coupled_base + caches.coupled_bytes
        state[native.MEMORY_END] = MEMORY_END
        # What ran before anything: a block without code.
        state[self._header.NEXT_ROW] += native.EDGE_ROW_SIZE
        self.invalidate(instructions=True, data=True)
        self.restart()

    def lay_out(self, layout: Layout) -> None:
        """See :class:`Collector`."""
        native = self._edges_native
        self._first_edge = layout.add(self._rows * _EDGES_PER_ROW * native.EDGE_SIZE)
        for at, geometry in self._caches.items():
            first = layout.add(geometry.lines)
            self._held[at] = slice(first, layout.end), -1

    @property
    def first_row(self) -> int:
        """See :class:`Collector`; the row before stands for what ran before anything."""
        return super().first_row + self._row_size

    @property
    def first_edge(self) -> int:
        """Offset of the edge that was taken first."""
        return self._first_edge

    def counts(self) -> Counts:
        """See :class:`Collector`."""
        counts = super().counts()
        return Counts(counts.address[1:], counts.size[1:], counts.executions[1:], counts.events[1:])

    @property
    def is_full(self) -> bool:
        """Whether more different blocks or edges ran than there is room for."""
        native, state = self._edges_native, self._state
        room = state[native.EDGES_END] - state[native.NEXT_EDGE]
        return super().is_full or bool(room < native.EDGE_SIZE)

    def edges(self) -> npt.NDArray[np.int64]:
        """Edges so far: from which row, to which row, how often, how often mispredicted.

        Shape (edges, 4), int64. Rows are numbered as in :meth:`rows`; row 0 is what ran before
        anything.
        """
        native, state = self._edges_native, self._state
        used = state[self._first_edge : int(state[native.NEXT_EDGE])].reshape(-1, native.EDGE_SIZE)
        columns = used[:, [native.FROM, native.TO, native.TIMES, native.MISPREDICTED]]
        columns[:, :2] = (columns[:, :2] - self._first_row) // self._row_size
        return columns

    def bank_pairs(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """For each access of each row, behind another one: how often, and how often to its bank.

        Both of shape (rows, 48), int64; views.
        """
        native, rows = self._edges_native, self.rows()
        return (
            rows[:, native.PAIRS : native.SAME_BANK],
            rows[:, native.SAME_BANK : native.SAME_BANK + native.ORDINALS],
        )

    @staticmethod
    def wants(access: Access) -> bool:
        """See :class:`Collector`."""
        return True

    def restart(self) -> None:
        """See :class:`Collector`; what the branch predictor has learnt is forgotten, too."""
        super().restart()
        self.forget()
        self._state[self._header.ROW] = self._first_row

    def forget(self) -> None:
        """See :class:`Collector`."""
        native, rows = self._edges_native, self.rows()
        rows[:, native.DIRECTION] = native.WEAKLY_NOT_TAKEN
        rows[:, native.LAST_TARGET] = 0
