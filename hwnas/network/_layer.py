"""One layer: an operator with everything that decides what it costs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from hwnas.network._checks import check_layer
from hwnas.network._operators import (
    WINDOWED,
    Activation,
    DType,
    Operator,
    Padding,
    Pair,
    Shape,
)
from hwnas.network._plain import layer_fields, plain


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
            reads, so ``"same"`` and an equal explicit padding are one layer; those that a pad
            adds.
        dilation: Vertical and horizontal distance between the window's taps.
        depth_multiplier: Outputs an input channel of a depthwise convolution has.
        groups: Parts into which a convolution splits its channels; each output reads one part.
        axis: Along which a concatenation joins, counted from the last: -1 for the channels.
        operand: Shape of the constant second operand of an addition, subtraction or
            multiplication; empty where both operands are inputs.
        operand_first: Whether a subtraction takes its input from the constant.
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
    groups: int = 1
    axis: int = -1
    operand: Shape = ()
    operand_first: bool = False
    activation: Activation = Activation.NONE
    use_bias: bool = False

    def __post_init__(self) -> None:
        check_layer(self)

    @property
    def input_shape(self) -> Shape:
        """Shape of the first input."""
        return self.input_shapes[0]

    @property
    def is_free(self) -> bool:
        """True for a reshape: no step of the plan, no cycles."""
        return self.operator is Operator.RESHAPE

    @property
    def input_dtype(self) -> DType:
        """Type of what it reads: floats where it quantizes, else :attr:`dtype`."""
        return DType.FLOAT32 if self.operator is Operator.QUANTIZE else self.dtype

    @property
    def output_dtype(self) -> DType:
        """Type of what it makes: floats where it dequantizes, else :attr:`dtype`."""
        return DType.FLOAT32 if self.operator is Operator.DEQUANTIZE else self.dtype

    def to_dict(self) -> dict[str, Any]:
        """Canonical plain data: fields in order, those at their default left out."""
        out: dict[str, Any] = {}
        for f in fields(self):
            value = getattr(self, f.name)
            if value != f.default:
                out[f.name] = plain(value)
        return out

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Layer:
        """The inverse of :meth:`to_dict`, for untrusted data.

        Raises:
            NetworkError: A field is missing, unknown, of a wrong type or out of range.
        """
        return cls(**layer_fields(data, {f.name for f in fields(cls)}))

    def canonical(self) -> str:
        """Compact JSON that is equal for two layers exactly when they cost the same."""
        return json.dumps(self.to_dict(), separators=(",", ":"))

    @property
    def digest(self) -> str:
        """SHA-256 of :meth:`canonical`, in hexadecimal."""
        return hashlib.sha256(self.canonical().encode()).hexdigest()

    def describe(self) -> str:
        """Short text for tables: ``conv2d 5x5/1 28x28x1 -> 28x28x6``."""
        sources = [_times(shape) for shape in self.input_shapes]
        if self.operand:
            sources.insert(0 if self.operand_first else 1, f"constant {_times(self.operand)}")
        window = ""
        if self.operator in WINDOWED:
            window = f" {_times(self.kernel_size)}/{self.strides[0]}"
        return f"{self.operator}{window} {','.join(sources)} -> {_times(self.output_shape)}"


def _times(shape: Shape) -> str:
    return "x".join(map(str, shape))
