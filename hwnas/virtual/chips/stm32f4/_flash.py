"""Flash controller of the STM32F4 (RM0390, chapter "Embedded flash memory interface")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

from hwnas.errors import BoardError
from hwnas.virtual.chips._stm32_flash import (
    ACR,
    DATA_CACHE_ON,
    DATA_CACHE_RESET,
    INSTRUCTION_CACHE_ON,
    INSTRUCTION_CACHE_RESET,
    CachedStm32Flash,
)

_PREFETCH_ON: Final = 1 << 8


class FlashController(CachedStm32Flash):
    """Latency, prefetch and caches; programming is not modelled."""

    RESET_VALUES: ClassVar[Mapping[int, int]] = {ACR: 0, 0x0C: 0, 0x10: 0x8000_0000}

    @property
    def prefetch_on(self) -> bool:
        """Whether the next line of instructions is fetched ahead."""
        return bool(self.registers[ACR] & _PREFETCH_ON)

    def store(self, offset: int, value: int) -> None:
        """Takes the access control register; others cannot be written.

        Raises:
            BoardError: A cache is reset while it is on, or the flash is to be programmed.
        """
        before = self.registers[ACR]
        if offset == ACR and (
            (value & INSTRUCTION_CACHE_RESET and before & INSTRUCTION_CACHE_ON)
            or (value & DATA_CACHE_RESET and before & DATA_CACHE_ON)
        ):
            raise BoardError("FLASH: a cache can be reset only while it is off")
        super().store(offset, value)
