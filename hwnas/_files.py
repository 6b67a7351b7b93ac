"""Files: what anyone may have written is read with a bound; what hwnas writes appears whole."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hwnas.errors import HwnasError


def read_text(path: Path, what: str, *, most_bytes: int, error: type[HwnasError]) -> str:
    """The text of a file that anyone may have written.

    Args:
        path: The file.
        what: What it should be, for messages, as ``space``.
        most_bytes: Bound of its size.
        error: Type of the errors.

    Raises:
        HwnasError: Of the given type: the path is no file, or it is too large, cannot be read or
            is no UTF-8; the message names it.
    """
    data = read_bytes(path, what, most_bytes=most_bytes, error=error)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as cause:
        raise error(f"{what} {path}: cannot be read ({cause})") from cause


def read_bytes(path: Path, what: str, *, most_bytes: int, error: type[HwnasError]) -> bytes:
    """The bytes of a file that anyone may have written; arguments as for :func:`read_text`.

    Raises:
        HwnasError: Of the given type: the path is no file, or it is too large or cannot be read.
    """
    # Whatever the path is, even one that no file can have; a device or a pipe may have no end.
    if not os.path.isfile(path):
        raise error(f"{what} {path}: there is no such file")
    try:
        with path.open("rb") as file:
            data = file.read(most_bytes + 1)
    except OSError as cause:
        raise error(f"{what} {path}: cannot be read ({cause})") from cause
    if len(data) > most_bytes:
        raise error(f"{what} {path}: it is too large; at most {most_bytes} bytes are read")
    return data


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A draft beside ``path`` to write into, which takes its place at the end of the ``with``.

    Where the body raises, the draft goes and ``path`` stays as it was.

    Raises:
        OSError: The draft cannot take its place.
        ValueError: No file can have that path.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield draft
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def new_folder(path: Path, what: str, *, error: type[HwnasError]) -> Iterator[Path]:
    """A draft to fill, which becomes ``path`` at the end of the ``with``.

    Where the body raises, nothing is left.

    Args:
        path: The folder to be.
        what: What it is, for messages, as ``export``.
        error: Type of the errors.

    Raises:
        HwnasError: Of the given type: there is something at ``path``, or it cannot be written.
    """
    try:
        if path.exists():
            raise error(f"{what} {path}: is there already; remove it or name another folder")
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as place:
            draft = Path(place, "draft")
            draft.mkdir()
            yield draft
            draft.rename(path)
    except OSError as cause:
        raise error(f"{what} {path}: cannot be written ({cause})") from cause
