"""Calls as profiles count them, against images that count their calls themselves."""

from __future__ import annotations

import random

import pytest
from guests.guest_images import BOARDS, M4, START, build_asm, build_c
from hypothesis import given, settings
from hypothesis import strategies as st
from virtual.build import needs_compiler

from hwnas.boards import load_board
from hwnas.profiling import Profile, profile_image

pytestmark = needs_compiler
RAM_BYTES = load_board(M4).ram.size_bytes
COUNTING = """
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#define FUNCTION __attribute__((noipa))
#define RECURSIVE __attribute__((noipa, optimize("no-optimize-sibling-calls")))
#define COUNT(name) static unsigned calls_of_##name;
#define ENTER(name) calls_of_##name++
#define SHOW(name) printf(#name " %u\\n", calls_of_##name)
"""
"""Nothing is inlined or cloned, no recursion becomes a loop: what the source calls is called."""

KINDS = """
COUNT(fib) COUNT(is_even) COUNT(is_odd) COUNT(first) COUNT(second) COUNT(third) COUNT(chain)
COUNT(compare) COUNT(dive) COUNT(rescue) COUNT(nested) COUNT(choose) COUNT(twice)
static jmp_buf place;
static volatile int sink;

RECURSIVE int fib(int n) { ENTER(fib); return n < 2 ? n : fib(n - 1) + fib(n - 2); }
int is_odd(int n);
FUNCTION int is_even(int n) { ENTER(is_even); return n == 0 ? 1 : is_odd(n - 1); }
FUNCTION int is_odd(int n) { ENTER(is_odd); return n == 0 ? 0 : is_even(n - 1); }
FUNCTION int third(int n) { ENTER(third); return n + sink; }
FUNCTION int second(int n) { ENTER(second); return third(n * 3); }
FUNCTION int first(int n) { ENTER(first); return second(n + 1); }
static int (*const steps[])(int) = {first, second, third};
FUNCTION int chain(int n) { ENTER(chain); return steps[n % 3](n); }
FUNCTION int compare(const void *a, const void *b) {
    ENTER(compare);
    return *(const int *)a - *(const int *)b;
}
FUNCTION void dive(int n) {
    ENTER(dive);
    if (n == 0) longjmp(place, 1);
    dive(n - 1);
    sink++;
}
RECURSIVE int rescue(int n) {
    ENTER(rescue);
    if (setjmp(place) == 0) dive(n);
    return n ? rescue(n - 1) + 1 : 0;
}
FUNCTION void nested(int n) {
    volatile int here = n;
    ENTER(nested);
    if (n == 3) {
        if (setjmp(place) != 0) { sink += here; return; }
    }
    if (n == 7) longjmp(place, 2);
    nested(n + 1);
    sink++;
}
FUNCTION int choose(int n) {
    ENTER(choose);
    switch (n) {
    case 0: return third(5);
    case 1: return first(6);
    case 2: sink = 1; return 7;
    case 3: return chain(9);
    case 4: return fib(5);
    case 5: sink = 9; return 8;
    default: return 0;
    }
}
RECURSIVE int twice(int n) { ENTER(twice); return n > 0 ? twice(n - 1) + twice(n - 2) : sink; }

int main(void) {
    int numbers[40];
    for (int i = 0; i < 40; i++) numbers[i] = i * 7919 % 101;
    qsort(numbers, 40, sizeof numbers[0], compare);
    for (int i = 0; i < 12; i++) chain(i);
    for (int i = 0; i < 8; i++) choose(i);
    fib(11); is_even(1001); is_odd(50); rescue(4); nested(0); twice(9);
    SHOW(fib); SHOW(is_even); SHOW(is_odd); SHOW(first); SHOW(second); SHOW(third); SHOW(chain);
    SHOW(compare); SHOW(dive); SHOW(rescue); SHOW(nested); SHOW(choose); SHOW(twice);
    return 0;
}
"""


