"""Mutated TFLite files: each is read or refused by a typed error, in bounded time.

    python benchmarks/fuzz_tflite.py [--files 100000] [--seed 0] [MODEL.tflite ...]

Without models it takes those of tests/networks.py, int8 and float32, with random parameters.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from multiprocessing import Pool
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

TESTS = Path(__file__).resolve().parents[1] / "tests"
sys.path.insert(0, str(TESTS))

from flat_models import random_model  # noqa: E402
from networks import cnn_1d, ds_cnn, lenet, resnet8  # noqa: E402
from tflite_files import mutated  # noqa: E402

from hwnas.errors import HwnasError  # noqa: E402
from hwnas.network import DType  # noqa: E402
from hwnas.plan import ModelImage  # noqa: E402
from hwnas.tflite_io import trained_from_tflite  # noqa: E402

BATCH = 250
MODELS: list[bytes] = []


def outcome(data: bytes) -> tuple[str, float]:
    """What becomes of a file, and in how many seconds."""
    start = time.perf_counter()
    try:
        ModelImage.of(trained_from_tflite(data))
    except HwnasError as error:
        return type(error).__name__, time.perf_counter() - start
    except Exception as error:
        return f"FINDING {type(error).__name__}: {error}", time.perf_counter() - start
    return "read", time.perf_counter() - start


def run_batch(first: int) -> tuple[Counter[str], float, list[int]]:
    """Outcomes, the longest time, and the seeds of findings."""
    outcomes: Counter[str] = Counter()
    longest, findings = 0.0, []
    for seed in range(first, first + BATCH):
        what, seconds = outcome(mutated(MODELS[seed % len(MODELS)], seed))
        outcomes[what] += 1
        longest = max(longest, seconds)
        if what.startswith("FINDING"):
            findings.append(seed)
    return outcomes, longest, findings


def main(
    models: Annotated[list[Path] | None, typer.Argument(help="TFLite files to mutate.")] = None,
    files: Annotated[int, typer.Option(min=1, help="How many mutated files.")] = 100_000,
    seed: Annotated[int, typer.Option(min=0, help="Where seeds start.")] = 0,
) -> None:
    for path in models or ():
        MODELS.append(path.read_bytes())
    if not models:
        networks = [make() for make in (lenet, resnet8, ds_cnn, cnn_1d)]
        MODELS.extend(random_model(network, 3) for network in networks)
        MODELS.append(random_model(lenet().as_dtype(DType.FLOAT32), 3))
    outcomes: Counter[str] = Counter()
    longest, findings = 0.0, []
    batches = range(seed, seed + files, BATCH)
    with Pool() as pool:
        done = pool.imap_unordered(run_batch, batches)
        for found, seconds, seeds in track(
            done, "files", total=len(batches), console=Console(stderr=True)
        ):
            outcomes += found
            longest = max(longest, seconds)
            findings += seeds
    shown = Table("outcome", "files", title=f"{files:,} mutated TFLite files", title_justify="left")
    for what, count in outcomes.most_common():
        shown.add_row(what, f"{count:,}")
    console = Console()
    console.print(shown)
    console.print(f"longest: {longest * 1e3:.1f} ms; findings: {findings or 'none'}")
    raise typer.Exit(1 if findings else 0)


if __name__ == "__main__":
    typer.run(main)
