"""``hwnas snap``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hwnas.cli._output import JsonOption, ModelArgument, announced, print_json, results, table
from hwnas.cost import static_cost
from hwnas.snapped_models import SnappedModel, snap_model

_TRAIN_AGAIN = "its weights are new: it must be trained again"


def snap(
    model: ModelArgument,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o",
            help="Where to write, .keras or .json; beside the model with -snapped by default.",
        ),
    ] = None,
    multiple: Annotated[
        int | None, typer.Option(min=1, help="Of which channels become multiples; 4 by default.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace what is there.")] = False,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Write a model's architecture with the channel counts that the kernels like, untrained."""
    with announced(as_json) as progress:
        progress(f"snapping {model}")
        found = snap_model(model, output, multiple=multiple, force=force)
    if as_json:
        print_json({"model": str(model), **_plain(found)})
    else:
        _show(model, found)


def _plain(found: SnappedModel) -> dict[str, object]:
    before, after = static_cost(found.before), static_cost(found.after)
    return {
        "changes": [change.to_dict() for change in found.changes],
        "parameters": {"before": before.parameters, "after": after.parameters},
        "macs": {"before": before.macs, "after": after.macs},
        "written": None if found.path is None else str(found.path),
        "must_be_trained": found.path is not None,
        "is_rebuilt": found.is_rebuilt,
    }


def _show(model: Path, found: SnappedModel) -> None:
    console = results()
    if found.path is None:
        console.print(
            f"{model}: nothing to snap, and nothing was written: the kernels like its channel "
            "counts as they are",
            soft_wrap=True,
        )
        return
    changes = table(f"{model}, snapped", "layer", "<before", "<after")
    for change in found.changes:
        changes.add_row(change.name, change.before.describe(), change.after.describe())
    before, after = static_cost(found.before), static_cost(found.after)
    totals = table("", "", "before", "after")
    totals.add_row("parameters", f"{before.parameters:,}", f"{after.parameters:,}")
    totals.add_row("macs", f"{before.macs:,}", f"{after.macs:,}")
    console.print(changes)
    console.print(totals)
    if found.path.suffix == ".json":
        told = "it has no weights: what is made of it must be trained"
    else:
        told = _TRAIN_AGAIN
    console.print(f"wrote {found.path}; {told}", soft_wrap=True)
    if found.is_rebuilt:
        console.print(
            "note: its counts could not be changed in place, so it was built from the deployed "
            "network: without what only training knows, as batch normalizations and dropout",
            soft_wrap=True,
        )
