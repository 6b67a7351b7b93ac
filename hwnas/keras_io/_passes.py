"""What the TFLite converter does to a model, repeated on its graph.

The rules were read off the converter's output (tensorflow 2.21); the tests compare both on many
models. Some of its habits are left out:

- it moves the bias of a linear layer into a dense layer after it; a Network keeps every layer's
  own bias;
- it cannot fold the dilation of two convolutions that read one value with one dilation, and
  rearranges that value around them; the firmware has dilated kernels;
- it computes a dense layer once more for each rectifier that reads it, where others read it too;
- it does not recognise a hard swish behind a reshape or before a rectifier, and leaves its parts.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final

from hwnas.keras_io._graph import Graph, Operation, Transient
from hwnas.keras_io._rules import RECTIFIERS, merge_reshapes, rewrite
from hwnas.network import CONVOLUTIONS, PARAMETRIC, DType, Operator, Padding, same_padding

_FIXED_SCALES: Final = frozenset({Operator.LOGISTIC, Operator.TANH, Operator.SOFTMAX})
_SAME_SCALES: Final = frozenset(
    {
        Operator.AVERAGE_POOL2D,
        Operator.CONCATENATION,
        Operator.GLOBAL_MAX_POOL2D,
        Operator.MAX_POOL2D,
        Operator.PAD,
        Operator.RESHAPE,
    }
)
"""Operators whose output has its input's quantization."""


def simplify(graph: Graph, dtype: DType | str) -> None:
    """Bring a graph to the form that the converter would give it."""
    _merge_reshapes(graph)
    _merge_duplicates(graph)
    _absorb_paddings(graph)
    rewrite(graph)
    if dtype == DType.INT8:
        _insert_requantizations(graph)


def _merge_reshapes(graph: Graph) -> None:
    for operation in graph.operations():
        merge_reshapes(graph, operation)


def _merge_duplicates(graph: Graph) -> None:
    """Compute once what is computed twice, and rectify once what is rectified twice."""
    known: dict[Hashable, Operation] = {}
    for operation in graph.operations():
        if operation.kind in PARAMETRIC or operation.kind is Transient.INPUT:
            continue
        source = operation.inputs[0]
        if operation.kind in RECTIFIERS and source.kind is operation.kind:
            graph.replace(operation, source)
            continue
        key = (
            operation.kind,
            operation.shape,
            operation.constant,
            operation.detail,
            tuple(map(id, operation.inputs)),
            tuple(operation.options.items()),
        )
        first = known.setdefault(key, operation)
        if first is not operation:
            graph.replace(operation, first)


def _absorb_paddings(graph: Graph) -> None:
    """Give zeros to the convolutions that can take them up as "same" padding."""
    for operation in graph.operations():
        if operation.kind is not Transient.ZERO_PADDING:
            continue
        operation.kind = Operator.PAD
        source, pads = operation.inputs[0], operation.options["padding"]
        if not any(pads):
            graph.replace(operation, source)
            continue
        for user in list(operation.users):
            if _is_same_padding(user, source, pads):
                user.options["padding"] = "same"
                graph.rewire(user, source)


def _is_same_padding(user: Operation, source: Operation, pads: Padding) -> bool:
    options = user.options
    if user.kind not in CONVOLUTIONS or options["padding"] != "valid":
        return False
    window = zip(options["kernel_size"], options["strides"], options["dilation"], strict=True)
    (top, bottom), (left, right) = (
        same_padding(size, *axis) for size, axis in zip(source.shape[:2], window, strict=True)
    )
    return (top, left, bottom, right) == pads


def _insert_requantizations(graph: Graph) -> None:
    """Bring what has a scale of its own to the one scale of all that a concatenation joins."""
    operations = graph.operations()
    joined: set[Operation] = set()
    found = [operation for operation in operations if operation.kind is Operator.CONCATENATION]
    while found:
        operation = found.pop()
        if operation in joined:
            continue
        joined.add(operation)
        found += [user for user in operation.users if user.kind in _SAME_SCALES]
        if operation.kind in _SAME_SCALES:
            found += operation.inputs
    for operation in operations:
        if operation in joined and operation.kind in _FIXED_SCALES:
            name = f"{operation.name}_requantize"
            made = Operation(Operator.REQUANTIZE, [], operation.shape, name, operation.label)
            graph.insert_after(operation, made)
