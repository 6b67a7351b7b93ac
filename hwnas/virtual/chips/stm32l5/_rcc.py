"""Reset and clock control of the STM32L5 (RM0438, chapter of that name)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

from hwnas.virtual.chips.stm32l4._rcc import APB1ENR1, RccPlus

_ICSCR: Final = 0x04


class Rcc(RccPlus):
    """The clock tree, which is that of the STM32L4+.

    ST's drivers hold the PLL within the same limits: 64 to 344 MHz from 4 to 16 MHz.
    """

    RESET_VALUES: ClassVar[Mapping[int, int]] = {
        **RccPlus.RESET_VALUES,
        _ICSCR: 0x4000_0000,
        APB1ENR1: 0,
    }
