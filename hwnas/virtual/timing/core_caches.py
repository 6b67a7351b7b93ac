"""Flash and RAM behind the caches of a Cortex-M7, with tightly coupled memory beside them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from hwnas.boards import BoardSpec, CoreCache
from hwnas.errors import BoardError
from hwnas.virtual.timing._base import MemoryModel


@dataclass(frozen=True)
class CoreCaches(MemoryModel):
    """Only read misses stall, a full fill each: stores and write-backs hide in the store buffer.

    That replacement is LRU, that nothing overlaps with a fill, and that writes cost nothing is
    assumed.

    Attributes:
        instruction_cache: Geometry.
        data_cache: Geometry.
        coupled_base: Start of the tightly coupled memory, which no cache stands before.
        coupled_bytes: Its size.
        fill_instruction: Cycles of an instruction line that misses.
        fill_flash: Cycles of a data line from flash that misses.
        fill_ram: Cycles of a data line from RAM that misses.
    """

    version: ClassVar[int] = 1

    instruction_cache: CoreCache
    data_cache: CoreCache
    coupled_base: int
    coupled_bytes: int
    fill_instruction: float
    fill_flash: float
    fill_ram: float

    @classmethod
    def of(cls, spec: BoardSpec) -> Self:
        """The caches with the parameters of a board.

        Raises:
            BoardError: The board's file lacks some of them.
        """
        caches = spec.timing.caches if spec.timing is not None else None
        core = spec.core
        if caches is None or core.instruction_cache is None or core.data_cache is None:
            raise BoardError(
                f"{spec.name}: its core's model needs [timing.caches] and both caches of the core "
                "in [core], which the board file lacks"
            )
        return cls(
            core.instruction_cache, core.data_cache, spec.ram.base, caches.coupled_bytes,
            caches.fill_instruction, caches.fill_flash, caches.fill_ram,
        )  # fmt: skip

    @property
    def identity(self) -> str:
        """See :class:`MemoryModel`."""
        fills = f"{self.fill_instruction:g}/{self.fill_flash:g}/{self.fill_ram:g}"
        caches = " and ".join(map(_geometry, (self.instruction_cache, self.data_cache)))
        return (
            f"core-caches/{self.version} (fills {fills}, coupled {self.coupled_bytes}, "
            f"caches {caches})"
        )


def _geometry(cache: CoreCache) -> str:
    return f"{cache.lines}x{cache.line_bytes} {cache.ways}-way"
