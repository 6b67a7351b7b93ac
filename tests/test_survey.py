"""What a random sample of a space costs on a board."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from hwnas.backend import BoardBackend
from hwnas.evaluator import Evaluator
from hwnas.network import Network, NetworkBuilder
from hwnas.report import plot_survey
from hwnas.snapping import snap
from hwnas.spaces import as_space, load_space
from hwnas.survey import FIGURES, LATENCY, Spread, Survey, survey
from hwnas.table import LookupTable
from hwnas.target import Provenance

SMALL = """
classes: 4
parameters:
  width: {type: width, low: 4, high: 12}
  deep: {type: bool}
layers:
  - conv2d: {filters: $width, kernel_size: 3}
  - conv2d: {filters: 6, kernel_size: 3}
    when: {deep: true}
  - flatten
  - dense: {units: $classes}
references:
  least:
    parameters: {width: 4, deep: false}
"""


@pytest.fixture
def evaluator(backend: BoardBackend) -> Evaluator:
    return Evaluator(backend, LookupTable.open("sqlite://"))


def test_what_shapes_tell_is_of_every_network_as_a_search_deploys_it(
    evaluator: Evaluator, declare: Any
) -> None:
    space = declare(SMALL)
    found = survey(evaluator, space, samples=200)
    networks = [
        space.sample(trial)
        for trial in (FixedPoint(width, deep) for width in (4, 8, 12) for deep in (False, True))
    ]
    costs = [evaluator.static_cost(snap(network)) for network in networks]
    for name in FIGURES:
        expected = {getattr(cost, name) for cost in costs}
        assert set(found.values(name)) == expected
        spread = found.spreads()[name]
        assert (spread.least, spread.most) == (min(expected), max(expected))
    assert found.references["least"].macs == min(cost.macs for cost in costs)
    unsnapped = survey(evaluator, space, samples=200, snap_channels=False)
    assert set(unsnapped.values("parameters")) != set(found.values("parameters"))


class FixedPoint:
    """A trial whose values are given."""

    def __init__(self, width: int, deep: bool) -> None:
        self.width, self.deep = width, deep

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1) -> int:
        return self.width

    def suggest_categorical(self, name: str, choices: Any) -> Any:
        return self.deep


def test_latency_is_of_one_kind_estimates_until_the_table_has_all_layers(
    evaluator: Evaluator, declare: Any
) -> None:
    space = declare(SMALL)
    estimated = survey(evaluator, space, samples=40)
    assert (estimated.provenance, estimated.basis) == (Provenance.ESTIMATED, "static")
    assert estimated.references["least"].basis == "static"
    told: list[str] = []
    run = survey(evaluator, space, samples=40, measure=True, progress=told.append)
    assert (run.provenance, run.basis) == (Provenance.SIMULATED, "table")
    assert run.references["least"].basis == "table" and "network 40 of 40" in told
    assert run.values("macs") == estimated.values("macs")
    assert len(run.latencies) == 40 and run.latencies != estimated.latencies
    known = survey(evaluator, space, samples=40)
    assert known.basis == "table" and known.latencies == run.latencies
    # One layer that is missing, and all are estimates again.
    more = survey(evaluator, load_space("lenet"), samples=5)
    assert more.basis == "static"


def wide(trial: Any) -> Network:
    """Networks of which half are too large for the board's flash."""
    b = NetworkBuilder((2048,))
    b.dense(b.input, trial.suggest_categorical("units", [64, 2048]))
    return b.build()


def test_what_does_not_fit_has_no_latency(evaluator: Evaluator) -> None:
    space = as_space(wide)
    found = survey(evaluator, space, samples=40, measure=True)
    large = sum(size > found.limits["flash_bytes"] for size in found.values("flash_bytes"))
    assert 0 < large < 40
    assert len(found.latencies) == 40 - large
    assert found.share_within("flash_bytes") == (40 - large) / 40
    assert found.share_within("ram_bytes") == 1
    assert found.share_within("ram_bytes", "flash_bytes") == (40 - large) / 40
    plain = found.to_dict()
    assert plain["samples"] == 40 and plain["fitting"] == 40 - large
    assert plain["within"]["both"] == found.share_within("ram_bytes", "flash_bytes")


def too_wide(trial: Any) -> Network:
    b = NetworkBuilder((2048,))
    b.dense(b.input, trial.suggest_int("units", 2048, 2100))
    return b.build()


def test_a_space_of_which_nothing_fits(evaluator: Evaluator, tmp_path: Path) -> None:
    found = survey(evaluator, as_space(too_wide), samples=3, measure=True)
    assert found.latencies == () and LATENCY not in found.spreads()
    assert "none fits" in drawn(found, tmp_path)


def drawn(found: Survey, folder: Path) -> str:
    """The words of the picture."""
    picture = plot_survey(found, folder / "picture.svg").read_text()
    return " ".join(re.findall(r"<!-- (.*?) -->", picture))


def test_the_picture_names_the_board_its_limits_and_the_known_networks(
    evaluator: Evaluator, declare: Any, tmp_path: Path
) -> None:
    found = survey(evaluator, declare(SMALL), samples=30)
    words = drawn(found, tmp_path)
    for word in (
        "small: 30 random networks on nucleo_l496zg", "MACs", "latency (ms), estimated",
        "RAM (bytes)", "flash (bytes)", "least", "the board's",
    ):  # fmt: skip
        assert word in words
    known = survey(evaluator, declare(SMALL), samples=30, measure=True)
    assert "latency (ms), simulated" in drawn(known, tmp_path)


def test_a_spread_of_one_value() -> None:
    assert Spread.of([7]) == Spread(7, 7, 7, 7, 7)
