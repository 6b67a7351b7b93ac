"""``hwnas lut``: the lookup table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hwnas.cli._output import (
    DEFAULT_TABLE,
    JsonOption,
    TableOption,
    interruptible,
    print_json,
    results,
    resumable,
    table,
)
from hwnas.errors import TableError
from hwnas.table import LookupTable
from hwnas.table._select import SHOWN

lut = typer.Typer(help="The lookup table of layer latencies.", no_args_is_help=True)


@lut.command()
def stats(table_url: TableOption = DEFAULT_TABLE, as_json: JsonOption = False) -> None:
    """Count the table's rows by target and operator."""
    with LookupTable.open(table_url, create=False) as store:
        summary, label = store.stats(), store.label
    if as_json:
        print_json(summary.to_dict())
        return
    shown = table(label, "digest", "<target", "<provenance", "<operator", "rows")
    for row in summary.rows:
        shown.add_row(
            row.target.digest[:SHOWN],
            row.target.describe(),
            str(row.provenance),
            row.operator,
            str(row.count),
        )
    console = results()
    console.print(shown)
    console.print(f"{summary.layer_rows} layer rows, {summary.network_rows} networks")


@lut.command()
def export(
    path: Annotated[Path, typer.Argument(help="JSON-lines file to write.")],
    table_url: TableOption = DEFAULT_TABLE,
    as_json: JsonOption = False,
) -> None:
    """Write all rows as JSON lines."""
    with LookupTable.open(table_url, create=False) as store:
        count = store.export_jsonl(path)
    if as_json:
        print_json({"path": str(path), "rows": count})
    else:
        results().print(f"{count} rows written to {path}", soft_wrap=True)


@lut.command(name="import")
def import_(
    path: Annotated[Path, typer.Argument(help="JSON-lines file to read.")],
    table_url: TableOption = DEFAULT_TABLE,
    as_json: JsonOption = False,
) -> None:
    """Read rows from JSON lines; a row that contradicts the table is listed, not taken."""
    if not path.is_file():
        # Before a table is made for nothing.
        raise TableError(f"{path}: there is no such file")
    with (
        LookupTable.open(table_url) as store,
        interruptible(lambda: resumable({"the rows that were read": store.label})),
    ):
        report = store.import_jsonl(path)
    if as_json:
        print_json(report.to_dict())
    else:
        console = results()
        console.print(f"{report.added} rows added, {report.unchanged} were there already")
        for conflict in report.conflicts:
            console.print(f"conflict: {conflict}")
        for number, reason in report.malformed:
            console.print(f"line {number}: {reason}")
    if report.conflicts or report.malformed:
        raise TableError(
            f"{path}: {len(report.conflicts)} conflicting and {len(report.malformed)} malformed "
            "lines were left out; the good rows are in the table"
        )
