"""One TFLite operator as a layer."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from hwnas.errors import NetworkError, UnsupportedLayerError
from hwnas.network import (
    DType,
    Layer,
    Operator,
    Shape,
    average_pool2d,
    binary,
    concatenation,
    conv2d,
    dense,
    depthwise_conv2d,
    dequantize,
    global_average_pool2d,
    global_max_pool2d,
    hard_swish,
    leaky_relu,
    logistic,
    max_pool2d,
    pad,
    quantize,
    relu,
    relu6,
    requantize,
    reshape,
    softmax,
    tanh,
)
from hwnas.tflite_io._file import TfliteOperator, TfliteTensor

_ACTIVATIONS: Final[Mapping[int, str]] = MappingProxyType({0: "none", 1: "relu", 3: "relu6"})
"""Of TFLite's ActivationFunctionType."""
_PADDINGS: Final[Mapping[int, str]] = MappingProxyType({0: "same", 1: "valid"})
_ELEMENTWISE: Final[Mapping[str, Callable[..., Layer]]] = MappingProxyType(
    {
        "SOFTMAX": softmax,
        "RELU": relu,
        "RELU6": relu6,
        "LEAKY_RELU": leaky_relu,
        "LOGISTIC": logistic,
        "TANH": tanh,
        "HARD_SWISH": hard_swish,
        "DEQUANTIZE": dequantize,
    }
)
_BINARY: Final[Mapping[str, Operator]] = MappingProxyType(
    {"ADD": Operator.ADD, "SUB": Operator.SUB, "MUL": Operator.MUL}
)
FREE: Final = frozenset({"RESHAPE", "SQUEEZE", "EXPAND_DIMS"})
"""Operators that move no data: of what they read only the first input counts."""
_REPLACEMENTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "BATCH_MATMUL": "Conv1D or DepthwiseConv1D layers",
        "DIV": "a multiplication by a constant",
        "ELU": "ReLU or LeakyReLU",
        "GELU": "ReLU or hard_swish",
        "L2_NORMALIZATION": "BatchNormalization right after the convolution",
        "MAXIMUM": "Add",
        "MINIMUM": "Add",
        "PRELU": "LeakyReLU",
        "RESIZE_BILINEAR": "images that are resized before the model",
        "RESIZE_NEAREST_NEIGHBOR": "images that are resized before the model",
        "SLICE": "tensors that are cut before the model, or a Conv2D with strides",
        "SPLIT": "a convolution with groups",
        "STRIDED_SLICE": "tensors that are cut before the model, or a Conv2D with strides",
        "SUM": "GlobalAveragePooling2D",
        "TRANSPOSE": "data in the order that the model needs",
        "TRANSPOSE_CONV": "a network that does not enlarge its maps",
        "UNIDIRECTIONAL_SEQUENCE_LSTM": "a Conv1D with padding='causal'",
    }
)


@dataclass(frozen=True, slots=True)
class Call:
    """An operator with its tensors at hand.

    Attributes:
        operator: The operator.
        sources: What it reads that is computed, in its order.
        constants: What it reads that the file holds; ``None`` where an optional one is left out.
        constant_first: Whether its first input is a constant.
        output: What it writes.
        dtype: What the network computes in.
    """

    operator: TfliteOperator
    sources: tuple[TfliteTensor, ...]
    constants: tuple[TfliteTensor | None, ...]
    constant_first: bool
    output: TfliteTensor
    dtype: DType

    @property
    def label(self) -> str:
        """For messages."""
        return f"{self.operator.kind} {self.output.name!r}"

    def unsupported(self, problem: str) -> UnsupportedLayerError:
        """An error that names the operator."""
        return UnsupportedLayerError(f"{self.label}: {problem}")

    def constant(self, number: int, what: str) -> TfliteTensor:
        """A constant that the operator must have.

        Raises:
            UnsupportedLayerError: It is computed, or missing.
        """
        found = self.constants[number] if number < len(self.constants) else None
        if found is None:
            raise self.unsupported(f"its {what} must be a constant of the file")
        return found

    def bias(self) -> TfliteTensor | None:
        """The bias of a layer with weights; one of zeros alone counts as none.

        The converter gives every convolution a bias, one of zeros to those that had none.
        """
        found = self.constants[1] if len(self.constants) > 1 else None
        return found if found is not None and any(found.data) else None


