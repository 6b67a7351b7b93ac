"""The code of an image, block by block: decoded once, priced once."""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import capstone

from hwnas.errors import BoardError
from hwnas.virtual.accesses import walk
from hwnas.virtual.collector import Collector
from hwnas.virtual.kept import Kept, file_for
from hwnas.virtual.timing import BlockCost, BlockModel, EdgeCost, EdgeModel, Passage, PipelineBlock

Item = TypeVar("Item", bound="tuple[Any, ...] | list[Any]")
Where = tuple[int, int]
"""A block: its address and its size in bytes."""
PathKey = tuple[tuple[Where, int], ...]
"""Blocks that ran in this order, and which of their accesses use the bank of the one before."""


class Code:
    """Decodes blocks of one image.

    Args:
        base: Address of the code.
        code: The code.
    """

    def __init__(self, base: int, code: bytes) -> None:
        self._base = base
        self._code = code

    def decode(self, address: int, size: int) -> list[Any]:
        """The instructions of a block, with details.

        Args:
            address: Of the block.
            size: Of the block, in bytes.

        Raises:
            BoardError: The bytes there are no instructions.
        """
        start = address - self._base
        instructions = list(_OF_THREAD.decoder.disasm(self._code[start : start + size], address))
        if sum(instruction.size for instruction in instructions) != size:
            raise BoardError(
                f"the {size} bytes of code at {address:#010x} ran, but cannot be decoded"
            )
        return instructions


class ByBlock(Kept[Where, Item]):
    """What is worked out of each block of one image, once.

    Items are tuples, or lists, of what JSON can hold.

    Args:
        base: Address of the code.
        code: The code.
        file: Where it is kept.
    """

    def __init__(self, base: int, code: bytes, file: Path | None = None) -> None:
        super().__init__(file)
        self._code = Code(base, code)

    def of(self, address: int, size: int) -> Item:
        """What was worked out of a block.

        Args:
            address: Of the block.
            size: Of the block, in bytes.

        Raises:
            BoardError: The bytes there are no instructions.
        """
        known = self._items.get((address, size))
        if known is None:
            known = self._items[address, size] = self.work_out((address, size))
        return known

    @abstractmethod
    def work_out(self, where: Where) -> Item:
        """Works it out."""

    def key(self, row: list[Any]) -> Where:
        """See :class:`Kept`."""
        address, size, *_ = row
        return address, size

    def row(self, key: Where, item: Item) -> list[Any]:
        """See :class:`Kept`."""
        return [*key, *item]


class BlockPrices(ByBlock[BlockCost]):
    """What one execution of a block costs under a core model.

    Args:
        base: Address of the code.
        code: The code.
        core: The core's model.
        file: Where prices are kept.
    """

    def __init__(self, base: int, code: bytes, core: BlockModel, file: Path | None = None) -> None:
        super().__init__(base, code, file)
        self.core = core

    def work_out(self, where: Where) -> BlockCost:
        """See :class:`ByBlock`."""
        return self.core.block_cost(self._code.decode(*where))

    def item(self, row: list[Any]) -> BlockCost:
        """See :class:`Kept`."""
        return BlockCost(*row[2:])


class BlockFacts(NamedTuple):
    """What has to be known of a block whose price is known already.

    Attributes:
        instructions: Number of instructions.
        load_bits: The accesses that are loads of single words, a bit each.
    """

    instructions: int
    load_bits: int


class PipelineBlocks(ByBlock[BlockFacts]):
    """Facts of blocks, and the blocks as a core's pipeline sees them.

    Args:
        base: Address of the code.
        code: The code.
        core: The core's model.
        file: Where facts are kept.
    """

    def __init__(
        self, base: int, code: bytes, core: EdgeModel[Any], file: Path | None = None
    ) -> None:
        super().__init__(base, code, file)
        self._core = core
        self._blocks: dict[Where, PipelineBlock[Any]] = {}

    def block(self, where: Where) -> PipelineBlock[Any]:
        """A block, decoded.

        Raises:
            BoardError: The bytes there are no instructions.
        """
        known = self._blocks.get(where)
        if known is None:
            known = self._blocks[where] = self._core.block(self._code.decode(*where))
        return known

    def work_out(self, where: Where) -> BlockFacts:
        """See :class:`ByBlock`."""
        block = self.block(where)
        return BlockFacts(len(block.operations), block.load_bits)

    def item(self, row: list[Any]) -> BlockFacts:
        """See :class:`Kept`."""
        return BlockFacts(*row[2:])


