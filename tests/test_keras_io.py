from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from converter_oracle import (
    convert,
    convert_slowly,
    converter_graph,
    has_left_out_habit,
    network_graph,
    randomize,
    signature,
)
from hypothesis import HealthCheck, assume, given, settings
from network_strategies import networks

from hwnas._tensorflow import import_keras
from hwnas.errors import NetworkError, UnsupportedLayerError
from hwnas.keras_io import _layers as readers
from hwnas.keras_io import from_keras, load_keras, to_keras
from hwnas.models import load_network
from hwnas.network import PARAMETRIC, DType, Network, NetworkBuilder

keras = import_keras()
layers = keras.layers

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

Build = Callable[[], Any]
MAP = (8, 8, 4)


def sequential(shape: tuple[int | None, ...], *parts: Any) -> Any:
    return keras.Sequential([keras.Input(shape), *parts])


def functional(shape: tuple[int, ...], body: Callable[[Any], Any]) -> Any:
    inputs = keras.Input(shape)
    return keras.Model(inputs, body(inputs))


def same_conv(**options: Any) -> Any:
    return layers.Conv2D(4, 3, padding="same", **options)


# --- models for the oracle ------------------------------------------------------------------


def lenet() -> Any:
    return sequential(
        (32, 32, 1),
        layers.Conv2D(6, 3, activation="relu"),
        layers.MaxPooling2D(),
        layers.Conv2D(16, 3, activation="relu"),
        layers.MaxPooling2D(),
        layers.Flatten(),
        layers.Dense(24, activation="relu"),
        layers.Dropout(0.5),
        layers.Dense(10, activation="softmax"),
    )


def resnet8() -> Any:
    def normalized(x: Any, filters: int, kernel: int, strides: int) -> Any:
        x = layers.Conv2D(filters, kernel, strides, padding="same")(x)
        return layers.BatchNormalization()(x)

    def body(x: Any) -> Any:
        x = layers.ReLU()(normalized(x, 8, 3, 1))
        for filters, strides in ((8, 1), (12, 2), (16, 2)):
            y = layers.ReLU()(normalized(x, filters, 3, strides))
            y = normalized(y, filters, 3, 1)
            short = x if strides == 1 else normalized(x, filters, 1, strides)
            x = layers.ReLU()(layers.Add()([short, y]))
        x = layers.AveragePooling2D(4)(x)
        return layers.Dense(10, activation="softmax")(layers.Flatten()(x))

    return functional((16, 16, 3), body)


def ds_cnn() -> Any:
    parts = [layers.Conv2D(8, (10, 4), (2, 2), padding="same", use_bias=False)]
    for _ in range(2):
        parts += [layers.BatchNormalization(), layers.ReLU()]
        parts += [layers.DepthwiseConv2D(3, padding="same")]
        parts += [layers.BatchNormalization(), layers.ReLU(), layers.Conv2D(8, 1, use_bias=False)]
    parts += [layers.BatchNormalization(), layers.ReLU(), layers.Dropout(0.2)]
    parts += [layers.GlobalAveragePooling2D(), layers.Dense(12), layers.Softmax()]
    return sequential((25, 10, 1), *parts)


def mobilenet() -> Any:
    def body(x: Any) -> Any:
        x = layers.Conv2D(8, 3, 2, padding="same", use_bias=False)(x)
        x = layers.ReLU(6.0)(layers.BatchNormalization()(x))
        for filters, strides in ((8, 1), (12, 2), (12, 1)):
            y = layers.Conv2D(24, 1, use_bias=False)(x)
            y = layers.ReLU(6.0)(layers.BatchNormalization()(y))
            if strides == 2:
                y = layers.ZeroPadding2D(((0, 1), (0, 1)))(y)
            padding = "valid" if strides == 2 else "same"
            y = layers.DepthwiseConv2D(3, strides, padding=padding, use_bias=False)(y)
            y = layers.ReLU(6.0)(layers.BatchNormalization()(y))
            y = layers.BatchNormalization()(layers.Conv2D(filters, 1, use_bias=False)(y))
            x = layers.Add()([x, y]) if x.shape == y.shape else y
        x = layers.GlobalAveragePooling2D(keepdims=True)(x)
        return layers.Dense(5, activation="softmax")(layers.Flatten()(layers.Dropout(0.1)(x)))

    return functional((16, 16, 3), body)


