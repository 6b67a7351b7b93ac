"""``hwnas explain``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from hwnas.cli._output import (
    DEFAULT_TABLE,
    BoardOption,
    FpuOption,
    JsonOption,
    KernelsOption,
    OptimizationOption,
    PortOption,
    ProbeOption,
    TableOption,
    announced,
    interruptible,
    print_json,
    results,
    resumable,
    table,
)
from hwnas.evaluator import Evaluator
from hwnas.explain import (
    TOP,
    ChannelSteps,
    Explanation,
    KernelChoice,
    LayerExplanation,
    SnappingEffect,
)
from hwnas.explain import explain as explain_network
from hwnas.firmware import Optimization, Variant
from hwnas.kernels import CMSIS_NN
from hwnas.models import load_network
from hwnas.target import Provenance

_SHOWN_NAMES = 3


def explain(
    model: Annotated[
        Path, typer.Argument(help="A .keras, .h5 or .tflite model, or a network's .json.")
    ],
    board: BoardOption,
    top: Annotated[int, typer.Option(min=1, help="How many layers to explain.")] = TOP,
    kernels: KernelsOption = CMSIS_NN.name,
    optimization: OptimizationOption = Optimization.SPEED,
    fpu: FpuOption = True,
    table_url: TableOption = DEFAULT_TABLE,
    port: PortOption = None,
    probe: ProbeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell why a model costs what it costs: its dearest layers, and what snapping would save."""
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
                progress=progress,
            ) as evaluator,
            interruptible(lambda: resumable({"the layers that were run": evaluator.table.label})),
        ):
            found = explain_network(evaluator, network, top=top, progress=progress)
    if as_json:
        print_json({"model": str(model), "kernels": kernels, **found.to_dict()})
    else:
        _show(results(), f"{model} ({kernels})", found)


def _show(console: Console, model: str, found: Explanation) -> None:
    console.print(_layers(model, found))
    if found.hidden:
        console.print(f"and {found.hidden} other layers that cost less\n")
    bests = {layer.layer.operator: layer.best for layer in found.layers if layer.best}
    for operator, best in bests.items():
        console.print(
            f"best known for {operator}, of {best.known:,} layers on this target: "
            f"{best.layer.describe()} at {best.ns_per_mac:.1f} ns/MAC, {found.provenance}",
            soft_wrap=True,
        )
    _show_kernels(console, found)
    _show_channels(console, found)
    _show_snapping(console, found.snapping)


def _layers(model: str, found: Explanation) -> object:
    cost = found.cost
    shown = table(
        f"{model} on {cost.board} at {cost.clock_hz / 1e6:g} MHz: {cost.latency_ms:.3f} ms, "
        f"{cost.provenance['latency_ms']}",
        "", "<layer", "<operator and shape", "ms", "share", "ns/MAC", "best", "times best",
    )  # fmt: skip
    for number, layer in enumerate(found.layers, 1):
        shown.add_row(
            str(number),
            _names(layer),
            layer.layer.describe(),
            f"{layer.latency_ms:.3f}",
            f"{layer.share:.1%}",
            _number(layer.ns_per_mac, ".1f"),
            _number(None if layer.best is None else layer.best.ns_per_mac, ".1f"),
            _number(layer.times_best, ".2f"),
        )
    return shown


def _names(layer: LayerExplanation) -> str:
    """Each name once; a layer that the model has several times says how often."""
    names = list(dict.fromkeys(layer.names))
    more = f" and {len(names) - _SHOWN_NAMES} more" if len(names) > _SHOWN_NAMES else ""
    times = f" (x{len(layer.names)})" if len(layer.names) > 1 else ""
    return ", ".join(names[:_SHOWN_NAMES]) + more + times


def _number(value: float | None, form: str) -> str:
    return "" if value is None else f"{value:{form}}"


