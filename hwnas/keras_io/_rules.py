"""The converter's rewrites of constants, activations and reshapes, one function a rule.

They are those of ``optimize_patterns.td`` and ``optimize_pass.cc`` in TensorFlow's converter to
TFLite. Each looks at one operation and what feeds it, and tells whether it changed the graph.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from hwnas.keras_io._activations import SIXTH, THREE
from hwnas.keras_io._graph import Constant, Graph, Operation
from hwnas.network import BINARY, FUSING, PARAMETRIC, Activation, Operator

RECTIFIERS: Final = frozenset({Operator.RELU, Operator.RELU6})
_SWAPPING: Final = RECTIFIERS | {Operator.LOGISTIC, Operator.TANH}
"""Activations that the converter computes before a reshape rather than after it."""
_FLOAT32_ROUNDING: Final = 1e-7

Rule = Callable[[Graph, Operation], bool]


def rewrite(graph: Graph) -> None:
    """Apply the rules until none applies: first those that look back, then all of them."""
    _exhaust(graph, _FIRST)
    _exhaust(graph, [*_FIRST, fold_single_into_following])


def _exhaust(graph: Graph, rules: Sequence[Rule]) -> None:
    changed = True
    while changed:
        changed = False
        for operation in graph.operations():
            for rule in rules:
                if graph.is_needed(operation) and rule(graph, operation):
                    changed = True


def merge_reshapes(graph: Graph, operation: Operation) -> bool:
    """Of several reshapes the last one counts, if it changes anything."""
    if operation.kind is not Operator.RESHAPE:
        return False
    source = operation.inputs[0]
    while source.kind is Operator.RESHAPE:
        source = source.inputs[0]
    if operation.shape == source.shape:
        graph.replace(operation, source)
    elif source is operation.inputs[0]:
        return False
    else:
        graph.rewire(operation, source)
    return True


def move_before_reshape(graph: Graph, operation: Operation) -> bool:
    """What takes each element by itself, or each channel, is computed before a reshape."""
    if operation.kind not in _SWAPPING and operation.constant is None:
        return False
    (source,) = operation.inputs
    if source.kind is not Operator.RESHAPE or len(source.users) > 1:
        return False
    constant = operation.constant
    if constant is not None and not constant.is_single:
        last = {source.shape[-1:], source.inputs[0].shape[-1:]}
        if last != {constant.shape}:
            return False
    graph.swap_with_source(operation)
    return True


def combine_before_reshape(graph: Graph, operation: Operation) -> bool:
    """Two tensors that are reshaped alike, for nothing else, are combined before that."""
    if operation.kind not in BINARY or operation.constant is not None:
        return False
    reshapes = operation.inputs
    if any(
        reshape.kind is not Operator.RESHAPE or set(reshape.users) != {operation}
        for reshape in reshapes
    ):
        return False
    if len({reshape.inputs[0].shape for reshape in reshapes}) > 1:
        return False
    if len({reshape.shape for reshape in reshapes}) > 1:
        return False
    graph.read_before_reshapes(operation)
    return True


def fold_into_preceding(graph: Graph, operation: Operation) -> bool:
    """The weights and the bias before a constant take it up, if it is not the first operand."""
    constant = operation.constant
    if constant is None or constant.is_first:
        return False
    (source,) = operation.inputs
    if source.kind not in PARAMETRIC or len(source.users) > 1 or not source.is_linear:
        return False
    if not constant.is_single and constant.shape != source.shape[-1:]:
        return False
    if operation.kind is Operator.SUB and source.kind is Operator.DENSE:
        return False
    if operation.kind is not Operator.MUL:
        source.options["use_bias"] = True
    if not operation.is_linear:
        source.options["activation"] = operation.options["activation"]
    graph.replace(operation, source)
    return True


def merge_sums(graph: Graph, operation: Operation) -> bool:
    """Two constants that are added one after the other are one."""
    if operation.kind is not Operator.ADD or operation.constant is None:
        return False
    (source,) = operation.inputs
    if source.kind is not Operator.ADD or source.constant is None:
        return False
    if len(source.users) > 1 or not source.is_linear:
        return False
    parts = (source.constant, operation.constant)
    larger = max(parts, key=lambda part: (not part.is_single, len(part.shape), part.axes))
    operation.constant = Constant(larger.shape, parts, larger.axes)
    graph.rewire(operation, source.inputs[0])
    return True


def fold_into_dense(graph: Graph, operation: Operation) -> bool:
    """A factor a channel goes into a dense layer's weights, a summand into its bias."""
    if operation.kind is not Operator.DENSE:
        return False
    source = _before_trivial_reshape(operation.inputs[0])
    constant = source.constant
    if constant is None or not source.is_linear or constant.axes != 1:
        return False
    if source.kind is Operator.MUL or (
        source.kind is Operator.ADD and operation.options["use_bias"]
    ):
        _read_through(graph, operation, source.inputs[0])
        return True
    return False


