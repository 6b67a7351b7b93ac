"""Profiles of images against what can be counted by hand, or what the image says itself."""

from __future__ import annotations

import json
import math
import subprocess
import sys

import pytest
from guests.guest_images import BOARDS, M4, START, build_asm, build_c, stripped
from networks import separable
from virtual.build import needs_compiler

from hwnas.boards import load_board
from hwnas.device import BoardClient
from hwnas.device.transport import Transport
from hwnas.errors import BoardError, ImageError
from hwnas.firmware import find_image, pool_contents
from hwnas.network import Network
from hwnas.plan import PoolLayout, compile_plan
from hwnas.profiling import Profile, StopReason, profile_image
from hwnas.target import Provenance
from hwnas.virtual import VirtualBoard
from hwnas.virtual.timing import timing_identity

pytestmark = needs_compiler

# Twelve instructions; each function is in a line of flash of its own.
COUNTED = (
    START
    + """
    movs r4, #3
1:  bl   work
    subs r4, #1
    bne  1b
    b    .
    .balign 32
    .global work
    .type work, %function
    .thumb_func
work:
    adds r0, #1
    bx   lr
    .size work, . - work
"""
)


def test_hand_counted_cycles_of_a_cortex_m4() -> None:
    profile = profile_image(build_asm(COUNTED), M4, functions=["work"])
    start, work = profile.function("start"), profile.function("work")
    # Each of the two lines is fetched from flash once: 4 wait states.
    assert (start.stall_cycles, work.stall_cycles) == (4, 4)
    # movs and bl, entered by the reset: 2 + 2. Twice bl from the loop: 1 + 2 each. Three times
    # subs and bne, entered by a return: 2 + 2 each.
    assert start.cycles == 4 + 2 * 3 + 3 * 4 + 4
    # Three times adds and bx, entered by a call: 2 + 2 each.
    assert work.cycles == 3 * 4 + 4
    assert (start.calls, start.instructions) == (1, 2 + 2 + 6)
    assert (work.calls, work.instructions) == (3, 6)
    assert (work.inclusive_cycles, work.inclusive_instructions) == (work.cycles, 6)
    assert (start.inclusive_cycles, start.inclusive_instructions) == (profile.cycles, 16)
    assert profile.cycles == start.cycles + work.cycles == 42
    assert profile.stall_cycles == 8 and profile.instructions == 16
    (calls,) = profile.calls
    assert (calls.calls, calls.min_cycles, calls.median_cycles, calls.max_cycles) == (3, 4, 4, 8)


def test_the_hottest_blocks_with_what_each_instruction_costs() -> None:
    profile = profile_image(build_asm(COUNTED), M4, blocks=2)
    first, second = profile.blocks
    assert (first.place, first.executions) == ("work+0x0", 3)
    assert (first.cycles, first.stall_cycles) == (16, 4)
    assert [(i.text, i.cycles) for i in first.instructions] == [("adds r0, #1", 1), ("bx lr", 1)]
    assert first.cycles_per_instruction == pytest.approx(16 / 6)
    assert (second.place, second.executions, second.cycles) == ("start+0x6", 3, 12)
    assert [i.text.split()[0] for i in second.instructions] == ["subs", "bne"]


def test_an_m7_executes_two_instructions_at_a_time() -> None:
    source = START + "movs r2, #100\n1: adds r0, #1\n adds r1, #1\n subs r2, #1\n bne 1b\n b ."
    profile = profile_image(build_asm(source, board="nucleo_f767zi"), "nucleo_f767zi", blocks=1)
    (loop,) = profile.blocks
    assert loop.executions == 99
    # The two sums issue together; so do the subtraction and the branch.
    assert [i.cycles for i in loop.instructions] == [1, 0, 1, 0]
    # The branch before the loop and the first one in it are mispredicted, 8 cycles each.
    assert loop.cycles - loop.stall_cycles == 2 * 99 + 2 * 8


WITH_LIBRARY = """
#include <stdio.h>
#include <math.h>
static int fib(int n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
__attribute__((noinline)) static float area(float r) { return r * r * 3.14f; }
int main(void) {
    float sum = 0;
    for (int i = 0; i < 7; i++) sum += area(i) + sinf(i);
    printf("fib %d, area %d\\n", fib(10), (int)sum);
    fprintf(stderr, "done\\n");
    return 5;
}
"""


