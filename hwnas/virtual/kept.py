"""What was worked out about an image's code, kept on disk between processes."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from abc import ABC, abstractmethod
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from hwnas.resources import cache_dir

Key = TypeVar("Key")
Item = TypeVar("Item")
Rows = list[list[Any]]
"""Numbers and lists of numbers: what JSON can hold."""

_DIGITS: Final = 32


class Kept(ABC, Generic[Key, Item]):
    """A dictionary that can be read from a file and written to it.

    A file that is not as it was written counts for nothing, and one that cannot be written is done
    without: everything in it can be worked out anew.

    Args:
        file: Where; ``None`` for nowhere.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._items: dict[Key, Item] = {}
        self._saved = 0
        if file is not None:
            self._items = {self.key(row): self.item(row) for row in _read(file)}
            self._saved = len(self._items)

    def save(self) -> None:
        """Writes the file, if there is anything new."""
        if self._file is None or len(self._items) == self._saved:
            return
        # A board in another thread may work something out meanwhile.
        items = self._items.copy()
        rows = [self.row(key, item) for key, item in items.items()]
        with contextlib.suppress(OSError):
            _write(self._file, rows)
        self._saved = len(items)

    @abstractmethod
    def key(self, row: list[Any]) -> Key:
        """The key in a row."""

    @abstractmethod
    def item(self, row: list[Any]) -> Item:
        """The item in a row."""

    @abstractmethod
    def row(self, key: Key, item: Item) -> list[Any]:
        """A row with a key and its item."""


def file_for(kind: str, base: int, code: bytes, model: str) -> Path:
    """The file for what a model says about some code.

    Args:
        kind: What is kept.
        base: Address of the code.
        code: The code.
        model: Name and version of the model.
    """
    facts = f"{kind} {base:#x} {model} {sources()} ".encode()
    digest = hashlib.sha256(facts + hashlib.sha256(code).digest()).hexdigest()
    return cache_dir("timing") / f"{kind}-{digest[:_DIGITS]}.json"


@cache
def sources(home: Path = Path(__file__).parent) -> str:
    """What the models are made of: versions alone would not tell one checkout from another.

    Args:
        home: Folder of the virtual board's sources, all of which count: few of them have no part
            in a price, and which those are may change.
    """
    digest = hashlib.sha256(version("capstone").encode())
    for source in sorted(home.rglob("*.py")):
        digest.update(hashlib.sha256(source.read_bytes()).digest())
    return digest.hexdigest()


def _read(file: Path) -> Rows:
    try:
        digest, _, text = file.read_bytes().partition(b"\n")
    except OSError:
        return []
    if hashlib.sha256(text).hexdigest().encode() != digest:
        return []
    rows: Rows = json.loads(text)
    return rows


def _write(file: Path, rows: Rows) -> None:
    text = json.dumps(rows, separators=(",", ":")).encode()
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=".writing-")
    try:
        with open(handle, "wb") as writing:
            writing.write(hashlib.sha256(text).hexdigest().encode() + b"\n" + text)
        os.replace(name, file)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
