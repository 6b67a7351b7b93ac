"""The two halves of a timing model: what a core costs, and what its memory adds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from hwnas.boards import CacheGeometry


@dataclass(frozen=True, slots=True)
class BlockCost:
    """What one execution of a block costs, whatever happens around it.

    Attributes:
        instructions: Number of instructions, predicated-out ones included.
        cycles: Core cycles, without the refill after a taken branch and without memory.
    """

    instructions: int
    cycles: float


class CoreModel(ABC):
    """Prices the instructions of a block; state is not carried across block borders.

    Attributes:
        name: As board files name it.
        version: Rises with every change of a cost.
        taken_cycles: What entering a block by a taken branch adds.
        unaligned_cycles: What an unaligned data read adds.
    """

    name: ClassVar[str]
    version: ClassVar[int]
    taken_cycles: ClassVar[float]
    unaligned_cycles: ClassVar[float]

    @property
    def identity(self) -> str:
        """Name and version, as table keys hold them."""
        return f"{self.name}/{self.version}"

    @abstractmethod
    def block_cost(self, instructions: Sequence[Any]) -> BlockCost:
        """Prices a block.

        Args:
            instructions: Of the block, decoded by capstone with details.
        """


class MemoryModel(ABC):
    """Says which caches are simulated and what their events add.

    Attributes:
        instruction_cache: Geometry, or ``None`` where instruction fetches cost nothing.
        data_cache: Geometry, or ``None`` where lines of data cost nothing.
        instruction_line_cycles: What a missed instruction line adds.
        data_line_cycles: What a missed data line adds.
        flash_read_cycles: What any data read from flash adds.
    """

    instruction_cache: CacheGeometry | None
    data_cache: CacheGeometry | None

    @property
    @abstractmethod
    def instruction_line_cycles(self) -> float: ...

    @property
    @abstractmethod
    def data_line_cycles(self) -> float: ...

    @property
    @abstractmethod
    def flash_read_cycles(self) -> float: ...