class EdgePrices(Kept[PathKey, EdgeCost]):
    """Prices the edges between the blocks of one image under one core model, each once.

    Args:
        blocks: The blocks.
        core: The core's model.
        file: Where prices are kept.
    """

    def __init__(
        self, blocks: PipelineBlocks, core: EdgeModel[Any], file: Path | None = None
    ) -> None:
        super().__init__(file)
        self.blocks = blocks
        self.core = core

    def price(self, path: Sequence[tuple[Where, int]]) -> EdgeCost:
        """What entering the last of some blocks costs, once the others have run.

        Args:
            path: Blocks, and which of their accesses use the same bank as the one before.

        Raises:
            BoardError: The bytes of a block are no instructions.
        """
        key = tuple(path)
        known = self._items.get(key)
        if known is None:
            passages = [Passage(self.blocks.block(where), bank) for where, bank in path]
            known = self._items[key] = self.core.edge_cost(passages)
        return known

    def save(self) -> None:
        """See :class:`Kept`."""
        super().save()
        self.blocks.save()

    def key(self, row: list[Any]) -> PathKey:
        """See :class:`Kept`."""
        return tuple(((address, size), bank) for address, size, bank in row[2:])

    def item(self, row: list[Any]) -> EdgeCost:
        """See :class:`Kept`."""
        return EdgeCost(*row[:2])

    def row(self, key: PathKey, item: EdgeCost) -> list[Any]:
        """See :class:`Kept`."""
        return [*item, *([*where, bank] for where, bank in key)]


class AccessPrograms(ByBlock[list[int]]):
    """The programs of blocks' accesses, empty where a block accesses nothing that is counted.

    Args:
        base: Address of the code.
        code: The code.
        collector: What counts the accesses.
        file: Where programs are kept.
    """

    def __init__(
        self, base: int, code: bytes, collector: type[Collector], file: Path | None = None
    ) -> None:
        super().__init__(base, code, file)
        self._collector = collector

    def work_out(self, where: Where) -> list[int]:
        """See :class:`ByBlock`."""
        # The module that it encodes for takes numba's time to import.
        from hwnas.virtual.accesses._program import encode

        walked = walk(self._code.decode(*where))
        return encode(walked, self._collector.wants, self._collector.compared_accesses)

    def item(self, row: list[Any]) -> list[int]:
        """See :class:`Kept`."""
        return row[2:]


def decoder() -> Any:
    """A decoder of Thumb-2 code that tells operands and registers."""
    made = capstone.Cs(capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS)
    made.detail = True
    return made


class _OfThread(threading.local):
    """A decoder of the thread's own: while it decodes, it remembers the IT block it is in."""

    def __init__(self) -> None:
        self.decoder = decoder()


_OF_THREAD: Final = _OfThread()


@lru_cache(maxsize=8)
def block_prices(base: int, code: bytes, core: type[BlockModel]) -> BlockPrices:
    """The prices that all boards of this process share which run the same code."""
    made = core()
    return BlockPrices(base, code, made, file_for("prices", base, code, made.identity))


@lru_cache(maxsize=8)
def edge_prices(base: int, code: bytes, core: type[EdgeModel[Any]]) -> EdgePrices:
    """The prices that all boards of this process share which run the same code."""
    made = core()
    blocks = PipelineBlocks(base, code, made, file_for("blocks", base, code, made.identity))
    return EdgePrices(blocks, made, file_for("prices", base, code, made.identity))


@lru_cache(maxsize=8)
def access_programs(base: int, code: bytes, collector: type[Collector]) -> AccessPrograms:
    """The programs that all boards of this process share which run the same code."""
    file = file_for("programs", base, code, collector.__name__)
    return AccessPrograms(base, code, collector, file)
