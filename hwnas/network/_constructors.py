"""Constructors of layers, which infer the output shape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hwnas.errors import NetworkError
from hwnas.network._geometry import (
    as_pair,
    as_vector,
    feature_map,
    largest,
    same_padding,
    slide,
)
from hwnas.network._layer import Layer
from hwnas.network._operators import DType, Operator, Padding, Pair, Shape
from hwnas.network._plain import field_value


def conv2d(
    input_shape: Shape,
    filters: int,
    kernel_size: int | Pair,
    *,
    strides: int | Pair = 1,
    padding: str | Padding = "same",
    dilation: int | Pair = 1,
    groups: int = 1,
    activation: str = "none",
    use_bias: bool = True,
    dtype: DType = DType.INT8,
) -> Layer:
    """A 2-D convolution; ``padding`` is ``"same"``, ``"valid"`` or (top, left, bottom, right)."""
    return _windowed(
        Operator.CONV2D,
        input_shape,
        filters,
        kernel_size,
        strides,
        padding,
        dilation,
        groups=groups,
        activation=field_value("activation", activation),
        use_bias=use_bias,
        dtype=dtype,
    )


def depthwise_conv2d(
    input_shape: Shape,
    kernel_size: int | Pair,
    *,
    strides: int | Pair = 1,
    padding: str | Padding = "same",
    dilation: int | Pair = 1,
    depth_multiplier: int = 1,
    activation: str = "none",
    use_bias: bool = True,
    dtype: DType = DType.INT8,
) -> Layer:
    """A depthwise 2-D convolution: every input channel has its own filters."""
    channels = feature_map(Operator.DEPTHWISE_CONV2D, input_shape)[2] * depth_multiplier
    return _windowed(
        Operator.DEPTHWISE_CONV2D,
        input_shape,
        channels,
        kernel_size,
        strides,
        padding,
        dilation,
        depth_multiplier=depth_multiplier,
        activation=field_value("activation", activation),
        use_bias=use_bias,
        dtype=dtype,
    )


def dense(
    input_shape: Shape,
    units: int,
    *,
    activation: str = "none",
    use_bias: bool = True,
    dtype: DType = DType.INT8,
) -> Layer:
    """A fully connected layer on a vector."""
    return Layer(
        Operator.DENSE,
        (input_shape,),
        (units,),
        dtype,
        activation=field_value("activation", activation),
        use_bias=use_bias,
    )


def max_pool2d(
    input_shape: Shape,
    pool_size: int | Pair = 2,
    *,
    strides: int | Pair | None = None,
    padding: str | Padding = "valid",
    activation: str = "none",
    dtype: DType = DType.INT8,
) -> Layer:
    """Maximum over a window; ``strides`` default to the window."""
    return _pool(Operator.MAX_POOL2D, input_shape, pool_size, strides, padding, activation, dtype)


def average_pool2d(
    input_shape: Shape,
    pool_size: int | Pair = 2,
    *,
    strides: int | Pair | None = None,
    padding: str | Padding = "valid",
    activation: str = "none",
    dtype: DType = DType.INT8,
) -> Layer:
    """Mean over a window, padding not counted; ``strides`` default to the window."""
    return _pool(
        Operator.AVERAGE_POOL2D, input_shape, pool_size, strides, padding, activation, dtype
    )


def global_average_pool2d(input_shape: Shape, *, dtype: DType = DType.INT8) -> Layer:
    """Mean over height and width (TFLite's MEAN); the output is a vector."""
    return _global_pool(Operator.GLOBAL_AVERAGE_POOL2D, input_shape, dtype)


def global_max_pool2d(input_shape: Shape, *, dtype: DType = DType.INT8) -> Layer:
    """Maximum over height and width (TFLite's REDUCE_MAX); the output is a vector."""
    return _global_pool(Operator.GLOBAL_MAX_POOL2D, input_shape, dtype)


def softmax(input_shape: Shape, *, dtype: DType = DType.INT8) -> Layer:
    """Softmax over the last axis."""
    return Layer(Operator.SOFTMAX, (input_shape,), input_shape, dtype)


def relu(input_shape: Shape, *, dtype: DType = DType.INT8) -> Layer:
    """A rectifier of its own, where it could not be fused."""
    return Layer(Operator.RELU, (input_shape,), input_shape, dtype)


def relu6(input_shape: Shape, *, dtype: DType = DType.INT8) -> Layer:
    """A rectifier clipped at 6 of its own, where it could not be fused."""
    return Layer(Operator.RELU6, (input_shape,), input_shape, dtype)


def leaky_relu(input_shape: Shape, *, dtype: DType = DType.INT8) -> Layer:
    """A rectifier that lets a part of what is negative through; its slope costs nothing."""
    return Layer(Operator.LEAKY_RELU, (input_shape,), input_shape, dtype)


def logistic(input_shape: Shape, *, dtype: DType = DType.INT8) -> Layer:
    """The logistic function, Keras's sigmoid."""
    return Layer(Operator.LOGISTIC, (input_shape,), input_shape, dtype)


def tanh(input_shape: Shape, *, dtype: DType = DType.INT8) -> Layer:
    """The hyperbolic tangent."""
    return Layer(Operator.TANH, (input_shape,), input_shape, dtype)


def hard_swish(input_shape: Shape, *, dtype: DType = DType.INT8) -> Layer:
    """The product of a value and its hard sigmoid: x * relu6(x + 3) / 6."""
    return Layer(Operator.HARD_SWISH, (input_shape,), input_shape, dtype)


def binary(
    operator: Operator,
    first: Shape,
    second: Shape = (),
    *,
    operand: Shape = (),
    operand_first: bool = False,
    activation: str = "none",
    dtype: DType = DType.INT8,
) -> Layer:
    """An element-wise sum, difference or product of two inputs, or of one and a constant.

    The smaller operand may be a vector of one value a channel, or a single value.

    Args:
        operator: One of :data:`BINARY`.
        first: Shape of the first input.
        second: Shape of the second input; empty where it is a constant.
        operand: Shape of the constant; empty where there is none.
        operand_first: Whether the input is subtracted from the constant.
        activation: Fused activation.
        dtype: Type of all of them.

    Raises:
        NetworkError: The shapes do not fit each other.

    Example:
        >>> binary(Operator.MUL, (8, 8, 4), (4,)).output_shape
        (8, 8, 4)
    """
    inputs = (first, second) if second else (first,)
    return Layer(
        operator,
        inputs,
        largest(inputs),
        dtype,
        operand=as_vector(operand),
        operand_first=operand_first,
        activation=field_value("activation", activation),
    )


def add(input_shape: Shape, *, activation: str = "none", dtype: DType = DType.INT8) -> Layer:
    """Element-wise sum of two tensors of one shape."""
    return binary(Operator.ADD, input_shape, input_shape, activation=activation, dtype=dtype)


def concatenation(
    input_shapes: Sequence[Shape], *, axis: int = -1, dtype: DType = DType.INT8
) -> Layer:
    """Tensors joined along an axis; ``axis`` counts from the last."""
    shapes = tuple(tuple(shape) for shape in input_shapes)
    if not shapes or not -len(shapes[0]) <= axis < 0:
        raise NetworkError(f"{Operator.CONCATENATION}: {shapes} have no axis {axis}")
    joined = list(shapes[0])
    joined[axis] = sum(shape[axis] for shape in shapes if len(shape) == len(joined))
    return Layer(Operator.CONCATENATION, shapes, tuple(joined), dtype, axis=axis)


def pad(input_shape: Shape, padding: Padding, *, dtype: DType = DType.INT8) -> Layer:
    """Zeros around a feature map: (top, left, bottom, right)."""
    height, width, channels = feature_map(Operator.PAD, input_shape)
    if len(padding) != 4:
        raise NetworkError(f"{Operator.PAD}: padding {padding!r} is no (top, left, bottom, right)")
    top, left, bottom, right = padding
    output = (height + top + bottom, width + left + right, channels)
    return Layer(Operator.PAD, (input_shape,), output, dtype, padding=padding)


def quantize(input_shape: Shape, *, dtype: DType = DType.INT8) -> Layer:
    """32-bit floats to int8, at the head of a network."""
    return Layer(Operator.QUANTIZE, (input_shape,), input_shape, dtype)


def dequantize(input_shape: Shape, *, dtype: DType = DType.INT8) -> Layer:
    """int8 to 32-bit floats, at the end of a network."""
    return Layer(Operator.DEQUANTIZE, (input_shape,), input_shape, dtype)


def requantize(input_shape: Shape, *, dtype: DType = DType.INT8) -> Layer:
    """int8 of one scale to int8 of another (TFLite's QUANTIZE between int8 tensors)."""
    return Layer(Operator.REQUANTIZE, (input_shape,), input_shape, dtype)


def reshape(input_shape: Shape, output_shape: Shape, *, dtype: DType = DType.INT8) -> Layer:
    """Another view of the same bytes; costs nothing on the board."""
    return Layer(Operator.RESHAPE, (input_shape,), output_shape, dtype)


def _windowed(
    operator: Operator,
    input_shape: Shape,
    channels: int,
    kernel_size: int | Pair,
    strides: int | Pair,
    padding: str | Padding,
    dilation: int | Pair = 1,
    **options: Any,
) -> Layer:
    height, width, _ = feature_map(operator, input_shape)
    kernel, step, spread = as_pair(kernel_size), as_pair(strides), as_pair(dilation)
    if min(*kernel, *step, *spread) < 1:
        raise NetworkError(
            f"{operator}: kernel {kernel}, strides {step} and dilation {spread} must be 1 or more"
        )
    if padding == "same":
        rows = same_padding(height, kernel[0], step[0], spread[0])
        columns = same_padding(width, kernel[1], step[1], spread[1])
    elif padding == "valid":
        rows = columns = (0, 0)
    elif isinstance(padding, tuple) and len(padding) == 4:
        rows, columns = (padding[0], padding[2]), (padding[1], padding[3])
    else:
        raise NetworkError(
            f"{operator}: padding {padding!r} is neither 'same', 'valid' nor (top, left, bottom, "
            "right)"
        )
    out_h, rows = slide(height, kernel[0], step[0], spread[0], rows)
    out_w, columns = slide(width, kernel[1], step[1], spread[1], columns)
    if out_h < 1 or out_w < 1:
        raise NetworkError(
            f"{operator}: a {kernel[0]}x{kernel[1]} window does not fit into {height}x{width}"
        )
    return Layer(
        operator,
        (input_shape,),
        (out_h, out_w, channels),
        kernel_size=kernel,
        strides=step,
        padding=(rows[0], columns[0], rows[1], columns[1]),
        dilation=spread,
        **options,
    )


def _pool(
    operator: Operator,
    input_shape: Shape,
    pool_size: int | Pair,
    strides: int | Pair | None,
    padding: str | Padding,
    activation: str,
    dtype: DType,
) -> Layer:
    channels = feature_map(operator, input_shape)[2]
    return _windowed(
        operator,
        input_shape,
        channels,
        pool_size,
        pool_size if strides is None else strides,
        padding,
        activation=field_value("activation", activation),
        dtype=dtype,
    )


def _global_pool(operator: Operator, input_shape: Shape, dtype: DType) -> Layer:
    channels = feature_map(operator, input_shape)[2]
    return Layer(operator, (input_shape,), (channels,), dtype)
