"""Power control of the STM32F446 and STM32F469 (RM0390, chapter "Power controller")."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar, Final

from hwnas.errors import BoardError
from hwnas.virtual.chips._stm32_pwr import Stm32Pwr

CR: Final = 0x00
CSR: Final = 0x04
_VOS: Final = 3 << 14
_VOS_READY: Final = 1 << 14
_OVERDRIVE, _OVERDRIVE_SWITCH = 1 << 16, 1 << 17
"""Enable bits in CR; the ready bits stand at the same places in CSR."""


class Pwr(Stm32Pwr):
    """Voltage scaling and over-drive, both done at once, but only in the order that the chip needs.

    Args:
        base: Address of the first register.
        clocked: Tells whether its clock is on.
        pll_on: Tells whether the PLL is on.
        core_on_pll: Tells whether the core runs from the PLL.

    Attributes:
        MOST_MHZ: Most that the core bears at a voltage scale, without and with over-drive; code 3
            is scale 1.
    """

    # Description of VOS in "PWR power control register"; code 0 works as scale 3.
    MOST_MHZ: ClassVar[Mapping[int, tuple[int, int]]] = {
        3: (168, 180),
        2: (144, 168),
        1: (120, 120),
        0: (120, 120),
    }
    RESET_VALUES: ClassVar[Mapping[int, int]] = {CR: 0xC000, CSR: 0}

    def __init__(
        self,
        base: int,
        clocked: Callable[[], bool],
        pll_on: Callable[[], bool],
        core_on_pll: Callable[[], bool],
    ) -> None:
        super().__init__("PWR", base, clocked)
        self._pll_on = pll_on
        self._core_on_pll = core_on_pll

    @property
    def overdrive(self) -> bool:
        """Whether over-drive is enabled and switched to."""
        both = _OVERDRIVE | _OVERDRIVE_SWITCH
        return self.registers[CR] & both == both

    @property
    def most_hz(self) -> int:
        """See :class:`Stm32Pwr`; over-drive counts, too."""
        scale = (self.registers[CR] & _VOS) >> 14
        return self.MOST_MHZ[scale][self.overdrive] * 1_000_000

    def load(self, offset: int) -> int:
        """The status register tells what is ready; a voltage scale is, once the PLL runs."""
        value = super().load(offset)
        if offset == CSR:
            value |= self.registers[CR] & (_OVERDRIVE | _OVERDRIVE_SWITCH)
            value |= _VOS_READY if self._pll_on() else 0
        return value

    def store(self, offset: int, value: int) -> None:
        """Keeps the control register.

        Raises:
            BoardError: The order of steps is one that the chip does not bear.
        """
        if offset != CR:
            return
        before = self.registers[CR]
        changed = before ^ value
        if changed & _VOS and self._pll_on():
            raise BoardError("PWR: the voltage scale can be changed only while the PLL is off")
        if changed & (_OVERDRIVE | _OVERDRIVE_SWITCH) and self._core_on_pll():
            raise BoardError("PWR: over-drive can be changed only while the core runs from HSI")
        if value & _OVERDRIVE_SWITCH and not before & _OVERDRIVE:
            raise BoardError("PWR: the code switches to over-drive before that is ready")
        super().store(offset, value)
