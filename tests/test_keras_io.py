"""What is read from Keras models, and what is written as such."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from converter_oracle import randomize
from hypothesis import HealthCheck, given, settings
from keras_models import MAP, functional, lenet, mobilenet, same_conv, sequential
from network_strategies import networks

from hwnas._tensorflow import import_keras
from hwnas.errors import NetworkError, UnsupportedLayerError
from hwnas.keras_io import from_keras, to_keras
from hwnas.network import PARAMETRIC, Network, NetworkBuilder

keras = import_keras()
layers = keras.layers

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


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
