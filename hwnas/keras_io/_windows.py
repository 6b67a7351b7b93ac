"""Convolutions, dense layers and pooling, in one and two dimensions."""

from __future__ import annotations

from typing import Any

from hwnas.keras_io._activations import activated
from hwnas.keras_io._graph import Operation
from hwnas.keras_io._reading import Reading
from hwnas.network import Operator, Pair


def convolution(reading: Reading, x: Operation) -> Operation:
    """Conv1D and Conv2D."""
    layer = reading.layer
    window = _window(reading)
    if window["padding"] == "causal":
        x, window["padding"] = _padded_before(reading, x), "valid"
    made = reading.operation(
        Operator.CONV2D,
        _map(reading, x),
        filters=layer.filters,
        groups=layer.groups,
        use_bias=layer.use_bias,
        **window,
    )
    return activated(reading, _unmapped(reading, made), layer.activation)


def depthwise(reading: Reading, x: Operation) -> Operation:
    """DepthwiseConv1D and DepthwiseConv2D."""
    made = _filtered(reading, x, "", use_bias=reading.layer.use_bias)
    return activated(reading, _unmapped(reading, made), reading.layer.activation)


def separable(reading: Reading, x: Operation) -> Operation:
    """SeparableConv1D and SeparableConv2D."""
    layer = reading.layer
    made = reading.operation(
        Operator.CONV2D,
        _filtered(reading, x, "_depthwise", use_bias=False),
        suffix="_pointwise",
        filters=layer.filters,
        kernel_size=(1, 1),
        strides=(1, 1),
        padding="valid",
        dilation=(1, 1),
        use_bias=layer.use_bias,
    )
    return activated(reading, _unmapped(reading, made), layer.activation)


def dense(reading: Reading, x: Operation) -> Operation:
    """Dense, on a vector."""
    layer = reading.layer
    if len(x.shape) != 1:
        raise reading.unsupported(
            f"reads {x.shape}, not a vector; use a Conv2D with a 1x1 kernel, or Flatten first"
        )
    made = reading.operation(Operator.DENSE, x, units=layer.units, use_bias=layer.use_bias)
    return activated(reading, made, layer.activation)


def max_pool(reading: Reading, x: Operation) -> Operation:
    """MaxPooling1D and MaxPooling2D."""
    return _pool(reading, Operator.MAX_POOL2D, x)


def average_pool(reading: Reading, x: Operation) -> Operation:
    """AveragePooling1D and AveragePooling2D."""
    return _pool(reading, Operator.AVERAGE_POOL2D, x)


def global_average_pool(reading: Reading, x: Operation) -> Operation:
    """GlobalAveragePooling1D and GlobalAveragePooling2D."""
    return _global_pool(reading, Operator.GLOBAL_AVERAGE_POOL2D, x)


def global_max_pool(reading: Reading, x: Operation) -> Operation:
    """GlobalMaxPooling1D and GlobalMaxPooling2D."""
    return _global_pool(reading, Operator.GLOBAL_MAX_POOL2D, x)


def mean(reading: Reading, x: Operation) -> Operation:
    """``keras.ops.mean`` over height and width."""
    _check_axes(reading, x)
    return _global_pool(reading, Operator.GLOBAL_AVERAGE_POOL2D, x)


def maximum(reading: Reading, x: Operation) -> Operation:
    """``keras.ops.max`` over height and width."""
    _check_axes(reading, x)
    return _global_pool(reading, Operator.GLOBAL_MAX_POOL2D, x)


def _is_flat(reading: Reading) -> bool:
    """Whether the layer is one of a single dimension, which TFLite computes as height 1."""
    return len(reading.layer.strides) == 1


def _map(reading: Reading, x: Operation) -> Operation:
    return reading.as_rows(x) if _is_flat(reading) else x


def _unmapped(reading: Reading, made: Operation) -> Operation:
    return reading.reshape(made, reading.shape, suffix="_steps")


def _pairs(reading: Reading, values: Any, first: int = 1) -> Pair:
    """A layer's one or two numbers, as (vertical, horizontal)."""
    numbers = tuple(values)
    return (first, numbers[0]) if _is_flat(reading) else (numbers[0], numbers[1])


def _window(reading: Reading) -> dict[str, Any]:
    layer = reading.layer
    if max(layer.strides) > 1 and max(layer.dilation_rate) > 1:
        raise reading.unsupported(
            f"has strides {layer.strides} and dilation_rate {layer.dilation_rate}; use one of them"
        )
    return {
        "kernel_size": _pairs(reading, layer.kernel_size),
        "strides": _pairs(reading, layer.strides),
        "padding": layer.padding,
        "dilation": _pairs(reading, layer.dilation_rate),
    }


def _filtered(reading: Reading, x: Operation, suffix: str, *, use_bias: bool) -> Operation:
    layer = reading.layer
    window = _window(reading)
    if window["padding"] == "causal":
        x, window["padding"] = _padded_before(reading, x), "valid"
    # TensorFlow's depthwise convolutions have one stride for both directions.
    window["strides"] = _pairs(reading, layer.strides, first=layer.strides[0])
    return reading.operation(
        Operator.DEPTHWISE_CONV2D,
        _map(reading, x),
        suffix=suffix,
        depth_multiplier=layer.depth_multiplier,
        use_bias=use_bias,
        **window,
    )


def _padded_before(reading: Reading, x: Operation) -> Operation:
    """The zeros of a causal convolution; the converter leaves them an operator of their own."""
    layer = reading.layer
    zeros = (layer.kernel_size[0] - 1) * layer.dilation_rate[0]
    if zeros == 0:
        return x
    padded = reading.operation(
        Operator.PAD, reading.as_rows(x), suffix="_pad", padding=(0, zeros, 0, 0)
    )
    return reading.reshape(padded, padded.shape[1:], suffix="_pad_steps")


def _pool(reading: Reading, kind: Operator, x: Operation) -> Operation:
    layer = reading.layer
    made = reading.operation(
        kind,
        _map(reading, x),
        pool_size=_pairs(reading, layer.pool_size),
        strides=_pairs(reading, layer.strides),
        padding=layer.padding,
    )
    return _unmapped(reading, made)


def _global_pool(reading: Reading, kind: Operator, x: Operation) -> Operation:
    if x.shape == reading.shape:
        return x  # Over a single value, with the axes kept: the converter drops that.
    rows = reading.as_rows(x) if len(x.shape) == 2 else x
    return reading.reshape(reading.operation(kind, rows), reading.shape, suffix="_keepdims")


def _check_axes(reading: Reading, x: Operation) -> None:
    rank = len(x.shape) + 1
    axes = reading.layer.axis
    numbers = [axes] if isinstance(axes, int) else list(axes or ())
    if sorted(n % rank for n in numbers) != list(range(1, rank - 1)):
        raise reading.unsupported(
            f"has axis {axes}; over all axes but the channels' it is supported: "
            f"axis={tuple(range(1, rank - 1))}"
        )
