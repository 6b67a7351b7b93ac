"""What must hold for a layer and for a network."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Final

from hwnas.errors import NetworkError
from hwnas.network._geometry import as_vector, feature_map, is_int, largest, slide, spreads
from hwnas.network._operators import (
    BINARY,
    CONVERSIONS,
    CONVOLUTIONS,
    FUSING,
    MAX_DIMENSION,
    MAX_ELEMENTS,
    MAX_JOINED,
    MAX_NODES,
    PARAMETRIC,
    WINDOWED,
    Activation,
    DType,
    Operator,
    Pair,
    Shape,
)
from hwnas.network._plain import ENUMS

if TYPE_CHECKING:
    from hwnas.network._graph import Network
    from hwnas.network._layer import Layer


def check_layer(layer: Layer) -> None:
    """Refuse a layer that cannot be.

    Raises:
        NetworkError: A value is out of range, or the shapes contradict each other.
    """
    op = layer.operator
    for name, kind in ENUMS.items():
        if not isinstance(getattr(layer, name), kind):
            raise NetworkError(f"{op}: {name} {getattr(layer, name)!r} is no {kind.__name__}")
    _check_inputs(layer)
    _check_numbers(layer)
    _check_meaning(layer)
    expected = _implied_output(layer)
    if expected != layer.output_shape:
        raise NetworkError(
            f"{op}: input {layer.input_shapes} gives {expected}, not {layer.output_shape}"
        )


def check_network(network: Network) -> None:
    """Refuse a network that cannot be.

    Raises:
        NetworkError: An index points forward, a shape or type does not match, a result is never
            used, or there is no node at all.
    """
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
            if not is_int(value) or not 0 <= value <= i:
                raise NetworkError(f"{label}: input {value} is not made before it")
            if network.shape_of(value) != shape:
                raise NetworkError(
                    f"{label}: expects {shape}, value {value} is {network.shape_of(value)}"
                )
            used.add(value)
        _check_end(network, i, label)
    unused = set(range(len(network.nodes))) - used
    if unused:
        raise NetworkError(f"values {sorted(unused)} are never used; remove what makes them")


def _check_end(network: Network, index: int, label: str) -> None:
    """Floats are at the ends of an int8 network alone."""
    operator = network.nodes[index].layer.operator
    if operator is Operator.DEQUANTIZE and index != len(network.nodes) - 1:
        raise NetworkError(f"{label}: makes floats, which only a network's output may be")
    if operator is Operator.QUANTIZE and (
        network.nodes[index].inputs != (0,)
        or any(0 in node.inputs for i, node in enumerate(network.nodes) if i != index)
    ):
        raise NetworkError(f"{label}: reads floats; it must be all that reads the network's input")


def _check_shape(operator: str, shape: Shape) -> None:
    if not 1 <= len(shape) <= 3:
        raise NetworkError(f"{operator}: shape {shape} must have 1 to 3 axes, without the batch")
    if any(not is_int(n) or not 1 <= n <= MAX_DIMENSION for n in shape):
        raise NetworkError(f"{operator}: every axis of {shape} must be 1 to {MAX_DIMENSION}")
    if math.prod(shape) > MAX_ELEMENTS:
        raise NetworkError(f"{operator}: {shape} has more than {MAX_ELEMENTS} elements")


def _check_inputs(layer: Layer) -> None:
    op, least, most = layer.operator, 1, 1
    if op is Operator.CONCATENATION:
        least, most = 2, MAX_JOINED
    elif op in BINARY and not layer.operand:
        least = most = 2
    if not least <= len(layer.input_shapes) <= most:
        wanted = least if least == most else f"{least} to {most}"
        raise NetworkError(f"{op}: {len(layer.input_shapes)} inputs, {wanted} wanted")
    for shape in (*layer.input_shapes, layer.output_shape):
        _check_shape(op, shape)


def _check_numbers(layer: Layer) -> None:
    counts = (
        *layer.kernel_size, *layer.strides, *layer.dilation, layer.depth_multiplier, layer.groups,
    )  # fmt: skip
    if any(not is_int(n) or not 1 <= n <= MAX_DIMENSION for n in counts) or any(
        not is_int(n) or not 0 <= n <= MAX_DIMENSION for n in layer.padding
    ):
        raise NetworkError(
            f"{layer.operator}: kernel {layer.kernel_size}, strides {layer.strides}, dilation "
            f"{layer.dilation}, depth multiplier {layer.depth_multiplier} and groups "
            f"{layer.groups} must be whole numbers of 1 or more, padding "
            f"{layer.padding} of 0 or more, and none over {MAX_DIMENSION}"
        )


def _meaningless(op: Operator) -> Iterator[str]:
    """The fields that say nothing about an operator, which equal layers must leave alone."""
    if op not in WINDOWED:
        yield from ("kernel_size", "strides")
        if op is not Operator.PAD:
            yield "padding"
    if op not in CONVOLUTIONS:
        yield "dilation"
    if op is not Operator.DEPTHWISE_CONV2D:
        yield "depth_multiplier"
    if op is not Operator.CONV2D:
        yield "groups"
    if op is not Operator.CONCATENATION:
        yield "axis"
    if op not in BINARY:
        yield "operand"
    if op is not Operator.SUB:
        yield "operand_first"


_SCALING: Final = CONVERSIONS | {Operator.REQUANTIZE}
_MEANINGLESS: Final = {op: tuple(_meaningless(op)) for op in Operator}


def _check_meaning(layer: Layer) -> None:
    op = layer.operator
    for name in _MEANINGLESS[op]:
        if getattr(layer, name) != layer.__dataclass_fields__[name].default:
            raise NetworkError(f"{op}: {name} {getattr(layer, name)} has no meaning there")
    if layer.activation is not Activation.NONE and op not in FUSING:
        raise NetworkError(f"{op}: cannot take the fused activation {layer.activation}")
    if layer.use_bias and op not in PARAMETRIC:
        raise NetworkError(f"{op}: has no bias")
    if layer.operand_first and not layer.operand:
        raise NetworkError(f"{op}: has no constant that could be its first operand")
    if op in _SCALING and layer.dtype is not DType.INT8:
        raise NetworkError(f"{op}: makes int8 of a scale; a {layer.dtype} network has none")


def _implied_output(layer: Layer) -> Shape:
    """The output shape that the other fields imply; the stated one where they imply none."""
    if layer.operator in WINDOWED:
        return _windowed_output(layer)
    if layer.operator in BINARY:
        return _binary_output(layer)
    infer = _OUTPUTS.get(layer.operator)
    return infer(layer) if infer else layer.input_shape


def _windowed_output(layer: Layer) -> Shape:
    op, out = layer.operator, layer.output_shape
    height, width, channels = feature_map(op, layer.input_shape)
    if op is Operator.CONV2D:
        if channels % layer.groups or out[-1] % layer.groups:
            raise NetworkError(
                f"{op}: {layer.groups} groups do not divide {channels} input and {out[-1]} "
                "output channels"
            )
        channels = out[-1]
    elif op is Operator.DEPTHWISE_CONV2D:
        channels *= layer.depth_multiplier
    top, left, bottom, right = layer.padding
    kernel, step, spread = layer.kernel_size, layer.strides, layer.dilation
    out_h, rows = slide(height, kernel[0], step[0], spread[0], (top, bottom))
    out_w, columns = slide(width, kernel[1], step[1], spread[1], (left, right))
    if (*rows, *columns) != (top, bottom, left, right):
        raise NetworkError(f"{op}: padding {layer.padding} holds rows that no window reads")
    reach: Pair = ((kernel[0] - 1) * spread[0] + 1, (kernel[1] - 1) * spread[1] + 1)
    if any(pad >= n for pad, n in zip(layer.padding, (*reach, *reach), strict=True)):
        raise NetworkError(f"{op}: padding {layer.padding} is wider than the window {kernel}")
    return (out_h, out_w, channels)


def _binary_output(layer: Layer) -> Shape:
    """The larger operand's shape; the other is equal, a vector of its channels, or one value."""
    op, operands = layer.operator, layer.input_shapes
    if layer.operand:
        _check_shape(op, layer.operand)
        operands = (*operands, layer.operand)
    larger = largest(operands)
    for shape in operands:
        if not spreads(shape, larger):
            raise NetworkError(
                f"{op}: the operands {operands} must be equal, or one a vector of the other's "
                "channels, or a single value"
            )
    if layer.operand and math.prod(larger) != math.prod(layer.input_shape):
        raise NetworkError(f"{op}: the constant {layer.operand} is larger than the input")
    if layer.operand != as_vector(layer.operand):
        # One way to write it, so that equal layers are equal.
        raise NetworkError(f"{op}: write the constant {layer.operand} as {layer.operand[-1:]}")
    return largest(layer.input_shapes)


