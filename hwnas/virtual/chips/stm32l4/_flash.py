"""Flash controller of STM32L4 and L4+ (RM0351, chapter "Embedded flash memory")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from hwnas.virtual.chips._stm32_flash import ACR, CachedStm32Flash


class FlashController(CachedStm32Flash):
    """Latency and caches; programming is not modelled."""

    RESET_VALUES: ClassVar[Mapping[int, int]] = {ACR: 0x600, 0x10: 0, 0x14: 0xC000_0000}
