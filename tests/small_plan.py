"""Plans packed by hand from docs/plan-format.md, with all weights in the arena."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from hwnas.device import BoardClient
from hwnas.kernels import CMSIS_NN, KernelSet
from hwnas.kernels import FLOAT32 as FLOAT_KERNELS

HEADER = struct.Struct("<IHHIIIHHHHBBHI3I")
TENSOR = struct.Struct("<BBHHHIIIi")
STEP = struct.Struct("<BB17HIIii11i")
NONE = 0xFFFF
SCRATCH_BYTES = 4096
INT8, INT32, FLOAT32 = 0, 1, 2
CONV, DEPTHWISE, DENSE, MAX_POOL, AVERAGE_POOL = 1, 2, 3, 4, 5
GLOBAL_AVERAGE_POOL, SOFTMAX, RELU, ADD, SUB, MUL = 6, 7, 8, 9, 10, 11
CONCATENATION, PAD, GLOBAL_MAX_POOL, LOGISTIC, TANH = 12, 13, 14, 15, 16
HARD_SWISH, LEAKY_RELU, QUANTIZE, DEQUANTIZE, REQUANTIZE = 17, 18, 19, 20, 21
HALF = (1 << 30, 0)
ONE = (1 << 30, 1)


def seal(plan: bytes) -> bytes:
    """The plan with the right CRC in its header."""
    return plan[:12] + struct.pack("<I", zlib.crc32(plan[48:])) + plan[16:]


def pack_plan(
    tensors: list[bytes],
    steps: list[bytes],
    *,
    arena_bytes: int,
    parameter_bytes: int = 0,
    ends: tuple[int, int] = (0, 1),
    kernels: KernelSet = CMSIS_NN,
) -> bytes:
    """A plan for the pool's parameters, of records that are packed already."""
    body = b"".join(tensors + steps)
    header = HEADER.pack(
        0x504E5748, 1, 48, 48 + len(body), 0, arena_bytes, len(tensors), len(steps), *ends,
        kernels.code, 0, 0, parameter_bytes, 0, 0, 0,
    )  # fmt: skip
    return seal(header + body)


