"""The Cortex-M7: in order, two instructions a cycle, predicted branches.

Sources of the rules, named in brackets beside each:

- TRM: Arm, Cortex-M7 Technical Reference Manual, prefetch unit.
- jnk0le: measurements on an STM32H743, github.com/jnk0le/random, ``cortex_m7.md``; where they leave
  room, read together with LLVM.
- LLVM: ``llvm/lib/Target/ARM/ARMScheduleM7.td``, the compiler's model.
- slothy: the store-to-load hazard noted in github.com/slothy-optimizer/slothy.

FITTED is one number, :data:`~hwnas.virtual.timing.cortex_m7._scoreboard.STORE_TO_LOAD`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from hwnas.virtual.timing._base import EdgeCost, EdgeModel, Passage, PipelineBlock
from hwnas.virtual.timing.cortex_m7._branches import penalty
from hwnas.virtual.timing.cortex_m7._operands import Operation, Unit, operation
from hwnas.virtual.timing.cortex_m7._scoreboard import Scoreboard

__all__ = ["CortexM7", "Scoreboard", "operation"]


class CortexM7(EdgeModel[Operation]):
    """Cycles of a Cortex-M7's blocks, each behind the blocks that ran before it.

    Example:
        >>> from hwnas.virtual.code import decoder
        >>> code = bytes.fromhex("0868 0130")  # ldr r0, [r1]; adds r0, #1
        >>> core = CortexM7()
        >>> block = core.block(list(decoder().disasm(code, 0x0800_0000)))
        >>> core.edge_cost([Passage(block)]).cycles
        2
    """

    name: ClassVar[str] = "cortex-m7"
    version: ClassVar[int] = 3
    unaligned_cycles: ClassVar[float] = 3
    """[jnk0le] A word or half word off its alignment, in the first slot (4 in the second)."""

    def block(self, instructions: Sequence[Any]) -> PipelineBlock[Operation]:
        """Decodes a block; see :meth:`EdgeModel.block`."""
        operations = tuple(operation(instruction) for instruction in instructions)
        ordinals, ordinal = [], 0
        for one in operations:
            ordinals.append(ordinal if one.unit is Unit.LOAD else None)
            ordinal += one.accesses
        return PipelineBlock(operations, tuple(ordinals))

    def edge_cost(self, path: Sequence[Passage[Operation]]) -> EdgeCost:
        """Prices the last block of a path; see :meth:`EdgeModel.edge_cost`."""
        board = Scoreboard()
        before = path[:-1]
        for i, passage in enumerate(before):
            board.branch_at = board.flags_at = None
            _run(board, passage)
            if i + 1 < len(before) and _is_taken(passage, path[i + 1]):
                board.take_branch()
        start = board.end
        misprediction = penalty(board.branch_at, board.flags_at)
        if before and _is_taken(before[-1], path[-1]):
            board.take_branch()
        _run(board, path[-1])
        return EdgeCost(board.end - start, misprediction)


def _run(board: Scoreboard, passage: Passage[Operation]) -> None:
    block = passage.block
    for one, ordinal in zip(block.operations, block.load_ordinals, strict=True):
        board.issue(one, ordinal is not None and bool(passage.same_bank >> ordinal & 1))


def _is_taken(passage: Passage[Operation], following: Passage[Operation]) -> bool:
    return passage.block.operations[-1].end != following.block.operations[0].address
