"""What the documents show works as written: every block that needs no hardware is run."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import hwnas

from hwnas.backend import BoardBackend
from hwnas.boards import BoardSpec, list_boards, load_board
from hwnas.cost import static_cost
from hwnas.errors import ImageFault, SpaceError
from hwnas.firmware import find_image
from hwnas.network import Network
from hwnas.spaces import list_spaces, load_space
from hwnas.table import Accuracy
from hwnas.table._jsonl import accuracy_line

HOME = Path(__file__).parent.parent


def blocks(document: str, language: str) -> list[str]:
    """The fenced blocks of a language in a document, in order."""
    text = (HOME / document).read_text(encoding="utf-8")
    found = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.M | re.S)
    return [block for name, block in found if name == language]


def commands(document: str) -> list[list[str]]:
    """The ``hwnas`` lines in blocks without a language, split into words."""
    lines = "\n".join(blocks(document, "")).splitlines()
    return [shlex.split(line, comments=True)[1:] for line in lines if line.startswith("hwnas ")]


def train(model: Any, trial: Any) -> float:
    return 1 - 1 / float(model.count_params())


def test_the_readmes_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (code,) = blocks("README.md", "python")
    names: dict[str, Any] = {"train": train}
    exec(code.replace("n_trials=50", "n_trials=6"), names)
    study = names["study"]
    assert len(study.trials) == 6 and all(trial.values for trial in study.trials)


def test_the_readmes_commands(tmp_path: Path, lenet: Network) -> None:
    from hwnas.keras_io import to_keras

    to_keras(lenet).save(tmp_path / "model.keras")
    random = np.random.default_rng(0)
    np.savez(tmp_path / "data.npz", x=random.random((20, 32, 32, 1)), y=random.integers(0, 10, 20))
    virtual, physical, explain, snap, deploy, verify, export, profile = commands("README.md")
    done = hwnas(*virtual, cwd=tmp_path)
    assert done.returncode == 0 and "simulated" in done.stdout, done.stderr
    done = hwnas(*physical, cwd=tmp_path)
    assert done.returncode == 2 and "BoardError: port usb:066DFF...: no serial ports" in done.stderr
    done = hwnas(*explain, cwd=tmp_path)
    assert done.returncode == 0 and "Which kernel ran" in done.stdout, done.stderr
    done = hwnas(*snap, cwd=tmp_path)
    assert done.returncode == 0 and "wrote model-snapped.keras" in done.stdout, done.stderr
    done = hwnas(*deploy, cwd=tmp_path)
    assert done.returncode == 0 and "before training" in done.stdout, done.stderr
    done = hwnas(*verify, cwd=tmp_path)
    assert done.returncode == 0 and "20 samples" in done.stdout, done.stderr
    done = hwnas(*export, cwd=tmp_path)
    assert done.returncode == 0 and (tmp_path / "product" / "README.md").is_file(), done.stderr
    shutil.copy(find_image(load_board("nucleo_l496zg")).elf, tmp_path / "app.elf")
    done = hwnas(*profile, cwd=tmp_path)
    assert done.returncode == 0 and "inclusive" in done.stdout, done.stderr


def test_the_profile_of_an_image(tmp_path: Path) -> None:
    image = find_image(load_board("nucleo_l496zg")).elf
    shutil.copy(image, tmp_path / "app.elf")
    ((_, *words),) = commands("docs/profiling.md")
    done = hwnas("profile", *[word.replace("fir_filter", "main") for word in words], cwd=tmp_path)
    assert done.returncode == 0 and re.search(r"^ main +0 ", done.stdout, re.M), done.stderr
    faults = re.findall(r"^\| `(\w+)` \|", (HOME / "docs" / "profiling.md").read_text(), re.M)
    assert set(faults) >= {str(fault) for fault in ImageFault}


def test_the_explanation_of_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As shown, but for the figures, which change with firmware and compiler."""
    monkeypatch.chdir(tmp_path)
    (code,) = blocks("docs/explain.md", "python")
    exec(code, {})
    explain, snap = commands("docs/explain.md")
    done = hwnas(*explain, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (shown,) = blocks("docs/explain.md", "text")
    assert without_figures(done.stdout) == without_figures(shown)
    assert hwnas(*snap, cwd=tmp_path).returncode == 0
    assert (tmp_path / "model-snapped.keras").is_file()


def without_figures(text: str) -> list[list[str]]:
    """The words of each line."""
    plain = re.sub(r"[+-]?\d[\d,.]*|─+", "N", text)
    return [line.split() for line in plain.splitlines() if line.strip()]


def test_the_readmes_boards() -> None:
    rows = re.findall(r"^\| `(\w+)`, .*?\| .*?(M\d+), (\d+) MHz \| (\w+).* \| (.*?) \|$",
                      (HOME / "README.md").read_text(), re.M)  # fmt: skip
    shown = {name: row for name, *row in rows}
    silicon = [name for name in list_boards() if load_board(name).kind == "silicon"]
    assert sorted(shown) == silicon
    for name, (core, clock, latency, power) in shown.items():
        spec = load_board(name)
        assert spec.core.name == f"cortex-{core.lower()}"
        assert spec.core.clock_hz == int(clock) * 1_000_000
        assert (latency == "simulated") == (spec.timing is not None)
        stated = "unknown" if spec.power is None else f"{spec.power.active_mw:g} mW"
        assert power.startswith(stated)


def test_the_declared_spaces(tmp_path: Path) -> None:
    whole, part = blocks("docs/search-spaces.md", "yaml")
    (tmp_path / "mine.yaml").write_text(whole)
    space = load_space(tmp_path / "mine.yaml")
    assert space.reference("smallest").output_shape == (10,)
    (tmp_path / "block.yaml").write_text(
        "version: 1\nname: block\ninput: [8, 8, 3]\n"
        "parameters:\n  blocks: {type: int, low: 1, high: 3}\nlayers:\n" + part
    )
    assert load_space(tmp_path / "block.yaml").parameters.keys() == {"blocks"}


def test_the_spaces_on_the_command_line(tmp_path: Path) -> None:
    for command in commands("docs/search-spaces.md"):
        done = hwnas(*command, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    assert "simulated (sums over layers)" in done.stdout and (tmp_path / "spread.png").exists()


def test_the_spaces_that_ship_are_all_told() -> None:
    text = (HOME / "docs" / "search-spaces.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| ([\dx]+)(?:, (\d+))? \| .* \|(.*?)\| (.*) \|$", text, re.M)
    assert sorted(name for name, *_ in rows) == list_spaces()
    for name, shape, classes, references, points in rows:
        space = load_space(name)
        assert shape == "x".join(map(str, space.input_shape))
        assert classes == ("" if space.classes is None else str(space.classes))
        assert tuple(re.findall(r"`(\w+)`", references)) == space.references
        assert points == str(space.cardinality)


def test_the_known_networks_are_as_large_as_told() -> None:
    text = (HOME / "docs" / "search-spaces.md").read_text()
    for name in list_spaces():
        space = load_space(name)
        for reference in space.references:
            cost = static_cost(space.reference(reference))
            assert f"{cost.macs:,}" in text and f"{cost.parameters:,}" in text


def test_the_error_of_a_wrong_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, _ = blocks("docs/search-spaces.md", "yaml")
    _, shown = blocks("docs/search-spaces.md", "")
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text(whole.replace("filters: 8", "filters: wide"))
    with pytest.raises(SpaceError) as raised:
        load_space("mine.yaml")
    assert str(raised.value) == shown.strip()


def test_the_space_as_a_function(tmp_path: Path) -> None:
    (code,) = blocks("docs/search-spaces.md", "python")
    (tmp_path / "module.py").write_text(
        f"import hwnas\n{code}\ndef train(model, trial):\n    return 0.5\n"
    )
    done = hwnas(
        "search", "--space", "module:space", "--board", "nucleo_l496zg", "--trials", "2",
        "--train", "module:train", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0 and "module.space-nucleo_l496zg" in done.stdout, done.stderr


def test_the_table_in_python_and_on_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backend: BoardBackend, lenet: Network
) -> None:
    monkeypatch.chdir(tmp_path)
    (code,) = blocks("docs/table.md", "python")
    exec(code, {"target": backend.target, "network": lenet, "backend": backend})
    for command in commands("docs/table.md"):
        done = hwnas(*command, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    assert "8 layer rows" in done.stdout
    rows = [json.loads(line) for line in Path("rows.jsonl").read_text().splitlines()]
    target, layer, network, accuracy = "".join(blocks("docs/table.md", "json")).splitlines()
    assert rows[0].keys() == json.loads(target).keys()
    assert rows[0]["identity"].keys() == json.loads(target)["identity"].keys()
    assert rows[1].keys() == json.loads(layer).keys()
    assert re.findall(r'"(\w+)":', network)[:3] == ["kind", "target", "network"]
    found = Accuracy("lenet", 50, 0.0, 0.0, 0.0, 1.0)
    assert json.loads(accuracy_line(backend.target, found)).keys() == json.loads(accuracy).keys()


def test_the_rack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    lenet: Network,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    (rack,) = blocks("docs/pools.md", "toml")
    Path("rack.toml").write_text(rack)
    shown = hwnas("boards", "--pool", "rack.toml", cwd=tmp_path)
    assert shown.returncode == 0 and re.search("copy .* free", shown.stdout), shown.stderr
    assert re.search("left .* quarantined .*0669FF303234", shown.stdout)
    (code,) = blocks("docs/pools.md", "python")
    exec(code, {"networks": [lenet]})
    assert re.search(r"^copy NetworkRecord", capsys.readouterr().out, re.M)


def test_the_conformance_of_a_board_of_ones_own() -> None:
    (code,) = blocks("docs/adding-a-board.md", "python")
    names: dict[str, Any] = {}
    exec(code, names)
    assert names["TestMyBoard"].manifest.board == "nucleo_l496zg"


def test_the_sections_of_a_board_file() -> None:
    text = (HOME / "docs" / "adding-a-board.md").read_text()
    listed = set(re.findall(r"`\[([a-z]+)(?:\.\*)?\]`", text))
    assert listed == {field.name for field in fields(BoardSpec)} - {"name", "title", "kind"}


def test_the_tuner_of_the_docs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The three blocks in a row, on data that are quick to learn."""
    from test_tuner import build, data

    monkeypatch.chdir(tmp_path)
    given = data()
    (x, y), (x_val, y_val) = (given["x"], given["y"]), given["validation_data"]
    names: dict[str, Any] = {
        "build": build, "train": train, "x": x, "y": y, "x_val": x_val, "y_val": y_val,
    }  # fmt: skip
    search, objective, spaces = blocks("docs/keras-tuner.md", "python")
    exec(search.replace("max_trials=10", "max_trials=3").replace("epochs=3", "epochs=1"), names)
    assert names["model"].output_shape == (None, 10)
    exec(objective, names)
    assert names["objective"].get_value({"val_accuracy": 0.9, "latency_ms": 50}) == pytest.approx(
        0.8
    )
    exec(spaces, names)
    assert names["objective"].space.name == "test_tuner.build"


def test_the_energy_of_the_docs(
    tmp_path: Path, lenet: Network, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "lenet.json").write_text(lenet.to_json())
    measure, by_rld, by_csv, fit = commands("docs/energy.md")
    done = hwnas(*measure, cwd=tmp_path)
    assert done.returncode == 0 and "by the meter, gross" in done.stdout, done.stderr
    done = hwnas(*fit, cwd=tmp_path)
    assert done.returncode == 0 and (tmp_path / "energy.png").is_file(), done.stderr
    for command in (by_rld, by_csv):
        done = hwnas(*command, cwd=tmp_path)
        assert done.returncode == 2 and "there is no such file" in done.stderr
    (code,) = blocks("docs/energy.md", "python")
    exec(code, {})
    power_w, days = map(float, capsys.readouterr().out.split())
    assert 1.3e-3 < power_w < 1.5e-3 and 15 < days < 25