def separable() -> Any:
    return sequential(
        MAP,
        layers.ZeroPadding2D(1),
        layers.SpatialDropout2D(0.1),
        layers.SeparableConv2D(6, 3, activation="relu6"),
        layers.SeparableConv2D(5, 3, 2, padding="same", depth_multiplier=2, use_bias=False),
        layers.BatchNormalization(),
        layers.Activation("relu"),
        layers.GaussianNoise(0.1),
        layers.SeparableConv2D(3, 3, dilation_rate=2, padding="same"),
    )


def zeros_that_vanish() -> Any:
    def body(x: Any) -> Any:
        padded = layers.ZeroPadding2D(1)(x)
        x = layers.Add()([layers.Conv2D(4, 3)(padded), layers.DepthwiseConv2D(3)(padded)])
        x = layers.Conv2D(4, 3, dilation_rate=2)(layers.ZeroPadding2D(2)(x))
        x = layers.Conv2D(4, 3, 2)(layers.ZeroPadding2D(((0, 1), (0, 1)))(x))
        x = layers.Conv2D(4, (3, 1))(layers.ZeroPadding2D((1, 0))(x))
        return layers.Conv2D(4, 3)(layers.ZeroPadding2D(0)(x))

    return functional(MAP, body)


def unfused_where_others_read() -> Any:
    def body(x: Any) -> Any:
        x = same_conv()(x)
        x = layers.Add()([layers.ReLU()(x), same_conv()(x)])
        x = layers.Add()([layers.ReLU(6.0)(x), same_conv(activation="relu")(x)])
        x = layers.BatchNormalization()(same_conv()(x))
        return layers.Add()([same_conv()(x), layers.ReLU()(x)])

    return functional(MAP, body)


def fused_into_pools_and_sums() -> Any:
    def body(x: Any) -> Any:
        x = layers.Add()([x, same_conv()(x), same_conv()(x)])
        x = layers.MaxPooling2D(3, 1, padding="same")(layers.ReLU()(x))
        x = layers.AveragePooling2D(2)(layers.ReLU()(x))
        x = layers.GlobalAveragePooling2D()(layers.ReLU(6.0)(x))
        return layers.ReLU()(x)

    return functional(MAP, body)


def rectified_twice() -> Any:
    return sequential(
        MAP,
        layers.ReLU(),
        layers.ReLU(),
        layers.Conv2D(4, 3, activation="relu"),
        layers.ReLU(),
        layers.ReLU(6.0),
        layers.Conv2D(4, 3, activation="relu6"),
        layers.ReLU(),
    )


def activations_behind_reshapes() -> Any:
    return sequential(
        MAP,
        same_conv(),
        layers.Reshape((16, 4, 4)),
        layers.BatchNormalization(),
        layers.ReLU(),
        layers.Reshape((64, 4)),
        layers.Flatten(),
        layers.ReLU(),
        layers.Dense(5),
        layers.Reshape((5, 1)),
        layers.ReLU(),
        layers.Flatten(),
        layers.Dense(3),
    )


def norms_around_dense() -> Any:
    return sequential(
        (12,),
        layers.BatchNormalization(),
        layers.Dense(9, activation="relu"),
        layers.BatchNormalization(),
        layers.Dense(7),
        layers.BatchNormalization(scale=False, center=False),
        layers.BatchNormalization(),
        layers.ReLU(),
        layers.Dense(3, activation="softmax"),
    )


def norm_before_two_dense() -> Any:
    def body(x: Any) -> Any:
        x = layers.BatchNormalization()(layers.Dense(8, activation="relu")(x))
        return layers.Add()([layers.Dense(3)(x), layers.Dense(3)(x)])

    return functional((12,), body)


def computed_twice() -> Any:
    def body(x: Any) -> Any:
        y = same_conv()(x)
        y = layers.Add()([same_conv()(layers.ReLU()(y)), same_conv()(layers.ReLU()(y))])
        return layers.Add()([same_conv()(layers.MaxPooling2D()(z)) for z in (y, y)])

    return functional(MAP, body)


def nested() -> Any:
    inner = sequential(MAP, same_conv(), layers.BatchNormalization())
    block = functional(MAP, lambda x: layers.Add()([x, inner(x)]))
    return sequential(MAP, block, layers.ReLU(), layers.Flatten(), layers.Dense(3))


def operations_without_layers() -> Any:
    def body(x: Any) -> Any:
        x = keras.ops.relu6(keras.ops.relu(same_conv()(x)) + x + x)
        return keras.ops.divide(x, 3.0) - keras.ops.amax(x, axis=(1, 2), keepdims=True)

    return functional(MAP, body)


