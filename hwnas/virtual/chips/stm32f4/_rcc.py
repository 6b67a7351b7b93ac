"""Reset and clock control of the STM32F4 (RM0390, chapter "Reset and clock control")."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntFlag
from typing import ClassVar, Final

from hwnas.errors import BoardError
from hwnas.virtual.peripherals._base import RegisterFile

CR: Final = 0x00
PLLCFGR: Final = 0x04
CFGR: Final = 0x08
AHB1ENR: Final = 0x30
APB1ENR: Final = 0x40
CSR: Final = 0x74

_HSI_HZ: Final = 16_000_000
_HSI, _HSE, _PLL = range(3)
_HSI_ON, _PLL_ON = 1 << 0, 1 << 24
_READY: Final = {_HSI_ON: 1 << 1, _PLL_ON: 1 << 25}
"""Ready bits of RCC_CR by their enable bits. HSE and the other PLLs are not modelled, since the
firmware does without them: those never get ready."""
_ALL_READY: Final = 1 << 1 | 1 << 17 | 1 << 25 | 1 << 27 | 1 << 29
_LSI_ON, _LSI_READY = 1 << 0, 1 << 1
_REMOVE_FLAGS: Final = 1 << 24
_RESET_FLAGS: Final = 0xFE << 24


class ResetFlag(IntFlag):
    """Flags of RCC_CSR, RM0390 "RCC clock control & status register"."""

    BROWN_OUT = 1 << 25
    PIN = 1 << 26
    POWER_ON = 1 << 27
    SOFTWARE = 1 << 28


class Rcc(RegisterFile):
    """The clock tree: oscillators that get ready at once, the PLL, and the bus prescalers.

    Args:
        base: Address of the first register.
    """

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

    def __init__(self, base: int) -> None:
        super().__init__("RCC", base)

    def reset(self) -> None:
        """Gives all registers their reset values; reset flags stay until the code removes them."""
        before = self.registers.get(CSR, self.RESET_VALUES[CSR])
        super().reset()
        self.registers[CSR] = self.registers[CSR] & ~_RESET_FLAGS | before & _RESET_FLAGS
        self._source = _HSI

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
        if offset == PLLCFGR and self.pll_on:
            return
        if offset == CSR:
            value = value & ~_RESET_FLAGS & ~_REMOVE_FLAGS | (
                0 if value & _REMOVE_FLAGS else self.registers[CSR] & _RESET_FLAGS
            )
        if offset == CR:
            # What the core runs from cannot be switched off, nor the oscillator under the PLL.
            value |= self._enable_of(self._source)
            if self._source == _PLL:
                value |= _HSI_ON
        super().store(offset, value)
        wanted = self.registers[CFGR] & 3
        if self.registers[CR] & self._enable_of(wanted):
            self._source = wanted

    @property
    def pll_on(self) -> bool:
        """Whether the PLL is switched on."""
        return bool(self.registers[CR] & _PLL_ON)

    @property
    def core_on_pll(self) -> bool:
        """Whether the core runs from the PLL."""
        return self._source == _PLL

    @property
    def pll_hz(self) -> int:
        """Frequency of the PLL's output P, in hertz.

        Raises:
            BoardError: It is outside of what the chips of the family allow.
        """
        value = self.registers[PLLCFGR]
        if value >> 22 & 1:
            raise BoardError("RCC: the PLL is to run from HSE, which is not modelled")
        divider, factor = value & 0x3F, value >> 6 & 0x1FF
        if divider < 2 or not 50 <= factor <= 432:
            raise BoardError(
                f"RCC: PLL settings M {divider} and N {factor} are outside 2 to 63 and 50 to 432"
            )
        reference = _HSI_HZ / divider
        oscillator = reference * factor
        # RCC_PLLVCO_* in ST's headers; the STM32F446 alone would go down to 100 MHz.
        if not (0.95e6 <= reference <= 2.1e6 and 192e6 <= oscillator <= 432e6):
            raise BoardError(
                f"RCC: the PLL cannot run at {oscillator / 1e6:g} MHz from "
                f"{reference / 1e6:g} MHz (192 to 432 from 0.95 to 2.1)"
            )
        return int(oscillator) // (2 * (value >> 16 & 3) + 2)

    @property
    def hclk_hz(self) -> int:
        """Frequency of core, memory and DWT, in hertz."""
        code = self.registers[CFGR] >> 4 & 0xF
        shift = 0 if code < 8 else (1, 2, 3, 4, 6, 7, 8, 9)[code - 8]
        return (self.pll_hz if self.core_on_pll else _HSI_HZ) >> shift

    @property
    def pclk1_hz(self) -> int:
        """Frequency of the bus APB1, in hertz."""
        return self._bus_hz(10)

    @property
    def pclk2_hz(self) -> int:
        """Frequency of the bus APB2, in hertz."""
        return self._bus_hz(13)

    def is_on(self, register: int, bit: int) -> bool:
        """Whether an enable bit is set."""
        return bool(self.registers[register] >> bit & 1)

    def _bus_hz(self, position: int) -> int:
        code = self.registers[CFGR] >> position & 7
        return self.hclk_hz >> max(0, code - 3)

    @staticmethod
    def _enable_of(source: int) -> int:
        # HSE is never ready, so never a source; nor is the PLL's output R (3) modelled as one.
        return {_HSI: _HSI_ON, _PLL: _PLL_ON}.get(source, 0)