def _show_kernels(console: Console, found: Explanation) -> None:
    """Each kernel once, with what ran for each of its layers."""
    seen = "by the rules of the kernels' sources; a physical board cannot be watched"
    if found.provenance is Provenance.SIMULATED:
        seen = "as seen on the virtual board"
    console.print(f"\nWhich kernel ran, and why ({seen})")
    kernels: dict[str, list[tuple[int, KernelChoice]]] = {}
    for number, layer in enumerate(found.layers, 1):
        kernels.setdefault(layer.kernel.function, []).append((number, layer.kernel))
    for function, chosen in kernels.items():
        numbers = ", ".join(str(number) for number, _ in chosen)
        rule = chosen[0][1]
        lines = [f"{numbers}: {function} ({rule.source})", f"   why: {rule.why}"]
        if rule.works:
            lines.append(f"   how: it {rule.works}")
        lines += [f"   {number} ran: {_ran(kernel)}" for number, kernel in chosen if kernel.ran]
        if any(kernel.is_seen is False for _, kernel in chosen):
            lines.append(
                f"   note: {function} was not seen by this name: the compiler may have put it into "
                "its caller, or kept one of two equal functions"
            )
        for line in lines:
            console.print(line, soft_wrap=True)


def _ran(kernel: KernelChoice) -> str:
    return ", ".join(f"{entry.name} x{entry.calls:,}" for entry in kernel.ran or ())


def _show_channels(console: Console, found: Explanation) -> None:
    shown = table(
        f"Milliseconds of a layer with other channel counts, run alone, {found.provenance}",
        "", "<channels", "one less", "as it is", "one more", "next multiple of 4",
    )  # fmt: skip
    notes = []
    for number, layer in enumerate(found.layers, 1):
        for entry in layer.channels:
            shown.add_row(str(number), f"{entry.which} {entry.channels}", *_cells(entry))
            notes += [
                f"note: {number} with {entry.which} {step.channels}: {step.refusal}"
                for step in entry.steps
                if step.refusal
            ]
        if not layer.channels:
            shown.add_row(str(number), "none can change alone", "", "", "", "")
    console.print()
    console.print(shown)
    for note in notes:
        console.print(note, soft_wrap=True)


def _cells(entry: ChannelSteps) -> list[str]:
    now = entry.at(entry.channels)
    base = None if now is None else now.latency_ms
    cells = []
    for count in (entry.channels - 1, entry.channels, entry.channels + 1, entry.next_multiple):
        step = entry.at(count)
        if step is None:
            cells.append("")
        elif step.latency_ms is None:
            cells.append(f"{count}: does not fit")
        elif count == entry.channels or not base:
            cells.append(f"{step.latency_ms:.3f}")
        else:
            cells.append(f"{count}: {step.latency_ms:.3f} ({step.latency_ms / base - 1:+.1%})")
    return cells


def _show_snapping(console: Console, found: SnappingEffect) -> None:
    if not found.changes:
        console.print("Snapping changes nothing: these kernels like the channel counts as they are")
        return
    console.print(
        f"Snapping changes {len(found.changes)} layers; the model must then be trained again "
        "(hwnas snap writes it)",
        soft_wrap=True,
    )
    if found.after is None:
        console.print(f"note: the snapped network cannot run: {found.refusal}", soft_wrap=True)
        return
    before, after = found.before, found.after
    shown = table("", "", "as it is", "snapped", "saved", "<how it was obtained")
    saved = found.saved or {}
    basis = "whole network, end to end" if after.basis == "network" else "sum over the layers"
    shown.add_row(
        "latency_ms", f"{before.latency_ms:.3f}", f"{after.latency_ms:.3f}",
        f"{saved['latency_ms']:.3f}", f"{after.provenance['latency_ms']}: {basis}",
    )  # fmt: skip
    for name in ("ram_bytes", "flash_bytes"):
        shown.add_row(
            name, f"{getattr(before, name):,}", f"{getattr(after, name):,}", f"{saved[name]:,}",
            str(after.provenance[name]),
        )  # fmt: skip
    for name in ("parameters", "macs"):
        old, new = getattr(before, name), getattr(after, name)
        shown.add_row(name, f"{old:,}", f"{new:,}", f"{old - new:,}", "")
    console.print(shown)