def activations_without_layers() -> Any:
    def body(x: Any) -> Any:
        x = keras.activations.relu(same_conv()(x), max_value=6)
        x = keras.activations.relu(same_conv()(x))
        x = keras.ops.hard_silu(same_conv()(keras.ops.silu(same_conv()(x))))
        x = keras.ops.hard_sigmoid(same_conv()(keras.ops.sigmoid(x)))
        return keras.activations.softmax(keras.ops.softmax(same_conv()(x)))

    return functional(MAP, body)


def augmented() -> Any:
    return sequential(
        MAP,
        layers.RandomFlip(),
        layers.RandomRotation(0.1),
        layers.RandomTranslation(0.1, 0.1),
        layers.RandomZoom(0.1),
        layers.RandomContrast(0.1),
        layers.RandomBrightness(0.1),
        same_conv(),
    )


def regularized() -> Any:
    return sequential(
        MAP,
        layers.GaussianDropout(0.1),
        same_conv(),
        layers.ActivityRegularization(0.1),
        layers.AlphaDropout(0.1),
        layers.Identity(),
        layers.Reshape((64, 4)),
        layers.SpatialDropout1D(0.1),
        layers.Conv1D(3, 3),
    )


def called_in_training() -> Any:
    def body(x: Any) -> Any:
        x = layers.BatchNormalization()(same_conv(use_bias=False)(x), training=True)
        x = sequential(MAP, layers.GaussianNoise(0.1), same_conv())(x, training=True)
        return layers.ReLU()(layers.Dropout(0.5)(x, training=True))

    return functional(MAP, body)


def windows_of_all_kinds() -> Any:
    return sequential(
        (19, 17, 3),
        layers.Conv2D(4, (3, 5), (1, 2), use_bias=False),
        layers.DepthwiseConv2D((1, 3), depth_multiplier=3, padding="same", use_bias=False),
        layers.Conv2D(4, 3, dilation_rate=(1, 2), padding="same", activation="relu"),
        layers.DepthwiseConv2D(3, dilation_rate=2),
        layers.MaxPooling2D((3, 2), 2, padding="same"),
        layers.AveragePooling2D((2, 3), (1, 2), padding="same"),
        layers.Conv2D(2, 4, 3, padding="same"),
        layers.Softmax(),
    )


def keyword_spotting_1d() -> Any:
    parts: list[Any] = [layers.ZeroPadding1D(1), layers.Conv1D(6, 3, 2, use_bias=False)]
    parts += [layers.BatchNormalization(), layers.ReLU(), layers.MaxPooling1D(2)]
    parts += [layers.DepthwiseConv1D(3, 2, padding="same", depth_multiplier=2)]
    parts += [layers.Activation("hard_silu"), layers.SeparableConv1D(5, 3, activation="relu6")]
    parts += [layers.AveragePooling1D(2, 1, padding="same"), layers.LeakyReLU()]
    return sequential((40, 4), *parts, layers.GlobalAveragePooling1D(), layers.Dense(3))


def temporal_convolutions() -> Any:
    def body(x: Any) -> Any:
        for rate in (1, 2, 4):
            y = layers.Conv1D(4, 3, padding="causal", dilation_rate=rate, activation="relu")(x)
            x = layers.ReLU()(layers.Add()([layers.BatchNormalization()(y), x]))
        x = layers.Concatenate()([layers.GlobalMaxPooling1D()(x), layers.Flatten()(x)])
        return layers.Dense(3, activation="sigmoid")(x)

    return functional((12, 4), body)


def squeeze_and_excite() -> Any:
    def gated(x: Any, gate: str) -> Any:
        s = layers.GlobalAveragePooling2D(keepdims=True)(x)
        s = layers.Conv2D(2, 1, activation="relu")(s)
        return layers.Multiply()([x, layers.Conv2D(4, 1, activation=gate)(s)])

    def body(x: Any) -> Any:
        x = gated(same_conv(activation="hard_silu")(x), "sigmoid")
        x = gated(same_conv(groups=2, activation="silu")(x), "hard_sigmoid")
        s = layers.Dense(4, activation="sigmoid")(layers.GlobalMaxPooling2D()(x))
        return layers.Multiply()([x, s])

    return functional(MAP, body)


def norms_that_stay() -> Any:
    def body(x: Any) -> Any:
        x = layers.BatchNormalization()(x)
        x = layers.BatchNormalization()(same_conv(activation="relu")(x))
        y = layers.BatchNormalization()(layers.MaxPooling2D(3, 1, padding="same")(x))
        x = layers.ReLU(6.0)(layers.BatchNormalization()(layers.Add()([x, y])))
        x = layers.Concatenate()([x, layers.BatchNormalization()(x)])
        return layers.Dense(3, use_bias=False)(layers.BatchNormalization()(layers.Flatten()(x)))

    return functional(MAP, body)


