"""A model's operations as a small mutable graph, between Keras and Network.

It holds what a Network has no word for (batch normalization, zero padding, activations that are
not fused yet) until :mod:`hwnas.keras_io._passes` has removed it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from hwnas.errors import NetworkError
from hwnas.network import (
    DType,
    Layer,
    Network,
    NetworkBuilder,
    Operator,
    Shape,
    add,
    average_pool2d,
    conv2d,
    dense,
    depthwise_conv2d,
    global_average_pool2d,
    max_pool2d,
    relu,
    relu6,
    reshape,
    softmax,
)


class Transient(StrEnum):
    """Operations that do not outlive the passes, and the model's input."""

    INPUT = "input"
    BATCH_NORM = "batch_normalization"
    ZERO_PADDING = "zero_padding2d"


_MAKERS: Final[Mapping[Operator, Callable[..., Layer]]] = {
    Operator.CONV2D: conv2d,
    Operator.DEPTHWISE_CONV2D: depthwise_conv2d,
    Operator.DENSE: dense,
    Operator.MAX_POOL2D: max_pool2d,
    Operator.AVERAGE_POOL2D: average_pool2d,
    Operator.GLOBAL_AVERAGE_POOL2D: global_average_pool2d,
    Operator.SOFTMAX: softmax,
    Operator.RELU: relu,
    Operator.RELU6: relu6,
    Operator.ADD: add,
    Operator.RESHAPE: reshape,
}


@dataclass(eq=False)
class Operation:
    """One operation of the graph; compared by identity.

    Attributes:
        kind: What it computes.
        inputs: Where its inputs come from.
        shape: Of its output, without the batch.
        name: The Keras layer's name, for the Network's nodes.
        label: The Keras layer's name and class, for messages.
        options: Keywords of the Network's layer constructor.
        users: Who reads the output, one entry a read; kept by :class:`Graph`.
    """

    kind: Operator | Transient
    inputs: list[Operation]
    shape: Shape
    name: str
    label: str
    options: dict[str, Any] = field(default_factory=dict)
    users: list[Operation] = field(default_factory=list)

    def layer(self, dtype: DType) -> Layer:
        """The Network's layer.

        Raises:
            NetworkError: Shapes or hyper-parameters are out of range; names the Keras layer.
        """
        make = _MAKERS[Operator(self.kind)]
        try:
            return make(self.inputs[0].shape, **self.options, dtype=dtype)
        except NetworkError as error:
            raise NetworkError(f"{self.label}: {error}") from error


class Graph:
    """Operations between one input and one output.

    Args:
        output: The operation whose result the model returns.
    """

    def __init__(self, output: Operation) -> None:
        self._output = output
        for operation in self.operations():
            for source in operation.inputs:
                source.users.append(operation)

    def operations(self) -> list[Operation]:
        """What the output depends on, inputs before their users.

        The order depends on the wiring alone: what an operation's first input needs comes
        first, so that a branch ends before the next one begins.
        """
        ordered: list[Operation] = []
        seen: set[Operation] = set()
        stack = [(self._output, False)]
        while stack:
            operation, ready = stack.pop()
            if ready:
                ordered.append(operation)
            elif operation not in seen:
                seen.add(operation)
                stack.append((operation, True))
                stack.extend((source, False) for source in reversed(operation.inputs))
        return ordered

    def rewire(self, operation: Operation, source: Operation) -> None:
        """Let ``operation``, which has one input, read ``source`` instead."""
        (before,) = operation.inputs
        operation.inputs = [source]
        source.users.append(operation)
        self._forget(before, operation)

    def replace(self, old: Operation, new: Operation) -> None:
        """Let everyone who reads ``old`` read ``new``, and drop ``old``."""
        for user in dict.fromkeys(old.users):
            user.inputs = [new if source is old else source for source in user.inputs]
        new.users.extend(old.users)
        old.users = []
        if self._output is old:
            self._output = new
        self._drop(old)

    def swap_with_source(self, operation: Operation) -> None:
        """Exchange a unary operation with its only input, whose only user it is."""
        (source,) = operation.inputs
        (origin,) = source.inputs
        for user in dict.fromkeys(operation.users):
            user.inputs = [source if i is operation else i for i in user.inputs]
        source.users, operation.users = operation.users, [source]
        source.inputs, operation.inputs = [operation], [origin]
        origin.users[origin.users.index(source)] = operation
        operation.shape = origin.shape
        if self._output is operation:
            self._output = source

    def network(self, dtype: DType | str) -> Network:
        """The graph, once no transient operation is left in it, as a Network.

        Raises:
            NetworkError: ``dtype`` or a layer is out of range, or no layer is left.
        """
        source, *rest = self.operations()
        builder = NetworkBuilder(source.shape, dtype)
        values = {source: builder.input}
        for operation in rest:
            inputs = [values[i] for i in operation.inputs]
            values[operation] = builder.append(
                operation.layer(DType(dtype)), *inputs, name=operation.name
            )
        return builder.build()

    def _forget(self, source: Operation, user: Operation) -> None:
        source.users.remove(user)
        if not source.users and source is not self._output:
            self._drop(source)

    def _drop(self, operation: Operation) -> None:
        for source in operation.inputs:
            self._forget(source, operation)
