"""Model files, and hwnas without tensorflow."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from keras_models import (
    MAP,
    Doubled,
    lenet,
    mobilenet,
    nested,
    sequential,
    unfused_where_others_read,
)

from hwnas._tensorflow import import_keras
from hwnas.errors import NetworkError
from hwnas.keras_io import from_keras, load_keras
from hwnas.models import load_network

layers = import_keras().layers

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def test_a_saved_model_is_the_same_network(tmp_path: Path) -> None:
    for build in (unfused_where_others_read, nested, mobilenet):
        model = build()
        model.save(tmp_path / "model.keras")
        assert from_keras(load_keras(tmp_path / "model.keras")) == from_keras(model)


def test_files_that_are_no_models(tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    for missing in (path, tmp_path, f"{'x' * 5_000}.keras"):
        with pytest.raises(NetworkError, match=f"{missing}: there is no such file"):
            load_keras(missing)
        with pytest.raises(NetworkError, match=f"{missing}: there is no such file"):
            load_network(missing)
    lenet().save(path)
    whole = path.read_bytes()
    for damaged in (b"", b"{}", whole[: len(whole) // 2]):
        path.write_bytes(damaged)
        with pytest.raises(NetworkError, match=r"model\.keras: is not what model\.save"):
            load_keras(path)
    path.write_bytes(whole.replace(b"config", b"gifnoc"))
    with pytest.raises(NetworkError, match="Keras cannot load it"):
        load_keras(path)
    other = tmp_path / "model.h5"
    other.write_bytes(whole)
    with pytest.raises(NetworkError, match="is not what"):
        load_keras(other)


def test_code_in_a_file_is_not_run(tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    sequential(MAP, layers.Lambda(lambda x: x)).save(path)
    with pytest.raises(NetworkError, match=r"Keras cannot load it.*Lambda.*own layers"):
        load_keras(path)


def test_a_class_that_keras_does_not_have_is_named_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    sequential(MAP, Doubled()).save(path)
    with pytest.raises(NetworkError, match=r"'Doubled'.*Keras's own layers") as raised:
        load_keras(path)
    assert len(str(raised.value)) < len(str(path)) + 200 and "\n" not in str(raised.value)


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_importing_leaves_tensorflow_alone() -> None:
    done = python(
        "import sys, hwnas.keras_io; "
        "raise SystemExit(bool({'tensorflow', 'keras'} & set(sys.modules)))"
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("missing", ["keras", "tensorflow"])
def test_without_tensorflow(missing: str) -> None:
    done = python(
        f"import sys; sys.modules[{missing!r}] = None\n"
        "from hwnas.errors import HwnasError\n"
        "from hwnas.keras_io import from_keras\n"
        "try:\n    from_keras(None)\n"
        "except HwnasError as error:\n    print(error)"
    )
    assert "pip install 'hwnas[keras]'" in done.stdout, done.stderr
