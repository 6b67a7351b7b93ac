"""Where a plan's weights, biases, multipliers and shifts come from and go to."""

from __future__ import annotations

from abc import ABC, abstractmethod

from hwnas.arena import ARENA_ALIGNMENT, align_up
from hwnas.network import DType
from hwnas.plan._format import PARAMETER_ALIGNMENT, ParameterKind, Place, Region
from hwnas.plan._pool import PoolAllocator, PoolLayout


class ParameterStore(ABC):
    """Gives every parameter tensor a place; the base of the three below.

    Attributes:
        attached: False where the parameters are the synthetic pool's.
        arena_bytes: Size of the arena so far, in bytes.
        parameter_bytes: Extent used of the parameter region so far, in bytes.
    """

    attached = True

    def __init__(self, arena_bytes: int) -> None:
        self.arena_bytes = arena_bytes
        self.parameter_bytes = 0

    @property
    def image(self) -> bytes:
        """What is to be programmed into the parameter region."""
        return b""

    @abstractmethod
    def place(self, kind: ParameterKind, dtype: DType, count: int, data: bytes) -> Place:
        """Find a place for ``count`` elements of a layer of that type.

        Their bytes are ``data`` unless they are the pool's.
        """


class PoolStore(ParameterStore):
    """Hands out regions of the synthetic pool; ``data`` is not looked at."""

    attached = False

    def __init__(self, layout: PoolLayout, arena_bytes: int, *, overflowing: bool = False) -> None:
        super().__init__(arena_bytes)
        self._allocator = PoolAllocator(layout, overflowing=overflowing)

    def place(self, kind: ParameterKind, dtype: DType, count: int, data: bytes) -> Place:
        """Take the next free region of this kind.

        Raises:
            PlanError: The pool has none left.
        """
        offset = self._allocator.take(kind, dtype, count)
        end = offset + count * kind.element_bytes(dtype)
        self.parameter_bytes = max(self.parameter_bytes, end)
        return Place(Region.PARAMETERS, offset)


class FlashStore(ParameterStore):
    """Lines parameters up for programming."""

    def __init__(self, arena_bytes: int) -> None:
        super().__init__(arena_bytes)
        self._image = bytearray()

    @property
    def image(self) -> bytes:
        """All parameters, each padded to the alignment."""
        return bytes(self._image)

    def place(self, kind: ParameterKind, dtype: DType, count: int, data: bytes) -> Place:
        """Append the bytes."""
        offset = self.parameter_bytes
        self._image += data.ljust(align_up(len(data), PARAMETER_ALIGNMENT), b"\0")
        self.parameter_bytes = len(self._image)
        return Place(Region.PARAMETERS, offset)


class ArenaStore(ParameterStore):
    """Puts parameters behind the activations, where nothing overwrites them."""

    def place(self, kind: ParameterKind, dtype: DType, count: int, data: bytes) -> Place:
        """Enlarge the arena."""
        offset = self.arena_bytes
        self.arena_bytes += align_up(len(data), ARENA_ALIGNMENT)
        return Place(Region.ARENA, offset)
