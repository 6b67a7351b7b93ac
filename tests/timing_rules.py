"""Assembles snippets that stand in tests as code and as bytes, to hold one against the other."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from elftools.elf.elffile import ELFFile
from virtual.build import COMPILER


def assembled(snippets: Sequence[str], *options: str, alignment: int = 4) -> list[bytes]:
    """The bytes of each snippet, whose instructions are separated by semicolons."""
    assert COMPILER is not None
    text = [".syntax unified", ".thumb"]
    for i, code in enumerate(snippets):
        text += [f".balign {alignment}", f"start_{i}:", *code.split(";"), f"end_{i}:"]
    with tempfile.TemporaryDirectory() as folder:
        source, made = Path(folder, "rules.s"), Path(folder, "rules.o")
        source.write_text("\n".join(text) + "\n")
        subprocess.run([COMPILER, *options, "-c", str(source), "-o", str(made)], check=True)
        with made.open("rb") as file:
            elf = ELFFile(file)
            code = elf.get_section_by_name(".text").data()
            symbols = elf.get_section_by_name(".symtab").iter_symbols()
            at = {symbol.name: symbol["st_value"] & ~1 for symbol in symbols}
    return [code[at[f"start_{i}"] : at[f"end_{i}"]] for i in range(len(snippets))]
