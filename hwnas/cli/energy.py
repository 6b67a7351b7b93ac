"""``hwnas energy``: recordings of meters, and models of what they tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import typer

from hwnas.boards import load_board
from hwnas.cli._output import DEFAULT_TABLE, JsonOption, TableOption, print_json, results, table
from hwnas.energy import (
    CsvColumns,
    EnergyFit,
    EnergyRow,
    RldTrace,
    Segments,
    Trace,
    fit_energy,
    read_csv,
    segment,
)
from hwnas.errors import EnergyError
from hwnas.models import load_network
from hwnas.network import Network, Operator
from hwnas.table import LayerRecord, LookupTable, NetworkRecord
from hwnas.table._select import SHOWN
from hwnas.target import TargetIdentity

energy = typer.Typer(help="Energy: recordings of meters, and models.", no_args_is_help=True)


@energy.command()
def analyse(
    recording: Annotated[Path, typer.Argument(help="An .rld file of a RocketLogger, or a .csv.")],
    model: Annotated[Path, typer.Option(help="What ran: .keras, .h5, .tflite or .json.")],
    latency_ms: Annotated[
        float | None,
        typer.Option(min=0, help="Of an inference by the board's clock; corrects the meter's."),
    ] = None,
    glitch_us: Annotated[float, typer.Option(min=0, help="Shorter pulses are no edges.")] = 0.0,
    columns: Annotated[
        str | None,
        typer.Option(
            help="Of a .csv, as current=NAME,inference=NAME,layer=NAME,time=NAME,supply_v=3.3,..."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Attribute a recording made elsewhere to inferences and layers."""
    network = load_network(model)
    layers = [node for node in network.nodes if not node.layer.is_free]
    found = segment(
        _trace(recording, columns),
        len(layers),
        inference_s=None if latency_ms is None else latency_ms / 1e3,
        glitch_s=glitch_us / 1e6,
    )
    if as_json:
        print_json({"recording": str(recording), **_plain(found, network)})
    else:
        _show(f"{recording}: {model}", found, network)


def _trace(recording: Path, columns: str | None) -> Trace:
    if recording.suffix != ".csv":
        return RldTrace(recording)
    if columns is None:
        raise EnergyError(f"recording {recording}: --columns must say which column holds what")
    return read_csv(recording, _columns(columns))


def _columns(text: str) -> CsvColumns:
    kinds = {field.name: field.type for field in fields(CsvColumns)}
    given: dict[str, Any] = {}
    for part in text.split(","):
        name, found, value = part.partition("=")
        if not found or name not in kinds:
            raise EnergyError(
                f"--columns {part!r}: it is NAME=VALUE, NAME one of {', '.join(kinds)}"
            )
        try:
            given[name] = float(value) if "float" in str(kinds[name]) else value
        except ValueError as error:
            raise EnergyError(f"--columns {part!r}: a number is wanted") from error
    missing = {"current", "inference", "layer"} - given.keys()
    if missing:
        raise EnergyError(f"--columns: {', '.join(sorted(missing))} must be named")
    return CsvColumns(**given)


def _plain(found: Segments, network: Network) -> dict[str, Any]:
    layers = [node for node in network.nodes if not node.layer.is_free]
    net = found.net_energy_j
    return {
        "provenance": str(found.provenance),
        "inferences": len(found.energy_j),
        "energy_mj": found.mean_energy_j * 1e3,
        "energy_spread": found.spread,
        "net_energy_mj": None if net is None else float(net.mean()) * 1e3,
        "idle_power_mw": None if found.idle_power_w is None else found.idle_power_w * 1e3,
        "latency_ms": float(found.duration_s.mean()) * 1e3,
        "clock_ratio": found.clock_ratio,
        "layers": [
            {
                "layer": node.layer.describe(),
                "energy_uj": float(found.layer_energy_j[:, i].mean()) * 1e6,
                "spread": float(found.layer_spread[i]),
                "latency_ms": float(found.layer_duration_s[:, i].mean()) * 1e3,
            }
            for i, node in enumerate(layers)
        ],
    }


