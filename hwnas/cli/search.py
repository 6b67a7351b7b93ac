"""``hwnas search``."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Annotated

import optuna
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from hwnas._databases import label_of, read_url
from hwnas.budget import Budget
from hwnas.cli._found import Found
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
    interruptible,
    notices,
    print_json,
    quiet_optuna,
    results,
    resumable,
)
from hwnas.cli._spaces import OffGridOption, space_named
from hwnas.errors import HwnasError, StudyError
from hwnas.evaluator import Evaluator
from hwnas.firmware import Optimization, Variant
from hwnas.kernels import CMSIS_NN
from hwnas.objective import HARDWARE, METRIC, HardwareObjective, TrainFunction
from hwnas.report import picture_path, plot_front
from hwnas.search import (
    FrontEntry,
    finished_trials,
    ledger,
    open_study,
    pareto_front,
    run_search,
)
from hwnas.spaces import SearchSpace, load_function
from hwnas.training import FashionMnistTrainer
from hwnas.trial_record import FAILURE, INVALID, Gate, finished_records, read_record


def search(
    space: Annotated[str, typer.Option(help="A space's name, YAML file, or module:function.")],
    board: BoardOption,
    trials: Annotated[int, typer.Option(min=1, help="Finished trials that the study is to hold.")],
    storage: Annotated[
        str, typer.Option(help="Optuna storage URL; the study resumes from it.")
    ] = "sqlite:///hwnas-study.db",
    kernels: KernelsOption = CMSIS_NN.name,
    optimization: OptimizationOption = Optimization.SPEED,
    fpu: FpuOption = True,
    table_url: TableOption = DEFAULT_TABLE,
    port: PortOption = None,
    probe: ProbeOption = None,
    study_name: Annotated[
        str | None, typer.Option(help="Name of the study; space-board by default.")
    ] = None,
    train: Annotated[
        str | None,
        typer.Option(help="module:function(model, trial) -> float; Fashion-MNIST by default."),
    ] = None,
    objectives: Annotated[
        str, typer.Option(help=f"Comma-separated: {METRIC}, {', '.join(HARDWARE)}.")
    ] = f"{METRIC},latency_ms",
    max_latency_ms: Annotated[float | None, typer.Option(help="Limit, ms.")] = None,
    max_energy_mj: Annotated[float | None, typer.Option(help="Limit, mJ.")] = None,
    max_ram_kib: Annotated[float | None, typer.Option(help="Limit, KiB.")] = None,
    max_flash_kib: Annotated[float | None, typer.Option(help="Limit, KiB.")] = None,
    snap: Annotated[bool, typer.Option(help="Snap channels to multiples of 4.")] = True,
    off_grid: OffGridOption = False,
    seed: Annotated[int, typer.Option(help="Of the sampler.")] = 0,
    plot: Annotated[Path | None, typer.Option(help="Where to draw the front.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Search a space for the best trade-offs between accuracy and hardware cost."""
    quiet_optuna()
    budget = Budget(
        max_latency_ms, max_energy_mj, _bytes("ram", max_ram_kib), _bytes("flash", max_flash_kib)
    )
    if plot is not None:
        picture_path(plot)
    candidates = space_named(space, off_grid=off_grid)
    trainer = _fashion_mnist(candidates) if train is None else load_function(train)
    with announced(as_json) as progress:
        evaluator = Evaluator.for_board(
            board,
            kernel_set=kernels,
            variant=Variant(optimization, fpu),
            table=table_url,
            port=port,
            probe=probe,
            budget=budget,
            progress=progress,
        )
    with evaluator:
        if port is not None:
            evaluator.backend.open()  # a wrong one would fail every trial
        objective = HardwareObjective(
            candidates,
            evaluator,
            trainer,
            objectives=[name.strip() for name in objectives.split(",")],
            snap_channels=snap,
        )
        name = study_name or f"{objective.space.name}-{evaluator.spec.name}"
        study = open_study(objective, storage=storage, name=name, seed=seed)
        stored = label_of(read_url(storage))
        tabled = evaluator.table.label
        with interruptible(lambda: _kept(study, stored, tabled)):
            _run(study, objective, trials, as_json)
        how = str(evaluator.backend.target.provenance)
    found = Found(
        board=evaluator.spec.name,
        how=how,
        front=pareto_front(study),
        counts=ledger(study),
        places={"study": f"{stored} ({name})", "table": tabled},
    )
    trouble = None
    if _drawable(found.front):
        try:
            picture = _plot_path(stored) if plot is None else plot
            found.places["plot"] = str(_draw(study, picture, objective, budget))
        except HwnasError as error:
            trouble = error  # told after what was found
    if as_json:
        print_json(found.to_dict())
    else:
        found.show(results())
    if trouble is not None:
        raise trouble
    if found.all_failed:
        raise StudyError(f"all of the {found.counts.failed} trials failed")


