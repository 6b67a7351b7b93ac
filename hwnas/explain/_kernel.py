"""Which functions of the firmware compute a layer: watched on the virtual board."""

from __future__ import annotations

from collections import Counter
from typing import Final

from hwnas._closing import Closing
from hwnas.backend import BoardBackend
from hwnas.elf import Image
from hwnas.explain._records import FunctionCalls, KernelChoice
from hwnas.kernels import kernel_rule
from hwnas.network import Layer
from hwnas.opening import virtual_client
from hwnas.plan import PoolLayout, compile_layers
from hwnas.target import Provenance
from hwnas.virtual import VirtualBoard

_PREFIXES: Final = ("arm_", "own_", "reference_", "float32_")
"""What the kernels' functions begin with; those of protocol, executor and library do not."""


class KernelWatch(Closing):
    """Tells which kernel computes a layer: by the rule, and as seen where the board is virtual.

    Looking at a virtual board changes nothing on it, and its counts are kept apart from those of
    the board that measures. On a physical board there is nothing to look at.

    Args:
        backend: The board whose image and kernel set count.
    """

    def __init__(self, backend: BoardBackend) -> None:
        self._backend = backend
        self._board: VirtualBoard | None = None
        if backend.target.provenance is Provenance.SIMULATED:
            self._client = virtual_client(backend.spec, backend.image)
            board = self._client.transport
            assert isinstance(board, VirtualBoard)
            self._board = board
            self._names = dict(Image.read(backend.image.elf).functions)
            self._pool = PoolLayout.for_region(backend.image.manifest.parameter_bytes)

    def close(self) -> None:
        """Let go of the virtual board."""
        if self._board is not None:
            self._board.close()

    def kernel(self, layer: Layer) -> KernelChoice:
        """The kernel of a layer that fits the board alone.

        Raises:
            BoardError: The virtual board failed.
        """
        rule = kernel_rule(layer, self._backend.kernels)
        ran = None if self._board is None else self._ran(self._board, layer)
        return KernelChoice(rule.function, rule.why, rule.works, rule.source, ran)

    def _ran(self, board: VirtualBoard, layer: Layer) -> tuple[FunctionCalls, ...]:
        plan = compile_layers([layer], pool=self._pool, kernel_set=self._backend.kernels.name)
        self._client.load(plan.data)
        before = self._calls(board)
        self._client.run(warmup=0, step_count=len(plan.step_nodes))
        counted = self._calls(board)
        # By the count of calls, fewest first: who calls comes before what is called in a loop.
        calls = sorted((counted - before).items(), key=lambda pair: pair[1])
        return tuple(FunctionCalls(name, count) for name, count in calls)

    def _calls(self, board: VirtualBoard) -> Counter[str]:
        """How often each kernel function was entered since the board was switched on."""
        calls: Counter[str] = Counter()
        for block in board.block_counts:
            name = self._names.get(block.address, "")
            if name.startswith(_PREFIXES):
                calls[name] += block.executions
        return calls
