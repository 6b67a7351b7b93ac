"""One Keras layer as operations of the graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from hwnas.keras_io import _activations as act
from hwnas.keras_io import _arithmetic as arithmetic
from hwnas.keras_io import _rearranging as rearranging
from hwnas.keras_io import _windows as windows
from hwnas.keras_io._graph import Operation
from hwnas.keras_io._reading import Reading
from hwnas.network import Operator, Shape

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
    }
)
"""Layers that hand their input on at inference."""

_REPLACEMENTS: Final = {
    "Conv1DTranspose": "a network that does not enlarge its maps",
    "Conv2DTranspose": "a network that does not enlarge its maps",
    "Cropping1D": "a Conv1D with padding='valid'",
    "Cropping2D": "a Conv2D with padding='valid'",
    "ELU": "ReLU or LeakyReLU",
    "CenterCrop": "images that are cropped before the model",
    "GRU": "a Conv1D with padding='causal'",
    "GetItem": "tensors that are cut before the model, or a Conv2D with strides",
    "GroupNormalization": "BatchNormalization right after the convolution",
    "LSTM": "a Conv1D with padding='causal'",
    "LayerNormalization": "BatchNormalization right after the convolution",
    "Lambda": "layers that Keras has for what it computes",
    "Maximum": "Add",
    "Minimum": "Add",
    "MultiHeadAttention": "Conv1D or DepthwiseConv1D layers",
    "Negative": "a multiplication by -1",
    "Normalization": "Rescaling with a list of scales and offsets",
    "PReLU": "LeakyReLU",
    "Pad": "ZeroPadding2D or ZeroPadding1D",
    "RandomCrop": "images that are cropped before the model",
    "Resizing": "images that are resized before the model",
    "SimpleRNN": "a Conv1D with padding='causal'",
    "Transpose": "data in the order that the model needs",
    "UnitNormalization": "BatchNormalization right after the convolution",
    "UpSampling1D": "a network that does not enlarge its maps",
    "UpSampling2D": "a network that does not enlarge its maps",
}


def read_operation(
    keras: Any, layer: Any, operands: Sequence[Operation | Any], shape: Shape
) -> Operation:
    """Append a layer, or an operation such as ``x + y``, to what makes its inputs.

    Args:
        keras: The keras module.
        layer: A ``keras.layers.Layer`` or ``keras.Operation``.
        operands: What makes its inputs; constants in their places among them.
        shape: Of its output as Keras states it, without the batch.

    Returns:
        What makes its output; the input itself where the layer does nothing at inference.

    Raises:
        UnsupportedLayerError: The layer is not supported; the message names a replacement.
        NetworkError: A hyper-parameter is out of range.
    """
    reading = Reading(keras, layer, shape)
    kind = _known_class(reading)
    inputs = [operand for operand in operands if isinstance(operand, Operation)]
    if isinstance(layer, keras.layers.Layer):
        merge, read = _MERGING.get(kind), _READERS.get(kind)
    else:
        if kind in _COMPUTING:
            return _COMPUTING[kind](reading, operands)
        merge, read = _MERGING_OPERATIONS.get(kind), _OPERATIONS.get(kind)
    if merge is not None:
        return merge(reading, inputs)
    if read is None and kind not in _TRAINING_ONLY:
        raise reading.unsupported(f"is not supported; replace it by {_replacement(kind)}")
    if len(inputs) != 1:
        raise reading.unsupported(f"has {len(inputs)} inputs; one is supported")
    if getattr(layer, "data_format", None) == "channels_first":
        raise reading.unsupported("is channels_first; use data_format='channels_last'")
    return inputs[0] if read is None else read(reading, inputs[0])


def _known_class(reading: Reading) -> str:
    """The class's name where it is Keras's own, so that nobody's override is misread."""
    layer = reading.layer
    own, name = type(layer), type(layer).__name__
    if isinstance(layer, reading.keras.layers.Layer):
        known = getattr(reading.keras.layers, name, None) is own
    else:
        known = own.__module__.startswith("keras.")
    if not known:
        raise reading.unsupported(
            f"is no layer of Keras's own that hwnas can read; replace it by {_replacement('')}"
        )
    return name


