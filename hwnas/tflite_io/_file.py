"""A TFLite file as plain data: tensors and operators of its one graph.

The file is not trusted. Whatever it holds, reading it ends in a :class:`TfliteGraph` whose indices
and sizes fit each other, or in a typed error.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import numpy as np

from hwnas._text import printable
from hwnas.errors import HwnasError, NetworkError, UnsupportedLayerError
from hwnas.network import MAX_NODES

_IDENTIFIER: Final = b"TFL3"
_IDENTIFIER_AT: Final = 4
_VERSION: Final = 3
_MOST_TENSORS: Final = 16 * MAX_NODES
_MOST_AXES: Final = 8
_MOST_NAME: Final = 200
_LARGEST_SHARE: Final = 4
"""Parts of a file may be used more than once, but all that is read is not many times the file: else
a small file, whose parts overlap, would take any amount of memory."""
_DAMAGE: Final = (struct.error, IndexError, ValueError, TypeError, OverflowError, AttributeError)
"""What the accessors that flatbuffers generates raise on damaged bytes; they check nothing."""
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class TfliteTensor:
    """A tensor of a graph.

    Attributes:
        name: For people.
        shape: With the batch.
        type: Name of its type in TFLite's schema: ``INT8``.
        data: What a constant holds, little-endian; empty for what is computed.
        scales: None, one, or one a channel.
        zero_points: As many.
    """

    name: str
    shape: tuple[int, ...]
    type: str
    data: bytes
    scales: tuple[float, ...]
    zero_points: tuple[int, ...]

    @property
    def is_constant(self) -> bool:
        """Whether the file holds its values."""
        return bool(self.data)


@dataclass(frozen=True, slots=True)
class TfliteOperator:
    """An operator of a graph.

    Attributes:
        kind: Name of the operator in TFLite's schema: ``CONV_2D``.
        inputs: Numbers of tensors, -1 for one that is left out.
        outputs: Numbers of tensors.
        options: The accessors of its options; ``None`` where the file has none.
    """

    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Any


@dataclass(frozen=True, slots=True)
class TfliteGraph:
    """The one graph of a file, with one input and one output.

    Attributes:
        tensors: By their numbers.
        operators: In execution order.
        input: Number of the input's tensor.
        output: Number of the output's tensor.
    """

    tensors: tuple[TfliteTensor, ...]
    operators: tuple[TfliteOperator, ...]
    input: int
    output: int


def tflite_schema() -> Any:
    """The classes that flatbuffers generates from TFLite's schema; they need no tensorflow.

    Raises:
        HwnasError: ai-edge-litert is not installed.
    """
    try:
        from ai_edge_litert import schema_py_generated
    except ImportError as error:
        raise HwnasError(
            f"TFLite files need the package ai-edge-litert ({error}): pip install 'hwnas[tflite]'"
        ) from error
    return schema_py_generated


def read_graph(data: bytes) -> TfliteGraph:
    """Read a file's bytes.

    Raises:
        NetworkError: They are damaged, or no TFLite file.
        UnsupportedLayerError: The model has several graphs, inputs or outputs, or an operator that
            is not TFLite's own.
        HwnasError: ai-edge-litert is not installed.
    """
    schema = tflite_schema()
    if data[_IDENTIFIER_AT : _IDENTIFIER_AT + len(_IDENTIFIER)] != _IDENTIFIER:
        raise NetworkError("is no TFLite file: the bytes TFL3 are missing at its head")
    return checked(lambda: _Reader(schema, data).graph())


def checked(read: Callable[[], _T]) -> _T:
    """What reading gives, with a typed error in place of whatever damaged bytes lead to.

    Raises:
        NetworkError: The bytes are damaged.
    """
    try:
        return read()
    except _DAMAGE as error:
        raise NetworkError(f"is damaged, or cut off ({type(error).__name__}: {error})") from error


class _Reader:
    def __init__(self, schema: Any, data: bytes) -> None:
        self._schema = schema
        self._model = schema.Model.GetRootAs(data, 0)
        self._types = _names(schema.TensorType)
        self._kinds = _names(schema.BuiltinOperator)
        self._option_types = _names(schema.BuiltinOptions)
        self._buffers: dict[int, bytes] = {}
        self._bytes_left = _LARGEST_SHARE * len(data)

    def graph(self) -> TfliteGraph:
        model = self._model
        if model.Version() != _VERSION:
            raise NetworkError(f"has version {model.Version()} of the format; 3 can be read")
        if model.SubgraphsLength() != 1:
            raise UnsupportedLayerError(
                f"has {model.SubgraphsLength()} graphs; networks have one: convert a model without "
                "control flow and with one signature"
            )
        graph = model.Subgraphs(0)
        tensors = tuple(
            self._tensor(graph.Tensors(i))
            for i in range(_bounded("tensors", graph.TensorsLength()))
        )
        operators = tuple(
            self._operator(graph.Operators(i), len(tensors))
            for i in range(_bounded("operators", graph.OperatorsLength()))
        )
        ends = [
            self._end(what, found, len(tensors))
            for what, found in (
                ("inputs", self._numbers(graph.InputsAsNumpy())),
                ("outputs", self._numbers(graph.OutputsAsNumpy())),
            )
        ]
        return TfliteGraph(tensors, operators, *ends)

    def _tensor(self, tensor: Any) -> TfliteTensor:
        name = self._text(tensor.Name())
        shape = self._numbers(tensor.ShapeAsNumpy())
        if len(shape) > _MOST_AXES or any(side < 0 for side in shape):
            raise NetworkError(f"tensor {name!r} has shape {shape}, which no network has")
        # The batch may be open; the file then says 1 for it.
        if any(side < 0 for side in self._numbers(tensor.ShapeSignatureAsNumpy())[1:]):
            raise UnsupportedLayerError(
                f"tensor {name!r} has a shape that is not fixed; give the model a fixed input shape"
            )
        if tensor.Sparsity() is not None:
            raise UnsupportedLayerError(
                f"tensor {name!r} is sparse; convert the model without that"
            )
        kind = self._types.get(tensor.Type(), f"type {tensor.Type()}")
        quantization = tensor.Quantization()
        scales: tuple[float, ...] = ()
        points: tuple[int, ...] = ()
        if quantization is not None:
            scales = tuple(map(float, self._values(quantization.ScaleAsNumpy())))
            points = self._numbers(quantization.ZeroPointAsNumpy())
        return TfliteTensor(name, shape, kind, self._data(name, tensor), scales, points)

    def _data(self, name: str, tensor: Any) -> bytes:
        number = tensor.Buffer()
        if number in self._buffers:
            return self._buffers[number]
        if number >= self._model.BuffersLength():
            raise NetworkError(f"tensor {name!r} has buffer {number}, which the file does not have")
        buffer = self._model.Buffers(number)
        if buffer.Offset() > 1:
            raise UnsupportedLayerError(f"tensor {name!r} lies outside the flatbuffer")
        data = np.asarray(self._values(buffer.DataAsNumpy()), np.uint8).tobytes()
        self._buffers[number] = data
        return data

    def _operator(self, operator: Any, tensors: int) -> TfliteOperator:
        number = operator.OpcodeIndex()
        if number >= self._model.OperatorCodesLength():
            raise NetworkError(f"operator code {number} is missing")
        code = self._model.OperatorCodes(number)
        # Files of old converters have the number in one field, later ones in the other.
        builtin = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        kind = self._kinds.get(builtin, f"operator {builtin}")
        if kind == "CUSTOM":
            raise UnsupportedLayerError(
                f"has a custom operator ({self._text(code.CustomCode())}); build the model of "
                "layers that TFLite has"
            )
        inputs = self._numbers(operator.InputsAsNumpy())
        outputs = self._numbers(operator.OutputsAsNumpy())
        if any(not -1 <= i < tensors for i in inputs) or any(not 0 <= i < tensors for i in outputs):
            raise NetworkError(f"{kind} reads or writes tensors that the file does not have")
        if not outputs:
            raise NetworkError(f"{kind} writes nothing")
        return TfliteOperator(kind, inputs, outputs, self._options(operator))

    def _options(self, operator: Any) -> Any:
        table = operator.BuiltinOptions()
        if table is None:
            return None
        kind = self._option_types.get(operator.BuiltinOptionsType(), "")
        made = getattr(self._schema, kind, None)
        if made is None:
            return None
        options = made()
        options.Init(table.Bytes, table.Pos)
        return options

    def _values(self, found: Any) -> Any:
        """A vector of the file; one that is missing reads as the number 0."""
        if isinstance(found, int):
            return ()
        self._spend(found.nbytes)
        return found

    def _numbers(self, found: Any) -> tuple[int, ...]:
        return tuple(self._values(found).tolist()) if not isinstance(found, int) else ()

    def _text(self, found: bytes | None) -> str:
        self._spend(len(found or b""))
        return printable((found or b"")[:_MOST_NAME].decode("utf-8", "replace"))

    def _spend(self, size: int) -> None:
        self._bytes_left -= size
        if self._bytes_left < 0:
            raise NetworkError("is damaged: its parts overlap")

    def _end(self, what: str, found: Sequence[int], tensors: int) -> int:
        if len(found) != 1:
            raise UnsupportedLayerError(
                f"has {len(found)} {what}; networks have one: split the model"
            )
        if not 0 <= found[0] < tensors:
            raise NetworkError(f"tensor {found[0]} is missing")
        return found[0]


def _names(enumeration: Any) -> dict[int, str]:
    return {value: name for name, value in vars(enumeration).items() if isinstance(value, int)}


def _bounded(what: str, count: int) -> int:
    if count > _MOST_TENSORS:
        raise NetworkError(f"has {count} {what}, more than the {_MOST_TENSORS} that are read")
    return count
