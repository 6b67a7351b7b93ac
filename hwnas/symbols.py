"""The symbols of an image's code, read from its ELF file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from elftools.common.exceptions import ELFError

MOST_SYMBOLS: Final = 1_000_000
LONGEST_NAME: Final = 1024
"""Bytes of a name; what is longer is cut. A damaged table would make a megabyte of each."""

_ENTRY: Final = np.dtype(
    [
        ("name", "<u4"), ("value", "<u4"), ("size", "<u4"),
        ("info", "u1"), ("other", "u1"), ("section", "<u2"),
    ]
)  # fmt: skip
"""ELF32_Sym: the System V ABI, chapter "Symbol table"."""
_NOTYPE, _FUNC = 0, 2
_LOCAL: Final = 0
_UNDEFINED: Final = 0
_EXECUTABLE: Final = 4
_THUMB: Final = 1


@dataclass(frozen=True, slots=True)
class Symbol:
    """A name in the code.

    Attributes:
        address: Without the bit that tells Thumb code.
        name: Its name.
        size_bytes: Of what it names, 0 where the file does not say.
        is_function: Whether it names a function, and not just a place in one.
        is_local: Whether it is known in its own source file only.
    """

    address: int
    name: str
    size_bytes: int
    is_function: bool
    is_local: bool

    @property
    def rank(self) -> tuple[bool, bool, int, str]:
        """Of several names of one function, the one with the least rank is shown."""
        underscores = len(self.name) - len(self.name.lstrip("_"))
        return not self.size_bytes, self.is_local, underscores, self.name


def read_symbols(sections: Sequence[Any], data: bytes) -> tuple[Symbol, ...]:
    """The symbols of code, by address; none where the file was stripped.

    A function is what is marked as one, or a global label in a section of code, as assemblers
    leave it where nobody wrote ``.type``.

    Args:
        sections: The headers of the file's sections, as pyelftools parses them.
        data: All of the file's bytes.

    Raises:
        ELFError: The table is damaged.
    """
    table = next((section for section in sections if section["sh_type"] == "SHT_SYMTAB"), None)
    if table is None:
        return ()
    content = _content(table, data)
    if len(content) % _ENTRY.itemsize or len(content) > MOST_SYMBOLS * _ENTRY.itemsize:
        raise ELFError(f"{len(content)} bytes are no table of symbols")
    if table["sh_link"] >= len(sections):
        raise ELFError(f"there is no section {table['sh_link']} with the symbols' names")
    entries = np.frombuffer(content, _ENTRY)
    names = _content(sections[table["sh_link"]], data)
    code = [index for index, section in enumerate(sections) if section["sh_flags"] & _EXECUTABLE]
    kinds = entries["info"] & 0xF
    in_code = np.isin(entries["section"], code) & (kinds == _NOTYPE)
    functions = (entries["section"] != _UNDEFINED) & (kinds == _FUNC)
    chosen = entries[in_code | functions].tolist()
    found = (_symbol(names, *entry) for entry in chosen)
    return tuple(
        sorted(
            (symbol for symbol in found if symbol is not None),
            key=lambda symbol: (symbol.address, symbol.name),
        )
    )


def _symbol(
    names: bytes, name: int, value: int, size: int, info: int, other: int, section: int
) -> Symbol | None:
    """One that has a name, and is no mark of the assembler's between code and data."""
    text = _name(names, name)
    if not text or text.startswith("$"):
        return None
    is_local = info >> 4 == _LOCAL
    is_function = info & 0xF == _FUNC
    return Symbol(value & ~_THUMB, text, size, is_function or not is_local, is_local)


def _name(names: bytes, start: int) -> str:
    end = names.find(b"\0", start, start + LONGEST_NAME)
    return names[start : end if end >= 0 else start + LONGEST_NAME].decode("utf-8", "replace")


def _content(section: Any, data: bytes) -> bytes:
    """What a section holds, as it stands in the file: nothing is inflated."""
    start, size = section["sh_offset"], section["sh_size"]
    content = data[start : start + size]
    if section["sh_type"] == "SHT_NOBITS" or len(content) != size:
        raise ELFError(f"the file ends before the section at {start:#x} does")
    return content
