"""The firmware's parsers and kernels under libFuzzer with sanitizers, for a short while.

`make fuzz` runs them for longer, benchmarks/fuzz_device.py for ten million inputs.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from fuzz_device import build, finish, fuzz, missing, start

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


def test_mutants_of_a_long_plan_are_plans(folder: Path) -> None:
    """What changes a few fields of a plan leaves the others as they are, however many there are."""
    longest = max((folder / "seeds" / "plan").iterdir(), key=lambda seed: seed.stat().st_size)
    alone = folder / "seeds" / "longest"
    alone.mkdir()
    shutil.copy(longest, alone)
    fuzzer = start(folder, "plan", "-runs=2000", "-seed=1", seeds=alone)
    outcome = finish(folder, "plan", fuzzer)
    assert outcome.finding == ""
    assert outcome.steps > 2 * outcome.executions
