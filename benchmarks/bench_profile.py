"""Profiling: how much longer than just running the same image on the virtual board."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from _report import show

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from guests.guest_images import build_c
from networks import resnet20
from test_profile_calls import COUNTING
from test_profiling import Tape

from hwnas.boards import load_board
from hwnas.device import BoardClient
from hwnas.elf import Image
from hwnas.firmware import find_image, pool_contents
from hwnas.plan import PoolLayout, compile_plan
from hwnas.profiling._run import run_first, run_second
from hwnas.virtual import VirtualBoard
from hwnas.virtual.guest import GuestSetup

REPEATS = 5
BOARDS = ("nucleo_l496zg", "nucleo_f767zi")
FIB = """
RECURSIVE int fib(int n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
int main(void) { return fib(30) & 1; }
"""


def main() -> None:
    for board in BOARDS:
        elf, flash, sent = conversation(board)
        plain = processor_seconds(partial(run_plainly, board, elf, flash, sent))
        rows = [("ResNet-20 on the virtual board, with boot", plain, "s", "")]
        setup = GuestSetup(flash_data=flash, serial_input=sent)
        rows += runs(board, "ResNet-20", Image.read(elf), setup, min(plain))
        calls = Image.read(build_c(COUNTING + FIB, "-O2", board=board, library=True))
        rows += runs(board, "fib(30)", calls, GuestSetup(), None)
        show(f"profiling on {board}, fast mode (simulated), CPU time", rows)


def conversation(board: str) -> tuple[Path, dict[int, bytes], bytes]:
    """The firmware with its parameters, and what it is sent to run ResNet-20."""
    spec = load_board(board)
    image = find_image(spec)
    flash = pool_contents(image.manifest)
    tape = Tape(VirtualBoard(spec, image.elf, flash))
    with BoardClient(tape) as client:
        plan = compile_plan(resnet20(), pool=PoolLayout.for_region(image.manifest.parameter_bytes))
        client.load(plan.data)
        client.run(warmup=0, step_count=len(plan.step_nodes))
    return image.elf, flash, bytes(tape.sent)


def run_plainly(board: str, elf: Path, flash: dict[int, bytes], sent: bytes) -> None:
    with VirtualBoard(load_board(board), elf, flash) as virtual:
        virtual.write(sent)
        virtual.read(60.0)


def runs(
    board: str, name: str, image: Image, setup: GuestSetup, plain: float | None
) -> list[tuple[str, list[float], str, str]]:
    """Both runs of a profile, and their ratio to a plain run, or to the first one."""
    spec = load_board(board)
    first = run_first(spec, image, setup, lambda where, data: None, lambda register: None)
    one = processor_seconds(
        lambda: run_first(spec, image, setup, lambda where, data: None, lambda register: None)
    )
    two = processor_seconds(lambda: run_second(spec, image, setup, first, frozenset()))
    base = min(one) if plain is None else plain
    against = "the first" if plain is None else "a plain run"
    return [
        (f"{name}, first run", one, "s", ""),
        (f"{name}, second run, which follows calls", two, "s", ""),
        (f"{name}, both against {against}", [(min(one) + min(two)) / base], "", ""),
    ]


def processor_seconds(run: Callable[[], object]) -> list[float]:
    """Processor time of each call, after one that is not counted: the machine is shared."""
    run()
    times = []
    for _ in range(REPEATS):
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return times


if __name__ == "__main__":
    main()
