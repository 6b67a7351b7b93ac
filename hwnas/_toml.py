"""TOML files that anyone may have written: read, held against a schema, explained where wrong."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import TypeAdapter, ValidationError

from hwnas._files import read_text
from hwnas._text import one_line, printable
from hwnas.errors import BoardError, HwnasError

MAX_FILE_BYTES: Final = 64 << 10
MAX_INT_BITS: Final = 64
"""Of integers, as TOML asks of its readers; longer ones Python may refuse to write down."""
SHOWN_ERRORS: Final = 5
MAX_SHOWN: Final = 80

Made = TypeVar("Made")


def read_toml(
    path: Path, what: str, schema: TypeAdapter[Made], *, error: type[HwnasError] = BoardError
) -> Made:
    """What a TOML file describes.

    Args:
        path: The file.
        what: What it should be, for messages, as ``board file``.
        schema: What its content must follow.
        error: Type of the errors.

    Raises:
        HwnasError: Of the given type: it cannot be read, is no TOML, or does not follow the schema;
            the message names the file and up to five keys.
    """
    text = read_text(path, what, most_bytes=MAX_FILE_BYTES, error=error)
    try:
        return schema.validate_python(_parse(text))
    except ValidationError as cause:
        raise error(f"{what} {path}: {_explain(cause)}") from cause
    except ValueError as cause:
        raise error(f"{what} {path} is not TOML: {one_line(cause)}") from cause


def _parse(text: str) -> dict[str, Any]:
    """TOML as plain data.

    Raises:
        ValueError: It is none, or holds what a board's or a rack's file never does.
    """
    try:
        data = tomllib.loads(text)
        _refuse_long(data)
    except tomllib.TOMLDecodeError:
        raise
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    except ValueError as error:
        raise ValueError(f"an integer has more than {MAX_INT_BITS} bits") from error
    return data


def _refuse_long(value: Any) -> None:
    if isinstance(value, int) and value.bit_length() > MAX_INT_BITS:
        raise ValueError
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for part in inner:
        _refuse_long(part)


def _explain(error: ValidationError) -> str:
    found = error.errors(include_url=False)
    parts = [f"{_place(item['loc'])}: {item['msg']}{_given(item['input'])}" for item in found]
    more = [f"and {len(found) - SHOWN_ERRORS} more"] if len(found) > SHOWN_ERRORS else []
    return printable("; ".join(parts[:SHOWN_ERRORS] + more))


def _place(path: tuple[str | int, ...]) -> str:
    return ".".join(f"{part!s:.{MAX_SHOWN}}" for part in path) or "file"


def _given(value: Any) -> str:
    return f" (given: {value!r:.{MAX_SHOWN}})" if isinstance(value, str | int | float) else ""
