"""The paper's layer sweeps on a virtual board: its Figures 4, 5, 8 and 9, and its Table 4.

    python benchmarks/paper_sweeps.py [--board nucleo_l496zg] [--out FOLDER]

Runs the layers that the spaces of benchmarks/sweeps are made of with CMSIS-NN's kernels and with
the reference kernels, and stores them in FOLDER/sweeps.db, so that it can be stopped and started
again. All cycles are simulated; the paper measured on silicon, with CMSIS-NN of 2020 under
TensorFlow Lite Micro.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from hwnas.boards import load_board
from hwnas.cost import layer_cost
from hwnas.network import Layer, Operator
from hwnas.spaces import load_space
from hwnas.sweep import BoardChoice, ProcessRunner, plan_sweep, run_sweep, space_layers
from hwnas.table import LookupTable

SWEEPS = Path(__file__).parent / "sweeps"
OPTIMIZED, PLAIN = "cmsis_nn", "reference"
PAPER_FILTERS, PAPER_UNITS = 60, 450


@dataclass(frozen=True)
class Kind:
    """A row of the paper's Table 4.

    Attributes:
        name: As there.
        figure: Number of the figure that shows it.
        operator: Of the layer that is looked at.
        kernels: Sides of its window.
        plain_ns: The paper's latency an operation without CMSIS-NN, ns.
        gains: The paper's gains: all, odd, even, divisible by 4.
    """

    name: str
    figure: str
    operator: Operator
    kernels: tuple[int, ...]
    plain_ns: float
    gains: tuple[float, float, float, float]


KINDS = (
    Kind("Dense", "4 and 9", Operator.DENSE, (1,), 145.2, (3.00, 2.89, 3.13, 3.24)),
    Kind("2D Conv.", "5", Operator.CONV2D, (3, 5), 250.6, (6.70, 6.42, 6.96, 7.03)),
    Kind("1x1 2D Conv.", "5", Operator.CONV2D, (1,), 148.5, (6.05, 5.72, 6.33, 6.60)),
    Kind("DW 2D Conv.", "8", Operator.DEPTHWISE_CONV2D, (1, 3, 5), 925.1, (2.23, 2.17, 2.29, 2.32)),
)
"""Heim et al. 2021, Table 4."""


def main(
    board: Annotated[str, typer.Option(help="A board with a cycle model.")] = "nucleo_l496zg",
    out: Annotated[Path, typer.Option(help="Where table and plots go.")] = Path("build/sweeps"),
) -> None:
    """Run what the table lacks, then print Table 4 and draw the figures."""
    out.mkdir(parents=True, exist_ok=True)
    with LookupTable.open(out / "sweeps.db") as table:
        cycles = {name: swept(table, BoardChoice(board, name)) for name in (OPTIMIZED, PLAIN)}
    clock_hz = load_board(board).core.clock_hz
    console = Console(width=130)
    shown = Table(
        "layer",
        "kernels",
        "plain, ns/op",
        *GROUPS,
        title=f"Table 4 on {board} (simulated), and the paper's (measured)",
    )
    for kind in KINDS:
        layers = [layer for layer in cycles[OPTIMIZED] if belongs(kind, layer)]
        shown.add_row(*row(kind, layers, cycles, clock_hz))
        draw(kind, layers, cycles[OPTIMIZED], clock_hz, out, board)
    console.print(shown)
    console.print(
        "op: as the paper counts (K*K + 1 a window and channel); gain: plain over optimized cycles"
    )
    console.print(f"figures: {out}")


GROUPS = ("gain, all", "odd", "even", "divisible by 4")


def swept(table: LookupTable, choice: BoardChoice) -> dict[Layer, int]:
    """Cycles of every layer of the sweeps; runs what is missing."""
    layers = [
        layer
        for path in sorted(SWEEPS.glob("*.yaml"))
        for layer in space_layers(load_space(path)).layers
        if looked_at(layer)
    ]
    with choice.open() as backend:
        target = backend.target
    plan = plan_sweep(table, target, layers)
    outcomes = run_sweep(table, target, plan, ProcessRunner(choice))
    for outcome in track(outcomes, choice.kernel_set, total=len(plan.missing)):
        if outcome.record is None:
            raise SystemExit(f"{outcome.layer.describe()}: {outcome.reason}")
    return {layer: row.cycles_median for layer, row in table.require(target, layers).items()}


def looked_at(layer: Layer) -> bool:
    """The layers whose inputs the sweeps vary."""
    return any(belongs(kind, layer) for kind in KINDS)


def belongs(kind: Kind, layer: Layer) -> bool:
    wanted = {Operator.DENSE: PAPER_UNITS, Operator.CONV2D: PAPER_FILTERS}.get(kind.operator)
    return (
        layer.operator is kind.operator
        and layer.kernel_size[0] in kind.kernels
        and (wanted is None or layer.output_shape[-1] == wanted)
        and layer.input_shape[-1] >= (440 if kind.operator is Operator.DENSE else 100)
    )


def row(
    kind: Kind, layers: list[Layer], cycles: dict[str, dict[Layer, int]], clock_hz: int
) -> list[str]:
    """One row of Table 4: simulated, and the paper's figure in brackets."""
    groups = (
        layers,
        [layer for layer in layers if layer.input_shape[-1] % 2],
        [layer for layer in layers if layer.input_shape[-1] % 2 == 0],
        [layer for layer in layers if layer.input_shape[-1] % 4 == 0],
    )
    operations = sum(layer_cost(layer).paper_macs for layer in layers)
    plain = sum(cycles[PLAIN][layer] for layer in layers) / operations / clock_hz * 1e9
    gains = [
        sum(cycles[PLAIN][layer] for layer in group)
        / sum(cycles[OPTIMIZED][layer] for layer in group)
        for group in groups
    ]
    return [
        kind.name,
        ", ".join(f"{k}x{k}" for k in kind.kernels),
        f"{plain:.1f} ({kind.plain_ns})",
        *(f"{gain:.2f} ({paper:.2f})" for gain, paper in zip(gains, kind.gains, strict=True)),
    ]


def draw(
    kind: Kind, layers: list[Layer], cycles: dict[Layer, int], clock_hz: int, out: Path, board: str
) -> None:
    """Latency over input channels, as the paper's figures."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.5 * len(kind.kernels), 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, side in zip(
        figure.subplots(1, len(kind.kernels), squeeze=False)[0], kind.kernels, strict=True
    ):
        for label, remainder, color in (
            ("odd", (1, 3), "#c8553d"),
            ("even", (2,), "#e3a857"),
            ("divisible by 4", (0,), "#2a6f97"),
        ):
            group = [
                layer for layer in layers
                if layer.kernel_size[0] == side and layer.input_shape[-1] % 4 in remainder
            ]  # fmt: skip
            axes.scatter(
                [layer.input_shape[-1] for layer in group],
                [cycles[layer] / clock_hz * 1e3 for layer in group],
                s=14, color=color, label=label,
            )  # fmt: skip
        axes.set(
            xlabel="inputs" if kind.operator is Operator.DENSE else "input channels",
            ylabel="latency (ms), simulated",
            title=f"{kind.name} {side}x{side} on {board}",
        )
        axes.legend(fontsize=7)
    name = kind.name.lower().replace(" ", "-").replace(".", "")
    figure.savefig(out / f"{name}.png", dpi=110)


if __name__ == "__main__":
    typer.run(main)
