"""Compiles hooks once, and keeps them in the user's cache."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any, Final

from numba import cfunc, config

from hwnas.resources import cache_dir

_DIGITS: Final = 16
_SETTING: Final = Lock()
"""Held while numba's setting, which is that of the whole process, is ours."""


def compiled(signature: Any) -> Callable[[Callable[..., None]], Any]:
    """Compiles a hook for a signature, or takes it from the cache, in numba's own format."""

    def compile_or_load(hook: Callable[..., None]) -> Any:
        try:
            with _cache():
                return cfunc(signature, cache=True)(hook)
        except RuntimeError:  # No folder of those that numba tries can be written.
            return cfunc(signature)(hook)

    return compile_or_load


@contextmanager
def _cache() -> Iterator[None]:
    """The key is all sources: numba looks only at that of a hook, which calls into others."""
    sources = sorted(Path(__file__).parent.glob("_native*.py"))
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()
    with _SETTING:
        before = config.CACHE_DIR
        config.CACHE_DIR = str(cache_dir("timing") / f"native-{digest[:_DIGITS]}")
        try:
            yield
        finally:
            config.CACHE_DIR = before
