"""What the compiled hooks count for a core whose edges between blocks have prices, and its meter.

The hooks are called as the emulator calls them, on blocks and accesses of the test's own.
"""

from __future__ import annotations

import ctypes

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unicorn import unicorn_const

from hwnas.boards import CoreCache
from hwnas.virtual import _native, _native_edges
from hwnas.virtual.code import EdgePrices, PipelineBlocks
from hwnas.virtual.collector import EVENTS
from hwnas.virtual.edge_counters import EdgeCounters
from hwnas.virtual.edge_meter import EdgeMeter
from hwnas.virtual.timing import CoreCaches, CortexM7

BASE = 0x0800_0000
RAM = 0x2000_0000

CACHES = CoreCaches(CoreCache(4, 32, 2), CoreCache(8, 32, 4), RAM, 1024, 19, 18, 10)
CODE = bytes.fromhex("00bf" * 64 + "7047" + "00bf" * 63)


@pytest.fixture
def counters() -> EdgeCounters:
    return EdgeCounters(BASE, CODE, BASE, len(CODE), CACHES)


class Hooks:
    """Calls the hooks without an engine, which they need only to stop it and to mend IT blocks."""

    def __init__(self, counters: EdgeCounters) -> None:
        self.counters = counters
        counters.blocks_left = 1 << 40
        self._state = counters._state.ctypes.data_as(ctypes.POINTER(ctypes.c_int64))

    def enter(self, offset: int, size: int = 8) -> None:
        _native_edges.ON_BLOCK.ctypes(None, BASE + offset, size, self._state)

    def access(self, address: int, size: int = 4, *, write: bool = False) -> None:
        kind = unicorn_const.UC_MEM_WRITE if write else unicorn_const.UC_MEM_READ
        _native_edges.ON_ACCESS.ctypes(None, kind, address, size, 0, self._state)

    def events(self) -> dict[str, int]:
        return dict(zip(EVENTS, self.counters.counts().events.sum(axis=0).tolist(), strict=True))

    def mispredicted(self) -> list[int]:
        return [int(x) for x in self.counters.edges()[1:, 3]]


@pytest.fixture
def hooks(counters: EdgeCounters) -> Hooks:
    hooks = Hooks(counters)
    hooks.enter(0)
    return hooks


def test_edges_are_counted_with_both_ends(hooks: Hooks) -> None:
    for offset in (8, 0, 8, 0, 64):
        hooks.enter(offset)
    edges = hooks.counters.edges()
    assert edges[:, :3].tolist() == [[0, 1, 1], [1, 2, 2], [2, 1, 2], [1, 3, 1]]


def test_a_two_bit_counter_predicts_directions(hooks: Hooks) -> None:
    # ASSUMED: two bits, at first weakly not taken. Two ends of a loop are forgiven, once it is
    # known.
    for _ in range(4):
        hooks.enter(0)
    hooks.enter(8)
    hooks.enter(0)
    for _ in range(3):
        hooks.enter(0)
    loop, leaving, _ = hooks.mispredicted()
    # The first pass is taken against the prediction; all others as predicted.
    assert (loop, leaving) == (1, 1)


def test_a_branch_to_another_place_than_the_last_is_mispredicted(hooks: Hooks) -> None:
    for target in (64, 0, 64, 0, 96, 0, 96, 0, 64):
        hooks.enter(target)
    wrong = dict(zip(("to 64", "back", "to 96", "and back"), hooks.mispredicted(), strict=True))
    # 64 once before the counter knows and once after 96; 96 once.
    assert (wrong["to 64"], wrong["to 96"]) == (2, 1)


def test_the_target_of_a_return_is_always_right(hooks: Hooks) -> None:
    # ASSUMED. The block at 122 ends in bx lr.
    for target in (122, 0, 122, 16, 122, 32, 122, 48):
        hooks.enter(target)
    edges = hooks.counters.edges()
    returns = edges[edges[:, 0] == 2]
    # The counter learns that it is taken, and then every target is right.
    assert returns[:, 3].tolist() == [1, 0, 0, 0]


@pytest.mark.parametrize(
    ("code", "ends_in_return"),
    [
        ("00bf7047", True),  # bx lr
        ("00bf10bd", True),  # pop {r4, pc}
        ("bde8f083", True),  # pop.w {r4-r9, pc}
        ("5df804fb", True),  # ldr pc, [sp], #4
        ("00bffee7", False),
        ("bde8f003", False),  # pop.w {r4-r9}
        ("00bf1847", False),  # bx r3
    ],
)
def test_what_is_a_return(code: str, ends_in_return: bool) -> None:
    data = bytes.fromhex(code)
    state = EdgeCounters(BASE, data, BASE, len(data), CACHES)._state
    ending = _native_edges._ending(state, BASE, len(data))
    assert (ending == _native_edges.RETURN) == ends_in_return


def test_loads_and_stores_have_banks_by_bit_two_of_their_addresses(hooks: Hooks) -> None:
    for _ in range(3):
        hooks.enter(8)
        for address in (RAM, RAM + 4, RAM + 12, RAM + 9):
            hooks.access(address)
    pairs, same = hooks.counters.bank_pairs()
    assert pairs[2, :5].tolist() == [0, 3, 3, 3, 0]
    assert same[2, :5].tolist() == [0, 0, 3, 0, 0]


