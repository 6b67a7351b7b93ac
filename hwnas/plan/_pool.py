"""The synthetic parameters that stand in for those of untrained networks.

A pool fills a board's parameter region. It is written once, beside the firmware, and every plan
takes regions of its own from it. The values are such as trained networks have: what a kernel
executes depends on them a little (docs/architecture.md, "Synthetic parameters").
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Final

import numpy as np
import numpy.typing as npt

from hwnas.arena import align_up
from hwnas.errors import PlanError
from hwnas.network import DType
from hwnas.plan._format import PARAMETER_ALIGNMENT, ParameterKind

DEFAULT_SEED: Final = 1
"""The seed of every pool so far."""
POOL_MAGIC: Final = 0x4C50_5748
POOL_VERSION: Final = 2
POOL_HEADER: Final = struct.Struct("<4I32s16x")
"""What stands right before the parameter region; ``firmware/src/identity.h`` is the other side."""

_SECTIONS: Final = (
    ParameterKind.WEIGHTS,
    ParameterKind.BIAS,
    ParameterKind.MULTIPLIERS,
    ParameterKind.SHIFTS,
)
"""Kinds with a section of their own, in their order. Constant operands, and whatever a float32
layer has, are taken from the weights: that section is floats, whose bytes do for int8 values."""
_UNIFORMS: Final = 4
"""So many uniform numbers make a float: their sum is close to Gaussian (Irwin and Hall)."""
_FLOAT_SCALE: Final = 0.25
"""Of such a sum around 0: the floats have a standard deviation of 0.14, as weights have that sum up
about 50 inputs."""
_PER_CHANNEL_SHARE: Final = 20
"""One part in so many of the region for each of biases, multipliers and shifts."""
_BIAS_BITS: Final = 14
"""Biases are uniform below 2**13 in magnitude, as those of trained int8 networks mostly are."""
_SHIFTS: Final = (-11, -7)
"""Right shifts that bring sums of 16 to 4,000 products of int8 values back to int8."""


@dataclass(frozen=True, slots=True)
class PoolSection:
    """The part of the pool that holds one kind of parameter: bytes from the region's start."""

    offset: int
    size_bytes: int


@dataclass(frozen=True)
class PoolLayout:
    """Which part of a parameter region holds which kind of parameter.

    Attributes:
        sections: By kind; constant operands have none of their own, they are taken from the
            weights' section.

    Example:
        >>> PoolLayout.for_region(1 << 20).sections[ParameterKind.WEIGHTS].size_bytes
        891328
    """

    sections: Mapping[ParameterKind, PoolSection]

    @classmethod
    def for_region(cls, region_bytes: int) -> PoolLayout:
        """The layout of a region: weights first, then biases, multipliers and shifts.

        Args:
            region_bytes: Size of the region; what does not fill an alignment is left over.
        """
        usable = region_bytes // PARAMETER_ALIGNMENT * PARAMETER_ALIGNMENT
        share = usable // _PER_CHANNEL_SHARE // PARAMETER_ALIGNMENT * PARAMETER_ALIGNMENT
        per_channel = _SECTIONS[1:]
        weights = usable - len(per_channel) * share
        sections = {ParameterKind.WEIGHTS: PoolSection(0, weights)}
        for i, kind in enumerate(per_channel):
            sections[kind] = PoolSection(weights + i * share, share)
        return cls(MappingProxyType(sections))

    @property
    def size_bytes(self) -> int:
        """Of all sections, which follow one another without a gap."""
        return sum(section.size_bytes for section in self.sections.values())


