"""The paper's Tables 1, 2 and 3 and its Appendix B.1 on the virtual boards, as Markdown.

    python benchmarks/paper_tables.py [--table sqlite:///paper.db] [--out docs/paper-tables.md]

LeNet is trained on Fashion-MNIST, for want of the paper's MNIST, and its test samples run through
TensorFlow Lite here and on the virtual NUCLEO-L496ZG. Then LeNet and ResNet-20 run as floats
without and with the FPU, and as int8 without and with CMSIS-NN, on the paper's three boards,
compiled with -Os and -Ofast. All cycles are simulated; the paper measured on silicon, with other
versions of the kernels and under TensorFlow Lite Micro. What ran is kept in the table, so that it
can be stopped and started again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.progress import track

from hwnas._tensorflow import import_keras
from hwnas.datasets import Dataset, load_fashion_mnist
from hwnas.deploy import DeployedModel, verify
from hwnas.errors import BoardError, BudgetError
from hwnas.evaluator import Evaluator
from hwnas.firmware import Optimization, Variant
from hwnas.hardware_cost import HardwareCost
from hwnas.keras_io import to_keras
from hwnas.kernels import kernel_set_named
from hwnas.models import quantize_keras
from hwnas.plan import ModelImage
from hwnas.validation import load_rows
from hwnas.validation.networks import NETWORKS

BOARDS = {"nucleo_l496zg": "L4", "disco_f469ni": "F4", "nucleo_f767zi": "F7"}
MODELS = ("LeNet", "ResNet-20")
FLAGS = {Optimization.SIZE: "-Os", Optimization.FAST_MATH: "-Ofast"}


@dataclass(frozen=True)
class Build:
    """One of the paper's ways to run a network.

    Attributes:
        name: As in its Figure 2.
        kernel_set: What runs it.
        fpu: Whether floats have a unit of their own.
    """

    name: str
    kernel_set: str
    fpu: bool = True


BUILDS = (
    Build("U", "float32", fpu=False),
    Build("U + FPU", "float32"),
    Build("Q", "reference"),
    Build("Q + CMSIS-NN", "cmsis_nn"),
)
SLOWEST, FASTEST = BUILDS[0], BUILDS[-1]

INTRODUCTION = (
    "Latency is simulated, on the virtual boards; the paper's figures beside it were measured on "
    "silicon. U is floats by software, the slower of -Os and -Ofast; O is int8 with CMSIS-NN, the "
    "faster."
)

TABLE_1_BOARD = "nucleo_l496zg"
EPOCHS = 10

Key = tuple[str, str, Build, Optimization]
Costs = dict[Key, HardwareCost | None]
"""Of a model on a board; none where it is oversized."""


def cost_of(key: Key, table: str) -> HardwareCost | None:
    model, board, build, optimization = key
    variant = Variant(optimization, build.fpu)
    network = NETWORKS[model]()
    with Evaluator.for_board(
        board, kernel_set=build.kernel_set, variant=variant, table=table
    ) as evaluator:
        try:
            evaluator.check_fits(network)
        except BudgetError:
            return None
        try:
            return evaluator.network_cost(network)
        except BoardError:  # longer than a turn of the cycle counter
            return evaluator.table_cost(network)


def keys() -> Iterator[Key]:
    for board in BOARDS:
        for build in BUILDS:
            for optimization in FLAGS:
                for model in MODELS:
                    yield model, board, build, optimization


def milliseconds(cost: HardwareCost | None) -> str:
    return "oversized" if cost is None else f"{cost.latency_ms:,.1f}"


def quickest(costs: Costs, model: str, board: str, build: Build) -> HardwareCost | None:
    found = [costs[model, board, build, flags] for flags in FLAGS]
    there = [cost for cost in found if cost is not None]
    return min(there, key=lambda cost: cost.cycles, default=None)


def slowest(costs: Costs, model: str, board: str, build: Build) -> HardwareCost | None:
    found = [costs[model, board, build, flags] for flags in FLAGS]
    there = [cost for cost in found if cost is not None]
    return max(there, key=lambda cost: cost.cycles, default=None)


def ratio(one: HardwareCost | None, other: HardwareCost | None) -> str:
    return "" if one is None or other is None else f"{one.cycles / other.cycles:.1f}"


def published(place: str) -> dict[tuple[str, str, str], float]:
    """The paper's figures: by board, kernel set and subject."""
    return {
        (row.board, row.kernel_set, row.subject.title): row.measured
        for row in load_rows()
        if row.place == place and row.setup.citation.startswith("Heim")
    }


