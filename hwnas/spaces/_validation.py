"""Holds a document against the schema and says in plain words what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic import ValidationError

from hwnas.errors import SpaceError
from hwnas.spaces._parameters import OFF_GRID
from hwnas.spaces._schema import SpaceFile
from hwnas.spaces._yaml import MAX_SHOWN, Document, KeyPath

SHOWN_ERRORS: Final = 5

_MAPPING: Final = "a mapping of keys to values"
_WANTED: Final[Mapping[str, str]] = {
    "model_type": _MAPPING,
    "model_attributes_type": _MAPPING,
    "dict_type": _MAPPING,
    "list_type": "a list",
    "string_type": "text",
    "int_type": "a whole number",
    "too_short": "at least {min_length} entries",
    "too_long": "at most {max_length} entries",
    "string_pattern_mismatch": "up to 64 lower-case letters, digits and _, a letter first",
    "greater_than_equal": "a number of {ge} or more",
    "less_than_equal": "a number of {le} or less",
    "multiple_of": "a multiple of {multiple_of}",
    "literal_error": "{expected}",
    "union_tag_invalid": "its type to be one of {expected_tags}",
    "union_tag_not_found": "a mapping with the key type",
}


def validate(document: Document, *, off_grid: bool = False) -> SpaceFile:
    """A document as a space file.

    Args:
        document: What was read.
        off_grid: Whether widths go in steps of one.

    Raises:
        SpaceError: It does not follow the schema; the message lists up to five places.
    """
    try:
        return SpaceFile.model_validate(document.data, context=OFF_GRID if off_grid else None)
    except ValidationError as error:
        raise SpaceError(_explain(error, document)) from error


def _explain(error: ValidationError, document: Document) -> str:
    found = error.errors(include_url=False)
    parts = [_one(details, document) for details in found[:SHOWN_ERRORS]]
    if len(found) > SHOWN_ERRORS:
        parts.append(f"and {len(found) - SHOWN_ERRORS} more")
    return f"space {document.source}: " + "; ".join(parts)


def _one(details: Any, document: Document) -> str:
    kind, context = details["type"], details.get("ctx", {})
    path = _path(details["loc"], document.data, kind == "missing")
    if kind == "unknown_key":
        path = (*path, str(context["key"]))
    return f"{document.place(path).removeprefix(', ')}: {_message(kind, context, details)}"


def _message(kind: str, context: Mapping[str, Any], details: Any) -> str:
    if kind == "missing":
        return "expected this key; it is missing"
    if kind in _WANTED:
        return (
            f"expected {_WANTED[kind].format(**context)}; found {details['input']!r:.{MAX_SHOWN}}"
        )
    message: str = details["msg"]
    return message


def _path(location: tuple[str | int, ...], data: Any, last_is_missing: bool) -> KeyPath:
    """A location in the file, without what pydantic adds to name a variant of a model."""
    path: list[str | int] = []
    for i, part in enumerate(location):
        inside = (isinstance(data, dict) and part in data) or (
            isinstance(data, list) and isinstance(part, int) and part < len(data)
        )
        if inside:
            data = data[part]
            path.append(part)
        elif last_is_missing and i == len(location) - 1:
            path.append(part)
    return tuple(path)
