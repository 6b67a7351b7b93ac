"""What the networks of a space cost on a board: a random sample of them, summed up."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any, Final

import numpy as np

from hwnas.errors import PlanError
from hwnas.evaluator import Evaluator
from hwnas.hardware_cost import HardwareCost
from hwnas.network import Network
from hwnas.snapping import snap
from hwnas.spaces import SearchSpace, random_networks
from hwnas.target import Provenance

SAMPLES: Final = 1_000
FIGURES: Final = ("macs", "parameters", "ram_bytes", "flash_bytes")
"""What shapes alone tell, of every network."""
LATENCY: Final = "latency_ms"


@dataclass(frozen=True, slots=True)
class Spread:
    """Where values lie: the least, three quartiles and the most, in the values' unit."""

    least: float
    lower: float
    median: float
    upper: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """The spread of at least one value.

        Example:
            >>> Spread.of([1, 2, 3, 4, 10])
            Spread(least=1.0, lower=2.0, median=3.0, upper=4.0, most=10.0)
        """
        return cls(*map(float, np.quantile(values, (0, 0.25, 0.5, 0.75, 1))))


@dataclass(frozen=True, slots=True)
class Survey:
    """A random sample of a space on a board.

    Attributes:
        space: Name of the space.
        board: Name of the board.
        costs: Of each network, by shapes alone.
        latencies: Milliseconds of each network that fits the board; all obtained in one way.
        provenance: In which.
        basis: ``static`` (from MACs) or ``table`` (sums over layers run alone).
        limits: The board's own ``ram_bytes`` and ``flash_bytes``.
        references: Costs of the known networks of the space, with a latency of the same basis, or
            by shapes alone where they do not fit.
    """

    space: str
    board: str
    costs: tuple[HardwareCost, ...]
    latencies: tuple[float, ...]
    provenance: Provenance
    basis: str
    limits: Mapping[str, int]
    references: Mapping[str, HardwareCost]

    def values(self, figure: str) -> list[float]:
        """One of :data:`FIGURES` of each network, or :data:`LATENCY` of those that fit."""
        if figure == LATENCY:
            return list(self.latencies)
        return [getattr(cost, figure) for cost in self.costs]

    def spreads(self) -> dict[str, Spread]:
        """The spread of every figure; latency has none where no network fits."""
        every = {name: self.values(name) for name in (*FIGURES, LATENCY)}
        return {name: Spread.of(values) for name, values in every.items() if values}

    def share_within(self, *figures: str) -> float:
        """Share of networks that keep the board's limits on all of some figures, 0 to 1."""
        kept = [
            all(getattr(cost, name) <= self.limits[name] for name in figures) for cost in self.costs
        ]
        return sum(kept) / len(kept)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "board": self.board,
            "samples": len(self.costs),
            "fitting": len(self.latencies),
            "latency": {"provenance": str(self.provenance), "basis": self.basis},
            "limits": dict(self.limits),
            "within": {
                "ram_bytes": self.share_within("ram_bytes"),
                "flash_bytes": self.share_within("flash_bytes"),
                "both": self.share_within("ram_bytes", "flash_bytes"),
            },
            "spreads": {name: asdict(spread) for name, spread in self.spreads().items()},
            "references": {name: cost.to_dict() for name, cost in self.references.items()},
        }


def survey(
    evaluator: Evaluator,
    space: SearchSpace,
    *,
    samples: int = SAMPLES,
    seed: int = 0,
    snap_channels: bool = True,
    measure: bool = False,
    progress: Callable[[str], None] = lambda text: None,
) -> Survey:
    """Draw networks of a space at random, and price them on a board.

    Latencies are of the networks that fit the board, for others have none. They are sums over
    layers where the table has all layers of all of them, else all are estimated from MACs: one
    spread never mixes the two.

    Args:
        evaluator: Of the board; its table is looked into.
        space: Whose networks.
        samples: How many.
        seed: Of the drawing.
        snap_channels: Whether channels are snapped as a search does.
        measure: Run the layers that the table lacks, and store them.
        progress: Is told what takes long.

    Raises:
        BoardError: The board failed.
        TableError: The table failed.

    Example:
        >>> with Evaluator.for_board("nucleo_l496zg") as evaluator:  # doctest: +SKIP
        ...     survey(evaluator, load_space("lenet")).spreads()["latency_ms"].median
    """

    def deployed(network: Network) -> Network:
        rule = evaluator.backend.kernels.snapping
        return snap(network, rule=rule) if snap_channels else network

    progress(f"pricing {samples} networks")
    drawn = [deployed(network) for network in islice(random_networks(space, seed), samples)]
    known = {name: deployed(space.reference(name)) for name in space.references}
    spec = evaluator.spec
    limits = {"ram_bytes": spec.ram.size_bytes, "flash_bytes": spec.flash.size_bytes}
    costs = [evaluator.static_cost(network) for network in drawn]
    references = {name: evaluator.static_cost(network) for name, network in known.items()}

    def fits(cost: HardwareCost) -> bool:
        return all(getattr(cost, name) <= limit for name, limit in limits.items())

    fitting = [network for network, cost in zip(drawn, costs, strict=True) if fits(cost)]
    anchors = {name: network for name, network in known.items() if fits(references[name])}
    priced = [cost for cost in costs if fits(cost)]
    basis, provenance = "static", Provenance.ESTIMATED
    if measure or _knows(evaluator, [*fitting, *anchors.values()]):
        basis, provenance = "table", evaluator.backend.target.provenance
        priced = []
        for i, network in enumerate(fitting):
            progress(f"network {i + 1} of {len(fitting)}")
            priced += _summed(evaluator, network)
        for name, network in anchors.items():
            references.update((name, cost) for cost in _summed(evaluator, network))
    return Survey(
        space.name,
        spec.name,
        tuple(costs),
        tuple(cost.latency_ms for cost in priced),
        provenance,
        basis,
        limits,
        references,
    )


def _knows(evaluator: Evaluator, networks: Iterable[Network]) -> bool:
    """Whether the table has all layers of all networks."""
    dtype = evaluator.backend.kernels.dtype
    layers = {
        layer
        for network in networks
        for layer in network.as_dtype(dtype).layers
        if not layer.is_free
    }
    return len(evaluator.table.get(evaluator.backend.target, layers)) == len(layers)


def _summed(evaluator: Evaluator, network: Network) -> list[HardwareCost]:
    """The network's cost by its layers; nothing where the kernels refuse one."""
    try:
        return [evaluator.table_cost(network)]
    except PlanError:
        return []
