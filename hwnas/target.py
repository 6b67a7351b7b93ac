"""What a cost was obtained on: the second half of a lookup table's key.

Two costs may only be compared, or stand in for one another, when every field of their
:class:`TargetIdentity` agrees.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from functools import cached_property
from reprlib import repr as _short
from typing import Any, Final

from hwnas.errors import TableError

CACHE_STATES: Final = ("warm", "cold")
MAX_CLOCK_HZ: Final = 100_000_000_000
MAX_TEXT: Final = 4096
"""Longest text of an identity's field, in characters; compiler flags are the longest."""

_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_HASHES: Final = ("measured_code_sha256", "pool_sha256")
_MAY_BE_EMPTY: Final = frozenset({"compiler_flags", "timing_model"})


class Provenance(StrEnum):
    """How a number was obtained."""

    MEASURED = "measured"
    """On silicon."""
    SIMULATED = "simulated"
    """On a virtual board, by executing the firmware under a timing model."""
    ESTIMATED = "estimated"
    """By a formula, a power model or a predictor; nothing was executed."""


@dataclass(frozen=True)
class TargetIdentity:
    """Everything besides the layer that decides what the layer costs.

    Attributes:
        board: The board's name, as ``nucleo_l496zg``.
        core: The core's name, as ``cortex-m4``.
        clock_hz: Frequency of the core's clock, in hertz.
        arena_region: Memory region that holds the layer's tensors, as ``sram1``.
        kernel_set: ``cmsis_nn``, ``reference`` or ``float32``.
        kernel_version: Version of the kernel set.
        compiler: The compiler's name, as ``gcc``.
        compiler_version: Its version.
        compiler_flags: The flags that the measured code was built with.
        measured_code_sha256: Hash of that set's linked kernels, of executor and timer. Not of the
            whole image: a change in the protocol leaves costs as they are.
        pool_sha256: Hash of the pool that synthetic parameters are taken from.
        cache: State of the caches before a run, ``warm`` or ``cold``.
        provenance: How costs on this target are obtained.
        timing_model: Name and version of the timing model, as ``cortex-m4/1``; empty on silicon.

    Raises:
        TableError: A field is empty, malformed, or contradicts another.

    Example:
        >>> identity = TargetIdentity(
        ...     board="nucleo_l496zg", core="cortex-m4", clock_hz=80_000_000,
        ...     arena_region="sram1", kernel_set="cmsis_nn", kernel_version="4.0.0",
        ...     compiler="gcc", compiler_version="12.2.1", compiler_flags="-O3",
        ...     measured_code_sha256="0" * 64, pool_sha256="1" * 64, cache="warm",
        ...     provenance=Provenance.SIMULATED, timing_model="cortex-m4/1",
        ... )
        >>> identity.describe()
        'nucleo_l496zg (cortex-m4, 80 MHz, arena in sram1, warm caches), cmsis_nn 4.0.0 built by \
gcc 12.2.1, simulated by cortex-m4/1'
    """

    board: str
    core: str
    clock_hz: int
    arena_region: str
    kernel_set: str
    kernel_version: str
    compiler: str
    compiler_version: str
    compiler_flags: str
    measured_code_sha256: str
    pool_sha256: str
    cache: str
    provenance: Provenance
    timing_model: str = ""

    def __post_init__(self) -> None:
        _check(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for :meth:`from_dict`."""
        return {f.name: _plain(getattr(self, f.name)) for f in fields(self)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> TargetIdentity:
        """The inverse of :meth:`to_dict`, for untrusted data.

        Raises:
            TableError: A field is missing, unknown, of a wrong type or out of range.
        """
        if not isinstance(data, Mapping):
            raise TableError(f"a target must be an object, not {type(data).__name__}")
        known = {f.name for f in fields(cls)}
        unknown, missing = set(data) - known, known - set(data)
        if unknown or missing:
            raise TableError(
                f"target: unknown fields {_short(unknown)}, missing fields {sorted(missing)}"
            )
        return cls(**{**data, "provenance": _provenance(data["provenance"])})

    def canonical(self) -> str:
        """Compact ASCII JSON with sorted keys, equal exactly for equal identities."""
        return json.dumps(self.to_dict(), separators=(",", ":"), sort_keys=True)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of :meth:`canonical`, in hexadecimal."""
        return hashlib.sha256(self.canonical().encode()).hexdigest()

    def differences(self, other: TargetIdentity) -> dict[str, tuple[Any, Any]]:
        """The fields that disagree, each with this identity's value and the other's."""
        pairs = ((f.name, getattr(self, f.name), getattr(other, f.name)) for f in fields(self))
        return {name: (mine, theirs) for name, mine, theirs in pairs if mine != theirs}

    def describe(self) -> str:
        """One line for people; the hashes and the compiler's flags are left out."""
        source = (
            f"{self.provenance} by {self.timing_model}"
            if self.timing_model
            else (str(self.provenance))
        )
        return (
            f"{self.board} ({self.core}, {self.clock_hz / 1e6:g} MHz, arena in "
            f"{self.arena_region}, {self.cache} caches), {self.kernel_set} "
            f"{self.kernel_version} built by {self.compiler} {self.compiler_version}, {source}"
        )


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, StrEnum) else value


def _provenance(value: object) -> Provenance:
    choices = [str(member) for member in Provenance]
    if not isinstance(value, str) or value not in choices:
        raise TableError(f"target: provenance {value!r} is none of {', '.join(choices)}")
    return Provenance(value)


def _check(identity: TargetIdentity) -> None:
    if not isinstance(identity.provenance, Provenance):
        raise TableError(f"target: provenance {identity.provenance!r} is no Provenance")
    clock = identity.clock_hz
    if not isinstance(clock, int) or isinstance(clock, bool) or not 1 <= clock <= MAX_CLOCK_HZ:
        raise TableError(f"target: clock_hz {clock!r} must be a whole number of hertz, 1 to 1e11")
    for f in fields(identity):
        if f.name not in ("provenance", "clock_hz"):
            _check_text(f.name, getattr(identity, f.name))
    for name in _HASHES:
        if not _SHA256.fullmatch(getattr(identity, name)):
            raise TableError(f"target: {name} must be 64 lower-case hexadecimal digits")
    if identity.cache not in CACHE_STATES:
        raise TableError(f"target: cache {identity.cache!r} is neither 'warm' nor 'cold'")
    if identity.provenance is Provenance.SIMULATED and not identity.timing_model:
        raise TableError("target: a simulated identity must name its timing_model")
    if identity.provenance is Provenance.MEASURED and identity.timing_model:
        raise TableError(
            f"target: a measured identity has no timing_model, yet names {identity.timing_model!r}"
        )


def _check_text(name: str, value: object) -> None:
    if not isinstance(value, str) or len(value) > MAX_TEXT or not value.isprintable():
        raise TableError(f"target: {name} must be printable text of at most {MAX_TEXT} characters")
    if not value.strip() and name not in _MAY_BE_EMPTY:
        raise TableError(f"target: {name} must not be empty")
