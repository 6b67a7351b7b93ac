from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from converter_oracle import (
    convert,
    convert_slowly,
    converter_graph,
    network_graph,
    randomize,
    signature,
)
from hypothesis import HealthCheck, assume, given, settings
from network_strategies import networks

from hwnas._tensorflow import import_keras
from hwnas.errors import NetworkError, UnsupportedLayerError
from hwnas.keras_io import from_keras, load_keras, to_keras
from hwnas.models import load_network
from hwnas.network import PARAMETRIC, Activation, Network, NetworkBuilder, Operator

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
        return keras.ops.relu6(keras.ops.relu(same_conv()(x)) + x + x)

    return functional(MAP, body)


def activations_without_layers() -> Any:
    def body(x: Any) -> Any:
        x = keras.activations.relu(same_conv()(x), max_value=6)
        x = keras.activations.relu(same_conv()(x))
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
    called_in_training,
    windows_of_all_kinds,
]


@pytest.mark.parametrize("build", MODELS)
def test_agrees_with_the_converter(build: Build) -> None:
    model = randomize(build())
    assert signature(network_graph(from_keras(model))) == signature(converter_graph(convert(model)))


def test_the_oracle_needs_no_slow_conversion() -> None:
    model = randomize(resnet8())
    assert signature(converter_graph(convert_slowly(model))) == signature(
        converter_graph(convert(model))
    )


def moves_a_bias(network: Network) -> bool:
    """Whether a linear layer feeds a dense one: there the converter moves the bias."""
    for node in network.nodes:
        value = node.inputs[0]
        while value and network.nodes[value - 1].layer.operator is Operator.RESHAPE:
            value = network.nodes[value - 1].inputs[0]
        source = network.nodes[value - 1].layer if value else None
        if (
            node.layer.operator is Operator.DENSE
            and source is not None
            and source.operator in PARAMETRIC
            and source.activation is Activation.NONE
        ):
            return True
    return False


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(networks())
def test_the_converter_makes_the_network_of_its_keras_model(network: Network) -> None:
    assume(not moves_a_bias(network))
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


def norm_where_others_read() -> Any:
    def body(x: Any) -> Any:
        x = same_conv()(x)
        return layers.Add()([layers.BatchNormalization(name="bad")(x), x])

    return functional(MAP, body)


def own_functional_call() -> Any:
    inputs = keras.Input(MAP)
    return OwnCall(inputs, same_conv()(inputs), name="bad")


def padded_for_two() -> Any:
    def body(x: Any) -> Any:
        x = layers.ZeroPadding2D(1, name="bad")(x)
        return layers.Add()([layers.Conv2D(4, 3)(x), layers.MaxPooling2D(3, 1)(x)])

    return functional(MAP, body)


def on_map(*parts: Any) -> Build:
    return lambda: sequential(MAP, *parts)


BAD = {"name": "bad"}
UNSUPPORTED: list[tuple[Build, str]] = [
    (on_map(layers.Conv2D(4, 3, groups=2, **BAD)), "DepthwiseConv2D"),
    (on_map(layers.Conv2D(4, 3, data_format="channels_first", **BAD)), "channels_last"),
    (on_map(layers.DepthwiseConv2D(2, 2, dilation_rate=2, **BAD)), "use one of them"),
    (on_map(layers.SeparableConv2D(4, 2, 2, dilation_rate=2, **BAD)), "use one of them"),
    (on_map(layers.Conv2D(4, 3, activation="gelu", **BAD)), "relu6"),
    (on_map(layers.Activation("sigmoid", **BAD)), "relu"),
    (on_map(layers.Activation(lambda x: x, **BAD)), "relu"),
    (on_map(layers.Conv2DTranspose(4, 3, **BAD)), "enlarge"),
    (on_map(layers.GlobalMaxPooling2D(**BAD)), "MaxPooling2D"),
    (on_map(layers.LeakyReLU(**BAD)), "ReLU"),
    (on_map(layers.ReLU(1.0, **BAD)), "max_value=6"),
    (on_map(layers.ReLU(negative_slope=0.1, **BAD)), "max_value=6"),
    (on_map(layers.ReLU(threshold=0.1, **BAD)), "max_value=6"),
    (on_map(layers.Softmax(axis=1, **BAD)), "last"),
    (on_map(layers.Dense(3, **BAD)), "1x1 kernel, or Flatten"),
    (on_map(layers.LayerNormalization(**BAD)), "BatchNormalization"),
    (on_map(layers.Rescaling(1 / 255, **BAD)), "before the model"),
    (on_map(layers.Permute((2, 1, 3), **BAD)), "Conv2D, Dense"),
    (on_map(Doubled(**BAD)), "Conv2D, Dense"),
    (on_map(Overridden(4, 3, **BAD)), "Conv2D, Dense"),
    (on_map(layers.BatchNormalization(**BAD)), "activation last"),
    (on_map(layers.Conv2D(4, 3, activation="relu"), layers.BatchNormalization(**BAD)), "before it"),
    (on_map(layers.Conv2D(4, 3), layers.BatchNormalization(axis=1, **BAD)), "axis -1"),
    (on_map(layers.MaxPooling2D(), layers.BatchNormalization(**BAD)), "before it"),
    (
        on_map(layers.Conv2D(4, 3), layers.Flatten(), layers.BatchNormalization(**BAD)),
        "before it",
    ),
    (
        on_map(
            layers.Flatten(),
            layers.BatchNormalization(**BAD),
            layers.Dense(3, use_bias=False),
        ),
        "biased dense layers right after it",
    ),
    (on_map(layers.ZeroPadding2D(1, **BAD)), "padding='same'"),
    (on_map(layers.ZeroPadding2D(1, **BAD), layers.MaxPooling2D(3)), "padding='same'"),
    (on_map(layers.ZeroPadding2D(1, **BAD), layers.ReLU(), same_conv()), "padding='same'"),
    (on_map(layers.ZeroPadding2D(1, **BAD), same_conv()), "padding='same'"),
    (on_map(layers.ZeroPadding2D(1, **BAD), layers.Conv2D(4, 5)), r"\(\(2, 2\), \(2, 2\)\)"),
    (on_map(layers.ZeroPadding2D(1, **BAD), layers.Conv2D(4, 3, 2)), r"\(\(0, 1\), \(0, 1\)\)"),
    (padded_for_two, "padding='same'"),
    (norm_where_others_read, "nothing else reads"),
    (nested_with_two_inputs, "2 inputs.*call its layers directly"),
    (shared_weights, "used twice"),
    (two_inputs, "2 inputs"),
    (two_outputs, "2 outputs"),
    (own_functional_call, "call\\(\\) of its own"),
    (lambda: Subclassed(name="bad"), "keras.Sequential"),
    (
        lambda: functional(
            MAP, lambda x: layers.Add(**BAD)([x, layers.GlobalAveragePooling2D(keepdims=True)(x)])
        ),
        "one shape",
    ),
    (combined(layers.Concatenate(**BAD)), "Add of branches"),
    (combined(layers.Average(**BAD)), "with the factor in the layers"),
    (combined(layers.Maximum(**BAD)), "replace it by Add"),
    (combined(layers.Dot(-1, **BAD)), "Conv2D, Dense"),
    (masked, "2 inputs; one is supported"),
    (on_map(layers.Lambda(lambda x: x * 2, **BAD)), "layers that Keras has"),
    (on_map(layers.Resizing(4, 4, **BAD)), "resized before the model"),
    (on_map(layers.RandomCrop(4, 4, **BAD)), "cropped before the model"),
]


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
