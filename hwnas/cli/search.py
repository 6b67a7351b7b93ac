"""``hwnas search``."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Annotated, Any

import optuna
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from hwnas.budget import Budget
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
    print_json,
    quiet_optuna,
    table,
)
from hwnas.evaluator import Evaluator
from hwnas.firmware import Optimization, Variant
from hwnas.kernels import CMSIS_NN
from hwnas.objective import HARDWARE, METRIC, HardwareObjective, TrainFunction
from hwnas.report import plot_front
from hwnas.search import (
    FINISHED,
    FrontEntry,
    Ledger,
    ledger,
    open_study,
    pareto_front,
    run_search,
)
from hwnas.spaces import SearchSpace, as_space, load_function
from hwnas.training import FashionMnistTrainer
from hwnas.trial_record import Gate, finished_records, read_record


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
    seed: Annotated[int, typer.Option(help="Of the sampler.")] = 0,
    plot: Annotated[Path | None, typer.Option(help="Where to draw the front.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Search a space for the best trade-offs between accuracy and hardware cost."""
    quiet_optuna()
    budget = Budget(
        max_latency_ms, max_energy_mj, _bytes("ram", max_ram_kib), _bytes("flash", max_flash_kib)
    )
    picture = _plot_path(plot, storage)
    candidates = as_space(load_function(space) if ":" in space else space)
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
        objective = HardwareObjective(
            candidates,
            evaluator,
            trainer,
            objectives=[name.strip() for name in objectives.split(",")],
            snap_channels=snap,
        )
        name = study_name or f"{objective.space.name}-{board}"
        study = open_study(objective, storage=storage, name=name, seed=seed)
        _run(study, objective, trials, as_json)
        how = str(evaluator.backend.target.provenance)
    front, counts = pareto_front(study), ledger(study)
    written = plot_front(study, picture, limit=budget.latency_ms) if _drawable(front) else None
    places = {
        "study": f"{storage} ({name})",
        "table": table_url,
        "plot": None if written is None else str(written),
    }
    if as_json:
        print_json(_plain(how, front, counts, places))
    else:
        _show(f"{board}, latency {how}", front, counts, places)


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


def _plot_path(plot: Path | None, storage: str) -> Path:
    if plot is not None:
        return plot
    from hwnas.search import storage_path

    beside = storage_path(storage)
    return Path("hwnas-front.png") if beside is None else beside.with_suffix(".png")


def _drawable(front: list[FrontEntry]) -> bool:
    return bool(front) and importlib.util.find_spec("matplotlib") is not None


_TROUBLES = {"hwnas_error": "failed", "hwnas_invalid": "makes no network"}
"""Attributes of a trial that went wrong; each text is told once."""


def _run(study: optuna.Study, objective: HardwareObjective, trials: int, quiet: bool) -> None:
    console = Console(stderr=True, quiet=quiet)
    done = len(study.get_trials(deepcopy=False, states=FINISHED))
    if done:
        console.print(f"resuming study {study.study_name}: {done} trials are there already")
    columns = (
        TextColumn("trials"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        TextColumn("{task.description}"),
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
                    console.print(f"trial {trial.number} {_TROUBLES[what]}: {text}", markup=False)
            progress.update(bar, advance=1, description=_best(metrics))

        run_search(study, objective, trials=trials, on_trial=on_trial)


def _best(metrics: list[float]) -> str:
    if not metrics:
        return "none trained yet"
    return f"{len(metrics)} trained, best {METRIC} {max(metrics):.3f}"


def _show(
    title: str, front: list[FrontEntry], counts: Ledger, places: dict[str, str | None]
) -> None:
    shown = table(
        f"Pareto front on {title}",
        "trial", METRIC, "ms", "mJ", "RAM KiB", "flash KiB", "params", "MACs",
    )  # fmt: skip
    for entry in front:
        cost = entry.record.cost
        energy = cost["energy_mj"]
        shown.add_row(
            str(entry.number),
            f"{entry.record.metric:.4f}",
            f"{cost['latency_ms']:.2f}",
            "unknown" if energy is None else f"{energy:.3f}",
            kib(cost["ram_bytes"]),
            kib(cost["flash_bytes"]),
            f"{cost['parameters']:,}",
            f"{cost['macs']:,}",
        )
    stops = table("Where candidates ended", "gate", "candidates")
    for gate, count in counts.stopped.items():
        stops.add_row(str(gate), str(count))
    stops.add_row("failed", str(counts.failed))
    console = Console()
    console.print(shown)
    console.print("energy: estimated (power x latency); RAM and flash: estimated (computed)")
    console.print(stops)
    if counts.training_seconds_saved is not None:
        console.print(
            f"training: {counts.seconds.get('train', 0):.0f} s spent, about "
            f"{counts.training_seconds_saved:.0f} s saved (estimated: candidates not trained, "
            "each at the mean training time)"
        )
    for what, place in places.items():
        if place is not None:
            console.print(f"{what}: {place}", soft_wrap=True, highlight=False)


def _plain(
    how: str, front: list[FrontEntry], counts: Ledger, places: dict[str, str | None]
) -> dict[str, Any]:
    return {
        "latency": how,
        "front": [
            {"trial": entry.number, METRIC: entry.record.metric, **entry.record.cost}
            for entry in front
        ],
        "stopped": {str(gate): count for gate, count in counts.stopped.items()},
        "failed": counts.failed,
        "seconds": counts.seconds,
        "training_seconds_saved": counts.training_seconds_saved,
        **places,
    }
