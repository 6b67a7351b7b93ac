"""Hooks that count and watch, compiled: which blocks ran last, and who calls whom."""

from __future__ import annotations

from typing import Any, Final

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from hwnas.virtual import _native_blocks, _native_edges
from hwnas.virtual._compiled import compiled
from hwnas.virtual._native import (
    BLOCK_HOOK,
    BLOCKS_LEFT,
    NEXT_PC,
    ROW,
    ROW_SIZE,
    STATE,
    STOP_FUNCTION,
    WATCH,
    _stop,
)
from hwnas.virtual._native_calls import (
    CYCLES,
    EDGE_FACT_SIZE,
    EDGE_FACTS,
    EDGE_FACTS_END,
    EDGE_PRICE,
    FACT_SIZE,
    FACTS,
    FACTS_END,
    FIRST_EDGE,
    FIRST_ROW,
    FOLLOWS,
    MISPREDICTION,
    RECENT,
    RECENT_AT,
    RECENT_BLOCKS,
    SEEN,
    UNEXPECTED,
    _number,
    add,
    enter_block,
)
from hwnas.virtual._native_edges import EDGE_ROW_SIZE, EDGE_SIZE, LAST_EDGE, MISPREDICTED


@intrinsic  # type: ignore[untyped-decorator]
def _array(typing_context: Any, address: Any) -> Any:
    """The array at an address of this process."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.inttoptr(values[0], ir.IntType(64).as_pointer())

    return STATE(types.int64), generate


def _python_note(w: Any, row: int, before: int) -> None:
    """Notes a block as the most recent one; what repeats is noted once."""
    if row != before:
        w[RECENT + w[RECENT_AT] % RECENT_BLOCKS] = row
        w[RECENT_AT] += 1


_note = njit(_python_note)


def _python_is_known(engine: Any, s: Any, w: Any, facts: int, end: int) -> bool:
    """Whether there are facts; stops where there are none."""
    if facts < end:
        return True
    w[UNEXPECTED] = 1
    s[BLOCKS_LEFT] = 0
    _stop(s[STOP_FUNCTION], engine)
    return False


_is_known = njit(_python_is_known)
_count_block = njit(_native_blocks._on_block)
_count_edge = njit(_native_edges._on_block)


def _on_block(engine: Any, pc: int, size: int, s: Any) -> None:
    before, back, left = s[ROW], s[NEXT_PC], s[BLOCKS_LEFT]
    _count_block(engine, pc, size, s)
    if s[BLOCKS_LEFT] == left or s[NEXT_PC] != pc + size:
        return
    w, row = _array(s[WATCH]), s[ROW]
    _note(w, row, before)
    if w[FOLLOWS] != 0:
        facts = w[FACTS] + (row - w[FIRST_ROW]) // ROW_SIZE * FACT_SIZE
        if _is_known(engine, s, w, facts, w[FACTS_END]):
            enter_block(engine, s, w, before, facts, pc, back)


def _on_edge(engine: Any, pc: int, size: int, s: Any) -> None:
    before, back, left = s[ROW], s[NEXT_PC], s[BLOCKS_LEFT]
    _count_edge(engine, pc, size, s)
    if s[BLOCKS_LEFT] == left or s[NEXT_PC] != pc + size:
        return
    w, row = _array(s[WATCH]), s[ROW]
    _note(w, row, before)
    if w[FOLLOWS] != 0:
        facts = w[FACTS] + (row - w[FIRST_ROW]) // EDGE_ROW_SIZE * FACT_SIZE
        edge = s[before + LAST_EDGE]
        of_edge = w[EDGE_FACTS] + (edge - w[FIRST_EDGE]) // EDGE_SIZE * EDGE_FACT_SIZE
        if not _is_known(engine, s, w, facts, w[FACTS_END]):
            return
        if not _is_known(engine, s, w, of_edge, w[EDGE_FACTS_END]):
            return
        enter_block(engine, s, w, before, facts, pc, back)
        mispredicted = s[edge + MISPREDICTED] - w[of_edge + SEEN]
        w[of_edge + SEEN] += mispredicted
        cost = _number(w[of_edge + EDGE_PRICE])
        add(w, CYCLES, cost + mispredicted * _number(w[of_edge + MISPREDICTION]))


ON_BLOCK: Final = compiled(BLOCK_HOOK)(_on_block)
ON_EDGE: Final = compiled(BLOCK_HOOK)(_on_edge)
