"""What an explanation holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from hwnas.cost import layer_cost
from hwnas.explain._channels import Channels, next_multiple
from hwnas.hardware_cost import HardwareCost
from hwnas.network import Layer, Network
from hwnas.snapping import LayerChange
from hwnas.target import Provenance


def _latency_ms(cycles: int, clock_hz: int) -> float:
    return cycles / clock_hz * 1e3


def _ns_per_mac(layer: Layer, cycles: int, clock_hz: int) -> float | None:
    macs = layer_cost(layer).macs
    return cycles / clock_hz * 1e9 / macs if macs else None


@dataclass(frozen=True, slots=True)
class Best:
    """The layer of an operator that takes the least time a MAC, as far as a table knows.

    Attributes:
        layer: Which one it is.
        cycles: Its median.
        clock_hz: The board's clock.
        known: How many layers of the operator were compared.
    """

    layer: Layer
    cycles: int
    clock_hz: int
    known: int

    @property
    def ns_per_mac(self) -> float:
        """Nanoseconds a multiply-accumulate."""
        found = _ns_per_mac(self.layer, self.cycles, self.clock_hz)
        assert found is not None
        return found

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "layer": self.layer.describe(),
            "cycles": self.cycles,
            "ns_per_mac": self.ns_per_mac,
            "known": self.known,
        }


@dataclass(frozen=True, slots=True)
class Step:
    """A layer with some channel count, run alone.

    Attributes:
        channels: The count.
        layer: The layer with it.
        clock_hz: The board's clock.
        cycles: The median; ``None`` where the board cannot run it.
        refusal: Why it cannot; empty where it can.
    """

    channels: int
    layer: Layer
    clock_hz: int
    cycles: int | None
    refusal: str = ""

    @property
    def latency_ms(self) -> float | None:
        """Milliseconds; ``None`` where the board cannot run it."""
        return None if self.cycles is None else _latency_ms(self.cycles, self.clock_hz)

    @property
    def ns_per_mac(self) -> float | None:
        """Nanoseconds a multiply-accumulate; ``None`` where it has none, or did not run."""
        if self.cycles is None:
            return None
        return _ns_per_mac(self.layer, self.cycles, self.clock_hz)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "channels": self.channels,
            "layer": self.layer.describe(),
            "macs": layer_cost(self.layer).macs,
            "cycles": self.cycles,
            "latency_ms": self.latency_ms,
            "ns_per_mac": self.ns_per_mac,
            "refusal": self.refusal,
        }


@dataclass(frozen=True, slots=True)
class ChannelSteps:
    """What a layer costs with a channel less, as it is, one more, and the next multiple of 4.

    Attributes:
        which: The channel count that is varied; all else is held.
        channels: As it is.
        steps: By channel count, ascending; the layer as it is among them.
    """

    which: Channels
    channels: int
    steps: tuple[Step, ...]

    def at(self, channels: int) -> Step | None:
        """The step with so many channels; ``None`` where there can be none."""
        return next((step for step in self.steps if step.channels == channels), None)

    @property
    def next_multiple(self) -> int:
        """The next multiple of 4 above."""
        return next_multiple(self.channels)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "which": str(self.which),
            "channels": self.channels,
            "steps": [step.to_dict() for step in self.steps],
        }


@dataclass(frozen=True, slots=True)
class FunctionCalls:
    """A function of the firmware, and how often it was entered while one layer ran once."""

    name: str
    calls: int


@dataclass(frozen=True, slots=True)
class KernelChoice:
    """The C function that computes a layer, and why that one.

    Attributes:
        function: By the rule that the kernels' sources state.
        why: The rule, in words.
        works: How the function goes through its data, in words; may be empty.
        source: The file that the rule was read from.
        ran: The kernels' functions that ran on the virtual board, fewest calls first; ``None`` on
            a physical board, where nothing can be seen but time.
    """

    function: str
    why: str
    works: str
    source: str
    ran: tuple[FunctionCalls, ...] | None

    @property
    def is_seen(self) -> bool | None:
        """Whether the rule's function was seen to run; ``None`` where nothing can be seen."""
        if self.ran is None:
            return None
        return self.function in (entry.name for entry in self.ran)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {**asdict(self), "is_seen": self.is_seen}