def arithmetic() -> Any:
    def body(x: Any) -> Any:
        vector = np.linspace(0.1, 0.9, 4, dtype=np.float32)
        y = same_conv()(layers.Rescaling(1 / 127.5, -1.0)(x))
        z = layers.Average()([y, x, layers.Subtract()([x, y])])
        y = (z + 0.5) * y / 3.0 - layers.MaxPooling2D(3, 1, padding="same")(x)
        y = keras.ops.tanh(keras.ops.multiply(y, vector) - vector + vector)
        return keras.ops.leaky_relu(2.0 + y * y) - keras.ops.mean(z, axis=(1, 2), keepdims=True)

    return functional(MAP, body)


def constants_that_fold() -> Any:
    def body(x: Any) -> Any:
        vector = np.linspace(0.1, 0.9, 4, dtype=np.float32)
        x = layers.Conv2D(4, 3, use_bias=False)((x - 1.0) * 2.0)
        x = same_conv(use_bias=False)(layers.ReLU()(x * vector - vector) / 4.0)
        x = layers.Reshape((9, 4, 4))(x) + 1.0
        x = layers.Dense(4, use_bias=False)(layers.Flatten()(layers.MaxPooling2D(4)(x)) + 2.0)
        x = layers.Dense(4, activation="relu")(layers.ReLU()(x * vector) + vector)
        return layers.Dense(4)(x * vector) + vector

    return functional(MAP, body)


def zeros_that_stay() -> Any:
    def body(x: Any) -> Any:
        x = layers.ReLU()(layers.ZeroPadding2D(1)(same_conv()(x)))
        y = layers.ZeroPadding2D(1)(x)
        x = layers.Add()([layers.Conv2D(4, 3)(y), layers.MaxPooling2D(3, 1)(y)])
        x = layers.Conv2D(4, 3, 2)(layers.ZeroPadding2D(1)(x))
        return same_conv()(layers.ZeroPadding2D(((1, 0), (0, 2)))(x))

    return functional(MAP, body)


def hard_swish_by_hand() -> Any:
    def body(x: Any) -> Any:
        x = same_conv()(x)
        x = same_conv()(x * (layers.ReLU(6.0)(x + 3.0) * (1 / 6)))
        x = same_conv()(x * layers.ReLU(6.0)(x + 3.0) * (1 / 6))
        return layers.Multiply()([layers.Activation("hard_sigmoid")(x), x])

    return functional(MAP, body)


def views() -> Any:
    def body(x: Any) -> Any:
        x = layers.Permute((1, 2, 3))(layers.LeakyReLU()(x))
        x = layers.Concatenate(axis=1)([x, layers.ReLU()(x)])
        x = keras.ops.squeeze(keras.ops.expand_dims(layers.Reshape((-1, 4))(x), 1), 1)
        x = layers.Permute((2, 1, 3))(layers.Reshape((1, -1, 4))(x))
        x = keras.ops.max(keras.ops.relu(x), axis=(1, 2), keepdims=True)
        return layers.Activation("tanh")(layers.GlobalAveragePooling2D(keepdims=True)(x))

    return functional(MAP, body)


def scales_that_are_joined() -> Any:
    def body(x: Any) -> Any:
        y = layers.Activation("tanh")(same_conv()(x))
        z = layers.Concatenate()([layers.MaxPooling2D(3, 1, padding="same")(y), x])
        z = layers.Concatenate()([same_conv()(y), z, layers.Softmax()(x)])
        z = layers.Concatenate()([layers.GlobalAveragePooling2D()(y), layers.Flatten()(z)])
        z = layers.Dense(3, activation="sigmoid")(z)
        return layers.Activation("tanh")(layers.Concatenate()([z, layers.Dense(2)(z)]))

    return functional(MAP, body)


def subtracted_from_constants() -> Any:
    def body(x: Any) -> Any:
        vector = np.linspace(0.1, 0.9, 4, dtype=np.float32)
        gate = layers.Activation("sigmoid")(same_conv()(x))
        x = gate * x + (1.0 - gate) * layers.Activation("tanh")(same_conv()(x))
        x = same_conv()(keras.ops.subtract(vector, layers.Conv2D(4, 3)(1.0 - x)))
        x = layers.ReLU()(0.0 - layers.Reshape((3, 12, 4))(2.0 - (1.5 - x)))
        return layers.Dense(3)(1.0 - layers.Dense(4)(1.0 - layers.GlobalMaxPooling2D()(x)))

    return functional(MAP, body)


