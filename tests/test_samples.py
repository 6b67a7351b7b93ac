"""Files of samples, whoever wrote them."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from hwnas.errors import DatasetError
from hwnas.samples import load_samples, random_samples

X = np.arange(12, dtype=np.uint8).reshape(3, 2, 2)


@pytest.mark.parametrize(("x", "y"), [("x", "y"), ("x_test", "y_test"), ("inputs", "labels")])
def test_inputs_and_labels(x: str, y: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", **{x: X, y: np.array([[2], [0], [1]])})
    samples = load_samples(tmp_path / "data.npz")
    assert samples.inputs.dtype == np.float32 and (samples.inputs == X).all()
    assert samples.labels is not None and samples.labels.tolist() == [2, 0, 1]


def test_inputs_alone(tmp_path: Path) -> None:
    np.save(tmp_path / "data.npy", X)
    np.savez_compressed(tmp_path / "data.npz", x=X)
    for name in ("data.npy", "data.npz"):
        samples = load_samples(tmp_path / name)
        assert samples.labels is None and samples.inputs.shape == (3, 2, 2)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"a": X}, "must be called one of x, "),
        ({"x": np.array([1.0, np.nan]).reshape(2, 1)}, "not finite"),
        ({"x": np.zeros((0, 3))}, "no numbers of shape"),
        ({"x": np.zeros(3)}, "no numbers of shape"),
        ({"x": np.array([["a"]])}, "no numbers of shape"),
        ({"x": X, "y": np.zeros(3)}, "not the number of a class"),
        ({"x": X, "y": np.zeros((3, 10), int)}, "not the number of a class"),
    ],
)
def test_what_is_no_samples(arrays: dict[str, np.ndarray], words: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", **arrays)
    with pytest.raises(DatasetError, match=words):
        load_samples(tmp_path / "data.npz")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    with pytest.raises(DatasetError, match="there is no such file"):
        load_samples(path)
    np.savez(path, x=X)
    whole = path.read_bytes()
    for damaged in (b"", b"text", whole[:100], whole[:-30], b"\x93NUMPY\x01\x00v\x00{"):
        path.write_bytes(damaged)
        with pytest.raises(DatasetError, match="cannot be read"):
            load_samples(path)


class Shouts:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (print, ("code of a file was run",))


def test_pickled_objects_are_not_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "data.npy", np.array([Shouts()], dtype=object), allow_pickle=True)
    (tmp_path / "plain.npy").write_bytes(pickle.dumps(Shouts()))
    for name in ("data.npy", "plain.npy"):
        with pytest.raises(DatasetError, match="cannot be read"):
            load_samples(tmp_path / name)
    assert "code of a file" not in capsys.readouterr().out


def test_a_file_that_unpacks_to_too_much_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hwnas.samples.MAX_BYTES", 1 << 16)
    header = io.BytesIO()
    np.save(header, np.zeros((1 << 20, 1), np.uint8))
    with zipfile.ZipFile(tmp_path / "data.npz", "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("x.npy", header.getvalue())
    assert (tmp_path / "data.npz").stat().st_size < 1 << 16
    with pytest.raises(DatasetError, match="unpacked it has"):
        load_samples(tmp_path / "data.npz")


def test_random_samples_are_always_the_same() -> None:
    assert (random_samples((4, 4)) == random_samples((4, 4))).all()
    assert random_samples((4, 4), 7).shape == (7, 4, 4)