class PoolAllocator:
    """Hands out regions of a pool, each once.

    Args:
        layout: Of the pool.
        overflowing: Lets a tensor that is larger than its whole section reach into others. That
            is for single layers, so that one that fits the chip can always be run: kernels take
            any integer, and what they execute hardly depends on it.
    """

    def __init__(self, layout: PoolLayout, *, overflowing: bool = False) -> None:
        self._layout = layout
        self._overflowing = overflowing
        self._used = dict.fromkeys(layout.sections, 0)

    def take(self, kind: ParameterKind, dtype: DType, count: int) -> int:
        """The offset of ``count`` elements of a layer of that type, that nothing else was given.

        Raises:
            PlanError: The pool has not so many left.
        """
        size = count * kind.element_bytes(dtype)
        if kind is ParameterKind.OPERAND or dtype is DType.FLOAT32:
            kind = ParameterKind.WEIGHTS
        section, used = self._layout.sections[kind], self._used[kind]
        if self._overflowing and section.size_bytes < size <= self._layout.size_bytes:
            last = (self._layout.size_bytes - size) // PARAMETER_ALIGNMENT * PARAMETER_ALIGNMENT
            return min(section.offset, last)
        if size > section.size_bytes - used:
            raise PlanError(
                f"the board's synthetic {kind} hold {section.size_bytes} bytes, of which "
                f"{used} are taken: {size} more do not fit; measure the layers one by one, or "
                "make the network smaller"
            )
        self._used[kind] = min(used + align_up(size, PARAMETER_ALIGNMENT), section.size_bytes)
        return section.offset + used


@dataclass(frozen=True)
class ParameterPool:
    """The bytes of a pool, the same for one seed and size on every machine.

    They are cut from SHAKE-256 of the seed, whose output no library version changes, and made of it
    by arithmetic that is exact but for one rounding.

    Attributes:
        seed: 32 bits.
        size_bytes: Of the parameter region.

    Example:
        >>> pool = ParameterPool(DEFAULT_SEED, 1 << 16)
        >>> len(pool.data), len(pool.header())
        (65536, 64)
    """

    seed: int
    size_bytes: int

    @cached_property
    def data(self) -> bytes:
        """What fills the parameter region."""
        layout = PoolLayout.for_region(self.size_bytes)
        data = bytearray(self.size_bytes)
        for kind, section in layout.sections.items():
            stream = hashlib.shake_256(f"hwnas pool {self.seed} {kind}".encode())
            floats = kind is ParameterKind.WEIGHTS
            raw = stream.digest(section.size_bytes * (_UNIFORMS if floats else 1))
            words = np.frombuffer(raw, "<u4")
            values = _floats(words) if floats else _INTEGERS[kind](words).astype("<u4")
            end = section.offset + section.size_bytes
            data[section.offset : end] = values.tobytes()
        return bytes(data)

    @cached_property
    def sha256(self) -> str:
        """Hash of :attr:`data`, in hexadecimal."""
        return hashlib.sha256(self.data).hexdigest()

    def header(self) -> bytes:
        """What stands right before the parameter region and tells the firmware what is there."""
        return POOL_HEADER.pack(
            POOL_MAGIC, POOL_VERSION, self.size_bytes, self.seed, bytes.fromhex(self.sha256)
        )


_Words = npt.NDArray[np.uint32]
_Floats = npt.NDArray[np.float32]


def _floats(raw: _Words) -> _Floats:
    """Sums of uniform numbers of 0 to 1, around 0: multiples of 2**-34, so none is denormal."""
    sums = raw.reshape(-1, _UNIFORMS).sum(axis=1, dtype=np.int64) - (_UNIFORMS << 31)
    values: _Floats = (sums * (_FLOAT_SCALE / (1 << 32))).astype("<f4")
    return values


def _biases(raw: _Words) -> _Words:
    return (raw >> np.uint32(32 - _BIAS_BITS)) - np.uint32(1 << (_BIAS_BITS - 1))


def _multipliers(raw: _Words) -> _Words:
    """2**30 to 2**31 - 1, as ``quantize_multiplier`` gives."""
    return raw >> np.uint32(2) | np.uint32(1 << 30)


def _shifts(raw: _Words) -> _Words:
    low, high = _SHIFTS
    return (raw % np.uint32(high - low + 1)) + np.uint32(low % (1 << 32))


_INTEGERS: Final = MappingProxyType(
    {
        ParameterKind.BIAS: _biases,
        ParameterKind.MULTIPLIERS: _multipliers,
        ParameterKind.SHIFTS: _shifts,
    }
)
