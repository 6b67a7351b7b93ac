"""A deployed model: parameters and plan as they lie in a board's flash (docs/plan-format.md)."""

from __future__ import annotations

import hashlib
import struct
import zlib
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Self

from hwnas.errors import PlanError
from hwnas.kernels import KernelSet, find_kernel_set
from hwnas.network import Network
from hwnas.plan._compile import ExecutionPlan, Placement, compile_plan
from hwnas.plan._parameters import TrainedNetwork

MODEL_MAGIC: Final = 0x444D_5748
MODEL_VERSION: Final = 1
MODEL_HEADER: Final = struct.Struct("<4I32sI12x")
"""Stands right before the parameter region; ``firmware/src/model.h`` is the other side."""


@dataclass(frozen=True)
class ModelImage:
    """A trained network, ready to be programmed beside the firmware.

    Attributes:
        trained: What it computes, with its parameters.
        kernels: What runs it.
        plan: Its plan, whose parameters are its own and lie in flash.

    Example:
        >>> model = ModelImage.of(trained_from_tflite("lenet.tflite"))  # doctest: +SKIP
        >>> len(model.data), model.plan.arena_bytes  # doctest: +SKIP
        (64880, 6768)
    """

    trained: TrainedNetwork
    kernels: KernelSet
    plan: ExecutionPlan

    @classmethod
    def of(cls, trained: TrainedNetwork, *, kernel_set: str | None = None) -> Self:
        """Compile a network with its parameters.

        Args:
            trained: What is deployed.
            kernel_set: Name of the kernels that run it; by default the fastest for its type.

        Raises:
            PlanError: The parameters do not fit the network, or it exceeds what the kernels can do.
        """
        kernels = find_kernel_set(kernel_set, trained.network.dtype)
        plan = compile_plan(
            trained.network,
            parameters=trained.parameters,
            placement=Placement.FLASH,
            kernel_set=kernels.name,
        )
        return cls(trained, kernels, plan)

    @property
    def network(self) -> Network:
        """What it computes."""
        return self.trained.network

    @cached_property
    def data(self) -> bytes:
        """Parameters, each padded to its alignment, and the plan behind them."""
        return self.plan.parameter_data + self.plan.data

    @cached_property
    def sha256(self) -> str:
        """Hash of :attr:`data`, in hexadecimal: by it a board tells which model it holds."""
        return hashlib.sha256(self.data).hexdigest()

    def header(self) -> bytes:
        """What stands right before :attr:`data` and tells the firmware what is there."""
        return MODEL_HEADER.pack(
            MODEL_MAGIC,
            MODEL_VERSION,
            len(self.plan.parameter_data),
            len(self.plan.data),
            bytes.fromhex(self.sha256),
            zlib.crc32(self.data),
        )

    def check_fits(self, *, parameter_bytes: int, workspace_bytes: int) -> None:
        """Make sure that a board has room for it.

        Args:
            parameter_bytes: Flash that parameters and plan may take.
            workspace_bytes: RAM that the arena may take.

        Raises:
            PlanError: It has not; the message tells how much is needed.
        """
        for what, needed, there in (
            ("flash for parameters and plan", len(self.data), parameter_bytes),
            ("RAM for its activations", self.plan.arena_bytes, workspace_bytes),
        ):
            if needed > there:
                raise PlanError(
                    f"the model needs {needed:,} bytes of {what}, the board has {there:,} beside "
                    "the firmware: shrink the network or take a larger board"
                )