def markdown(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def trained_lenet() -> tuple[Any, Dataset]:
    """LeNet after ten epochs, and data of its input's size."""
    keras = import_keras()
    keras.utils.set_random_seed(1)
    data = load_fashion_mnist()
    x_train, x_test = (
        np.pad(x, ((0, 0), (2, 2), (2, 2), (0, 0))) for x in (data.x_train, data.x_test)
    )
    model = to_keras(NETWORKS["LeNet"]())
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(x_train, data.y_train, epochs=EPOCHS, batch_size=128, verbose=0)
    return model, replace(data, x_train=x_train, x_test=x_test)


def table_1(samples: int) -> str:
    model, data = trained_lenet()
    x, y = data.x_test[:samples], data.y_test[:samples]
    rows = []
    for build in (BUILDS[1], BUILDS[2], BUILDS[3]):
        kernels = kernel_set_named(build.kernel_set)
        converted = quantize_keras(model, kernels.dtype, lambda shape: data.x_train[:500])
        image = ModelImage.of(converted.trained, kernel_set=kernels.name)
        with DeployedModel.open(TABLE_1_BOARD, image) as deployed:
            found = verify(deployed, converted, x, y)
        by = {row.by: row for row in found.computed}
        host, board = by["TFLite"].accuracy, by["board"].accuracy
        assert host is not None and board is not None
        micro = by["TFLite for Microcontrollers"].other_outputs
        rows.append(
            [
                build.name,
                f"{host:.2%}",
                f"{board:.2%}",
                f"{board - host:+.2%}",
                f"{by['TFLite'].other_outputs:,}",
                f"{micro:,}",
                f"{len(converted.flat) / 1024:.2f}",
                f"{len(image.data) / 1024:.2f}",
            ]
        )
    header = [
        "build", "TFLite here", "board", "difference", "other outputs than TFLite",
        "than TFLite Micro", "TFLite file, KiB", "deployed, KiB",
    ]  # fmt: skip
    return markdown(header, rows)


def table_2(costs: Costs) -> str:
    paper = published("Table 2")

    def measured(board: str, build: Build, model: str) -> float | None:
        return paper.get((board, build.kernel_set, model))

    rows = []
    for model in MODELS:
        for board, short in BOARDS.items():
            u, o = (
                choose(costs, model, board, build)
                for choose, build in ((slowest, SLOWEST), (quickest, FASTEST))
            )
            paper_u, paper_o = measured(board, SLOWEST, model), measured(board, FASTEST, model)
            rows.append(
                [
                    model,
                    short,
                    milliseconds(u),
                    "oversized" if paper_u is None else f"{paper_u:,.1f}",
                    milliseconds(o),
                    "" if paper_o is None else f"{paper_o:,.1f}",
                    ratio(u, o),
                    "" if paper_u is None or paper_o is None else f"{paper_u / paper_o:.1f}",
                ]
            )
    header = ["network", "board", "U, ms", "paper", "O, ms", "paper", "speedup", "paper"]
    return markdown(header, rows)


def table_3(costs: Costs) -> str:
    paper = published("Table 3")
    rows = []
    for board, short in BOARDS.items():
        cells = [short]
        choices = ((slowest, SLOWEST), (quickest, FASTEST))
        for choose, build in choices:
            large, little = (choose(costs, model, board, build) for model in reversed(MODELS))
            found = paper.get((board, build.kernel_set, "ResNet-20 / LeNet"))
            cells += [
                ratio(large, little) or "oversized",
                "oversized" if found is None else f"{found:.1f}",
            ]
        rows.append(cells)
    return markdown(["board", "U", "paper", "O", "paper"], rows)


def grid(costs: Costs, value: Callable[[HardwareCost], str]) -> str:
    rows = []
    for model in MODELS:
        for board, short in BOARDS.items():
            for build in BUILDS:
                found = [costs[model, board, build, flags] for flags in FLAGS]
                cells = ["oversized" if cost is None else value(cost) for cost in found]
                rows.append([model, short, build.name, *cells])
    return markdown(["network", "board", "build", *FLAGS.values()], rows)


def page(costs: Costs, first: str, samples: int) -> str:
    return f"""# The paper's tables

<!-- Made by benchmarks/paper_tables.py; change that. -->
`python benchmarks/paper_tables.py` runs all of this, in about half an hour. {INTRODUCTION}

### Table 1: accuracy of LeNet

On {samples:,} test samples of Fashion-MNIST, trained for {EPOCHS} epochs; outputs and accuracy are
those that the firmware computed on the virtual NUCLEO-L496ZG. The paper's, on MNIST: U 98.79 % on
both and 320.28 KiB, Q with CMSIS-NN 98.74 % and 98.76 % and 85.19 KiB. It found 0.02 % between
TensorFlow Lite and CMSIS-NN's kernels of its day; those of 4.0.0 are bit-exact. Floats differ in
the last bits of the softmax, LiteRT's int8 in its rounding.

{first}

### Table 2: latency

{table_2(costs)}

### Table 3: latency of ResNet-20 through that of LeNet

The multiply-accumulates of the two have a ratio of {mac_ratio(costs):.1f}; the paper counts its
operations, 141.3.

{table_3(costs)}

### All builds: latency, ms

{grid(costs, milliseconds)}

### Appendix B.1: flash, KiB

Code with the kernels of that build alone, parameters and plan; computed.

{grid(costs, lambda cost: f"{cost.flash_bytes / 1024:.1f}")}
"""


def mac_ratio(costs: Costs) -> float:
    little, large = (
        next(cost for (name, *_), cost in costs.items() if name == model and cost is not None)
        for model in MODELS
    )
    return large.macs / little.macs


def main(
    table: Annotated[str, typer.Option(help="Where what ran is kept.")] = "sqlite:///paper.db",
    samples: Annotated[int, typer.Option(min=1, help="Test samples of Table 1.")] = 10_000,
    out: Annotated[Path | None, typer.Option(help="Markdown file to write.")] = None,
) -> None:
    first = table_1(samples)
    costs = {key: cost_of(key, table) for key in track(list(keys()), "running", console=ERRORS)}
    text = page(costs, first, samples)
    if out is None:
        print(text)
    else:
        out.write_text(text, encoding="utf-8")


ERRORS = Console(stderr=True)
if __name__ == "__main__":
    typer.run(main)
