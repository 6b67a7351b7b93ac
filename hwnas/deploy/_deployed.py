"""A trained model on a board, real or virtual: runs samples, and tells what they take."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from hwnas._closing import Closing
from hwnas.arena import tensor_bytes
from hwnas.device import BoardClient
from hwnas.errors import BoardMismatchError, DatasetError
from hwnas.firmware import DEFAULT_VARIANT, Variant, find_image
from hwnas.network import DType, Network
from hwnas.opening import connector, target_of, timed_board
from hwnas.plan import ModelImage
from hwnas.target import TargetIdentity

_REPEATS: Final = 3
"""On silicon a run varies by one part in a thousand; the median of three is what is told."""
_NUMPY: Final[Mapping[DType, np.dtype[Any]]] = MappingProxyType(
    {DType.INT8: np.dtype("i1"), DType.FLOAT32: np.dtype("<f4")}
)


@dataclass(frozen=True, slots=True)
class DeployedRun:
    """What an inference of a deployed model takes.

    Attributes:
        cycles: Of the whole network, without a reading of the counter in between.
        layer_cycles: One a step of the plan: reshapes have none.
        layers: The node of each step.
    """

    cycles: int
    layer_cycles: tuple[int, ...]
    layers: tuple[int, ...]


class DeployedModel(Closing):
    """A board that holds a trained model in its flash and runs it from there.

    Args:
        client: Of the board, which it owns from then on.
        model: What the board must hold.
        target: What the board is.

    Raises:
        BoardMismatchError: The board holds another model.
        BoardProtocolError: It holds none, or a damaged one.

    Example:
        >>> with DeployedModel.open("nucleo_l496zg", model) as deployed:  # doctest: +SKIP
        ...     deployed.measure().cycles
        2488211
    """

    def __init__(self, client: BoardClient, model: ModelImage, target: TargetIdentity) -> None:
        self.model = model
        self.target = target
        self._client = client
        held = client.load_model()
        if held != model.sha256:
            raise BoardMismatchError(
                f"the board holds model {held[:12]}..., not {model.sha256[:12]}...: deploy it again"
            )

    @classmethod
    def open(
        cls,
        board: str,
        model: ModelImage,
        *,
        variant: Variant = DEFAULT_VARIANT,
        port: str | None = None,
        probe: str | None = None,
        progress: Callable[[str], None] | None = None,
    ) -> Self:
        """Put a model onto a board; a physical one that holds it already is left as it is.

        Args:
            board: Name of a board, or path of a board file.
            model: What is deployed.
            variant: How the firmware is compiled.
            port: Where the physical board is; without it the virtual copy is taken.
            probe: Unique id of the debug probe that may flash the physical board.
            progress: Is told what takes long (building, flashing).

        Raises:
            BoardError: The board is unknown, cannot be opened, is another one, or holds something
                else and may not be flashed.
            FirmwareBuildError: There is no image and none can be built.
            PlanError: The board has no room for the model.
        """
        spec = timed_board(board, port, probe)
        image = find_image(spec, variant, progress=progress)
        manifest = image.manifest
        model.check_fits(
            parameter_bytes=manifest.parameter_bytes, workspace_bytes=manifest.workspace_bytes
        )
        target = target_of(spec, image, model.kernels, virtual=port is None)
        connect = connector(spec, image, port=port, probe=probe, model=model, progress=progress)
        client = connect()
        try:
            return cls(client, model, target)
        except BaseException:
            client.close()
            raise

    def close(self) -> None:
        """Let go of the board, which keeps the model."""
        self._client.close()

    def measure(self) -> DeployedRun:
        """Run the model for its cycles, on the inputs that synthetic measurements get.

        Raises:
            BoardError: The board failed.
        """
        steps = len(self.model.plan.step_nodes)
        whole = self._client.run(repeats=_REPEATS, per_layer=False, step_count=steps)
        parts = self._client.run(warmup=0, step_count=steps)
        return DeployedRun(
            round(float(np.median(whole.total_cycles))),
            tuple(int(cycles) for cycles in parts.layer_cycles[0]),
            self.model.plan.step_nodes,
        )

    def outputs(self, samples: Iterable[NDArray[Any]]) -> Iterator[NDArray[Any]]:
        """Run samples one by one and yield what the model makes of each.

        Args:
            samples: Of the network's input shape and type: int8 values, or floats where the
                network quantizes them itself or computes in floats.

        Yields:
            Of the network's output shape and type.

        Raises:
            BoardError: The board failed.
            DatasetError: A sample does not fit the model.
        """
        plan = self.model.plan
        for sample in samples:
            self._write(sample)
            self._client.run(
                warmup=0,
                per_layer=False,
                markers=False,
                fill_inputs=False,
                step_count=len(plan.step_nodes),
            )
            yield self.output_of(self._client.read_tensor(plan.output_tensor, self.output_bytes))

    @property
    def output_bytes(self) -> int:
        """Size of an output, in bytes."""
        network = self.model.network
        return tensor_bytes(network.output_shape, network.dtype_of(len(network.nodes)))

    def output_of(self, data: bytes) -> NDArray[Any]:
        """An output of the network's shape and type, from its bytes on the board."""
        network = self.model.network
        dtype = _NUMPY[network.dtype_of(len(network.nodes))]
        return np.frombuffer(data, dtype).reshape(network.output_shape)

    def _write(self, sample: NDArray[Any]) -> None:
        self._client.write_tensor(
            self.model.plan.input_tensor, input_bytes(self.model.network, sample)
        )


def input_bytes(network: Network, sample: NDArray[Any]) -> bytes:
    """A sample as the board takes it.

    Raises:
        DatasetError: It has another shape or type than the network's input.
    """
    shape, dtype = network.shape_of(0), _NUMPY[network.dtype_of(0)]
    if sample.shape != shape or sample.dtype != dtype:
        raise DatasetError(
            f"a sample of shape {sample.shape} and type {sample.dtype} does not fit a model that "
            f"reads {shape} of {dtype.name}"
        )
    return sample.tobytes()
