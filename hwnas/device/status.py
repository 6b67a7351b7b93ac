"""Status codes of the board's responses, and the errors that they become."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from hwnas.errors import BoardProtocolError, HwnasError, PlanError


class Status(IntEnum):
    """First byte of every response body; ``docs/protocol.md`` says what each one means."""

    OK = 0
    UNKNOWN_MESSAGE = 1
    BAD_LENGTH = 2
    BAD_ARGUMENT = 3
    NO_PLAN = 4
    PLAN_HEADER = 5
    PLAN_CRC = 6
    PLAN_TENSOR = 7
    PLAN_STEP = 8
    PLAN_TOO_LARGE = 9
    PARAMETERS_TOO_LARGE = 10
    UNSUPPORTED_KERNEL_SET = 11
    TOO_MANY_RESULTS = 12
    KERNEL_FAILED = 13
    NO_MODEL = 14
    MODEL_DAMAGED = 15


HEADER_FIELDS: Final = {
    0: "magic",
    4: "version",
    6: "header_bytes",
    8: "plan_bytes",
    12: "crc32",
    16: "arena_bytes",
    20: "tensor_count",
    22: "step_count",
    24: "input_tensor",
    26: "output_tensor",
    28: "kernel_set",
    29: "parameters",
    30: "reserved",
    32: "parameter_bytes",
    36: "reserved",
}
"""Fields of the plan's header by offset, as in ``docs/plan-format.md``."""
TENSOR_FIELDS: Final = {
    0: "region",
    1: "dtype",
    2: "height",
    4: "width",
    6: "reserved",
    8: "channels",
    12: "offset",
    16: "bytes",
    20: "zero_point",
}
"""Fields of a plan's tensor record by offset."""
STEP_FIELDS: Final = {
    0: "operator",
    1: "reserved",
    2: "input0",
    4: "input1",
    6: "output",
    8: "weights",
    10: "bias",
    12: "multipliers",
    14: "shifts",
    16: "kernel_h",
    18: "kernel_w",
    20: "stride_h",
    22: "stride_w",
    24: "pad_top",
    26: "pad_left",
    28: "dilation_h",
    30: "dilation_w",
    32: "depth_multiplier",
    34: "groups",
    36: "scratch_offset",
    40: "scratch_bytes",
    44: "activation_min",
    48: "activation_max",
    **{52 + 4 * i: f"p[{i}]" for i in range(11)},
}
"""Fields of a plan's step record by offset."""

MODEL_FIELDS: Final = {4: "version", 8: "plan_offset", 12: "plan_bytes", 48: "crc32"}
"""Fields of a deployed model's header by offset, as in ``docs/plan-format.md``."""

_KERNEL_SETS: Final = {0: "cmsis_nn", 1: "reference", 2: "float32"}
_PLAN_STATUSES: Final = frozenset(
    {
        Status.PLAN_HEADER,
        Status.PLAN_CRC,
        Status.PLAN_TENSOR,
        Status.PLAN_STEP,
        Status.PLAN_TOO_LARGE,
        Status.PARAMETERS_TOO_LARGE,
        Status.UNSUPPORTED_KERNEL_SET,
    }
)


def status_error(status: int, reason: int, detail: int) -> HwnasError:
    """Returns the error that a response with this status means; the caller raises it.

    Args:
        status: First byte of the response, not :attr:`Status.OK`.
        reason: 16 bits, by status.
        detail: 32 bits, by status.

    Returns:
        A :class:`~hwnas.errors.PlanError` that names the field and the record for a plan that
        the firmware refused, else a :class:`~hwnas.errors.BoardProtocolError`.
    """
    if status in _PLAN_STATUSES:
        return PlanError(f"the board refused the plan: {_plan_text(status, reason, detail)}")
    return BoardProtocolError(f"the board refused the request: {_text(status, reason, detail)}")


def _plan_text(status: int, reason: int, detail: int) -> str:
    match status:
        case Status.PLAN_HEADER:
            return f"its header's {_field(HEADER_FIELDS, reason)} is {detail} ({detail:#x})"
        case Status.PLAN_CRC:
            return f"its bytes have CRC-32 {detail:#010x}, not the one in its header"
        case Status.PLAN_TENSOR:
            return f"{_field(TENSOR_FIELDS, reason)} of tensor {detail} is not valid"
        case Status.PLAN_STEP:
            return f"{_field(STEP_FIELDS, reason)} of step {detail} is not valid"
        case Status.PLAN_TOO_LARGE:
            return (
                f"plan and arena together exceed the workspace of {detail} bytes; "
                "measure the layers one by one or shrink the network"
            )
        case Status.PARAMETERS_TOO_LARGE:
            return f"its parameters exceed the parameter region of {detail} bytes"
        case _:
            name = _KERNEL_SETS.get(detail, "unknown")
            return f"its image lacks kernel set {detail} ({name})"


def _text(status: int, reason: int, detail: int) -> str:
    match status:
        case Status.UNKNOWN_MESSAGE:
            return f"it does not know message type {detail:#04x}"
        case Status.BAD_LENGTH:
            return f"a body of {detail} bytes does not suit the message"
        case Status.BAD_ARGUMENT:
            return f"argument {reason} has the value {detail}, which is out of range"
        case Status.NO_PLAN:
            return "it holds no plan; load one first (a reset forgets it)"
        case Status.TOO_MANY_RESULTS:
            return f"it can keep {detail} results; ask for fewer repetitions"
        case Status.KERNEL_FAILED:
            return f"the kernel of step {detail} failed with code {reason}"
        case Status.NO_MODEL:
            return "no model is deployed on it"
        case Status.MODEL_DAMAGED:
            return (
                f"the model in its flash is damaged ({_field(MODEL_FIELDS, reason)} {detail:#x}): "
                "deploy it again"
            )
        case _:
            return f"unknown status {status} (reason {reason}, detail {detail})"


def _field(fields: dict[int, str], offset: int) -> str:
    return fields.get(offset, f"byte at offset {offset}")
