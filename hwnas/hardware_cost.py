"""What a network costs on a board, layer by layer, and how each figure was obtained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from hwnas.network import CONVOLUTIONS, Layer
from hwnas.target import Provenance

TFLM_OPERATOR_CYCLES: Final = 2_700
"""What TensorFlow Lite Micro's interpreter adds to every operator on a Cortex-M4: the difference
between single convolutions measured through TFLM on a NUCLEO-F446RE (MicroNAS's published tables)
and the kernel alone on the cycle model."""
TFLM_CHANNEL_BYTES: Final = 8
"""TFLM keeps a multiplier and a shift for every output channel in RAM."""


@dataclass(frozen=True, slots=True)
class LayerLatency:
    """One layer's share of the latency.

    Attributes:
        name: The layer's name in the model, or its operator.
        layer: What was run.
        cycles: Median over the repetitions.
        latency_ms: Those cycles at the board's clock.
        macs: True multiply-accumulates.
    """

    name: str
    layer: Layer
    cycles: int
    latency_ms: float
    macs: int


@dataclass(frozen=True, slots=True)
class HardwareCost:
    """What one inference of a network costs on a board, deployed with hwnas's runtime.

    Attributes:
        board: Name of the board.
        clock_hz: The clock that turns cycles into time.
        cycles: Of one inference; an estimate where ``basis`` is ``static``.
        latency_ms: The same at the board's clock.
        energy_mj: Of one inference, by a meter or else by the board's power; ``None`` where neither
            is known.
        ram_bytes: Arena with scratch, and the firmware's fixed part.
        flash_bytes: Parameters, plan and code.
        parameters: Weights, biases and the values of constant operands.
        macs: True multiply-accumulates.
        basis: ``static`` (from MACs), ``table`` (sum over layers run alone) or ``network``
            (run end to end).
        provenance: How each of ``latency_ms``, ``energy_mj``, ``ram_bytes`` and ``flash_bytes``
            was obtained.
        layers: The breakdown, where layers were looked up.
        latency_error: Largest error, relative to an end-to-end run, that a sum over layers was
            found to have on this target (``hwnas lut validate``); 0 where the network itself was
            run, ``None`` where nothing is known.
    """

    board: str
    clock_hz: int
    cycles: int
    latency_ms: float
    energy_mj: float | None
    ram_bytes: int
    flash_bytes: int
    parameters: int
    macs: int
    basis: str
    provenance: Mapping[str, Provenance]
    layers: tuple[LayerLatency, ...] = ()
    latency_error: float | None = None

    def to_dict(self, *, layers: bool = False) -> dict[str, Any]:
        """Plain data for JSON; the breakdown only on demand."""
        names = (
            "board", "clock_hz", "cycles", "latency_ms", "energy_mj", "ram_bytes",
            "flash_bytes", "parameters", "macs", "basis", "latency_error",
        )  # fmt: skip
        out: dict[str, Any] = {name: getattr(self, name) for name in names}
        out["provenance"] = {name: str(how) for name, how in self.provenance.items()}
        if layers:
            out["layers"] = [
                {
                    "name": row.name,
                    "operator": str(row.layer.operator),
                    "input_shapes": [list(shape) for shape in row.layer.input_shapes],
                    "output_shape": list(row.layer.output_shape),
                    "macs": row.macs,
                    "cycles": row.cycles,
                    "latency_ms": row.latency_ms,
                    "ns_per_mac": row.latency_ms * 1e6 / row.macs if row.macs else None,
                    "share": row.cycles / max(sum(r.cycles for r in self.layers), 1),
                }
                for row in self.layers
            ]
        return out

    def as_tflm(self) -> HardwareCost:
        """The same network under TensorFlow Lite Micro's interpreter, estimated.

        Adds :data:`TFLM_OPERATOR_CYCLES` for every operator and :data:`TFLM_CHANNEL_BYTES` of
        RAM for every output channel of a convolution. Needs the breakdown by layers.

        Raises:
            ValueError: The cost has no breakdown (its basis is ``static``).
        """
        if not self.layers:
            raise ValueError("as_tflm needs a cost with layers; evaluate on table or board first")
        channels = sum(
            row.layer.output_shape[-1] for row in self.layers if row.layer.operator in CONVOLUTIONS
        )
        cycles = self.cycles + TFLM_OPERATOR_CYCLES * len(self.layers)
        latency_ms = cycles / self.clock_hz * 1e3
        energy_mj = None
        if self.energy_mj is not None:
            energy_mj = self.energy_mj * latency_ms / self.latency_ms
        return replace(
            self,
            cycles=cycles,
            latency_ms=latency_ms,
            energy_mj=energy_mj,
            ram_bytes=self.ram_bytes + TFLM_CHANNEL_BYTES * channels,
            provenance=dict.fromkeys(self.provenance, Provenance.ESTIMATED),
        )
