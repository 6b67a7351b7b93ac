"""``hwnas spaces``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from hwnas.cli._output import (
    DEFAULT_TABLE,
    JsonOption,
    KernelsOption,
    TableOption,
    announced,
    interruptible,
    kib,
    print_json,
    results,
    resumable,
    table,
)
from hwnas.cli._spaces import OffGridOption
from hwnas.evaluator import Evaluator
from hwnas.kernels import CMSIS_NN
from hwnas.report import picture_path, plot_survey
from hwnas.spaces import DeclaredSpace, list_spaces, load_space, space_json_schema
from hwnas.survey import LATENCY, SAMPLES, Survey, survey


def spaces(
    name: Annotated[
        str | None, typer.Argument(help="A space's name, or its YAML file; all by default.")
    ] = None,
    board: Annotated[
        str | None,
        typer.Option("--board", "-b", help="Price a random sample on this board, or .toml file."),
    ] = None,
    samples: Annotated[int, typer.Option(min=1, help="Networks of the sample.")] = SAMPLES,
    seed: Annotated[int, typer.Option(help="Of the sample.")] = 0,
    measure: Annotated[
        bool,
        typer.Option("--measure", help="Run the layers that the table lacks on the virtual board."),
    ] = False,
    plot: Annotated[Path | None, typer.Option(help="Where to draw the sample.")] = None,
    off_grid: OffGridOption = False,
    snap: Annotated[bool, typer.Option(help="Snap channels as a search does.")] = True,
    kernels: KernelsOption = CMSIS_NN.name,
    table_url: TableOption = DEFAULT_TABLE,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON Schema of space files instead.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """List search spaces, or show one: parameters, size, known networks, costs on a board."""
    if schema:
        print_json(space_json_schema())
        return
    if name is None:
        _refuse_without_name({"--board": board, "--plot": plot, "--off-grid": off_grid})
        _show_all([load_space(each) for each in list_spaces()], as_json)
        return
    if board is None and (plot is not None or measure):
        raise typer.BadParameter("needs a board to price networks on", param_hint="--board")
    if plot is not None:
        picture_path(plot)
    space = load_space(name, off_grid=off_grid)
    found = None
    if board is not None:
        found = _survey(
            space, board, as_json,
            kernels=kernels, table_url=table_url,
            samples=samples, seed=seed, snap_channels=snap, measure=measure,
        )  # fmt: skip
    if found is not None and plot is not None:
        plot_survey(found, plot)
    if as_json:
        print_json({**_plain(space), "survey": None if found is None else found.to_dict()})
        return
    console = results()
    _show(space, console)
    if found is not None:
        _show_survey(found, console)
    if plot is not None:
        console.print(f"plot: {plot}", soft_wrap=True)


def _refuse_without_name(options: Mapping[str, object]) -> None:
    for option, value in options.items():
        if value:
            raise typer.BadParameter("needs the name of a space", param_hint=option)


def _survey(
    space: DeclaredSpace, board: str, quiet: bool, *, kernels: str, table_url: str, **options: Any
) -> Survey:
    with (
        announced(quiet) as told,
        Evaluator.for_board(board, kernel_set=kernels, table=table_url, progress=told) as evaluator,
        interruptible(lambda: resumable({"the layers that were run": evaluator.table.label})),
    ):
        return survey(evaluator, space, progress=told, **options)


def _plain(space: DeclaredSpace) -> dict[str, Any]:
    size = space.cardinality
    return {
        "name": space.name,
        "description": space.description.strip(),
        "input": list(space.input_shape),
        "classes": space.classes,
        "cardinality": {"points": size.points, "exact": size.exact},
        "parameters": {
            name: parameter.model_dump() for name, parameter in space.parameters.items()
        },
        "references": {
            name: {
                "description": space.reference_description(name),
                "parameters": space.reference_parameters(name),
            }
            for name in space.references
        },
    }


def _show_all(every: list[DeclaredSpace], as_json: bool) -> None:
    if as_json:
        print_json([_plain(space) for space in every])
        return
    shown = table("Spaces", "space", "<input", "<classes", "points", "<known networks", "<what")
    for space in every:
        shown.add_row(
            space.name,
            _times(space.input_shape),
            "" if space.classes is None else str(space.classes),
            str(space.cardinality),
            ", ".join(space.references),
            re.split("[:.(]", space.description)[0].strip(),
        )
    results().print(shown)


def _show(space: DeclaredSpace, console: Console) -> None:
    console.print(f"{space.name}: {space.description.strip()}", soft_wrap=True)
    classes = "" if space.classes is None else f", {space.classes} classes"
    console.print(f"input {_times(space.input_shape)}{classes}; {space.cardinality} points")
    console.print(_parameters(space))
    for name in space.references:
        console.print(f"{name}: {space.reference_description(name)}", soft_wrap=True)


def _parameters(space: DeclaredSpace) -> Table:
    """Those of a repeat in one row, by the first and the last of them."""
    shown = table("", "parameter", "<values")
    alike: dict[tuple[str, str], list[str]] = {}
    for name, parameter in space.parameters.items():
        stem = re.sub(r"(_\d+)+$", "", name)
        alike.setdefault((stem, str(parameter)), []).append(name)
    for (_, values), names in alike.items():
        shown.add_row(names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}", values)
    return shown


def _times(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


_ROWS = {
    "macs": ("MACs", "{:,.0f}".format),
    "parameters": ("weights and biases", "{:,.0f}".format),
    "ram_bytes": ("RAM KiB", kib),
    "flash_bytes": ("flash KiB", kib),
    LATENCY: ("latency ms", "{:.2f}".format),
}


def _show_survey(found: Survey, console: Console) -> None:
    shown = table(
        f"{len(found.costs)} random networks on {found.board}",
        "", "min", "quarter", "median", "three quarters", "max", *found.references,
    )  # fmt: skip
    spreads = found.spreads()
    for name, (label, write) in _ROWS.items():
        if name in spreads:
            spread = spreads[name]
            figures = (spread.least, spread.lower, spread.median, spread.upper, spread.most)
            known = [_of_reference(found, each, name) for each in found.references]
            cells = [*figures, *known]
            shown.add_row(label, *("" if cell is None else write(cell) for cell in cells))
    console.print(shown)
    console.print(
        f"within the board's RAM: {found.share_within('ram_bytes'):.0%}, flash: "
        f"{found.share_within('flash_bytes'):.0%}, both: "
        f"{found.share_within('ram_bytes', 'flash_bytes'):.0%} (RAM and flash: estimated, computed)"
    )
    how = "from MACs" if found.basis == "static" else "sums over layers"
    console.print(
        f"latency: {found.provenance} ({how}), of the {len(found.latencies)} networks that fit"
    )


def _of_reference(found: Survey, reference: str, figure: str) -> float | None:
    cost = found.references[reference]
    if figure == LATENCY and cost.basis != found.basis:
        return None
    value: float = getattr(cost, figure)
    return value
