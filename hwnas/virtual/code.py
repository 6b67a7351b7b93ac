"""The code of an image, block by block: decoded once, priced once."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import capstone

from hwnas.errors import BoardError
from hwnas.virtual.timing import BlockCost, CoreModel


class BlockPrices:
    """Prices the blocks of one image under one core model, each once.

    Args:
        base: Address of the code.
        code: The code.
        core: The core's model.
    """

    def __init__(self, base: int, code: bytes, core: CoreModel) -> None:
        self._base = base
        self._code = code
        self._core = core
        self._decoder = decoder()
        self._prices: dict[tuple[int, int], BlockCost] = {}

    def price(self, address: int, size: int) -> BlockCost:
        """What one execution of a block costs.

        Args:
            address: Of the block.
            size: Of the block, in bytes.

        Raises:
            BoardError: The bytes there are no instructions.
        """
        known = self._prices.get((address, size))
        if known is None:
            known = self._core.block_cost(self._decode(address, size))
            self._prices[address, size] = known
        return known

    def _decode(self, address: int, size: int) -> list[Any]:
        start = address - self._base
        instructions = list(self._decoder.disasm(self._code[start : start + size], address))
        if sum(instruction.size for instruction in instructions) != size:
            raise BoardError(
                f"the {size} bytes of code at {address:#010x} ran, but cannot be decoded"
            )
        return instructions


def decoder() -> Any:
    """A decoder of Thumb-2 code that tells operands and registers."""
    made = capstone.Cs(capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS)
    made.detail = True
    return made


@lru_cache(maxsize=8)
def block_prices(base: int, code: bytes, core: type[CoreModel]) -> BlockPrices:
    """The prices that all boards of this process share which run the same code."""
    return BlockPrices(base, code, core())
