"""Networks and single layers to execution plans."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from hwnas.arena import plan_layer_arena, plan_network_arena
from hwnas.errors import PlanError
from hwnas.kernels import KernelSet, find_kernel_set, scratch_bytes
from hwnas.network import DType, Layer, Network, Shape
from hwnas.plan._checks import (
    check_arena,
    check_layer,
    check_network_parameters,
    check_shape,
)
from hwnas.plan._format import (
    ParameterKind,
    PlanHeader,
    Region,
    StepTensors,
    activation_record,
    pack_plan,
    parameter_counts,
    parameter_record,
    step_record,
)
from hwnas.plan._parameters import LayerParameters, NetworkParameters, with_operand
from hwnas.plan._pool import PoolLayout
from hwnas.plan._stores import ArenaStore, FlashStore, ParameterStore, PoolStore
from hwnas.plan._synthetic import (
    input_zero_point,
    network_parameters,
    output_zero_point,
    synthetic_parameters,
)


class Placement(StrEnum):
    """Where a model's own parameters go."""

    FLASH = "flash"
    ARENA = "arena"


@dataclass(frozen=True, slots=True)
class ExecutionPlan:
    """A plan and what goes with it to the board.

    Attributes:
        data: The plan, as docs/plan-format.md says.
        arena_bytes: RAM that its tensors and scratch memory take, in bytes.
        parameter_bytes: Extent used of the parameter region, in bytes.
        step_nodes: For each step the number of its node (or layer); reshapes have no step.
        input_tensor: Index of the input.
        output_tensor: Index of the output.
        parameter_data: What is to be programmed at the start of the parameter region; empty
            unless parameters were given and placed in flash.
        arena_writes: (tensor index, bytes) to be written before a run; empty unless parameters
            were placed in the arena.
    """

    data: bytes
    arena_bytes: int
    parameter_bytes: int
    step_nodes: tuple[int, ...]
    input_tensor: int
    output_tensor: int
    parameter_data: bytes = b""
    arena_writes: tuple[tuple[int, bytes], ...] = ()


def compile_plan(
    network: Network,
    *,
    pool: PoolLayout | None = None,
    parameters: NetworkParameters | None = None,
    placement: Placement | str = Placement.FLASH,
    kernel_set: str | None = None,
) -> ExecutionPlan:
    """Compile a whole network. Tensor v of the plan is the network's value v.

    Args:
        network: What is run.
        pool: The synthetic parameters that the board holds; every tensor gets a region of its
            own there.
        parameters: Real parameters instead of synthetic ones.
        placement: Where real parameters go. ``flash`` makes a deployable model, ``arena`` sends
            them by ``write_tensor``, so that nothing need be programmed.
        kernel_set: Name of the kernels that run it; by default the fastest for its type.

    Raises:
        PlanError: Not exactly one of ``pool`` and ``parameters`` was given, the kernel set is
            unknown or computes in another type, a layer exceeds what its kernel can count, the
            parameters do not fit the network, the pool is too small, or there are too many
            tensors or steps.

    Example:
        >>> plan = compile_plan(network, pool=PoolLayout.for_region(1 << 19))  # doctest: +SKIP
        >>> client.load(plan.data)  # doctest: +SKIP
    """
    kernels = find_kernel_set(kernel_set, network.dtype)
    arena = plan_network_arena(network, kernels)
    store, parameters = _sources(network, pool, parameters, placement, arena.arena_bytes)
    writer = _Writer(kernels, store)
    for value, offset in enumerate(arena.value_offsets):
        shape, dtype = network.shape_of(value), network.dtype_of(value)
        writer.activation(shape, dtype, offset, parameters.zero_points[value])
    for i, node in enumerate(network.nodes):
        if not node.layer.is_free:
            scratch = arena.scratch_offsets[i]
            writer.step(i, node.layer, node.inputs, i + 1, scratch, parameters.layers[i])
    return writer.finish(0, len(network.nodes))


