"""TFLite models on this machine: LiteRT's interpreter, and that for microcontrollers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hwnas.errors import HwnasError

_MOST_ARENA_BYTES: Final = 1 << 26
_LIMITS: Final = np.iinfo(np.int8)


@dataclass(frozen=True, slots=True)
class HostInterpreter:
    """A model that is ready to run here, one sample at a time.

    Attributes:
        run: From a sample of the input's shape and type to the output.
        input_shape: Without the batch dimension.
        input_quantization: Scale and zero point; (0.0, 0) for floats.
        output_quantization: Likewise.
    """

    run: Callable[[NDArray[Any]], NDArray[Any]]
    input_shape: tuple[int, ...]
    input_quantization: tuple[float, int]
    output_quantization: tuple[float, int]


def litert(model: bytes) -> HostInterpreter:
    """LiteRT (TensorFlow Lite) with its reference kernels.

    Its optimized kernels, and XNNPACK's, differ from them by 1 now and then; microcontrollers have
    the reference kernels' arithmetic.

    Args:
        model: A TFLite file with one input and one output.

    Raises:
        ImportError: ai-edge-litert is not installed.
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        model_content=model, experimental_op_resolver_type=OpResolverType.BUILTIN_REF
    )
    interpreter.allocate_tensors()
    (reads,), (writes,) = interpreter.get_input_details(), interpreter.get_output_details()

    def run(sample: NDArray[Any]) -> NDArray[Any]:
        interpreter.set_tensor(reads["index"], sample[None])
        interpreter.invoke()
        output: NDArray[Any] = interpreter.get_tensor(writes["index"])[0]
        return output

    shape = tuple(int(side) for side in reads["shape"][1:])
    return HostInterpreter(run, shape, reads["quantization"], writes["quantization"])


def tflite_micro(model: bytes) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """TensorFlow Lite for Microcontrollers with its reference kernels.

    Args:
        model: A TFLite file with one input and one output.

    Returns:
        From a sample of the input's shape and type, without the batch dimension, to the output.

    Raises:
        HwnasError: The package tflite-micro is not installed.
    """
    try:
        from tflite_micro.python.tflite_micro import runtime
    except ImportError as error:
        raise HwnasError(
            f"TensorFlow Lite for Microcontrollers on this machine needs the package tflite-micro "
            f"({error}): pip install 'hwnas[verify]'"
        ) from error
    interpreter = runtime.Interpreter.from_bytes(model, arena_size=_MOST_ARENA_BYTES)

    def run(sample: NDArray[Any]) -> NDArray[Any]:
        interpreter.set_input(sample[None], 0)
        interpreter.invoke()
        # A view of memory that the next call writes.
        output: NDArray[Any] = interpreter.get_output(0)[0].copy()
        return output

    return run


def to_int8(values: NDArray[np.float32], scale: float, zero_point: int) -> NDArray[np.int8]:
    """What int8 values stand for real ones: rounded to the nearest, at the ends saturated."""
    rounded = np.clip(np.round(values / np.float32(scale)) + zero_point, _LIMITS.min, _LIMITS.max)
    codes: NDArray[np.int8] = rounded.astype(np.int8)
    return codes


def from_int8(values: NDArray[np.int8], scale: float, zero_point: int) -> NDArray[np.float32]:
    """What int8 values stand for."""
    real: NDArray[np.float32] = np.float32(scale) * (values.astype(np.float32) - zero_point)
    return real
