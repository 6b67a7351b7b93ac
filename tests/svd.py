"""The makers' own descriptions of their chips, which pyOCD brings along."""

from __future__ import annotations

import functools
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import pytest


@functools.cache
def device(file: str) -> ElementTree.Element:
    """A description; tests that need one are skipped where pyOCD is not installed."""
    pyocd = pytest.importorskip("pyocd")
    archive = Path(pyocd.__file__).parent / "debug" / "svd" / "svd_data.zip"
    with zipfile.ZipFile(archive) as opened:
        return ElementTree.fromstring(opened.read(file))
