"""The system control space as an image of somebody else's sees it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from hwnas.virtual.peripherals import Peripheral, SystemControl
from hwnas.virtual.peripherals.systick import SysTick

_SYSTICK: Final = range(0x010, 0x020, 4)
_TICK_INTERRUPT: Final = 1 << 1
_ENABLES: Final = range(0x100, 0x140, 4)
_PENDS: Final = range(0x200, 0x240, 4)
_ICSR, _STIR, _CPACR = 0xD04, 0xF00, 0xD88
_PENDING_SETS: Final = {31: "NMI", 28: "PendSV", 26: "SysTick"}
_FPU_ON: Final = 0xF << 20


class GuestControl(Peripheral):
    """Adds SysTick's counter to a core's control space, and tells of interrupts that would come.

    Args:
        scs: The rest of it.
        systick: The counter.
        on_interrupt: Called with what the image switches on or makes pending.
    """

    name = "SCS"

    def __init__(
        self, scs: SystemControl, systick: SysTick, on_interrupt: Callable[[str], None]
    ) -> None:
        self.base = scs.base
        self.size_bytes = scs.size_bytes
        self._scs = scs
        self._systick = systick
        self._on_interrupt = on_interrupt

    @property
    def fpu_on(self) -> bool:
        """Whether CPACR lets code use the FPU."""
        return self._scs.registers[_CPACR] & _FPU_ON == _FPU_ON

    def read(self, offset: int) -> int:
        """See :class:`Peripheral`."""
        if offset in _SYSTICK:
            return self._systick.read(offset - _SYSTICK.start)
        return self._scs.read(offset)

    def write(self, offset: int, value: int) -> None:
        """See :class:`Peripheral`."""
        if offset in _SYSTICK:
            if offset == _SYSTICK.start and value & _TICK_INTERRUPT:
                self._on_interrupt("SysTick's interrupt")
            self._systick.write(offset - _SYSTICK.start, value)
        elif offset in _ENABLES or offset in _PENDS:
            first = (offset & 0x3F) * 8
            for number in (first + bit for bit in range(32) if value >> bit & 1):
                self._on_interrupt(f"interrupt {number}")
        elif offset == _STIR:
            self._on_interrupt(f"interrupt {value & 0x1FF}")
        elif offset == _ICSR:
            for bit, what in _PENDING_SETS.items():
                if value >> bit & 1:
                    self._on_interrupt(what)
        else:
            self._scs.write(offset, value)

    def reset(self) -> None:
        """See :class:`Peripheral`."""
        self._scs.reset()
        self._systick.reset()