def compile_layers(
    layers: Sequence[Layer],
    *,
    pool: PoolLayout,
    kernel_set: str | None = None,
    in_a_row: int = 1,
) -> ExecutionPlan:
    """Compile layers that run one after the other but have nothing to do with each other.

    Each is a step with inputs and an output of its own, in an arena that all steps share, so a
    step may find in its inputs what an earlier one wrote. Reshapes cost nothing and are left out.

    Args:
        layers: What is run, in this order.
        pool: The synthetic parameters that the board holds.
        kernel_set: Name of the kernels that run them; by default the fastest for their type.
        in_a_row: So often each layer runs before the next one does.

    Raises:
        PlanError: As for :func:`compile_plan`, or there is nothing but reshapes.
    """
    running = [(i, layer) for i, layer in enumerate(layers) if not layer.is_free]
    if not running:
        raise PlanError("there is nothing to run: give at least one layer that is no reshape")
    kernels = find_kernel_set(kernel_set, running[0][1].dtype)
    for _, layer in running:
        find_kernel_set(kernels.name, layer.dtype)
    arenas = [plan_layer_arena(layer, kernels) for _, layer in running]
    arena_bytes = max(arena.arena_bytes for arena in arenas)
    store = PoolStore(pool, arena_bytes, overflowing=len(running) == 1)
    writer = _Writer(kernels, store)
    output = 0
    for (i, layer), arena in zip(running, arenas, strict=True):
        *input_offsets, output_offset = arena.value_offsets
        source = input_zero_point(layer.input_dtype)
        inputs = tuple(
            writer.activation(shape, layer.input_dtype, offset, source)
            for shape, offset in zip(layer.input_shapes, input_offsets, strict=True)
        )
        output = writer.activation(
            layer.output_shape, layer.output_dtype, output_offset, output_zero_point(layer, source)
        )
        parameters = synthetic_parameters(layer, source)
        writer.step(i, layer, inputs, output, arena.scratch_offsets[0], parameters, times=in_a_row)
    return writer.finish(0, output)


def _sources(
    network: Network,
    pool: PoolLayout | None,
    parameters: NetworkParameters | None,
    placement: Placement | str,
    arena_bytes: int,
) -> tuple[ParameterStore, NetworkParameters]:
    if pool is not None and parameters is None:
        return PoolStore(pool, arena_bytes), network_parameters(network)
    if pool is not None or parameters is None:
        raise PlanError("give either pool (synthetic parameters) or parameters (real ones)")
    check_network_parameters(network, parameters)
    if placement == Placement.FLASH:
        return FlashStore(arena_bytes), parameters
    if placement == Placement.ARENA:
        return ArenaStore(arena_bytes), parameters
    raise PlanError(f"placement {placement!r} is neither 'flash' nor 'arena'")


class _Writer:
    """Collects the records of a plan."""

    def __init__(self, kernels: KernelSet, store: ParameterStore) -> None:
        check_arena(store.arena_bytes)
        self._kernels = kernels
        self._store = store
        self._tensors: list[bytes] = []
        self._steps: list[bytes] = []
        self._step_nodes: list[int] = []
        self._arena_writes: list[tuple[int, bytes]] = []

    def activation(self, shape: Shape, dtype: DType, offset: int, zero_point: int) -> int:
        """Add an activation; returns its index."""
        check_shape(shape)
        self._tensors.append(activation_record(shape, dtype, offset, zero_point))
        return len(self._tensors) - 1

    def step(
        self,
        node: int,
        layer: Layer,
        inputs: tuple[int, ...],
        output: int,
        scratch_offset: int,
        parameters: LayerParameters,
        *,
        times: int = 1,
    ) -> None:
        """Add a step, several times, and the parameter tensors that it reads."""
        check_layer(layer)
        indices: dict[ParameterKind, int] = {}
        for kind, count in parameter_counts(layer).items():
            indices[kind] = self._parameter(kind, layer.dtype, count, parameters)
        if ParameterKind.OPERAND in indices:
            inputs = with_operand(layer, inputs, indices[ParameterKind.OPERAND])
        record = step_record(
            layer,
            StepTensors(inputs, output, indices),
            (scratch_offset, scratch_bytes(layer, self._kernels)),
            (parameters.activation_min, parameters.activation_max),
            parameters.constants,
        )
        self._steps += [record] * times
        self._step_nodes += [node] * times

    def finish(self, input_tensor: int, output_tensor: int) -> ExecutionPlan:
        """Pack the plan."""
        store = self._store
        header = PlanHeader(
            arena_bytes=store.arena_bytes,
            input_tensor=input_tensor,
            output_tensor=output_tensor,
            kernel_set=self._kernels.code,
            attached=store.attached,
            parameter_bytes=store.parameter_bytes,
        )
        return ExecutionPlan(
            data=pack_plan(header, self._tensors, self._steps),
            arena_bytes=store.arena_bytes,
            parameter_bytes=store.parameter_bytes,
            step_nodes=tuple(self._step_nodes),
            input_tensor=input_tensor,
            output_tensor=output_tensor,
            parameter_data=store.image,
            arena_writes=tuple(self._arena_writes),
        )

    def _parameter(
        self, kind: ParameterKind, dtype: DType, count: int, parameters: LayerParameters
    ) -> int:
        data = parameters.data(kind)
        place = self._store.place(kind, dtype, count, data)
        zero_point = parameters.operand_zero_point if kind is ParameterKind.OPERAND else 0
        self._tensors.append(parameter_record(kind, dtype, count, place, zero_point))
        index = len(self._tensors) - 1
        if place.region is Region.ARENA:
            self._arena_writes.append((index, data))
        return index
