"""Semihosting calls, against the specification and against QEMU's."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from guests.guest_images import M4, build_c
from virtual.build import needs_compiler

from hwnas.errors import BoardError
from hwnas.profiling import profile_image
from hwnas.virtual.guest._semihosting import MOST_FILES, Semihosting

QEMU = shutil.which("qemu-system-arm")
BASE = 0x2000_0000
ERROR = 0xFFFF_FFFF


class Memory:
    def __init__(self) -> None:
        self.data = bytearray(4096)

    def read(self, address: int, size: int) -> bytes:
        start = address - BASE
        if not 0 <= start <= start + size <= len(self.data):
            raise BoardError(f"no memory at {address:#x}")
        return bytes(self.data[start : start + size])

    def write(self, address: int, data: bytes) -> None:
        self.read(address, len(data))
        self.data[address - BASE : address - BASE + len(data)] = data


class Debugger:
    """Calls as an image makes them: a block of words at the base, data behind it."""

    def __init__(self) -> None:
        self.memory = Memory()
        self.written = bytearray()
        self.cycles = 0
        self.semihosting = Semihosting(
            self.memory, self.written.extend, lambda: self.cycles, 80_000_000
        )

    def call(self, number: int, *words: int, data: bytes = b"") -> int:
        self.memory.write(BASE, b"".join(word.to_bytes(4, "little") for word in words))
        self.memory.write(BASE + 64, data)
        return self.semihosting.call(number, BASE)

    def open(self, name: str) -> int:
        return self.call(1, BASE + 64, 4, len(name), data=name.encode() + b"\0")


def test_the_console_is_opened_written_and_closed() -> None:
    debugger = Debugger()
    first, second = debugger.open(":tt"), debugger.open(":tt")
    assert (first, second) == (1, 2)
    assert debugger.call(9, first) == 1
    assert debugger.call(5, first, BASE + 64, 5, data=b"hello") == 0
    assert debugger.call(5, second, BASE + 64, 0) == 0
    assert debugger.written == b"hello"
    # There is nothing to read: all bytes asked for are left.
    assert debugger.call(6, first, BASE + 64, 10) == 10
    assert debugger.call(7) == ERROR
    assert debugger.call(0xC, first) == 0
    assert debugger.call(0xA, first, 0) == ERROR
    assert debugger.call(2, first) == 0
    assert debugger.call(2, first) == ERROR
    assert debugger.call(0x13) == 9
    assert debugger.call(5, first, BASE + 64, 5) == 5
    # A closed handle is used again.
    assert debugger.open(":tt") == first


def test_text_and_characters_go_to_the_console() -> None:
    debugger = Debugger()
    debugger.memory.write(BASE, b"text\0more")
    assert debugger.semihosting.call(4, BASE) == 0
    assert debugger.semihosting.call(3, BASE + 5) == 0
    assert debugger.written == b"textm"
    debugger.memory.data[:] = b"x" * 4096
    with pytest.raises(BoardError, match="no memory at 0x20001000"):
        debugger.semihosting.call(4, BASE)


@pytest.mark.parametrize("name", ["/etc/passwd", "out.txt", "", ":tty", "x" * 300])
def test_no_file_of_this_machine_can_be_reached(name: str) -> None:
    debugger = Debugger()
    assert debugger.open(name) == ERROR
    assert debugger.call(0x13) == 2
    for number in (0xD, 0xE, 0xF, 0x12):
        assert debugger.call(number, BASE + 64, 11, data=b"/etc/passwd") == ERROR
        assert debugger.call(0x13) == 13


def test_features_are_told() -> None:
    debugger = Debugger()
    file = debugger.open(":semihosting-features")
    assert debugger.call(9, file) == 0
    assert debugger.call(0xC, file) == 5
    assert debugger.call(6, file, BASE + 64, 4) == 0
    assert debugger.memory.read(BASE + 64, 4) == b"SHFB"
    assert debugger.call(0xA, file, 4) == 0
    assert debugger.call(6, file, BASE + 64, 3) == 2
    assert debugger.memory.read(BASE + 64, 1) == b"\x03"
    assert debugger.call(0xA, file, 6) == ERROR
    assert debugger.call(5, file, BASE + 64, 4) == 4


def test_handles_are_bounded() -> None:
    debugger = Debugger()
    assert [debugger.open(":tt") for _ in range(MOST_FILES + 1)][-1] == ERROR
    assert debugger.call(0x13) == 24


def test_clocks_show_the_cores() -> None:
    debugger = Debugger()
    debugger.cycles = 80_000_000 * 90 + 800_000
    assert debugger.call(0x10) == 9001
    assert debugger.call(0x11) == 90
    assert debugger.call(0x31) == 80_000_000
    assert debugger.call(0x30) == 0
    assert int.from_bytes(debugger.memory.read(BASE, 8), "little") == debugger.cycles
    assert debugger.call(8, ERROR) == 1
    assert debugger.call(8, 5) == 0


def test_heap_and_command_line() -> None:
    debugger = Debugger()
    assert debugger.call(0x16, BASE + 64, data=b"x" * 16) == 0
    assert debugger.memory.read(BASE + 64, 16) == bytes(16)
    assert debugger.call(0x15, BASE + 64, 80, data=b"x") == 0
    assert debugger.memory.read(BASE + 4, 4) == bytes(4)
    assert debugger.memory.read(BASE + 64, 1) == b"\0"
    assert debugger.call(0x15, BASE + 64, 0) == ERROR


@pytest.mark.parametrize(
    ("number", "words", "code"),
    [(0x18, None, 0), (0x20, (0x20026, 42), 42), (0x20, (0x20024, 42), 1)],
)
def test_an_image_ends(number: int, words: tuple[int, ...] | None, code: int) -> None:
    debugger = Debugger()
    assert debugger.semihosting.exit_code is None
    if words is None:
        debugger.semihosting.call(number, 0x20026)
    else:
        debugger.call(number, *words)
    assert debugger.semihosting.exit_code == code


def test_what_cannot_be_done_is_an_error() -> None:
    debugger = Debugger()
    with pytest.raises(BoardError, match="semihosting call 0x99 is not known"):
        debugger.semihosting.call(0x99, BASE)
    with pytest.raises(BoardError, match="no memory"):
        debugger.semihosting.call(5, 0)
    file = debugger.open(":tt")
    with pytest.raises(BoardError, match="4294967295 bytes are to be written at once"):
        debugger.call(5, file, BASE, ERROR)


PRINTING = """
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
int main(int argc, char **argv) {
    double x = 1.5;
    for (int i = 0; i < 5; i++) { printf("%d %.6f %e\\n", i, x, 1 / x); x *= -3.7; }
    char *text = malloc(300);
    memset(text, 'y', 299);
    text[299] = 0;
    puts(text);
    fprintf(stderr, "%s %p\\n", "to stderr", (void *)0);
    printf("tty %d, file %s, read %d\\n", isatty(1), fopen("/none", "r") ? "yes" : "no",
           (int)read(0, text, 0));
    qsort(text, 0, 1, NULL);
    free(text);
    exit(argc > 5 ? 1 : 77);
}
"""


@needs_compiler
@pytest.mark.skipif(QEMU is None, reason="qemu-system-arm is not installed")
@pytest.mark.parametrize("level", ["-O0", "-O2"])
def test_newlib_prints_what_it_prints_in_qemu(level: str, tmp_path: Path) -> None:
    elf = build_c(PRINTING, level, library=True)
    path = tmp_path / "image.elf"
    path.write_bytes(elf)
    # An STM32F405 has its flash and RAM where the image's are.
    assert QEMU is not None
    run = subprocess.run(
        [
            QEMU, "-M", "netduinoplus2", "-nographic", "-monitor", "none", "-serial", "none",
            "-semihosting-config", "enable=on,target=native", "-kernel", str(path),
        ],
        capture_output=True, timeout=60, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    profile = profile_image(elf, M4)
    lines = profile.output["semihosting"].splitlines()
    assert sorted(lines) == sorted(
        (run.stdout + run.stderr).replace(b"tty 0", b"tty 1").splitlines()
    )
    assert profile.stop.exit_code == run.returncode == 77
