"""Reads YAML files that anyone may have written: bounded, plain data only, with line numbers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from hwnas._files import read_text
from hwnas._text import one_line
from hwnas.errors import SpaceError

MAX_FILE_BYTES: Final = 64 << 10
MAX_DEPTH: Final = 32
MAX_INT: Final = 1 << 30
MAX_SHOWN: Final = 80
KeyPath = tuple[str | int, ...]

_PLAIN_TAGS: Final = frozenset(
    f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "bool", "null", "float")
)


_UNPRINTABLE: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
"""What only an escape in quotes can bring in: control characters, halves of characters."""


@dataclass(frozen=True, slots=True)
class Document:
    """A YAML document with where its parts stand.

    Attributes:
        source: The file, for messages.
        data: Mappings with text keys, lists and scalars.
        lines: Line number of each key path, from 1.
    """

    source: str
    data: Any
    lines: dict[KeyPath, int]

    def error(self, path: KeyPath, message: str) -> SpaceError:
        """An error that names file, line and key path."""
        return SpaceError(f"space {self.source}{self.place(path)}: {message}")

    def place(self, path: KeyPath) -> str:
        """``, line 7, layers[2].conv2d`` with the line of the nearest part that is there."""
        nearest = path
        while nearest and nearest not in self.lines:
            nearest = nearest[:-1]
        line = f", line {self.lines[nearest]}" if nearest in self.lines else ""
        return f"{line}, {render(path)}" if path else line


def render(path: KeyPath) -> str:
    """A key path as people write it: ``layers[2].conv2d.filters``."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part:.{MAX_SHOWN}}" for part in path)
    return "".join(parts).removeprefix(".")


def read_document(path: Path) -> Document:
    """Read one YAML document of at most 64 KiB.

    Anchors, aliases, tags, unprintable characters, numbers beyond 2^30, keys that are no text and
    keys that stand twice are refused.

    Raises:
        SpaceError: The file is missing, too large, no UTF-8, no YAML or not plain data.
    """
    text = read_text(path, "space", most_bytes=MAX_FILE_BYTES, error=SpaceError)
    return parse_document(text, str(path))


def parse_document(text: str, source: str) -> Document:
    """Parse YAML text; ``source`` stands for the file in messages.

    Raises:
        SpaceError: As for :func:`read_document`.
    """
    document = Document(source, None, {})
    try:
        _check_events(text, document)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = f", line {mark.line + 1}" if mark is not None else ""
        raise SpaceError(f"space {source}{line}: not YAML: {error.problem}") from error
    except yaml.reader.ReaderError as error:
        at = text.count("\n", 0, error.position) + 1
        raise SpaceError(f"space {source}, line {at}: not YAML: {one_line(error)}") from error
    except yaml.YAMLError as error:
        raise SpaceError(f"space {source}: not YAML: {one_line(error)}") from error
    if node is None:
        raise SpaceError(
            f"space {source}, line 1: expected a mapping of keys to values; the file is empty"
        )
    return Document(source, _Builder(document).build(node, ()), document.lines)


def _check_events(text: str, document: Document) -> None:
    """Refuse what could blow up the tree, before any tree is made."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        mark = event.start_mark
        where = f"space {document.source}" + (f", line {mark.line + 1}" if mark else "")
        if getattr(event, "anchor", None) is not None:
            raise SpaceError(
                f"{where}: expected plain values; anchors and aliases (& and *) are not allowed, "
                "write it out"
            )
        if getattr(event, "tag", None) is not None:
            raise SpaceError(f"{where}: expected plain values; tags (!) are not allowed")
        if isinstance(event, yaml.ScalarEvent) and (found := _UNPRINTABLE.search(event.value)):
            raise SpaceError(f"{where}: expected printable text; found {found[0]!a}")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            raise SpaceError(f"{where}: expected at most {MAX_DEPTH} levels; nested deeper")


class _Builder:
    """Turns nodes into plain data and notes the line of each part."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._scalars = yaml.constructor.SafeConstructor()

    def build(self, node: yaml.Node, path: KeyPath) -> Any:
        self._document.lines.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(child, (*path, i)) for i, child in enumerate(node.value)]
        return self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for key_node, child in node.value:
            key = self._key(key_node, path)
            self._document.lines[(*path, key)] = key_node.start_mark.line + 1
            if key in out:
                raise self._document.error((*path, key), "expected each key once; it stands twice")
            out[key] = self.build(child, (*path, key))
        return out

    def _key(self, node: yaml.Node, path: KeyPath) -> str:
        if isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:str":
            return str(node.value)
        where = f", {render(path)}" if path else ""
        raise SpaceError(
            f"space {self._document.source}, line {node.start_mark.line + 1}{where}: expected text "
            "as a key (put quotes around it if it is meant)"
        )

    def _scalar(self, node: yaml.Node, path: KeyPath) -> Any:
        if node.tag not in _PLAIN_TAGS:
            raise self._document.error(
                path, f"expected text, a number, true or false; found {node.value!r:.80}"
            )
        try:
            value = self._scalars.construct_object(node)
        except (ValueError, OverflowError, yaml.YAMLError) as error:
            raise self._document.error(
                path, f"expected a value; {node.value:.{MAX_SHOWN}} is none"
            ) from error
        if isinstance(value, int) and abs(value) > MAX_INT:
            raise self._document.error(
                path,
                f"expected a number from -{MAX_INT} to {MAX_INT}; found {node.value:.{MAX_SHOWN}}",
            )
        return value
