"""A firmware image: what an ELF file puts where."""

from __future__ import annotations

import bisect
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from hwnas.errors import BoardError


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
        functions: Address and name of each function, by address; none where the file was
            stripped.
    """

    segments: tuple[Segment, ...]
    functions: tuple[tuple[int, str], ...]

    @classmethod
    def read(cls, elf: bytes | Path) -> Image:
        """Reads an ELF file for 32-bit Arm.

        Args:
            elf: The file's bytes, or its path.

        Raises:
            BoardError: It cannot be read, or is no ELF file for 32-bit Arm with code in it.
        """
        name = str(elf) if isinstance(elf, Path) else "the firmware image"
        try:
            data = elf.read_bytes() if isinstance(elf, Path) else bytes(elf)
        except OSError as error:
            raise BoardError(f"{name} cannot be read: {error}") from error
        try:
            file = ELFFile(io.BytesIO(data))
            machine = file["e_machine"]
            if machine != "EM_ARM" or file.elfclass != 32 or not file.little_endian:
                order = "little" if file.little_endian else "big"
                raise BoardError(
                    f"{name} is for {machine}, {file.elfclass} bits, {order}-endian, not for "
                    "little-endian 32-bit Arm"
                )
            segments = tuple(
                _segment(part) for part in file.iter_segments("PT_LOAD") if part["p_filesz"]
            )
            functions = _functions(file)
        except (ELFError, ValueError) as error:
            raise BoardError(f"{name} is not an ELF file, or is damaged: {error}") from error
        if not any(segment.executable for segment in segments):
            raise BoardError(f"{name} holds no code")
        return cls(segments, functions)

    def describe(self, address: int) -> str:
        """An address with the function that it lies in, where the image has symbols.

        Example:
            >>> image.describe(0x0800_0212)  # doctest: +SKIP
            '0x08000212 (main+0x12)'
        """
        is_code = any(
            segment.executable and segment.address <= address < segment.end
            for segment in self.segments
        )
        at = bisect.bisect_right(self.functions, (address, "\U0010ffff")) - 1
        if at < 0 or not is_code:
            return f"{address:#010x}"
        start, name = self.functions[at]
        return f"{address:#010x} ({name}+{address - start:#x})"


def _segment(part: Any) -> Segment:
    data = part.data()
    if len(data) != part["p_filesz"]:
        raise ELFError(f"the file ends {part['p_filesz'] - len(data)} bytes before a segment does")
    return Segment(part["p_paddr"], data, bool(part["p_flags"] & 1))


def _functions(file: ELFFile) -> tuple[tuple[int, str], ...]:
    table = file.get_section_by_name(".symtab")
    if not isinstance(table, SymbolTableSection):
        return ()
    return tuple(
        sorted(
            (symbol["st_value"] & ~1, symbol.name)
            for symbol in table.iter_symbols()
            if symbol["st_info"]["type"] == "STT_FUNC"
        )
    )
