"""A Keras layer in the course of being read, and what all readers need."""

from __future__ import annotations

from typing import Any

from hwnas.errors import UnsupportedLayerError
from hwnas.keras_io._graph import Constant, Kind, Operation
from hwnas.network import DType, Operator, Shape


def label_of(layer: Any) -> str:
    """How messages name a layer: its name and class."""
    return f"layer {layer.name!r} ({type(layer).__name__})"


class Reading:
    """One Keras layer, or an operation such as ``x + y``.

    Args:
        keras: The keras module.
        layer: A ``keras.layers.Layer`` or ``keras.Operation``.
        shape: Of its output as Keras states it, without the batch.
    """

    def __init__(self, keras: Any, layer: Any, shape: Shape) -> None:
        self.keras = keras
        self.layer = layer
        self.shape = shape

    def unsupported(self, problem: str) -> UnsupportedLayerError:
        """The error that names the layer."""
        return UnsupportedLayerError(f"{label_of(self.layer)}: {problem}")

    def operation(
        self,
        kind: Kind,
        *inputs: Operation,
        suffix: str = "",
        constant: Constant | None = None,
        **options: Any,
    ) -> Operation:
        """An operation that this layer makes; its shape follows from its inputs."""
        made = Operation(
            kind,
            list(inputs),
            inputs[0].shape,
            self.layer.name + suffix,
            label_of(self.layer),
            options,
            constant,
        )
        if isinstance(kind, Operator):
            made.shape = made.layer(DType.INT8).output_shape
        return made

    def reshape(self, x: Operation, shape: Shape, suffix: str = "") -> Operation:
        """Another view of ``x``; ``x`` itself where it has that shape."""
        if x.shape == shape:
            return x
        return self.operation(Operator.RESHAPE, x, suffix=suffix, output_shape=shape)

    def as_rows(self, x: Operation) -> Operation:
        """A sequence (steps, channels) as a feature map of height 1, as TFLite computes it."""
        return self.reshape(x, (1, *x.shape), suffix="_rows")