MODELS: list[Build] = [
    lenet,
    resnet8,
    ds_cnn,
    mobilenet,
    separable,
    zeros_that_vanish,
    unfused_where_others_read,
    fused_into_pools_and_sums,
    rectified_twice,
    activations_behind_reshapes,
    norms_around_dense,
    norm_before_two_dense,
    computed_twice,
    nested,
    operations_without_layers,
    activations_without_layers,
    augmented,
    regularized,
    called_in_training,
    windows_of_all_kinds,
    keyword_spotting_1d,
    temporal_convolutions,
    squeeze_and_excite,
    norms_that_stay,
    arithmetic,
    constants_that_fold,
    zeros_that_stay,
    hard_swish_by_hand,
    views,
    scales_that_are_joined,
    subtracted_from_constants,
]


@pytest.mark.parametrize("build", MODELS)
def test_agrees_with_the_converter(build: Build) -> None:
    model = randomize(build())
    assert signature(network_graph(from_keras(model))) == signature(converter_graph(convert(model)))


STEPS = (9, 4)
NEIGHBOURS: list[tuple[tuple[int, ...], Callable[[Any], Any]]] = [
    (MAP, lambda x: same_conv()(x)),
    (MAP, lambda x: same_conv(activation="relu")(x)),
    (MAP, lambda x: same_conv(groups=2, use_bias=False)(x)),
    (MAP, lambda x: layers.DepthwiseConv2D(3, depth_multiplier=2)(x)),
    (MAP, lambda x: layers.SeparableConv2D(3, 3, padding="same")(x)),
    ((12,), lambda x: layers.Dense(5)(x)),
    ((12,), lambda x: layers.Dense(5, activation="sigmoid")(x)),
    (STEPS, lambda x: layers.Conv1D(3, 3, 2)(x)),
    (STEPS, lambda x: layers.Conv1D(3, 3, padding="causal")(x)),
    (STEPS, lambda x: layers.DepthwiseConv1D(3)(x)),
    (STEPS, lambda x: layers.SeparableConv1D(3, 3)(x)),
    (STEPS, lambda x: layers.MaxPooling1D()(x)),
    (STEPS, lambda x: layers.GlobalMaxPooling1D()(x)),
    (MAP, lambda x: layers.MaxPooling2D()(x)),
    (MAP, lambda x: layers.AveragePooling2D(2)(x)),
    (MAP, lambda x: layers.GlobalAveragePooling2D()(x)),
    (MAP, lambda x: layers.GlobalMaxPooling2D(keepdims=True)(x)),
    (MAP, lambda x: layers.Add()([x, same_conv()(x)])),
    (MAP, lambda x: layers.Subtract()([layers.ReLU()(x), x])),
    (MAP, lambda x: layers.Multiply()([x, layers.Activation("sigmoid")(x)])),
    (MAP, lambda x: layers.Average()([x, same_conv()(x)])),
    (MAP, lambda x: layers.Concatenate()([x, layers.Activation("tanh")(x)])),
    (MAP, lambda x: layers.Concatenate(axis=1)([same_conv()(x), x])),
    (MAP, lambda x: layers.ReLU(6.0)(x)),
    (MAP, lambda x: layers.LeakyReLU()(x)),
    (MAP, lambda x: layers.Activation("hard_silu")(x)),
    (MAP, lambda x: layers.Activation("silu")(x)),
    (MAP, lambda x: layers.Softmax()(x)),
    (MAP, lambda x: layers.BatchNormalization()(x)),
    (MAP, lambda x: layers.ZeroPadding2D(1)(x)),
    (MAP, lambda x: layers.Reshape((16, 4, 4))(x)),
    (MAP, lambda x: layers.Flatten()(x)),
    (MAP, lambda x: layers.Rescaling(0.3, 1.0)(x)),
    (MAP, lambda x: x * 0.5 - 2.0),
    (MAP, lambda x: 1.0 - x),
]


@pytest.mark.parametrize(("shape", "part"), NEIGHBOURS)
def test_a_norm_before_and_behind_each_layer(
    shape: tuple[int, ...], part: Callable[[Any], Any]
) -> None:
    def body(x: Any) -> Any:
        x = layers.BatchNormalization()(part(layers.BatchNormalization()(layers.ReLU()(x))))
        return layers.ReLU()(x)

    model = randomize(functional(shape, body))
    assert signature(network_graph(from_keras(model))) == signature(converter_graph(convert(model)))


