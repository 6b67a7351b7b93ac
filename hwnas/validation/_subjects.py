"""What somebody measured: a network, the ratio of two, a convolution, a sweep over layers.

Each kind knows which layers or networks it is of, and what becomes of their cycles.
"""

from __future__ import annotations

import statistics
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, ClassVar, Final, Literal, Protocol

from pydantic import AfterValidator, ConfigDict, Field
from pydantic.dataclasses import dataclass

from hwnas.cost import layer_cost
from hwnas.network import MAX_DIMENSION, Layer, Network, conv2d
from hwnas.validation.networks import NETWORKS
from hwnas.validation.sweeps import LENGTHS, SWEEPS, sweep_layers

CONFIG: Final = ConfigDict(extra="forbid", allow_inf_nan=False)

Unit = Literal["cycles", "ms", "ratio", "ns/op"]


def _one_of(names: Iterable[str]) -> Any:
    def check(value: str) -> str:
        if value not in names:
            raise ValueError(f"there are: {', '.join(names)}")
        return value

    return AfterValidator(check)


Count = Annotated[int, Field(gt=0, le=MAX_DIMENSION, strict=True)]
NetworkName = Annotated[str, _one_of(NETWORKS)]
SweepName = Annotated[str, _one_of(SWEEPS)]
Lengths = Annotated[str, _one_of(LENGTHS)]


class Bench(Protocol):
    """What runs layers and networks."""

    def network_cycles(self, network: Network) -> int:
        """Cycles of a whole network."""

    def layer_cycles(self, layers: Sequence[Layer]) -> list[int]:
        """Cycles of each layer alone."""


class Subject(ABC):
    """What was measured."""

    units: ClassVar[frozenset[Unit]]
    """In which it can be told."""

    @property
    @abstractmethod
    def title(self) -> str:
        """Short text for tables."""

    @abstractmethod
    def simulate(self, bench: Bench) -> float:
        """Its cycles; of a ratio cycles through cycles, of a sweep cycles an operation."""


@dataclass(frozen=True, config=CONFIG)
class WholeNetwork(Subject):
    """A network from end to end.

    Attributes:
        network: Its name.
    """

    network: NetworkName

    units: ClassVar[frozenset[Unit]] = frozenset({"cycles", "ms"})

    @property
    def title(self) -> str:
        """See :class:`Subject`."""
        return self.network

    def simulate(self, bench: Bench) -> float:
        """See :class:`Subject`."""
        return bench.network_cycles(NETWORKS[self.network]())


@dataclass(frozen=True, config=CONFIG)
class LatencyRatio(Subject):
    """The latency of one network through that of another.

    Attributes:
        ratio: The names of both.
    """

    ratio: tuple[NetworkName, NetworkName]

    units: ClassVar[frozenset[Unit]] = frozenset({"ratio"})

    @property
    def title(self) -> str:
        """See :class:`Subject`."""
        return " / ".join(self.ratio)

    def simulate(self, bench: Bench) -> float:
        """See :class:`Subject`."""
        one, other = (WholeNetwork(name).simulate(bench) for name in self.ratio)
        return one / other


@dataclass(frozen=True, config=CONFIG)
class Window:
    """Sizes of a convolution with ReLU and ``same`` padding.

    Attributes:
        input: Height, width and channels.
        filters: Output channels.
        kernel: Height and width of the window.
        strides: Its vertical and horizontal step.
    """

    input: tuple[Count, Count, Count]
    filters: Count
    kernel: tuple[Count, Count]
    strides: tuple[Count, Count] = (1, 1)


@dataclass(frozen=True, config=CONFIG)
class SingleConvolution(Subject):
    """A convolution that ran alone.

    Attributes:
        convolution: Its sizes.
    """

    convolution: Window

    units: ClassVar[frozenset[Unit]] = frozenset({"cycles", "ms"})

    @property
    def layer(self) -> Layer:
        """The layer."""
        sizes = self.convolution
        return conv2d(
            sizes.input, sizes.filters, sizes.kernel, strides=sizes.strides, activation="relu"
        )

    @property
    def title(self) -> str:
        """See :class:`Subject`."""
        return self.layer.describe()

    def simulate(self, bench: Bench) -> float:
        """See :class:`Subject`."""
        return bench.layer_cycles([self.layer])[0]


@dataclass(frozen=True, config=CONFIG)
class SweepMean(Subject):
    """The mean time an operation of a sweep's layers, by the paper's count of operations.

    Attributes:
        sweep: Its name.
        lengths: Which of its layers.
    """

    sweep: SweepName
    lengths: Lengths = "all"

    units: ClassVar[frozenset[Unit]] = frozenset({"ns/op"})

    @property
    def title(self) -> str:
        """See :class:`Subject`."""
        return f"{self.sweep}, {self.lengths}"

    def simulate(self, bench: Bench) -> float:
        """See :class:`Subject`."""
        layers = sweep_layers(self.sweep, self.lengths)
        operations = [layer_cost(layer).paper_macs for layer in layers]
        pairs = zip(bench.layer_cycles(layers), operations, strict=True)
        return statistics.fmean(cycles / count for cycles, count in pairs)


_PER_SECOND: Final[dict[Unit, float | None]] = {
    "cycles": None, "ratio": None, "ms": 1e3, "ns/op": 1e9
}  # fmt: skip
"""How many of a unit make a second; ``None`` where it has nothing to do with the clock."""


def in_unit(value: float, unit: Unit, clock_hz: int) -> float:
    """What :meth:`Subject.simulate` gives, in a unit that people publish.

    Example:
        >>> in_unit(80_000, "ms", 80_000_000)
        1.0
    """
    rate = _PER_SECOND[unit]
    return value if rate is None else value / clock_hz * rate


def cycles_of(value: float, unit: Unit, clock_hz: int) -> float:
    """The inverse of :func:`in_unit`.

    Example:
        >>> cycles_of(1.0, "ms", 80_000_000)
        80000.0
    """
    rate = _PER_SECOND[unit]
    return value if rate is None else value * clock_hz / rate