def layer_of(call: Call) -> Layer:
    """The layer that an operator is.

    Raises:
        UnsupportedLayerError: The firmware cannot run it; the message names a replacement.
        NetworkError: Shapes or hyper-parameters are out of range.
    """
    kind = call.operator.kind
    source, target = (shape_of(tensor) for tensor in (call.sources[0], call.output))
    options: dict[str, Any] = {"dtype": call.dtype}
    if kind in FREE:
        return reshape(source, target, **options)
    if kind in _ELEMENTWISE:
        _check_options(call)
        return _ELEMENTWISE[kind](source, **options)
    if kind == "QUANTIZE":
        is_float = call.sources[0].type == "FLOAT32"
        return (quantize if is_float else requantize)(source, **options)
    if kind in _BINARY:
        return _binary(call, **options)
    made = _MAKERS.get(kind)
    if made is None:
        replacement = _REPLACEMENTS.get(kind, "layers of docs/kernels.md")
        raise call.unsupported(f"is not supported; replace it by {replacement}")
    return made(call, **options)


def shape_of(tensor: TfliteTensor) -> Shape:
    """A tensor's shape without the batch, which the converter now and then leaves out of vectors.

    Raises:
        UnsupportedLayerError: It has a batch of several samples, or is a single number.
    """
    if len(tensor.shape) == 1:
        return tensor.shape
    if len(tensor.shape) < 2 or tensor.shape[0] != 1:
        raise UnsupportedLayerError(
            f"tensor {tensor.name!r} has shape {tensor.shape}: activations need a batch of 1 "
            "before their own axes"
        )
    return tensor.shape[1:]


def _binary(call: Call, **options: Any) -> Layer:
    options["activation"] = _activation(call)
    operator = _BINARY[call.operator.kind]
    shapes = [shape_of(tensor) for tensor in call.sources]
    if len(shapes) == 1:
        constant = call.constant(0, "second operand")
        first = call.constant_first and operator is Operator.SUB
        return binary(
            operator, *shapes, operand=constant.shape or (1,), operand_first=first, **options
        )
    return binary(operator, *shapes, **options)


def _conv2d(call: Call, **options: Any) -> Layer:
    source, target = _maps(call)
    filters = _filters(call, 4)
    if not filters[3] or source[2] % filters[3]:
        raise NetworkError(f"filters {filters} do not fit a map of {source}")
    return conv2d(
        source,
        target[2],
        _kernel(call),
        groups=source[2] // filters[3],
        use_bias=call.bias() is not None,
        **_window(call, dilated=True),
        **options,
    )


def _depthwise_conv2d(call: Call, **options: Any) -> Layer:
    source, target = _maps(call)
    if target[2] % source[2]:
        raise NetworkError(f"{target[2]} channels are no multiple of {source[2]}")
    return depthwise_conv2d(
        source,
        _kernel(call),
        depth_multiplier=target[2] // source[2],
        use_bias=call.bias() is not None,
        **_window(call, dilated=True),
        **options,
    )


def _dense(call: Call, **options: Any) -> Layer:
    weights = _filters(call, 2)
    source = math.prod(shape_of(call.sources[0]))
    if weights[1] != source:
        raise call.unsupported(
            f"its weights are for vectors of {weights[1]}, and it reads {source} values: replace "
            "what applies a dense layer to each position by a 1x1 convolution"
        )
    return dense(
        (source,),
        weights[0],
        activation=_activation(call),
        use_bias=call.bias() is not None,
        **options,
    )


def _max_pool2d(call: Call, **options: Any) -> Layer:
    return _pool(call, max_pool2d, **options)


def _average_pool2d(call: Call, **options: Any) -> Layer:
    return _pool(call, average_pool2d, **options)


def _pool(call: Call, pool: Callable[..., Layer], **options: Any) -> Layer:
    source, _ = _maps(call)
    given = _options(call)
    size = (given.FilterHeight(), given.FilterWidth())
    return pool(source, size, **_window(call), **options)


def _global_average_pool2d(call: Call, **options: Any) -> Layer:
    return global_average_pool2d(_pooled_map(call), **options)


def _global_max_pool2d(call: Call, **options: Any) -> Layer:
    return global_max_pool2d(_pooled_map(call), **options)


def _pooled_map(call: Call) -> Shape:
    """The map of an operator that reduces all axes but batch and channels."""
    axes = _integers(call.constant(0, "axes"))
    rank = len(call.sources[0].shape)
    if sorted(axis % rank for axis in axes) != list(range(1, rank - 1)) or rank not in (3, 4):
        raise call.unsupported(
            f"reduces axes {axes} of {rank}; only all axes between batch and channels can be: "
            "replace it by GlobalAveragePooling2D or GlobalMaxPooling2D"
        )
    source = shape_of(call.sources[0])
    return source if len(source) == 3 else (1, *source)


