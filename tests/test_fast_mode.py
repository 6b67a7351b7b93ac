"""The fast mode against the exact one: accesses that are told when a block is entered.

Each snippet loads and stores in another way; what the mode tells must be what happens.
"""

from __future__ import annotations

import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bench_fast_mode import Bench, deviations, lenet, random_layer
from capstone import arm
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import networks, residual, separable
from timing_rules import assembled
from virtual.build import RESULTS, asm_main, build, needs_compiler

from hwnas.boards import BoardSpec, load_board
from hwnas.elf import Image
from hwnas.errors import BoardError
from hwnas.virtual import VirtualBoard, _native, _native_accesses
from hwnas.virtual.accesses import walk
from hwnas.virtual.accesses._values import Operator, Register, Value, calculate, computed, constant
from hwnas.virtual.code import AccessPrograms, Code
from hwnas.virtual.collector import SharedMemory
from hwnas.virtual.counters import Counters
from hwnas.virtual.edge_counters import EdgeCounters
from hwnas.virtual.timing import timing_identity

BASE = 0x0800_0000
RAM = 0x2000_0000
BOUND = 0.005
BOARDS = ["nucleo_l496zg", "nucleo_f767zi", "nucleo_l552ze_q"]
WORD = 0xFFFF_FFFF


# What is told of single instructions

