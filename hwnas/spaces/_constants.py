"""Names that a space file may read without declaring them."""

from __future__ import annotations

from dataclasses import dataclass

from hwnas.network import MAX_DIMENSION
from hwnas.spaces._parameters import Value


@dataclass(frozen=True, slots=True)
class Constant:
    """A name that always stands for one number."""

    value: int

    def __str__(self) -> str:
        return str(self.value)

    def bounds(self) -> tuple[int, int]:
        """See :meth:`Domain.bounds`."""
        return self.value, self.value

    def contains(self, value: Value) -> bool:
        """See :meth:`Domain.contains`."""
        return type(value) is int and value == self.value

    def is_within(self, allowed: tuple[Value, ...]) -> bool:
        """See :meth:`Domain.is_within`."""
        return False


@dataclass(frozen=True, slots=True)
class Channels:
    """How many channels an entry reads, which only a sample tells."""

    def __str__(self) -> str:
        return "what the entry reads, which only a sample tells"

    def bounds(self) -> tuple[int, int]:
        """See :meth:`Domain.bounds`."""
        return 1, MAX_DIMENSION

    def contains(self, value: Value) -> bool:
        """See :meth:`Domain.contains`."""
        return False

    def is_within(self, allowed: tuple[Value, ...]) -> bool:
        """See :meth:`Domain.is_within`."""
        return False
