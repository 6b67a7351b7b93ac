"""What is used in a ``with``, and closes itself at its end."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Self


class Closing(ABC):
    """Closes itself at the end of a ``with``, whatever happened in it."""

    @abstractmethod
    def close(self) -> None:
        """Let go of what is held. May be called again."""

    def __enter__(self) -> Self:
        """Returns the object itself."""
        return self

    def __exit__(self, *error: object) -> None:
        """Closes the object; what was raised goes on."""
        self.close()
