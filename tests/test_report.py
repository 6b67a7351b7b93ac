"""The plot of a search's front, read back from the SVG that it is written as."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import optuna
import pytest

from hwnas.backend import BoardBackend
from hwnas.budget import Budget
from hwnas.errors import HwnasError, StudyError
from hwnas.evaluator import Evaluator
from hwnas.network import Network, NetworkBuilder
from hwnas.objective import HARDWARE, HardwareObjective
from hwnas.opening import open_backend
from hwnas.report import plot_front
from hwnas.search import open_study, pareto_front, run_search
from hwnas.table import LookupTable


def space(trial: optuna.Trial) -> Network:
    """Networks of which the smaller ones are not always the faster ones."""
    b = NetworkBuilder((12, 12, 1))
    x = b.conv2d(b.input, trial.suggest_int("filters", 4, 24, step=4), 3)
    if trial.suggest_categorical("deep", [True, False]):
        x = b.conv2d(x, 8, 3)
    x = b.max_pool2d(x, trial.suggest_categorical("pool", [2, 6]))
    b.softmax(b.dense(b.flatten(x), 4))
    return b.build()


def metric(model: Any, trial: optuna.Trial) -> float:
    """Best for one network that takes much time and one that takes much RAM."""
    found = {(4, True): 0.5, (16, False): 0.6}
    at = (trial.params["filters"], trial.params["deep"])
    return found.get(at, 0.04 * trial.params["filters"] / 24)


def search(backend: BoardBackend, *objectives: str, **limits: Any) -> optuna.Study:
    evaluator = Evaluator(backend, LookupTable.open("sqlite://"), Budget(**limits))
    objective = HardwareObjective(space, evaluator, metric, objectives=objectives)
    study = open_study(objective, sampler=optuna.samplers.RandomSampler(seed=4))
    run_search(study, objective, trials=16)
    return study


@pytest.fixture(scope="module")
def searched(backend: BoardBackend) -> optuna.Study:
    return search(backend, "accuracy", "latency_ms", latency_ms=9.0)


def drawn_line(picture: Path) -> list[tuple[float, float]]:
    """The line of the front, in the picture's coordinates: y grows downwards."""
    found = re.search(r'<g id="front">\s*<path d="([^"]*)"', picture.read_text())
    assert found is not None
    numbers = [float(number) for number in re.findall(r"-?[\d.]+", found[1])]
    return list(zip(numbers[::2], numbers[1::2], strict=True))


@pytest.mark.parametrize(
    "objectives",
    [
        ("accuracy", "latency_ms"),
        ("ram_bytes", "accuracy"),
        ("accuracy", "flash_bytes", "latency_ms", "ram_bytes"),
        ("accuracy",),
        ("energy_mj",),
    ],
)
def test_the_front_is_a_line_that_rises_over_every_figure(
    backend: BoardBackend, tmp_path: Path, objectives: tuple[str, ...]
) -> None:
    study = search(backend, *objectives)
    front = [entry.record for entry in pareto_front(study)]
    for x in HARDWARE:
        picture = plot_front(study, tmp_path / f"{x}.svg", x=x)
        line = drawn_line(picture)
        for (left, low), (right, high) in pairwise(line):
            assert left < right and low > high
        best = {
            record.cost[x]
            for record in front
            if not any(
                (other.cost[x], -other.metric) != (record.cost[x], -record.metric)
                and other.cost[x] <= record.cost[x]
                and other.metric >= record.metric
                for other in front
            )
        }
        assert len(line) == len(best)


def test_the_front_is_ordered_by_the_first_figure_that_is_minimized(backend: BoardBackend) -> None:
    front = pareto_front(search(backend, "accuracy", "ram_bytes", "latency_ms"))
    sizes = [entry.record.cost["ram_bytes"] for entry in front]
    times = [entry.record.cost["latency_ms"] for entry in front]
    assert len(front) >= 3 and sizes == sorted(sizes) and times != sorted(times)


def test_a_figure_that_cannot_be_drawn_is_told(searched: optuna.Study, tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="'speed': it is none of latency_ms, energy_mj"):
        plot_front(searched, tmp_path / "front.png", x="speed")
    with open_backend("disco_f469ni") as powerless:
        study = search(powerless, "accuracy", "latency_ms")
    with pytest.raises(StudyError, match="energy_mj: it is not known on disco_f469ni"):
        plot_front(study, tmp_path / "front.png", x="energy_mj")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["front", "front.jpg", "folder.png", "file/front.png"])
def test_a_picture_that_cannot_be_written_is_told(
    searched: optuna.Study, tmp_path: Path, name: str
) -> None:
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "file").write_text("")
    with pytest.raises(HwnasError, match=f"plot .*{name}"):
        plot_front(searched, tmp_path / name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder.png"]


@pytest.mark.parametrize(
    ("name", "head"), [("a.png", b"\x89PNG"), ("b.PDF", b"%PDF"), ("c/d.svg", b"<?xml")]
)
def test_the_suffix_decides_the_format(
    searched: optuna.Study, tmp_path: Path, name: str, head: bytes
) -> None:
    picture = plot_front(searched, tmp_path / name, limit=9.0)
    assert picture.read_bytes().startswith(head)
    assert [path.name for path in picture.parent.iterdir()] == [picture.name]
