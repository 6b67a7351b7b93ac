"""Reset and clock control of the STM32L4 (RM0351, chapter "Reset and clock control")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

from hwnas.errors import BoardError
from hwnas.virtual.chips._stm32_rcc import CFGR, CR, HSI_HZ, Oscillator, Stm32Rcc

PLLCFGR: Final = 0x0C
AHB2ENR: Final = 0x4C
APB1ENR1: Final = 0x58
APB1ENR2: Final = 0x5C
CCIPR: Final = 0x88
CSR: Final = 0x94
CRRCR: Final = 0x98
CCIPR2: Final = 0x9C

_MSI_HZ: Final = tuple(round(mhz * 1e6) for mhz in (0.1, 0.2, 0.4, 0.8, 1, 2, 4, 8, 16, 24, 32, 48))
_MSI, _HSI16, _PLL = 0, 1, 3


class Rcc(Stm32Rcc):
    """See :class:`Stm32Rcc`. The board has no HSE crystal (UM2179).

    Attributes:
        PLL_M_MASK: Of the field PLLM, which is wider in later chips.
    """

    PLL_M_MASK: ClassVar[int] = 7
    PLLCFGR: ClassVar[int] = PLLCFGR
    CSR: ClassVar[int] = CSR
    PLL: ClassVar[int] = _PLL
    SOURCES: ClassVar[Mapping[int, Oscillator]] = {
        _MSI: Oscillator(on=1 << 0, ready=1 << 1),
        _HSI16: Oscillator(on=1 << 8, ready=1 << 10),
        _PLL: Oscillator(on=1 << 24, ready=1 << 25),
    }
    READY_BITS: ClassVar[int] = 1 << 1 | 1 << 10 | 1 << 17 | 1 << 25 | 1 << 27 | 1 << 29
    PLL_OUTPUTS: ClassVar[int] = 1 << 16 | 1 << 20 | 1 << 24
    # RM0351, "Control/status register": BORRSTF; RMVF.
    POWER_RESETS: ClassVar[int] = 1 << 27
    REMOVE_FLAGS: ClassVar[int] = 1 << 23
    RESET_VALUES: ClassVar[Mapping[int, int]] = {
        CR: 0x63,
        0x04: 0x1000_0000,
        CFGR: 0,
        PLLCFGR: 0x1000,
        0x10: 0x1000,
        0x14: 0x1000,
        0x18: 0,
        0x1C: 0,
        0x20: 0,
        0x28: 0,
        0x2C: 0,
        0x30: 0,
        0x38: 0,
        0x3C: 0,
        0x40: 0,
        0x48: 0x100,
        AHB2ENR: 0,
        0x50: 0,
        APB1ENR1: 0x400,
        APB1ENR2: 0,
        0x60: 0,
        CCIPR: 0,
        0x90: 0,
        CSR: 0x0C00_0600,
    }

    @property
    def msi_hz(self) -> int:
        """Frequency of the MSI oscillator, in hertz."""
        control = self.registers[CR]
        selected = control >> 4 if control & 8 else self.registers[CSR] >> 8
        index = selected & 0xF
        if index >= len(_MSI_HZ):
            raise BoardError(f"RCC: MSI range {index} is reserved")
        return _MSI_HZ[index]

    @property
    def pll_hz(self) -> int:
        """Frequency of the PLL's output R, in hertz; see :class:`Stm32Rcc`."""
        value = self.registers[PLLCFGR]
        if not value & 1 << 24:
            raise BoardError("RCC: the core is to run from the PLL, whose output R is off")
        sources = {1: self.msi_hz, 2: HSI_HZ}
        if value & 3 not in sources:
            raise BoardError(f"RCC: PLL source {value & 3} does not run on this board")
        reference = sources[value & 3] // ((value >> 4 & self.PLL_M_MASK) + 1)
        oscillator = reference * (value >> 8 & 0x7F)
        # DS11585, "PLL characteristics", voltage range 1.
        if not (4e6 <= reference <= 16e6 and 64e6 <= oscillator <= 344e6):
            raise BoardError(
                f"RCC: the PLL cannot run at {oscillator / 1e6:g} MHz from "
                f"{reference / 1e6:g} MHz (64 to 344 from 4 to 16)"
            )
        return oscillator // (2 * (value >> 25 & 3) + 2)

    @property
    def sysclk_hz(self) -> int:
        """Frequency of SYSCLK, in hertz."""
        return self.msi_hz if self.source == _MSI else super().sysclk_hz

    @property
    def pclk1_hz(self) -> int:
        """Frequency of the bus APB1, in hertz."""
        return self.bus_hz(8)

    @property
    def lpuart1_hz(self) -> int:
        """Frequency of LPUART1's kernel clock, in hertz.

        Raises:
            BoardError: It is the LSE, which is not modelled.
        """
        return self.kernel_hz("LPUART1", self.registers[CCIPR] >> 10 & 3)


class RccPlus(Rcc):
    """That of the L4+; its PLL can divide its source by up to 16."""

    PLL_M_MASK: ClassVar[int] = 15
    RESET_VALUES: ClassVar[Mapping[int, int]] = {**Rcc.RESET_VALUES, CRRCR: 0, CCIPR2: 0}
