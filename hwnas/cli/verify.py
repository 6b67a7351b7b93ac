"""``hwnas verify``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

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
    interruptible,
    notices,
    print_json,
    results,
    resumable,
    table,
)
from hwnas.deploy import DeployedModel, KeptOutputs, Verification
from hwnas.deploy import verify as verify_model
from hwnas.firmware import Optimization, Variant
from hwnas.kernels import CMSIS_NN
from hwnas.samples import load_samples


def verify(
    model: TrainedOption,
    board: BoardOption,
    data: Annotated[Path, typer.Option(help="An .npz file with test data: x, and labels as y.")],
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many.")] = None,
    calibrate: CalibrationOption = None,
    random_calibration: RandomOption = False,
    kernels: KernelsOption = CMSIS_NN.name,
    optimization: OptimizationOption = Optimization.SPEED,
    fpu: FpuOption = True,
    outputs: Annotated[
        Path, typer.Option(help="File that keeps the board's outputs, to go on after a stop.")
    ] = Path("hwnas-verify.db"),
    port: PortOption = None,
    probe: ProbeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run test data through a model on the board and on this machine, and compare."""
    samples = load_samples(data)
    inputs = samples.inputs[:limit]
    labels = None if samples.labels is None else samples.labels[:limit]
    with announced(as_json) as progress:
        progress(f"reading {model}")
        trained, image = trained_model(model, kernels, calibrate, random_calibration)
        deployed = DeployedModel.open(
            board,
            image,
            variant=Variant(optimization, fpu),
            port=port,
            probe=probe,
            progress=progress,
        )
    with (
        deployed,
        KeptOutputs(outputs) as kept,
        interruptible(lambda: resumable({"the board's outputs": str(outputs)})),
        Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"), TimeRemainingColumn(),
            console=notices(quiet=as_json),
        ) as bars,
    ):  # fmt: skip
        verification = verify_model(
            deployed, trained, inputs, labels, kept=kept, progress=_Bars(bars, len(inputs)).told
        )
    if random_calibration:
        notices().print(NOT_CALIBRATED, soft_wrap=True)
    if as_json:
        how = {"provenance": {"board": str(deployed.target.provenance)}}
        print_json({"model": str(model), "board": board, **verification.to_dict(), **how})
    else:
        _show(f"{model} ({kernels}) on {board}", verification, str(deployed.target.provenance))


class _Bars:
    """A bar a way to run the model, with its samples a second."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress = progress
        self._total = total
        self._started: dict[str, tuple[TaskID, float]] = {}

    def told(self, what: str, done: int) -> None:
        if what not in self._started:
            task = self._progress.add_task(what, total=self._total, rate="")
            self._started[what] = task, time.perf_counter()
        task, start = self._started[what]
        rate = done / max(time.perf_counter() - start, 1e-9)
        self._progress.update(task, completed=done, rate=f"{rate:.0f} a second" if done else "")


def _show(title: str, verification: Verification, how: str) -> None:
    shown = table(
        f"{title}: {verification.samples:,} samples",
        "run by", "accuracy", "other outputs than the board", "other classes",
    )  # fmt: skip
    for row in verification.computed:
        is_board = row is verification.computed[-1]
        shown.add_row(
            f"board, {how}" if is_board else row.by,
            "" if row.accuracy is None else f"{row.accuracy:.2%}",
            "" if is_board or row.other_outputs is None else f"{row.other_outputs:,}",
            "" if is_board else f"{row.other_classes:,}",
        )
    console = results()
    console.print(shown)
    for what, why in verification.missing.items():
        console.print(f"without {what}: {why}", soft_wrap=True)