SNIPPETS = {
    # Code, and its accesses as expressions of the registers at entry: address, size, store?
    "ldr r0, [r1, #8]": ["r1 + 8, 4, 0"],
    "ldrb r0, [r1, r2]": ["r1 + r2, 1, 0"],
    "ldr r0, [r1, r2, lsl #2]": ["r1 + 4 * r2, 4, 0"],
    "ldrh r0, [r1, #2]!; ldrsb r0, [r1]": ["r1 + 2, 2, 0", "r1 + 2, 1, 0"],
    "ldr r0, [r1], #4; ldr r0, [r1], #-8; ldr r0, [r1]":
        ["r1, 4, 0", "r1 + 4, 4, 0", "r1 - 4, 4, 0"],
    "strb r0, [r1], #1; strh r0, [r1, #-2]!; str r0, [r1]":
        ["r1, 1, 1", "r1 - 1, 2, 1", "r1 - 1, 4, 1"],
    "ldrd r4, r5, [r1, #8]!; strd r4, r5, [r1], #8; ldr r0, [r1]":
        ["r1 + 8, 4, 0", "r1 + 12, 4, 0", "r1 + 8, 4, 1", "r1 + 12, 4, 1", "r1 + 16, 4, 0"],
    "ldm r1!, {r4, r5}; stm r1!, {r4}; ldr r0, [r1]":
        ["r1, 4, 0", "r1 + 4, 4, 0", "r1 + 8, 4, 1", "r1 + 12, 4, 0"],
    "stmdb r1!, {r4, r5}; ldmdb r1, {r4}; ldr r0, [r1]":
        ["r1 - 8, 4, 1", "r1 - 4, 4, 1", "r1 - 12, 4, 0", "r1 - 8, 4, 0"],
    "push {r4, lr}; pop {r5, r6}; ldr r0, [sp]":
        ["sp - 8, 4, 1", "sp - 4, 4, 1", "sp - 8, 4, 0", "sp - 4, 4, 0", "sp, 4, 0"],
    "vldr s0, [r1, #4]; vstr d0, [r1]; vldmia r1!, {s0, s1}; ldr r0, [r1]":
        ["r1 + 4, 4, 0", "r1, 8, 1", "r1, 4, 0", "r1 + 4, 4, 0", "r1 + 8, 4, 0"],
    "tbb [r0, r1]": ["r0 + r1, 1, 0"],
    "tbh [r0, r1, lsl #1]": ["r0 + 2 * r1, 2, 0"],
    # Literals count from the aligned program counter.
    "nop; ldr r0, [pc, #8]": ["base + 4 + 8, 4, 0"],
    "adr r1, .+8; ldr r0, [r1]": ["base + 8, 4, 0"],
    # Arithmetic.
    "adds r1, #4; ldr r0, [r1]": ["r1 + 4, 4, 0"],
    "subs r1, r1, r2; ldr r0, [r1]": ["r1 - r2, 4, 0"],
    "add.w r1, r2, r3, lsl #3; ldr r0, [r1]": ["r2 + 8 * r3, 4, 0"],
    "rsb r1, r2, #64; ldr r0, [r1]": ["64 - r2, 4, 0"],
    "mul r1, r2, r3; ldr r0, [r1, r4]": ["r2 * r3 + r4, 4, 0"],
    "mla r1, r2, r3, r4; ldr r0, [r1]": ["r2 * r3 + r4, 4, 0"],
    "mls r1, r2, r3, r4; ldr r0, [r1]": ["r4 - r2 * r3, 4, 0"],
    "smulbb r1, r2, r3; ldr r0, [r1]": ["half(r2) * half(r3), 4, 0"],
    "smlabb r1, r2, r3, r4; ldr r0, [r1]": ["half(r2) * half(r3) + r4, 4, 0"],
    "movw r1, #0x100; movt r1, #0x2000; ldr r0, [r1]": ["0x20000100, 4, 0"],
    "movt r1, #0x2000; ldr r0, [r1]": ["(r1 & 0xFFFF) + 0x20000000, 4, 0"],
    "mvn r1, r2; ldr r0, [r1]": ["-1 - r2, 4, 0"],
    "lsls r1, r2, #3; ldr r0, [r1]": ["8 * r2, 4, 0"],
    "lsrs r1, r2, #3; ldr r0, [r1]": ["r2 >> 3, 4, 0"],
    "asrs r1, r2, #3; ldr r0, [r1]": ["signed(r2) >> 3, 4, 0"],
    "lsl.w r1, r2, r3; ldr r0, [r1]": ["r2 << min(r3 & 255, 32), 4, 0"],
    "and r1, r2, #7; orr r1, r1, r3; eor r1, r4; ldr r0, [r1]": ["((r2 & 7) | r3) ^ r4, 4, 0"],
    "bic r1, r2, #3; ldr r0, [r1]": ["r2 & ~3, 4, 0"],
    "uxtb r1, r2; ldr r0, [r1]": ["r2 & 255, 4, 0"],
    "sxth r1, r2; ldr r0, [r1]": ["signed(r2 << 16 & 0xFFFFFFFF) >> 16, 4, 0"],
    "ubfx r1, r2, #4, #8; ldr r0, [r1]": ["r2 >> 4 & 255, 4, 0"],
    "add r1, r2, r3, lsr #2; ldr r0, [r1]": ["r2 + (r3 >> 2), 4, 0"],
    "add r1, r2; add r1, r3; add r1, r4; ldr r0, [r1]": ["r1 + r2 + r3 + r4, 4, 0"],
    # Under a condition, what was made under it: where it is not met, neither counts.
    "itt eq; ldreq r1, [r8]; ldreq r0, [r1, #4]": ["r8, 4, 0", "0x20000040 + 4, 4, 0"],
    "itt ls; addls r1, r2; ldrls r0, [r1]; nop; itt ls; addls r1, r3; ldrls r0, [r1]":
        ["r1 + r2, 4, 0", "r1 + r2 + r3, 4, 0"],
    "it eq; moveq r1, r2; mov r1, r3; it eq; ldreq r0, [r1]": ["r3, 4, 0"],
    # Pointers in memory, of which the first words are known to the test.
    "ldr r1, [r8]; ldr r0, [r1, #4]": ["r8, 4, 0", "0x20000040 + 4, 4, 0"],
    "ldrsb r1, [r8, #4]; ldr r0, [r9, r1]": ["r8 + 4, 1, 0", "r9 - 2, 4, 0"],
    "ldrh r1, [r8, #4]; ldr r0, [r9, r1]": ["r8 + 4, 2, 0", "r9 + 0xFFFE, 4, 0"],
    "str r2, [sp, #4]; ldr r1, [sp, #4]; ldr r0, [r1]":
        ["sp + 4, 4, 1", "sp + 4, 4, 0", "r2, 4, 0"],
}  # fmt: skip
NAMES = {"sp": arm.ARM_REG_SP} | {f"r{i}": arm.ARM_REG_R0 + i for i in range(13)}


