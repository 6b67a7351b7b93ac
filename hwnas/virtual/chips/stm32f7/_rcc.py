"""Reset and clock control of the STM32F7 (RM0410, chapter "Reset and clock control")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

from hwnas.errors import BoardError
from hwnas.virtual.chips.stm32f4._rcc import CFGR, CR, PLLCFGR
from hwnas.virtual.chips.stm32f4._rcc import Rcc as Stm32F4Rcc

DCKCFGR2: Final = 0x90
_HSI_HZ: Final = 16_000_000
_HSE_ON, _HSE_READY, _HSE_BYPASSED = 1 << 16, 1 << 17, 1 << 18
_FROM_HSE: Final = 1 << 22


class Rcc(Stm32F4Rcc):
    """As that of the STM32F4, with HSE under its PLL, and clocks of their own for serial lines.

    Args:
        base: Address of the first register.
        external_hz: Clock that the board feeds into HSE, bypassed; ``None`` where there is none.
    """

    RESET_VALUES: ClassVar[Mapping[int, int]] = {**Stm32F4Rcc.RESET_VALUES, 0x8C: 0, DCKCFGR2: 0}

    def __init__(self, base: int, external_hz: int | None) -> None:
        self._external_hz = external_hz
        super().__init__(base)

    def load(self, offset: int) -> int:
        """Registers with status bits show them; others read back."""
        value = super().load(offset)
        return value | _HSE_READY if offset == CR and self.hse_runs else value

    def store(self, offset: int, value: int) -> None:
        """Keeps what the hardware lets be changed."""
        if offset == CR:
            before = self.registers[CR]
            if self.core_on_pll and self.registers[PLLCFGR] & _FROM_HSE:
                # Nor can the clock under the core's PLL be switched off.
                value |= _HSE_ON
            if before & _HSE_ON:
                # The bypass can be changed only while HSE is off.
                value = value & ~_HSE_BYPASSED | before & _HSE_BYPASSED
        if offset == CFGR and value & 3 == 1:
            raise BoardError("RCC: the core is to run from HSE itself, which is not modelled")
        super().store(offset, value)

    @property
    def hse_runs(self) -> bool:
        """Whether HSE is on: without a crystal, only a clock that the board feeds can drive it."""
        both = _HSE_ON | _HSE_BYPASSED
        return self._external_hz is not None and self.registers[CR] & both == both

    @property
    def pll_hz(self) -> int:
        """Frequency of the PLL's output P, in hertz.

        Raises:
            BoardError: It is outside of what the chips of the family allow, or has no source.
        """
        value = self.registers[PLLCFGR]
        source = _HSI_HZ
        if value & _FROM_HSE:
            if self._external_hz is None or not self.hse_runs:
                raise BoardError("RCC: the PLL is to run from HSE, which does not run")
            source = self._external_hz
        divider, factor = value & 0x3F, value >> 6 & 0x1FF
        if divider < 2 or not 50 <= factor <= 432:
            raise BoardError(
                f"RCC: PLL settings M {divider} and N {factor} are outside 2 to 63 and 50 to 432"
            )
        reference = source / divider
        oscillator = reference * factor
        if not (0.95e6 <= reference <= 2.1e6 and 100e6 <= oscillator <= 432e6):
            raise BoardError(
                f"RCC: the PLL cannot run at {oscillator / 1e6:g} MHz from "
                f"{reference / 1e6:g} MHz (100 to 432 from 0.95 to 2.1)"
            )
        return int(oscillator) // (2 * (value >> 16 & 3) + 2)

    @property
    def sysclk_hz(self) -> int:
        """Frequency of SYSCLK, in hertz."""
        return self.pll_hz if self.core_on_pll else _HSI_HZ

    @property
    def usart3_hz(self) -> int:
        """Frequency of USART3's own clock, in hertz.

        Raises:
            BoardError: It is the LSE, which is not modelled.
        """
        match self.registers[DCKCFGR2] >> 4 & 3:
            case 0:
                return self.pclk1_hz
            case 1:
                return self.sysclk_hz
            case 2:
                return _HSI_HZ
            case _:
                raise BoardError("RCC: USART3 is to run from the LSE, which is not modelled")
