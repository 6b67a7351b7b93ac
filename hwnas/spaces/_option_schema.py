"""What editors are told of values that the schema reads by functions of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic_core import CoreSchema, core_schema

JsonSchema = dict[str, Any]

NAME_PATTERN: Final = "[a-z][a-z0-9_]{0,63}"
MAX_FACTORS: Final = 4
MAX_CHOICES: Final = 256
MAX_TEXT: Final = 64
_FACTOR: Final = rf"(\${NAME_PATTERN}|[0-9]{{1,5}})"
_PRODUCT: Final = rf"^\s*{_FACTOR}(\s*(\*|//)\s*{_FACTOR}){{0,{MAX_FACTORS - 1}}}\s*$"


@dataclass(frozen=True, eq=False)
class ReadBy:
    """A field that a function reads, for ``Annotated``.

    Attributes:
        read: Makes the field's value of what stands in the file.
        schema: The same as JSON Schema, as far as that can tell.
    """

    read: Callable[[Any], Any]
    schema: Mapping[str, Any]

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.read)

    def __get_pydantic_json_schema__(self, core: Any, handler: Any) -> JsonSchema:
        return dict(self.schema)


def number_schema(low: int, high: int) -> JsonSchema:
    """A whole number, or a product with parameters."""
    literal = {"type": "integer", "minimum": low, "maximum": high}
    product = {"type": "string", "pattern": _PRODUCT}
    return {
        "description": f"{low} to {high}, `$parameter`, or a product like `$width * 2`",
        "anyOf": [literal, product],
    }


def pair_schema(one: JsonSchema) -> JsonSchema:
    """One number for both axes, or two."""
    both = {"type": "array", "items": one, "minItems": 2, "maxItems": 2}
    return {"description": "one number, or [vertical, horizontal]", "anyOf": [one, both]}


def shape_schema(axis: JsonSchema) -> JsonSchema:
    """One to three axes."""
    return {"type": "array", "items": axis, "minItems": 1, "maxItems": 3}


def selection_schema(allowed: tuple[Any, ...]) -> JsonSchema:
    """One of a few values, or a parameter."""
    reference = {"type": "string", "pattern": rf"^\${NAME_PATTERN}$"}
    return {"anyOf": [{"enum": list(allowed)}, reference]}


VALUE_SCHEMA: Final[JsonSchema] = {
    "anyOf": [
        {"type": "integer"},
        {"type": "string", "maxLength": MAX_TEXT},
        {"type": "boolean"},
    ]
}
VALUES_SCHEMA: Final[JsonSchema] = {
    "type": "array",
    "items": VALUE_SCHEMA,
    "minItems": 1,
    "maxItems": MAX_CHOICES,
    "uniqueItems": True,
}