def _kept(study: optuna.Study, stored: str, tabled: str) -> str:
    trials = f"{len(finished_trials(study))} trials of study {study.study_name}"
    return resumable({trials: stored, "the layers that were run": tabled})


def _fashion_mnist(space: SearchSpace) -> TrainFunction:
    """The built-in trainer, for a space whose networks it can train."""
    trainer = FashionMnistTrainer()
    if space.input_shape is not None:
        trainer.check_fits(space.input_shape, space.classes)
    return trainer


def _bytes(what: str, size_kib: float | None) -> int | None:
    if size_kib is None:
        return None
    if not 0 < size_kib < 1 << 30:
        raise typer.BadParameter(f"{size_kib} is no size in KiB", param_hint=f"--max-{what}-kib")
    return max(int(size_kib * 1024), 1)


def _plot_path(stored: str) -> Path:
    """Beside a study's file, or else in the working directory."""
    beside = Path(stored)
    in_file = "://" not in stored and stored != ":memory:"
    return beside.with_suffix(".png") if in_file else Path("hwnas-front.png")


def _drawable(front: list[FrontEntry]) -> bool:
    return bool(front) and importlib.util.find_spec("matplotlib") is not None


def _draw(study: optuna.Study, picture: Path, objective: HardwareObjective, budget: Budget) -> Path:
    """The front over the first hardware objective, or else over latency."""
    hardware = [name for name in objective.objectives if name != METRIC]
    x = hardware[0] if hardware else "latency_ms"
    return plot_front(study, picture, x=x, limit=getattr(budget, x))


_TROUBLES = {FAILURE: "failed", INVALID: "makes no network"}
"""Attributes of a trial that went wrong; each text is told once."""


def _run(study: optuna.Study, objective: HardwareObjective, trials: int, quiet: bool) -> None:
    console = notices(quiet=quiet)
    done = len(finished_trials(study))
    if done:
        console.print(f"resuming study {study.study_name}: {done} trials are there already")
    columns = (
        TextColumn("trials"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        TextColumn("{task.description}", markup=False),
    )  # fmt: skip
    records = finished_records(study.get_trials(deepcopy=False)).values()
    metrics = [record.metric for record in records if record.gate is Gate.TRAINED]
    told: set[str] = set()
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task(_best(metrics), total=max(trials, done), completed=done)

        def on_trial(trial: optuna.trial.FrozenTrial) -> None:
            record = read_record(trial)
            if record is not None and record.gate is Gate.TRAINED:
                metrics.append(record.metric)
            for what, text in trial.user_attrs.items():
                if what in _TROUBLES and text not in told:
                    told.add(text)
                    console.print(f"trial {trial.number} {_TROUBLES[what]}: {text}")
            progress.update(bar, advance=1, description=_best(metrics))

        run_search(study, objective, trials=trials, on_trial=on_trial)


def _best(metrics: list[float]) -> str:
    if not metrics:
        return "none trained yet"
    return f"{len(metrics)} trained, best {METRIC} {max(metrics):.3f}"
