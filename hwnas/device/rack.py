"""Racks: the boards of a pool, in a TOML file."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Final

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked_dataclass

from hwnas.errors import BoardError


@checked_dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class RackEntry:
    """A board in a rack's file.

    Attributes:
        name: For people.
        board: Name of the board, or path of a board file.
        port: As :func:`hwnas.open_backend` takes it; without it the virtual copy is meant.
        probe: Unique id of the debug probe that may flash it.
    """

    name: Annotated[str, Field(min_length=1, strict=True)]
    board: Annotated[str, Field(min_length=1, strict=True)]
    port: str | None = None
    probe: str | None = None


@checked_dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class _Rack:
    boards: Annotated[list[RackEntry], Field(min_length=1, strict=True)]


_RACKS: Final = TypeAdapter(_Rack)


def read_rack(path: str | Path) -> list[RackEntry]:
    """The boards of a rack's file, which may hold anything.

    Raises:
        BoardError: The file cannot be read, or is wrong; the message names the key.
    """
    try:
        data = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        return _RACKS.validate_python(data).boards
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BoardError(f"rack file {path} cannot be read: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "file"
        raise BoardError(f"rack file {path}: {where}: {first['msg']}") from error
