"""Reset and clock control of the STM32L4 (RM0351, chapter "Reset and clock control")."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntFlag
from typing import ClassVar, Final

from hwnas.errors import BoardError
from hwnas.virtual.peripherals._base import RegisterFile

CR: Final = 0x00
CFGR: Final = 0x08
PLLCFGR: Final = 0x0C
AHB2ENR: Final = 0x4C
APB1ENR1: Final = 0x58
APB1ENR2: Final = 0x5C
CCIPR: Final = 0x88
CSR: Final = 0x94
CRRCR: Final = 0x98
CCIPR2: Final = 0x9C

_MSI_HZ: Final = tuple(round(mhz * 1e6) for mhz in (0.1, 0.2, 0.4, 0.8, 1, 2, 4, 8, 16, 24, 32, 48))
_HSI16_HZ: Final = 16_000_000
_MSI, _HSI16, _HSE, _PLL = range(4)
_MSI_ON, _HSI_ON, _PLL_ON = 1 << 0, 1 << 8, 1 << 24
_READY: Final = {_MSI_ON: 1 << 1, _HSI_ON: 1 << 10, _PLL_ON: 1 << 25}
"""Ready bits of RCC_CR by their enable bits. The board has no HSE crystal (UM2179), and the
SAI clocks are not modelled: those never get ready."""
_ALL_READY: Final = 1 << 1 | 1 << 10 | 1 << 17 | 1 << 25 | 1 << 27 | 1 << 29
_PLL_OUTPUTS: Final = 1 << 16 | 1 << 20 | 1 << 24
_LSI_ON, _LSI_READY = 1 << 0, 1 << 1
_REMOVE_FLAGS: Final = 1 << 23
_RESET_FLAGS: Final = 0xFF << 24


class ResetFlag(IntFlag):
    """Flags of RCC_CSR, RM0351 "Control/status register"."""

    PIN = 1 << 26
    BROWN_OUT = 1 << 27
    SOFTWARE = 1 << 28


class Rcc(RegisterFile):
    """The clock tree: oscillators that get ready at once, the PLL, and the bus prescalers.

    Args:
        base: Address of the first register.
    """

    PLL_M_MASK: ClassVar[int] = 7
    """Of the field PLLM, which is wider in later chips."""
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

    def __init__(self, base: int) -> None:
        super().__init__("RCC", base)

    def reset(self) -> None:
        """Gives all registers their reset values; reset flags stay until the code removes them."""
        before = self.registers.get(CSR, self.RESET_VALUES[CSR])
        super().reset()
        self.registers[CSR] = self.registers[CSR] & ~_RESET_FLAGS | before & _RESET_FLAGS
        self._source = _MSI

    def tell_cause(self, flags: ResetFlag) -> None:
        """Adds reset flags."""
        self.registers[CSR] |= flags

    def load(self, offset: int) -> int:
        """Registers with status bits show them; others read back."""
        value = super().load(offset)
        if offset == CR:
            ready = sum(bit for enable, bit in _READY.items() if value & enable)
            return value & ~_ALL_READY | ready
        if offset == CFGR:
            return value & ~0xC | self._source << 2
        if offset == CSR:
            return value & ~_LSI_READY | (_LSI_READY if value & _LSI_ON else 0)
        return value

    def store(self, offset: int, value: int) -> None:
        """Keeps what the hardware lets be changed."""
        if offset == PLLCFGR and self.registers[CR] & _PLL_ON:
            # Running, it only lets its outputs be switched.
            value = self.registers[PLLCFGR] & ~_PLL_OUTPUTS | value & _PLL_OUTPUTS
        if offset == CSR:
            value = value & ~_RESET_FLAGS | (
                0 if value & _REMOVE_FLAGS else self.registers[CSR] & _RESET_FLAGS
            )
        if offset == CR and not value & self._enable_of(self._source):
            # The oscillator that the core runs from cannot be switched off.
            value |= self._enable_of(self._source)
        super().store(offset, value)
        wanted = self.registers[CFGR] & 3
        if self.registers[CR] & self._enable_of(wanted):
            self._source = wanted

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
        """Frequency of the PLL's output R, in hertz.

        Raises:
            BoardError: It is off, or outside of what the chip allows.
        """
        value = self.registers[PLLCFGR]
        if not value & 1 << 24:
            raise BoardError("RCC: the core is to run from the PLL, whose output R is off")
        sources = {1: self.msi_hz, 2: _HSI16_HZ}
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
        if self._source == _PLL:
            return self.pll_hz
        return _HSI16_HZ if self._source == _HSI16 else self.msi_hz

    @property
    def hclk_hz(self) -> int:
        """Frequency of core, memory and DWT, in hertz."""
        code = self.registers[CFGR] >> 4 & 0xF
        shift = 0 if code < 8 else (1, 2, 3, 4, 6, 7, 8, 9)[code - 8]
        return self.sysclk_hz >> shift

    @property
    def pclk1_hz(self) -> int:
        """Frequency of the bus APB1, in hertz."""
        code = self.registers[CFGR] >> 8 & 7
        return self.hclk_hz >> max(0, code - 3)

    @property
    def lpuart1_hz(self) -> int:
        """Frequency of LPUART1's kernel clock, in hertz.

        Raises:
            BoardError: It is the LSE, which is not modelled.
        """
        match self.registers[CCIPR] >> 10 & 3:
            case 0:
                return self.pclk1_hz
            case 1:
                return self.sysclk_hz
            case 2:
                return _HSI16_HZ
            case _:
                raise BoardError("RCC: LPUART1 is to run from the LSE, which is not modelled")

    def is_on(self, register: int, bit: int) -> bool:
        """Whether an enable bit is set."""
        return bool(self.registers[register] >> bit & 1)

    @staticmethod
    def _enable_of(source: int) -> int:
        # HSE is never ready, so never a source.
        return (_MSI_ON, _HSI_ON, 0, _PLL_ON)[source]


class RccPlus(Rcc):
    """That of the L4+; its PLL can divide its source by up to 16."""

    PLL_M_MASK: ClassVar[int] = 15
    RESET_VALUES: ClassVar[Mapping[int, int]] = {**Rcc.RESET_VALUES, CRRCR: 0, CCIPR2: 0}