@dataclass(frozen=True, slots=True)
class LayerExplanation:
    """Why one layer costs what it costs.

    Attributes:
        layer: The layer; the first of those that are alike.
        names: Its names in the model, one for each time that it stands there, with whatever fused
            activation.
        cycles: Of one run of it, the median.
        clock_hz: The board's clock.
        provenance: How its cycles, those of the best known and those with other channel counts
            were obtained.
        share: Of all runs of it in the sum over the network's layers.
        best: The best known for the operator; ``None`` where that has no MACs.
        kernel: The function that computes it.
        channels: What other channel counts would cost.
    """

    layer: Layer
    names: tuple[str, ...]
    cycles: int
    clock_hz: int
    provenance: Provenance
    share: float
    best: Best | None
    kernel: KernelChoice
    channels: tuple[ChannelSteps, ...]

    @property
    def latency_ms(self) -> float:
        """Of one run of it, in milliseconds."""
        return _latency_ms(self.cycles, self.clock_hz)

    @property
    def macs(self) -> int:
        """True multiply-accumulates of one run of it."""
        return layer_cost(self.layer).macs

    @property
    def ns_per_mac(self) -> float | None:
        """Nanoseconds a multiply-accumulate; ``None`` where it has none."""
        return _ns_per_mac(self.layer, self.cycles, self.clock_hz)

    @property
    def times_best(self) -> float | None:
        """How many times as long as the best known it takes a MAC; ``None`` without MACs."""
        if self.best is None or self.ns_per_mac is None:
            return None
        return self.ns_per_mac / self.best.ns_per_mac

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "layer": self.layer.describe(),
            "operator": str(self.layer.operator),
            "names": list(self.names),
            "macs": self.macs,
            "provenance": str(self.provenance),
            "cycles": self.cycles,
            "latency_ms": self.latency_ms,
            "share": self.share,
            "ns_per_mac": self.ns_per_mac,
            "times_best": self.times_best,
            "best": None if self.best is None else self.best.to_dict(),
            "kernel": self.kernel.to_dict(),
            "channels": [steps.to_dict() for steps in self.channels],
        }


@dataclass(frozen=True, slots=True)
class SnappingEffect:
    """What snapping would make of a network.

    Attributes:
        network: The snapped network; the network itself where nothing changes.
        changes: The layers that change.
        before: What the network costs.
        after: What the snapped one costs, obtained in the same way (``basis``); ``None`` where the
            board cannot run it.
        refusal: Why it cannot; empty where it can.
    """

    network: Network
    changes: tuple[LayerChange, ...]
    before: HardwareCost
    after: HardwareCost | None
    refusal: str = ""

    @property
    def saved(self) -> Mapping[str, float] | None:
        """``latency_ms``, ``ram_bytes`` and ``flash_bytes`` that it saves; below 0 what it adds.

        ``None`` where the board cannot run the snapped network.
        """
        if self.after is None:
            return None
        return {
            "latency_ms": self.before.latency_ms - self.after.latency_ms,
            "ram_bytes": self.before.ram_bytes - self.after.ram_bytes,
            "flash_bytes": self.before.flash_bytes - self.after.flash_bytes,
        }

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "changes": [change.to_dict() for change in self.changes],
            "before": self.before.to_dict(),
            "after": None if self.after is None else self.after.to_dict(),
            "saved": self.saved,
            "refusal": self.refusal,
        }


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a network costs what it costs on a board.

    Attributes:
        cost: Of the network.
        provenance: How all cycles in here were obtained.
        layers: Those that cost most, the dearest first; layers that are alike count as one.
        hidden: How many others there are.
        snapping: What snapping would make of it.
    """

    cost: HardwareCost
    provenance: Provenance
    layers: tuple[LayerExplanation, ...]
    hidden: int
    snapping: SnappingEffect

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "provenance": str(self.provenance),
            "cost": self.cost.to_dict(),
            "layers": [layer.to_dict() for layer in self.layers],
            "hidden": self.hidden,
            "snapping": self.snapping.to_dict(),
        }
