"""``hwnas spaces``, and spaces as the other commands take them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from command_line import hwnas, refused

from hwnas.spaces import list_spaces, load_space, space_json_schema

SMALL = """version: 1
name: mine
input: [8, 8, 1]
classes: 4
parameters:
  width: {type: width, low: 4, high: 8}
layers:
  - conv2d: {filters: $width, kernel_size: 3}
  - repeat:
      times: 2
      parameters:
        kernel: {type: choice, values: [1, 3]}
      layers:
        - conv2d: {filters: $width, kernel_size: $kernel}
  - flatten
  - dense: {units: $classes}
references:
  least:
    description: What fits everywhere.
    parameters: {width: 4, kernel_1: 1, kernel_2: 1}
"""


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(SMALL)
    return path


def asked(*args: str, cwd: Path) -> Any:
    done = hwnas("spaces", *args, "--json", cwd=cwd)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_list(tmp_path: Path) -> None:
    done = hwnas("spaces", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for name in list_spaces():
        (row,) = [line for line in done.stdout.splitlines() if line.split()[:1] == [name]]
        space = load_space(name)
        assert str(space.cardinality) in row
        assert all(reference in row for reference in space.references)
    listed = asked(cwd=tmp_path)
    assert [space["name"] for space in listed] == list_spaces()
    assert listed[1]["input"] == [49, 10, 1] and listed[1]["classes"] == 12


def test_one_space(tmp_path: Path, mine: Path) -> None:
    done = hwnas("spaces", "mine.yaml", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "input 8x8x1, 4 classes; 8 points" in done.stdout
    assert "4 to 8 in steps of 4" in done.stdout
    assert "kernel_1 to kernel_2" in done.stdout
    assert "least: What fits everywhere." in done.stdout
    assert not (tmp_path / "hwnas-table.db").exists()
    plain = asked("mine.yaml", cwd=tmp_path)
    assert plain["cardinality"] == {"points": 8, "exact": True}
    assert plain["parameters"]["width"] == {"type": "width", "low": 4, "high": 8, "step": 4}
    assert plain["references"]["least"]["parameters"]["kernel_2"] == 1
    assert plain["survey"] is None


def test_one_space_on_a_board(tmp_path: Path, mine: Path) -> None:
    options = ("mine.yaml", "--board", "nucleo_l496zg", "--samples", "20", "--table", "t.db")
    estimated = asked(*options, cwd=tmp_path)["survey"]
    assert estimated["latency"] == {"provenance": "estimated", "basis": "static"}
    done = hwnas("spaces", *options, "--measure", "--plot", "p.svg", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    text = " ".join(done.stdout.split())
    assert "20 random networks on nucleo_l496zg" in text
    assert "latency: simulated (sums over layers), of the 20 networks that fit" in text
    assert "within the board's RAM: 100%, flash: 100%, both: 100%" in text
    assert "plot: p.svg" in text and "<svg" in (tmp_path / "p.svg").read_text()
    known = asked(*options, cwd=tmp_path)["survey"]
    assert known["latency"] == {"provenance": "simulated", "basis": "table"}
    assert known["spreads"]["macs"] == estimated["spreads"]["macs"]
    assert known["references"]["least"]["basis"] == "table"


def test_off_the_grid(tmp_path: Path, mine: Path) -> None:
    plain = asked("mine.yaml", "--off-grid", cwd=tmp_path)
    assert plain["name"] == "mine_off_grid"
    assert plain["cardinality"]["points"] == 5 * 4
    refused(hwnas("spaces", "lenet", "--off-grid", cwd=tmp_path), "expected a parameter of type")


def test_the_schema(tmp_path: Path) -> None:
    done = hwnas("spaces", "--schema", cwd=tmp_path)
    assert json.loads(done.stdout) == space_json_schema()


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("nowhere",), ["there is no space 'nowhere'", "lenet"]),
        (("--board", "nucleo_l496zg"), ["--board", "needs the name of a space"]),
        (("--off-grid",), ["--off-grid", "needs the name of a space"]),
        (("lenet", "--measure"), ["--board", "needs a board"]),
        (("lenet", "--plot", "x.png"), ["--board", "needs a board"]),
        (("lenet", "--board", "nucleo_l496zg", "--plot", "x.gif"), ["must end in one of"]),
        (("lenet", "--board", "nowhere"), ["nowhere"]),
    ],
)
def test_what_is_refused(tmp_path: Path, args: tuple[str, ...], words: list[str]) -> None:
    done = hwnas("spaces", *args, cwd=tmp_path)
    refused(done, *words)
    assert not (tmp_path / "hwnas-table.db").exists()


def test_a_sweep_of_the_known_networks_alone(tmp_path: Path, mine: Path) -> None:
    def wanted(*args: str) -> Any:
        done = hwnas(
            "sweep", "--board", "nucleo_l496zg", "--table", "t.db", "--dry-run", "--json", *args,
            cwd=tmp_path,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)["sources"]

    assert wanted("--references", "mine.yaml") == [{"layers": 3, "networks": 1, "coverage": 1.0}]
    assert wanted("--references", "tcn") == [{"layers": 0, "networks": 0, "coverage": 1.0}]
    on, off = (
        wanted("--space", "mine.yaml", "--no-snap"),
        wanted("--space", "mine.yaml", "--off-grid", "--no-snap"),
    )
    assert (on[0]["networks"], off[0]["networks"]) == (8, 20)
    assert wanted("--space", "mine.yaml", "--off-grid")[0]["layers"] == on[0]["layers"]


def test_a_search_off_the_grid_is_a_study_of_its_own(tmp_path: Path, mine: Path) -> None:
    (tmp_path / "module.py").write_text("def train(model, trial):\n    return 0.5\n")
    search = (
        "search", "--board", "nucleo_l496zg", "--trials", "6", "--train", "module:train", "--json",
    )  # fmt: skip
    on = hwnas(*search, "--space", "mine.yaml", cwd=tmp_path)
    off = hwnas(*search, "--space", "mine.yaml", "--off-grid", "--no-snap", cwd=tmp_path)
    studies = [json.loads(done.stdout)["study"] for done in (on, off)]
    assert studies[0].endswith("(mine-nucleo_l496zg)")
    assert studies[1].endswith("(mine_off_grid-nucleo_l496zg)")
    function = hwnas(*search, "--space", "module:train", "--off-grid", cwd=tmp_path)
    refused(function, "module:train is a function")
