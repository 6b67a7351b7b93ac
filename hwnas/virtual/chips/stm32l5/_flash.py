"""Flash controller and instruction cache of the STM32L5 (RM0438, chapters of those names)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar, Final

from hwnas.virtual.chips._stm32_flash import ACR, Stm32Flash
from hwnas.virtual.peripherals import RegisterFile

_CR, _SR, _FCR = 0x00, 0x04, 0x0C
_ON, _EMPTY, _TWO_WAYS = 1 << 0, 1 << 1, 1 << 2
_EMPTIED: Final = 1 << 1


class FlashController(Stm32Flash):
    """Latency; programming is not modelled."""

    RESET_VALUES: ClassVar[Mapping[int, int]] = {ACR: 0, 0x20: 0, 0x28: 0xC000_0000}


class InstructionCache(RegisterFile):
    """The cache before the flash, which is emptied at once; remapping is not modelled.

    Args:
        base: Address of the first register.
        invalidate: Empties the caches: (instructions, data).
    """

    RESET_VALUES: ClassVar[Mapping[int, int]] = {_CR: _TWO_WAYS, _SR: 0, 0x08: 0, _FCR: 0}

    def __init__(self, base: int, invalidate: Callable[[bool, bool], None]) -> None:
        super().__init__("ICACHE", base)
        self._invalidate = invalidate

    @property
    def is_on(self) -> bool:
        """Whether it is on, with both ways."""
        on = _ON | _TWO_WAYS
        return self.registers[_CR] & on == on

    def store(self, offset: int, value: int) -> None:
        """Switches or empties it; its ways can be chosen only while it is off."""
        if offset == _FCR:
            self.registers[_SR] &= ~value
        elif offset == _CR:
            if value & _EMPTY:
                self._invalidate(True, True)
                self.registers[_SR] |= _EMPTIED
            if self.registers[_CR] & _ON:
                value = value & ~_TWO_WAYS | self.registers[_CR] & _TWO_WAYS
            super().store(offset, value & ~_EMPTY)
        elif offset != _SR:
            super().store(offset, value)
