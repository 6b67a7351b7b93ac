"""Builds images as somebody else would, who has never heard of hwnas."""

from __future__ import annotations

import subprocess
import tempfile
from functools import lru_cache
from pathlib import Path

from virtual.build import COMPILER

HOME = Path(__file__).parent
FLAGS = {
    "nucleo_l496zg": ("-mcpu=cortex-m4", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard"),
    "nucleo_f767zi": ("-mcpu=cortex-m7", "-mfpu=fpv5-d16", "-mfloat-abi=hard"),
    "nucleo_l552ze_q": ("-mcpu=cortex-m33", "-mfpu=fpv5-sp-d16", "-mfloat-abi=hard"),
}
"""A board with each cycle model, with its compiler's flags."""
BOARDS = list(FLAGS)
M4 = "nucleo_l496zg"
START = """
    .syntax unified
    .thumb
    .section .vectors, "a"
    .word 0x20020000
    .word start + 1
    .text
    .balign 32
    .global start
    .type start, %function
    .thumb_func
start:
"""


@lru_cache
def build_c(source: str, *options: str, board: str = M4, library: bool = False) -> bytes:
    """The ELF file of a C program; with ``library`` it has newlib, and prints by semihosting."""
    # Start-up code must not be turned into calls of what is not there.
    plain = ["-nostdlib", "-fno-tree-loop-distribute-patterns"]
    how = ["--specs=rdimon.specs", "-DLIBRARY"] if library else plain
    return _compile(source, "c", [*how, *options, str(HOME / "start.c")], board, library)


@lru_cache
def build_asm(source: str, board: str = M4) -> bytes:
    """The ELF file of an assembly program, which may begin with :data:`START`."""
    return _compile(source, "S", ["-nostdlib"], board)


def stripped(elf: bytes) -> bytes:
    """The same without symbols."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "image.elf")
        path.write_bytes(elf)
        subprocess.run(["arm-none-eabi-strip", str(path)], check=True)
        return path.read_bytes()


def _compile(
    source: str, language: str, options: list[str], board: str, library: bool = False
) -> bytes:
    assert COMPILER is not None
    with tempfile.TemporaryDirectory() as folder:
        own, elf = Path(folder, f"main.{language}"), Path(folder, "main.elf")
        own.write_text(source)
        flags = [*FLAGS[board], "-mthumb", "-O1", "-g", f"-T{HOME / 'link.ld'}"]
        done = subprocess.run(
            [
                COMPILER, *flags, *options, str(own), "-o", str(elf),
                *(["-lm"] if library else ["-lgcc"]),
            ],
            capture_output=True,
            text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return elf.read_bytes()
