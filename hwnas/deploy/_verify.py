"""Whether a deployed model computes what it should: the paper's Table 1, for any model.

The same samples run through Keras's floats, the quantized model on this machine by LiteRT and by
TensorFlow Lite for Microcontrollers, and the board.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hwnas.deploy._deployed import DeployedModel
from hwnas.deploy._kept_outputs import KeptOutputs
from hwnas.errors import DatasetError, HwnasError
from hwnas.host_interpreters import HostInterpreter, litert, tflite_micro, to_int8
from hwnas.int8_metric import classification_accuracy
from hwnas.models import TrainedModel

KERAS: Final = "Keras, floats"
LITERT: Final = "TFLite"
MICRO: Final = "TFLite for Microcontrollers"
BOARD: Final = "board"
Progress = Callable[[str, int], None]
"""Is told what runs, and how many samples are done."""


@dataclass(frozen=True, slots=True)
class Computed:
    """What one way to run a model gave.

    Attributes:
        by: :data:`KERAS`, :data:`LITERT`, :data:`MICRO` or :data:`BOARD`.
        accuracy: Share of samples whose largest output is that of their class; ``None`` without
            labels.
        other_outputs: Samples of which some output is another than the board's; ``None`` where the
            outputs cannot be compared (floats beside int8).
        other_classes: Samples whose largest output is another one than on the board.
    """

    by: str
    accuracy: float | None
    other_outputs: int | None
    other_classes: int


@dataclass(frozen=True)
class Verification:
    """The same samples, run in several ways.

    Attributes:
        samples: How many.
        computed: One a way to run them; the board's is the last.
        missing: Ways that could not be gone, and why.
    """

    samples: int
    computed: tuple[Computed, ...]
    missing: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)


def verify(
    deployed: DeployedModel,
    model: TrainedModel,
    samples: NDArray[np.float32],
    labels: NDArray[Any] | None = None,
    *,
    kept: KeptOutputs | None = None,
    progress: Progress = lambda what, done: None,
) -> Verification:
    """Run samples on a board and on this machine, and compare.

    Args:
        deployed: The model on its board.
        model: The same model in the other forms; where there is a ``keras.Model``, it runs, too.
        samples: Of shape (samples, ...) as the model reads them, real values.
        labels: Numbers of classes, shape (samples,); without them there is no accuracy.
        kept: Where the board's outputs are kept, so that the same call goes on after a stop.
        progress: Is told how far it is.

    Raises:
        BoardError: The board failed; what it had computed is kept.
        DatasetError: The samples or labels do not fit the model or each other.

    Example:
        >>> verify(deployed, model, x_test[:100], y_test[:100]).computed[-1]  # doctest: +SKIP
        Computed(by='board', accuracy=0.87, other_outputs=0, other_classes=0)
    """
    host = litert(model.flat)
    _check(samples, labels, host.input_shape)
    raw = _as_read(samples, host)
    board = np.stack(list(_on_board(deployed, raw, kept, progress)))
    rows: list[Computed] = []
    missing: dict[str, str] = {}

    def add(by: str, outputs: NDArray[Any]) -> None:
        rows.append(_compared(by, outputs, board, labels))

    if model.keras is not None:
        progress(KERAS, 0)
        add(KERAS, np.asarray(model.keras.predict(samples, verbose=0)))
        progress(KERAS, len(samples))
    add(LITERT, _by(host.run, raw, lambda done: progress(LITERT, done)))
    try:
        micro = tflite_micro(model.flat)
    except HwnasError as error:
        missing[MICRO] = str(error)
    else:
        add(MICRO, _by(micro, raw, lambda done: progress(MICRO, done)))
    add(BOARD, board)
    return Verification(len(samples), tuple(rows), missing)


def _check(
    samples: NDArray[np.float32], labels: NDArray[Any] | None, shape: tuple[int, ...]
) -> None:
    if not len(samples) or samples.shape[1:] != shape:
        raise DatasetError(
            f"{len(samples)} samples of shape {samples.shape[1:]} do not fit a model that reads "
            f"{shape}: give one sample or more, of that shape"
        )
    if labels is not None and labels.shape != (len(samples),):
        raise DatasetError(
            f"labels of shape {labels.shape} do not fit {len(samples)} samples: give the number of "
            "a class for each"
        )


def _as_read(samples: NDArray[np.float32], host: HostInterpreter) -> NDArray[Any]:
    scale, zero_point = host.input_quantization
    return to_int8(samples, scale, zero_point) if scale else samples.astype(np.float32)


def _on_board(
    deployed: DeployedModel, raw: NDArray[Any], kept: KeptOutputs | None, progress: Progress
) -> Iterator[NDArray[Any]]:
    """The board's outputs, those that were kept without running it."""
    run = _name_of(deployed, raw)
    known = {} if kept is None else kept.get(run)
    for number, sample in enumerate(raw):
        data = known.get(number)
        if data is not None and len(data) == deployed.output_bytes:
            output = deployed.output_of(data)
        else:
            (output,) = deployed.outputs([sample])
            if kept is not None:
                kept.put(run, number, output.tobytes())
        yield output
        progress(BOARD, number + 1)


def _name_of(deployed: DeployedModel, raw: NDArray[Any]) -> str:
    """All that decides the outputs, and on which board: where samples are added, all run again."""
    target = deployed.target
    whole = hashlib.sha256(deployed.model.sha256.encode())
    for text in (target.board, target.measured_code_sha256, str(target.provenance)):
        whole.update(text.encode() + b"\0")
    whole.update(raw.tobytes())
    return whole.hexdigest()


def _by(
    run: Callable[[NDArray[Any]], NDArray[Any]],
    raw: NDArray[Any],
    told: Callable[[int], None],
) -> NDArray[Any]:
    outputs = []
    for sample in raw:
        outputs.append(run(sample))
        told(len(outputs))
    return np.stack(outputs)


def _compared(
    by: str, outputs: NDArray[Any], board: NDArray[Any], labels: NDArray[Any] | None
) -> Computed:
    ours, theirs = (values.reshape(len(values), -1) for values in (board, outputs))
    return Computed(
        by,
        None if labels is None else classification_accuracy(theirs, labels),
        int((ours != theirs).any(axis=1).sum()) if ours.dtype == theirs.dtype else None,
        int((ours.argmax(axis=1) != theirs.argmax(axis=1)).sum()),
    )
