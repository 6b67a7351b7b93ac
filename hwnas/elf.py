"""A firmware image: what an ELF file puts where."""

from __future__ import annotations

import bisect
import io
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from elftools.common.exceptions import ELFError
from elftools.common.utils import struct_parse
from elftools.elf.elffile import ELFFile

from hwnas.errors import ImageError
from hwnas.symbols import Symbol, read_symbols

MOST_FILE_BYTES: Final = 256 << 20
MOST_LOADED_BYTES: Final = 64 << 20
"""More than any microcontroller's memories hold."""
MOST_HEADERS: Final = 16_384
_SEGMENT_HEADER_BYTES: Final = 32
_SECTION_HEADER_BYTES: Final = 40


@dataclass(frozen=True)
class Segment:
    """Bytes at an address.

    Attributes:
        address: Where they are loaded to.
        data: The bytes.
        executable: Whether they hold code.
    """

    address: int
    data: bytes
    executable: bool

    @property
    def end(self) -> int:
        """Address after the last byte."""
        return self.address + len(self.data)


@dataclass(frozen=True)
class Image:
    """An ELF file's loadable segments and its symbols.

    Attributes:
        segments: In the file's order.
        symbols: Of the code, by address; none where the file was stripped.
    """

    segments: tuple[Segment, ...]
    symbols: tuple[Symbol, ...]

    @classmethod
    def read(cls, elf: bytes | Path) -> Image:
        """Reads an ELF file for 32-bit Arm, which may be damaged or made to do harm.

        Args:
            elf: The file's bytes, or its path.

        Raises:
            ImageError: It cannot be read, is too large, or is no ELF file for 32-bit Arm with code
                in it.
        """
        name = str(elf) if isinstance(elf, Path) else "the firmware image"
        data = _read(elf, name)
        try:
            file = ELFFile(io.BytesIO(data))
            machine = file["e_machine"]
            if machine != "EM_ARM" or file.elfclass != 32 or not file.little_endian:
                order = "little" if file.little_endian else "big"
                raise ImageError(
                    f"{name} is for {machine}, {file.elfclass} bits, {order}-endian, not for "
                    "little-endian 32-bit Arm"
                )
            segments = _segments(file, data)
            symbols = read_symbols(_sections(file, data), data)
        except ImageError:
            raise
        except Exception as error:
            # Where headers lie, pyelftools ends in whatever Python raises there.
            what = str(error) or type(error).__name__
            raise ImageError(f"{name} is not an ELF file, or is damaged: {what}") from error
        if not any(segment.executable for segment in segments):
            raise ImageError(f"{name} holds no code")
        return cls(segments, symbols)

    @cached_property
    def function_symbols(self) -> tuple[Symbol, ...]:
        """The functions, by address, each by one of its names."""
        functions = (symbol for symbol in self.symbols if symbol.is_function)
        groups = groupby(functions, lambda symbol: symbol.address)
        return tuple(min(names, key=lambda symbol: symbol.rank) for _, names in groups)

    @cached_property
    def functions(self) -> tuple[tuple[int, str], ...]:
        """Address and name of each function, by address."""
        return tuple((symbol.address, symbol.name) for symbol in self.function_symbols)

    def describe(self, address: int) -> str:
        """An address with the function that it lies in, where the image has symbols.

        Example:
            >>> image.describe(0x0800_0212)  # doctest: +SKIP
            '0x08000212 (main+0x12)'
        """
        place = self.place(address)
        return f"{address:#010x} ({place})" if place else f"{address:#010x}"

    def place(self, address: int) -> str:
        """The function that an address lies in and the offset in it; empty where that is unknown.

        Example:
            >>> image.place(0x0800_0212)  # doctest: +SKIP
            'main+0x12'
        """
        is_code = any(
            segment.executable and segment.address <= address < segment.end
            for segment in self.segments
        )
        at = bisect.bisect_right(self.functions, (address, "\U0010ffff")) - 1
        if at < 0 or not is_code:
            return ""
        start, name = self.functions[at]
        return f"{name}+{address - start:#x}"


def _read(elf: bytes | Path, name: str) -> bytes:
    try:
        if isinstance(elf, Path) and (size := elf.stat().st_size) > MOST_FILE_BYTES:
            raise ImageError(f"{name} has {size} bytes, an image may have {MOST_FILE_BYTES}")
        if isinstance(elf, Path) and not elf.is_file():
            raise ImageError(f"{name} is not a file")
        return elf.read_bytes() if isinstance(elf, Path) else bytes(elf)
    except OSError as error:
        raise ImageError(f"{name} cannot be read: {error}") from error


def _segments(file: ELFFile, data: bytes) -> tuple[Segment, ...]:
    headers = _headers(
        file, data, file.structs.Elf_Phdr, file["e_phoff"], file.num_segments(),
        file["e_phentsize"], _SEGMENT_HEADER_BYTES,
    )  # fmt: skip
    loaded = [header for header in headers if header["p_type"] == "PT_LOAD" and header["p_filesz"]]
    size = sum(header["p_filesz"] for header in loaded)
    if size > MOST_LOADED_BYTES:
        raise ELFError(f"{size} bytes are to be loaded, {MOST_LOADED_BYTES} may be")
    return tuple(_segment(header, data) for header in loaded)


def _segment(header: Any, data: bytes) -> Segment:
    size = header["p_filesz"]
    content = data[header["p_offset"] : header["p_offset"] + size]
    if len(content) != size:
        raise ELFError(f"the file ends {size - len(content)} bytes before a segment does")
    return Segment(header["p_paddr"], content, bool(header["p_flags"] & 1))


def _sections(file: ELFFile, data: bytes) -> list[Any]:
    """The sections' headers. What some of them point to would take pyelftools minutes to parse."""
    if not file["e_shoff"]:
        return []
    return _headers(
        file, data, file.structs.Elf_Shdr, file["e_shoff"], file.num_sections(),
        file["e_shentsize"], _SECTION_HEADER_BYTES,
    )  # fmt: skip


def _headers(
    file: ELFFile, data: bytes, kind: Any, start: int, count: int, size: int, expected: int
) -> list[Any]:
    """A table of headers, if it lies in the file and can be gone through in a moment."""
    if not count:
        return []
    if size != expected or count > MOST_HEADERS or start + count * size > len(data):
        raise ELFError(f"{count} headers of {size} bytes cannot be at {start:#x}")
    return [struct_parse(kind, file.stream, start + i * size) for i in range(count)]
