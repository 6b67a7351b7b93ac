"""Puts networks together, layer by layer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from hwnas.errors import NetworkError
from hwnas.network import _constructors as make
from hwnas.network._graph import Network, Node
from hwnas.network._layer import Layer
from hwnas.network._operators import DType, Operator, Padding, Pair, Shape
from hwnas.network._plain import field_value


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
        self._dtype: DType = field_value("dtype", dtype)
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
        return self._unary(make.conv2d, x, filters, kernel_size, **options)

    def depthwise_conv2d(self, x: int, kernel_size: int | Pair, **options: Any) -> int:
        """See :func:`depthwise_conv2d`."""
        return self._unary(make.depthwise_conv2d, x, kernel_size, **options)

    def dense(self, x: int, units: int, **options: Any) -> int:
        """See :func:`dense`."""
        return self._unary(make.dense, x, units, **options)

    def max_pool2d(self, x: int, pool_size: int | Pair = 2, **options: Any) -> int:
        """See :func:`max_pool2d`."""
        return self._unary(make.max_pool2d, x, pool_size, **options)

    def average_pool2d(self, x: int, pool_size: int | Pair = 2, **options: Any) -> int:
        """See :func:`average_pool2d`."""
        return self._unary(make.average_pool2d, x, pool_size, **options)

    def global_average_pool2d(self, x: int, **options: Any) -> int:
        """See :func:`global_average_pool2d`."""
        return self._unary(make.global_average_pool2d, x, **options)

    def softmax(self, x: int, **options: Any) -> int:
        """See :func:`softmax`."""
        return self._unary(make.softmax, x, **options)

    def relu(self, x: int, **options: Any) -> int:
        """See :func:`relu`."""
        return self._unary(make.relu, x, **options)

    def relu6(self, x: int, **options: Any) -> int:
        """See :func:`relu6`."""
        return self._unary(make.relu6, x, **options)

    def reshape(self, x: int, output_shape: Sequence[int], **options: Any) -> int:
        """See :func:`reshape`."""
        return self._unary(make.reshape, x, tuple(output_shape), **options)

    def flatten(self, x: int, **options: Any) -> int:
        """A reshape to a vector."""
        return self.reshape(x, (math.prod(self.shape(x)),), **options)

    def global_max_pool2d(self, x: int, **options: Any) -> int:
        """See :func:`global_max_pool2d`."""
        return self._unary(make.global_max_pool2d, x, **options)

    def leaky_relu(self, x: int, **options: Any) -> int:
        """See :func:`leaky_relu`."""
        return self._unary(make.leaky_relu, x, **options)

    def logistic(self, x: int, **options: Any) -> int:
        """See :func:`logistic`."""
        return self._unary(make.logistic, x, **options)

    def tanh(self, x: int, **options: Any) -> int:
        """See :func:`tanh`."""
        return self._unary(make.tanh, x, **options)

    def hard_swish(self, x: int, **options: Any) -> int:
        """See :func:`hard_swish`."""
        return self._unary(make.hard_swish, x, **options)

    def pad(self, x: int, padding: Padding, **options: Any) -> int:
        """See :func:`pad`."""
        return self._unary(make.pad, x, padding, **options)

    def quantize(self, x: int, **options: Any) -> int:
        """See :func:`quantize`."""
        return self._unary(make.quantize, x, **options)

    def dequantize(self, x: int, **options: Any) -> int:
        """See :func:`dequantize`."""
        return self._unary(make.dequantize, x, **options)

    def requantize(self, x: int, **options: Any) -> int:
        """See :func:`requantize`."""
        return self._unary(make.requantize, x, **options)

    def add(self, x: int, y: int | None = None, **options: Any) -> int:
        """An element-wise sum; see :func:`binary`."""
        return self._binary(Operator.ADD, x, y, **options)

    def sub(self, x: int, y: int | None = None, **options: Any) -> int:
        """An element-wise difference; see :func:`binary`."""
        return self._binary(Operator.SUB, x, y, **options)

    def mul(self, x: int, y: int | None = None, **options: Any) -> int:
        """An element-wise product; see :func:`binary`."""
        return self._binary(Operator.MUL, x, y, **options)

    def concatenation(self, values: Sequence[int], *, axis: int = -1, name: str = "") -> int:
        """See :func:`concatenation`."""
        shapes = [self.shape(value) for value in values]
        layer = make.concatenation(shapes, axis=axis, dtype=self._dtype)
        return self.append(layer, *values, name=name)

    def build(self) -> Network:
        """The finished network; its output is the value made last."""
        return Network(self._input_shape, tuple(self._nodes), self._dtype)

    def _binary(
        self, operator: Operator, x: int, y: int | None, *, name: str = "", **options: Any
    ) -> int:
        second = () if y is None else self.shape(y)
        layer = make.binary(operator, self.shape(x), second, dtype=self._dtype, **options)
        return self.append(layer, x, *([] if y is None else [y]), name=name)

    def _unary(self, constructor: Any, x: int, *args: Any, name: str = "", **options: Any) -> int:
        layer: Layer = constructor(self.shape(x), *args, dtype=self._dtype, **options)
        return self.append(layer, x, name=name)
