"""The board of a worker process, and a layer's way over it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from hwnas.backend import BoardBackend
from hwnas.errors import HwnasError
from hwnas.firmware import DEFAULT_VARIANT, Variant
from hwnas.kernels import CMSIS_NN
from hwnas.network import Layer
from hwnas.opening import open_backend
from hwnas.sweep._run import SweepOutcome


@dataclass(frozen=True, slots=True)
class BoardChoice:
    """A virtual board, as each worker opens it for itself.

    Attributes:
        board: Name of a board, or path of a board file.
        kernel_set: Kernels that run the layers.
        variant: How the firmware is compiled.
        meter: URL of the energy meter, ``virtual://``; without one there are no energies.
    """

    board: str
    kernel_set: str = CMSIS_NN.name
    variant: Variant = DEFAULT_VARIANT
    meter: str | None = None

    def open(self) -> BoardBackend:
        """A backend on a board of its own; as :func:`hwnas.open_backend`."""
        return open_backend(
            self.board, kernel_set=self.kernel_set, variant=self.variant, meter=self.meter
        )


def failure(layer: Layer, error: HwnasError) -> SweepOutcome:
    """The outcome of a layer that failed."""
    return SweepOutcome(layer, None, f"{type(error).__name__}: {error}")


@lru_cache(maxsize=4)
def board_of_this_process(choice: BoardChoice) -> BoardBackend:
    """The one board that this process keeps open for a choice."""
    return choice.open()


def run_here(choice: BoardChoice, layer: Layer) -> SweepOutcome:
    """Run a layer on this process's own board; one that fails is an outcome as well."""
    try:
        (record,) = board_of_this_process(choice).measure_layers([layer])
    except HwnasError as error:
        return failure(layer, error)
    return SweepOutcome(layer, record)
