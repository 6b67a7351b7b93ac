"""Watches blocks while they are counted: which ran last, and who calls whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from capstone import arm
from unicorn import arm_const

from hwnas.virtual.collector import EVENTS, Collector, Layout
from hwnas.virtual.edge_counters import EdgeCounters

_ROOM_FOR_RECORDS: Final = 1 << 16
_WORD_BYTES: Final = 8
_CALLS: Final = frozenset({"bl", "blx"})
_BRANCHES: Final = frozenset({"bx"})
_DIRECT: Final = frozenset({"b", "cbz", "cbnz", "tbb", "tbh"})


class Watch:
    """Keeps the blocks that ran last."""

    def __init__(self) -> None:
        from hwnas.virtual import _native_calls

        self._native = native = _native_calls
        layout = Layout(native.HEADER)
        self.lay_out(layout)
        self._array = np.zeros(layout.end, np.int64)

    def lay_out(self, layout: Layout) -> None:
        """Reserves places for what stands behind the header."""

    def attach(self, counters: Collector) -> None:
        """Begins to watch what is counted, before the counters hook into an emulator."""
        from hwnas.virtual._native_watch import ON_BLOCK, ON_EDGE

        by_edges = isinstance(counters, EdgeCounters)
        counters.watch(ON_EDGE if by_edges else ON_BLOCK, self._array)
        self._counters = counters

    @property
    def recent(self) -> tuple[int, ...]:
        """Addresses of the blocks that ran last, the very last at the end; repetitions once."""
        native, array = self._native, self._array
        noted = int(array[native.RECENT_AT])
        rows = (
            int(array[native.RECENT + at % native.RECENT_BLOCKS])
            for at in range(max(0, noted - native.RECENT_BLOCKS), noted)
        )
        found = (self._counters.block_at(row) for row in rows)
        return tuple(where[0] for where in found if where is not None)


def ends_in_call(instructions: Sequence[Any]) -> bool:
    """Whether a block ends in a call; its instructions are decoded by capstone with details."""
    return instructions[-1].insn_name() in _CALLS


def ending_of(instructions: Sequence[Any]) -> int:
    """How a block ends: ``PLAIN``, ``CALL`` or ``INDIRECT`` of ``_native_calls.py``.

    Args:
        instructions: Of the block, decoded by capstone with details.
    """
    from hwnas.virtual import _native_calls as native

    if ends_in_call(instructions):
        return native.CALL
    last = instructions[-1]
    name = last.insn_name()
    leaves = name in _BRANCHES or arm.ARM_REG_PC in last.regs_access()[1]
    return native.INDIRECT if leaves and name not in _DIRECT else native.PLAIN


@dataclass(frozen=True, slots=True)
class BlockFacts:
    """What has to be known of a block to follow calls.

    Attributes:
        function: Number of the function that it belongs to, from 0 on.
        ending: How it ends, see :func:`ending_of`.
        is_entry: Whether the function begins here.
        instructions: Number of them.
        cycles: Price of the block alone, 0 where its edges have prices.
    """

    function: int
    ending: int
    is_entry: bool
    instructions: int
    cycles: float


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What has to be known of all of a run to follow its calls: only a first run tells.

    Attributes:
        blocks: In the order in which they ran first.
        edges: Price of each edge, and of a misprediction there, in the order in which they were
            taken first; shape (edges, 2), float64. Empty where blocks have prices.
        event_cycles: What each of the events costs, shape (6,), float64.
        functions: How many functions there are.
        recorded: The numbers of those whose calls are all recorded.
        deepest: Calls that can be within each other, at most.
    """

    blocks: Sequence[BlockFacts]
    edges: npt.NDArray[np.float64]
    event_cycles: npt.NDArray[np.float64]
    functions: int
    recorded: frozenset[int]
    deepest: int


@dataclass(frozen=True, slots=True)
class FunctionCalls:
    """The calls of a function.

    Attributes:
        calls: How often it was entered at its start.
        cycles: Of it and all that it called; where it called itself, of the outermost calls.
        instructions: Likewise.
    """

    calls: int
    cycles: float
    instructions: int


