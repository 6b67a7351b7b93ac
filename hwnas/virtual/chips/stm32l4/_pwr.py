"""Power control of the STM32L4 (RM0351, chapter "Power control")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

from hwnas.virtual.peripherals import RegisterFile

CR1: Final = 0x00
CR2: Final = 0x04
CR5: Final = 0x80
_NORMAL_MODE: Final = 1 << 8


class Pwr(RegisterFile):
    """Voltage scaling that is done at once (VOSF of PWR_SR2 reads 0), and the supply of port G."""

    RESET_VALUES: ClassVar[Mapping[int, int]] = {
        CR1: 0x200,
        CR2: 0,
        0x08: 0x8000,
        0x0C: 0,
        0x10: 0,
        0x14: 0,
        0x18: 0,
    }

    def load(self, offset: int) -> int:
        """The status clear register reads as zero, the others read back."""
        return 0 if offset == 0x18 else super().load(offset)

    @property
    def voltage_range(self) -> int:
        """1, or 2 where the core is limited to 26 MHz."""
        return self.registers[CR1] >> 9 & 3

    @property
    def port_g_is_supplied(self) -> bool:
        """Whether VDDIO2 is declared valid (IOSV): without it, PG2 to PG15 stay dead."""
        return bool(self.registers[CR2] & 1 << 9)


class PwrPlus(Pwr):
    """That of the L4+, which has a boost mode in voltage range 1."""

    RESET_VALUES: ClassVar[Mapping[int, int]] = {**Pwr.RESET_VALUES, CR5: _NORMAL_MODE}

    @property
    def boosted(self) -> bool:
        """Whether the boost mode is on: R1MODE is 0."""
        return self.voltage_range == 1 and not self.registers[CR5] & _NORMAL_MODE
