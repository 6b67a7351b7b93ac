"""Racks: the boards of a pool, in a TOML file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

from pydantic import ConfigDict, Field, TypeAdapter
from pydantic.dataclasses import dataclass as checked_dataclass

from hwnas._toml import read_toml


@checked_dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class RackEntry:
    """A board in a rack's file.

    Attributes:
        name: For people.
        board: Name of the board, or path of a board file.
        port: As :func:`hwnas.open_backend` takes it; without it the virtual copy is meant.
        probe: Unique id of the debug probe that may flash it.
        meter: URL of the energy meter that is on it.
    """

    name: Annotated[str, Field(min_length=1, strict=True)]
    board: Annotated[str, Field(min_length=1, strict=True)]
    port: str | None = None
    probe: str | None = None
    meter: str | None = None


@checked_dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class _Rack:
    boards: Annotated[list[RackEntry], Field(min_length=1, strict=True)]


_RACKS: Final = TypeAdapter(_Rack)


def read_rack(path: str | Path) -> list[RackEntry]:
    """The boards of a rack's file, which may hold anything.

    Raises:
        BoardError: The file cannot be read, or is wrong; the message names the key.
    """
    return read_toml(Path(path), "rack file", _RACKS).boards
