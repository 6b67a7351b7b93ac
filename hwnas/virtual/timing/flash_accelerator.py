"""Flash memory behind small line caches, as on STM32 chips."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from hwnas.boards import BoardSpec, CacheGeometry
from hwnas.errors import BoardError
from hwnas.virtual.timing._base import MemoryModel


@dataclass(frozen=True)
class FlashAccelerator(MemoryModel):
    """Every line fetched from the flash array, and every data read from flash, costs the same.

    Attributes:
        instruction_cache: Geometry of the instruction cache, fully associative, LRU.
        data_cache: Geometry of the data cache, likewise.
        line: Cycles of a line fetched from the array: the flash's wait states.
        fread: Cycles that a data read from flash adds; fitted. It stands for load pipelining
            that breaks at the flash's border, and for bus latency.
    """

    version: ClassVar[int] = 1

    instruction_cache: CacheGeometry | None
    data_cache: CacheGeometry | None
    line: float
    fread: float

    @classmethod
    def of(cls, spec: BoardSpec) -> Self:
        """The accelerator with the parameters of a board.

        Raises:
            BoardError: The board has no cycle model.
        """
        if spec.timing is None:
            raise BoardError(f"{spec.name} is functional only: it has no cycle model")
        memory = spec.timing.memory
        if memory is None:
            raise BoardError(
                f"{spec.name}: its core's model needs [timing.memory], which the board file lacks"
            )
        return cls(spec.flash.instruction_cache, spec.flash.data_cache, memory.line, memory.fread)

    @property
    def identity(self) -> str:
        """See :class:`MemoryModel`."""
        caches = " and ".join(map(_geometry, (self.instruction_cache, self.data_cache)))
        return (
            f"flash-accelerator/{self.version} (fread {self.fread:g}, line {self.line:g}, "
            f"caches {caches})"
        )

    @property
    def instruction_line_cycles(self) -> float:
        """What a missed instruction line adds."""
        return self.line

    @property
    def data_line_cycles(self) -> float:
        """What a missed data line adds."""
        return self.line

    @property
    def flash_read_cycles(self) -> float:
        """What any data read from flash adds."""
        return self.fread


def _geometry(cache: CacheGeometry | None) -> str:
    return "none" if cache is None else f"{cache.lines}x{cache.line_bytes}"
