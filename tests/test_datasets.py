"""Fashion-MNIST: the real files, and damaged copies of small ones."""

from __future__ import annotations

import gzip
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hwnas import datasets
from hwnas.datasets import load_fashion_mnist
from hwnas.errors import DatasetError

IMAGES, LABELS = "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"


def idx(values: np.ndarray, *, count: int | None = None, kind: int = 8) -> bytes:
    extents = (values.shape[0] if count is None else count, *values.shape[1:])
    return struct.pack(f">HBB{values.ndim}I", 0, kind, values.ndim, *extents) + values.tobytes()


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with 12 training and 5 test images, the only place to be searched."""
    place = tmp_path / "fashion-mnist"
    place.mkdir()
    draw = np.random.default_rng(0)
    for part, count in (("train", 12), ("t10k", 5)):
        images = draw.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        labels = draw.integers(0, 10, count, dtype=np.uint8)
        (place / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(images), mtime=0))
        (place / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels), mtime=0))
    monkeypatch.setenv("HWNAS_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr(datasets, "SEARCH_PATHS", ())
    return place


def test_the_real_data() -> None:
    data = load_fashion_mnist(limit=2_000)
    assert data.x_train.shape == data.x_test.shape == (2_000, 28, 28, 1)
    assert data.x_train.dtype == np.float32 and data.y_train.dtype == np.int64
    assert data.x_train.min() == 0 and data.x_train.max() == 1
    assert data.y_train[:10].tolist() == [9, 0, 0, 3, 0, 2, 7, 2, 5, 5]
    assert np.bincount(data.y_test, minlength=10).min() > 150
    assert data.x_train.mean() == pytest.approx(0.286, abs=0.01)


def test_all_of_it_is_there_without_a_limit(small: Path) -> None:
    data = load_fashion_mnist()
    assert len(data.x_train) == len(data.y_train) == 12
    assert len(data.x_test) == len(data.y_test) == 5
    with gzip.open(small / IMAGES) as file:
        raw = np.frombuffer(file.read()[16:], np.uint8)
    assert np.array_equal(np.rint(data.x_train.ravel() * 255).astype(np.uint8), raw)


def test_a_limit_takes_the_first_and_must_be_positive(small: Path) -> None:
    whole, part = load_fashion_mnist(), load_fashion_mnist(limit=7)
    assert np.array_equal(part.x_train, whole.x_train[:7])
    assert np.array_equal(part.y_test, whole.y_test)
    with pytest.raises(DatasetError, match="limit 0"):
        load_fashion_mnist(limit=0)


def test_sources_are_searched_in_order(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "keras" / "datasets" / "fashion-mnist"
    cache.parent.mkdir(parents=True)
    small.rename(cache)
    assert len(load_fashion_mnist(download=False).x_train) == 12
    damaged = tmp_path / "system"
    damaged.mkdir()
    for file in cache.iterdir():
        (damaged / file.name).write_bytes(b"damaged")
    monkeypatch.setattr(datasets, "SEARCH_PATHS", (damaged,))
    with pytest.raises(DatasetError, match=f"{damaged}"):
        load_fashion_mnist(download=False)
    monkeypatch.setenv("HWNAS_DATA_DIR", str(cache))
    assert len(load_fashion_mnist(download=False).x_train) == 12


def test_without_any_source_all_places_and_the_remedy_are_named(
    small: Path, tmp_path: Path
) -> None:
    (small / LABELS).unlink()
    with pytest.raises(DatasetError) as raised:
        load_fashion_mnist(download=False)
    for word in (str(tmp_path), str(small), str(tmp_path / "keras"), "HWNAS_DATA_DIR",
                 "apt-get install dataset-fashion-mnist"):  # fmt: skip
        assert word in str(raised.value)


def test_a_place_that_cannot_be_looked_at_is_passed_over(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_HOME", "y" * 5_000)
    monkeypatch.setenv("HWNAS_DATA_DIR", "x" * 5_000)
    with pytest.raises(DatasetError, match="was not found in xxx"):
        load_fashion_mnist(download=False)


def test_a_failed_download_is_told() -> None:
    """In a process of its own, whose proxy refuses: nothing leaves this machine."""
    code = (
        "import hwnas.datasets as d\n"
        "d.SEARCH_PATHS = ()\n"
        "try: d.load_fashion_mnist()\n"
        "except d.DatasetError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={
            "HWNAS_DATA_DIR": "/nonexistent",
            "KERAS_HOME": "/nonexistent/keras",
            "https_proxy": "http://127.0.0.1:9",
            "PYTHONPATH": str(Path(__file__).parent.parent),
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Keras could not download it" in done.stdout
    assert done.stdout.count("\n") == 1 and "apt-get install" in done.stdout


ZEROS = np.zeros((12, 28, 28), np.uint8)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        (IMAGES, b"", "ends after 0 of 16"),
        (IMAGES, b"not gzip at all", "cannot be read"),
        (IMAGES, gzip.compress(idx(ZEROS), mtime=0)[:-9], "cannot be read"),
        (IMAGES, gzip.compress(idx(ZEROS)[:-1], mtime=0), "ends after 9407 of 9408"),
        (IMAGES, gzip.compress(idx(ZEROS) + b"\0", mtime=0), "more behind the 12 items"),
        (IMAGES, gzip.compress(idx(ZEROS, kind=9), mtime=0), "the header is 00000903"),
        (IMAGES, gzip.compress(idx(ZEROS[:, :27]), mtime=0), "items of shape"),
        (IMAGES, gzip.compress(idx(ZEROS, count=60_001), mtime=0), "60001 items"),
        (IMAGES, gzip.compress(idx(ZEROS, count=0), mtime=0), "0 items"),
        (IMAGES, gzip.compress(idx(ZEROS[:11]), mtime=0), "11 images, but .* 12 labels"),
        (
            LABELS,
            gzip.compress(idx(np.full(12, 10, np.uint8)), mtime=0),
            "label 10; expected 0 to 9",
        ),
        (LABELS, gzip.compress(idx(ZEROS), mtime=0), "the header is"),
    ],
    ids=lambda value: "" if isinstance(value, bytes) else None,
)
def test_a_damaged_file_is_named(small: Path, name: str, content: bytes, words: str) -> None:
    (small / name).write_bytes(content)
    with pytest.raises(DatasetError, match=words) as raised:
        load_fashion_mnist()
    assert str(small / IMAGES) in str(raised.value) or str(small / name) in str(raised.value)


def test_a_bomb_is_not_unpacked_beyond_what_its_header_announces(small: Path) -> None:
    (small / IMAGES).write_bytes(gzip.compress(idx(ZEROS) + bytes(64 << 20)))
    with pytest.raises(DatasetError, match="more behind the 12 items"):
        load_fashion_mnist()


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(position=st.integers(0, 200), value=st.integers(0, 255))
def test_any_flipped_byte_is_an_error_or_harmless(small: Path, position: int, value: int) -> None:
    whole = gzip.compress(idx(ZEROS), mtime=0)
    position %= len(whole)
    (small / IMAGES).write_bytes(whole[:position] + bytes([value]) + whole[position + 1 :])
    try:
        data = load_fashion_mnist()
    except DatasetError as error:
        assert IMAGES in str(error)
    else:
        assert not data.x_train.any()