class CallWatch(Watch):
    """Keeps the stack of calls, too, in a run that is the same as one before.

    Args:
        facts: What the first run told.
    """

    def __init__(self, facts: RunFacts) -> None:
        self._facts = facts
        super().__init__()
        native, array = self._native, self._array
        array[native.FOLLOWS] = 1
        array[native.FACTS], array[native.FACTS_END] = self._blocks, self._edges
        array[native.EDGE_FACTS], array[native.EDGE_FACTS_END] = self._edges, self._functions
        array[native.FRAMES], array[native.FRAMES_END] = self._frames, self._records
        array[native.TOP] = self._frames
        # A function that stands for the outside is the first one, and on the stack.
        array[self._frames + native.CALLED] = self._functions
        array[native.NEXT_RECORD] = self._records
        enough = self._records + _ROOM_FOR_RECORDS * native.RECORD_SIZE
        array[native.ENOUGH_RECORDS] = enough
        array[native.STACK_POINTER_NUMBER] = arm_const.UC_ARM_REG_SP
        cell = array.ctypes.data + _WORD_BYTES * native.STACK_POINTER
        array[native.STACK_POINTER_CELL] = cell
        array[native.COSTS : native.COSTS + len(EVENTS)] = facts.event_cycles.view(np.int64)
        self._fill()

    def lay_out(self, layout: Layout) -> None:
        """See :class:`Watch`."""
        native, facts = self._native, self._facts
        depth = facts.deepest + 2
        self._blocks = layout.add(len(facts.blocks) * native.FACT_SIZE)
        self._edges = layout.add(len(facts.edges) * native.EDGE_FACT_SIZE)
        self._functions = layout.add((facts.functions + 1) * native.FUNCTION_SIZE)
        self._frames = layout.add(depth * native.FRAME_SIZE)
        self._records = layout.add((_ROOM_FOR_RECORDS + depth) * native.RECORD_SIZE)

    def attach(self, counters: Collector) -> None:
        """See :class:`Watch`."""
        super().attach(counters)
        self._array[self._native.FIRST_ROW] = counters.first_row
        if isinstance(counters, EdgeCounters):
            self._array[self._native.FIRST_EDGE] = counters.first_edge

    @property
    def has_strayed(self) -> bool:
        """Whether something ran that had not run the first time."""
        return bool(self._array[self._native.UNEXPECTED])

    def take_records(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """Calls that ended since the last time: numbers of the functions, and cycles."""
        native, array = self._native, self._array
        used = array[self._records : int(array[native.NEXT_RECORD])]
        records = used.reshape(-1, native.RECORD_SIZE).copy()
        array[native.NEXT_RECORD] = self._records
        functions = (records[:, native.RECORDED] - self._function(0)) // native.FUNCTION_SIZE
        return functions, records[:, native.TOOK].copy().view(np.float64)

    def finish(self) -> None:
        """Ends all calls that have not returned, once nothing runs any more."""
        native, array, now = self._native, self._array, self.cycles
        numbers = array.view(np.float64)
        for frame in range(int(array[native.TOP]), self._frames, -native.FRAME_SIZE):
            function = int(array[frame + native.CALLED])
            array[function + native.DEPTH] -= 1
            if not array[function + native.DEPTH]:
                instructions = (
                    array[native.INSTRUCTIONS] - array[frame + native.ENTERED_INSTRUCTIONS]
                )
                array[function + native.INCLUSIVE_INSTRUCTIONS] += instructions
                numbers[function + native.INCLUSIVE] += now - numbers[frame + native.ENTERED]
        array[native.TOP] = self._frames

    @property
    def cycles(self) -> float:
        """All cycles so far."""
        native, array = self._native, self._array
        last = int(array[native.LAST])
        if not last:
            return 0.0
        events = self._counters.current_events @ self._facts.event_cycles
        numbers = array.view(np.float64)
        return float(numbers[native.CYCLES] + events - numbers[last + native.CHARGED])

    def calls(self) -> list[FunctionCalls]:
        """The calls of each function, by its number."""
        native, array = self._native, self._array
        table = array[self._function(0) : self._frames].reshape(-1, native.FUNCTION_SIZE)
        cycles = table[:, native.INCLUSIVE].copy().view(np.float64)
        return [
            FunctionCalls(*row)
            for row in zip(
                table[:, native.CALLS].tolist(),
                cycles.tolist(),
                table[:, native.INCLUSIVE_INSTRUCTIONS].tolist(),
                strict=True,
            )
        ]

    def _function(self, number: int) -> int:
        return self._functions + (number + 1) * int(self._native.FUNCTION_SIZE)

    def _fill(self) -> None:
        native, array, facts = self._native, self._array, self._facts
        for number in facts.recorded:
            array[self._function(number) + native.RECORDS] = 1
        if facts.blocks:
            blocks = array[self._blocks : self._edges].reshape(-1, native.FACT_SIZE)
            blocks[:, native.FUNCTION] = [self._function(fact.function) for fact in facts.blocks]
            blocks[:, native.ENDING] = [fact.ending for fact in facts.blocks]
            blocks[:, native.IS_ENTRY] = [fact.is_entry for fact in facts.blocks]
            blocks[:, native.LENGTH] = [fact.instructions for fact in facts.blocks]
            prices = np.array([fact.cycles for fact in facts.blocks], np.float64)
            blocks[:, native.PRICE] = prices.view(np.int64)
        if len(facts.edges):
            edges = array[self._edges : self._functions].reshape(-1, native.EDGE_FACT_SIZE)
            edges[:, native.EDGE_PRICE] = facts.edges[:, 0].copy().view(np.int64)
            edges[:, native.MISPREDICTION] = facts.edges[:, 1].copy().view(np.int64)
