"""Files of JSON lines, plain or compressed by gzip."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final, TextIO

Lines = IO[bytes] | gzip.GzipFile
DAMAGED: Final = (OSError, ValueError, EOFError, zlib.error)
"""What reading such a file raises where it cannot be read."""


def is_compressed(path: Path) -> bool:
    """Whether a file is, or is to be, compressed; its name tells."""
    return path.suffix == ".gz"


@contextmanager
def reading(path: Path) -> Iterator[Lines]:
    """The file's lines as bytes."""
    if is_compressed(path):
        with gzip.open(path, "rb") as stream:
            yield stream
    else:
        with path.open("rb") as stream:
            yield stream


@contextmanager
def writing(path: Path, *, compressed: bool) -> Iterator[TextIO]:
    """A text stream into the file; equal texts give equal bytes, also compressed."""
    with path.open("wb") as raw:
        if not compressed:
            with io.TextIOWrapper(raw, encoding="ascii", newline="\n") as text:
                yield text
            return
        with (
            gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as packed,
            io.TextIOWrapper(packed, encoding="ascii", newline="\n") as text,
        ):
            yield text
