"""Flash controller of STM32L4 and L4+ (RM0351, chapter "Embedded flash memory")."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar, Final

from hwnas.errors import BoardError
from hwnas.virtual.peripherals._base import RegisterFile

ACR: Final = 0x00
_DATA_CACHE_RESET, _INSTRUCTION_CACHE_RESET = 1 << 12, 1 << 11
_DATA_CACHE_ON, _INSTRUCTION_CACHE_ON = 1 << 10, 1 << 9


class FlashController(RegisterFile):
    """Latency and caches; programming is not modelled.

    Args:
        base: Address of the first register.
        invalidate: Empties the caches: (instructions, data).
    """

    RESET_VALUES: ClassVar[Mapping[int, int]] = {ACR: 0x600, 0x10: 0, 0x14: 0xC000_0000}

    def __init__(self, base: int, invalidate: Callable[[bool, bool], None]) -> None:
        super().__init__("FLASH", base)
        self._invalidate = invalidate

    @property
    def wait_states(self) -> int:
        """Wait states of a read."""
        # The L4 keeps bit 3 at zero, so one that is set there is wrong anyway.
        return self.registers[ACR] & 0xF

    @property
    def caches_on(self) -> bool:
        """Whether both caches are on."""
        on = _DATA_CACHE_ON | _INSTRUCTION_CACHE_ON
        return self.registers[ACR] & on == on

    def store(self, offset: int, value: int) -> None:
        """Takes the access control register; others cannot be written."""
        if offset != ACR:
            raise BoardError("FLASH: programming the flash is not modelled")
        instructions = bool(value & _INSTRUCTION_CACHE_RESET)
        data = bool(value & _DATA_CACHE_RESET)
        if instructions or data:
            self._invalidate(instructions, data)
        super().store(offset, value)
