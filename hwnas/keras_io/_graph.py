"""A model's operations as a small mutable graph, between Keras and Network.

It holds what a Network has no word for (zeros that a window may take up, activations that are not
fused yet, the values of constants) until :mod:`hwnas.keras_io._passes` has removed it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from hwnas.errors import NetworkError
from hwnas.network import (
    BINARY,
    DType,
    Layer,
    Network,
    NetworkBuilder,
    Operator,
    Shape,
    average_pool2d,
    binary,
    concatenation,
    conv2d,
    dense,
    depthwise_conv2d,
    global_average_pool2d,
    global_max_pool2d,
    hard_swish,
    leaky_relu,
    logistic,
    max_pool2d,
    pad,
    relu,
    relu6,
    requantize,
    reshape,
    softmax,
    tanh,
)


class Transient(StrEnum):
    """Operations that do not outlive the passes, and the model's input."""

    INPUT = "input"
    ZERO_PADDING = "zero_padding2d"


Kind = Operator | Transient

_MAKERS: Final[Mapping[Operator, Callable[..., Layer]]] = {
    Operator.CONV2D: conv2d,
    Operator.DEPTHWISE_CONV2D: depthwise_conv2d,
    Operator.DENSE: dense,
    Operator.MAX_POOL2D: max_pool2d,
    Operator.AVERAGE_POOL2D: average_pool2d,
    Operator.GLOBAL_AVERAGE_POOL2D: global_average_pool2d,
    Operator.GLOBAL_MAX_POOL2D: global_max_pool2d,
    Operator.SOFTMAX: softmax,
    Operator.RELU: relu,
    Operator.RELU6: relu6,
    Operator.LEAKY_RELU: leaky_relu,
    Operator.LOGISTIC: logistic,
    Operator.TANH: tanh,
    Operator.HARD_SWISH: hard_swish,
    Operator.PAD: pad,
    Operator.REQUANTIZE: requantize,
    Operator.RESHAPE: reshape,
}


@dataclass(frozen=True)
class Constant:
    """The constant operand of an addition, subtraction or multiplication.

    Attributes:
        shape: As a Layer has it.
        key: Equal for two constants of equal values.
        axes: How many the model gave it; the converter looks at that.
        value: Of a single value that is known, else None.
        is_first: Whether it is what a subtraction takes its input from.
    """

    shape: Shape
    key: Hashable
    axes: int
    value: float | None = None
    is_first: bool = False

    @property
    def is_single(self) -> bool:
        """Whether it is one value."""
        return self.shape == (1,)


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
        constant: The second operand, where that is a constant.
        detail: What a Layer leaves out and yet tells two operations apart.
        users: Who reads the output, one entry a read; kept by :class:`Graph`.
    """

    kind: Kind
    inputs: list[Operation]
    shape: Shape
    name: str
    label: str
    options: dict[str, Any] = field(default_factory=dict)
    constant: Constant | None = None
    detail: Hashable = None
    users: list[Operation] = field(default_factory=list)

    @property
    def is_linear(self) -> bool:
        """Whether no activation is fused into it."""
        return "activation" not in self.options

    def layer(self, dtype: DType) -> Layer:
        """The Network's layer.

        Raises:
            NetworkError: Shapes or hyper-parameters are out of range; names the Keras layer.
        """
        shapes = [source.shape for source in self.inputs]
        options = {**self.options, "dtype": dtype}
        if self.constant is not None:
            options["operand"] = self.constant.shape
            options["operand_first"] = self.constant.is_first
        try:
            if self.kind in BINARY:
                return binary(Operator(self.kind), *shapes, **options)
            if self.kind is Operator.CONCATENATION:
                return concatenation(shapes, **options)
            return _MAKERS[Operator(self.kind)](shapes[0], **options)
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

    def is_needed(self, operation: Operation) -> bool:
        """Whether anybody reads an operation that was there once."""
        return bool(operation.users) or operation is self._output

    def rewire(self, operation: Operation, source: Operation) -> None:
        """Let ``operation``, which has one input, read ``source`` instead."""
        (before,) = operation.inputs
        operation.inputs = [source]
        source.users.append(operation)
        self._forget(before, operation)

    def insert(self, new: Operation) -> None:
        """Note that ``new``, which nobody reads yet, reads its inputs."""
        for source in new.inputs:
            source.users.append(new)

    def insert_after(self, operation: Operation, new: Operation) -> None:
        """Let ``new`` read ``operation``, and everyone else who reads that read ``new``."""
        self.replace_users(operation, new)
        new.inputs, operation.users = [operation], [new]

    def replace(self, old: Operation, new: Operation) -> None:
        """Let everyone who reads ``old`` read ``new``, and drop ``old``."""
        self.replace_users(old, new)
        self._drop(old)

    def read_before_reshapes(self, operation: Operation) -> None:
        """Let an operation read what the reshapes before it read, which are its alone."""
        shape = operation.shape
        view = Operation(
            Operator.RESHAPE, [], shape, f"{operation.name}_shape", operation.label,
            {"output_shape": shape},
        )  # fmt: skip
        self.insert_after(operation, view)
        sources = [before.inputs[0] for before in operation.inputs]
        for before, source in zip(operation.inputs, sources, strict=True):
            if operation in before.users:
                source.users.remove(before)
                before.users = []
            source.users.append(operation)
        operation.inputs = sources
        operation.shape = sources[0].shape

    def replace_users(self, old: Operation, new: Operation) -> None:
        """Let everyone who reads ``old`` read ``new``."""
        for user in dict.fromkeys(old.users):
            user.inputs = [new if source is old else source for source in user.inputs]
        new.users.extend(old.users)
        old.users = []
        if self._output is old:
            self._output = new

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