class Evaluation:
    """Runs programs by the compiled steps, without an emulator."""

    def __init__(self, registers: dict[str, int]) -> None:
        self.memory = np.zeros(256, np.uint8)
        self.memory[:8] = np.frombuffer(bytes.fromhex("40000020feff0000"), np.uint8)
        counters = Counters(BASE, bytes(64), BASE, 64, None, None)
        self.state = state = counters._state
        state[_native.RAM_BASE], state[_native.RAM_END] = RAM, RAM + len(self.memory)
        state[_native.RAM_POINTER] = self.memory.ctypes.data
        self.registers = {NAMES[name]: value for name, value in registers.items()}

    def accesses(self, program: list[int]) -> list[tuple[int, int, int]]:
        native, state, at = _native_accesses, self.state, 4096
        state[at : at + len(program)] = program
        step = at + native.FIRST_ENTRY
        for _ in range(program[native.ENTRIES]):
            slot, number, _ = state[step : step + native.ENTRY_SIZE]
            state[slot] = self.registers[int(number)]
            step += native.ENTRY_SIZE
        found = []
        for _ in range(program[native.STEPS]):
            value = int(native.add_up(state, step))
            kind = int(state[step])
            if kind < native.UNKNOWN:
                found.append((value, int(state[step + native.TARGET]), kind))
            elif kind != native.UNKNOWN:
                native.make(state, step, value)
            step += native.STEP_SIZE
        return found


def signed(value: int) -> int:
    return (value & WORD ^ 1 << 31) - (1 << 31)


def half(value: int) -> int:
    return signed(value << 16) >> 16


@pytest.fixture(scope="module")
def snippets() -> dict[str, bytes]:
    options = ["-mcpu=cortex-m7", "-mfpu=fpv5-d16", "-mfloat-abi=hard"]
    return dict(zip(SNIPPETS, assembled(list(SNIPPETS), *options), strict=True))


@needs_compiler
@pytest.mark.parametrize("code", SNIPPETS)
def test_addresses_follow_from_what_registers_hold(code: str, snippets: dict[str, bytes]) -> None:
    data = snippets[code]
    program = AccessPrograms(BASE, data, EdgeCounters).of(BASE, len(data))
    rng = random.Random(code)
    for _ in range(5):
        registers = {name: rng.randrange(1 << 32) for name in NAMES} | {"r8": RAM}
        facts = {**registers, "base": BASE, "signed": signed, "half": half, "min": min}
        expected = [eval(text, facts) for text in SNIPPETS[code]]
        found = Evaluation(registers).accesses(program)
        assert found == [(address & WORD, size, store) for address, size, store in expected]


@needs_compiler
@pytest.mark.parametrize(
    "code",
    [
        "it eq; moveq r1, r2; ldr r0, [r1]",
        "it eq; moveq r1, r2; it ne; ldrne r0, [r1]",
        "it eq; moveq r1, r2; cmp r3, r4; it eq; ldreq r0, [r1]",
        "itt eq; moveq r1, r2; tsteq r3, r4; it eq; ldreq r0, [r1]",
    ],
)
def test_what_is_made_under_a_condition_is_not_told_without_it(code: str) -> None:
    (data,) = assembled([code], "-mcpu=cortex-m7")
    (access,) = walk(Code(BASE, data).decode(BASE, len(data))).accesses
    assert access.address is None


def program_of(data: str, collector: type[Counters] | type[EdgeCounters]) -> list[int]:
    code = bytes.fromhex(data)
    return AccessPrograms(BASE, code, collector).of(BASE, len(code))


def test_what_cannot_be_told_keeps_its_place() -> None:
    # clz r1, r2; ldr r0, [r1]; ldr r0, [r3]
    program = program_of("b2fa82f1 0868 1868", EdgeCounters)
    native = _native_accesses
    steps = np.array(program[-2 * native.STEP_SIZE :]).reshape(2, -1)
    assert steps[:, native.KIND].tolist() == [native.UNKNOWN, native.READ]
    assert steps[:, native.OTHER].tolist() == [0, 0]


def test_what_costs_nothing_has_no_program() -> None:
    assert program_of("00bf8818", EdgeCounters) == []
    # The stack is neither flash nor unaligned, and the Cortex-M4's buffer takes stores.
    assert program_of("f0b50099f0bd", Counters) == []
    assert program_of("0860", Counters) == []
    assert program_of("0860", EdgeCounters) != []
    # An odd place on the stack may be unaligned: ldr.w r0, [sp, #1]
    assert program_of("ddf80100", Counters) != []


