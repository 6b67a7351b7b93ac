"""Reset and clock control of the STM32F4 (RM0390, chapter "Reset and clock control")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

from hwnas.errors import BoardError
from hwnas.virtual.chips._stm32_rcc import CFGR, CR, HSI_HZ, Oscillator, Stm32Rcc

PLLCFGR: Final = 0x04
AHB1ENR: Final = 0x30
APB1ENR: Final = 0x40
CSR: Final = 0x74

_HSI: Final = Oscillator(on=1 << 0, ready=1 << 1)
FROM_HSE: Final = 1 << 22
"""The bit of PLLCFGR that puts the PLL on HSE in place of HSI."""


class Rcc(Stm32Rcc):
    """See :class:`Stm32Rcc`. HSE is not modelled, since the firmware does without it.

    Attributes:
        LEAST_PLL_MHZ: Slowest that the PLL's own oscillator runs.
    """

    PLLCFGR: ClassVar[int] = PLLCFGR
    CSR: ClassVar[int] = CSR
    PLL: ClassVar[int] = 2
    # The PLL's output R, number 3, is not modelled as a source.
    SOURCES: ClassVar[Mapping[int, Oscillator]] = {
        0: _HSI,
        PLL: Oscillator(on=1 << 24, ready=1 << 25),
    }
    READY_BITS: ClassVar[int] = 1 << 1 | 1 << 17 | 1 << 25 | 1 << 27 | 1 << 29
    # RM0390, "RCC clock control & status register": PORRSTF and BORRSTF; RMVF.
    POWER_RESETS: ClassVar[int] = 1 << 27 | 1 << 25
    REMOVE_FLAGS: ClassVar[int] = 1 << 24
    # RCC_PLLVCO_* in ST's headers; the STM32F446 alone would go down to 100 MHz.
    LEAST_PLL_MHZ: ClassVar[int] = 192
    RESET_VALUES: ClassVar[Mapping[int, int]] = {
        CR: 0x83,
        PLLCFGR: 0x2400_3010,
        CFGR: 0,
        0x0C: 0,
        0x10: 0,
        0x14: 0,
        0x18: 0,
        0x20: 0,
        0x24: 0,
        AHB1ENR: 0x10_0000,
        0x34: 0,
        0x38: 0,
        APB1ENR: 0,
        0x44: 0,
        0x70: 0,
        CSR: 0x0E00_0000,
    }

    def store(self, offset: int, value: int) -> None:
        """Keeps what the hardware lets be changed."""
        if offset == CR and self.core_on_pll:
            # Nor can the oscillator under the core's PLL be switched off.
            value |= _HSI.on
        super().store(offset, value)

    @property
    def pll_hz(self) -> int:
        """Frequency of the PLL's output P, in hertz; see :class:`Stm32Rcc`."""
        source = self.pll_source_hz
        value = self.registers[PLLCFGR]
        divider, factor = value & 0x3F, value >> 6 & 0x1FF
        if divider < 2 or not 50 <= factor <= 432:
            raise BoardError(
                f"RCC: PLL settings M {divider} and N {factor} are outside 2 to 63 and 50 to 432"
            )
        reference = source / divider
        oscillator = reference * factor
        least = self.LEAST_PLL_MHZ
        if not (0.95e6 <= reference <= 2.1e6 and least * 1e6 <= oscillator <= 432e6):
            raise BoardError(
                f"RCC: the PLL cannot run at {oscillator / 1e6:g} MHz from "
                f"{reference / 1e6:g} MHz ({least} to 432 from 0.95 to 2.1)"
            )
        return int(oscillator) // (2 * (value >> 16 & 3) + 2)

    @property
    def pll_source_hz(self) -> int:
        """Frequency of what the PLL runs from, in hertz.

        Raises:
            BoardError: It does not run.
        """
        if self.registers[PLLCFGR] & FROM_HSE:
            raise BoardError("RCC: the PLL is to run from HSE, which is not modelled")
        return HSI_HZ

    @property
    def pclk1_hz(self) -> int:
        """Frequency of the bus APB1, in hertz."""
        return self.bus_hz(10)

    @property
    def pclk2_hz(self) -> int:
        """Frequency of the bus APB2, in hertz."""
        return self.bus_hz(13)
