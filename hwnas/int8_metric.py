"""How well a trained model does once it is quantized: what is deployed is int8."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwnas._tensorflow import import_keras, silenced
from hwnas.errors import DatasetError

Score = Callable[[NDArray[np.float32], NDArray[Any]], float]
"""From outputs, shape (samples, ...), and targets to a figure; larger is better."""


def classification_accuracy(outputs: NDArray[np.float32], labels: NDArray[Any]) -> float:
    """The share of samples whose largest output is that of their class.

    Args:
        outputs: Of shape (samples, classes).
        labels: Numbers of classes, shape (samples,).

    Example:
        >>> classification_accuracy(np.float32([[0, 1], [2, 1]]), np.array([1, 1]))
        0.5
    """
    return float(np.mean(outputs.reshape(len(outputs), -1).argmax(axis=1) == labels.ravel()))


@dataclass(frozen=True)
class Int8Validation:
    """Validation data for the quantized model, and samples to quantize it with.

    Activations and weights become int8, the latter with a scale a channel, by TensorFlow Lite's
    converter; LiteRT's reference kernels run the result on this machine, which is what the board
    computes up to the rounding of a softmax (docs/kernels.md).

    Args:
        inputs: Of shape (samples, ...) as the model reads them, float32.
        targets: One a sample; numbers of classes for the default score.
        representative: Samples from which ranges of activations are taken; the first 100 of
            ``inputs`` by default.
        score: What is made of outputs and targets; accuracy by default.

    Raises:
        DatasetError: There are no samples, or not as many targets.

    Example:
        >>> Int8Validation(x_val, y_val)(model)  # doctest: +SKIP
        0.8725
    """

    inputs: NDArray[np.float32]
    targets: NDArray[Any]
    representative: NDArray[np.float32] | None = None
    score: Score = classification_accuracy

    def __post_init__(self) -> None:
        if not len(self.inputs) or len(self.inputs) != len(self.targets):
            raise DatasetError(
                f"{len(self.inputs)} samples with {len(self.targets)} targets: give one target "
                "a sample, and one sample or more"
            )

    def __call__(self, model: Any) -> float:
        """Quantize a model and score it.

        Args:
            model: A trained ``keras.Model`` with one input and one output.

        Raises:
            DatasetError: The samples do not fit the model.
            ImportError: tensorflow or ai-edge-litert is not installed.
        """
        samples = self.inputs[:100] if self.representative is None else self.representative
        return float(self.score(_run(quantized(model, samples), self.inputs), self.targets))


def quantized(model: Any, representative: NDArray[np.float32]) -> bytes:
    """A model as an int8 TFLite file, weights with a scale a channel.

    Args:
        model: A ``keras.Model`` with one input and one output.
        representative: Samples from which ranges of activations are taken, (samples, ...).

    Raises:
        DatasetError: The samples do not fit the model.
        ImportError: tensorflow is not installed.
    """
    shape = tuple(model.input_shape[1:])
    if representative.shape[1:] != shape or not len(representative):
        raise DatasetError(
            f"samples of shape {representative.shape[1:]} do not fit a model that reads {shape}"
        )
    import_keras()
    import tensorflow as tf

    function = tf.function(lambda x: model(x, training=False))
    concrete = function.get_concrete_function(tf.TensorSpec((1, *shape), tf.float32))
    # Without the model as second argument, which makes the converter several times as fast.
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete])
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: (
        [x[None].astype(np.float32)] for x in representative
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    # It tells of each conversion in several ways: through Python, absl and the C library.
    with warnings.catch_warnings(), silenced():
        warnings.simplefilter("ignore", UserWarning)
        return bytes(converter.convert())


def _run(model: bytes, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
    """Outputs as floats of a quantized model, sample by sample."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        model_content=model, experimental_op_resolver_type=OpResolverType.BUILTIN_REF
    )
    interpreter.allocate_tensors()
    (reads,), (writes,) = interpreter.get_input_details(), interpreter.get_output_details()
    if tuple(reads["shape"][1:]) != inputs.shape[1:]:
        raise DatasetError(
            f"samples of shape {inputs.shape[1:]} do not fit a model that reads "
            f"{tuple(reads['shape'][1:])}"
        )
    scale, zero = reads["quantization"]
    limits = np.iinfo(np.int8)
    codes = np.clip(np.round(inputs / scale + zero), limits.min, limits.max).astype(np.int8)
    outputs = np.empty((len(inputs), *writes["shape"][1:]), np.int8)
    for sample, output in zip(codes, outputs, strict=True):
        interpreter.set_tensor(reads["index"], sample[None])
        interpreter.invoke()
        output[...] = interpreter.get_tensor(writes["index"])[0]
    scale, zero = writes["quantization"]
    values: NDArray[np.float32] = np.float32(scale) * (outputs.astype(np.float32) - zero)
    return values
