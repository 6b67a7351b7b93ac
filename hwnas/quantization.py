"""Keras models as TFLite files, by TensorFlow Lite's converter: int8, or floats."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwnas._tensorflow import import_keras, silenced
from hwnas.errors import DatasetError


def quantized(model: Any, representative: NDArray[np.float32]) -> bytes:
    """A model as an int8 TFLite file.

    Weights of convolutions get a scale a channel, those of a dense layer one in all, which is what
    CMSIS-NN 4.0.0 computes with.

    Args:
        model: A ``keras.Model`` with one input and one output.
        representative: Samples from which ranges of activations are taken, (samples, ...).

    Raises:
        DatasetError: The samples do not fit the model.
        ImportError: tensorflow is not installed.

    Example:
        >>> flat = quantized(model, x_train[:100])  # doctest: +SKIP
    """
    shape = tuple(model.input_shape[1:])
    if representative.shape[1:] != shape or not len(representative):
        raise DatasetError(
            f"samples of shape {representative.shape[1:]} do not fit a model that reads {shape}"
        )
    tf, converter = _converter(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: (
        [x[None].astype(np.float32)] for x in representative
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    converter._experimental_disable_per_channel_quantization_for_dense_layers = True
    return _converted(converter)


def as_floats(model: Any) -> bytes:
    """A model as a TFLite file of floats.

    Args:
        model: A ``keras.Model`` with one input and one output.

    Raises:
        ImportError: tensorflow is not installed.
    """
    return _converted(_converter(model)[1])


def _converter(model: Any) -> tuple[Any, Any]:
    """The ``tensorflow`` module and its converter of a model, for one sample at a time."""
    import_keras()
    import tensorflow as tf

    function = tf.function(lambda x: model(x, training=False))
    concrete = function.get_concrete_function(
        tf.TensorSpec((1, *model.input_shape[1:]), tf.float32)
    )
    with _quiet():
        # Without the model as second argument, which makes the converter several times as fast.
        return tf, tf.lite.TFLiteConverter.from_concrete_functions([concrete])


def _converted(converter: Any) -> bytes:
    with _quiet():
        return bytes(converter.convert())


@contextmanager
def _quiet() -> Iterator[None]:
    """The converter tells of each conversion through Python, absl and the C library."""
    with warnings.catch_warnings(), silenced():
        warnings.simplefilter("ignore", UserWarning)
        yield
