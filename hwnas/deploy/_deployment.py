"""Deploys a model, and holds what it takes against what was told before it was trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hwnas.deploy._deployed import DeployedModel, DeployedRun
from hwnas.evaluator import Evaluator
from hwnas.firmware import DEFAULT_VARIANT, Variant
from hwnas.plan import ModelImage
from hwnas.target import TargetIdentity


@dataclass(frozen=True)
class Deployment:
    """What a deployed model takes, and what the same network took with synthetic parameters.

    Attributes:
        model: What is deployed.
        run: What an inference takes.
        target: On what.
        synthetic_cycles: Of the untrained network end to end, as a search measures it; ``None``
            where that is not known: a physical board that holds the model cannot tell.
    """

    model: ModelImage
    run: DeployedRun
    target: TargetIdentity
    synthetic_cycles: int | None

    @property
    def latency_ms(self) -> float:
        """Of an inference, in milliseconds."""
        return self.run.cycles / self.target.clock_hz * 1e3

    @property
    def synthetic_ms(self) -> float | None:
        """Of the untrained network, in milliseconds."""
        if self.synthetic_cycles is None:
            return None
        return self.synthetic_cycles / self.target.clock_hz * 1e3

    @property
    def difference(self) -> float | None:
        """Deployed through synthetic, less 1."""
        if self.synthetic_cycles is None:
            return None
        return self.run.cycles / self.synthetic_cycles - 1

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        network = self.model.network
        return {
            "board": self.target.board,
            "clock_hz": self.target.clock_hz,
            "kernel_set": self.model.kernels.name,
            "sha256": self.model.sha256,
            "latency_ms": self.latency_ms,
            "cycles": self.run.cycles,
            "synthetic_latency_ms": self.synthetic_ms,
            "difference": self.difference,
            "arena_bytes": self.model.plan.arena_bytes,
            "model_bytes": len(self.model.data),
            "provenance": {"latency_ms": str(self.target.provenance)},
            "layers": [
                {"layer": network.layers[step].describe(), "cycles": cycles}
                for step, cycles in zip(self.run.layers, self.run.layer_cycles, strict=True)
            ],
        }


def deploy_model(
    model: ModelImage,
    board: str,
    *,
    variant: Variant = DEFAULT_VARIANT,
    table: str = "sqlite://",
    port: str | None = None,
    probe: str | None = None,
    progress: Callable[[str], None] | None = None,
) -> Deployment:
    """Put a model onto a board, run it, and look up what the untrained network took.

    On the virtual board, what the table lacks is run there; a physical board holds the model by
    then, so that only the table can tell.

    Args:
        model: What is deployed.
        board: Name of a board, or path of a board file.
        variant: How the firmware is compiled.
        table: URL of the lookup table, or its path; one in memory by default.
        port: Where the physical board is; without it the virtual copy is taken.
        probe: Unique id of the debug probe that may flash the physical board.
        progress: Is told what takes long.

    Raises:
        BoardError: The board is unknown, cannot be opened, or holds something else and may not be
            flashed.
        FirmwareBuildError: There is no image and none can be built.
        PlanError: The board has no room for the model.
        TableError: The table cannot be opened.

    Example:
        >>> deploy_model(model, "nucleo_l496zg").difference  # doctest: +SKIP
        0.0017
    """
    told = progress or (lambda text: None)
    with DeployedModel.open(
        board, model, variant=variant, port=port, probe=probe, progress=progress
    ) as deployed:
        told(f"running the deployed model on {board}")
        run, target = deployed.measure(), deployed.target
    with Evaluator.for_board(
        board,
        kernel_set=model.kernels.name,
        variant=variant,
        table=table,
        port=port,
        progress=progress,
    ) as evaluator:
        if port is None:
            told(f"running the untrained network on {board}")
            synthetic: int | None = evaluator.network_cost(model.network).cycles
        else:
            known = evaluator.table.get_network(target, model.network.digest)
            synthetic = None if known is None else known.cycles_median
    return Deployment(model, run, target, synthetic)
