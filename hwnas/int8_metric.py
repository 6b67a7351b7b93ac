"""How well a trained model does once it is quantized: what is deployed is int8."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwnas.errors import DatasetError
from hwnas.host_interpreters import from_int8, litert, to_int8
from hwnas.quantization import quantized

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

    Activations and weights become int8 by TensorFlow Lite's converter, as for
    :func:`hwnas.quantization.quantized`; LiteRT's reference kernels run the result on this machine,
    which is what the board computes up to the rounding of a softmax (docs/kernels.md).

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
        outputs = _outputs(quantized(model, samples), self.inputs)
        return float(self.score(outputs, self.targets))


def _outputs(model: bytes, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
    """Outputs as floats of a quantized model, sample by sample."""
    host = litert(model)
    if host.input_shape != inputs.shape[1:]:
        raise DatasetError(
            f"samples of shape {inputs.shape[1:]} do not fit a model that reads {host.input_shape}"
        )
    codes = to_int8(inputs, *host.input_quantization)
    return from_int8(np.stack([host.run(sample) for sample in codes]), *host.output_quantization)
