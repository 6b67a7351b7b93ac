"""Follows calls, compiled: a stack of them, and what each function took with all that it called.

What is kept is an array of its own, to which the counters' state holds a pointer: a header, facts
about each block, one about each edge, functions, a stack of frames, and records of calls. Facts are
known only after a first run, so the first run keeps no stack. Cycles are floating point numbers,
held as their bits.
"""

from __future__ import annotations

from typing import Any, Final

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from hwnas.virtual._native import (
    BLOCKS_LEFT,
    EVENTS_END,
    READ_REGISTER_FUNCTION,
    TAKEN,
    _register,
)

# The header.
RECENT_AT: Final = 0
"""How many blocks were noted as recent ones."""
RECENT: Final = 1
"""The rows of the last blocks, a ring."""
RECENT_BLOCKS: Final = 16
FOLLOWS: Final = 17
"""Whether calls are followed."""
FIRST_ROW: Final = 18
FACTS: Final = 19
"""Offset of the facts about blocks."""
FACTS_END: Final = 20
FIRST_EDGE: Final = 21
EDGE_FACTS: Final = 22
EDGE_FACTS_END: Final = 23
FRAMES: Final = 25
"""Offset of the stack's first frame, which stands for the outside."""
FRAMES_END: Final = 26
TOP: Final = 27
"""Offset of the frame of the function that runs."""
NEXT_RECORD: Final = 28
ENOUGH_RECORDS: Final = 29
"""Where records are to be fetched from here; behind it there is room for a whole stack of them."""
CYCLES: Final = 30
"""Cycles so far, with all that the blocks before the one that runs caused."""
INSTRUCTIONS: Final = 31
LAST: Final = 32
"""Offset of the facts about the block that runs."""
STACK_POINTER: Final = 33
STACK_POINTER_CELL: Final = 34
STACK_POINTER_NUMBER: Final = 35
COSTS: Final = 36
"""What an event costs, in the order of the columns of a row."""
UNEXPECTED: Final = 42
"""Whether a block or an edge ran of which there are no facts."""
HEADER: Final = 48

# Facts about a block.
FUNCTION: Final = 0
"""Offset of its function."""
ENDING: Final = 1
IS_ENTRY: Final = 2
"""Whether the function begins here."""
PRICE: Final = 3
LENGTH: Final = 4
"""Instructions."""
CHARGED: Final = 5
"""Cycles of its events that are in the sum already."""
FACT_SIZE: Final = 6

PLAIN: Final = 0
"""A block that ends in a branch to an address in the code, or in none."""
CALL: Final = 1
INDIRECT: Final = 2
"""A block that ends in a branch to an address in a register or in memory: a return, perhaps."""

# Facts about an edge.
EDGE_PRICE: Final = 0
MISPREDICTION: Final = 1
SEEN: Final = 2
"""Mispredictions that are in the sum already."""
EDGE_FACT_SIZE: Final = 3

# A function.
CALLS: Final = 0
INCLUSIVE: Final = 1
INCLUSIVE_INSTRUCTIONS: Final = 2
DEPTH: Final = 3
"""Frames of it on the stack."""
RECORDS: Final = 4
"""Whether each of its calls is recorded."""
FUNCTION_SIZE: Final = 5

# A frame.
CALLED: Final = 0
"""Offset of the function."""
RETURN: Final = 1
"""Where it returns to."""
STACK: Final = 2
"""The stack pointer when it was entered."""
ENTERED: Final = 3
"""Cycles by then."""
ENTERED_INSTRUCTIONS: Final = 4
IS_TAIL: Final = 5
"""Whether it was entered by a jump, and returns for the frame before."""
IS_WHOLE: Final = 6
"""Whether it was entered where the function begins."""
FRAME_SIZE: Final = 7

_ABOVE_ALL: Final = 0xFFFF_FFFF
"""The stack pointer of what a reset starts, which may move it to wherever it likes."""

# A record.
RECORDED: Final = 0
"""Offset of the function."""
TOOK: Final = 1
"""Cycles."""
RECORD_SIZE: Final = 2


@intrinsic  # type: ignore[untyped-decorator]
def _number(typing_context: Any, bits: Any) -> Any:
    """The floating point number with these bits."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.bitcast(values[0], ir.DoubleType())

    return types.float64(types.int64), generate


@intrinsic  # type: ignore[untyped-decorator]
def _bits(typing_context: Any, number: Any) -> Any:
    """The bits of a floating point number."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.bitcast(values[0], ir.IntType(64))

    return types.int64(types.float64), generate


def _python_add(w: Any, at: int, number: float) -> None:
    w[at] = _bits(_number(w[at]) + number)


add = njit(_python_add)


def _python_charge(s: Any, w: Any, row: int) -> None:
    """Adds what the events of a block cost that ran, and that its price does not hold."""
    total = 0.0
    for column in range(EVENTS_END - TAKEN):
        total += s[row + TAKEN + column] * _number(w[COSTS + column])
    charged = w[LAST] + CHARGED
    add(w, CYCLES, total - _number(w[charged]))
    w[charged] = _bits(total)


_charge = njit(_python_charge)


def _python_stack_pointer(engine: Any, s: Any, w: Any) -> int:
    w[STACK_POINTER] = 0
    read = s[READ_REGISTER_FUNCTION]
    _register(read, engine, w[STACK_POINTER_NUMBER], w[STACK_POINTER_CELL])
    return int(w[STACK_POINTER])


_stack_pointer = njit(_python_stack_pointer)


