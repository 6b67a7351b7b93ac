"""Which function an address of code belongs to."""

from __future__ import annotations

import bisect
import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

from hwnas.elf import Image
from hwnas.errors import ImageError

_COLD: Final = ".cold"
"""What GCC calls the part of a function that it puts elsewhere, because it hardly ever runs."""
_NO_END: Final = 1 << 32


@dataclass(frozen=True, slots=True)
class Function:
    """A function of an image.

    Attributes:
        address: Where it begins.
        name: Its name, or its address where the image has none.
    """

    address: int
    name: str


class _Part(NamedTuple):
    start: int
    end: int
    number: int


class FunctionMap:
    """Numbers the functions of an image, and tells which one an address belongs to.

    Code that no symbol covers is cut into functions where it was called.

    Args:
        image: The image.
        called: Addresses that were called, or that the core started at.
        blocks: Addresses of all blocks of code that ran.

    Attributes:
        functions: By number.
    """

    def __init__(self, image: Image, called: Iterable[int], blocks: Iterable[int]) -> None:
        self.functions: list[Function] = []
        self._parts = self._named(image)
        self._parts = sorted([*self._parts, *self._unnamed(set(called), sorted(set(blocks)))])
        self._entries = {function.address for function in self.functions}

    def number(self, address: int) -> int:
        """The function that the address of a block that ran belongs to."""
        part = self._part(address)
        assert part is not None
        return part.number

    def find(self, address: int) -> int:
        """The function that begins at an address.

        Raises:
            ImageError: None does.
        """
        for number, function in enumerate(self.functions):
            if function.address == address:
                return number
        raise ImageError(f"no function begins at {address:#010x}, as far as is known")

    def is_entry(self, address: int) -> bool:
        """Whether a function begins at an address."""
        return address in self._entries

    def _named(self, image: Image) -> list[_Part]:
        """The functions that symbols name."""
        symbols = image.function_symbols
        ends = [*(symbol.address for symbol in symbols[1:]), _NO_END]
        parts, cold, numbers = [], [], dict[str, int]()
        for symbol, end in zip(symbols, ends, strict=False):
            until = min(end, symbol.address + symbol.size_bytes) if symbol.size_bytes else end
            if symbol.name.endswith(_COLD):
                cold.append((symbol, until))
            else:
                numbers[symbol.name] = self._add(symbol.address, symbol.name)
                parts.append(_Part(symbol.address, until, numbers[symbol.name]))
        for symbol, until in cold:
            number = numbers.get(symbol.name.removesuffix(_COLD))
            if number is None:
                number = self._add(symbol.address, symbol.name)
            parts.append(_Part(symbol.address, until, number))
        return sorted(parts)

    def _unnamed(self, called: set[int], blocks: list[int]) -> list[_Part]:
        """Functions of the code between those, which begin where it ran first or was called."""
        starts, limits = [], []
        gap = -1
        for address in blocks:
            if self._part(address) is not None:
                continue
            behind = bisect.bisect_right(self._parts, (address, _NO_END, _NO_END))
            if behind != gap or address in called:
                starts.append(address)
                limits.append(self._parts[behind].start if behind < len(self._parts) else _NO_END)
            gap = behind
        ends = map(min, limits, [*starts[1:], _NO_END])
        return [
            _Part(start, end, self._add(start, f"{start:#010x}"))
            for start, end in zip(starts, ends, strict=True)
        ]

    def _add(self, address: int, name: str) -> int:
        self.functions.append(Function(address, name))
        return len(self.functions) - 1

    def _part(self, address: int) -> _Part | None:
        at = bisect.bisect_right(self._parts, (address, _NO_END, _NO_END)) - 1
        return self._parts[at] if at >= 0 and address < self._parts[at].end else None


def find_address(image: Image, name: str) -> int:
    """The address of a symbol, or of an address written as ``0x08000100``.

    Args:
        image: The image.
        name: The symbol's name, or an address.

    Raises:
        ImageError: The image has no such symbol, or several.
    """
    if name.lower().startswith("0x"):
        try:
            return int(name, 16) & ~1
        except ValueError as error:
            raise ImageError(f"{name!r} is no address") from error
    found = sorted({symbol.address for symbol in image.symbols if symbol.name == name})
    if len(found) == 1:
        return found[0]
    if found:
        addresses = ", ".join(f"{address:#010x}" for address in found)
        raise ImageError(f"{name!r} is at several addresses, name one of them: {addresses}")
    names = [symbol.name for symbol in image.symbols]
    close = difflib.get_close_matches(name, names, n=3)
    hint = f"did you mean {', '.join(close)}?" if close else "give an address, as 0x08000100"
    raise ImageError(f"the image has no symbol {name!r}: {hint}")
