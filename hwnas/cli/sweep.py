"""``hwnas sweep``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from hwnas.cli._output import (
    DEFAULT_TABLE,
    BoardOption,
    FpuOption,
    JsonOption,
    KernelsOption,
    MeterOption,
    OptimizationOption,
    TableOption,
    announced,
    interruptible,
    notices,
    print_json,
    results,
    resumable,
)
from hwnas.cli._spaces import OffGridOption, space_named
from hwnas.device.pool import BoardPool
from hwnas.errors import SpaceError
from hwnas.firmware import Optimization, Variant
from hwnas.kernels import CMSIS_NN, kernel_set_named
from hwnas.models import load_network
from hwnas.network import Network, Operator
from hwnas.shipped import warm_up
from hwnas.snapping import snap as snap_network
from hwnas.spaces import load_space
from hwnas.sweep import (
    BoardChoice,
    DaskRunner,
    Grid,
    LayerRunner,
    PoolRunner,
    ProcessRunner,
    SweepOutcome,
    SweepPlan,
    WantedLayers,
    grid_layers,
    network_layers,
    parse_numbers,
    plan_sweep,
    run_sweep,
    space_layers,
)
from hwnas.sweep._layers import COVERAGE
from hwnas.table import LookupTable
from hwnas.target import TargetIdentity

RangeOption = Annotated[str, typer.Option(help="Numbers and ranges, as in 1:64,96:128:8.")]


def sweep(
    board: BoardOption,
    space: Annotated[
        list[str] | None, typer.Option(help="The layers of this space's networks; repeatable.")
    ] = None,
    references: Annotated[
        list[str] | None,
        typer.Option(help="The layers of this space's known networks alone; repeatable."),
    ] = None,
    off_grid: OffGridOption = False,
    model: Annotated[
        list[Path] | None, typer.Option(help="The layers of this model; repeatable.")
    ] = None,
    op: Annotated[
        Operator | None, typer.Option(help="Layers of this operator, over the ranges below.")
    ] = None,
    in_channels: RangeOption = "1",
    out_channels: RangeOption = "1",
    kernel: RangeOption = "1",
    size: RangeOption = "1",
    stride: RangeOption = "1",
    padding: Annotated[str, typer.Option(help="same or valid.")] = "same",
    snap: Annotated[bool, typer.Option(help="Snap channels as a search does.")] = True,
    coverage: Annotated[
        float, typer.Option(min=0, max=1, help="Share of a large space's layers to look for.")
    ] = COVERAGE,
    kernels: KernelsOption = CMSIS_NN.name,
    optimization: OptimizationOption = Optimization.SPEED,
    fpu: FpuOption = True,
    meter: MeterOption = None,
    table_url: TableOption = DEFAULT_TABLE,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Virtual boards at work; one a core by default.")
    ] = None,
    pool: Annotated[
        Path | None, typer.Option(help="Use the boards of this rack's file instead.")
    ] = None,
    dask: Annotated[
        str | None, typer.Option(help="Use virtual boards on this Dask cluster instead.")
    ] = None,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try again what failed before.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count what is missing, and run nothing.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Fill the lookup table: run the layers that it lacks on all cores, or all boards of a rack."""
    choice = BoardChoice(board, kernels, Variant(optimization, fpu), meter)
    sources: list[Callable[[], WantedLayers]] = [
        *(_of_space(name, _preparing(kernels, snap), coverage, off_grid) for name in space or []),
        *(_of_references(name, _preparing(kernels, snap)) for name in references or []),
        *(_of_model(path, _preparing(kernels, snap)) for path in model or []),
    ]
    if op is not None:
        grid = Grid(
            op,
            parse_numbers(in_channels),
            parse_numbers(out_channels),
            parse_numbers(kernel),
            parse_numbers(size),
            parse_numbers(stride),
            padding,
            dtype=kernel_set_named(kernels).dtype,
        )
        sources.append(lambda: grid_layers(grid))
    if not sources:
        raise SpaceError("nothing to sweep: give --space, --references, --model or --op")
    with (
        _boards(choice, workers, pool, dask) as (target, runner),
        LookupTable.open(table_url) as lut,
    ):
        with announced(as_json) as told:
            warm_up(lut, target)
            told("collecting layers")
            wanted = [collect() for collect in sources]
            layers = [layer for found in wanted for layer in found.layers]
            plan = plan_sweep(lut, target, layers, retry_failed=retry_failed)
        console = results(quiet=as_json)
        _tell_plan(console, wanted, plan, target)
        tally = _Tally()
        if not dry_run and plan.missing:
            with interruptible(lambda: resumable({"the rows so far": lut.label})):
                _run(run_sweep(lut, target, plan, runner), len(plan.missing), tally, as_json)
    if as_json:
        print_json(_plain(wanted, plan, tally, target, lut.label))
    elif not dry_run:
        console.print(
            f"{tally.measured:,} rows added to {lut.label}, {tally.failed:,} layers failed"
        )
        for reason, count in tally.reasons.most_common():
            console.print(f"{count} times {reason}")


