"""Memory controller of the nRF52840 (Product Specification, chapter NVMC)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar, Final

from hwnas.errors import BoardError
from hwnas.virtual.peripherals import RegisterFile

READY: Final = 0x400
CONFIG: Final = 0x504
ICACHECNF: Final = 0x540
_CACHE_ON: Final = 1 << 0


class MemoryController(RegisterFile):
    """The instruction cache's switch; programming is not modelled.

    Args:
        base: Address of the first register.
        invalidate: Empties the caches: (instructions, data).
    """

    size_bytes = 0x1000
    RESET_VALUES: ClassVar[Mapping[int, int]] = {READY: 1, CONFIG: 0, ICACHECNF: 0}

    def __init__(self, base: int, invalidate: Callable[[bool, bool], None]) -> None:
        super().__init__("NVMC", base)
        self._invalidate = invalidate

    @property
    def cache_on(self) -> bool:
        """Whether the instruction cache is on."""
        return bool(self.registers[ICACHECNF] & _CACHE_ON)

    def store(self, offset: int, value: int) -> None:
        """Switches the cache; off also empties it."""
        if offset == CONFIG and value:
            raise BoardError("NVMC: programming the flash is not modelled")
        if offset == READY:
            return
        if offset == ICACHECNF and not value & _CACHE_ON:
            self._invalidate(True, False)
        super().store(offset, value)
