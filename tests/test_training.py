"""The built-in trainer on the real data, with real models."""

from __future__ import annotations

import gc
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from optuna.trial import FixedTrial

from hwnas.errors import DatasetError, HwnasError
from hwnas.training import VALIDATION_SAMPLES, FashionMnistTrainer, TrainerError

ROOT = Path(__file__).parent.parent
SILENT = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}


def build(
    side: int = 28, *, channels: int = 1, classes: int = 10, activation: str | None = "softmax"
) -> Any:
    import keras

    return keras.Sequential(
        [
            keras.Input((side, side, channels)),
            keras.layers.Conv2D(4, 5, strides=3, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(classes, activation=activation),
        ]
    )


def trial(number: int = 0) -> FixedTrial:
    return FixedTrial({}, number=number)


@pytest.fixture(scope="module")
def trainer() -> FashionMnistTrainer:
    return FashionMnistTrainer(epochs=1, train_samples=3_000)


@pytest.mark.parametrize("side", [28, 31, 32])
def test_it_learns_and_pads_the_images_to_what_the_model_reads(
    trainer: FashionMnistTrainer, side: int
) -> None:
    assert 0.55 < trainer(build(side), trial()) < 0.95


def test_a_model_that_ends_in_logits_learns_as_well(trainer: FashionMnistTrainer) -> None:
    with_softmax, logits = (
        trainer(build(activation=activation), trial()) for activation in ("softmax", None)
    )
    assert logits == pytest.approx(with_softmax, abs=0.03)


def test_a_trial_can_be_repeated_and_another_has_another_seed(
    trainer: FashionMnistTrainer,
) -> None:
    first, again, other = (trainer(build(), trial(number)) for number in (3, 3, 4))
    assert again == pytest.approx(first, abs=0.005)
    assert other != first


def test_training_leaves_the_global_generators_alone_and_the_model_trained(
    trainer: FashionMnistTrainer,
) -> None:
    model = build()
    before = [weights.copy() for weights in model.get_weights()]
    random.seed(5)
    np.random.seed(5)
    expected = random.Random(5).random(), np.random.RandomState(5).rand()
    trainer(model, trial())
    assert (random.random(), np.random.rand()) == expected
    changed = [
        not np.array_equal(old, new) for old, new in zip(before, model.get_weights(), strict=True)
    ]
    assert all(changed)


def test_the_split_is_fixed_and_holds_out_what_is_never_trained_on() -> None:
    small, large = (FashionMnistTrainer(train_samples=n) for n in (100, 500))
    assert np.array_equal(small._x_val, large._x_val) and len(small._x_val) == VALIDATION_SAMPLES
    assert np.array_equal(small._x_train, large._x_train[:100])
    held_out = {image.tobytes() for image in large._x_val}
    trained_on = {image.tobytes() for image in large._x_train}
    assert not held_out & trained_on


@pytest.mark.parametrize(
    "options", [{"side": 27}, {"channels": 3}, {"classes": 12}], ids=lambda o: next(iter(o))
)
def test_a_model_for_other_data_is_refused(
    trainer: FashionMnistTrainer, options: dict[str, int]
) -> None:
    with pytest.raises(DatasetError, match=r"28x28x1 images of 10 classes"):
        trainer(build(**options), trial())


def test_a_model_whose_output_is_a_map_is_refused(trainer: FashionMnistTrainer) -> None:
    import keras

    model = keras.Sequential([keras.Input((28, 28, 1)), keras.layers.Conv2D(10, 28)], name="map")
    with pytest.raises(DatasetError, match=r"model map: its output \(1, 1, 10\) is no vector"):
        trainer(model, trial())


def test_trainings_leave_no_graph_in_memory(trainer: FashionMnistTrainer) -> None:
    """Tensorflow's registry of gradients would keep each training's graph for good."""

    def graphs() -> int:
        gc.collect()
        return sum(type(one).__name__ == "FuncGraph" for one in gc.get_objects())

    counts = []
    for number in range(3):
        trainer(build(), trial(number))
        counts.append(graphs())
    assert counts[1:] == counts[:-1]


def test_the_dtype_policy_outlives_a_training(trainer: FashionMnistTrainer) -> None:
    import keras

    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        trainer(build(), trial())
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    finally:
        keras.config.set_dtype_policy("float32")


def test_a_space_for_other_data_is_refused_before_a_search(trainer: FashionMnistTrainer) -> None:
    trainer.check_fits((32, 32, 1), 10)
    trainer.check_fits((28, 28, 1), None)
    for shape, classes in (((49, 10, 1), 12), ((784,), 10), ((28, 28, 1), 12)):
        with pytest.raises(DatasetError, match="bring a training function of your own"):
            trainer.check_fits(shape, classes)


@pytest.mark.parametrize(
    "options",
    [
        {"epochs": 0},
        {"batch_size": 0},
        {"train_samples": 0},
        {"train_samples": 56_001},
        {"learning_rate": 0.0},
        {"learning_rate": float("nan")},
        {"seed": -1},
    ],
)
def test_arguments_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(TrainerError, match=f"{next(iter(options))} "):
        FashionMnistTrainer(**options)
    assert issubclass(TrainerError, HwnasError)


def test_making_a_trainer_does_not_import_tensorflow_and_training_is_silent() -> None:
    code = (
        "import os, sys\n"
        "sys.path.insert(0, 'tests')\n"
        "from hwnas.training import FashionMnistTrainer\n"
        "trainer = FashionMnistTrainer(epochs=1, train_samples=200)\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)\n"
        "from hwnas._tensorflow import import_keras\n"
        "import_keras()\n"
        "from test_training import build, trial\n"
        "trainer(build(), trial())\n"
        "assert 'TF_CPP_MIN_LOG_LEVEL' not in os.environ\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=SILENT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0 and done.stdout == "" and done.stderr == "", done.stderr


def test_standard_error_is_back_after_the_import() -> None:
    code = (
        "import os\n"
        "from hwnas._tensorflow import import_keras\n"
        "keras = import_keras()\n"
        "assert keras is import_keras()\n"
        "os.write(2, b'still here')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=SILENT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == "still here"
