"""What pydantic refuses of a file, as one line."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError


def explain(error: ValidationError) -> str:
    """Every refusal: the key, what is wrong with it, and the value that was given.

    Example:
        >>> from pydantic import TypeAdapter
        >>> try:
        ...     TypeAdapter(dict[str, int]).validate_python({"lines": "many"})
        ... except ValidationError as error:
        ...     explain(error).split(":")[0]
        'lines'
    """
    return "; ".join(
        f"{'.'.join(str(part) for part in item['loc']) or 'file'}: {item['msg']}{_given(item)}"
        for item in error.errors()
    )


def _given(item: Any) -> str:
    value = item["input"]
    return f" (given: {value!r})" if isinstance(value, str | int | float) else ""
