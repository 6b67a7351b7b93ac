"""Flash controller of the STM32F4 (RM0390, chapter "Embedded flash memory interface")."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar, Final

from hwnas.errors import BoardError
from hwnas.virtual.peripherals._base import RegisterFile

ACR: Final = 0x00
_PREFETCH_ON, _INSTRUCTION_CACHE_ON, _DATA_CACHE_ON = 1 << 8, 1 << 9, 1 << 10
_INSTRUCTION_CACHE_RESET, _DATA_CACHE_RESET = 1 << 11, 1 << 12


class FlashController(RegisterFile):
    """Latency, prefetch and caches; programming is not modelled.

    Args:
        base: Address of the first register.
        invalidate: Empties the caches: (instructions, data).
    """

    RESET_VALUES: ClassVar[Mapping[int, int]] = {ACR: 0, 0x0C: 0, 0x10: 0x8000_0000}

    def __init__(self, base: int, invalidate: Callable[[bool, bool], None]) -> None:
        super().__init__("FLASH", base)
        self._invalidate = invalidate

    @property
    def wait_states(self) -> int:
        """Wait states of a read."""
        return self.registers[ACR] & 0xF

    @property
    def caches_on(self) -> bool:
        """Whether both caches are on."""
        on = _DATA_CACHE_ON | _INSTRUCTION_CACHE_ON
        return self.registers[ACR] & on == on

    @property
    def prefetch_on(self) -> bool:
        """Whether the next line of instructions is fetched ahead."""
        return bool(self.registers[ACR] & _PREFETCH_ON)

    def store(self, offset: int, value: int) -> None:
        """Takes the access control register; others cannot be written."""
        if offset != ACR:
            raise BoardError("FLASH: programming the flash is not modelled")
        instructions = bool(value & _INSTRUCTION_CACHE_RESET)
        data = bool(value & _DATA_CACHE_RESET)
        before = self.registers[ACR]
        if (instructions and before & _INSTRUCTION_CACHE_ON) or (data and before & _DATA_CACHE_ON):
            raise BoardError("FLASH: a cache can be reset only while it is off")
        if instructions or data:
            self._invalidate(instructions, data)
        super().store(offset, value)