@pytest.mark.parametrize("exact", [False, True], ids=["fast", "exact"])
@pytest.mark.parametrize("board", BOARDS)
@pytest.mark.parametrize("level", ["-O0", "-O2"])
def test_a_program_with_newlib(board: str, level: str, exact: bool) -> None:
    elf = build_c(WITH_LIBRARY, level, "-fno-inline", "-fno-optimize-sibling-calls",
                  "-fno-builtin-sinf", board=board, library=True)  # fmt: skip
    profile = profile_image(elf, board, exact=exact)
    area = int(sum(r * r * 3.14 + math.sin(r) for r in range(7)))
    text = f"fib 55, area {area}\ndone\n"
    assert profile.output == {"serial": b"", "semihosting": text.encode()}
    assert (profile.stop.reason, profile.stop.exit_code) == (StopReason.EXIT, 5)
    calls = {entry.name: entry.calls for entry in profile.functions}
    assert calls["area"] == calls["sinf"] == 7
    assert calls["fib"] == 177
    assert calls["main"] == calls["Reset_Handler"] == calls["exit"] == 1
    check_sums(profile)
    assert profile.provenance is Provenance.SIMULATED
    assert profile.timing_model == timing_identity(load_board(board), exact=exact)


@pytest.mark.parametrize("board", BOARDS)
def test_the_fast_mode_tells_nearly_the_exact_cycles_of_library_code(board: str) -> None:
    elf = build_c(WITH_LIBRARY, "-O2", board=board, library=True)
    fast, exact = (profile_image(elf, board, exact=mode) for mode in (False, True))
    assert fast.cycles == pytest.approx(exact.cycles, rel=0.005)
    assert [entry.calls for entry in sorted(fast.functions, key=lambda entry: entry.address)] == [
        entry.calls for entry in sorted(exact.functions, key=lambda entry: entry.address)
    ]


def check_sums(profile: Profile) -> None:
    """Own cycles add up to the total; so do those of main, and of what starts and ends it."""
    entries = profile.functions
    assert sum(entry.cycles for entry in entries) == pytest.approx(profile.cycles, rel=1e-12)
    assert sum(entry.instructions for entry in entries) == profile.instructions
    assert sum(e.stall_cycles for e in entries) == pytest.approx(profile.stall_cycles, rel=1e-12)
    reset = profile.function("Reset_Handler")
    assert reset.inclusive_cycles == pytest.approx(profile.cycles, rel=1e-12)
    assert reset.inclusive_instructions == profile.instructions
    for entry in entries:
        assert entry.inclusive_cycles >= entry.cycles * (1 - 1e-12)
        assert entry.cycles >= entry.stall_cycles >= 0


POINTERS = """
typedef int (*step)(int);
#define STEP(name, how) __attribute__((noipa)) static int name(int n) { return (how) + 1; }
STEP(half, n / 2) STEP(more, n * 3) STEP(same, n)
static const step steps[] = {half, more, same};
__attribute__((noipa)) static int walk(int n) {
    int sum = 0;
    for (int i = 0; i < n; i++) sum += steps[i % 3](i) * 2;
    return sum;
}
int main(void) { return walk(30) + 1; }
"""


@pytest.mark.parametrize("board", BOARDS)
def test_a_stripped_image_has_the_same_profile_with_addresses(board: str) -> None:
    elf = build_c(POINTERS, board=board)
    named, bare = profile_image(elf, board), profile_image(stripped(elf), board)
    assert {entry.name for entry in named.functions} == {
        "Reset_Handler", "main", "walk", "half", "more", "same"
    }  # fmt: skip
    assert [entry.name for entry in bare.functions] == [
        f"{entry.address:#010x}" for entry in named.functions
    ]
    for one, other in zip(named.functions, bare.functions, strict=True):
        assert (one.calls, one.cycles, one.instructions) == (
            other.calls, other.cycles, other.instructions
        )  # fmt: skip
        assert one.inclusive_cycles == other.inclusive_cycles
    assert named.cycles == bare.cycles
    assert all(block.place == "" for block in bare.blocks)
    half = named.function("half").address
    (calls,) = profile_image(stripped(elf), board, functions=[f"{half:#x}"]).calls
    assert calls.calls == 10


