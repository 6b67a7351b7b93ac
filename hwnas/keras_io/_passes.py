"""What the TFLite converter does to a model, repeated on its graph.

The rules were read off the converter's output (tensorflow 2.21); the tests compare both on many
models. Three of its habits are left out:

- it moves the bias of a linear layer into a dense layer after it; a Network keeps every layer's
  own bias;
- it adds two equally reshaped tensors before the reshape instead of after it, which is as much
  work;
- it cannot fold the dilation of two convolutions that read one value with one dilation, and
  rearranges that value around them; the firmware has dilated kernels.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final

from hwnas.errors import UnsupportedLayerError
from hwnas.keras_io._graph import Graph, Operation, Transient
from hwnas.network import FUSING, PARAMETRIC, Operator, Padding, same_padding

_ACTIVATIONS: Final = frozenset({Operator.RELU, Operator.RELU6})
_CONVOLUTIONS: Final = frozenset({Operator.CONV2D, Operator.DEPTHWISE_CONV2D})
_OWN_WEIGHTS: Final = PARAMETRIC | {Transient.BATCH_NORM}


def simplify(graph: Graph) -> None:
    """Bring a graph to the form that the converter would give it.

    Raises:
        UnsupportedLayerError: A batch normalization or a zero padding would stay an operator of
            its own.
    """
    _merge_reshapes(graph)
    _merge_duplicates(graph)
    _fold_batch_norms(graph)
    _absorb_paddings(graph)
    _fuse_activations(graph)
    _merge_reshapes(graph)


def _merge_reshapes(graph: Graph) -> None:
    for operation in graph.operations():
        if operation.kind is Operator.RESHAPE:
            while operation.inputs[0].kind is Operator.RESHAPE:
                graph.rewire(operation, operation.inputs[0].inputs[0])
            if operation.shape == operation.inputs[0].shape:
                graph.replace(operation, operation.inputs[0])


def _merge_duplicates(graph: Graph) -> None:
    """Compute once what is computed twice, and rectify once what is rectified twice."""
    known: dict[Hashable, Operation] = {}
    for operation in graph.operations():
        if operation.kind in _OWN_WEIGHTS or operation.kind is Transient.INPUT:
            continue
        source = operation.inputs[0]
        if operation.kind in _ACTIVATIONS and source.kind is operation.kind:
            graph.replace(operation, source)
            continue
        key = (
            operation.kind,
            operation.shape,
            tuple(map(id, operation.inputs)),
            tuple(operation.options.items()),
        )
        first = known.setdefault(key, operation)
        if first is not operation:
            graph.replace(operation, first)


def _fold_batch_norms(graph: Graph) -> None:
    for operation in graph.operations():
        if operation.kind is not Transient.BATCH_NORM:
            continue
        producer = _linear_producer(operation)
        if producer is not None:
            producer.options["use_bias"] = True
        elif not _only_biased_dense(operation.users):
            raise UnsupportedLayerError(
                f"{operation.label}: folds only into a convolution or dense layer right before "
                "it that nothing else reads and that has no activation, or into biased dense "
                "layers right after it; move it there, activation last"
            )
        graph.replace(operation, operation.inputs[0])


def _linear_producer(operation: Operation) -> Operation | None:
    """The layer whose weights can take up a scale for each channel of what it feeds."""
    source = operation.inputs[0]
    while (
        source.kind is Operator.RESHAPE
        and len(source.users) == 1
        and source.shape[-1] == source.inputs[0].shape[-1]
    ):
        source = source.inputs[0]
    return source if source.kind in PARAMETRIC and len(source.users) == 1 else None


def _only_biased_dense(users: list[Operation]) -> bool:
    return bool(users) and all(
        user.kind is Operator.DENSE and user.options["use_bias"] for user in users
    )


def _absorb_paddings(graph: Graph) -> None:
    for operation in graph.operations():
        if operation.kind is not Transient.ZERO_PADDING:
            continue
        source, pads = operation.inputs[0], operation.options["padding"]
        if not any(pads):
            graph.replace(operation, source)
            continue
        if not operation.users:
            raise UnsupportedLayerError(_padding_advice(operation, "nobody but the caller"))
        for user in list(operation.users):
            _absorb_padding(operation, user, pads)
            graph.rewire(user, source)


def _absorb_padding(operation: Operation, user: Operation, pads: Padding) -> None:
    options = user.options
    if user.kind not in _CONVOLUTIONS or options["padding"] != "valid":
        raise UnsupportedLayerError(_padding_advice(operation, user.label))
    height, width, _ = operation.inputs[0].shape
    window = zip(options["kernel_size"], options["strides"], options["dilation"], strict=True)
    (top, bottom), (left, right) = (
        same_padding(size, *axis) for size, axis in zip((height, width), window, strict=True)
    )
    if (top, left, bottom, right) != pads:
        raise UnsupportedLayerError(
            f"{_padding_advice(operation, user.label)}; here that is "
            f"(({top}, {bottom}), ({left}, {right})), the model pads "
            f"(({pads[0]}, {pads[2]}), ({pads[1]}, {pads[3]}))"
        )
    options["padding"] = "same"


def _padding_advice(operation: Operation, user: str) -> str:
    return (
        f"{operation.label}: read by {user}, it stays an operator of its own; only zeros that "
        "equal padding='same' of the 'valid' Conv2D or DepthwiseConv2D right after them vanish: "
        "use padding='same' there instead"
    )


def _fuse_activations(graph: Graph) -> None:
    for operation in graph.operations():
        if operation.kind not in _ACTIVATIONS:
            continue
        source = operation.inputs[0]
        while source.kind is Operator.RESHAPE and len(source.users) == 1:
            graph.swap_with_source(operation)
            source = operation.inputs[0]
        if source.kind in FUSING and len(source.users) == 1 and "activation" not in source.options:
            source.options["activation"] = str(operation.kind)
            graph.replace(operation, source)
