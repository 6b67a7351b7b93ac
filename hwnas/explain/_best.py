"""The best that a board reaches for an operator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from hwnas.cost import layer_cost
from hwnas.evaluator import Evaluator
from hwnas.explain._records import Best
from hwnas.network import DType, Layer, Operator, conv2d, dense, depthwise_conv2d

PROBES: Final[Mapping[Operator, Layer]] = {
    Operator.CONV2D: conv2d((8, 8, 64), 64, 1),
    Operator.DEPTHWISE_CONV2D: depthwise_conv2d((16, 16, 16), 3),
    Operator.DENSE: dense((256,), 64),
}
"""A small layer of a shape that the kernels like, for each operator that has MACs: the best known
is never worse than that, however little a table holds."""


def probe(operator: Operator, dtype: DType) -> Layer:
    """The probe for an operator, in a type."""
    return replace(PROBES[operator], dtype=dtype)


def best_known(evaluator: Evaluator, operator: Operator) -> Best | None:
    """The layer of an operator that takes the least time a MAC, of all that the table knows.

    A probe is measured where the table lacks it.

    Returns:
        The layer and its time; ``None`` for operators without MACs.

    Raises:
        BoardError: The board failed.
        TableError: The table failed.
    """
    if operator not in PROBES:
        return None
    backend, table = evaluator.backend, evaluator.table
    table.get_or_measure(
        backend.target, [probe(operator, backend.kernels.dtype)], backend.measure_layers
    )
    known = [
        (record.cycles_median / layer_cost(record.layer).macs, record)
        for record in table.records(backend.target, operator)
    ]
    _, record = min(known, key=lambda pair: pair[0])
    return Best(record.layer, record.cycles_median, evaluator.spec.core.clock_hz, len(known))