def test_only_the_first_accesses_of_a_block_have_banks(hooks: Hooks) -> None:
    hooks.enter(8)
    for _ in range(60):
        hooks.access(RAM)
    pairs, _ = hooks.counters.bank_pairs()
    assert pairs.sum() == _native_edges.ORDINALS - 1


def test_accesses_to_peripherals_are_not_counted(hooks: Hooks) -> None:
    hooks.access(RAM)
    hooks.access(0x4000_0001)
    hooks.access(RAM)
    pairs, same = hooks.counters.bank_pairs()
    assert (pairs.sum(), same.sum()) == (1, 1)
    assert hooks.events()["unaligned"] == 0


def test_unaligned_counts_loads_of_words_and_halves(hooks: Hooks) -> None:
    for address, size in ((1, 4), (2, 4), (1, 2), (2, 2), (3, 1), (4, 8)):
        hooks.access(RAM + address, size)
        hooks.access(RAM + address, size, write=True)
    assert hooks.events()["unaligned"] == 3


FAR = RAM + 0x1000


@pytest.mark.parametrize(
    ("lines", "misses"),
    [
        # Two sets of four ways: every other line shares a set.
        ([0, 2, 4, 6, 0, 2, 4, 6], 4),
        ([0, 2, 4, 6, 8, 0], 6),
        # Line 0 was used again, so it is line 2 that has to go.
        ([0, 2, 4, 6, 0, 8, 0], 5),
        ([0, 2, 4, 6, 0, 8, 2], 6),
        ([1, 3, 5, 7, 0, 2, 4, 6, 1, 0], 8),
    ],
)
def test_the_data_cache_has_four_ways(hooks: Hooks, lines: list[int], misses: int) -> None:
    for line in lines:
        hooks.access(FAR + 32 * line)
    assert hooks.events()["ram_lines"] == misses
    assert hooks.events()["data_lines"] == 0


def test_coupled_memory_misses_nothing_and_throws_nothing_out(hooks: Hooks) -> None:
    for line in range(64):
        hooks.access(RAM + 32 * line % 1024)
    assert hooks.events()["ram_lines"] == 0


def test_a_store_takes_a_line_and_stalls_for_nothing(hooks: Hooks) -> None:
    hooks.access(FAR, write=True)
    assert hooks.events()["ram_lines"] == 0
    hooks.access(FAR)
    assert hooks.events()["ram_lines"] == 0
    hooks.access(FAR + 32)
    assert hooks.events()["ram_lines"] == 1


def test_lines_from_flash_are_counted_apart(hooks: Hooks) -> None:
    hooks.access(BASE + 64)
    hooks.access(BASE + 68)
    assert (hooks.events()["data_lines"], hooks.events()["flash_reads"]) == (1, 2)


@settings(max_examples=60, deadline=None)
@given(used=st.lists(st.integers(0, 15) | st.none(), max_size=120), ways=st.sampled_from([2, 4]))
def test_the_compiled_cache_is_a_least_recently_used_one(used: list[int | None], ways: int) -> None:
    caches = CoreCaches(CoreCache(4, 32, 2), CoreCache(8, 32, ways), RAM, 0, 19, 19, 10)
    counters = EdgeCounters(BASE, CODE, BASE, len(CODE), caches)
    model: dict[int, list[int]] = {}
    for line in used:
        if line is None:
            counters.invalidate(data=True)
            model.clear()
            continue
        held = model.setdefault(line % (8 // ways), [])
        missed = _native_edges.look_up(counters._state, _native.DATA_CACHE, line)
        assert missed == (line not in held)
        if line in held:
            held.remove(line)
        held.append(line)
        del held[:-ways]


# The meter


def meter_of(counters: EdgeCounters, caches: CoreCaches = CACHES) -> EdgeMeter:
    prices = EdgePrices(PipelineBlocks(BASE, CODE, CortexM7()), CortexM7())
    return EdgeMeter(counters, prices, 3, caches)


def test_cycles_are_edges_times_costs_and_what_memory_adds(hooks: Hooks) -> None:
    meter = meter_of(hooks.counters)
    before = meter.read()
    hooks.access(BASE + 64)
    hooks.access(FAR + 1)
    assert meter.read() - before == 18 + 10 + 3
    hooks.enter(8)
    # Four instructions behind four.
    assert meter.peek() - before == 18 + 10 + 3 + 2
    assert meter.instructions == 8


def test_readings_only_grow_while_contexts_change(hooks: Hooks) -> None:
    rng = np.random.default_rng(1)
    meter, readings = meter_of(hooks.counters), []
    for _ in range(200):
        for offset in rng.integers(0, 12, rng.integers(0, 9)):
            hooks.enter(8 * int(offset))
            hooks.access(RAM + 4 * int(rng.integers(0, 64)))
        peeked = meter.peek()
        readings.append(meter.read())
        assert readings[-1] == peeked
    assert readings == sorted(readings)


def test_the_same_code_costs_the_same_wherever_it_stands(hooks: Hooks) -> None:
    meter, costs = meter_of(hooks.counters), []
    meter.read()
    for other in (16, 24, 32):
        # Whatever ran before, and however often.
        for _ in range(other):
            hooks.enter(other)
        hooks.enter(0)
        before = meter.read()
        for _ in range(10):
            hooks.enter(8)
            hooks.enter(0)
        costs.append(meter.read() - before)
    assert costs[1] == costs[2] <= costs[0]
