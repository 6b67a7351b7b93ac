"""The firmware's parsers and kernels under libFuzzer with sanitizers, for a short while.

`make fuzz` runs them for longer, benchmarks/fuzz_device.py for ten million inputs.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from fuzz_device import build, fuzz, missing

SECONDS = 25


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if reason := missing():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("fuzz")
    build(folder)
    return folder


def test_fuzzers_find_nothing_and_reach_the_kernels(folder: Path) -> None:
    for outcome in fuzz(folder, seconds=SECONDS, seed=1):
        assert outcome.finding == ""
        assert outcome.executions > 10_000
        assert outcome.covered > 600
        assert outcome.steps > 10_000
