"""Flash controllers, as far as they are the same in the families of STM32 chips."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from hwnas.errors import BoardError
from hwnas.virtual.peripherals import RegisterFile

ACR: Final = 0x00
INSTRUCTION_CACHE_ON, DATA_CACHE_ON = 1 << 9, 1 << 10
INSTRUCTION_CACHE_RESET, DATA_CACHE_RESET = 1 << 11, 1 << 12


class Stm32Flash(RegisterFile):
    """Latency; programming is not modelled.

    Args:
        base: Address of the first register.
    """

    def __init__(self, base: int) -> None:
        super().__init__("FLASH", base)

    @property
    def wait_states(self) -> int:
        """Wait states of a read."""
        # The L4 keeps bit 3 at zero, so one that is set there is wrong anyway.
        return self.registers[ACR] & 0xF

    def store(self, offset: int, value: int) -> None:
        """Takes the access control register; others cannot be written."""
        if offset != ACR:
            raise BoardError("FLASH: programming the flash is not modelled")
        super().store(offset, value)


class CachedStm32Flash(Stm32Flash):
    """One with a cache for instructions and a cache for data.

    Args:
        base: Address of the first register.
        invalidate: Empties the caches: (instructions, data).
    """

    def __init__(self, base: int, invalidate: Callable[[bool, bool], None]) -> None:
        super().__init__(base)
        self._invalidate = invalidate

    @property
    def caches_on(self) -> bool:
        """Whether both caches are on."""
        on = DATA_CACHE_ON | INSTRUCTION_CACHE_ON
        return self.registers[ACR] & on == on

    def store(self, offset: int, value: int) -> None:
        """Takes the access control register, and empties caches."""
        super().store(offset, value)
        instructions = bool(value & INSTRUCTION_CACHE_RESET)
        data = bool(value & DATA_CACHE_RESET)
        if instructions or data:
            self._invalidate(instructions, data)
