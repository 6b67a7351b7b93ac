"""The built-in training of a search: Fashion-MNIST, short and repeatable."""

from __future__ import annotations

import importlib.util
import math
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from hwnas._tensorflow import import_keras
from hwnas.datasets import CLASSES, IMAGE_SIDE, load_fashion_mnist
from hwnas.errors import DatasetError, HwnasError
from hwnas.int8_metric import Int8Validation

VALIDATION_SAMPLES: Final = 4_000
"""The first images of the training part; the split never depends on anything else."""
MAX_TRAIN_SAMPLES: Final = 60_000 - VALIDATION_SAMPLES
EVALUATION_BATCH: Final = 500
REPRESENTATIVE_SAMPLES: Final = 100
"""Training images from which the quantizer takes ranges."""
MAX_SEED: Final = (1 << 31) - 1

_RANDOM_STATE: Final = threading.Lock()
"""Held by who trains: Keras's random state belongs to the process, not to a thread."""


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
    a vector of 10 classes, with or without a softmax. The model gets the weights of the trained
    copy. Images get a border of zeros where the model reads larger ones. The test part of the data
    is never touched. Threads take turns, but a trial repeats exactly only where no other thread
    makes models meanwhile.

    Args:
        epochs: Passes over the training images.
        train_samples: How many of the 56,000 training images to use.
        batch_size: Images a step.
        learning_rate: Of Adam.
        seed: Together with the trial's number it seeds initial weights and shuffling.

    Raises:
        DatasetError: Fashion-MNIST is missing or damaged.
        TrainerError: An argument is out of range, or Keras or tensorflow is not installed.

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
        if not 0 < learning_rate < math.inf or not 0 <= seed <= MAX_SEED:
            raise TrainerError(
                f"learning_rate {learning_rate}, seed {seed}: the rate must be above 0, the seed "
                f"0 to {MAX_SEED}"
            )
        for needed in ("tensorflow", "keras"):
            if importlib.util.find_spec(needed) is None:
                raise TrainerError(f"training needs {needed}: pip install 'hwnas[keras]'")
        data = load_fashion_mnist(limit=VALIDATION_SAMPLES + train_samples)
        self._x_val, self._x_train = np.split(data.x_train, [VALIDATION_SAMPLES])
        self._y_val, self._y_train = np.split(data.y_train, [VALIDATION_SAMPLES])
        self._epochs = epochs
        self._batch_size = batch_size
        self._learning_rate = learning_rate
        self._seed = seed

    def int8_accuracy(self, model: Any) -> float:
        """Accuracy on the held-out images of a trained model, once it is quantized.

        Args:
            model: As it was trained here.

        Raises:
            DatasetError: The model does not fit the images.
        """
        shape = tuple(model.input_shape[1:])
        return Int8Validation(
            _bordered(self._x_val, shape),
            self._y_val,
            _bordered(self._x_train[:REPRESENTATIVE_SAMPLES], shape),
        )(model)

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
        """Train a copy of ``model``, hand it the weights, and return their held-out accuracy.

        Args:
            model: A ``keras.Model`` with one input, and logits or a softmax as its output.
            trial: The Optuna trial.

        Raises:
            DatasetError: The model does not fit the images.
        """
        shape, output = tuple(model.input_shape[1:]), tuple(model.output_shape[1:])
        if len(output) != 1:
            raise DatasetError(
                f"model {model.name}: its output {output} is no vector of classes; flatten it"
            )
        self.check_fits(shape, output[0])
        return self._train(model, shape, (self._seed + trial.number) % (MAX_SEED + 1))

    def _train(self, model: Any, shape: tuple[int, ...], seed: int) -> float:
        keras = import_keras()
        with _own_random_state(keras, seed):
            copy = keras.models.clone_model(model)
            copy.compile(
                optimizer=_adam(keras, self._learning_rate),
                loss=keras.losses.SparseCategoricalCrossentropy(
                    from_logits=not _gives_probabilities(copy, _bordered(self._x_val[:1], shape))
                ),
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
            model.set_weights(copy.get_weights())
            return float(scores["accuracy"])


def _bordered(images: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Images in the middle of zeros, as large as ``shape``."""
    if images.shape[1:] == shape:
        return images
    spare = [large - small for large, small in zip(shape, images.shape[1:], strict=True)]
    return np.pad(images, [(0, 0), *((n // 2, n - n // 2) for n in spare)])


def _gives_probabilities(model: Any, images: NDArray[np.float32]) -> bool:
    """Whether an untrained model's output is a softmax's rather than logits."""
    (output,) = np.asarray(model(images, training=False), np.float64)
    return bool(output.min() >= 0 and math.isclose(output.sum(), 1, abs_tol=1e-3))


def _adam(keras: Any, learning_rate: float) -> Any:
    """Adam that leaves no graph behind.

    On its way through tensorflow's sum over replicas, of which there is one, each model's training
    graph would enter a global registry for good: about 9 MB a trial.
    """
    optimizer = keras.optimizers.Adam(learning_rate)
    optimizer._all_reduce_sum_gradients = list
    return optimizer


@contextmanager
def _own_random_state(keras: Any, seed: int) -> Iterator[None]:
    """Seed Keras, which seeds Python's and NumPy's global generators as well; give those back.

    What Keras keeps of its models is dropped afterwards; its dtype policy, which would be dropped
    as well, is given back.
    """
    with _RANDOM_STATE:
        python, numpy = random.getstate(), np.random.get_state()
        policy = keras.config.dtype_policy()
        keras.utils.set_random_seed(seed)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)
            keras.backend.clear_session()
            keras.config.set_dtype_policy(policy)
