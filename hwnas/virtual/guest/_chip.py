"""A chip that bears whatever firmware sets up."""

from __future__ import annotations

from collections.abc import Callable

from hwnas.boards import BoardSpec
from hwnas.errors import BoardError
from hwnas.virtual.chips import Chip, Wiring, chip_class


class TolerantChip(Chip):
    """Where another chip refuses a clock or a serial line that is not the board file's, it goes on.

    Attributes:
        mismatches: What it would have refused, each once.
    """

    mismatches: dict[str, None]

    def __init__(self, spec: BoardSpec, wiring: Wiring) -> None:
        self.mismatches = {}
        super().__init__(spec, wiring)

    def check_clock(self) -> None:
        """See :class:`Chip`."""
        self._bear(super().check_clock)  # type: ignore[safe-super]

    def check_serial(self) -> None:
        """See :class:`Chip`."""
        self._bear(super().check_serial)  # type: ignore[safe-super]

    def _bear(self, check: Callable[[], None]) -> None:
        try:
            check()
        except BoardError as error:
            self.mismatches[str(error)] = None


def tolerant_chip(spec: BoardSpec, wiring: Wiring) -> TolerantChip:
    """The chip of a board, made tolerant.

    Raises:
        BoardError: Its family is not modelled, or the board uses something that is not.
    """
    kind = chip_class(spec)
    made: TolerantChip = type(f"Tolerant{kind.__name__}", (TolerantChip, kind), {})(spec, wiring)
    return made