def check_calls(profile: Profile) -> dict[str, int]:
    """What the image printed of its calls is what the profile says."""
    lines = profile.output["semihosting"].decode().split("\n")
    own = {name: int(count) for name, count in (line.split() for line in lines if line)}
    found = {entry.name: entry.calls for entry in profile.functions}
    assert {name: found.get(name, 0) for name in own} == own
    for entry in profile.functions:
        assert entry.inclusive_cycles >= entry.cycles * (1 - 1e-9)
    assert profile.function("Reset_Handler").inclusive_cycles == pytest.approx(profile.cycles)
    return own


@pytest.mark.parametrize("board", BOARDS)
@pytest.mark.parametrize("level", ["-O0", "-O1", "-O2", "-Os"])
def test_every_kind_of_call(board: str, level: str) -> None:
    elf = build_c(COUNTING + KINDS, level, board=board, library=True)
    profile = profile_image(elf, board, functions=["nested", "twice", "main"])
    own = check_calls(profile)
    assert own["rescue"] == 5 and own["dive"] == 15 and own["nested"] == 8
    main = profile.function("main")
    for name in ("qsort", "fib", "chain", "choose", "rescue", "nested", "twice", "printf"):
        assert profile.function(name).inclusive_cycles < main.inclusive_cycles
    nested, twice, whole = profile.calls
    # longjmp ends all calls, but for main the outermost.
    assert (nested.calls, twice.calls, whole.calls) == (8, own["twice"], 1)
    # Of calls within calls, the outermost is the longest.
    assert nested.max_cycles == pytest.approx(profile.function("nested").inclusive_cycles)
    assert twice.max_cycles == pytest.approx(profile.function("twice").inclusive_cycles)
    assert whole.min_cycles == whole.max_cycles == pytest.approx(main.inclusive_cycles)


def test_more_calls_are_recorded_than_there_is_room_for() -> None:
    source = """
    RECURSIVE int fib(int n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
    int main(void) { return fib(23) & 1; }
    """
    profile = profile_image(build_c(COUNTING + source, library=True), M4, functions=["fib"])
    (calls,) = profile.calls
    assert calls.calls == profile.function("fib").calls == 92_735 > 1 << 16
    assert calls.max_cycles == profile.function("fib").inclusive_cycles
    # Most calls are of the leaves, fib(1) and fib(0).
    assert calls.min_cycles == calls.median_cycles < 30


def test_calls_that_never_return_do_not_pile_up_without_end() -> None:
    pair = """
        bl   ping
        .type ping, %function
        .thumb_func
    ping:
        bl   pong
        .type pong, %function
        .thumb_func
    pong:
        adds r0, #1
        bl   ping
    """
    profile = profile_image(build_asm(START + pair), M4, max_cycles=1_200_000)
    ping, pong = profile.function("ping"), profile.function("pong")
    assert ping.calls + pong.calls > RAM_BYTES // 4
    assert abs(ping.calls - pong.calls) <= 1
    assert profile.function("start").inclusive_cycles == profile.cycles
    assert ping.inclusive_cycles <= profile.cycles
    assert sum(entry.cycles for entry in profile.functions) == profile.cycles


def test_stacks_that_are_switched_by_hand_only_spoil_inclusive_figures() -> None:
    # Two coroutines, each with a stack of its own, take turns through a switch.
    source = """
        ldr  r4, =0x20001000
        ldr  r5, =0x20002000
        ldr  r0, =other
        str  r0, [r5, #-4]!
        movs r6, #200
        bl   turn
        b    .
        .pool
        .type turn, %function
        .thumb_func
    turn:
        push {lr}
    1:  bl   switch
        subs r6, #1
        bne  1b
        pop  {pc}
        .type other, %function
        .thumb_func
    other:
        bl   switch
        adds r0, #1
        b    other
        .type switch, %function
        .thumb_func
    switch:
        push {lr}
        mov  r4, sp
        mov  sp, r5
        mov  r5, r4
        pop  {pc}
    """
    profile = profile_image(build_asm(START + source), M4)
    calls = {entry.name: entry.calls for entry in profile.functions}
    assert calls["switch"] == 2 * 200 and calls["turn"] == 1
    assert sum(entry.cycles for entry in profile.functions) == profile.cycles
    assert profile.function("start").inclusive_cycles == profile.cycles
    for entry in profile.functions:
        assert entry.cycles <= entry.inclusive_cycles <= profile.cycles


