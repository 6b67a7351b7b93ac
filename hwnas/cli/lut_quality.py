"""``hwnas lut diff``, ``check`` and ``validate``: how good and how alike rows are."""

from __future__ import annotations

import random
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import track

from hwnas.accuracy import accuracy_of, compare, fits
from hwnas.cli._output import (
    DEFAULT_TABLE,
    BoardOption,
    FpuOption,
    JsonOption,
    KernelsOption,
    OptimizationOption,
    PortOption,
    TableOption,
    announced,
    interruptible,
    notices,
    print_json,
    results,
    resumable,
    table,
)
from hwnas.cli.lut_rows import TargetArgument
from hwnas.errors import TableError
from hwnas.evaluator import Evaluator
from hwnas.firmware import Optimization, Variant
from hwnas.kernels import CMSIS_NN
from hwnas.report import picture_path, plot_diff, plot_validation
from hwnas.snapping import snap
from hwnas.spaces import load_space, random_networks
from hwnas.table import LookupTable, diff_targets, same_cost, select_target

DRIFTED = 1
PlotOption = Annotated[Path | None, typer.Option(help="Where to draw it.")]


def diff(
    first: TargetArgument,
    second: TargetArgument,
    worst: Annotated[int, typer.Option(min=0, help="Oddest layers to list.")] = 10,
    plot: PlotOption = None,
    table_url: TableOption = DEFAULT_TABLE,
    as_json: JsonOption = False,
) -> None:
    """Compare two targets over the layers that both have."""
    with LookupTable.open(table_url, create=False) as store:
        targets = store.targets()
        found = diff_targets(store, select_target(targets, first), select_target(targets, second))
    if plot is not None:
        plot_diff(found, plot)
    if as_json:
        print_json(found.to_dict())
        return
    console = results()
    for which, target in (("first", found.first), ("second", found.second)):
        console.print(f"{which}: {target.describe()}")
    differ = ", ".join(found.first.differences(found.second))
    console.print(f"they differ in {differ}")
    ratios = table("second over first", "operator", "layers", "least", "median", "most")
    for row in found.operators:
        ratios.add_row(
            row.operator, str(row.count), *(f"{v:.3f}" for v in (row.least, row.median, row.most))
        )
    console.print(ratios)
    oddest = table("farthest from their operator's median", "layer", "first", "second", "ratio")
    for ratio in found.ratios[:worst]:
        oddest.add_row(
            ratio.layer.describe(), f"{ratio.first:,}", f"{ratio.second:,}", f"{ratio.value:.3f}"
        )
    if worst:
        console.print(oddest)
    if plot is not None:
        console.print(f"plot: {plot}", soft_wrap=True)


def check(
    board: BoardOption,
    sample: Annotated[int, typer.Option(min=1, help="Layers to run again.")] = 30,
    seed: Annotated[int, typer.Option(help="Of the choice.")] = 0,
    kernels: KernelsOption = CMSIS_NN.name,
    optimization: OptimizationOption = Optimization.SPEED,
    fpu: FpuOption = True,
    port: PortOption = None,
    table_url: TableOption = DEFAULT_TABLE,
    as_json: JsonOption = False,
) -> None:
    """Run a random sample of a board's layers again, and report what has drifted."""
    with (
        announced(as_json) as told,
        LookupTable.open(table_url, create=False) as store,
        Evaluator.for_board(
            board, kernel_set=kernels, variant=Variant(optimization, fpu), port=port, progress=told
        ) as evaluator,
    ):
        backend = evaluator.backend
        known = store.records(backend.target)
        if not known:
            raise TableError(store.why_missing(backend.target))
        chosen = random.Random(seed).sample(known, min(sample, len(known)))
        told(f"running {len(chosen)} layers on {board}")
        again = {row.layer: row for row in backend.measure_layers(row.layer for row in chosen)}
    drifted = [row for row in chosen if not same_cost(row, again[row.layer])]
    if as_json:
        print_json(
            {
                "target": backend.target.to_dict(),
                "checked": len(chosen),
                "drifted": [
                    {
                        "layer": row.layer.to_dict(),
                        "stored": row.cycles_median,
                        "now": again[row.layer].cycles_median,
                    }
                    for row in drifted
                ],
            }
        )
    else:
        console = results()
        for row in drifted:
            now = again[row.layer].cycles_median
            console.print(
                f"{row.layer.describe()}: {row.cycles_median:,} cycles in the table, {now:,} now",
            )
        console.print(f"{len(chosen) - len(drifted)} of {len(chosen)} layers are as stored")
    if drifted:
        raise typer.Exit(DRIFTED)


def validate(
    board: BoardOption,
    space: Annotated[list[str], typer.Option(help="Networks of this space; repeatable.")],
    networks: Annotated[int, typer.Option(min=5, help="How many of each space.")] = 50,
    seed: Annotated[int, typer.Option(help="Of the sample.")] = 0,
    kernels: KernelsOption = CMSIS_NN.name,
    optimization: OptimizationOption = Optimization.SPEED,
    fpu: FpuOption = True,
    port: PortOption = None,
    plot: PlotOption = None,
    table_url: TableOption = DEFAULT_TABLE,
    as_json: JsonOption = False,
) -> None:
    """Hold sums over layers against end-to-end runs, and keep how good they are in the table."""
    if plot is not None:
        picture_path(plot)
    spaces = {name: load_space(name) for name in space}
    with announced(as_json) as told:
        evaluator = Evaluator.for_board(
            board, kernel_set=kernels, variant=Variant(optimization, fpu), table=table_url,
            port=port, progress=told,
        )  # fmt: skip
    plain, all_rows = [], []
    console = results(quiet=as_json)
    with (
        evaluator,
        interruptible(lambda: resumable({"the layers that were run": evaluator.table.label})),
    ):
        target = evaluator.backend.target
        rule = evaluator.backend.kernels.snapping
        console.print(target.describe())
        for name, declared in spaces.items():
            sampled = (snap(network, rule=rule) for network in random_networks(declared, seed))
            running = compare(evaluator, islice(sampled, networks))
            progress = notices(quiet=as_json)
            rows = list(track(running, escape(name), total=networks, console=progress))
            found = fits(rows)
            evaluator.table.put_accuracy(target, accuracy_of(name, rows))
            all_rows += rows
            plain.append(
                {"space": name, "networks": len(rows), "fits": [fit.to_dict() for fit in found]}
            )
            shown = table(
                f"{name}: {len(rows)} networks, end to end ({target.provenance})",
                "predictor", "cycles a unit", "MAPE", "bias", "worst",
                "within 1%", "within 5%", "within 10%", "rank correlation",
            )  # fmt: skip
            for fit in found:
                shown.add_row(
                    fit.predictor,
                    "not fitted" if fit.predictor == "table" else f"{fit.constant:.3g}",
                    f"{fit.errors.mape:.2%}",
                    f"{fit.errors.bias:+.2%}",
                    f"{fit.errors.worst:.2%}",
                    f"{fit.errors.within_1:.0%}",
                    f"{fit.errors.within_5:.0%}",
                    f"{fit.errors.within_10:.0%}",
                    "too few" if fit.errors.spearman is None else f"{fit.errors.spearman:.4f}",
                )
            console.print(shown)
    if plot is not None:
        plot_validation(all_rows, plot, f"{board}, {target.provenance}")
        console.print(f"plot: {plot}", soft_wrap=True)
    if as_json:
        print_json({"target": target.to_dict(), "spaces": plain})
