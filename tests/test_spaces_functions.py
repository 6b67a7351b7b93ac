"""Users' functions as search spaces."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import FixedTrial
from space_files import CONV, HEAD

from hwnas.errors import HwnasError, SpaceError
from hwnas.network import Network, NetworkBuilder
from hwnas.spaces import (
    Candidate,
    FunctionError,
    FunctionSpace,
    as_space,
    load_function,
    load_space,
)


def one_layer(trial: Any) -> Network:
    b = NetworkBuilder((8, 8, 1))
    b.conv2d(b.input, trial.suggest_int("filters", 1, 8), trial.suggest_int("kernel", 1, 9),
             padding="valid")  # fmt: skip
    return b.build()


def test_a_function_is_a_space() -> None:
    space = as_space(one_layer)
    assert isinstance(space, FunctionSpace)
    assert space.name.endswith("test_spaces_functions.one_layer")
    network = space.sample(FixedTrial({"filters": 2, "kernel": 3}))
    assert network.output_shape == (6, 6, 2)
    assert space.candidate(FixedTrial({"filters": 2, "kernel": 3})) == Candidate(network, None)
    assert space.input_shape is None and space.classes is None
    with pytest.raises(SpaceError, match="has no reference 'x'; it has: none"):
        space.reference("x")


def test_a_functions_invalid_network_names_the_parameters() -> None:
    with pytest.raises(SpaceError, match=r"one_layer: .*9x9.*filters=2, kernel=9"):
        as_space(one_layer).sample(FixedTrial({"filters": 2, "kernel": 9}))


def test_a_function_that_returns_something_else_is_told() -> None:
    with pytest.raises(FunctionError, match=r"returned dict; a hwnas\.Network or a keras\.Model"):
        as_space(lambda trial: {}).sample(FixedTrial({}))


def test_a_function_that_raises_is_told_with_the_parameters() -> None:
    def broken(trial: Any) -> Network:
        return trial.suggest_int("filters", 1, 8) + "3"

    with pytest.raises(FunctionError, match=r"broken: .*TypeError: unsupported.*; with filters=2"):
        as_space(broken).sample(FixedTrial({"filters": 2}))


def test_a_function_may_prune_its_trial() -> None:
    def picky(trial: Any) -> Network:
        raise optuna.TrialPruned("not today")

    with pytest.raises(optuna.TrialPruned, match="not today"):
        as_space(picky).sample(FixedTrial({}))


def test_a_keras_model_whose_shapes_do_not_fit_is_an_invalid_sample() -> None:
    import keras

    def build(trial: Any) -> Any:
        pool = keras.layers.AveragePooling2D(trial.suggest_int("pool", 1, 9))
        return keras.Sequential([keras.Input((8, 8, 1)), pool])

    space = as_space(build)
    assert space.sample(FixedTrial({"pool": 4})).output_shape == (2, 2, 1)
    with pytest.raises(SpaceError, match=r"build: .*negative.*; with pool=9$") as raised:
        space.sample(FixedTrial({"pool": 9}))
    assert str(raised.value).isprintable()


def test_as_space_takes_spaces_names_and_files(tmp_path: Path) -> None:
    space = load_space("lenet")
    assert as_space(space) is space
    assert as_space("lenet").name == "lenet"
    path = tmp_path / "own.yaml"
    path.write_text(HEAD + "layers:\n" + CONV)
    assert as_space(path).name == as_space(str(path)).name == "small"
    with pytest.raises(SpaceError, match="int is no search space"):
        as_space(7)  # type: ignore[arg-type]


def test_a_keras_model_comes_with_its_network() -> None:
    import keras

    def build(trial: Any) -> Any:
        return keras.Sequential(
            [
                keras.Input((8, 8, 1)),
                keras.layers.Conv2D(trial.suggest_int("filters", 1, 8), 3, padding="same"),
            ]
        )

    space = as_space(build)
    candidate = space.candidate(FixedTrial({"filters": 3}))
    assert isinstance(candidate.model, keras.Model)
    assert candidate.network.output_shape == (8, 8, 3)


def test_functions_are_found_in_the_working_directory(tmp_path: Path) -> None:
    package = tmp_path / "nets"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "late.py").write_text("VALUE = 5\n")
    (package / "mine.py").write_text(
        "def build(trial):\n    from nets.late import VALUE\n    return VALUE\n"
    )
    code = "from hwnas.spaces import load_function; print(load_function('nets.mine:build')(None))"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "5", done.stderr


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("nothing", "expected module:function"),
        ("os:path; print", "expected module:function"),
        ("no_such_module_here:f", "ModuleNotFoundError"),
        ("a_script_that_exits:f", "SystemExit"),
        ("os.path:nothing", "no 'nothing' in os.path"),
        ("os.path:sep", "is str, not a function"),
    ],
)
def test_functions_that_are_not_there_are_told(
    spec: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a_script_that_exits.py").write_text("raise SystemExit(0)\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    with pytest.raises(FunctionError, match=words) as raised:
        load_function(spec)
    assert isinstance(raised.value, HwnasError)
