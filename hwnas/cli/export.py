"""``hwnas export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hwnas.cli._deployment import (
    NOT_CALIBRATED,
    CalibrationOption,
    RandomOption,
    TrainedOption,
    trained_model,
)
from hwnas.cli._output import (
    BoardOption,
    FpuOption,
    JsonOption,
    KernelsOption,
    OptimizationOption,
    PortOption,
    ProbeOption,
    announced,
    notices,
    print_json,
    results,
)
from hwnas.deploy import DeployedModel, ExportedModel, export_model
from hwnas.firmware import Optimization, Variant, find_image
from hwnas.kernels import CMSIS_NN


def export(
    model: TrainedOption,
    board: BoardOption,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to make.")],
    calibrate: CalibrationOption = None,
    random_calibration: RandomOption = False,
    kernels: KernelsOption = CMSIS_NN.name,
    optimization: OptimizationOption = Optimization.SPEED,
    fpu: FpuOption = True,
    port: PortOption = None,
    probe: ProbeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write what a product needs to run a trained model: sources, C interface, figures."""
    variant = Variant(optimization, fpu)
    with announced(as_json) as progress:
        progress(f"reading {model}")
        _, image = trained_model(model, kernels, calibrate, random_calibration)
        with DeployedModel.open(
            board, image, variant=variant, port=port, probe=probe, progress=progress
        ) as deployed:
            progress(f"running the model on {board}")
            run, target = deployed.measure(), deployed.target
        code = find_image(board, variant).manifest.code_bytes(kernels)
        exported = ExportedModel(model.stem, image, run, target, code)
        files = export_model(exported, output)
    if random_calibration:
        notices().print(NOT_CALIBRATED, soft_wrap=True)
    if as_json:
        print_json({"folder": str(output), "files": [file.as_posix() for file in files]})
    else:
        results().print(
            f"{output}: {len(files)} files; README.md tells how to build them in", soft_wrap=True
        )