@dataclass
class _Tally:
    """What became of the layers so far."""

    measured: int = 0
    failed: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    def count(self, outcome: SweepOutcome) -> None:
        if outcome.record is not None:
            self.measured += 1
            return
        self.failed += 1
        # The reason without the layer, so that like failures are told once.
        self.reasons[outcome.reason.replace(outcome.layer.describe(), "a layer")] += 1


def _preparing(kernels: str, snap: bool) -> Callable[[Network], Network]:
    """What makes of a candidate what is deployed."""
    kernel_set = kernel_set_named(kernels)

    def prepared(network: Network) -> Network:
        network = network.as_dtype(kernel_set.dtype)
        return snap_network(network, rule=kernel_set.snapping) if snap else network

    return prepared


def _of_space(
    name: str, prepare: Callable[[Network], Network], coverage: float, off_grid: bool
) -> Callable[[], WantedLayers]:
    space = space_named(name, off_grid=off_grid)
    return lambda: space_layers(space, prepare=prepare, coverage=coverage)


def _of_references(name: str, prepare: Callable[[Network], Network]) -> Callable[[], WantedLayers]:
    space = load_space(name)
    return lambda: network_layers(prepare(space.reference(each)) for each in space.references)


def _of_model(path: Path, prepare: Callable[[Network], Network]) -> Callable[[], WantedLayers]:
    return lambda: network_layers([prepare(load_network(path))])


@contextmanager
def _boards(
    choice: BoardChoice, workers: int | None, rack: Path | None, cluster: str | None
) -> Iterator[tuple[TargetIdentity, LayerRunner]]:
    """What layers are run on, and who runs them."""
    if rack is not None:
        with BoardPool.from_file(
            rack, kernel_set=choice.kernel_set, variant=choice.variant
        ) as pool:
            with pool.lease(choice.board) as backend:
                target = backend.target
            yield target, PoolRunner(pool, choice.board)
        return
    # Builds the image where there is none, before all workers do.
    target = choice.open().target
    if cluster is None:
        yield target, ProcessRunner(choice, workers)
    else:
        with DaskRunner(choice, cluster) as runner:
            yield target, runner


def _tell_plan(
    console: Console, wanted: list[WantedLayers], plan: SweepPlan, target: TargetIdentity
) -> None:
    console.print(f"on {target.describe()}")
    for found in wanted:
        if found.coverage < 1:
            console.print(
                f"{len(found.layers):,} layers in {found.networks:,} random networks, which are "
                f"{found.coverage:.2%} of the layers that one more has (estimated)"
            )
    console.print(
        f"{len(plan.missing):,} layers to run, {plan.known:,} are in the table"
        + (f", {plan.failed:,} failed before (--retry-failed)" if plan.failed else "")
    )


def _run(outcomes: Iterator[SweepOutcome], total: int, tally: _Tally, quiet: bool) -> None:
    columns = (
        TextColumn("layers"), BarColumn(), MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=notices(quiet=quiet)) as progress:
        bar = progress.add_task("", total=total, rate="")
        for outcome in outcomes:
            tally.count(outcome)
            speed = progress.tasks[bar].speed
            rate = "" if speed is None else f"{speed:.0f} a second, {tally.failed} failed"
            progress.update(bar, advance=1, rate=rate)


def _plain(
    wanted: list[WantedLayers],
    plan: SweepPlan,
    tally: _Tally,
    target: TargetIdentity,
    table_label: str,
) -> dict[str, Any]:
    return {
        "target": target.to_dict(),
        "table": table_label,
        "sources": [
            {"layers": len(f.layers), "networks": f.networks, "coverage": f.coverage}
            for f in wanted
        ],
        "missing": len(plan.missing),
        "known": plan.known,
        "failed_before": plan.failed,
        "measured": tally.measured,
        "failed": tally.failed,
        "reasons": dict(tally.reasons),
    }
