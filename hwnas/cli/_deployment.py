"""What the commands share that put a trained model onto a board."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from hwnas.errors import BudgetError
from hwnas.kernels import kernel_set_named
from hwnas.models import TrainedModel, load_trained
from hwnas.plan import ModelImage
from hwnas.samples import load_samples, random_samples

TrainedOption = Annotated[
    Path, typer.Argument(metavar="MODEL", help="A trained .keras, .h5 or .tflite model.")
]
CalibrationOption = Annotated[
    Path | None,
    typer.Option(
        "--calibrate",
        help="An .npz file with some training data as x, to quantize a Keras model with.",
    ),
]
RandomOption = Annotated[
    bool,
    typer.Option(
        "--random-calibration",
        help="Quantize with random data: for latency alone, accuracy means nothing then.",
    ),
]
NOT_CALIBRATED = (
    "quantized with random data (--random-calibration): latency is right, outputs mean nothing"
)
_MOST_SAMPLES = 500


def trained_model(
    path: Path, kernels: str, calibration: Path | None, random: bool
) -> tuple[TrainedModel, ModelImage]:
    """A model as it is, and as it is deployed.

    Raises:
        HwnasError: It cannot be read, quantized or deployed.
    """
    if calibration is not None and random:
        raise BudgetError("--calibrate and --random-calibration: give one of them")
    dtype = kernel_set_named(kernels).dtype
    model = load_trained(path, dtype, _representative(calibration, random))
    return model, ModelImage.of(model.trained, kernel_set=kernels)


def _representative(
    calibration: Path | None, random: bool
) -> Callable[[tuple[int, ...]], NDArray[np.float32]] | None:
    if random:
        return random_samples
    if calibration is None:
        return None
    return lambda shape: load_samples(calibration).inputs[:_MOST_SAMPLES]
