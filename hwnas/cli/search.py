"""``hwnas search``."""

from __future__ import annotations

import importlib.util
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import optuna
import typer

from hwnas.budget import Budget
from hwnas.cli._found import Found
from hwnas.cli._output import (
    DEFAULT_TABLE,
    FpuOption,
    JsonOption,
    KernelsOption,
    MeterOption,
    OptimizationOption,
    PortOption,
    ProbeOption,
    TableOption,
    announced,
    interruptible,
    print_json,
    quiet_optuna,
    results,
    resumable,
)
from hwnas.cli._spaces import OffGridOption, space_named
from hwnas.cli._watch import watch_search
from hwnas.device.pool import BoardPool
from hwnas.errors import HwnasError, StudyError
from hwnas.evaluator import Evaluator, Trust
from hwnas.firmware import Optimization, Variant
from hwnas.kernels import CMSIS_NN
from hwnas.objective import INT8_METRIC, METRIC, HardwareObjective
from hwnas.opening import open_backend
from hwnas.panel import HARDWARE, Across, is_hardware
from hwnas.report import picture_path, plot_front
from hwnas.search import (
    FrontEntry,
    enqueue_anchor,
    finished_trials,
    label_of_storage,
    ledger,
    open_study,
    pareto_front,
    stored_study,
    warm_start,
)
from hwnas.spaces import SearchSpace, load_function
from hwnas.train_step import Int8Score, TrainFunction
from hwnas.training import FashionMnistTrainer


def search(
    space: Annotated[str, typer.Option(help="A space's name, YAML file, or module:function.")],
    board: Annotated[
        list[str],
        typer.Option("--board", "-b", help="Name of a board, or its .toml file; repeatable."),
    ],
    trials: Annotated[int, typer.Option(min=1, help="Finished trials that the study is to hold.")],
    storage: Annotated[
        str,
        typer.Option(help="Optuna storage URL, or journal:///FILE; the study resumes from it."),
    ] = "sqlite:///hwnas-study.db",
    kernels: KernelsOption = CMSIS_NN.name,
    optimization: OptimizationOption = Optimization.SPEED,
    fpu: FpuOption = True,
    table_url: TableOption = DEFAULT_TABLE,
    port: PortOption = None,
    probe: ProbeOption = None,
    meter: MeterOption = None,
    pool: Annotated[
        Path | None, typer.Option(help="Lease a board of each kind from this rack's file.")
    ] = None,
    study_name: Annotated[
        str | None, typer.Option(help="Name of the study; space-board by default.")
    ] = None,
    train: Annotated[
        str | None,
        typer.Option(help="module:function(model, trial) -> float; Fashion-MNIST by default."),
    ] = None,
    train_limit_s: Annotated[
        float | None, typer.Option(help="Longest time of a training, s; a longer one fails.")
    ] = None,
    int8: Annotated[
        bool, typer.Option("--int8", help="Also score the quantized network (Fashion-MNIST).")
    ] = False,
    objectives: Annotated[
        str, typer.Option(help=f"Comma-separated: {METRIC}, {INT8_METRIC}, {', '.join(HARDWARE)}.")
    ] = f"{METRIC},latency_ms",
    across: Annotated[
        Across, typer.Option(help="Of several boards the worst figure, or an objective each.")
    ] = Across.WORST,
    trust: Annotated[
        Trust, typer.Option(help="Which networks are run end to end, beyond the table's sums.")
    ] = Trust.AUTO,
    max_latency_ms: Annotated[float | None, typer.Option(help="Limit, ms.")] = None,
    max_energy_mj: Annotated[float | None, typer.Option(help="Limit, mJ.")] = None,
    max_ram_kib: Annotated[float | None, typer.Option(help="Limit, KiB.")] = None,
    max_flash_kib: Annotated[float | None, typer.Option(help="Limit, KiB.")] = None,
    prune: Annotated[
        bool, typer.Option("--prune", help="Prune what is over budget; samplers learn less.")
    ] = False,
    snap: Annotated[bool, typer.Option(help="Snap channels to multiples of 4.")] = True,
    off_grid: OffGridOption = False,
    anchor: Annotated[
        list[str] | None, typer.Option(help="Begin with this reference of the space; repeatable.")
    ] = None,
    warm_start_from: Annotated[
        str | None,
        typer.Option("--warm-start", help="Begin with the front of the study at this storage URL."),
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Trials at once; they share the board.")] = 1,
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
    if port is not None and (len(board) > 1 or pool is not None):
        raise typer.BadParameter("one port is one board's", param_hint="--port")
    candidates = space_named(space, off_grid=off_grid)
    trainer, score = _training(candidates, train, int8)
    variant = Variant(optimization, fpu)
    with ExitStack() as held:
        with announced(as_json) as progress:
            if pool is None:
                backends = [
                    open_backend(
                        name, kernel_set=kernels, variant=variant, port=port, probe=probe,
                        meter=meter, progress=progress,
                    )
                    for name in board
                ]  # fmt: skip
            else:
                rack = BoardPool.from_file(pool, kernel_set=kernels, variant=variant)
                held.enter_context(rack)
                backends = [held.enter_context(rack.lease(name)) for name in board]
        # No table is made before all boards are known.
        evaluators = [
            held.enter_context(Evaluator.on(backend, table_url, budget)) for backend in backends
        ]
        if port is not None:
            evaluators[0].backend.open()  # a wrong one would fail every trial
        objective = HardwareObjective(
            candidates,
            evaluators,
            trainer,
            objectives=[name.strip() for name in objectives.split(",")],
            across=across,
            trust=trust,
            infeasible="prune" if prune else "complete",
            snap_channels=snap,
            train_limit_s=train_limit_s,
            int8=score,
        )
        boards = list(objective.panel.by_board)
        name = study_name or f"{objective.space.name}-{'-'.join(boards)}"
        study = open_study(objective, storage=storage, name=name, seed=seed)
        for known in anchor or []:
            enqueue_anchor(study, objective, known)
        if warm_start_from is not None and not finished_trials(study):
            warm_start(study, objective, stored_study(warm_start_from))
        stored = label_of_storage(storage, name)
        tabled = evaluators[0].table.label
        with interruptible(lambda: _kept(study, stored, tabled)):
            watch_search(study, objective, trials=trials, jobs=jobs, quiet=as_json)
        how = str(evaluators[0].backend.target.provenance)
    found = Found(
        boards=boards,
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


def _training(
    space: SearchSpace, named: str | None, int8: bool
) -> tuple[TrainFunction, Int8Score | None]:
    """The user's training function, or else the built-in one, and how quantized models score."""
    if named is not None:
        if int8:
            raise typer.BadParameter(
                "validation data are those of the built-in training; with --train, use the "
                "library's int8=Int8Validation(...)",
                param_hint="--int8",
            )
        return load_function(named), None
    trainer = FashionMnistTrainer()
    if space.input_shape is not None:
        trainer.check_fits(space.input_shape, space.classes)
    return trainer, trainer.int8_accuracy if int8 else None


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
    hardware = [name.partition("@")[0] for name in objective.objectives if is_hardware(name)]
    x = hardware[0] if hardware else "latency_ms"
    return plot_front(study, picture, x=x, limit=getattr(budget, x))