def test_every_layer_that_is_read_was_compared() -> None:
    """Also of the operations that ``x + y`` and ``keras.ops`` leave in a model."""
    found = {name for build in MODELS for name in classes(build())}
    assert {*readers._READERS, *readers._MERGING, *readers._TRAINING_ONLY} - found == set()
    operations = {*readers._OPERATIONS, *readers._MERGING_OPERATIONS, *readers._COMPUTING}
    assert operations - found == set()


def classes(model: Any) -> set[str]:
    """Of all operations of a model and of those inside it."""
    functional = model._functional if isinstance(model, keras.Sequential) else model
    found = {type(operation).__name__ for operation in functional.operations}
    for inner in model.layers:
        if isinstance(inner, keras.Model):
            found |= classes(inner)
    return found


def test_the_oracle_needs_no_slow_conversion() -> None:
    model = randomize(resnet8())
    assert signature(converter_graph(convert_slowly(model))) == signature(
        converter_graph(convert(model))
    )


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(networks(dtypes=[DType.INT8]))
def test_the_converter_makes_the_network_of_its_keras_model(network: Network) -> None:
    assume(not has_left_out_habit(network))
    graph = converter_graph(convert(randomize(to_keras(network))))
    assert signature(graph) == signature(network_graph(network))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(networks(max_blocks=8))
def test_network_to_keras_and_back_is_the_identity(network: Network) -> None:
    model = to_keras(network)
    assert from_keras(model, network.dtype) == network
    assert tuple(model.input_shape[1:]) == network.input_shape
    assert tuple(model.output_shape[1:]) == network.output_shape


# --- what from_keras reads ------------------------------------------------------------------


def test_the_network_of_lenet() -> None:
    network = from_keras(lenet())
    assert [layer.describe() for layer in network.layers] == [
        "conv2d 3x3/1 32x32x1 -> 30x30x6",
        "max_pool2d 2x2/2 30x30x6 -> 15x15x6",
        "conv2d 3x3/1 15x15x6 -> 13x13x16",
        "max_pool2d 2x2/2 13x13x16 -> 6x6x16",
        "reshape 6x6x16 -> 576",
        "dense 576 -> 24",
        "dense 24 -> 10",
        "softmax 10 -> 10",
    ]
    assert [str(layer.activation) for layer in network.layers if layer.operator in PARAMETRIC] == [
        "relu", "relu", "relu", "none",
    ]  # fmt: skip


def test_reshapes_are_merged_behind_what_moves_before_them() -> None:
    model = sequential(
        MAP,
        same_conv(),
        layers.Reshape((16, 4, 4)),
        layers.ReLU(),
        layers.Flatten(),
        layers.ReLU(6.0),
    )
    assert [layer.describe() for layer in from_keras(model).layers] == [
        "conv2d 3x3/1 8x8x4 -> 8x8x4",
        "relu6 8x8x4 -> 8x8x4",
        "reshape 8x8x4 -> 256",
    ]


def test_untrained_and_trained_models_are_one_network() -> None:
    model = mobilenet()
    before = from_keras(model)
    assert before == from_keras(randomize(model))
    assert all(layer.use_bias for layer in before.layers if layer.operator in PARAMETRIC)


def test_dtype() -> None:
    assert from_keras(lenet()).dtype == "int8"
    assert {str(layer.dtype) for layer in from_keras(lenet(), "float32").layers} == {"float32"}
    with pytest.raises(NetworkError, match="dtype 'int4' is none of int8, float32"):
        from_keras(lenet(), "int4")


def test_the_bias_of_a_linear_layer_before_a_dense_one_stays() -> None:
    model = sequential((4,), layers.Dense(3), layers.Dense(2))
    assert [layer.use_bias for layer in from_keras(model).layers] == [True, True]


def test_an_activation_that_is_a_layer() -> None:
    model = sequential(MAP, layers.Conv2D(4, 3, activation=layers.ReLU(6.0)))
    (layer,) = from_keras(model).layers
    assert layer.activation == "relu6"


def test_layers_without_weights_may_be_shared() -> None:
    relu = layers.ReLU()
    model = functional(MAP, lambda x: relu(same_conv()(relu(same_conv()(x)))))
    assert [str(layer.activation) for layer in from_keras(model).layers] == ["relu", "relu"]


def test_names() -> None:
    model = sequential(
        MAP,
        layers.SeparableConv2D(4, 3, activation="softmax", name="first"),
        layers.Activation("relu", name="second"),
    )
    names = [node.name for node in from_keras(model).nodes]
    assert names == ["first_depthwise", "first_pointwise", "first", "second"]
    conv = sequential(MAP, layers.Conv2D(2, 3, name="conv", activation="softmax"))
    assert [node.name for node in from_keras(conv).nodes] == ["conv", "conv_softmax"]


