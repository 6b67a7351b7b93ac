"""The two halves of a timing model: what a core costs, and what its memory adds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

Operation = TypeVar("Operation")


class BlockCost(NamedTuple):
    """What one execution of a block costs, whatever happens around it.

    Attributes:
        instructions: Number of instructions, predicated-out ones included.
        cycles: Core cycles, without the refill after a taken branch and without memory.
    """

    instructions: int
    cycles: float


class CoreModel(ABC):
    """What a core costs; either its blocks have prices, or the edges between them.

    Attributes:
        name: As board files name it.
        version: Rises with every change of a cost.
        unaligned_cycles: What an unaligned data read adds.
    """

    name: ClassVar[str]
    version: ClassVar[int]
    unaligned_cycles: ClassVar[float]

    @property
    def identity(self) -> str:
        """Name and version, as table keys hold them."""
        return f"{self.name}/{self.version}"


class BlockModel(CoreModel):
    """A core whose blocks cost the same wherever they are entered from.

    State is not carried across block borders.

    Attributes:
        taken_cycles: What entering a block by a taken branch adds.
    """

    taken_cycles: ClassVar[float]

    @abstractmethod
    def block_cost(self, instructions: Sequence[Any]) -> BlockCost:
        """Prices a block.

        Args:
            instructions: Of the block, decoded by capstone with details.
        """


@dataclass(frozen=True, slots=True)
class PipelineBlock(Generic[Operation]):
    """A block as the pipeline of a core sees it.

    Attributes:
        operations: Its instructions.
        load_ordinals: For each that loads a single word, which access of the block that is; else
            ``None``.
    """

    operations: tuple[Operation, ...]
    load_ordinals: tuple[int | None, ...]

    @property
    def load_bits(self) -> int:
        """The accesses that are loads of single words, a bit each."""
        return sum(1 << ordinal for ordinal in self.load_ordinals if ordinal is not None)


@dataclass(frozen=True, slots=True)
class Passage(Generic[Operation]):
    """A block that runs, and how.

    Attributes:
        block: The block.
        same_bank: The accesses that mostly use the same bank of memory as the access before, a
            bit each.
    """

    block: PipelineBlock[Operation]
    same_bank: int = 0


class EdgeCost(NamedTuple):
    """What going from one block to the next costs.

    Attributes:
        cycles: Of the block that is entered, without memory.
        misprediction: What is added where the branch between them was mispredicted.
    """

    cycles: float
    misprediction: float


class EdgeModel(CoreModel, Generic[Operation]):
    """A core whose pipeline is still busy with one block when it enters the next.

    So prices belong to the edges between blocks: cycles are the sum over edges of count times
    cost.
    """

    @abstractmethod
    def block(self, instructions: Sequence[Any]) -> PipelineBlock[Operation]:
        """Decodes a block.

        Args:
            instructions: Of the block, decoded by capstone with details.
        """

    @abstractmethod
    def edge_cost(self, path: Sequence[Passage[Operation]]) -> EdgeCost:
        """Prices the last block of a path.

        Args:
            path: One to three blocks that ran in this order.
        """


class MemoryModel(ABC):
    """What memories add to the cycles of a core."""

    version: ClassVar[int]
    """Rises with every change of what is counted."""

    @property
    @abstractmethod
    def identity(self) -> str:
        """Version and parameters, as table keys hold them."""