def test_a_function_that_never_ran_has_no_calls() -> None:
    elf = build_c("void idle(void) {} int main(void) { return 0; }")
    profile = profile_image(elf, M4, functions=["idle"])
    assert [(call.name, call.calls, call.max_cycles) for call in profile.calls] == [("idle", 0, 0)]
    with pytest.raises(ImageError, match="no function 'idle' ran"):
        profile.function("idle")
    with pytest.raises(ImageError, match="no function begins at 0x08000002"):
        profile_image(elf, M4, functions=["0x08000003"])


def test_a_name_that_is_at_several_addresses_is_refused() -> None:
    twice = START + "b .\n.irp at, 1, 2\n.type twin\\at, %function\ntwin\\at: nop\n.endr"
    elf = build_asm(twice).replace(b"twin2", b"twin1")
    with pytest.raises(ImageError, match="'twin1' is at several addresses, name one of them"):
        profile_image(elf, M4, until="twin1")


def test_a_board_needs_a_cycle_model() -> None:
    with pytest.raises(BoardError, match="mps2_an386 is functional only"):
        profile_image(build_asm(START), "mps2_an386")


def test_a_profile_is_the_same_in_another_process() -> None:
    elf = build_c(POINTERS, board="nucleo_f767zi")
    code = (
        "import sys, json; from hwnas.profiling import profile_image; "
        "print(json.dumps(profile_image(sys.stdin.buffer.read(), 'nucleo_f767zi').to_dict()))"
    )
    told = subprocess.run([sys.executable, "-c", code], input=elf, capture_output=True, check=True)
    own = profile_image(elf, "nucleo_f767zi").to_dict()
    assert json.loads(told.stdout) == json.loads(json.dumps(own))


class Tape(Transport):
    """A board that keeps what it is sent."""

    def __init__(self, board: VirtualBoard) -> None:
        self._board = board
        self.sent = bytearray()

    def write(self, data: bytes) -> None:
        self.sent += data
        self._board.write(data)

    def read(self, timeout_s: float) -> bytes:
        return self._board.read(timeout_s)

    def close(self) -> None:
        self._board.close()


def run_firmware(board: str, network: Network, *, exact: bool) -> tuple[list[int], Profile]:
    """What hwnas's own firmware measures layer by layer, and its profile while it does so."""
    spec = load_board(board)
    image = find_image(spec)
    flash = pool_contents(image.manifest)
    tape = Tape(VirtualBoard(spec, image.elf, flash, exact=exact))
    with BoardClient(tape) as client:
        plan = compile_plan(network, pool=PoolLayout.for_region(image.manifest.parameter_bytes))
        client.load(plan.data)
        result = client.run(warmup=0, per_layer=True, step_count=len(plan.step_nodes))
    profile = profile_image(
        image.elf, spec, flash_data=flash, serial_input=bytes(tape.sent), exact=exact,
        functions=["kernels_run", "executor_run"],
    )  # fmt: skip
    assert profile.stop.reason is StopReason.SERIAL_INPUT
    return [int(result.total_cycles[0]), *map(int, result.layer_cycles[0])], profile


@pytest.mark.parametrize("exact", [False, True], ids=["fast", "exact"])
@pytest.mark.parametrize("board", BOARDS)
def test_the_firmware_measures_what_its_profile_says(
    board: str, exact: bool, lenet: Network
) -> None:
    for network in [lenet] if exact else [lenet, separable()]:
        (total, *layers), profile = run_firmware(board, network, exact=exact)
        kernels, executor = profile.calls
        assert kernels.calls == len(layers)
        # Around each kernel there is a little code, which reads the counter.
        for layer, call in ((min(layers), kernels.min_cycles), (max(layers), kernels.max_cycles)):
            assert 0 < layer - call < 200
        inclusive = profile.function("kernels_run").inclusive_cycles
        assert 0 < sum(layers) - inclusive < 200 * len(layers)
        assert executor.max_cycles == pytest.approx(total, abs=300)
        assert executor.max_cycles > total


def test_the_profile_tells_lenets_layers_by_their_kernels(lenet: Network) -> None:
    (_, *layers), profile = run_firmware(M4, lenet, exact=False)
    kernels = {
        "arm_convolve_wrapper_s8": (0, 2), "arm_max_pool_s8": (1, 3),
        "arm_fully_connected_s8": (4, 5, 6), "own_softmax": (7,),
    }  # fmt: skip
    for name, numbers in kernels.items():
        entry = profile.function(name)
        assert entry.calls == len(numbers)
        dispatch = sum(layers[number] for number in numbers) - entry.inclusive_cycles
        assert 0 < dispatch < 500 * len(numbers)
