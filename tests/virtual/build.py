"""Builds small firmware for the virtual board: boot.S and a main of the test's own."""

from __future__ import annotations

import shutil
import struct
import subprocess
import tempfile
from functools import lru_cache
from pathlib import Path

import pytest

from hwnas.boards import load_board
from hwnas.virtual import VirtualBoard

SPEC = load_board("nucleo_l496zg")
COMPILER = shutil.which("arm-none-eabi-gcc")
BOOT = Path(__file__).parent / "boot.S"
LINKER_SCRIPT = Path(__file__).parent / "link.ld"
SETTINGS = {
    "FLASH_ACR": 0x704,
    "PLLCFGR": 0x0100_2801,
    "BRR": 22222,
    "MODER_G": 0xFFFE_BFFF,
}
FLAGS = [
    "-mcpu=cortex-m4", "-mthumb", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard", "-O2",
    "-ffreestanding", "-nostdlib", "-nostartfiles",
    f"-Wl,-T{LINKER_SCRIPT},-e,boot",
]  # fmt: skip
RESULTS = 0x2000_0000
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="arm-none-eabi-gcc is not installed")


@lru_cache
def build(source: str, language: str = "S", **settings: int) -> bytes:
    """The ELF file of boot.S with a main; ``language`` is ``S`` or ``c``."""
    assert COMPILER is not None
    values = {**SETTINGS, **settings}
    with tempfile.TemporaryDirectory() as directory:
        own, elf = Path(directory, f"main.{language}"), Path(directory, "main.elf")
        own.write_text(source)
        defines = [f"-D{name}={value:#x}" for name, value in values.items()]
        done = subprocess.run(
            [COMPILER, *FLAGS, *defines, str(BOOT), str(own), "-o", str(elf), "-lgcc"],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return elf.read_bytes()


def asm_main(body: str) -> str:
    """An assembly main around a body, which may use all registers but sp."""
    return f"""
        .syntax unified
        .thumb
        .text
        .global main
        .type main, %function
        .thumb_func
    main:
        push {{r4-r11, lr}}
        {body}
        pop {{r4-r11, pc}}
        .size main, . - main
        .pool
    """


def start(body: str, *, exact: bool = False, **settings: int) -> VirtualBoard:
    """A board whose main has this body."""
    elf = build(asm_main(body), **settings)
    return VirtualBoard(SPEC, elf, marker_capacity=64, exact=exact)


def words(board: VirtualBoard, count: int) -> tuple[int, ...]:
    """The first words of RAM, where small programs leave what they found."""
    return struct.unpack(f"<{count}I", board.memory(RESULTS, 4 * count))
