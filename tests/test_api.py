"""The public names, and what importing them must not pull in."""

from __future__ import annotations

import subprocess
import sys

import hwnas


def test_every_public_name_resolves_and_the_list_is_the_table() -> None:
    assert hwnas.__all__ == list(hwnas._HOMES)
    for name in hwnas.__all__:
        assert getattr(hwnas, name).__name__ == name


def test_judging_never_imports_tensorflow() -> None:
    code = (
        "import sys, hwnas\n"
        "for name in hwnas.__all__: getattr(hwnas, name)\n"
        "import hwnas.cli\n"
        "heavy = {'tensorflow', 'keras', 'matplotlib'} & set(sys.modules)\n"
        "sys.exit(f'imported: {heavy}' if heavy else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