def test_a_loop_that_adds_constants_does_not_read_registers_again() -> None:
    native = _native_accesses
    # ldr r0, [r1], #4; ldr r2, [r3, r4]
    program = program_of("51f8040b 1a59", EdgeCounters)
    assert program[native.REPEATS] == 1
    entries = np.array(program[native.FIRST_ENTRY :][: 3 * native.ENTRY_SIZE]).reshape(3, -1)
    advances = dict(entries[:, [native.NUMBER, native.ADVANCE]].tolist())
    assert advances == {NAMES["r1"]: 4, NAMES["r3"]: 0, NAMES["r4"]: 0}
    # ldr r1, [r1]; and adds r1, r2; ldr r0, [r1]: not by a constant.
    assert program_of("0968", EdgeCounters)[native.REPEATS] == 0
    assert program_of("891800bf0868", EdgeCounters)[native.REPEATS] == 0


def test_of_a_block_that_needs_too_many_values_the_rest_is_not_told() -> None:
    # ldr r0, [r0], again and again: each address is a value of its own.
    native = _native_accesses
    program = program_of("0068" * 80, EdgeCounters)
    steps = np.array(program[native.FIRST_ENTRY + native.ENTRY_SIZE :])
    kinds = steps.reshape(-1, native.STEP_SIZE)[:, native.KIND].tolist()
    told = native.SLOTS_END - native.FIRST_SLOT
    assert kinds.count(native.READ) == told
    assert kinds[-1] == native.UNKNOWN and kinds.count(native.UNKNOWN) == 80 - told


@needs_compiler
@pytest.mark.parametrize("name", ["nucleo_l496zg", "nucleo_f767zi"])
def test_what_is_not_told_is_counted(name: str) -> None:
    body = "ldr r2, =0x20000104\n clz r1, r2\n ldr r0, [r2, r1]\n b 1f\n1: nop"
    with VirtualBoard(timed_as(name), build(asm_main(body))) as board:
        board.read(10)
        assert board.untold_accesses == 1


@needs_compiler
def test_a_load_behind_one_that_is_not_told_is_compared_with_nothing() -> None:
    """The address of the one before is not known, and that of an earlier one says nothing."""
    body = """
        ldr r3, =0x20000100
        b 1f
    1:  clz r1, r3              @ not followed: 2
        ldr r4, [r3]
        ldr r5, [r3, r1]        @ not told
        ldr r6, [r3, #4]        @ another bank than the first one's
        ldr r7, [r3, #12]
        b 2f
    2:  nop
    """
    elf = build(asm_main(body))
    (main,) = (address for address, name in Image.read(elf).functions if name == "main")
    compared = {}
    for exact in (False, True):
        with VirtualBoard(timed_as("nucleo_f767zi"), elf, exact=exact) as board:
            board.read(10)
            counters = board._machine.counters
            assert isinstance(counters, EdgeCounters)
            row = counters.rows()[:, _native.ADDRESS].tolist().index(main) + 1
            compared[exact] = [part[row, 1:5].tolist() for part in counters.bank_pairs()]
    assert compared[True] == [[1, 1, 1, 0], [1, 0, 1, 0]]
    assert compared[False] == [[0, 0, 1, 0], [0, 0, 1, 0]]


words = st.integers(0, WORD) | st.sampled_from([0, 1, 31, 32, 33, 255, 256, 1 << 31, WORD])


@settings(max_examples=200, deadline=None)
@given(operator=st.sampled_from(Operator), left=words, right=words)
def test_compiled_operators_compute_what_python_does(
    operator: Operator, left: int, right: int
) -> None:
    native = _native_accesses
    assert native.compute(native.COMPUTE + operator, left, right) == calculate(
        operator, left, right
    )
    simplified = computed(operator, constant(left), constant(right))
    assert simplified == constant(calculate(operator, left, right))


@given(factors=st.lists(words, max_size=4), number=words)
def test_sums_of_values_are_sums_modulo_two_to_the_32(factors: list[int], number: int) -> None:
    one = Value.of(Register(1))
    total = constant(number)
    for factor in factors:
        total = total.plus(one, factor)
    times = sum(factors) & WORD
    assert total == Value(((Register(1), times),) if times else (), number)
    assert total.plus(total, -1) == Value()


# Whole programs, in both modes


