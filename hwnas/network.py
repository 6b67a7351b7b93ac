"""Networks as hwnas sees them: immutable graphs of layers, batch size 1, NHWC.

A :class:`Layer` holds what decides its cost and nothing else, so two layers that cost the same
are equal and share one row of the lookup table. A :class:`Network` is a list of nodes in
execution order. :class:`NetworkBuilder` infers shapes while a network is put together.

Shapes leave out the batch dimension: ``(height, width, channels)`` for feature maps, ``(n,)``
for vectors.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import StrEnum
from functools import cached_property
from reprlib import repr as _short
from typing import Any, Final

from hwnas.errors import NetworkError

Shape = tuple[int, ...]
Pair = tuple[int, int]
Padding = tuple[int, int, int, int]

MAX_DIMENSION: Final = 65_535
"""Largest extent of an axis: the kernels count in 16 bits."""
MAX_ELEMENTS: Final = 1 << 30
MAX_NODES: Final = 512
NETWORK_JSON_VERSION: Final = 1


class Operator(StrEnum):
    """What a layer computes; the names are those of the lookup table and of the JSON form."""

    CONV2D = "conv2d"
    DEPTHWISE_CONV2D = "depthwise_conv2d"
    DENSE = "dense"
    MAX_POOL2D = "max_pool2d"
    AVERAGE_POOL2D = "average_pool2d"
    GLOBAL_AVERAGE_POOL2D = "global_average_pool2d"
    SOFTMAX = "softmax"
    RELU = "relu"
    RELU6 = "relu6"
    ADD = "add"
    RESHAPE = "reshape"


class Activation(StrEnum):
    """An activation fused into the layer before it."""

    NONE = "none"
    RELU = "relu"
    RELU6 = "relu6"


class DType(StrEnum):
    """The type of activations and weights."""

    INT8 = "int8"
    FLOAT32 = "float32"


WINDOWED: Final = frozenset(
    {
        Operator.CONV2D,
        Operator.DEPTHWISE_CONV2D,
        Operator.MAX_POOL2D,
        Operator.AVERAGE_POOL2D,
    }
)
"""Operators that slide a window over a feature map."""
PARAMETRIC: Final = frozenset({Operator.CONV2D, Operator.DEPTHWISE_CONV2D, Operator.DENSE})
"""Operators that own weights."""
FUSING: Final = PARAMETRIC | {Operator.ADD, Operator.MAX_POOL2D, Operator.AVERAGE_POOL2D}
"""Operators that can take a fused activation."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One operator with everything that decides what it costs.

    Use the constructors :func:`conv2d`, :func:`dense` and so on, which infer the output shape.

    Attributes:
        operator: What the layer computes.
        input_shapes: One shape an input, without the batch.
        output_shape: Without the batch.
        dtype: Type of activations and weights.
        kernel_size: Height and width of the window; (1, 1) where there is none.
        strides: Vertical and horizontal step of the window.
        padding: Rows and columns of zeros (top, left, bottom, right) that the window really
            reads, so ``"same"`` and an equal explicit padding are one layer.
        dilation: Vertical and horizontal distance between the window's taps.
        depth_multiplier: Outputs an input channel of a depthwise convolution has.
        activation: Fused activation.
        use_bias: Whether a bias is added.

    Raises:
        NetworkError: A value is out of range, or the shapes contradict each other.
    """

    operator: Operator
    input_shapes: tuple[Shape, ...]
    output_shape: Shape
    dtype: DType = DType.INT8
    kernel_size: Pair = (1, 1)
    strides: Pair = (1, 1)
    padding: Padding = (0, 0, 0, 0)
    dilation: Pair = (1, 1)
    depth_multiplier: int = 1
    activation: Activation = Activation.NONE
    use_bias: bool = False

    def __post_init__(self) -> None:
        _check_layer(self)

    @property
    def input_shape(self) -> Shape:
        """Shape of the first input."""
        return self.input_shapes[0]

    @property
    def is_free(self) -> bool:
        """True for a reshape: no step of the plan, no cycles."""
        return self.operator is Operator.RESHAPE

    def to_dict(self) -> dict[str, Any]:
        """Canonical plain data: fields in order, those at their default left out."""
        out: dict[str, Any] = {}
        for f in fields(self):
            value = getattr(self, f.name)
            if value != f.default:
                out[f.name] = _plain(value)
        return out

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Layer:
        """The inverse of :meth:`to_dict`, for untrusted data.

        Raises:
            NetworkError: A field is missing, unknown, of a wrong type or out of range.
        """
        return _layer_from_dict(data)

    def canonical(self) -> str:
        """Compact JSON that is equal for two layers exactly when they cost the same."""
        return json.dumps(self.to_dict(), separators=(",", ":"))

    @property
    def digest(self) -> str:
        """SHA-256 of :meth:`canonical`, in hexadecimal."""
        return hashlib.sha256(self.canonical().encode()).hexdigest()

    def describe(self) -> str:
        """Short text for tables: ``conv2d 5x5/1 28x28x1 -> 28x28x6``."""
        source = ",".join("x".join(map(str, shape)) for shape in self.input_shapes)
        target = "x".join(map(str, self.output_shape))
        window = ""
        if self.operator in WINDOWED:
            window = f" {self.kernel_size[0]}x{self.kernel_size[1]}/{self.strides[0]}"
        return f"{self.operator}{window} {source} -> {target}"


@dataclass(frozen=True, slots=True)
class Node:
    """A layer in its place: where its inputs come from.

    Attributes:
        layer: What is computed.
        inputs: One index an input: 0 is the network's input, i + 1 the output of node i.
        name: For people; takes no part in equality, hash or JSON digest.
    """

    layer: Layer
    inputs: tuple[int, ...]
    name: str = field(default="", compare=False)


@dataclass(frozen=True)
class Network:
    """An immutable graph of layers in execution order; the last node is the output.

    Attributes:
        input_shape: Shape of the one input, without the batch.
        nodes: In execution order.
        dtype: Type of all activations and weights.

    Raises:
        NetworkError: An index points forward, a shape does not match, a result is never used,
            or there is no node at all.

    Example:
        >>> b = NetworkBuilder((28, 28, 1))
        >>> x = b.conv2d(b.input, filters=8, kernel_size=3, activation="relu")
        >>> x = b.dense(b.flatten(x), units=10)
        >>> network = b.build()
        >>> network.output_shape
        (10,)
    """

    input_shape: Shape
    nodes: tuple[Node, ...]
    dtype: DType = DType.INT8

    def __post_init__(self) -> None:
        _check_network(self)

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers in execution order."""
        return tuple(node.layer for node in self.nodes)

    @property
    def output_shape(self) -> Shape:
        """Shape of the last node's output."""
        return self.nodes[-1].layer.output_shape

    def shape_of(self, value: int) -> Shape:
        """Shape of a value: 0 is the network's input, i + 1 the output of node i."""
        return self.input_shape if value == 0 else self.nodes[value - 1].layer.output_shape

    def to_dict(self) -> dict[str, Any]:
        """Plain data with the nodes' names, for :meth:`from_dict`."""
        return self._plain(names=True)

    def to_json(self) -> str:
        """JSON text, with the nodes' names."""
        return json.dumps(self.to_dict(), separators=(",", ":"))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Network:
        """The inverse of :meth:`to_dict`, for untrusted data.

        Raises:
            NetworkError: The data is not a network of this version.
        """
        return _network_from_dict(data)

    @classmethod
    def from_json(cls, text: str) -> Network:
        """The inverse of :meth:`to_json`, for untrusted text.

        Raises:
            NetworkError: The text is not JSON, or not a network of this version.
        """
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise NetworkError(f"not a network: the text is no JSON ({error})") from error
        return cls.from_dict(data)

    @cached_property
    def digest(self) -> str:
        """SHA-256, in hexadecimal, of the network without its names; stable across versions."""
        text = json.dumps(self._plain(names=False), separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def _plain(self, *, names: bool) -> dict[str, Any]:
        nodes: list[dict[str, Any]] = []
        for node in self.nodes:
            plain = {"layer": node.layer.to_dict(), "inputs": list(node.inputs)}
            if names and node.name:
                plain["name"] = node.name
            nodes.append(plain)
        return {
            "version": NETWORK_JSON_VERSION,
            "dtype": str(self.dtype),
            "input_shape": list(self.input_shape),
            "nodes": nodes,
        }


# --- constructors of layers -----------------------------------------------------------------


def conv2d(
    input_shape: Shape,
    filters: int,
    kernel_size: int | Pair,
    *,
    strides: int | Pair = 1,
    padding: str | Padding = "same",
    dilation: int | Pair = 1,
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
        activation=_field_value("activation", activation),
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
    channels = _feature_map(Operator.DEPTHWISE_CONV2D, input_shape)[2] * depth_multiplier
    return _windowed(
        Operator.DEPTHWISE_CONV2D,
        input_shape,
        channels,
        kernel_size,
        strides,
        padding,
        dilation,
        depth_multiplier=depth_multiplier,
        activation=_field_value("activation", activation),
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
        activation=_field_value("activation", activation),
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
    channels = _feature_map(Operator.GLOBAL_AVERAGE_POOL2D, input_shape)[2]
    return Layer(Operator.GLOBAL_AVERAGE_POOL2D, (input_shape,), (channels,), dtype)


def softmax(input_shape: Shape, *, dtype: DType = DType.INT8) -> Layer:
    """Softmax over the last axis."""
    return Layer(Operator.SOFTMAX, (input_shape,), input_shape, dtype)


def relu(input_shape: Shape, *, dtype: DType = DType.INT8) -> Layer:
    """A rectifier of its own, where it could not be fused."""
    return Layer(Operator.RELU, (input_shape,), input_shape, dtype)


def relu6(input_shape: Shape, *, dtype: DType = DType.INT8) -> Layer:
    """A rectifier clipped at 6 of its own, where it could not be fused."""
    return Layer(Operator.RELU6, (input_shape,), input_shape, dtype)


def add(input_shape: Shape, *, activation: str = "none", dtype: DType = DType.INT8) -> Layer:
    """Element-wise sum of two tensors of one shape."""
    return Layer(
        Operator.ADD,
        (input_shape, input_shape),
        input_shape,
        dtype,
        activation=_field_value("activation", activation),
    )


def reshape(input_shape: Shape, output_shape: Shape, *, dtype: DType = DType.INT8) -> Layer:
    """Another view of the same bytes; costs nothing on the board."""
    return Layer(Operator.RESHAPE, (input_shape,), output_shape, dtype)


def same_padding(size: int, kernel: int, stride: int, dilation: int = 1) -> Pair:
    """Zeros before and after an axis under TensorFlow's ``"same"`` rule.

    Example:
        >>> same_padding(28, 3, 2)
        (0, 1)
    """
    out = -(-size // stride)
    total = max((out - 1) * stride + (kernel - 1) * dilation + 1 - size, 0)
    return total // 2, total - total // 2


class NetworkBuilder:
    """Puts a network together, layer by layer, inferring shapes.

    Every method returns the number of the value it produced, to be handed on as an input.

    Args:
        input_shape: Shape of the network's input, without the batch.
        dtype: Type of all activations and weights.

    Example:
        >>> b = NetworkBuilder((8, 8, 4))
        >>> x = b.conv2d(b.input, filters=4, kernel_size=3)
        >>> _ = b.add(x, b.input, activation="relu")
        >>> len(b.build().nodes)
        2
    """

    def __init__(self, input_shape: Sequence[int], dtype: DType | str = DType.INT8) -> None:
        self._input_shape: Shape = tuple(input_shape)
        self._dtype: DType = _field_value("dtype", dtype)
        self._nodes: list[Node] = []

    @property
    def input(self) -> int:
        """The network's input."""
        return 0

    def shape(self, value: int) -> Shape:
        """Shape of a value made so far."""
        if not 0 <= value <= len(self._nodes):
            raise NetworkError(f"there is no value {value}; made so far: 0 to {len(self._nodes)}")
        return self._input_shape if value == 0 else self._nodes[value - 1].layer.output_shape

    def append(self, layer: Layer, *inputs: int, name: str = "") -> int:
        """Add a ready-made layer that reads ``inputs``."""
        self._nodes.append(Node(layer, inputs, name))
        return len(self._nodes)

    def conv2d(self, x: int, filters: int, kernel_size: int | Pair, **options: Any) -> int:
        """See :func:`conv2d`."""
        return self._unary(conv2d, x, filters, kernel_size, **options)

    def depthwise_conv2d(self, x: int, kernel_size: int | Pair, **options: Any) -> int:
        """See :func:`depthwise_conv2d`."""
        return self._unary(depthwise_conv2d, x, kernel_size, **options)

    def dense(self, x: int, units: int, **options: Any) -> int:
        """See :func:`dense`."""
        return self._unary(dense, x, units, **options)

    def max_pool2d(self, x: int, pool_size: int | Pair = 2, **options: Any) -> int:
        """See :func:`max_pool2d`."""
        return self._unary(max_pool2d, x, pool_size, **options)

    def average_pool2d(self, x: int, pool_size: int | Pair = 2, **options: Any) -> int:
        """See :func:`average_pool2d`."""
        return self._unary(average_pool2d, x, pool_size, **options)

    def global_average_pool2d(self, x: int, **options: Any) -> int:
        """See :func:`global_average_pool2d`."""
        return self._unary(global_average_pool2d, x, **options)

    def softmax(self, x: int, **options: Any) -> int:
        """See :func:`softmax`."""
        return self._unary(softmax, x, **options)

    def relu(self, x: int, **options: Any) -> int:
        """See :func:`relu`."""
        return self._unary(relu, x, **options)

    def relu6(self, x: int, **options: Any) -> int:
        """See :func:`relu6`."""
        return self._unary(relu6, x, **options)

    def reshape(self, x: int, output_shape: Sequence[int], **options: Any) -> int:
        """See :func:`reshape`."""
        return self._unary(reshape, x, tuple(output_shape), **options)

    def flatten(self, x: int, **options: Any) -> int:
        """A reshape to a vector."""
        return self.reshape(x, (math.prod(self.shape(x)),), **options)

    def add(self, x: int, y: int, *, name: str = "", activation: str = "none") -> int:
        """See :func:`add`."""
        if self.shape(x) != self.shape(y):
            raise NetworkError(
                f"add: the inputs have shapes {self.shape(x)} and {self.shape(y)}; "
                "they must be equal"
            )
        layer = add(self.shape(x), activation=activation, dtype=self._dtype)
        return self.append(layer, x, y, name=name)

    def build(self) -> Network:
        """The finished network; its output is the value made last."""
        return Network(self._input_shape, tuple(self._nodes), self._dtype)

    def _unary(self, make: Any, x: int, *args: Any, name: str = "", **options: Any) -> int:
        layer: Layer = make(self.shape(x), *args, dtype=self._dtype, **options)
        return self.append(layer, x, name=name)


# --- inference and checks -------------------------------------------------------------------


def _pair(value: int | Pair) -> Pair:
    if isinstance(value, int):
        return value, value
    if not isinstance(value, Sequence) or len(value) != 2 or not all(map(_is_int, value)):
        raise NetworkError(f"{value!r} must be a whole number or two of them")
    return value[0], value[1]


def _feature_map(operator: Operator, shape: Shape) -> tuple[int, int, int]:
    if len(shape) != 3:
        raise NetworkError(f"{operator}: input {shape} is no (height, width, channels)")
    return shape[0], shape[1], shape[2]


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
    height, width, _ = _feature_map(operator, input_shape)
    kernel, step, spread = _pair(kernel_size), _pair(strides), _pair(dilation)
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
    out_h, rows = _slide(height, kernel[0], step[0], spread[0], rows)
    out_w, columns = _slide(width, kernel[1], step[1], spread[1], columns)
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


def _slide(size: int, kernel: int, stride: int, dilation: int, pads: Pair) -> tuple[int, Pair]:
    """Outputs along an axis, and the padding without what no window reads at the far end."""
    reach = (kernel - 1) * dilation + 1
    out = (size + sum(pads) - reach) // stride + 1
    needed = max((out - 1) * stride + reach - size - pads[0], 0)
    return out, (pads[0], needed)


def _pool(
    operator: Operator,
    input_shape: Shape,
    pool_size: int | Pair,
    strides: int | Pair | None,
    padding: str | Padding,
    activation: str,
    dtype: DType,
) -> Layer:
    channels = _feature_map(operator, input_shape)[2]
    return _windowed(
        operator,
        input_shape,
        channels,
        pool_size,
        pool_size if strides is None else strides,
        padding,
        activation=_field_value("activation", activation),
        dtype=dtype,
    )


def _check_shape(operator: str, shape: Shape) -> None:
    if not 1 <= len(shape) <= 3:
        raise NetworkError(f"{operator}: shape {shape} must have 1 to 3 axes, without the batch")
    if any(not _is_int(n) or not 1 <= n <= MAX_DIMENSION for n in shape):
        raise NetworkError(f"{operator}: every axis of {shape} must be 1 to {MAX_DIMENSION}")
    if math.prod(shape) > MAX_ELEMENTS:
        raise NetworkError(f"{operator}: {shape} has more than {MAX_ELEMENTS} elements")


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


_DEFAULTS: Final = {f.name: f.default for f in fields(Layer)}


def _meaningless(op: Operator) -> Iterator[str]:
    """The fields that say nothing about an operator, which equal layers must leave alone."""
    if op not in WINDOWED:
        yield from ("kernel_size", "strides", "padding")
    if op not in (Operator.CONV2D, Operator.DEPTHWISE_CONV2D):
        yield "dilation"
    if op is not Operator.DEPTHWISE_CONV2D:
        yield "depth_multiplier"


def _check_layer(layer: Layer) -> None:
    op = layer.operator
    for name, kind in _ENUMS.items():
        if not isinstance(getattr(layer, name), kind):
            raise NetworkError(f"{op}: {name} {getattr(layer, name)!r} is no {kind.__name__}")
    wanted = 2 if op is Operator.ADD else 1
    if len(layer.input_shapes) != wanted:
        raise NetworkError(f"{op}: {len(layer.input_shapes)} inputs, {wanted} wanted")
    for shape in (*layer.input_shapes, layer.output_shape):
        _check_shape(op, shape)
    counts = (*layer.kernel_size, *layer.strides, *layer.dilation, layer.depth_multiplier)
    if any(not _is_int(n) or not 1 <= n <= MAX_DIMENSION for n in counts) or any(
        not _is_int(n) or not 0 <= n <= MAX_DIMENSION for n in layer.padding
    ):
        raise NetworkError(
            f"{op}: kernel {layer.kernel_size}, strides {layer.strides}, dilation "
            f"{layer.dilation}, depth multiplier {layer.depth_multiplier} must be whole numbers "
            f"of 1 or more, padding {layer.padding} of 0 or more, and none over {MAX_DIMENSION}"
        )
    for name in _meaningless(op):
        if getattr(layer, name) != _DEFAULTS[name]:
            raise NetworkError(f"{op}: {name} {getattr(layer, name)} has no meaning there")
    if layer.activation is not Activation.NONE and op not in FUSING:
        raise NetworkError(f"{op}: cannot take the fused activation {layer.activation}")
    if layer.use_bias and op not in PARAMETRIC:
        raise NetworkError(f"{op}: has no bias")
    expected = _output_shape(layer)
    if expected != layer.output_shape:
        raise NetworkError(
            f"{op}: input {layer.input_shapes} gives {expected}, not {layer.output_shape}"
        )


def _output_shape(layer: Layer) -> Shape:
    """The output shape that the other fields imply, where they imply one."""
    op, shape, out = layer.operator, layer.input_shape, layer.output_shape
    if op in WINDOWED:
        height, width, channels = _feature_map(op, shape)
        top, left, bottom, right = layer.padding
        kernel, step, spread = layer.kernel_size, layer.strides, layer.dilation
        if op is Operator.CONV2D:
            channels = out[-1]
        elif op is Operator.DEPTHWISE_CONV2D:
            channels *= layer.depth_multiplier
        out_h, rows = _slide(height, kernel[0], step[0], spread[0], (top, bottom))
        out_w, columns = _slide(width, kernel[1], step[1], spread[1], (left, right))
        if (*rows, *columns) != (top, bottom, left, right):
            raise NetworkError(f"{op}: padding {layer.padding} holds rows that no window reads")
        reach = [(k - 1) * d + 1 for k, d in zip(kernel, spread, strict=True)]
        if any(pad >= n for pad, n in zip(layer.padding, (*reach, *reach), strict=True)):
            raise NetworkError(f"{op}: padding {layer.padding} is wider than the window {kernel}")
        return (out_h, out_w, channels)
    if op is Operator.DENSE:
        if len(shape) != 1:
            raise NetworkError(f"{op}: input {shape} is no vector; flatten it first")
        return (out[-1],)
    if op is Operator.GLOBAL_AVERAGE_POOL2D:
        return (_feature_map(op, shape)[2],)
    if op is Operator.RESHAPE:
        if math.prod(shape) != math.prod(out):
            raise NetworkError(f"{op}: {shape} cannot become {out}: other numbers of elements")
        return out
    if len(set(layer.input_shapes)) > 1:
        raise NetworkError(f"{op}: inputs {layer.input_shapes} must have one shape")
    return shape


def _check_network(network: Network) -> None:
    _check_shape("input", network.input_shape)
    if not 1 <= len(network.nodes) <= MAX_NODES:
        raise NetworkError(f"a network has 1 to {MAX_NODES} layers, not {len(network.nodes)}")
    used: set[int] = set()
    for i, node in enumerate(network.nodes):
        label = f"layer {i} ({node.name or node.layer.operator})"
        if node.layer.dtype is not network.dtype:
            raise NetworkError(f"{label}: is {node.layer.dtype} in a {network.dtype} network")
        if len(node.inputs) != len(node.layer.input_shapes):
            raise NetworkError(
                f"{label}: {len(node.inputs)} inputs are wired, "
                f"{len(node.layer.input_shapes)} wanted"
            )
        for value, shape in zip(node.inputs, node.layer.input_shapes, strict=True):
            if not _is_int(value) or not 0 <= value <= i:
                raise NetworkError(f"{label}: input {value} is not made before it")
            if network.shape_of(value) != shape:
                raise NetworkError(
                    f"{label}: expects {shape}, value {value} is {network.shape_of(value)}"
                )
            used.add(value)
    unused = set(range(len(network.nodes))) - used
    if unused:
        raise NetworkError(f"values {sorted(unused)} are never used; remove what makes them")


# --- plain data -----------------------------------------------------------------------------


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(v) for v in value]
    return str(value) if isinstance(value, StrEnum) else value


_ENUMS: Final[Mapping[str, type[StrEnum]]] = {
    "operator": Operator,
    "dtype": DType,
    "activation": Activation,
}
_NETWORK_FIELDS: Final = frozenset({"version", "dtype", "input_shape", "nodes"})
_NODE_FIELDS: Final = frozenset({"layer", "inputs", "name"})
_TUPLE_LENGTHS: Final = {"kernel_size": 2, "strides": 2, "padding": 4, "dilation": 2}


def _layer_from_dict(data: Any) -> Layer:
    if not isinstance(data, Mapping):
        raise NetworkError(f"a layer must be an object, not {type(data).__name__}")
    known = {f.name for f in fields(Layer)}
    unknown = set(data) - known
    missing = {"operator", "input_shapes", "output_shape"} - set(data)
    if unknown or missing:
        raise NetworkError(f"layer: unknown fields {_short(unknown)}, missing {_short(missing)}")
    return Layer(**{name: _field_value(name, value) for name, value in data.items()})


def _field_value(name: str, value: Any) -> Any:
    if name in _ENUMS:
        choices = [str(member) for member in _ENUMS[name]]
        if value not in choices:
            raise NetworkError(f"layer: {name} {_short(value)} is none of {', '.join(choices)}")
        return _ENUMS[name](value)
    if name == "use_bias":
        if not isinstance(value, bool):
            raise NetworkError(f"layer: use_bias {_short(value)} must be true or false")
        return value
    if name == "depth_multiplier":
        return _ints(name, [value], 1)[0]
    if name == "input_shapes":
        if not isinstance(value, list):
            raise NetworkError(f"layer: input_shapes {_short(value)} must be a list of shapes")
        return tuple(_ints(name, shape) for shape in value)
    return _ints(name, value, _TUPLE_LENGTHS.get(name))


def _ints(name: str, value: Any, length: int | None = None) -> tuple[int, ...]:
    if not isinstance(value, list) or not all(map(_is_int, value)):
        raise NetworkError(f"{name} {_short(value)} must be a list of whole numbers")
    if length is not None and len(value) != length:
        raise NetworkError(f"{name} {_short(value)} must have {length} numbers")
    return tuple(value)


def _network_from_dict(data: Any) -> Network:
    if not isinstance(data, Mapping):
        raise NetworkError(f"a network must be an object, not {type(data).__name__}")
    version = data.get("version")
    if not _is_int(version) or version != NETWORK_JSON_VERSION:
        raise NetworkError(
            f"network version {_short(version)}: this hwnas reads version {NETWORK_JSON_VERSION}"
        )
    _refuse_unknown("network", data, _NETWORK_FIELDS)
    nodes = data.get("nodes")
    if not isinstance(nodes, list):
        raise NetworkError("a network's nodes must be a list")
    return Network(
        _ints("input_shape", data.get("input_shape")),
        tuple(_nodes_from(nodes)),
        _field_value("dtype", data.get("dtype")),
    )


def _refuse_unknown(what: str, data: Mapping[str, Any], known: frozenset[str]) -> None:
    unknown = set(data) - known
    if unknown:
        raise NetworkError(f"{what}: unknown fields {_short(unknown)}")


def _nodes_from(nodes: list[Any]) -> Iterator[Node]:
    for node in nodes:
        if not isinstance(node, Mapping) or not isinstance(node.get("name", ""), str):
            raise NetworkError("a node must be an object whose name is a text")
        _refuse_unknown("node", node, _NODE_FIELDS)
        yield Node(
            _layer_from_dict(node.get("layer")),
            _ints("inputs", node.get("inputs")),
            node.get("name", ""),
        )
