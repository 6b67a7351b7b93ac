"""Reset and clock control of the STM32F7 (RM0410, chapter "Reset and clock control")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

from hwnas.errors import BoardError
from hwnas.virtual.chips._stm32_rcc import CFGR, CR, HSI_HZ
from hwnas.virtual.chips.stm32f4._rcc import FROM_HSE, PLLCFGR
from hwnas.virtual.chips.stm32f4._rcc import Rcc as Stm32F4Rcc

DCKCFGR2: Final = 0x90
_HSE_ON, _HSE_READY, _HSE_BYPASSED = 1 << 16, 1 << 17, 1 << 18


class Rcc(Stm32F4Rcc):
    """As that of the STM32F4, with HSE under its PLL, and clocks of their own for serial lines.

    Args:
        base: Address of the first register.
        external_hz: Clock that the board feeds into HSE, bypassed; ``None`` where there is none.
    """

    LEAST_PLL_MHZ: ClassVar[int] = 100
    RESET_VALUES: ClassVar[Mapping[int, int]] = {**Stm32F4Rcc.RESET_VALUES, 0x8C: 0, DCKCFGR2: 0}

    def __init__(self, base: int, external_hz: int | None) -> None:
        self._external_hz = external_hz
        super().__init__(base)

    def load(self, offset: int) -> int:
        """Registers with status bits show them; others read back."""
        value = super().load(offset)
        return value | _HSE_READY if offset == CR and self.hse_hz is not None else value

    def store(self, offset: int, value: int) -> None:
        """Keeps what the hardware lets be changed."""
        if offset == CR:
            before = self.registers[CR]
            if self.core_on_pll and self.registers[PLLCFGR] & FROM_HSE:
                # Nor can the clock under the core's PLL be switched off.
                value |= _HSE_ON
            if before & _HSE_ON:
                # The bypass can be changed only while HSE is off.
                value = value & ~_HSE_BYPASSED | before & _HSE_BYPASSED
        if offset == CFGR and value & 3 == 1:
            raise BoardError("RCC: the core is to run from HSE itself, which is not modelled")
        super().store(offset, value)

    @property
    def hse_hz(self) -> int | None:
        """Frequency of HSE; without a crystal, only a clock that the board feeds can drive it."""
        both = _HSE_ON | _HSE_BYPASSED
        return self._external_hz if self.registers[CR] & both == both else None

    @property
    def pll_source_hz(self) -> int:
        """Frequency of what the PLL runs from, in hertz.

        Raises:
            BoardError: It does not run.
        """
        if not self.registers[PLLCFGR] & FROM_HSE:
            return HSI_HZ
        if self.hse_hz is None:
            raise BoardError("RCC: the PLL is to run from HSE, which does not run")
        return self.hse_hz

    @property
    def usart3_hz(self) -> int:
        """Frequency of USART3's own clock, in hertz.

        Raises:
            BoardError: It is the LSE, which is not modelled.
        """
        return self.kernel_hz("USART3", self.registers[DCKCFGR2] >> 4 & 3)
