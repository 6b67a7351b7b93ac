"""TensorFlow Lite's converter as oracle for what is read from Keras models."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

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
from keras_models import (
    MAP,
    Build,
    activations_behind_reshapes,
    activations_without_layers,
    arithmetic,
    augmented,
    called_in_training,
    computed_twice,
    constants_that_fold,
    ds_cnn,
    functional,
    fused_into_pools_and_sums,
    hard_swish_by_hand,
    keyword_spotting_1d,
    lenet,
    mobilenet,
    nested,
    norm_before_two_dense,
    norms_around_dense,
    norms_that_stay,
    operations_without_layers,
    rectified_twice,
    regularized,
    resnet8,
    same_conv,
    scales_that_are_joined,
    separable,
    squeeze_and_excite,
    subtracted_from_constants,
    temporal_convolutions,
    unfused_where_others_read,
    views,
    windows_of_all_kinds,
    zeros_that_stay,
    zeros_that_vanish,
)
from network_strategies import networks

from hwnas._tensorflow import import_keras
from hwnas.keras_io import _layers as readers
from hwnas.keras_io import from_keras, to_keras
from hwnas.network import DType, Network

keras = import_keras()
layers = keras.layers

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

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