def _dense_output(layer: Layer) -> Shape:
    if len(layer.input_shape) != 1:
        raise NetworkError(
            f"{layer.operator}: input {layer.input_shape} is no vector; flatten it first"
        )
    return (layer.output_shape[-1],)


def _global_pool_output(layer: Layer) -> Shape:
    return (feature_map(layer.operator, layer.input_shape)[2],)


def _joined_output(layer: Layer) -> Shape:
    """Of a concatenation: all axes but the joined one are equal."""
    shapes, axis = layer.input_shapes, layer.axis
    rank = len(shapes[0])
    if not is_int(axis) or not -rank <= axis < 0:
        raise NetworkError(f"{layer.operator}: axis {axis} must be -1 to -{rank}")
    rest = {(*shape[:axis], *shape[len(shape) + axis + 1 :]) for shape in shapes}
    if len(rest) > 1 or any(len(shape) != rank for shape in shapes):
        raise NetworkError(
            f"{layer.operator}: {shapes} must be equal but for the axis {axis} that is joined"
        )
    joined = list(shapes[0])
    joined[axis] = sum(shape[axis] for shape in shapes)
    return tuple(joined)


def _padded_output(layer: Layer) -> Shape:
    height, width, channels = feature_map(layer.operator, layer.input_shape)
    top, left, bottom, right = layer.padding
    return (height + top + bottom, width + left + right, channels)


def _reshaped_output(layer: Layer) -> Shape:
    shape, out = layer.input_shape, layer.output_shape
    if math.prod(shape) != math.prod(out):
        raise NetworkError(
            f"{layer.operator}: {shape} cannot become {out}: other numbers of elements"
        )
    return out


_OUTPUTS: Final[Mapping[Operator, Callable[[Layer], Shape]]] = {
    Operator.DENSE: _dense_output,
    Operator.GLOBAL_AVERAGE_POOL2D: _global_pool_output,
    Operator.GLOBAL_MAX_POOL2D: _global_pool_output,
    Operator.CONCATENATION: _joined_output,
    Operator.PAD: _padded_output,
    Operator.RESHAPE: _reshaped_output,
}
