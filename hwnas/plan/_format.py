"""The records of a plan, version 1, as docs/plan-format.md lays them down."""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple

from hwnas.arena import tensor_bytes
from hwnas.errors import PlanError
from hwnas.network import DType, Layer, Operator, Shape

MAGIC: Final = 0x504E_5748
PLAN_VERSION: Final = 1
HEADER: Final = struct.Struct("<I2H3I4H2BH4I")
TENSOR: Final = struct.Struct("<2B3H3Ii")
STEP: Final = struct.Struct("<2B17H2I2i11i")
CONSTANTS: Final = 11
"""Number of a step's values p."""
MAX_TENSORS: Final = 1024
MAX_STEPS: Final = 512
NO_TENSOR: Final = 0xFFFF
PARAMETER_ALIGNMENT: Final = 32
"""Every parameter in flash starts at a multiple of this, in bytes: the synthetic pool's alignment
is a line of the flash caches, and attached parameters must cost the same."""


class Region(IntEnum):
    """Where a tensor lies."""

    ARENA = 0
    PARAMETERS = 1


class Place(NamedTuple):
    """Where a parameter tensor lies: the region, and bytes from its start."""

    region: Region
    offset: int


class ParameterKind(StrEnum):
    """What a parameter tensor holds."""

    WEIGHTS = "weights"
    BIAS = "bias"
    MULTIPLIERS = "multipliers"
    SHIFTS = "shifts"
    OPERAND = "operand"

    @property
    def has_layers_dtype(self) -> bool:
        """True for what is int8 in int8 layers, where all else is int32."""
        return self in (ParameterKind.WEIGHTS, ParameterKind.OPERAND)

    def element_bytes(self, dtype: DType) -> int:
        """Size of one element of this kind in a layer of that type."""
        return 1 if dtype is DType.INT8 and self.has_layers_dtype else 4


_REFERENCED: Final = (
    ParameterKind.WEIGHTS,
    ParameterKind.BIAS,
    ParameterKind.MULTIPLIERS,
    ParameterKind.SHIFTS,
)
"""Parameters that a step has a field for; a constant operand is one of its inputs."""


_OPERATOR_CODES: Final[Mapping[Operator, int]] = MappingProxyType(
    {
        Operator.CONV2D: 1,
        Operator.DEPTHWISE_CONV2D: 2,
        Operator.DENSE: 3,
        Operator.MAX_POOL2D: 4,
        Operator.AVERAGE_POOL2D: 5,
        Operator.GLOBAL_AVERAGE_POOL2D: 6,
        Operator.SOFTMAX: 7,
        Operator.RELU: 8,
        Operator.RELU6: 8,
        Operator.ADD: 9,
        Operator.SUB: 10,
        Operator.MUL: 11,
        Operator.CONCATENATION: 12,
        Operator.PAD: 13,
        Operator.GLOBAL_MAX_POOL2D: 14,
        Operator.LOGISTIC: 15,
        Operator.TANH: 16,
        Operator.HARD_SWISH: 17,
        Operator.LEAKY_RELU: 18,
        Operator.QUANTIZE: 19,
        Operator.DEQUANTIZE: 20,
        Operator.REQUANTIZE: 21,
    }
)
_DTYPE_INT8: Final = 0
_DTYPE_INT32: Final = 1
_DTYPE_FLOAT32: Final = 2


def parameter_counts(layer: Layer) -> dict[ParameterKind, int]:
    """Elements of each parameter tensor of a layer, in the order in which they are placed.

    Example:
        >>> from hwnas.network import dense
        >>> {str(kind): count for kind, count in parameter_counts(dense((8,), 4)).items()}
        {'weights': 32, 'bias': 4}
    """
    channels = layer.output_shape[-1]
    if layer.operator is Operator.CONV2D:
        weights = channels * math.prod(layer.kernel_size) * layer.input_shape[-1] // layer.groups
    elif layer.operator is Operator.DEPTHWISE_CONV2D:
        weights = channels * math.prod(layer.kernel_size)
    elif layer.operator is Operator.DENSE:
        weights = channels * layer.input_shape[-1]
    else:
        return {ParameterKind.OPERAND: math.prod(layer.operand)} if layer.operand else {}
    counts = {ParameterKind.WEIGHTS: weights}
    if layer.use_bias:
        counts[ParameterKind.BIAS] = channels
    if layer.dtype is DType.INT8 and layer.operator is not Operator.DENSE:
        counts[ParameterKind.MULTIPLIERS] = counts[ParameterKind.SHIFTS] = channels
    return counts


