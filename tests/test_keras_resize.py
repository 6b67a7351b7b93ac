"""Keras models with other channel counts: all else stays."""

from __future__ import annotations

from collections import Counter
from typing import Any

import keras_models
import numpy as np
import pytest
from keras_models import Build, functional, sequential

from hwnas._tensorflow import import_keras
from hwnas.errors import UnsupportedLayerError
from hwnas.keras_io import from_keras, resize_keras, to_keras
from hwnas.snapping import snap

keras = import_keras()
layers = keras.layers

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

IN_PLACE = (
    keras_models.lenet, keras_models.resnet8, keras_models.ds_cnn, keras_models.mobilenet,
    keras_models.separable, keras_models.norms_around_dense, keras_models.keyword_spotting_1d,
    keras_models.windows_of_all_kinds, keras_models.squeeze_and_excite, keras_models.nested,
)  # fmt: skip
WRITTEN_DOWN_ELSEWHERE = (
    keras_models.activations_behind_reshapes,  # in a Reshape
    keras_models.regularized,  # in a Reshape
    keras_models.constants_that_fold,  # in a vector of constants
)


@pytest.mark.parametrize("build", IN_PLACE, ids=lambda build: build.__name__)
def test_the_channel_counts_change_and_nothing_else(build: Build) -> None:
    model = build()
    wanted = snap(from_keras(model), multiple=7)
    made = resize_keras(model, wanted)
    assert made is not None and from_keras(made) == wanted
    assert kinds(made) == kinds(model)
    assert made.name == model.name


def kinds(model: Any) -> Counter[str]:
    return Counter(
        f"{layer.name} {type(layer).__name__}"
        for layer in model._flatten_layers(include_self=False, recursive=True)
    )


@pytest.mark.parametrize("build", WRITTEN_DOWN_ELSEWHERE, ids=lambda build: build.__name__)
def test_counts_that_stand_elsewhere_are_not_found(build: Build) -> None:
    model = build()
    assert resize_keras(model, snap(from_keras(model), multiple=7)) is None


def test_what_only_training_knows_is_kept_and_weights_are_fresh() -> None:
    model = sequential(
        (8, 8, 3),
        layers.Conv2D(7, 3, use_bias=False, kernel_regularizer="l2", name="stem"),
        layers.BatchNormalization(momentum=0.5),
        layers.ReLU(),
        layers.Dropout(0.25),
        layers.Conv2D(2, 1, kernel_initializer="ones", name="head"),
        layers.Flatten(),
    )
    model.get_layer("head").set_weights([np.full((1, 1, 7, 2), 3.0), np.full(2, 4.0)])
    made = resize_keras(model, snap(from_keras(model)))
    stem, norm, _, dropout, head, _ = made.layers
    assert (stem.filters, stem.kernel_regularizer.l2 > 0) == (8, True)
    assert (norm.momentum, norm.gamma.shape, dropout.rate) == (0.5, (8,), 0.25)
    kernel, bias = head.get_weights()
    assert kernel.shape == (1, 1, 8, 2)
    assert (kernel == 1).all() and (bias == 0).all()
    assert model.get_layer("stem").filters == 7  # The model itself stays.
    made.compile("adam", "mse")
    made.fit(np.zeros((4, 8, 8, 3)), np.zeros((4, 72)), epochs=1, verbose=0)


def test_a_model_that_was_loaded(tmp_path: Any) -> None:
    """It knows the shapes that its layers had."""
    path = tmp_path / "model.keras"
    model = sequential((8, 8, 3), layers.Conv2D(7, 3), layers.Conv2D(2, 1))
    model.compile("adam", "mse")
    model.save(path)
    loaded = keras.saving.load_model(path)
    wanted = snap(from_keras(loaded))
    assert from_keras(resize_keras(loaded, wanted)) == wanted


def test_a_model_of_what_is_written() -> None:
    network = from_keras(keras_models.lenet())
    model = to_keras(network)
    assert from_keras(resize_keras(model, snap(network))) == snap(network) != network


def test_what_cannot_be_read_is_refused() -> None:
    model = functional((8, 8, 3), lambda x: layers.Conv2DTranspose(4, 3, name="upscale")(x))
    readable = from_keras(sequential((8, 8, 3), layers.Conv2D(4, 3)))
    with pytest.raises(UnsupportedLayerError, match="upscale"):
        resize_keras(model, readable)
