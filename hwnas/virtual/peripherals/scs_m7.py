"""What the system control space of a Cortex-M7 has beyond others: the core's caches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar, Final

from hwnas.boards import CoreCache
from hwnas.errors import BoardError
from hwnas.virtual.peripherals.scs import SystemControl

_CPUID, _CCR, _CCSIDR, _CSSELR = 0xD00, 0xD14, 0xD80, 0xD84
_ICIALLU, _DCISW = 0xF50, 0xF60
_DATA_CACHE_ON, _INSTRUCTION_CACHE_ON = 1 << 16, 1 << 17
_INSTRUCTIONS_SELECTED: Final = 1
_WRITE_ONLY: Final = frozenset({_ICIALLU, _DCISW})
_SMALLEST_LINE_BITS: Final = 4
"""CCSIDR counts a line's bytes as powers of two from here on."""


class CortexM7SystemControl(SystemControl):
    """Caches keep no data, since memories always hold the latest: only their switches are modelled.

    What a cache holds after a reset is not known, so one that is switched on before all of it was
    invalidated is an error.

    Args:
        base: Address of the first register.
        on_reset: Called when the code asks for a system reset.
        on_trace: Called when DEMCR was written.
        instruction_cache: Geometry, or ``None`` where there is none.
        data_cache: Likewise.
    """

    # CPUID of a Cortex-M7 r1p0, as an STM32F767 shows it.
    RESET_VALUES: ClassVar[Mapping[int, int]] = {
        **SystemControl.RESET_VALUES,
        _CPUID: 0x411F_C270,
        _CCSIDR: 0,
        _CSSELR: 0,
        _ICIALLU: 0,
        _DCISW: 0,
    }

    def __init__(
        self,
        base: int,
        on_reset: Callable[[], None],
        on_trace: Callable[[], None],
        instruction_cache: CoreCache | None,
        data_cache: CoreCache | None,
    ) -> None:
        self._instruction_cache = instruction_cache
        self._data_cache = data_cache
        super().__init__(base, on_reset, on_trace)

    @property
    def instruction_cache_on(self) -> bool:
        """Whether CCR.IC is set."""
        return bool(self.registers[_CCR] & _INSTRUCTION_CACHE_ON)

    @property
    def data_cache_on(self) -> bool:
        """Whether CCR.DC is set."""
        return bool(self.registers[_CCR] & _DATA_CACHE_ON)

    def reset(self) -> None:
        """Switches the caches off, with anything in them."""
        super().reset()
        self._instructions_known = False
        self._invalidated: set[tuple[int, int]] = set()

    def load(self, offset: int) -> int:
        """The size of the selected cache; others read back."""
        if offset in _WRITE_ONLY:
            return 0
        if offset == _CCSIDR:
            instructions = self.registers[_CSSELR] == _INSTRUCTIONS_SELECTED
            return _size_id(self._instruction_cache if instructions else self._data_cache)
        return super().load(offset)

    def store(self, offset: int, value: int) -> None:
        """Keeps settings, and remembers what was invalidated.

        Raises:
            BoardError: The code switches on a cache that there is not, or whose contents are not
                known, or invalidates a line that there is not.
        """
        if offset == _CCSIDR:
            return
        if offset == _ICIALLU:
            self._instructions_known = True
        elif offset == _DCISW:
            self._invalidate_line(value)
        else:
            if offset == _CCR:
                self._check_switches(value & ~self.registers[_CCR])
            super().store(offset, value)

    def _invalidate_line(self, value: int) -> None:
        cache = self._data_cache
        if cache is None:
            raise BoardError("SCS: the code invalidates a data cache that there is not")
        # DCISW: the set above the bits within a line, the way in the topmost bits.
        way_shift = 32 - (cache.ways - 1).bit_length()
        within_line = cache.line_bytes.bit_length() - 1
        number = (value & (1 << way_shift) - 1) >> within_line
        if number >= cache.sets or value & cache.line_bytes - 1:
            raise BoardError(f"SCS: the data cache has no line {value:#010x}")
        self._invalidated.add((number, value >> way_shift))

    def _check_switches(self, on: int) -> None:
        for bit, name, cache, known in (
            (
                _INSTRUCTION_CACHE_ON, "instruction", self._instruction_cache,
                self._instructions_known,
            ),
            (
                _DATA_CACHE_ON, "data", self._data_cache,
                self._data_cache is not None and len(self._invalidated) == self._data_cache.lines,
            ),
        ):  # fmt: skip
            if not on & bit:
                continue
            if cache is None:
                raise BoardError(f"SCS: the code switches on an {name} cache that there is not")
            if not known:
                raise BoardError(
                    f"SCS: the code switches the {name} cache on before all of it is invalidated"
                )


def _size_id(cache: CoreCache | None) -> int:
    """CCSIDR: all policies are supported; sets, ways and bytes of a line, each less something."""
    if cache is None:
        return 0
    line = cache.line_bytes.bit_length() - 1 - _SMALLEST_LINE_BITS
    return 0xF << 28 | (cache.sets - 1) << 13 | (cache.ways - 1) << 3 | line