def plan_bytes(tensors: int, steps: int) -> int:
    """Size of a plan, in bytes."""
    return HEADER.size + tensors * TENSOR.size + steps * STEP.size


def activation_record(shape: Shape, dtype: DType, offset: int, zero_point: int) -> bytes:
    """The record of an activation in the arena; axes that a shape lacks are 1."""
    height, width, channels = (1, 1, *shape)[-3:]
    return TENSOR.pack(
        Region.ARENA,
        _DTYPE_FLOAT32 if dtype is DType.FLOAT32 else _DTYPE_INT8,
        height,
        width,
        0,
        channels,
        offset,
        tensor_bytes(shape, dtype),
        zero_point,
    )


def parameter_record(
    kind: ParameterKind, dtype: DType, count: int, place: Place, zero_point: int
) -> bytes:
    """The record of a parameter tensor of a layer of that type.

    Operands of int8 layers alone have a zero point other than 0.
    """
    if dtype is DType.FLOAT32:
        code = _DTYPE_FLOAT32
    else:
        code = _DTYPE_INT8 if kind.has_layers_dtype else _DTYPE_INT32
    size = count * kind.element_bytes(dtype)
    return TENSOR.pack(place.region, code, 1, 1, 0, count, place.offset, size, zero_point)


@dataclass(frozen=True, slots=True)
class StepTensors:
    """Tensor indices that a step refers to.

    Attributes:
        inputs: One or more, a constant operand among them.
        output: Is written.
        parameters: By kind; what is missing becomes "none".
    """

    inputs: tuple[int, ...]
    output: int
    parameters: Mapping[ParameterKind, int]


def step_record(
    layer: Layer,
    tensors: StepTensors,
    scratch: tuple[int, int],
    bounds: tuple[int, int],
    constants: Sequence[int],
) -> bytes:
    """The record of a step.

    Args:
        layer: What is computed; no reshape.
        tensors: What it refers to.
        scratch: Offset and size, in bytes.
        bounds: Smallest and largest output.
        constants: The values p that the operator has; those of a concatenation are made here.
    """
    if layer.operator is Operator.CONCATENATION:
        constants = (len(tensors.inputs), -1 - layer.axis, *tensors.inputs[2:])
    return STEP.pack(
        _OPERATOR_CODES[layer.operator],
        0,
        tensors.inputs[0],
        tensors.inputs[1] if len(tensors.inputs) > 1 else NO_TENSOR,
        tensors.output,
        *(tensors.parameters.get(kind, NO_TENSOR) for kind in _REFERENCED),
        *layer.kernel_size,
        *layer.strides,
        *layer.padding[:2],
        *layer.dilation,
        layer.depth_multiplier,
        layer.groups,
        *scratch,
        *bounds,
        *constants,
        *(0,) * (CONSTANTS - len(constants)),
    )


@dataclass(frozen=True, slots=True)
class PlanHeader:
    """What the header tells beside sizes and checksum.

    Attributes:
        arena_bytes: Size of the arena.
        input_tensor: The network's input.
        output_tensor: The network's output.
        kernel_set: Code of the kernel set.
        attached: False where the parameters are the synthetic pool's.
        parameter_bytes: Extent used of the parameter region.
    """

    arena_bytes: int
    input_tensor: int
    output_tensor: int
    kernel_set: int
    attached: bool
    parameter_bytes: int


def pack_plan(header: PlanHeader, tensors: Sequence[bytes], steps: Sequence[bytes]) -> bytes:
    """The whole plan.

    Raises:
        PlanError: There are too many tensors or steps, or no step at all.
    """
    if not 1 <= len(steps) <= MAX_STEPS:
        raise PlanError(
            f"a plan has 1 to {MAX_STEPS} steps, not {len(steps)} (reshapes are none): "
            "measure the layers one by one"
        )
    if len(tensors) > MAX_TENSORS:
        raise PlanError(
            f"a plan has at most {MAX_TENSORS} tensors (activations, weights, biases, multipliers "
            f"and shifts), this one {len(tensors)}: measure the layers one by one"
        )
    body = b"".join((*tensors, *steps))
    return (
        HEADER.pack(
            MAGIC,
            PLAN_VERSION,
            HEADER.size,
            HEADER.size + len(body),
            zlib.crc32(body),
            header.arena_bytes,
            len(tensors),
            len(steps),
            header.input_tensor,
            header.output_tensor,
            header.kernel_set,
            header.attached,
            0,
            header.parameter_bytes,
            0,
            0,
            0,
        )
        + body
    )
