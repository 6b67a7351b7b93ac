"""``hwnas measure``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hwnas.cli._output import (
    DEFAULT_TABLE,
    BoardOption,
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
    kib,
    print_json,
    results,
    resumable,
    table,
)
from hwnas.evaluator import Evaluator
from hwnas.firmware import Optimization, Variant
from hwnas.hardware_cost import HardwareCost
from hwnas.kernels import CMSIS_NN
from hwnas.models import load_network
from hwnas.target import Provenance


def measure(
    model: Annotated[
        Path, typer.Argument(help="A .keras, .h5 or .tflite model, or a network's .json.")
    ],
    board: BoardOption,
    kernels: KernelsOption = CMSIS_NN.name,
    optimization: OptimizationOption = Optimization.SPEED,
    fpu: FpuOption = True,
    table_url: TableOption = DEFAULT_TABLE,
    port: PortOption = None,
    probe: ProbeOption = None,
    meter: MeterOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell what an (untrained) model costs on a board, layer by layer."""
    with announced(as_json) as progress:
        progress(f"reading {model}")
        network = load_network(model)
        with (
            Evaluator.for_board(
                board,
                kernel_set=kernels,
                variant=Variant(optimization, fpu),
                table=table_url,
                port=port,
                probe=probe,
                meter=meter,
                progress=progress,
            ) as evaluator,
            interruptible(lambda: resumable({"the layers that were run": evaluator.table.label})),
        ):
            progress(f"running {len(network.nodes)} layers on {board}")
            evaluator.check_fits(network)
            cost = evaluator.network_cost(network)
    if as_json:
        print_json({"model": str(model), **cost.to_dict(layers=True)})
    else:
        _show(f"{model} ({kernels})", cost)


def _show(model: str, cost: HardwareCost) -> None:
    how = cost.provenance["latency_ms"]
    named = any(row.name != row.layer.operator for row in cost.layers)
    shown = table(
        f"{model} on {cost.board} at {cost.clock_hz / 1e6:g} MHz, {how}",
        *(["layer"] if named else []),
        "<operator and shape", "MACs", "cycles", "ms", "ns/MAC", "share",
    )  # fmt: skip
    total = sum(row.cycles for row in cost.layers)
    for row in cost.layers:
        shown.add_row(
            *([row.name] if named else []),
            row.layer.describe(),
            f"{row.macs:,}",
            f"{row.cycles:,}",
            f"{row.latency_ms:.3f}",
            f"{row.latency_ms * 1e6 / row.macs:.1f}" if row.macs else "",
            f"{row.cycles / total:.1%}",
        )
    totals = table("", "total", "value", "<how it was obtained")
    basis = "whole network, end to end" if cost.basis == "network" else "sum over the layers"
    totals.add_row("latency_ms", f"{cost.latency_ms:.3f}", f"{how}: {basis}")
    energy = "unknown" if cost.energy_mj is None else f"{cost.energy_mj:.4f}"
    way = cost.provenance["energy_mj"]
    basis = "power x latency" if way is Provenance.ESTIMATED else "by the meter, gross"
    totals.add_row("energy_mj", energy, f"{way}: {basis}")
    ram, flash = cost.provenance["ram_bytes"], cost.provenance["flash_bytes"]
    totals.add_row("ram_bytes", f"{cost.ram_bytes:,}", f"{ram}: {kib(cost.ram_bytes)} KiB")
    totals.add_row("flash_bytes", f"{cost.flash_bytes:,}", f"{flash}: {kib(cost.flash_bytes)} KiB")
    totals.add_row("parameters", f"{cost.parameters:,}", "")
    totals.add_row("macs", f"{cost.macs:,}", "")
    console = results()
    console.print(shown)
    console.print(totals)
