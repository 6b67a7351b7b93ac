"""Reset and clock control, as far as it is the same in the families of STM32 chips."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Final, NamedTuple

from hwnas.errors import BoardError
from hwnas.virtual.chips._base import ResetCause
from hwnas.virtual.peripherals import RegisterFile

CR: Final = 0x00
CFGR: Final = 0x08
HSI_HZ: Final = 16_000_000
"""The oscillator HSI, HSI16 in some families."""
_PLL_ON: Final = 1 << 24
_LSI_ON, _LSI_READY = 1 << 0, 1 << 1
_RESET_FLAGS: Final = 0xFF << 24
_PIN_RESET, _SOFTWARE_RESET = 1 << 26, 1 << 28
_CORE_PRESCALER_SHIFTS: Final = (*8 * (0,), 1, 2, 3, 4, 6, 7, 8, 9)
_BUS_PRESCALER_SHIFTS: Final = (*4 * (0,), 1, 2, 3, 4)


class Oscillator(NamedTuple):
    """An oscillator, or a PLL, by its bits in CR.

    Attributes:
        on: The bit that switches it on.
        ready: The bit that tells that it runs.
    """

    on: int
    ready: int


class Stm32Rcc(RegisterFile):
    """The clock tree: oscillators that get ready at once, the PLL, and the bus prescalers.

    Args:
        base: Address of the first register.

    Attributes:
        PLLCFGR: Offset of the PLL's configuration register.
        CSR: Offset of the control and status register.
        SOURCES: What the core can run from, by its number in CFGR; it starts from number 0. Others
            are not modelled, and never get ready.
        PLL: Number of the PLL among them.
        READY_BITS: All ready bits of CR, of what is modelled and what is not.
        PLL_OUTPUTS: Bits of PLLCFGR that can be changed while the PLL runs.
        POWER_RESETS: Flags of CSR that a power-on sets, besides that of the pin.
        REMOVE_FLAGS: The bit of CSR that removes its flags.
    """

    PLLCFGR: ClassVar[int]
    CSR: ClassVar[int]
    SOURCES: ClassVar[Mapping[int, Oscillator]]
    PLL: ClassVar[int]
    READY_BITS: ClassVar[int]
    PLL_OUTPUTS: ClassVar[int] = 0
    POWER_RESETS: ClassVar[int]
    REMOVE_FLAGS: ClassVar[int]

    def __init__(self, base: int) -> None:
        super().__init__("RCC", base)

    def reset(self) -> None:
        """Gives all registers their reset values; reset flags stay until the code removes them."""
        before = self.registers.get(self.CSR, self.RESET_VALUES[self.CSR])
        super().reset()
        self.registers[self.CSR] = self.registers[self.CSR] & ~_RESET_FLAGS | before & _RESET_FLAGS
        self.source = 0

    def tell_cause(self, cause: ResetCause) -> None:
        """Adds reset flags; the pin is pulled down in every kind of reset."""
        flag = self.POWER_RESETS if cause is ResetCause.POWER_ON else _SOFTWARE_RESET
        self.registers[self.CSR] |= flag | _PIN_RESET

    def load(self, offset: int) -> int:
        """Registers with status bits show them; others read back."""
        value = super().load(offset)
        if offset == CR:
            ready = sum(source.ready for source in self.SOURCES.values() if value & source.on)
            return value & ~self.READY_BITS | ready
        if offset == CFGR:
            return value & ~0xC | self.source << 2
        if offset == self.CSR:
            return value & ~_LSI_READY | (_LSI_READY if value & _LSI_ON else 0)
        return value

    def store(self, offset: int, value: int) -> None:
        """Keeps what the hardware lets be changed."""
        if offset == self.PLLCFGR and self.pll_on:
            value = self.registers[offset] & ~self.PLL_OUTPUTS | value & self.PLL_OUTPUTS
        if offset == self.CSR:
            kept = 0 if value & self.REMOVE_FLAGS else self.registers[offset] & _RESET_FLAGS
            value = value & ~_RESET_FLAGS | kept
        if offset == CR:
            # What the core runs from cannot be switched off.
            value |= self.SOURCES[self.source].on
        super().store(offset, value)
        wanted = self.registers[CFGR] & 3
        if wanted in self.SOURCES and self.registers[CR] & self.SOURCES[wanted].on:
            self.source = wanted

    @property
    def pll_on(self) -> bool:
        """Whether the PLL is switched on."""
        return bool(self.registers[CR] & _PLL_ON)

    @property
    def core_on_pll(self) -> bool:
        """Whether the core runs from the PLL."""
        return self.source == self.PLL

    @property
    @abstractmethod
    def pll_hz(self) -> int:
        """Frequency of the PLL's output to the core, in hertz.

        Raises:
            BoardError: It has no source, or is outside of what the chip allows.
        """

    @property
    def sysclk_hz(self) -> int:
        """Frequency of SYSCLK, in hertz."""
        return self.pll_hz if self.core_on_pll else HSI_HZ

    @property
    def hclk_hz(self) -> int:
        """Frequency of core, memory and DWT, in hertz."""
        return self.sysclk_hz >> _CORE_PRESCALER_SHIFTS[self.registers[CFGR] >> 4 & 0xF]

    @property
    @abstractmethod
    def pclk1_hz(self) -> int:
        """Frequency of the bus APB1, in hertz."""

    def bus_hz(self, position: int) -> int:
        """Frequency of a bus whose prescaler begins at a bit of CFGR, in hertz."""
        return self.hclk_hz >> _BUS_PRESCALER_SHIFTS[self.registers[CFGR] >> position & 7]

    def kernel_hz(self, name: str, selected: int) -> int:
        """Frequency of the clock that a UART selects for itself, in hertz.

        Raises:
            BoardError: It is the LSE, which is not modelled.
        """
        match selected:
            case 0:
                return self.pclk1_hz
            case 1:
                return self.sysclk_hz
            case 2:
                return HSI_HZ
            case _:
                raise BoardError(f"RCC: {name} is to run from the LSE, which is not modelled")

    def is_on(self, register: int, bit: int) -> bool:
        """Whether an enable bit is set."""
        return bool(self.registers[register] >> bit & 1)
