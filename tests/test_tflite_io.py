"""TFLite files as networks and trained networks."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from converter_oracle import convert as convert_usually
from converter_oracle import convert_slowly, converter_graph, network_graph, randomize, signature
from flat_models import random_model
from keras_models import MAP, sequential
from networks import WHOLE
from oracle import images, interpret
from test_whole_networks import converted
from tflite_files import changed, mutated, operators, tensor

from hwnas._tensorflow import import_keras
from hwnas.deploy import DeployedModel
from hwnas.errors import HwnasError, NetworkError, UnsupportedLayerError
from hwnas.keras_io import from_keras, to_keras
from hwnas.models import load_network
from hwnas.network import Network, NetworkBuilder, Operator
from hwnas.plan import ModelImage
from hwnas.tflite_io import from_tflite, trained_from_tflite

keras = import_keras()
layers = keras.layers

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@cache
def small(dtype: str = "int8") -> bytes:
    """A file with most operators in it."""
    b = NetworkBuilder((8, 8, 4), dtype=dtype)
    x = b.conv2d(b.input, 4, 3, activation="relu")
    y = b.depthwise_conv2d(x, 3, activation="relu6")
    x = b.concatenation([b.add(x, y), b.max_pool2d(x, 3, strides=1, padding="same")])
    x = b.mul(x, b.logistic(b.conv2d(x, 8, 1)))
    b.softmax(b.dense(b.flatten(b.average_pool2d(x)), 5))
    return random_model(b.build(), 3)


@pytest.mark.parametrize("name", WHOLE)
def test_a_file_is_the_network_that_its_keras_model_is(name: str, tmp_path: Path) -> None:
    flat = converted(name).flat
    network = from_tflite(flat)
    assert network == from_keras(to_keras(WHOLE[name]()))
    (tmp_path / "model.tflite").write_bytes(flat)
    assert load_network(tmp_path / "model.tflite") == network
    assert all(node.name for node in network.nodes)


@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_what_was_written_is_what_is_read(dtype: str) -> None:
    trained = trained_from_tflite(small(dtype))
    assert trained.network.dtype == dtype == from_tflite(small(dtype)).dtype
    assert trained.network == from_tflite(small(dtype))
    assert (trained.input is None) == (dtype == "float32") == (trained.output is None)


def dense_with_a_scale_each() -> tuple[Any, bytes]:
    """A model as the converter makes it by default: dense weights have a scale an output."""
    model = sequential((12,), layers.Dense(9, activation="relu"), layers.Dense(4))
    return model, convert_usually(randomize(model))


def test_dense_layers_with_a_scale_each_run_as_convolutions() -> None:
    model, flat = dense_with_a_scale_each()
    assert from_tflite(flat) == from_keras(model)
    trained = trained_from_tflite(flat)
    kinds = [layer.operator for layer in trained.network.layers if not layer.is_free]
    assert kinds == [Operator.CONV2D, Operator.CONV2D]
    inputs = images(trained.network, 5, 20)
    with DeployedModel.open("nucleo_l496zg", ModelImage.of(trained)) as deployed:
        outputs = deployed.outputs([values.reshape(12) for values in inputs])
        for values, output in zip(inputs, outputs, strict=True):
            np.testing.assert_array_equal(output, interpret(flat, values))


@pytest.mark.parametrize("name", ["lenet", "ds_cnn", "autoencoder"])
def test_todays_converters_networks_are_exact(name: str) -> None:
    flat = convert_usually(randomize(to_keras(WHOLE[name]())))
    trained = trained_from_tflite(flat)
    inputs = images(trained.network, 5, 3)
    with DeployedModel.open("nucleo_l496zg", ModelImage.of(trained)) as deployed:
        shaped = [values.reshape(trained.network.input_shape) for values in inputs]
        for values, output in zip(inputs, deployed.outputs(shaped), strict=True):
            np.testing.assert_array_equal(output.reshape(-1), interpret(flat, values))


def test_an_open_batch_is_one() -> None:
    """Then the converter computes the shape that a reshape gives, by operators of its own."""
    model = randomize(sequential(MAP, layers.Conv2D(4, 3), layers.Flatten(), layers.Dense(3)))
    converter = import_tensorflow().lite.TFLiteConverter.from_keras_model(model)
    flat = bytes(converter.convert())
    assert b"Shape" in flat or any(True for _ in operators(parsed(flat), "SHAPE"))
    assert from_tflite(flat) == from_keras(model, "float32")


def test_the_usual_way_through_keras_is_read_as_well() -> None:
    model = randomize(
        sequential(MAP, layers.Conv2D(4, 3), layers.ReLU(), layers.GlobalAveragePooling2D())
    )
    flat = convert_slowly(model)
    assert from_tflite(flat) == from_keras(model)


def import_tensorflow() -> Any:
    import tensorflow

    return tensorflow


def parsed(flat: bytes) -> Any:
    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(flat, 0))


# What older converters wrote


def test_operator_numbers_in_the_old_field_and_old_versions() -> None:
    def age(model: Any) -> None:
        for code in model.operatorCodes:
            code.deprecatedBuiltinCode = max(code.builtinCode, code.deprecatedBuiltinCode)
            code.builtinCode = 0
            code.version = 1

    assert from_tflite(changed(small(), age)) == from_tflite(small())


@pytest.mark.parametrize("kind", ["ADD", "MUL", "CONCATENATION", "FULLY_CONNECTED", "SOFTMAX"])
def test_options_that_are_all_zero_may_be_missing(kind: str) -> None:
    def strip(model: Any) -> None:
        for operator in operators(model, kind):
            operator.builtinOptions = None
            operator.builtinOptionsType = 0

    flat = changed(small(), strip)
    if kind == "CONCATENATION":  # its axis would be the batch
        with pytest.raises(NetworkError, match="options are missing"):
            from_tflite(flat)
    else:
        assert from_tflite(flat) == from_tflite(small())


def test_a_reshape_needs_no_tensor_for_its_shape() -> None:
    def strip(model: Any) -> None:
        for operator in operators(model, "RESHAPE"):
            operator.inputs = operator.inputs[:1]

    flat = changed(small(), strip)
    assert from_tflite(flat) == from_tflite(small())
    assert trained_from_tflite(flat) == trained_from_tflite(small())


# What cannot be run


def several_graphs(model: Any) -> None:
    model.subgraphs.append(model.subgraphs[0])


def several_inputs(model: Any) -> None:
    model.subgraphs[0].inputs = [0, 0]


def no_output(model: Any) -> None:
    model.subgraphs[0].outputs = []


def custom(model: Any) -> None:
    for code in model.operatorCodes:
        code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
        code.customCode = b"MyOwn"


def retyped(kind: str) -> Callable[[Any], None]:
    def change(model: Any) -> None:
        for each in model.subgraphs[0].tensors:
            if each.type == schema.TensorType.INT8:
                each.type = getattr(schema.TensorType, kind)

    return change


def open_height(model: Any) -> None:
    tensor(model, model.subgraphs[0].inputs[0]).shapeSignature = [-1, -1, 8, 4]


def two_samples(model: Any) -> None:
    tensor(model, model.subgraphs[0].inputs[0]).shape = [2, 8, 8, 4]


def no_size(model: Any) -> None:
    tensor(model, model.subgraphs[0].inputs[0]).shape = [1, 0, 8, 4]


def negative_size(model: Any) -> None:
    tensor(model, model.subgraphs[0].inputs[0]).shape = [1, -8, 8, 4]


def huge(model: Any) -> None:
    tensor(model, model.subgraphs[0].inputs[0]).shape = [1, 60_000, 60_000, 4]


def fused_tanh(model: Any) -> None:
    for operator in operators(model, "CONV_2D"):
        operator.builtinOptions.fusedActivationFunction = 4


def steep_softmax(model: Any) -> None:
    for operator in operators(model, "SOFTMAX"):
        operator.builtinOptions.beta = 2.0


def unknown_operator(model: Any) -> None:
    for code in model.operatorCodes:
        if code.builtinCode == schema.BuiltinOperator.SOFTMAX:
            code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.PRELU


def no_strides(model: Any) -> None:
    for operator in operators(model, "CONV_2D"):
        operator.builtinOptions.strideH = 0


def missing_tensor(model: Any) -> None:
    next(operators(model, "ADD")).inputs = [900, 0]


def computed_weights(model: Any) -> None:
    operator = next(operators(model, "FULLY_CONNECTED"))
    operator.inputs = [operator.inputs[0], operator.inputs[0], operator.inputs[2]]


def short_weights(model: Any) -> None:
    operator = next(operators(model, "CONV_2D"))
    model.buffers[tensor(model, operator.inputs[1]).buffer].data = [1, 2, 3]


def zero_points_of_weights(model: Any) -> None:
    quantization = tensor(model, next(operators(model, "CONV_2D")).inputs[1]).quantization
    quantization.zeroPoint = [3] * len(quantization.scale)


def no_scales(model: Any) -> None:
    tensor(model, next(operators(model, "CONV_2D")).outputs[0]).quantization = None


def negative_scale(model: Any) -> None:
    tensor(model, next(operators(model, "CONV_2D")).outputs[0]).quantization.scale = [-0.5]


REFUSED: list[tuple[Callable[[Any], None], type[HwnasError], str]] = [
    (several_graphs, UnsupportedLayerError, "2 graphs"),
    (several_inputs, UnsupportedLayerError, "2 inputs; networks have one"),
    (no_output, UnsupportedLayerError, "0 outputs"),
    (custom, UnsupportedLayerError, "custom operator .MyOwn."),
    (retyped("UINT8"), UnsupportedLayerError, "is UINT8: quantize it to int8"),
    (retyped("INT16"), UnsupportedLayerError, "is INT16: quantize it to int8"),
    (retyped("FLOAT16"), UnsupportedLayerError, "is FLOAT16: convert it"),
    (open_height, UnsupportedLayerError, "a shape that is not fixed"),
    (two_samples, UnsupportedLayerError, "a batch of 1"),
    (no_size, NetworkError, "0"),
    (negative_size, NetworkError, "has shape .1, -8"),
    (huge, NetworkError, "60000"),
    (fused_tanh, UnsupportedLayerError, "fused activation 4"),
    (steep_softmax, UnsupportedLayerError, "has beta 2"),
    (unknown_operator, UnsupportedLayerError, "PRELU.* replace it by LeakyReLU"),
    (no_strides, NetworkError, "CONV_2D"),
    (missing_tensor, NetworkError, "tensors that the file does not have"),
    (computed_weights, UnsupportedLayerError, "weights must be a constant"),
]
ONLY_TRAINED: list[tuple[Callable[[Any], None], type[HwnasError], str]] = [
    (short_weights, NetworkError, "holds 3 bytes"),
    (zero_points_of_weights, UnsupportedLayerError, "have zero points"),
    (no_scales, NetworkError, "0 scales"),
    (negative_scale, NetworkError, "scale -0.5"),
]


@pytest.mark.parametrize(("change", "error", "words"), REFUSED)
@pytest.mark.parametrize("read", [from_tflite, trained_from_tflite])
def test_what_cannot_be_run_is_told(
    read: Callable[[bytes], object],
    change: Callable[[Any], None],
    error: type[HwnasError],
    words: str,
) -> None:
    with pytest.raises(error, match=words):
        read(changed(small(), change))


@pytest.mark.parametrize(("change", "error", "words"), ONLY_TRAINED)
def test_parameters_that_make_no_sense_are_told(
    change: Callable[[Any], None], error: type[HwnasError], words: str
) -> None:
    flat = changed(small(), change)
    assert isinstance(from_tflite(flat), Network)
    with pytest.raises(error, match=words):
        trained_from_tflite(flat)


def test_weights_alone_in_int8_are_told() -> None:
    model = sequential(MAP, layers.Conv2D(16, 3), layers.Flatten(), layers.Dense(40))
    converter = import_tensorflow().lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [import_tensorflow().lite.Optimize.DEFAULT]
    flat = bytes(converter.convert())
    with pytest.raises(UnsupportedLayerError, match="quantize all of it to int8, or none"):
        trained_from_tflite(flat)


# Bytes of anybody's


@pytest.mark.parametrize("data", [b"", b"TFL3", b"\0\0\0\0TFL3", b"x" * 100, b"\x10\0\0\0TFL3"])
def test_bytes_that_are_no_file(data: bytes) -> None:
    with pytest.raises(NetworkError, match=r"no TFLite file|damaged|version 0"):
        from_tflite(data)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match="there is no such file"):
        from_tflite(tmp_path / "none.tflite")
    (tmp_path / "cut.tflite").write_bytes(small()[:2_000])
    with pytest.raises(NetworkError, match=r"cut\.tflite: is damaged"):
        load_network(tmp_path / "cut.tflite")


@pytest.mark.parametrize("part", range(0, 64))
def test_a_file_cut_off_anywhere_is_told(part: int) -> None:
    flat = small()
    outcome(flat[: len(flat) * part // 64])


@pytest.mark.parametrize("first", range(0, 3_000, 500))
def test_mutated_files_are_read_or_refused(first: int) -> None:
    """``benchmarks/fuzz_tflite.py`` runs any number of them."""
    refused = sum(outcome(mutated(small(), seed)) for seed in range(first, first + 500))
    assert 0 < refused < 500


def test_parts_that_overlap_take_no_memory() -> None:
    """Each tensor's name is the whole file: half a megabyte that would become gigabytes."""

    def rename(model: Any) -> None:
        for each in model.subgraphs[0].tensors:
            each.name = b"n" * 40_000
        model.subgraphs[0].tensors = model.subgraphs[0].tensors * 400

    honest = changed(small(), rename)
    # One string, which all tensors share.
    start = honest.index(b"n" * 40_000)
    assert honest.count(b"n" * 40_000) >= 1 and start > 0
    began = time.perf_counter()
    outcome(honest)
    assert time.perf_counter() - began < 60


def outcome(data: bytes) -> bool:
    """Whether a file is refused, by a typed error; whatever is read can be deployed or is told."""
    try:
        trained = trained_from_tflite(data)
        ModelImage.of(trained)
    except HwnasError:
        return True
    return False


def test_no_tensorflow_is_needed(tmp_path: Path) -> None:
    (tmp_path / "model.tflite").write_bytes(small())
    code = (
        "import sys; from hwnas.models import load_network; load_network('model.tflite'); "
        "from hwnas.tflite_io import trained_from_tflite; trained_from_tflite('model.tflite'); "
        "assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_signatures_are_those_of_the_file() -> None:
    assert signature(network_graph(from_tflite(small()))) == signature(converter_graph(small()))
