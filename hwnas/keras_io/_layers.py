"""One Keras layer as operations of the graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from hwnas.errors import UnsupportedLayerError
from hwnas.keras_io._graph import Operation, Transient
from hwnas.network import DType, Operator, Shape

_TRAINING_ONLY: Final = frozenset(
    {
        "ActivityRegularization",
        "AlphaDropout",
        "Dropout",
        "GaussianDropout",
        "GaussianNoise",
        "Identity",
        "RandomBrightness",
        "RandomContrast",
        "RandomFlip",
        "RandomRotation",
        "RandomTranslation",
        "RandomZoom",
        "SpatialDropout1D",
        "SpatialDropout2D",
        "SpatialDropout3D",
    }
)
"""Layers that hand their input on at inference."""

_REPLACEMENTS: Final = {
    "Average": "Add, with the factor in the layers before it",
    "Concatenate": "Add of branches of equal shape",
    "Conv1D": "a Conv2D with a (k, 1) kernel on (steps, 1, channels)",
    "Conv2DTranspose": "a network that does not enlarge its maps",
    "Cropping2D": "a Conv2D with padding='valid'",
    "ELU": "ReLU",
    "GlobalMaxPooling2D": "a MaxPooling2D over the whole map and Flatten",
    "CenterCrop": "images that are cropped before the model",
    "GroupNormalization": "BatchNormalization right after the convolution",
    "LayerNormalization": "BatchNormalization right after the convolution",
    "Lambda": "layers that Keras has for what it computes",
    "LeakyReLU": "ReLU",
    "Maximum": "Add",
    "Minimum": "Add",
    "Multiply": "Add",
    "Normalization": "data that is normalized before the model, or in its int8 scale",
    "PReLU": "ReLU",
    "RandomCrop": "images that are cropped before the model",
    "Rescaling": "data that is scaled before the model, or in its int8 scale",
    "Resizing": "images that are resized before the model",
    "SeparableConv1D": "a SeparableConv2D with a (k, 1) kernel on (steps, 1, channels)",
    "Subtract": "Add, with the sign in the layers before it",
    "UpSampling2D": "a network that does not enlarge its maps",
}
_ACTIVATION_KINDS: Final[Mapping[str, Operator | None]] = {
    "linear": None,
    "relu": Operator.RELU,
    "relu6": Operator.RELU6,
    "softmax": Operator.SOFTMAX,
}


def label_of(layer: Any) -> str:
    """How messages name a layer: its name and class."""
    return f"layer {layer.name!r} ({type(layer).__name__})"


def read_operation(keras: Any, layer: Any, inputs: list[Operation], shape: Shape) -> Operation:
    """Append a layer, or an operation such as ``x + y``, to what makes its inputs.

    Args:
        keras: The keras module.
        layer: A ``keras.layers.Layer`` or ``keras.Operation``.
        inputs: What makes its inputs.
        shape: Of its output as Keras states it, without the batch.

    Returns:
        What makes its output; the input itself where the layer does nothing at inference.

    Raises:
        UnsupportedLayerError: The layer is not supported; the message names a replacement.
        NetworkError: A hyper-parameter is out of range.
    """
    return _LayerReader(keras, layer, shape).read(inputs)


class _LayerReader:
    """Reads one layer."""

    def __init__(self, keras: Any, layer: Any, shape: Shape) -> None:
        self._keras = keras
        self._layer = layer
        self._shape = shape

    def read(self, inputs: list[Operation]) -> Operation:
        kind = self._known_class()
        if kind == "Add":
            return self._sum(inputs)
        if kind not in _READERS and kind not in _TRAINING_ONLY:
            replacement = _REPLACEMENTS.get(kind, f"one of {', '.join(sorted(_READERS))}, Add")
            raise self._unsupported(f"is not supported; replace it by {replacement}")
        if len(inputs) != 1:
            raise self._unsupported(f"has {len(inputs)} inputs; one is supported")
        if getattr(self._layer, "data_format", None) == "channels_first":
            raise self._unsupported("is channels_first; use data_format='channels_last'")
        return inputs[0] if kind in _TRAINING_ONLY else _READERS[kind](self, inputs[0])

    def _known_class(self) -> str:
        """The class's name where it is Keras's own, so that nobody's override is misread."""
        own, name = type(self._layer), type(self._layer).__name__
        if isinstance(self._layer, self._keras.layers.Layer):
            known = getattr(self._keras.layers, name, None) is own
        else:
            known = own.__module__.startswith("keras.") and name in _OPERATIONS
        if not known:
            raise self._unsupported(
                "is no layer of Keras's own that hwnas can read; replace it by one of "
                f"{', '.join(sorted(_READERS))}, Add"
            )
        return name

    def _unsupported(self, problem: str) -> UnsupportedLayerError:
        return UnsupportedLayerError(f"{label_of(self._layer)}: {problem}")

    def _operation(
        self, kind: Operator | Transient, *inputs: Operation, suffix: str = "", **options: Any
    ) -> Operation:
        made = Operation(
            kind,
            list(inputs),
            inputs[0].shape,
            self._layer.name + suffix,
            label_of(self._layer),
            options,
        )
        if isinstance(kind, Operator):
            made.shape = made.layer(DType.INT8).output_shape
        return made

    def _convolution(self, x: Operation) -> Operation:
        layer = self._layer
        if layer.groups != 1:
            raise self._unsupported(
                f"has {layer.groups} groups; use a DepthwiseConv2D and a 1x1 Conv2D, or groups=1"
            )
        made = self._operation(
            Operator.CONV2D,
            x,
            filters=layer.filters,
            use_bias=layer.use_bias,
            kernel_size=layer.kernel_size,
            **self._window(),
        )
        return self._activated(made, layer.activation)

    def _depthwise(self, x: Operation) -> Operation:
        layer = self._layer
        made = self._operation(
            Operator.DEPTHWISE_CONV2D,
            x,
            depth_multiplier=layer.depth_multiplier,
            use_bias=layer.use_bias,
            kernel_size=layer.kernel_size,
            **self._window(),
        )
        return self._activated(made, layer.activation)

    def _separable(self, x: Operation) -> Operation:
        layer = self._layer
        filtered = self._operation(
            Operator.DEPTHWISE_CONV2D,
            x,
            suffix="_depthwise",
            depth_multiplier=layer.depth_multiplier,
            use_bias=False,
            kernel_size=layer.kernel_size,
            **self._window(),
        )
        made = self._operation(
            Operator.CONV2D,
            filtered,
            suffix="_pointwise",
            filters=layer.filters,
            kernel_size=(1, 1),
            strides=(1, 1),
            padding="valid",
            dilation=(1, 1),
            use_bias=layer.use_bias,
        )
        return self._activated(made, layer.activation)

    def _window(self) -> dict[str, Any]:
        layer = self._layer
        if max(layer.strides) > 1 and max(layer.dilation_rate) > 1:
            raise self._unsupported(
                f"has strides {layer.strides} and dilation_rate {layer.dilation_rate}; use one of "
                "them"
            )
        return {
            "strides": tuple(layer.strides),
            "padding": layer.padding,
            "dilation": tuple(layer.dilation_rate),
        }

    def _dense(self, x: Operation) -> Operation:
        layer = self._layer
        if len(x.shape) != 1:
            raise self._unsupported(
                f"reads {x.shape}, not a vector; use a Conv2D with a 1x1 kernel, or Flatten first"
            )
        made = self._operation(Operator.DENSE, x, units=layer.units, use_bias=layer.use_bias)
        return self._activated(made, layer.activation)

    def _max_pool(self, x: Operation) -> Operation:
        return self._pool(Operator.MAX_POOL2D, x)

    def _average_pool(self, x: Operation) -> Operation:
        return self._pool(Operator.AVERAGE_POOL2D, x)

    def _pool(self, kind: Operator, x: Operation) -> Operation:
        layer = self._layer
        return self._operation(
            kind,
            x,
            pool_size=tuple(layer.pool_size),
            strides=tuple(layer.strides),
            padding=layer.padding,
        )

    def _global_average_pool(self, x: Operation) -> Operation:
        pooled = self._operation(Operator.GLOBAL_AVERAGE_POOL2D, x)
        return self._reshape(pooled) if self._layer.keepdims else pooled

    def _reshape(self, x: Operation) -> Operation:
        return self._operation(Operator.RESHAPE, x, output_shape=self._shape)

    def _softmax(self, x: Operation) -> Operation:
        if self._layer.axis not in (-1, len(x.shape)):
            raise self._unsupported(f"has axis {self._layer.axis}; only the last, -1, is supported")
        return self._operation(Operator.SOFTMAX, x)

    def _relu_layer(self, x: Operation) -> Operation:
        layer = self._layer
        if layer.negative_slope or layer.threshold or layer.max_value not in (None, 6):
            raise self._unsupported(
                f"has max_value {layer.max_value}, negative_slope {layer.negative_slope}, "
                f"threshold {layer.threshold}; use ReLU() or ReLU(max_value=6)"
            )
        return self._relu(x) if layer.max_value is None else self._relu6(x)

    def _relu(self, x: Operation) -> Operation:
        return self._operation(Operator.RELU, x)

    def _relu6(self, x: Operation) -> Operation:
        return self._operation(Operator.RELU6, x)

    def _activation_layer(self, x: Operation) -> Operation:
        return self._activated(x, self._layer.activation)

    def _activated(self, x: Operation, function: Any) -> Operation:
        """``x`` with a layer's ``activation``, which may be a layer itself."""
        if isinstance(function, self._keras.layers.Layer):
            return read_operation(self._keras, function, [x], x.shape)
        name = getattr(function, "__name__", type(function).__name__)
        own = getattr(self._keras.activations, name, None) is function
        if not own or name not in _ACTIVATION_KINDS:
            raise self._unsupported(
                f"has the activation {name}; use relu, relu6, softmax or linear"
            )
        kind = _ACTIVATION_KINDS[name]
        suffix = "" if x.name != self._layer.name else f"_{name}"
        return x if kind is None else self._operation(kind, x, suffix=suffix)

    def _batch_norm(self, x: Operation) -> Operation:
        if self._layer.axis not in (-1, len(x.shape)):
            raise self._unsupported(
                f"has axis {self._layer.axis}; only the channels, axis -1, can be folded"
            )
        return self._operation(Transient.BATCH_NORM, x)

    def _zero_padding(self, x: Operation) -> Operation:
        (top, bottom), (left, right) = self._layer.padding
        made = self._operation(Transient.ZERO_PADDING, x, padding=(top, left, bottom, right))
        made.shape = self._shape
        return made

    def _sum(self, inputs: list[Operation]) -> Operation:
        shapes = {x.shape for x in inputs}
        if len(inputs) < 2 or len(shapes) != 1:
            raise self._unsupported(
                f"adds {len(inputs)} tensors of shapes {sorted(shapes)}; two or more of one "
                "shape are supported, constants are not"
            )
        total = inputs[0]
        for i, x in enumerate(inputs[1:], start=2):
            suffix = "" if i == len(inputs) else f"_{i}"
            total = self._operation(Operator.ADD, total, x, suffix=suffix)
        return total


_READERS: Final[Mapping[str, Callable[[_LayerReader, Operation], Operation]]] = {
    "Activation": _LayerReader._activation_layer,
    "AveragePooling2D": _LayerReader._average_pool,
    "BatchNormalization": _LayerReader._batch_norm,
    "Conv2D": _LayerReader._convolution,
    "Dense": _LayerReader._dense,
    "DepthwiseConv2D": _LayerReader._depthwise,
    "Flatten": _LayerReader._reshape,
    "GlobalAveragePooling2D": _LayerReader._global_average_pool,
    "MaxPooling2D": _LayerReader._max_pool,
    "ReLU": _LayerReader._relu_layer,
    "Relu": _LayerReader._relu,
    "Relu6": _LayerReader._relu6,
    "Reshape": _LayerReader._reshape,
    "SeparableConv2D": _LayerReader._separable,
    "Softmax": _LayerReader._softmax,
    "ZeroPadding2D": _LayerReader._zero_padding,
}
_OPERATIONS: Final = frozenset({"Add", "ReLU", "Relu", "Relu6", "Softmax"})
"""What ``x + y``, ``keras.ops`` and ``keras.activations`` leave in a functional model."""
