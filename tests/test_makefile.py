"""Targets of the Makefile, in a folder of their own with scripts that do little."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

MAKEFILE = Path(__file__).parent.parent / "Makefile"


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_bench_fails_with_a_script_and_runs_the_others(tmp_path: Path) -> None:
    shutil.copy(MAKEFILE, tmp_path)
    files = {
        "scripts/setup-system.sh": "#!/bin/sh\n",
        "scripts/setup-venv.sh": "#!/bin/sh\n",
        ".venv/bin/python": f'#!/bin/sh\nexec {sys.executable} "$@"\n',
        "benchmarks/bench_a.py": "raise SystemExit(3)",
        "benchmarks/bench_b.py": "print('b has run')",
        "benchmarks/bench_c.py": "raise RuntimeError",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
    done = subprocess.run(["make", "bench"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode != 0
    assert "b has run" in done.stdout
    assert "failed: benchmarks/bench_a.py benchmarks/bench_c.py" in done.stderr
    for name in ("a", "c"):
        (tmp_path / "benchmarks" / f"bench_{name}.py").unlink()
    assert subprocess.run(["make", "bench"], cwd=tmp_path, capture_output=True).returncode == 0
