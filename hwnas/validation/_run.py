"""Runs what published rows are of on the virtual boards."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby

from hwnas.boards import load_board
from hwnas.errors import BoardError, MeasurementError, PlanError
from hwnas.evaluator import Evaluator
from hwnas.firmware import Variant
from hwnas.kernels import KERNEL_SETS
from hwnas.network import Layer, Network
from hwnas.target import TargetIdentity
from hwnas.validation._compare import Comparison, SkippedRow, Validation
from hwnas.validation._published import PublishedRow, load_rows
from hwnas.validation._subjects import in_unit

Progress = Callable[[str], None]


def validate(
    boards: Sequence[str] = (),
    *,
    rows: Sequence[PublishedRow] | None = None,
    table: str = "sqlite://",
    progress: Progress | None = None,
) -> Validation:
    """Hold published measurements against the virtual boards.

    Rows of a kernel set that the firmware does not carry, of layers that do not fit, and those that
    the firmware fails on are skipped, each with its reason.

    Args:
        boards: Names of boards; by default all that there are rows for.
        rows: The measurements; by default those that come with hwnas.
        table: URL of the lookup table that keeps what was run; the default is one in memory.
        progress: Is told what takes long.

    Raises:
        BoardError: A board is unknown.
        FirmwareBuildError: There is no firmware image and none can be built.
        MeasurementError: There are no rows for a board.
        TableError: The table cannot be opened.

    Example:
        >>> validation = validate(["disco_f469ni"])  # doctest: +SKIP
        >>> round(validation.summaries["latency"].mape, 2)  # doctest: +SKIP
        0.19
    """
    chosen = _chosen(load_rows() if rows is None else rows, boards)
    told = progress or (lambda text: None)
    compared: list[Comparison] = []
    skipped: list[SkippedRow] = []
    for (board, kernel_set, variant), group in groupby(chosen, _target_key):
        if kernel_set not in KERNEL_SETS:
            reason = f"kernel set {kernel_set} is not in the firmware ({', '.join(KERNEL_SETS)})"
            skipped += [SkippedRow(row, reason) for row in group]
            continue
        with _bench(board, kernel_set, variant, table, told) as bench:
            for row in group:
                told(f"{row.subject.title} on {board}")
                try:
                    value = row.subject.simulate(bench)
                except (BoardError, PlanError) as error:
                    skipped.append(SkippedRow(row, str(error)))
                else:
                    simulated = in_unit(value, row.unit, row.clock_hz)
                    compared.append(Comparison(row, simulated, bench.target))
    return Validation(tuple(compared), tuple(skipped))


def _target_key(row: PublishedRow) -> tuple[str, str, Variant]:
    return row.board, row.kernel_set, row.variant


def _chosen(rows: Sequence[PublishedRow], boards: Sequence[str]) -> list[PublishedRow]:
    there = dict.fromkeys(row.board for row in rows)
    for board in boards:
        if board not in there:
            raise MeasurementError(
                f"there are no measurements of {load_board(board).name}: take one of "
                f"{', '.join(there)}, or give a file of your own"
            )
    order = list(boards or there)
    # Sorting is stable: rows of one target stay in the order of their file.
    return sorted(
        (row for row in rows if row.board in order),
        key=lambda row: (order.index(row.board), row.kernel_set, row.variant.describe()),
    )


class _Bench:
    """A virtual board and a table that remembers what ran on it."""

    def __init__(self, evaluator: Evaluator) -> None:
        self._evaluator = evaluator
        self.target: TargetIdentity = evaluator.backend.target

    def network_cycles(self, network: Network) -> int:
        return self._evaluator.network_cost(network).cycles

    def layer_cycles(self, layers: Sequence[Layer]) -> list[int]:
        backend, table = self._evaluator.backend, self._evaluator.table
        records = table.get_or_measure(self.target, layers, backend.measure_layers)
        return [records[layer].cycles_median for layer in layers]


@contextmanager
def _bench(
    board: str, kernel_set: str, variant: Variant, table: str, progress: Progress
) -> Iterator[_Bench]:
    with Evaluator.for_board(
        board, kernel_set=kernel_set, variant=variant, table=table, progress=progress
    ) as evaluator:
        yield _Bench(evaluator)