def _python_pop(w: Any) -> None:
    """Ends the call that runs."""
    frame = w[TOP]
    w[TOP] = frame - FRAME_SIZE
    function = w[frame + CALLED]
    w[function + DEPTH] -= 1
    took = _number(w[CYCLES]) - _number(w[frame + ENTERED])
    if w[function + DEPTH] == 0:
        add(w, function + INCLUSIVE, took)
        instructions = w[INSTRUCTIONS] - w[frame + ENTERED_INSTRUCTIONS]
        w[function + INCLUSIVE_INSTRUCTIONS] += instructions
    if w[function + RECORDS] != 0 and w[frame + IS_WHOLE] != 0:
        record = w[NEXT_RECORD]
        w[record + RECORDED] = function
        w[record + TOOK] = _bits(took)
        w[NEXT_RECORD] = record + RECORD_SIZE


_pop = njit(_python_pop)


def _python_push(w: Any, facts: int, back: int, stack: int, is_tail: bool) -> None:
    """Begins a call of the function that a block belongs to."""
    if w[TOP] + 2 * FRAME_SIZE > w[FRAMES_END]:
        # No stack is this deep: calls that never return have filled it. All but the first end here.
        while w[TOP] != w[FRAMES] + FRAME_SIZE:
            _pop(w)
        is_tail = False
    frame = w[TOP] + FRAME_SIZE
    w[TOP] = frame
    function = w[facts + FUNCTION]
    w[frame + CALLED] = function
    w[frame + RETURN] = back
    w[frame + STACK] = stack
    w[frame + ENTERED] = w[CYCLES]
    w[frame + ENTERED_INSTRUCTIONS] = w[INSTRUCTIONS]
    w[frame + IS_TAIL] = 1 if is_tail else 0
    w[frame + IS_WHOLE] = w[facts + IS_ENTRY]
    w[function + DEPTH] += 1
    w[function + CALLS] += w[facts + IS_ENTRY]


_push = njit(_python_push)


def _python_move(w: Any, facts: int) -> None:
    """Goes on in another function, by a jump: it will return for the one that runs.

    Functions that jump to each other in turn do not pile up: where one of them runs already in
    place of the same call, what came behind it is over.
    """
    top = w[TOP]
    frame = top
    while w[frame + IS_TAIL] != 0 and w[frame + CALLED] != w[facts + FUNCTION]:
        frame -= FRAME_SIZE
    back, stack = w[top + RETURN], w[top + STACK]
    if w[frame + CALLED] != w[facts + FUNCTION]:
        _push(w, facts, back, stack, top != w[FRAMES])
        return
    while w[TOP] != frame:
        _pop(w)
    if w[facts + IS_ENTRY] != 0:
        is_tail = w[frame + IS_TAIL] != 0
        _pop(w)
        _push(w, facts, back, stack, is_tail)


_move = njit(_python_move)


def _python_returns(w: Any, pc: int, stack: int) -> bool:
    """Ends calls, if a branch to an address is a return from one of them.

    Only calls that were entered with no more on the stack than there is now can end here.
    """
    frame, outside = w[TOP], w[FRAMES]
    while frame != outside and w[frame + STACK] <= stack:
        if w[frame + RETURN] == pc and w[frame + STACK] == stack:
            while w[frame + IS_TAIL] != 0:
                frame -= FRAME_SIZE
            while w[TOP] >= frame:
                _pop(w)
            return True
        frame -= FRAME_SIZE
    return False


_returns = njit(_python_returns)


def _python_unwind(w: Any, facts: int, stack: int) -> None:
    """Goes on in the middle of another function, by a branch that is no return: longjmp.

    The call that goes on is the last one of this function that was entered with less on the stack;
    all calls behind it are over.
    """
    outside = w[FRAMES]
    frame = w[TOP]
    while frame != outside and (
        w[frame + CALLED] != w[facts + FUNCTION] or w[frame + STACK] <= stack
    ):
        frame -= FRAME_SIZE
    if frame == outside:
        frame = w[TOP]
        while frame != outside and (
            w[frame + CALLED] != w[facts + FUNCTION] or w[frame + STACK] != stack
        ):
            frame -= FRAME_SIZE
    if frame == outside:
        _move(w, facts)
        return
    while w[TOP] != frame:
        _pop(w)


_unwind = njit(_python_unwind)


def _python_follow(engine: Any, s: Any, w: Any, facts: int, pc: int, back: int) -> None:
    """Keeps the stack of calls, at the entry of a block.

    Args:
        engine: The emulator.
        s: The counters' state.
        w: This array.
        facts: Offset of the facts about the block.
        pc: Its address.
        back: The address behind the block before.
    """
    ending = PLAIN if pc == back else w[w[LAST] + ENDING]
    other = w[w[TOP] + CALLED] != w[facts + FUNCTION]
    if ending == PLAIN:
        # A branch to where its own function begins is a loop.
        if other:
            _move(w, facts)
        return
    stack = _stack_pointer(engine, s, w)
    if ending == CALL:
        _push(w, facts, back, stack, False)
    elif not _returns(w, pc, stack):
        if w[facts + IS_ENTRY] != 0:
            _move(w, facts)
        elif other:
            _unwind(w, facts, stack)


_follow = njit(_python_follow)


def _python_enter(engine: Any, s: Any, w: Any, before: int, facts: int, pc: int, back: int) -> None:
    """Brings sums and stack up to date, and adds the block that is entered."""
    if w[LAST] != 0:
        _charge(s, w, before)
        _follow(engine, s, w, facts, pc, back)
    else:
        _push(w, facts, 0, _ABOVE_ALL, False)
    w[LAST] = facts
    w[INSTRUCTIONS] += w[facts + LENGTH]
    add(w, CYCLES, _number(w[facts + PRICE]))
    if w[NEXT_RECORD] >= w[ENOUGH_RECORDS]:
        s[BLOCKS_LEFT] = 0


enter_block = njit(_python_enter)
