"""Power control of the STM32L5 (RM0438, chapter of that name)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from hwnas.virtual.chips.stm32l4._pwr import CR1, CR2
from hwnas.virtual.chips.stm32l4._pwr import Pwr as PwrOfL4


class Pwr(PwrOfL4):
    """Voltage scaling as in the STM32L4, but with a range 0, and starting in range 2."""

    # ST's stm32l5xx_hal_pwr_ex.c and ..._hal_rcc.c.
    MOST_HZ: ClassVar[Mapping[int, int]] = {0: 110_000_000, 1: 80_000_000, 2: 26_000_000}
    RESET_VALUES: ClassVar[Mapping[int, int]] = {
        CR1: 0x400,
        **dict.fromkeys((CR2, 0x08, 0x0C, 0x10, 0x14, 0x18), 0),
    }
