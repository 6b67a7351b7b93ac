"""The JSON-lines form of a lookup table; ``docs/table.md`` describes it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NoReturn

from sqlalchemy import Row

from hwnas.errors import HwnasError, TableError
from hwnas.table._files import DAMAGED, Lines, reading
from hwnas.table._records import Accuracy, LayerRecord, Record
from hwnas.table._schema import KINDS, Kind, plain
from hwnas.target import Provenance, TargetIdentity

FORMAT_VERSION: Final = 1
MAX_LINE_BYTES: Final = 1 << 20
"""Longest line that is read; a network of 512 layers takes a fifth of it."""
MAX_REASON: Final = 300

_ACCURACY: Final = "accuracy"
_ACCURACY_VALUES: Final = tuple(f.name for f in fields(Accuracy))
_OPTIONAL: Final = frozenset({"energy_spread"})
"""Left out where it is not known, as in files of before it was kept."""
_VALUES: Final = tuple(f.name for f in fields(LayerRecord) if f.name not in {"layer", *_OPTIONAL})
_TARGET_FIELDS: Final = frozenset({"kind", "version", "digest", "identity"})
_KINDS: Final = {kind.name: kind for kind in KINDS}


@dataclass(frozen=True, slots=True)
class Parsed:
    """A row that was read from a line.

    Attributes:
        line: Number of the line, from 1.
        size: Length of the line, in bytes.
        kind: Which kind of row it is.
        target: The target it belongs to.
        record: The row.
    """

    line: int
    size: int
    kind: Kind
    target: TargetIdentity
    record: Record


@dataclass(frozen=True, slots=True)
class ParsedAccuracy:
    """How good a target's rows are, read from a line.

    Attributes:
        size: Length of the line, in bytes.
        target: The target.
        accuracy: What a validation found.
    """

    size: int
    target: TargetIdentity
    accuracy: Accuracy


@dataclass(frozen=True, slots=True)
class Malformed:
    """A line that could not be read.

    Attributes:
        line: Number of the line, from 1.
        reason: What is wrong with it.
    """

    line: int
    reason: str


def target_line(target: TargetIdentity) -> str:
    """The line that states a target, without the line's end."""
    return _dump(
        {
            "kind": "target",
            "version": FORMAT_VERSION,
            "digest": target.digest,
            "identity": target.to_dict(),
        }
    )


def row_line(kind: Kind, row: Row[Any]) -> str:
    """The line of a row from :func:`hwnas.table._rows.stream`, without the line's end."""
    known = [name for name in _OPTIONAL if getattr(row, name) is not None]
    values = {name: getattr(row, name) for name in (*_VALUES, *known)}
    values["created_at"] = row.created_at.isoformat()
    return _dump(
        {"kind": kind.name, "target": row.target, kind.name: plain(row.subject, row.json), **values}
    )


def accuracy_line(target: TargetIdentity, found: Accuracy) -> str:
    """The line of what a validation found, without the line's end."""
    return _dump({"kind": _ACCURACY, "target": target.digest, **found.to_dict()})


def states_target(path: Path, target: TargetIdentity) -> bool:
    """Whether the first line of an export states this target.

    Raises:
        TableError: The file cannot be read.
    """
    try:
        with reading(path) as stream:
            first = stream.readline(MAX_LINE_BYTES)
        data = json.loads(first)
    except (*DAMAGED, RecursionError) as error:
        raise TableError(f"{path}: cannot be read ({error})") from error
    return isinstance(data, dict) and data.get("digest") == target.digest


def read_lines(stream: Lines) -> Iterator[Parsed | ParsedAccuracy | Malformed]:
    """Read a table's lines from an untrusted file, one at a time and in bounded memory.

    Args:
        stream: Binary, at the first line.

    Yields:
        Each row, and each line that is none. Lines of targets and empty lines yield nothing.
    """
    known: dict[str, TargetIdentity] = {}
    for number, raw in _raw_lines(stream):
        if raw is None:
            yield Malformed(number, f"longer than {MAX_LINE_BYTES} bytes")
        elif raw.strip():
            try:
                parsed = _parse(number, raw, known)
            except (HwnasError, ValueError, RecursionError) as error:
                yield Malformed(number, _shorten(str(error)))
            else:
                if parsed is not None:
                    yield parsed


