"""Power control of the STM32L4 (RM0351, chapter "Power control")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

from hwnas.virtual.chips._stm32_pwr import Stm32Pwr

CR1: Final = 0x00
CR2: Final = 0x04
CR5: Final = 0x80
_NORMAL_MODE: Final = 1 << 8
_BOOSTED_HZ: Final = 120_000_000
"""ST's stm32l4xx_hal_pwr_ex.c."""


class Pwr(Stm32Pwr):
    """Voltage scaling that is done at once (VOSF of PWR_SR2 reads 0), and the supply of port G.

    Attributes:
        MOST_HZ: Most that the core bears by voltage range.
    """

    # DS11585, "General operating conditions".
    MOST_HZ: ClassVar[Mapping[int, int]] = {1: 80_000_000, 2: 26_000_000}

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
        """A smaller number for a higher voltage."""
        return self.registers[CR1] >> 9 & 3

    @property
    def most_hz(self) -> int:
        """See :class:`Stm32Pwr`."""
        return self.MOST_HZ.get(self.voltage_range, 0)

    @property
    def port_g_is_supplied(self) -> bool:
        """Whether VDDIO2 is declared valid (IOSV): without it, PG2 to PG15 stay dead."""
        return bool(self.registers[CR2] & 1 << 9)


class PwrPlus(Pwr):
    """That of the L4+, which has a boost mode in voltage range 1."""

    RESET_VALUES: ClassVar[Mapping[int, int]] = {**Pwr.RESET_VALUES, CR5: _NORMAL_MODE}

    @property
    def most_hz(self) -> int:
        """See :class:`Stm32Pwr`; the boost mode is on where R1MODE is 0."""
        boosted = self.voltage_range == 1 and not self.registers[CR5] & _NORMAL_MODE
        return _BOOSTED_HZ if boosted else super().most_hz
