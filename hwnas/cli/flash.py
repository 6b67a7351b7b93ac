"""``hwnas flash``."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.progress import Progress

from hwnas.boards import load_board
from hwnas.cli._output import (
    BoardOption,
    FpuOption,
    JsonOption,
    OptimizationOption,
    ProbeOption,
    announced,
    interruptible,
    notices,
    print_json,
    results,
)
from hwnas.firmware import Optimization, Variant, find_image, flash_contents


def flash(
    board: BoardOption,
    probe: ProbeOption = None,
    optimization: OptimizationOption = Optimization.SPEED,
    fpu: FpuOption = True,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be written, and write nothing.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Write the firmware and the synthetic parameters into a board's flash, once."""
    # pyOCD is an extra, and slow to import.
    from hwnas.device.flashing import choose_probe, program

    spec = load_board(board)
    with announced(as_json) as told:
        image = find_image(spec, Variant(optimization, fpu), progress=told)
    contents = flash_contents(image)
    plain = {
        "board": spec.name,
        "image_sha256": image.manifest.image_sha256,
        "bytes": sum(map(len, contents.values())),
        "probe": None,
    }
    if not dry_run:
        chosen = choose_probe(probe)
        plain["probe"] = chosen.unique_id
        with (
            interruptible(lambda: f"{spec.name} may hold half an image; flash it again"),
            Progress(console=notices(quiet=as_json)) as progress,
        ):
            bar = progress.add_task(f"flashing {spec.name}", total=1.0)
            program(
                spec, contents, chosen, progress=lambda done: progress.update(bar, completed=done)
            )
    if as_json:
        print_json(plain)
        return
    what = "would be written" if dry_run else f"written through probe {plain['probe']}"
    results().print(
        f"{spec.name}: image {image.manifest.image_sha256[:12]}, {plain['bytes']:,} bytes {what}",
        soft_wrap=True,
    )
