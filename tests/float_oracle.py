"""What the float kernels may differ from TFLite for Microcontrollers by."""

from __future__ import annotations

import numpy as np
from oracle import Model, Values, interpret, run_on_board

from hwnas.device import BoardClient
from hwnas.kernels import FLOAT32
from hwnas.network import Network, Operator

FEW_CASES = (
    "conv 3x3 same strided",
    "conv 1x1",
    "conv 3x3 dilated",
    "conv 2x3 grouped dilated",
    "depthwise 3x3 same",
    "depthwise 3x3 multiplier 3",
    "dense",
    "max pool 3x3 same",
    "average pool 3x3 same",
    "mean",
    "max",
    "softmax",
    "leaky relu",
    "logistic",
    "tanh",
    "hard swish",
    "pad",
    "add vector",
    "sub constant",
    "mul scalar",
)
"""One case or two of each kernel."""
EXPONENTIALS = (Operator.SOFTMAX, Operator.LOGISTIC, Operator.TANH)
EXPONENTIAL_ERROR = 2.0**-21
"""Four units in the last place: the host's library computes the exponential in another way."""
FUSED_ERROR = 2.0**-18
"""Of the largest output, where a multiplication is fused with the addition after it."""
_LEAST = 2.0**-140
"""A few steps of the smallest floats, which have no last place to speak of."""


def assert_close(
    client: BoardClient, model: Model, inputs: list[Values], error: float = 0.0
) -> None:
    """The outputs have the interpreter's bits, but for exponentials and ``error``.

    Args:
        client: What runs the model.
        model: A float32 model.
        inputs: What it is run on.
        error: What outputs may differ by besides, relative to the largest one.
    """
    compare(model, inputs, run_on_board(client, model, inputs, FLOAT32.name), error)


def compare(model: Model, inputs: list[Values], outputs: list[Values], error: float) -> None:
    """The same for outputs that are there already."""
    for image, found in zip(inputs, outputs, strict=True):
        expected = interpret(model.flat, image)
        assert expected.dtype == found.dtype == np.float32
        wrong = np.flatnonzero(~_agree(model.network, expected, found, error))
        assert wrong.size == 0, (
            f"{[layer.describe() for layer in model.network.layers]}: {wrong.size} of "
            f"{expected.size} outputs differ, at {wrong[:5]}: {expected[wrong[:5]]} expected, "
            f"{found[wrong[:5]]} found"
        )


def _agree(network: Network, expected: Values, found: Values, error: float) -> np.ndarray:
    wanted, got = expected.astype(np.float64), found.astype(np.float64)
    allowed = np.full(wanted.shape, error * np.abs(wanted[np.isfinite(wanted)]).max(initial=0))
    if any(layer.operator in EXPONENTIALS for layer in network.layers):
        allowed += EXPONENTIAL_ERROR * np.abs(wanted) + _LEAST
    with np.errstate(invalid="ignore"):
        near = np.abs(wanted - got) <= allowed
    same: np.ndarray = (wanted == got) | (np.isnan(wanted) & np.isnan(got))
    return same | (near & np.isfinite(wanted))
