"""The counters of cores whose blocks have prices."""

from __future__ import annotations

from typing import Final

from unicorn import unicorn_const

from hwnas.boards import CacheGeometry
from hwnas.virtual.accesses import Access, may_matter_to_flash
from hwnas.virtual.collector import Collector, Layout


class Counters(Collector):
    """Counts blocks, branches, cache lines and reads of one emulator, natively.

    Caches are fully associative with LRU replacement.

    Args:
        code_base: Address of the code.
        code: All the code that may run.
        flash_base: Start of the memory whose data reads count as flash reads.
        flash_bytes: Its size, in bytes.
        instruction_cache: Geometry of the flash accelerator's instruction cache, if any.
        data_cache: Geometry of its data cache, if any.
    """

    access_hook: Final = unicorn_const.UC_HOOK_MEM_READ

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
        from hwnas.virtual import _native, _native_blocks

        caches = {
            _native.INSTRUCTION_CACHE: (instruction_cache, code_base, len(code)),
            _native.DATA_CACHE: (data_cache, flash_base, flash_bytes),
        }
        self._geometries = {
            at: (geometry, base, size)
            for at, (geometry, base, size) in caches.items()
            if geometry is not None
        }
        self._places: dict[int, tuple[int, int]] = {}
        super().__init__(_native_blocks, code_base, code, flash_base, flash_bytes, _native.ROW_SIZE)
        for at, (geometry, base, _) in self._geometries.items():
            shift = geometry.line_bytes.bit_length() - 1
            cache = self._state[at:]
            cache[_native.LINES] = geometry.lines
            cache[_native.SHIFT] = shift
            cache[_native.FIRST_LINE] = base >> shift
            cache[_native.SLOT_OF], cache[_native.SLOTS] = self._places[at]
        self.invalidate(instructions=True, data=True)

    def lay_out(self, layout: Layout) -> None:
        """See :class:`Collector`."""
        for at, (geometry, _, size) in self._geometries.items():
            lines = layout.add(size // geometry.line_bytes + 2)
            self._places[at] = lines, layout.add(2 * geometry.lines)
            self._held[at] = slice(lines, layout.end), 0

    @staticmethod
    def wants(access: Access) -> bool:
        """See :class:`Collector`."""
        return may_matter_to_flash(access)
