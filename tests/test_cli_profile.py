"""``hwnas profile`` as a user calls it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import hwnas, refused
from guests.guest_images import M4, START, build_asm, build_c
from typer.testing import CliRunner, Result
from virtual.build import needs_compiler

from hwnas.cli._app import app
from hwnas.errors import BoardError

pytestmark = needs_compiler
PROGRAM = """
#include <stdio.h>
__attribute__((noipa)) static int work(int n) { return n * n; }
int main(void) {
    int sum = 0;
    for (int i = 0; i < 5; i++) sum += work(i);
    while (!(*(volatile unsigned *)0x40012300 & 4)) {}
    printf("sum %d\\x1b[2J\\n", sum);
    return 0;
}
"""


def profile(*args: str | Path) -> Result:
    """The command in this process, which saves its start."""
    return CliRunner().invoke(app, ["profile", *map(str, args)], env={"COLUMNS": "160"})


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "app.elf"
    path.write_bytes(build_c(PROGRAM, library=True))
    return path


def test_tables_for_people(image: Path) -> None:
    shown = hwnas(
        "profile", str(image), "--board", M4, "--peripheral", "0x40012300=4", "--function", "work",
        "--function", "main", "--blocks", "2", "--top", "5", cwd=image.parent,
    )  # fmt: skip
    assert shown.returncode == 0, shown.stderr
    # What an image writes does not reach the terminal's controls.
    assert shown.stdout.startswith("sum 30\\x1b[2J\n")
    for words in (
        "app.elf on nucleo_l496zg at 80 MHz, simulated",
        "function", "calls", "memory", "inclusive",
        "functions with fewer cycles",
        "Cycles of a call, with all that it calls",
        "cycles an instruction",
        "simulated by cortex-m4/",
        "the image ended by a semihosting call, code 0",
        "note: nucleo_l496zg: the core runs at 4000000 Hz, the board file says 80000000 Hz",
    ):  # fmt: skip
        assert words in shown.stdout, words
    work = next(line.split() for line in shown.stdout.splitlines() if line.startswith(" work"))
    assert work[1] == "5"


def test_json_for_machines(image: Path) -> None:
    told = profile(image, "-b", M4, "--peripheral", "0x40012300=4", "--exact", "--json",
                   "--function", "work")  # fmt: skip
    plain = json.loads(told.stdout)
    assert plain["image"] == str(image) and plain["provenance"] == "simulated"
    assert "fast/" not in plain["timing_model"]
    assert plain["output"] == {"serial": "", "semihosting": "sum 30\x1b[2J\n"}
    assert plain["stop"]["reason"] == "exit" and plain["stop"]["exit_code"] == 0
    assert plain["cycles"] == pytest.approx(sum(entry["cycles"] for entry in plain["functions"]))
    assert plain["latency_ms"] == pytest.approx(plain["cycles"] / 80e3)
    assert [call["calls"] for call in plain["calls"]] == [5]
    block = plain["blocks"][0]
    assert block["cycles_per_instruction"] == pytest.approx(
        block["cycles"] / block["executions"] / len(block["instructions"])
    )


def test_until_and_limits(image: Path) -> None:
    stopped = profile(image, "-b", M4, "--until", "main")
    assert "(main+0x0): it came to where it was to stop" in stopped.stdout
    limited = profile(image, "-b", M4, "--max-cycles", "50000", "-v")
    assert "the limit of cycles" in limited.stdout
    assert "1 registers that nothing is known of read as zero" in limited.stdout
    assert "0x40012300 is not known, first touched at 0x" in limited.stderr
    assert "(main+" in limited.stderr
    assert "the limit of time" in profile(image, "-b", M4, "--max-seconds", "0.2").stdout


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--until", "mian"), "the image has no symbol 'mian': did you mean main"),
        (("--peripheral", "0x40012300"), "--peripheral '0x40012300' has no '=' behind an address"),
        (("--peripheral", "RCC=1"), "'RCC' is no number, such as 0x40021000"),
        (("--peripheral", "3=1"), "peripheral 0x3=0x1: an address must be a multiple of 4"),
        (("--data", "0x08010000=none.bin"), "none.bin cannot be read"),
        (("--serial-input", "none.bin"), "none.bin cannot be read"),
        (("--vectors", "0x08001000"), "there is no vector table at 0x08001000"),
        (("--max-cycles", "0"), "max_cycles 0 must be more than 0"),
        (("--function", "wrk"), "no symbol 'wrk': did you mean work"),
        (("--board", "mps2_an386"), "functional only"),
    ],
)
def test_mistakes_are_told(image: Path, args: tuple[str, str], words: str) -> None:
    done = profile(image, "--board", M4, *args)
    assert isinstance(done.exception, BoardError)
    assert words in str(done.exception)


def test_a_fault_is_one_paragraph(tmp_path: Path) -> None:
    broken = tmp_path / "broken.elf"
    broken.write_bytes(build_asm(START + "movs r0, #0\n ldr r0, [r0]\n b ."))
    refused(
        hwnas("profile", str(broken), "--board", M4, cwd=tmp_path),
        "ImageRunError", "reading 0x00000000, 4 bytes", "(start+0x2)", "The last blocks of code",
    )  # fmt: skip


def test_data_beside_the_image_and_a_serial_line(tmp_path: Path) -> None:
    source = """
    #define REG(address) (*(volatile unsigned *)(address))
    int main(void) {
        REG(0x4002105C) = 1;
        REG(0x4000800C) = 0x300;
        REG(0x40008000) = 0xD;
        for (;;) {
            while (!(REG(0x4000801C) & 1 << 5)) {}
            REG(0x40008028) = REG(0x40008024) + *(const char *)0x08040000;
        }
    }
    """
    (tmp_path / "app.elf").write_bytes(build_c(source))
    (tmp_path / "in.bin").write_bytes(b"HAL\n")
    (tmp_path / "data.bin").write_bytes(b"\x01")
    shown = profile(
        tmp_path / "app.elf", "-b", M4, "--serial-input", tmp_path / "in.bin",
        "--data", f"0x08040000={tmp_path / 'data.bin'}",
    )  # fmt: skip
    assert shown.stdout.startswith("IBM\\x0b")
    assert "the image waits for a byte on the serial line" in shown.stdout