def fold_single_into_following(graph: Graph, operation: Operation) -> bool:
    """A single factor goes into the weights after it, a single summand into the bias."""
    if operation.kind not in PARAMETRIC:
        return False
    source = operation.inputs[0]
    if operation.kind is Operator.DENSE:
        source = _before_trivial_reshape(source)
    constant = source.constant
    if constant is None or not constant.is_single or constant.is_first or not source.is_linear:
        return False
    if source.kind is not Operator.MUL:
        if operation.options.get("padding", "valid") != "valid":
            return False
        operation.options["use_bias"] = True
    _read_through(graph, operation, source.inputs[0])
    return True


def fuse_rectifier(graph: Graph, operation: Operation) -> bool:
    """A rectifier becomes the activation of what only it reads."""
    if operation.kind not in RECTIFIERS:
        return False
    (source,) = operation.inputs
    if source.kind not in FUSING or len(source.users) > 1 or not source.is_linear:
        return False
    source.options["activation"] = str(operation.kind)
    graph.replace(operation, source)
    return True


def recognise_hard_swish(graph: Graph, operation: Operation) -> bool:
    """A value times its hard sigmoid, multiplied in either order, is one operator."""
    if operation.kind is not Operator.MUL or not operation.is_linear:
        return False
    if _is_single(operation, Operator.MUL, SIXTH):
        (product,) = operation.inputs
        if product.kind is not Operator.MUL or product.constant or not product.is_linear:
            return False
        pairs = [product.inputs, product.inputs[::-1]]
    elif operation.constant is None:
        pairs = [
            [x, gate.inputs[0]]
            for x, gate in (operation.inputs, operation.inputs[::-1])
            if _is_single(gate, Operator.MUL, SIXTH) and gate.is_linear
        ]
    else:
        return False
    for x, clipped in pairs:
        if (
            _is_single(clipped, Operator.ADD, THREE)
            and clipped.options.get("activation") == Activation.RELU6
            and clipped.inputs[0] is x
        ):
            swish = Operation(Operator.HARD_SWISH, [x], x.shape, operation.name, operation.label)
            graph.insert(swish)
            graph.replace(operation, swish)
            return True
    return False


_FIRST: Final[Sequence[Rule]] = (
    merge_reshapes,
    merge_sums,
    fold_into_preceding,
    move_before_reshape,
    combine_before_reshape,
    fuse_rectifier,
    fold_into_dense,
    recognise_hard_swish,
)


def _is_single(operation: Operation, kind: Operator, value: float) -> bool:
    constant = operation.constant
    return (
        operation.kind is kind
        and constant is not None
        and constant.value is not None
        and abs(constant.value - value) < _FLOAT32_ROUNDING
    )


def _before_trivial_reshape(source: Operation) -> Operation:
    """What a dense layer reads, seen through a reshape that only drops axes of length 1."""
    if source.kind is Operator.RESHAPE and source.shape[-1] == source.inputs[0].shape[-1]:
        return source.inputs[0]
    return source


def _read_through(graph: Graph, operation: Operation, source: Operation) -> None:
    """Let an operation read ``source`` in the shape that it reads now."""
    before = operation.inputs[0]
    if before.kind is Operator.RESHAPE:
        view = Operation(
            Operator.RESHAPE, [source], before.shape, before.name, before.label,
            {"output_shape": before.shape},
        )  # fmt: skip
        graph.insert(view)
        source = view
    graph.rewire(operation, source)