def timed_as(name: str) -> BoardSpec:
    """The NUCLEO-L496ZG, for which small programs are built, with the timing of another board."""
    spec, other = load_board("nucleo_l496zg"), load_board(name)
    caches = other.core.instruction_cache, other.core.data_cache
    core = replace(spec.core, instruction_cache=caches[0], data_cache=caches[1])
    return replace(spec, core=core, timing=other.timing)


BODY = """
    movs r0, #200
    ldr r1, =0x08000000
    ldr r2, =0x20000100
    mov r3, r2
1:  ldr r4, [r1], #4            @ a stream through flash
    ldr r5, [r1, #96]
    ldrb r6, [r2, #1]!
    ldr.w r7, [r2]              @ unaligned three times out of four
    str r6, [r3], #4
    str r2, [sp, #-8]!
    ldr r8, [sp], #8            @ a pointer that was stored right before
    ldrh r6, [r8]
    subs r0, #1
    bne 1b
    ldr r7, =0x20000000
    str r4, [r7]
"""


@needs_compiler
@pytest.mark.parametrize("timing", ["nucleo_l496zg", "nucleo_f767zi"])
def test_both_modes_count_the_same(timing: str) -> None:
    # The program is for the STM32L496; its timing is that of one board or the other.
    elf, spec = build(asm_main(BODY)), timed_as(timing)
    found = []
    for exact in (False, True):
        with VirtualBoard(spec, elf, exact=exact) as board:
            board.read(10)
            found.append((board.block_counts, board.memory(RESULTS, 64), board.cycles))
    assert found[0] == found[1]
    assert sum(block.unaligned for block in found[0][0]) >= 150


@pytest.mark.parametrize("board", BOARDS)
def test_networks_take_nearly_the_exact_cycles(board: str) -> None:
    nets = [lenet(), separable(), residual()]
    rng = random.Random(board)
    layers = [random_layer(rng) for _ in range(20)]
    for per_layer in (False, True):
        found = deviations(load_board(board), nets, per_layer=per_layer)
        assert max(map(abs, found)) <= BOUND
    assert max(map(abs, deviations(load_board(board), layers, per_layer=False))) <= BOUND


@settings(max_examples=8, deadline=None)
@given(network=networks())
def test_random_networks_take_nearly_the_exact_cycles(network: object) -> None:
    found = deviations(load_board("nucleo_f767zi"), [network], per_layer=True)  # type: ignore[list-item]
    assert max(map(abs, found)) <= BOUND


COUNT = """
import sys
sys.path[:0] = sys.argv[2:]
from bench_fast_mode import Bench, lenet, load_board
for _ in range(2):
    bench = Bench(load_board(sys.argv[1]), exact=False)
    print(bench.cycles(bench.plan(lenet()), per_layer=True))
    bench.board.close()
"""


@pytest.mark.parametrize("board", ["nucleo_l496zg", "nucleo_f767zi"])
def test_runs_and_processes_take_the_same_cycles(board: str) -> None:
    """Whether prices come from the cache or are worked out."""
    import bench_fast_mode

    folders = [str(Path(bench_fast_mode.__file__).parent), *filter(None, sys.path)]
    found = set()
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", COUNT, board, *folders], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        found |= set(done.stdout.splitlines())
    assert len(found) == 1
    bench = Bench(load_board(board), exact=False)
    ours = bench.cycles(bench.plan(lenet()), per_layer=True)
    assert found == {str(ours)}


def test_the_mode_is_part_of_the_timing_identity() -> None:
    for board in BOARDS:
        spec = load_board(board)
        exact = timing_identity(spec, exact=True)
        assert timing_identity(spec) == f"{exact}, fast/3"


def test_the_callback_of_the_hook_lets_no_exception_out() -> None:
    """ctypes would print it and go on: it is kept, and raised once emulation has stopped."""
    counters = Counters(BASE, bytes.fromhex("00bf") * 8, BASE, 16, None, None)

    def refuse(address: int, size: int) -> list[int]:
        raise BoardError("no instructions")

    memory = SharedMemory(BASE, np.zeros(16, np.uint8))
    counters.compute_accesses(refuse, memory, memory)
    counters.check()
    counters._add_program(counters._first_row)
    with pytest.raises(BoardError, match="no instructions"):
        counters.check()