def described(model: Any, dtype: str = "int8") -> list[str]:
    return [layer.describe() for layer in from_keras(model, dtype).layers]


def test_sequences_are_feature_maps_of_height_1() -> None:
    model = sequential(
        (9, 4), layers.Conv1D(6, 3, 2, padding="same"), layers.MaxPooling1D(), layers.Flatten()
    )
    assert described(model) == [
        "reshape 9x4 -> 1x9x4",
        "conv2d 1x3/1 1x9x4 -> 1x5x6",
        "max_pool2d 1x2/1 1x5x6 -> 1x2x6",
        "reshape 1x2x6 -> 12",
    ]


def test_a_norm_that_cannot_be_folded_is_a_product_and_a_sum() -> None:
    network = from_keras(sequential(MAP, layers.BatchNormalization(name="norm"), layers.ReLU()))
    assert [layer.describe() for layer in network.layers] == [
        "mul 8x8x4,constant 4 -> 8x8x4",
        "add 8x8x4,constant 4 -> 8x8x4",
    ]
    assert [node.name for node in network.nodes] == ["norm_scale", "norm"]
    assert network.layers[1].activation == "relu"


def test_constants_that_change_nothing_are_dropped() -> None:
    def body(x: Any) -> Any:
        x = layers.Rescaling(1.0)(layers.ReLU()(x) + 0.0)
        return (x - 0.0) * np.ones(4, np.float32) / 1.0

    assert described(functional(MAP, body)) == ["relu 8x8x4 -> 8x8x4"]


def test_what_has_a_scale_of_its_own_is_requantized_for_a_concatenation() -> None:
    def body(x: Any) -> Any:
        gate = layers.Activation("tanh", name="gate")(x)
        return layers.Concatenate()([layers.ReLU()(gate), layers.MaxPooling2D(1)(gate), x])

    model = functional(MAP, body)
    assert described(model) == [
        "tanh 8x8x4 -> 8x8x4",
        "requantize 8x8x4 -> 8x8x4",
        "relu 8x8x4 -> 8x8x4",
        "max_pool2d 1x1/1 8x8x4 -> 8x8x4",
        "concatenation 8x8x4,8x8x4,8x8x4 -> 8x8x12",
    ]
    network = from_keras(model)
    assert network.nodes[1].name == "gate_requantize"
    assert [node.inputs for node in network.nodes[2:4]] == [(2,), (2,)]
    assert "requantize 8x8x4 -> 8x8x4" not in described(model, "float32")
    assert from_keras(to_keras(network)) == network


def test_a_constant_may_be_what_is_subtracted_from() -> None:
    network = from_keras(functional(MAP, lambda x: 1.0 - x))
    assert [layer.describe() for layer in network.layers] == ["sub constant 1,8x8x4 -> 8x8x4"]
    assert from_keras(to_keras(network)) == network


def test_activations_of_one_layer_have_names_of_their_own() -> None:
    def body(x: Any) -> Any:
        x = layers.Conv1D(3, 3, activation="silu", name="conv")(x)
        return layers.Activation("hard_sigmoid", name="gate")(layers.LeakyReLU(name="leak")(x))

    names = [node.name for node in from_keras(functional((9, 4), body)).nodes]
    assert names == [
        "conv_rows", "conv", "conv_steps", "conv_logistic", "conv_mul", "leak", "gate_add",
        "gate_mul",
    ]  # fmt: skip


class Doubled(layers.Layer):
    def call(self, x: Any) -> Any:
        return x * 2


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


# --- what to_keras writes -------------------------------------------------------------------


def residual() -> Network:
    b = NetworkBuilder(MAP)
    x = b.conv2d(b.input, 4, 3, name="stem", activation="relu")
    y = b.depthwise_conv2d(x, 3, name="stem")
    x = b.add(b.conv2d(y, 4, 1, name="a/b"), x, name="sum", activation="relu6")
    x = b.max_pool2d(x, name="", activation="relu")
    b.softmax(b.dense(b.flatten(x, name="input"), 3, name="conv2d"))
    return b.build()


def test_names_are_kept_where_keras_takes_them() -> None:
    model = to_keras(residual(), name="mine")
    assert model.name == "mine"
    assert [layer.name for layer in model.layers] == [
        "input_1", "stem", "depthwise_conv2d", "conv2d_1", "sum", "sum_relu6",
        "max_pool2d", "max_pool2d_relu", "input", "conv2d", "softmax",
    ]  # fmt: skip
    with pytest.raises(NetworkError, match="model name 'a b'"):
        to_keras(residual(), name="a b")


