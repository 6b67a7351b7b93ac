"""``hwnas lut show`` and ``prune``: the rows of one target."""

from __future__ import annotations

from typing import Annotated

import typer

from hwnas.cli._output import DEFAULT_TABLE, JsonOption, TableOption, print_json, results, table
from hwnas.network import Operator
from hwnas.table import LookupTable, select_target

TargetArgument = Annotated[
    str,
    typer.Argument(
        help="First digits of a target's digest (hwnas lut stats shows them), or conditions such "
        "as board=nucleo_l496zg,kernel_set=reference."
    ),
]


def show(
    target: TargetArgument,
    op: Annotated[Operator | None, typer.Option(help="Only this operator.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Most rows, the dearest first.")] = 50,
    table_url: TableOption = DEFAULT_TABLE,
    as_json: JsonOption = False,
) -> None:
    """List the layers of a target, the dearest first."""
    with LookupTable.open(table_url, create=False) as store:
        meant = select_target(store.targets(), target)
        rows = [row for row in store.records(meant) if op is None or row.layer.operator is op]
        accuracies = store.accuracies(meant)
    rows.sort(key=lambda row: -row.cycles_median)
    if as_json:
        print_json(
            {
                "target": meant.to_dict(),
                "accuracy": [found.to_dict() for found in accuracies],
                "rows": [
                    {
                        "layer": row.layer.to_dict(),
                        "n": row.n,
                        "cycles_min": row.cycles_min,
                        "cycles_median": row.cycles_median,
                        "cycles_max": row.cycles_max,
                        "energy_uj": row.energy_uj,
                        "provenance": str(row.provenance),
                    }
                    for row in rows[:limit]
                ],
            }
        )
        return
    shown = table("", "layer", "cycles", "ms", "runs", "<how")
    for row in rows[:limit]:
        shown.add_row(
            row.layer.describe(),
            f"{row.cycles_median:,}",
            f"{row.cycles_median / meant.clock_hz * 1e3:.3f}",
            str(row.n),
            str(row.provenance),
        )
    console = results()
    console.print(meant.describe())
    console.print(shown)
    for found in accuracies:
        console.print(
            f"sums of {found.networks} networks of {found.space}: mean error {found.mape:.2%}, "
            f"worst {found.worst:.2%}, rank correlation {found.rank_correlation:.4f}",
        )
    if len(rows) > limit:
        console.print(f"{len(rows) - limit:,} more rows (--limit)")


def prune(
    target: TargetArgument,
    table_url: TableOption = DEFAULT_TABLE,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete all that is known of a target, after confirmation."""
    with LookupTable.open(table_url, create=False) as store:
        meant = select_target(store.targets(), target)
        rows = sum(row.count for row in store.stats().rows if row.target == meant)
        if not yes:
            typer.confirm(f"Delete {rows:,} rows of {meant.describe()}?", abort=True)
        deleted = store.remove(meant)
    results().print(f"{deleted:,} rows deleted")
