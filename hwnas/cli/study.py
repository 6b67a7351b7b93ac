"""``hwnas study``."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Annotated, Any

import optuna
import typer

from hwnas._files import replacing
from hwnas.cli._found import Found
from hwnas.cli._output import JsonOption, print_json, quiet_optuna, results
from hwnas.errors import StudyError
from hwnas.panel import HARDWARE
from hwnas.search import label_of_storage, ledger, pareto_front, stored_study
from hwnas.trial_record import finished_records


def study(
    storage: Annotated[str, typer.Argument(help="Optuna storage URL, or journal:///FILE.")],
    name: Annotated[
        str | None, typer.Option(help="Of the study; needless where there is one only.")
    ] = None,
    export: Annotated[
        Path | None, typer.Option(help="Write all candidates to this file, .csv.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show what a search has found so far: front and ledger, without board or training."""
    quiet_optuna()
    if export is not None and export.suffix.lower() != ".csv":
        raise typer.BadParameter(f"{export}: its name must end in .csv", param_hint="--export")
    loaded = stored_study(storage, name)
    records = finished_records(loaded.get_trials(deepcopy=False))
    if not records:
        raise StudyError(f"study {loaded.study_name!r} holds no candidate of hwnas yet")
    last = next(reversed(records.values()))
    found = Found(
        boards=list(last.costs) or [last.cost["board"]],
        how=" and ".join(
            sorted({record.cost["provenance"]["latency_ms"] for record in records.values()})
        ),
        front=pareto_front(loaded),
        counts=ledger(loaded),
        places={"study": f"{label_of_storage(storage)} ({loaded.study_name})"},
    )
    if export is not None:
        _write(export, loaded)
        found.places["candidates"] = str(export)
    if as_json:
        print_json(found.to_dict())
    else:
        found.show(results())


_COLUMNS = (
    "trial", "gate", "duplicate_of", "metric", "int8_metric", "trained", "feasible", "verdict",
    "basis", *HARDWARE, *(f"{figure}_provenance" for figure in HARDWARE), "cycles", "parameters",
    "macs", "digest",
)  # fmt: skip


def _write(path: Path, loaded: optuna.Study) -> None:
    """All candidates, a line each, with their parameters behind what is known of them."""
    trials = loaded.get_trials(deepcopy=False)
    records = finished_records(trials)
    parameters = sorted({name for number in records for name in trials[number].params})
    try:
        with replacing(path) as draft, open(draft, "w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream)
            writer.writerow([*_COLUMNS, *parameters])
            for number, record in records.items():
                known: dict[str, Any] = {
                    **record.cost,
                    **record.to_attribute(),
                    "trial": number,
                    "feasible": record.feasible,
                    **{f"{f}_provenance": record.cost["provenance"][f] for f in HARDWARE},
                }
                values = trials[number].params
                writer.writerow(
                    [*(known[column] for column in _COLUMNS), *(values.get(p) for p in parameters)]
                )
    except (OSError, ValueError) as error:
        raise StudyError(f"{path}: cannot be written ({error})") from error
