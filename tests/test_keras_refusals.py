"""Keras models that are refused, with what to do instead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from keras_models import MAP, Build, Doubled, functional, same_conv, sequential

from hwnas._tensorflow import import_keras
from hwnas.errors import NetworkError, UnsupportedLayerError
from hwnas.keras_io import from_keras

keras = import_keras()
layers = keras.layers

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


class Overridden(layers.Conv2D):
    def call(self, x: Any) -> Any:
        return super().call(x) * 2


class Subclassed(keras.Model):
    def call(self, x: Any) -> Any:
        return x


class OwnCall(keras.Model):
    def call(self, x: Any) -> Any:
        return super().call(x) * 2


def masked() -> Any:
    def body(x: Any) -> Any:
        mask = layers.Reshape((8, 8))(layers.Conv2D(1, 1)(x))
        return layers.BatchNormalization(name="bad")(same_conv()(x), mask=mask)

    return functional(MAP, body)


def nested_with_two_inputs() -> Any:
    inputs = [keras.Input(MAP), keras.Input(MAP)]
    inner = keras.Model(inputs, layers.Add()(inputs), name="bad")
    return functional(MAP, lambda x: inner([x, same_conv()(x)]))


def combined(layer: Any) -> Build:
    return lambda: functional(MAP, lambda x: layer([x, same_conv()(x)]))


def shared_weights() -> Any:
    conv = same_conv(name="bad")
    return functional(MAP, lambda x: conv(conv(x)))


def two_inputs() -> Any:
    inputs = [keras.Input(MAP), keras.Input(MAP)]
    return keras.Model(inputs, layers.Add()(inputs), name="bad")


def two_outputs() -> Any:
    inputs = keras.Input(MAP)
    return keras.Model(inputs, [same_conv()(inputs), same_conv()(inputs)], name="bad")


def own_functional_call() -> Any:
    inputs = keras.Input(MAP)
    return OwnCall(inputs, same_conv()(inputs), name="bad")


def on_map(*parts: Any) -> Build:
    return lambda: sequential(MAP, *parts)


BAD = {"name": "bad"}
UNSUPPORTED: list[tuple[Build, str]] = [
    (on_map(layers.Conv2D(4, 3, data_format="channels_first", **BAD)), "channels_last"),
    (on_map(layers.DepthwiseConv2D(2, 2, dilation_rate=2, **BAD)), "use one of them"),
    (on_map(layers.SeparableConv2D(4, 2, 2, dilation_rate=2, **BAD)), "use one of them"),
    (on_map(layers.Conv2D(4, 3, activation="gelu", **BAD)), "hard_silu.*relu6, sigmoid"),
    (on_map(layers.Activation("softplus", **BAD)), "relu6"),
    (on_map(layers.Activation(lambda x: x, **BAD)), "relu"),
    (on_map(layers.Conv2DTranspose(4, 3, **BAD)), "enlarge"),
    (on_map(layers.ELU(**BAD)), "ReLU or LeakyReLU"),
    (on_map(layers.PReLU(**BAD)), "LeakyReLU"),
    (on_map(layers.ReLU(1.0, **BAD)), "max_value=6"),
    (on_map(layers.ReLU(6.0, negative_slope=0.1, **BAD)), "max_value=6"),
    (on_map(layers.ReLU(threshold=0.1, **BAD)), "max_value=6"),
    (on_map(layers.Softmax(axis=1, **BAD)), "last"),
    (on_map(layers.Dense(3, **BAD)), "1x1 kernel, or Flatten"),
    (on_map(layers.LayerNormalization(**BAD)), "BatchNormalization"),
    (on_map(layers.Permute((2, 1, 3), **BAD)), "order that it needs, or Reshape"),
    (on_map(Doubled(**BAD)), "Conv2D, Dense"),
    (on_map(Overridden(4, 3, **BAD)), "Conv2D, Dense"),
    (on_map(layers.Conv2D(4, 3), layers.BatchNormalization(axis=1, **BAD)), "axis -1"),
    (nested_with_two_inputs, "2 inputs.*call its layers directly"),
    (shared_weights, "used twice"),
    (two_inputs, "2 inputs"),
    (two_outputs, "2 outputs"),
    (own_functional_call, "call\\(\\) of its own"),
    (lambda: Subclassed(name="bad"), "keras.Sequential"),
    (
        lambda: functional(MAP, lambda x: layers.Add(**BAD)([x, layers.Conv2D(1, 1)(x)])),
        r"\(8, 8, 4\) and \(8, 8, 1\).*one value a channel",
    ),
    (combined(layers.Concatenate(0, **BAD)), "the batch; use one from 1 to 3"),
    (lambda: functional(MAP, lambda x: layers.Concatenate(**BAD)([x] * 12)), "at most 11"),
    (combined(layers.Maximum(**BAD)), "replace it by Add"),
    (combined(layers.Dot(-1, **BAD)), "Conv2D, Dense"),
    (masked, "2 inputs; one is supported"),
    (on_map(layers.Lambda(lambda x: x * 2, **BAD)), "layers that Keras has"),
    (on_map(layers.Resizing(4, 4, **BAD)), "resized before the model"),
    (on_map(layers.RandomCrop(4, 4, **BAD)), "cropped before the model"),
    (on_map(layers.Normalization(mean=1.0, variance=1.0, **BAD)), "Rescaling"),
    (lambda: sequential((8, 4), layers.LSTM(3, **BAD)), "causal"),
]
OPERATIONS: list[tuple[Callable[[Any], Any], str]] = [
    (lambda x: 1.0 / x, r"\(TrueDivide\): divides by a tensor"),
    (lambda x: x / (x + 1.0), r"\(TrueDivide\): divides by a tensor"),
    (lambda x: -x, r"\(Negative\).*a multiplication by -1"),
    (lambda x: x[:, 1:], r"\(GetItem\).*strides"),
    (lambda x: keras.ops.mean(x, axis=-1), r"\(Mean\): has axis \[-1\].*axis=\(1, 2\)"),
    (lambda x: keras.ops.max(x), r"\(Max\): has axis None"),
    (lambda x: keras.ops.transpose(x, (0, 2, 1, 3)), r"\(Transpose\)"),
    (lambda x: keras.ops.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))), r"\(Pad\).*ZeroPadding2D"),
    (lambda x: keras.ops.maximum(x, 1.0), r"\(Maximum\)"),
    (lambda x: x * np.arange(8.0).reshape((8, 1)), r"constant of shape \(8, 1\)"),
]


@pytest.mark.parametrize(("body", "message"), OPERATIONS)
def test_unsupported_operations_are_named_with_a_replacement(
    body: Callable[[Any], Any], message: str
) -> None:
    with pytest.raises(UnsupportedLayerError, match=message):
        from_keras(functional(MAP, body))


@pytest.mark.parametrize(("build", "advice"), UNSUPPORTED)
def test_unsupported_layers_are_named_with_a_replacement(build: Build, advice: str) -> None:
    with pytest.raises(UnsupportedLayerError, match=f"^layer 'bad'.*{advice}"):
        from_keras(build())


MALFORMED: list[tuple[Build, str]] = [
    (lambda: sequential((None, 8, 3), same_conv()), "not fixed"),
    (lambda: keras.Sequential([same_conv()]), "no shapes yet"),
    (lambda: sequential(MAP, layers.Reshape((2, 2, 8, 8), name="bad")), "'bad'.*1 to 3 axes"),
    (lambda: sequential(MAP, layers.Dropout(0.5)), "1 to 512 layers, not 0"),
    (lambda: "lenet.keras", "keras.Model, not str"),
]


@pytest.mark.parametrize(("build", "message"), MALFORMED)
def test_malformed_models(build: Build, message: str) -> None:
    with pytest.raises(NetworkError, match=message):
        from_keras(build())
