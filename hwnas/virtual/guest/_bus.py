"""The peripherals that an image of somebody else's finds.

Those of the chip that are modelled; and behind all other addresses, registers that nothing is known
of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from hwnas.errors import BoardError
from hwnas.virtual.peripherals import Peripheral

PERIPHERALS: Final = (0x4000_0000, 0x2000_0000)
"""Start and size: Armv7-M manual, section B3.1, the system address map."""
PRIVATE_PERIPHERALS: Final = (0xE000_0000, 0x10_0000)
INFORMATION: Final = {
    "nrf52": ((0x1000_0000, 0x2000),),
    "stm32f4": ((0x1FFF_0000, 0x1_0000),),
    "stm32f7": ((0x1FF0_0000, 0x1_0000),),
    "stm32l4": ((0x1FFF_0000, 0x1_0000),),
    "stm32l5": ((0x0BF9_0000, 0x2_0000),),
}
"""Start and size of what tells about the chip, by its family: nRF52840 product specification,
"Memory map", FICR and UICR; RM0390, RM0410, RM0351 and RM0438, system memory, one-time programmable
area and unique device identifier."""
MOST_NOTED: Final = 1000
"""Unknown registers that are kept; an image may touch millions."""
_BIT_BAND: Final = range(0x4200_0000, 0x4400_0000)
_WORD_BYTES: Final = 4
_PAGE: Final = 1024
"""Peripherals begin and end on one."""


@dataclass
class UnknownRegister:
    """A register that nothing is known of, or that refused what it was asked.

    Attributes:
        address: Of the word.
        why: What a modelled peripheral refused, empty where none is modelled there.
        where: The code that touched it first.
        reads: How often it was read.
        writes: How often it was written.
    """

    address: int
    why: str
    where: str
    reads: int = 0
    writes: int = 0


class Bus:
    """Answers for all of the peripherals' addresses.

    Args:
        devices: What is modelled.
        values: What registers read as, by address, whatever is modelled there.
        where: Tells which code runs.
        on_unknown: Called when a register that nothing is known of is touched first.
        areas: Start and size of what is there besides the peripherals.
        has_bit_band: Whether each bit of the first peripherals has a word of its own as well.

    Attributes:
        unknown: Registers that nothing is known of, by address.
    """

    def __init__(
        self,
        devices: Iterable[Peripheral],
        values: Mapping[int, int],
        where: Callable[[], str],
        on_unknown: Callable[[UnknownRegister], None],
        *,
        areas: Iterable[tuple[int, int]],
        has_bit_band: bool,
    ) -> None:
        self._areas = (PERIPHERALS, PRIVATE_PERIPHERALS, *areas)
        self._pages = {
            page: device
            for device in devices
            for page in range(device.base // _PAGE, (device.base + device.size_bytes) // _PAGE)
        }
        self._values = values
        self._where = where
        self._on_unknown = on_unknown
        self._has_bit_band = has_bit_band
        self.unknown: dict[int, UnknownRegister] = {}

    def areas(self) -> Iterator[tuple[int, int]]:
        """Start and size of each range of addresses that it answers for."""
        yield from self._areas
        others = {
            address & -_PAGE
            for address in self._values
            if not any(start <= address < start + size for start, size in self._areas)
        }
        yield from ((page, _PAGE) for page in sorted(others))

    def read(self, address: int, size: int) -> int:
        """What a read of 1, 2 or 4 bytes gives."""
        word = address & -_WORD_BYTES
        if self._has_bit_band and word in _BIT_BAND:
            target, bit = _bit(word)
            value = self._read(target) >> bit & 1
        else:
            value = self._read(word)
        return value >> 8 * (address - word) & (1 << 8 * size) - 1

    def write(self, address: int, size: int, value: int) -> None:
        """Writes 1, 2 or 4 bytes; less than a word changes a part of what the word reads as."""
        word = address & -_WORD_BYTES
        if self._has_bit_band and word in _BIT_BAND:
            target, bit = _bit(word)
            self._write(target, self._read(target) & ~(1 << bit) | (value & 1) << bit)
            return
        device = self._pages.get(word // _PAGE)
        if size < _WORD_BYTES and not (device and word - device.base in device.NARROW_WRITES):
            shift = 8 * (address - word)
            mask = (1 << 8 * size) - 1 << shift
            value = self._read(word) & ~mask | value << shift & mask
        self._write(word, value)

    def _read(self, word: int) -> int:
        if word in self._values:
            return self._values[word]
        device = self._pages.get(word // _PAGE)
        why = ""
        if device is not None:
            try:
                return device.read(word - device.base)
            except BoardError as error:
                why = str(error)
        self._note(word, why).reads += 1
        return 0

    def _write(self, word: int, value: int) -> None:
        device = self._pages.get(word // _PAGE)
        why = ""
        if device is not None:
            try:
                return device.write(word - device.base, value)
            except BoardError as error:
                why = str(error)
        if word not in self._values:
            self._note(word, why).writes += 1

    def _note(self, word: int, why: str) -> UnknownRegister:
        known = self.unknown.get(word)
        if known is None and len(self.unknown) < MOST_NOTED:
            known = self.unknown[word] = UnknownRegister(word, why, self._where())
            self._on_unknown(known)
        return known or UnknownRegister(word, why, "")


def _bit(word: int) -> tuple[int, int]:
    """The word and the bit that a word of the bit-band stands for: Armv7-M manual, section B3.1."""
    number = (word - _BIT_BAND.start) // _WORD_BYTES
    return PERIPHERALS[0] + number // 32 * _WORD_BYTES, number % 32
