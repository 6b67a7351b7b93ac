"""``hwnas deploy``."""

from __future__ import annotations

from pathlib import Path

from hwnas.cli._deployment import (
    NOT_CALIBRATED,
    CalibrationOption,
    RandomOption,
    TrainedOption,
    trained_model,
)
from hwnas.cli._output import (
    DEFAULT_TABLE,
    BoardOption,
    FpuOption,
    JsonOption,
    KernelsOption,
    OptimizationOption,
    PortOption,
    ProbeOption,
    TableOption,
    announced,
    kib,
    notices,
    print_json,
    results,
    table,
)
from hwnas.deploy import Deployment, deploy_model
from hwnas.firmware import Optimization, Variant
from hwnas.kernels import CMSIS_NN


def deploy(
    model: TrainedOption,
    board: BoardOption,
    calibrate: CalibrationOption = None,
    random_calibration: RandomOption = False,
    kernels: KernelsOption = CMSIS_NN.name,
    optimization: OptimizationOption = Optimization.SPEED,
    fpu: FpuOption = True,
    table_url: TableOption = DEFAULT_TABLE,
    port: PortOption = None,
    probe: ProbeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put a trained model into a board's flash, run it there, and compare with the search."""
    with announced(as_json) as progress:
        progress(f"reading {model}")
        _, image = trained_model(model, kernels, calibrate, random_calibration)
        deployment = deploy_model(
            image,
            board,
            variant=Variant(optimization, fpu),
            table=table_url,
            port=port,
            probe=probe,
            progress=progress,
        )
    if random_calibration:
        notices().print(NOT_CALIBRATED, soft_wrap=True)
    if as_json:
        print_json({"model": str(model), **deployment.to_dict()})
    else:
        _show(model, deployment)


def _show(model: Path, deployment: Deployment) -> None:
    target, image = deployment.target, deployment.model
    shown = table(
        f"{model} on {target.board} at {target.clock_hz / 1e6:g} MHz, {target.provenance}",
        "layer", "cycles", "ms", "share",
    )  # fmt: skip
    total = sum(deployment.run.layer_cycles)
    for step, cycles in zip(deployment.run.layers, deployment.run.layer_cycles, strict=True):
        shown.add_row(
            image.network.layers[step].describe(),
            f"{cycles:,}",
            f"{cycles / target.clock_hz * 1e3:.3f}",
            f"{cycles / total:.1%}",
        )
    totals = table("", "total", "value", "<how it was obtained")
    how = str(target.provenance)
    totals.add_row(
        "latency_ms", f"{deployment.latency_ms:.3f}", f"{how}: the deployed model, from flash"
    )
    synthetic = deployment.synthetic_ms
    totals.add_row(
        "before training",
        "unknown" if synthetic is None else f"{synthetic:.3f}",
        f"{how}: the untrained network, as searches see it",
    )
    if deployment.difference is not None:
        totals.add_row("difference", f"{deployment.difference:+.2%}", "")
    totals.add_row("arena_bytes", f"{image.plan.arena_bytes:,}", "computed: RAM for activations")
    totals.add_row(
        "model_bytes", f"{len(image.data):,}", f"computed: {kib(len(image.data))} KiB of flash"
    )
    totals.add_row("sha256", image.sha256[:12], "of parameters and plan")
    console = results()
    console.print(shown)
    console.print(totals)
