"""The system control space (Armv7-M manual, section B3.2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar, Final

from hwnas.errors import BoardError
from hwnas.virtual.peripherals._base import WORD, RegisterFile

_SYST_CSR, _ICSR, _AIRCR, _DEMCR = 0x010, 0xD04, 0xD0C, 0xDFC
_CPUID: Final = 0xD00
_INTERRUPT_ENABLES: Final = range(0x100, 0x120, 4)
_INTERRUPT_SETS: Final = (*_INTERRUPT_ENABLES, *range(0x200, 0x220, 4))
_INTERRUPT_CLEARS: Final = (*range(0x180, 0x1A0, 4), *range(0x280, 0x2A0, 4))
_PENDING_SETS: Final = 1 << 31 | 1 << 28 | 1 << 26
"""ICSR's bits that make NMI, PendSV and SysTick pending."""
_KEY: Final = 0x05FA << 16
_SYSTEM_RESET: Final = 1 << 2
_TRACE_ENABLE: Final = 1 << 24


class SystemControl(RegisterFile):
    """Identification, system reset and trace enable; interrupts are not modelled.

    Args:
        on_reset: Called when the code asks for a system reset.
        on_trace: Called when DEMCR was written.
    """

    # CPUID of a Cortex-M4 r0p1 (TRM 100166, section 4.1); CCR with stack alignment.
    RESET_VALUES: ClassVar[Mapping[int, int]] = {
        _SYST_CSR: 0,
        0x014: 0,
        0x018: 0,
        **dict.fromkeys(_INTERRUPT_SETS, 0),
        **dict.fromkeys(_INTERRUPT_CLEARS, 0),
        _CPUID: 0x410F_C241,
        _ICSR: 0,
        0xD08: 0,
        _AIRCR: 0xFA05_0000,
        0xD10: 0,
        0xD14: 0x200,
        0xD18: 0,
        0xD1C: 0,
        0xD20: 0,
        0xD24: 0,
        0xD28: 0,
        0xD2C: 0,
        0xD30: 0,
        0xD34: 0,
        0xD38: 0,
        0xD88: 0,
        _DEMCR: 0,
        0xF34: 0xC000_0000,
        0xF38: 0,
        0xF3C: 0,
    }
    size_bytes = 0x1000

    def __init__(
        self, base: int, on_reset: Callable[[], None], on_trace: Callable[[], None]
    ) -> None:
        super().__init__("SCS", base)
        self._on_reset = on_reset
        self._on_trace = on_trace

    @property
    def tracing(self) -> bool:
        """Whether DEMCR.TRCENA is set."""
        return bool(self.registers[_DEMCR] & _TRACE_ENABLE)

    def reset(self) -> None:
        """Resets all but DEMCR, which only a power-on resets."""
        kept = self.registers.get(_DEMCR, 0)
        super().reset()
        self.registers[_DEMCR] = kept

    def store(self, offset: int, value: int) -> None:
        """Keeps settings, and does what they ask for."""
        if offset == _CPUID:
            return
        if offset == _AIRCR:
            if value & 0xFFFF_0000 == _KEY and value & _SYSTEM_RESET:
                self._on_reset()
            return
        asked = {_SYST_CSR: 1, _ICSR: _PENDING_SETS} | dict.fromkeys(_INTERRUPT_SETS, WORD)
        if value & asked.get(offset, 0):
            raise BoardError(
                "the code switches an interrupt or SysTick on, or makes one pending: not modelled"
            )
        if offset in _INTERRUPT_SETS or offset in _INTERRUPT_CLEARS or offset == _ICSR:
            return
        super().store(offset, value)
        if offset == _DEMCR:
            self._on_trace()