def _replacement(kind: str) -> str:
    return _REPLACEMENTS.get(kind, f"one of {', '.join(sorted({*_READERS, *_MERGING}))}")


def _merge(kind: Operator) -> Callable[[Reading, Sequence[Operation]], Operation]:
    return lambda reading, inputs: arithmetic.merged(reading, kind, inputs)


def _compute(kind: Operator) -> Callable[[Reading, Sequence[Any]], Operation]:
    return lambda reading, operands: arithmetic.computed(reading, kind, operands)


_READERS: Final[Mapping[str, act.Read]] = {
    "Activation": act.activation_layer,
    "AveragePooling1D": windows.average_pool,
    "AveragePooling2D": windows.average_pool,
    "BatchNormalization": arithmetic.batch_norm,
    "Conv1D": windows.convolution,
    "Conv2D": windows.convolution,
    "Dense": windows.dense,
    "DepthwiseConv1D": windows.depthwise,
    "DepthwiseConv2D": windows.depthwise,
    "Flatten": rearranging.reshape,
    "GlobalAveragePooling1D": windows.global_average_pool,
    "GlobalAveragePooling2D": windows.global_average_pool,
    "GlobalMaxPooling1D": windows.global_max_pool,
    "GlobalMaxPooling2D": windows.global_max_pool,
    "LeakyReLU": act.leaky_relu,
    "MaxPooling1D": windows.max_pool,
    "MaxPooling2D": windows.max_pool,
    "Permute": rearranging.permute,
    "ReLU": act.relu_layer,
    "Rescaling": arithmetic.rescaling,
    "Reshape": rearranging.reshape,
    "SeparableConv1D": windows.separable,
    "SeparableConv2D": windows.separable,
    "Softmax": act.softmax,
    "ZeroPadding1D": rearranging.zero_padding_1d,
    "ZeroPadding2D": rearranging.zero_padding_2d,
}
_MERGING: Final[Mapping[str, Callable[[Reading, Sequence[Operation]], Operation]]] = {
    "Add": _merge(Operator.ADD),
    "Average": arithmetic.average,
    "Concatenate": arithmetic.concatenate,
    "Multiply": _merge(Operator.MUL),
    "Subtract": _merge(Operator.SUB),
}

# What ``x + y``, ``keras.ops`` and ``keras.activations`` leave in a functional model.
_OPERATIONS: Final[Mapping[str, act.Read]] = {
    "Amax": windows.maximum,
    "ExpandDims": rearranging.reshape,
    "HardSigmoid": act.hard_sigmoid,
    "HardSilu": act.hard_swish,
    "LeakyRelu": act.leaky_relu,
    "Max": windows.maximum,
    "Mean": windows.mean,
    "ReLU": act.relu_layer,
    "Relu": act.relu,
    "Relu6": act.relu6,
    "Reshape": rearranging.reshape,
    "Sigmoid": act.logistic,
    "Silu": act.swish,
    "Softmax": act.softmax,
    "Squeeze": rearranging.reshape,
    "Tanh": act.tanh,
}
_MERGING_OPERATIONS: Final[Mapping[str, Callable[[Reading, Sequence[Operation]], Operation]]] = {
    "Concatenate": arithmetic.concatenate,
}
_COMPUTING: Final[Mapping[str, Callable[[Reading, Sequence[Any]], Operation]]] = {
    "Add": _compute(Operator.ADD),
    "Divide": arithmetic.divided,
    "Multiply": _compute(Operator.MUL),
    "Subtract": _compute(Operator.SUB),
    "TrueDivide": arithmetic.divided,
}
