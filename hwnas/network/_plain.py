"""Layers and networks as plain data, and back from untrusted data."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from reprlib import repr as _short
from typing import Any, Final

from hwnas.errors import NetworkError
from hwnas.network._geometry import is_int
from hwnas.network._operators import Activation, DType, Operator

ENUMS: Final[Mapping[str, type[StrEnum]]] = {
    "operator": Operator,
    "dtype": DType,
    "activation": Activation,
}
_REQUIRED: Final = frozenset({"operator", "input_shapes", "output_shape"})
_TUPLE_LENGTHS: Final = {"kernel_size": 2, "strides": 2, "padding": 4, "dilation": 2}
_NUMBERS: Final = frozenset({"depth_multiplier", "groups", "axis"})
_SWITCHES: Final = frozenset({"use_bias", "operand_first"})


def plain(value: Any) -> Any:
    """A field's value as JSON has it: lists for tuples, texts for enumerations."""
    if isinstance(value, tuple):
        return [plain(v) for v in value]
    return str(value) if isinstance(value, StrEnum) else value


def layer_fields(data: Any, known: set[str]) -> dict[str, Any]:
    """The arguments of a layer from plain data.

    Raises:
        NetworkError: A field is missing, unknown or of a wrong type.
    """
    if not isinstance(data, Mapping):
        raise NetworkError(f"a layer must be an object, not {type(data).__name__}")
    unknown, missing = set(data) - known, _REQUIRED - set(data)
    if unknown or missing:
        raise NetworkError(
            f"layer: unknown fields {_short(unknown)}, missing {_short(set(missing))}"
        )
    return {name: field_value(name, value) for name, value in data.items()}


def field_value(name: str, value: Any) -> Any:
    """One field of a layer from plain data.

    Raises:
        NetworkError: The value is of a wrong type.
    """
    if name in ENUMS:
        choices = [str(member) for member in ENUMS[name]]
        if value not in choices:
            raise NetworkError(f"layer: {name} {_short(value)} is none of {', '.join(choices)}")
        return ENUMS[name](value)
    if name in _SWITCHES:
        if not isinstance(value, bool):
            raise NetworkError(f"layer: {name} {_short(value)} must be true or false")
        return value
    if name in _NUMBERS:
        return whole_numbers(name, [value], 1)[0]
    if name == "input_shapes":
        if not isinstance(value, list):
            raise NetworkError(f"layer: input_shapes {_short(value)} must be a list of shapes")
        return tuple(whole_numbers(name, shape) for shape in value)
    return whole_numbers(name, value, _TUPLE_LENGTHS.get(name))


def whole_numbers(name: str, value: Any, length: int | None = None) -> tuple[int, ...]:
    """A list of whole numbers, as a tuple.

    Raises:
        NetworkError: It is none, or has another length.
    """
    if not isinstance(value, list) or not all(map(is_int, value)):
        raise NetworkError(f"{name} {_short(value)} must be a list of whole numbers")
    if length is not None and len(value) != length:
        raise NetworkError(f"{name} {_short(value)} must have {length} numbers")
    return tuple(value)


def refuse_unknown(what: str, data: Mapping[str, Any], known: frozenset[str]) -> None:
    """Refuse fields that nobody knows.

    Raises:
        NetworkError: There are some.
    """
    unknown = set(data) - known
    if unknown:
        raise NetworkError(f"{what}: unknown fields {_short(unknown)}")
