"""A firmware image: what an ELF file puts where."""

from __future__ import annotations

import bisect
import hashlib
import io
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile

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
        elf: The file's bytes.
    """

    segments: tuple[Segment, ...]
    elf: bytes

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
            if machine != "EM_ARM":
                raise BoardError(f"{name} is for {machine}, not for 32-bit Arm")
            segments = tuple(
                Segment(part["p_paddr"], part.data(), bool(part["p_flags"] & 1))
                for part in file.iter_segments("PT_LOAD")
                if part["p_filesz"]
            )
        except (ELFError, ValueError) as error:
            raise BoardError(f"{name} is not an ELF file, or is damaged: {error}") from error
        if not any(segment.executable for segment in segments):
            raise BoardError(f"{name} holds no code")
        return cls(segments, data)

    @cached_property
    def sha256(self) -> str:
        """Hash of the file, in hexadecimal."""
        return hashlib.sha256(self.elf).hexdigest()

    def describe(self, address: int) -> str:
        """An address with the function that it lies in, where the image has symbols.

        Example:
            >>> image.describe(0x0800_0212)  # doctest: +SKIP
            '0x08000212 (main+0x12)'
        """
        functions = self._functions
        at = bisect.bisect_right(functions, (address, "\U0010ffff")) - 1
        if at < 0:
            return f"{address:#010x}"
        start, name = functions[at]
        return f"{address:#010x} ({name}+{address - start:#x})"

    @cached_property
    def _functions(self) -> list[tuple[int, str]]:
        table = ELFFile(io.BytesIO(self.elf)).get_section_by_name(".symtab")
        if table is None:
            return []
        return sorted(
            (symbol["st_value"] & ~1, symbol.name)
            for symbol in table.iter_symbols()
            if symbol["st_info"]["type"] == "STT_FUNC"
        )