def _show(title: str, found: Segments, network: Network) -> None:
    plain = _plain(found, network)
    shown = table(
        f"{title}, {plain['provenance']}, mean of {plain['inferences']} inferences",
        "layer", "ms", "uJ", "spread", "mW",
    )  # fmt: skip
    for layer in plain["layers"]:
        shown.add_row(
            layer["layer"],
            f"{layer['latency_ms']:.3f}",
            f"{layer['energy_uj']:.2f}",
            f"{layer['spread']:.2%}",
            f"{layer['energy_uj'] / layer['latency_ms']:.2f}",
        )
    totals = table("", "total", "value", "<")
    totals.add_row("energy_mj", f"{plain['energy_mj']:.4f}", "gross: all that the supply gave")
    if plain["net_energy_mj"] is not None:
        totals.add_row("net_energy_mj", f"{plain['net_energy_mj']:.4f}", "above idling as long")
        totals.add_row("idle_power_mw", f"{plain['idle_power_mw']:.3f}", "outside inferences")
    totals.add_row("spread", f"{plain['energy_spread']:.2%}", "standard deviation, of inferences")
    totals.add_row("latency_ms", f"{plain['latency_ms']:.3f}", "by the markers")
    console = results()
    console.print(shown)
    console.print(totals)


@energy.command()
def fit(
    boards: Annotated[
        list[str] | None,
        typer.Option("--board", "-b", help="Name of a board; all that there are energies of else."),
    ] = None,
    table_url: TableOption = DEFAULT_TABLE,
    networks: Annotated[
        bool, typer.Option("--networks", help="Fit whole networks, not single layers.")
    ] = False,
    operator: Annotated[Operator | None, typer.Option(help="Only layers of this operator.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Picture to write: png, pdf or svg.")] = None,
    log: Annotated[bool, typer.Option("--log", help="Draw on logarithmic axes.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Fit energy = power x latency + offset to what meters told of boards."""
    names = [load_board(board).name for board in boards or ()]
    with LookupTable.open(table_url, create=False) as store:
        fits = {
            f"{target.board}, {target.kernel_set}, {target.provenance}": found
            for target in store.targets()
            if (not names or target.board in names)
            and (found := _fit(store, target, networks, operator)) is not None
        }
        label = store.label
    if not fits:
        raise EnergyError(
            f"{label} holds no energies of {', '.join(names) or 'any board'}: measure some with "
            "--meter, three or more"
        )
    if plot is not None:
        from hwnas.report.energy import plot_energy

        plot_energy(fits, plot, log=log)
    if as_json:
        print_json({label: found.to_dict() for label, found in fits.items()})
        return
    shown = table(
        f"energy over latency, {'networks' if networks else 'layers'}",
        "of", "rows", "power, mW", "<95 %", "offset, uJ", "<95 %", "r", "mean error",
    )  # fmt: skip
    for label, found in fits.items():
        low, high = found.power_interval_w
        least, most = found.offset_interval_j
        shown.add_row(
            label,
            f"{len(found.rows)}",
            f"{found.model.power_w * 1e3:.3f}",
            f"{low * 1e3:.3f} to {high * 1e3:.3f}",
            f"{found.model.offset_j * 1e6:.2f}",
            f"{least * 1e6:.2f} to {most * 1e6:.2f}",
            f"{found.r:.4f}",
            f"{found.mape:.2%}",
        )
    results().print(shown)


def _fit(
    store: LookupTable, target: TargetIdentity, networks: bool, operator: Operator | None
) -> EnergyFit | None:
    records: Sequence[LayerRecord | NetworkRecord] = (
        store.network_records(target) if networks else store.records(target, operator)
    )
    rows = [
        EnergyRow(
            record.subject.digest[:SHOWN],
            record.cycles_median / target.clock_hz,
            record.energy_uj / 1e6,
            record.provenance,
        )
        for record in records
        if record.energy_uj is not None
    ]
    return fit_energy(rows, f"{target.board} in {store.label}") if rows else None
