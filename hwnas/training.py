"""The built-in training of a search: Fashion-MNIST, short and repeatable."""

from __future__ import annotations

import importlib.util
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from hwnas._tensorflow import import_keras
from hwnas.datasets import CLASSES, IMAGE_SIDE, load_fashion_mnist
from hwnas.errors import DatasetError, HwnasError

VALIDATION_SAMPLES: Final = 4_000
"""The first images of the training part; the split never depends on anything else."""
MAX_TRAIN_SAMPLES: Final = 60_000 - VALIDATION_SAMPLES
EVALUATION_BATCH: Final = 500


class TrainerError(HwnasError):
    """The built-in trainer cannot work with what it was given."""


class Numbered(Protocol):
    """The part of ``optuna.trial.BaseTrial`` that the trainer reads."""

    @property
    def number(self) -> int:
        """The trial's number, which goes into its seed."""
        ...


class FashionMnistTrainer:
    """Trains a Keras classifier on Fashion-MNIST for a few epochs.

    A fresh copy of the model is trained (its weights drawn anew from the trial's seed, so that a
    trial can be repeated), with Adam and sparse categorical cross-entropy; the model must end in
    a softmax over 10 classes. Images get a border of zeros where the model reads larger ones.
    The test part of the data is never touched.

    Args:
        epochs: Passes over the training images.
        train_samples: How many of the 56,000 training images to use.
        batch_size: Images a step.
        learning_rate: Of Adam.
        seed: Together with the trial's number it seeds initial weights and shuffling.

    Raises:
        DatasetError: Fashion-MNIST is missing or damaged.
        TrainerError: An argument is out of range, or tensorflow is not installed.

    Example:
        >>> trainer = FashionMnistTrainer(epochs=1)  # doctest: +SKIP
        >>> trainer(model, trial)  # doctest: +SKIP
        0.8342
    """

    def __init__(
        self,
        *,
        epochs: int = 3,
        train_samples: int = 12_000,
        batch_size: int = 64,
        learning_rate: float = 2e-3,
        seed: int = 0,
    ) -> None:
        if epochs < 1 or batch_size < 1 or not 1 <= train_samples <= MAX_TRAIN_SAMPLES:
            raise TrainerError(
                f"epochs {epochs}, batch_size {batch_size}, train_samples {train_samples}: each "
                f"must be 1 or more, and at most {MAX_TRAIN_SAMPLES} images are there to train on"
            )
        if importlib.util.find_spec("tensorflow") is None:
            raise TrainerError("training needs tensorflow: pip install 'hwnas[keras]'")
        data = load_fashion_mnist(limit=VALIDATION_SAMPLES + train_samples)
        self._x_val, self._x_train = np.split(data.x_train, [VALIDATION_SAMPLES])
        self._y_val, self._y_train = np.split(data.y_train, [VALIDATION_SAMPLES])
        self._epochs = epochs
        self._batch_size = batch_size
        self._learning_rate = learning_rate
        self._seed = seed
        self._seconds: list[float] = []

    @property
    def chance_level(self) -> float:
        """Accuracy of guessing: 1 / classes."""
        return 1 / CLASSES

    @property
    def seconds(self) -> tuple[float, ...]:
        """Wall time of each training so far, in seconds (measured on this host)."""
        return tuple(self._seconds)

    def check_fits(self, input_shape: tuple[int, ...], classes: int | None) -> None:
        """Refuse networks that cannot be trained on these images, before a search starts.

        Args:
            input_shape: What the networks read, without the batch.
            classes: How many classes they tell apart, if known.

        Raises:
            DatasetError: The images do not fit into that shape, or the classes differ.
        """
        if (
            len(input_shape) != 3
            or min(input_shape[:2]) < IMAGE_SIDE
            or input_shape[2] != 1
            or classes not in (None, CLASSES)
        ):
            shape = "x".join(map(str, input_shape))
            raise DatasetError(
                f"the networks read {shape} and tell {classes} classes apart; Fashion-MNIST has "
                f"{IMAGE_SIDE}x{IMAGE_SIDE}x1 images of {CLASSES} classes: bring a training "
                "function of your own"
            )

    def __call__(self, model: Any, trial: Numbered) -> float:
        """Train a copy of ``model`` and return its accuracy on held-out images.

        Args:
            model: A ``keras.Model`` with one input and softmax output.
            trial: The Optuna trial.

        Raises:
            DatasetError: The model does not fit the images.
        """
        shape = tuple(model.input_shape[1:])
        self.check_fits(shape, model.output_shape[-1])
        start = time.perf_counter()
        accuracy = self._train(model, shape, self._seed + trial.number)
        self._seconds.append(time.perf_counter() - start)
        return accuracy

    def _train(self, model: Any, shape: tuple[int, ...], seed: int) -> float:
        keras = import_keras()
        with _own_random_state(keras, seed):
            copy = keras.models.clone_model(model)
            copy.compile(
                optimizer=keras.optimizers.Adam(self._learning_rate),
                loss="sparse_categorical_crossentropy",
                metrics=["accuracy"],
                jit_compile=False,
            )
            copy.fit(
                _bordered(self._x_train, shape),
                self._y_train,
                batch_size=self._batch_size,
                epochs=self._epochs,
                verbose=0,
            )
            scores = copy.evaluate(
                _bordered(self._x_val, shape),
                self._y_val,
                batch_size=EVALUATION_BATCH,
                verbose=0,
                return_dict=True,
            )
            return float(scores["accuracy"])


def _bordered(images: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Images in the middle of zeros, as large as ``shape``."""
    if images.shape[1:] == shape:
        return images
    spare = [large - small for large, small in zip(shape, images.shape[1:], strict=True)]
    return np.pad(images, [(0, 0), *((n // 2, n - n // 2) for n in spare)])


@contextmanager
def _own_random_state(keras: Any, seed: int) -> Iterator[None]:
    """Seed Keras, which seeds Python's and NumPy's global generators as well; give those back."""
    python, numpy = random.getstate(), np.random.get_state()
    keras.utils.set_random_seed(seed)
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        keras.backend.clear_session()