def _pad(call: Call, **options: Any) -> Layer:
    amounts = _integers(call.constant(0, "amounts"))
    source = shape_of(call.sources[0])
    if len(amounts) != 2 * (len(source) + 1):
        raise NetworkError(f"{len(amounts)} amounts do not fit {source}")
    pairs = [(amounts[i], amounts[i + 1]) for i in range(0, len(amounts), 2)]
    if len(source) not in (2, 3) or any(pairs[0]) or any(pairs[-1]):
        raise call.unsupported("only height and width can be padded: replace it by ZeroPadding2D")
    spatial = pairs[1:-1] if len(source) == 3 else [(0, 0), *pairs[1:-1]]
    (top, bottom), (left, right) = spatial
    full = source if len(source) == 3 else (1, *source)
    return pad(full, (top, left, bottom, right), **options)


def _concatenation(call: Call, **options: Any) -> Layer:
    if call.constants:
        raise call.unsupported("joins a constant; replace it by a PAD or leave it out")
    if _activation(call) != "none":
        raise call.unsupported("has a fused activation; put it behind as a layer of its own")
    rank = len(call.output.shape)
    axis = int(_options(call).Axis())
    return concatenation(
        [shape_of(tensor) for tensor in call.sources],
        axis=axis if axis < 0 else axis - rank,
        **options,
    )


_MAKERS: Final[Mapping[str, Callable[..., Layer]]] = MappingProxyType(
    {
        "AVERAGE_POOL_2D": _average_pool2d,
        "CONCATENATION": _concatenation,
        "CONV_2D": _conv2d,
        "DEPTHWISE_CONV_2D": _depthwise_conv2d,
        "FULLY_CONNECTED": _dense,
        "MAX_POOL_2D": _max_pool2d,
        "MEAN": _global_average_pool2d,
        "PAD": _pad,
        "REDUCE_MAX": _global_max_pool2d,
    }
)


def _maps(call: Call) -> tuple[Shape, Shape]:
    source, target = shape_of(call.sources[0]), shape_of(call.output)
    if len(source) != 3 or len(target) != 3 or not all(source):
        raise NetworkError(f"{source} to {target} are no maps")
    return source, target


def _kernel(call: Call) -> tuple[int, int]:
    _, height, width, _ = _filters(call, 4)
    return height, width


def _filters(call: Call, rank: int) -> tuple[int, ...]:
    filters = call.constant(0, "weights")
    if len(call.sources) != 1:
        raise call.unsupported("its weights must be a constant of the file")
    if len(filters.shape) != rank:
        raise NetworkError(f"weights of shape {filters.shape}")
    return filters.shape


def _window(call: Call, *, dilated: bool = False) -> dict[str, Any]:
    options = _options(call)
    padding = _PADDINGS.get(options.Padding())
    if padding is None:
        raise NetworkError(f"padding {options.Padding()} does not exist")
    window: dict[str, Any] = {
        "strides": (options.StrideH(), options.StrideW()),
        "padding": padding,
        "activation": _activation(call),
    }
    if dilated:
        window["dilation"] = (options.DilationHFactor(), options.DilationWFactor())
    return window


def _activation(call: Call) -> str:
    options = call.operator.options
    # Files may leave out options that are all zero.
    fused = 0 if options is None else options.FusedActivationFunction()
    found = _ACTIVATIONS.get(fused)
    if found is None:
        raise call.unsupported(
            f"has fused activation {fused} of TFLite's; ReLU and ReLU6 can be fused"
        )
    return found


def _options(call: Call) -> Any:
    if call.operator.options is None:
        raise NetworkError("its options are missing")
    return call.operator.options


def _check_options(call: Call) -> None:
    if call.operator.kind == "SOFTMAX" and call.operator.options is not None:
        beta = call.operator.options.Beta()
        if beta != 1.0:
            raise call.unsupported(f"has beta {beta:g}; only 1 can be")


def _integers(tensor: TfliteTensor) -> Sequence[int]:
    kinds = {"INT32": "<i4", "INT64": "<i8"}
    if tensor.type not in kinds:
        raise NetworkError(f"tensor {tensor.name!r} holds {tensor.type} instead of integers")
    numbers: list[int] = np.frombuffer(tensor.data, kinds[tensor.type]).tolist()
    return numbers