@dataclass
class SmallPlan:
    """Lays tensors out one after the other in the arena and collects steps."""

    tensors: list[bytes] = field(default_factory=list)
    steps: list[bytes] = field(default_factory=list)
    contents: dict[int, bytes] = field(default_factory=dict)
    sizes: list[int] = field(default_factory=list)
    written: list[int] = field(default_factory=list)
    arena_bytes: int = SCRATCH_BYTES
    kernels: KernelSet = CMSIS_NN

    def tensor(self, shape: tuple[int, int, int], dtype: int = INT8, zero_point: int = 0) -> int:
        size = shape[0] * shape[1] * shape[2] * (1 if dtype == INT8 else 4)
        height, width, channels = shape
        self.tensors.append(
            TENSOR.pack(0, dtype, height, width, 0, channels, self.arena_bytes, size, zero_point)
        )
        self.arena_bytes += -(-size // 16) * 16
        self.sizes.append(size)
        return len(self.tensors) - 1

    def tensor_at(self, other: int, zero_point: int = 0) -> int:
        """A tensor in the place of another of its shape and type, for steps in place."""
        record = TENSOR.unpack(self.tensors[other])
        self.tensors.append(TENSOR.pack(*record[:-1], zero_point))
        self.sizes.append(self.sizes[other])
        return len(self.tensors) - 1

    def constant(
        self,
        values: npt.NDArray[np.int8] | npt.NDArray[np.int32] | npt.NDArray[np.float32],
        zero_point: int = 0,
    ) -> int:
        dtype = {"int8": INT8, "int32": INT32, "float32": FLOAT32}[values.dtype.name]
        index = self.tensor((1, 1, values.size), dtype, zero_point)
        self.contents[index] = values.tobytes()
        return index

    def step(
        self,
        operator: int,
        input0: int,
        output: int,
        *,
        input1: int = NONE,
        weights: int = NONE,
        bias: int = NONE,
        multipliers: int = NONE,
        shifts: int = NONE,
        kernel: tuple[int, int] = (1, 1),
        stride: tuple[int, int] = (1, 1),
        pad: tuple[int, int] = (0, 0),
        dilation: tuple[int, int] = (1, 1),
        groups: int = 1,
        bounds: tuple[int, int] = (-128, 127),
        p: tuple[int, ...] = (),
    ) -> int:
        references = (input0, input1, output, weights, bias, multipliers, shifts)
        window = (*kernel, *stride, *pad, *dilation, 1, groups)
        padded = (*p, *(0,) * (11 - len(p)))
        self.steps.append(
            STEP.pack(operator, 0, *references, *window, 0, SCRATCH_BYTES, *bounds, *padded)
        )
        self.written.append(output)
        return output

    def case(self, input_tensor: int, output_tensor: int) -> Case:
        outputs = {index: self.sizes[index] for index in self.written}
        plan = pack_plan(
            self.tensors,
            self.steps,
            arena_bytes=self.arena_bytes,
            ends=(input_tensor, output_tensor),
            kernels=self.kernels,
        )
        return Case(
            plan,
            self.contents,
            outputs,
            len(self.steps),
            len(self.tensors),
        )


@dataclass(frozen=True)
class Case:
    """A plan, what its arena must hold before a run, and the tensors that the run writes.

    ``contents`` and ``outputs`` go by tensor index; ``outputs`` holds sizes in bytes, in the order
    of the steps.
    """

    plan: bytes
    contents: dict[int, bytes]
    outputs: dict[int, int]
    step_count: int
    tensor_count: int

    def run(self, client: BoardClient) -> list[bytes]:
        """Loads and runs the plan; what each step wrote."""
        client.load(self.plan)
        for index, data in self.contents.items():
            client.write_tensor(index, data)
        client.run(warmup=0, step_count=self.step_count, fill_inputs=False)
        return [client.read_tensor(index, size) for index, size in self.outputs.items()]


def convolution(seed: int = 7) -> tuple[Case, bytes]:
    """A 3x3 convolution with padding, and the output that TensorFlow Lite specifies."""
    random = np.random.default_rng(seed)
    image = random.integers(-128, 128, (8, 8, 4), dtype=np.int8)
    weights = random.integers(-127, 128, (8, 3, 3, 4), dtype=np.int8)
    bias = random.integers(-2000, 2000, 8, dtype=np.int32)
    multipliers = random.integers(1 << 30, (1 << 31) - 1, 8, dtype=np.int32)
    shifts = random.integers(-9, -6, 8, dtype=np.int32)
    plan = SmallPlan()
    source = plan.tensor((8, 8, 4), zero_point=3)
    target = plan.tensor((8, 8, 8), zero_point=-5)
    plan.contents[source] = image.tobytes()
    plan.step(
        CONV,
        source,
        target,
        weights=plan.constant(weights),
        bias=plan.constant(bias),
        multipliers=plan.constant(multipliers),
        shifts=plan.constant(shifts),
        kernel=(3, 3),
        pad=(1, 1),
    )
    padded = np.pad(image.astype(np.int64) - 3, ((1, 1), (1, 1), (0, 0)))
    sums = np.zeros((8, 8, 8), np.int64) + bias
    for dy in range(3):
        for dx in range(3):
            sums += padded[dy : dy + 8, dx : dx + 8] @ weights[:, dy, dx].T.astype(np.int64)
    expected = np.clip(requantize(sums, multipliers, shifts) - 5, -128, 127).astype(np.int8)
    return plan.case(source, target), expected.tobytes()


def float_dense(seed: int = 7) -> tuple[Case, bytes]:
    """A dense layer of floats, and its output: whole numbers, which no order of sums rounds."""
    random = np.random.default_rng(seed)
    vector, weights, bias = (
        random.integers(-100, 101, shape).astype(np.float32) for shape in (33, (6, 33), 6)
    )
    plan = SmallPlan(kernels=FLOAT_KERNELS)
    source, target = plan.constant(vector), plan.tensor((1, 1, 6), FLOAT32)
    plan.step(
        DENSE,
        source,
        target,
        weights=plan.constant(weights),
        bias=plan.constant(bias),
        bounds=(float_bits(0.0), float_bits(np.inf)),
    )
    return plan.case(source, target), np.maximum(weights @ vector + bias, 0).tobytes()


def requantize(
    sums: npt.NDArray[np.int64], multipliers: npt.NDArray[np.int32], shifts: npt.NDArray[np.int32]
) -> npt.NDArray[np.int64]:
    """TensorFlow Lite's MultiplyByQuantizedMultiplier for right shifts: rounded twice."""
    product = sums * multipliers.astype(np.int64)
    high = (product + (1 << 30)) >> 31
    right = -shifts.astype(np.int64)
    remainder = high & ((1 << right) - 1)
    threshold = ((1 << right) - 1 >> 1) + (high < 0)
    return (high >> right) + (remainder > threshold)


def float_bits(value: float) -> int:
    bits: int = struct.unpack("<i", struct.pack("<f", value))[0]
    return bits


def every_operator(seed: int = 11) -> Case:
    """A plan with all operators."""
    random = np.random.default_rng(seed)
    plan = SmallPlan()

    def int8(*shape: int) -> int:
        return plan.constant(random.integers(-127, 128, shape, dtype=np.int8))

    def int32(low: int, high: int, count: int) -> int:
        return plan.constant(random.integers(low, high, count, dtype=np.int32))

    source = plan.tensor((8, 8, 4), FLOAT32)
    plan.contents[source] = random.normal(0, 60, 256).astype(np.float32).tobytes()
    x = plan.step(QUANTIZE, source, plan.tensor((8, 8, 4), zero_point=3), p=(float_bits(0.7),))
    x = plan.step(
        CONV, x, plan.tensor((8, 8, 8)),
        weights=int8(8, 3, 3, 4), bias=int32(-999, 999, 8),
        multipliers=int32(1 << 30, 1 << 31, 8), shifts=int32(-9, -6, 8),
        kernel=(3, 3), pad=(1, 1),
    )  # fmt: skip
    x = plan.step(
        CONV, x, plan.tensor((8, 8, 6)),
        weights=int8(6, 3, 3, 4), bias=int32(-999, 999, 6),
        multipliers=int32(1 << 30, 1 << 31, 6), shifts=int32(-9, -6, 6),
        kernel=(3, 3), pad=(2, 2), dilation=(2, 2), groups=2,
    )  # fmt: skip
    y = plan.step(PAD, x, plan.tensor((9, 10, 6), zero_point=5), pad=(1, 2))
    y = plan.step(MAX_POOL, y, plan.tensor((8, 8, 6)), kernel=(2, 3))
    x = plan.step(
        CONCATENATION, x, plan.tensor((8, 8, 18)), input1=y, p=(3, 0, x)
    )  # fmt: skip
    x = plan.step(
        DEPTHWISE, x, plan.tensor((8, 8, 18)),
        weights=int8(3, 3, 18), bias=int32(-999, 999, 18),
        multipliers=int32(1 << 30, 1 << 31, 18), shifts=int32(-9, -6, 18),
        kernel=(3, 3), pad=(1, 1),
    )  # fmt: skip
    x = plan.step(MAX_POOL, x, plan.tensor((4, 4, 18)), kernel=(2, 2), stride=(2, 2))
    y = plan.step(RELU, x, plan.tensor((4, 4, 18)), bounds=(0, 127), p=ONE)
    sum_of = (20, *HALF, *HALF, 1 << 30, -18)
    x = plan.step(ADD, x, plan.tensor((4, 4, 18)), input1=y, p=sum_of)
    y = plan.step(GLOBAL_MAX_POOL, x, plan.tensor((1, 1, 18)))
    x = plan.step(SUB, y, plan.tensor((4, 4, 18)), input1=x, p=sum_of)
    x = plan.step(MUL, x, plan.tensor((4, 4, 18)), input1=int8(18), p=(1 << 30, -5))
    x = plan.step(LEAKY_RELU, x, plan.tensor((4, 4, 18)), p=(1 << 30, -1, *ONE))
    x = plan.step(HARD_SWISH, x, plan.tensor((4, 4, 18)), p=(1 << 14, -6, 20000, 3))
    x = plan.step(REQUANTIZE, x, plan.tensor((4, 4, 18), zero_point=-20), p=(1 << 30, 2))
    x = plan.step(AVERAGE_POOL, x, plan.tensor((3, 3, 18)), kernel=(2, 2))
    y = plan.step(LOGISTIC, x, plan.tensor((3, 3, 18), zero_point=-128), p=(120, 1 << 30, 24))
    x = plan.step(TANH, x, plan.tensor((3, 3, 18)), p=(120, 1 << 30, 24))
    x = plan.step(CONCATENATION, x, plan.tensor((6, 3, 18)), input1=y, p=(2, 2))
    x = plan.step(GLOBAL_AVERAGE_POOL, x, plan.tensor((1, 1, 18)), p=(1 << 30, -2))
    x = plan.step(
        DENSE, x, plan.tensor((1, 1, 10)),
        weights=int8(10, 18), bias=int32(-999, 999, 10), p=(1 << 30, -6),
    )  # fmt: skip
    x = plan.step(SOFTMAX, x, plan.tensor((1, 1, 10), zero_point=-128), p=(1 << 30, 23, -248))
    target = plan.step(
        DEQUANTIZE, x, plan.tensor((1, 1, 10), FLOAT32), p=(float_bits(1 / 256),)
    )  # fmt: skip
    return plan.case(source, target)