def test_an_unlikely_part_of_a_function_belongs_to_it() -> None:
    # As GCC cuts functions where it can: the part elsewhere jumps back into the middle.
    source = """
        movs r6, #9
    1:  mov  r0, r6
        bl   work
        subs r6, #1
        bne  1b
        b    .
        .type work, %function
        .thumb_func
    work:
        push {lr}
        cmp  r0, #6
        bgt  work.cold
    2:  adds r0, #1
        pop  {pc}
        .size work, . - work
        .type rare, %function
        .thumb_func
    rare:
        bx   lr
        .size rare, . - rare
        .type work.cold, %function
        .thumb_func
    work.cold:
        bl   rare
        bl   rare
        b    2b
        .size work.cold, . - work.cold
    """
    profile = profile_image(build_asm(START + source), M4, functions=["work"])
    assert {entry.name for entry in profile.functions} == {"start", "work", "rare"}
    work, rare = profile.function("work"), profile.function("rare")
    assert work.calls == profile.calls[0].calls == 9 and rare.calls == 2 * 3
    assert work.inclusive_cycles == work.cycles + rare.cycles
    assert profile.calls[0].max_cycles > profile.calls[0].median_cycles + 10


FUNCTIONS = 7


def random_program(rng: random.Random) -> str:
    """Functions that call each other in every way, at most so deep; each counts its calls."""
    parts = [f"COUNT(f{i}) int f{i}(int n);" for i in range(FUNCTIONS)]
    table = ", ".join(f"f{i}" for i in range(FUNCTIONS))
    parts += [f"static int (*const table[])(int) = {{{table}}};", "static volatile int sink;"]
    parts += ["static jmp_buf place;"]
    for i in range(FUNCTIONS):
        body = [f"ENTER(f{i});", "if (n <= 0) return sink;", "int sum = n;"]
        others = [number for number in range(FUNCTIONS) if number != i]
        for _ in range(rng.randrange(1, 4)):
            other = rng.choice(others)
            body.append(
                rng.choice(
                    [
                        f"sum += f{other}(n - {rng.randrange(1, 3)});",
                        f"sum += table[(n + {other}) % {FUNCTIONS}](n - 2);",
                        f"for (int i = 0; i < {rng.randrange(3)}; i++) sum += f{other}(n - 3);",
                        f"if (n % 3 == {rng.randrange(3)}) return f{other}(n - 1);",
                        f"if (sum & {rng.randrange(1, 4)}) sink++; else sum += f{other}(n - 2);",
                        f"if (n == {rng.randrange(2, 7)}) longjmp(place, n);",
                    ]
                )
            )
        other = rng.choice(others)
        body.append(
            rng.choice(
                [
                    "return sum;", f"return f{other}(n - 1);",
                    f"return table[(n + {other}) % {FUNCTIONS}](n - 1);",
                ]
            )
        )  # fmt: skip
        parts.append(f"FUNCTION int f{i}(int n) {{ {' '.join(body)} }}")
    shown = " ".join(f"SHOW(f{i});" for i in range(FUNCTIONS))
    calls = f"for (volatile int i = 0; i < {FUNCTIONS}; i++) if (!setjmp(place)) table[i](9);"
    return COUNTING + "\n".join([*parts, f"int main(void) {{ {calls} {shown} return 0; }}"])


@settings(max_examples=8, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    level=st.sampled_from(["-O0", "-O1", "-O2", "-Os"]),
    board=st.sampled_from(BOARDS),
)
def test_random_calls(seed: int, level: str, board: str) -> None:
    source = random_program(random.Random(seed))
    check_calls(profile_image(build_c(source, level, board=board, library=True), board))