def test_the_model_can_be_trained_in_batches() -> None:
    model = to_keras(residual())
    model.compile("sgd", "sparse_categorical_crossentropy")
    history = model.fit(
        keras.random.normal((6, *MAP), seed=1), keras.ops.arange(6) % 3, batch_size=4, verbose=0
    )
    assert history.history["loss"][0] > 0
    assert model(keras.ops.zeros((2, *MAP))).shape == (2, 3)


def test_another_default_of_the_channels_place_changes_nothing() -> None:
    b = NetworkBuilder((9, 8, 3))
    x = b.max_pool2d(b.conv2d(b.input, 4, 3, activation="relu"), 2)
    x = b.average_pool2d(b.depthwise_conv2d(x, 3), (2, 1))
    b.dense(b.flatten(x), 3)
    whole = b.build()
    b = NetworkBuilder((5, 4, 3))
    b.global_average_pool2d(b.conv2d(b.input, 2, 1))
    keras.config.set_image_data_format("channels_first")
    try:
        for network in (whole, b.build()):
            assert from_keras(to_keras(network)) == network
    finally:
        keras.config.set_image_data_format("channels_last")


def test_a_product_and_a_sum_with_constants_can_be_trained() -> None:
    b = NetworkBuilder(MAP)
    x = b.mul(b.relu(b.input), operand=(4,))
    x = b.sub(b.add(x, operand=(4,), activation="relu"), operand=(1,))
    b.mul(x, operand=(4,))
    model = to_keras(b.build())
    kinds = [type(operation).__name__ for operation in model.operations]
    assert kinds == [
        "InputLayer", "ReLU", "BatchNormalization", "ReLU", "Subtract", "Rescaling",
    ]  # fmt: skip
    assert from_keras(model) == b.build()


def test_two_constants_at_one_value_are_not_one() -> None:
    b = NetworkBuilder(MAP)
    x = b.relu(b.input)
    b.concatenation([b.mul(x, operand=(1,)), b.mul(x, operand=(1,)), b.mul(x, operand=(4,))])
    assert from_keras(to_keras(b.build())) == b.build()


def test_casts_do_nothing_to_floats() -> None:
    b = NetworkBuilder(MAP)
    b.dequantize(b.relu(b.quantize(b.input)))
    model = to_keras(b.build())
    assert [type(layer).__name__ for layer in model.layers[1:]] == ["Identity", "ReLU", "Identity"]
    assert described(model) == ["relu 8x8x4 -> 8x8x4"]


def test_zeros_of_a_sequence_stay_before_a_convolution() -> None:
    b = NetworkBuilder((1, 9, 4))
    b.conv2d(b.pad(b.input, (0, 1, 0, 1)), 3, (1, 3), padding="valid")
    assert from_keras(to_keras(b.build())) == b.build()


def test_names_that_keras_makes_up_are_not_those_of_nodes() -> None:
    b = NetworkBuilder((1, 9, 4))
    x = b.reshape(b.relu(b.input, name="subtract"), (9, 1, 4), name="reshape")
    x = b.pad(b.reshape(b.softmax(x), (1, 9, 4)), (0, 1, 0, 0), name="reshape_1")
    b.sub(b.max_pool2d(x, (1, 2), name="subtract_1"), operand=(4,), name="minus")
    keras.backend.clear_session()
    model = to_keras(b.build())
    names = [operation.name for operation in model.operations]
    assert names[-1] == "minus" and len(names) == len(set(names))
    assert from_keras(model) == b.build()


def test_operands_of_other_ranks() -> None:
    b = NetworkBuilder((1, 1, 4))
    vector = b.dense(b.flatten(b.relu(b.input)), 4, activation="relu")
    product = b.mul(vector, b.input)
    single = b.reshape(b.dense(vector, 1, activation="relu"), (1, 1))
    b.softmax(b.sub(product, single))
    assert from_keras(to_keras(b.build())) == b.build()


def test_paddings_that_keras_lacks() -> None:
    b = NetworkBuilder(MAP)
    b.conv2d(b.input, 4, 3, strides=2, padding=(1, 1, 1, 1))
    with pytest.raises(UnsupportedLayerError, match=r"node 0 .*top 1, left 1, bottom 0, right 0"):
        to_keras(b.build())


def test_strides_with_dilation() -> None:
    b = NetworkBuilder(MAP)
    b.depthwise_conv2d(b.input, 3, strides=2, dilation=2)
    with pytest.raises(UnsupportedLayerError, match=r"node 0 .*use one of them"):
        to_keras(b.build())


# --- files and imports ----------------------------------------------------------------------


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