def _raw_lines(stream: Lines) -> Iterator[tuple[int, bytes | None]]:
    number = 0
    while raw := stream.readline(MAX_LINE_BYTES + 1):
        number += 1
        if len(raw) <= MAX_LINE_BYTES:
            yield number, raw
            continue
        while raw and not raw.endswith(b"\n"):
            raw = stream.readline(MAX_LINE_BYTES)
        yield number, None


def _parse(
    number: int, raw: bytes, known: dict[str, TargetIdentity]
) -> Parsed | ParsedAccuracy | None:
    data = json.loads(
        raw.decode(), object_pairs_hook=_unique_object, parse_constant=_refuse_constant
    )
    if not isinstance(data, dict):
        raise TableError(f"not an object but {type(data).__name__}")
    name = data.get("kind")
    if name == "target":
        target = _target(data)
        known[target.digest] = target
        return None
    if name == _ACCURACY:
        _require_fields(data, {"kind", "target", *_ACCURACY_VALUES})
        return ParsedAccuracy(len(raw), _owner(data, known), _accuracy(data))
    kind = _KINDS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise TableError(f"kind {name!r} is none of target, {_ACCURACY}, {', '.join(_KINDS)}")
    _require_fields(data, {"kind", "target", kind.name, *_VALUES, *(_OPTIONAL & set(data))})
    owner = _owner(data, known)
    record = _record(kind, data)
    if record.provenance is not owner.provenance:
        raise TableError(f"the row is {record.provenance}, its target {owner.provenance}")
    return Parsed(number, len(raw), kind, owner, record)


def _target(data: Mapping[str, Any]) -> TargetIdentity:
    _require_fields(data, _TARGET_FIELDS)
    if data["version"] != FORMAT_VERSION or isinstance(data["version"], bool):
        raise TableError(
            f"format version {data['version']!r}: this hwnas reads version {FORMAT_VERSION}"
        )
    target = TargetIdentity.from_dict(data["identity"])
    if data["digest"] != target.digest:
        raise TableError(f"the digest does not match the identity, which has {target.digest}")
    return target


def _owner(data: Mapping[str, Any], known: Mapping[str, TargetIdentity]) -> TargetIdentity:
    """The target that a line belongs to."""
    owner = known.get(data["target"]) if isinstance(data["target"], str) else None
    if owner is None:
        raise TableError(f"no line above states the target {data['target']!r}")
    return owner


def _accuracy(data: Mapping[str, Any]) -> Accuracy:
    values: dict[str, Any] = {name: data[name] for name in _ACCURACY_VALUES}
    return Accuracy(**{**values, "created_at": _time(data)})


def _time(data: Mapping[str, Any]) -> datetime:
    if not isinstance(data["created_at"], str):
        raise TableError(f"created_at {data['created_at']!r} is no text")
    return datetime.fromisoformat(data["created_at"])


def _record(kind: Kind, data: Mapping[str, Any]) -> Record:
    if data["provenance"] not in [str(member) for member in Provenance]:
        raise TableError(f"provenance {data['provenance']!r} is unknown")
    return kind.record(
        kind.parse(data[kind.name]),
        data["n"],
        data["cycles_min"],
        data["cycles_median"],
        data["cycles_max"],
        data["energy_uj"],
        Provenance(data["provenance"]),
        _time(data),
        data.get("energy_spread"),
    )


def _require_fields(data: Mapping[str, Any], wanted: set[str] | frozenset[str]) -> None:
    unknown, missing = set(data) - wanted, wanted - set(data)
    if unknown or missing:
        raise TableError(f"unknown fields {sorted(unknown)}, missing fields {sorted(missing)}")


def _unique_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) != len(pairs):
        raise TableError("an object states a field twice")
    return data


def _refuse_constant(name: str) -> NoReturn:
    raise TableError(f"{name} is no number of JSON")


def _dump(data: Mapping[str, Any]) -> str:
    return json.dumps(data, separators=(",", ":"), allow_nan=False)


def _shorten(reason: str) -> str:
    """A reason that a terminal can show, whatever the file put into it."""
    shown = "".join(c if c.isprintable() else "?" for c in reason[: MAX_REASON + 1])
    return shown if len(shown) <= MAX_REASON else shown[: MAX_REASON - 3] + "..."
