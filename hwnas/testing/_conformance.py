"""The conformance suite of boards: what every board that runs hwnas's firmware must do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from hwnas.device.client import BoardClient
from hwnas.device.identity import check_identity
from hwnas.device.protocol import ResetCause
from hwnas.errors import BoardProtocolError, HwnasError, PlanError
from hwnas.firmware import FirmwareManifest
from hwnas.kernel_cases import KERNEL_CASES, kernel_plan, run_kernel
from hwnas.selftest import ALLOWED_SPREAD, CheckState, run_selftest


class BoardConformance(ABC):
    """Tests of a board, to be collected by pytest from a subclass.

    A subclass says how the board is reached and which image runs on it. Every test opens the
    board anew and leaves it without a plan.

    Attributes:
        host_clock: Whether the board's clock runs in this machine's time, as silicon's does.

    Example:
        >>> class TestMyBoard(BoardConformance):  # doctest: +SKIP
        ...     manifest = find_image(load_board("my_board.toml")).manifest
        ...     def open_client(self):
        ...         return BoardClient(SerialTransport("/dev/ttyACM0"))
    """

    host_clock: bool = False

    @property
    @abstractmethod
    def manifest(self) -> FirmwareManifest:
        """Of the image that runs on the board."""

    @abstractmethod
    def open_client(self) -> BoardClient:
        """A client of the running board."""

    def test_it_is_the_board_that_its_manifest_names(self) -> None:
        """Name, clock, code, pool and sizes are those of the manifest."""
        with self.open_client() as client:
            info = client.hello()
            check_identity(info, self.manifest)
            assert info.image_sha256 == self.manifest.image_sha256
            assert info.workspace_bytes == self.manifest.workspace_bytes
            assert info.parameters_bytes == self.manifest.parameter_bytes

    def test_every_kernel_computes_what_it_must(self) -> None:
        """Every kernel gives the bits that all boards give."""
        with self.open_client() as client:
            for case in KERNEL_CASES:
                for name in case.kernel_sets:
                    output = run_kernel(client, case.layer, name)
                    assert case.accepts(output), f"{name}: {case.describe()}"

    def test_equal_runs_take_equal_time(self) -> None:
        """Repetitions differ by less than :data:`ALLOWED_SPREAD`, where cycles are counted."""
        plan, _ = kernel_plan(KERNEL_CASES[0].layer)
        with self.open_client() as client:
            client.load(plan.data)
            result = client.run(repeats=10, step_count=1)
            assert result.layer_cycles.shape == (10, 1)
            if result.counts_cycles:
                cycles = result.layer_cycles
                assert cycles.min() > 0
                assert (cycles.max() - cycles.min()) / cycles.min() <= ALLOWED_SPREAD

    def test_a_refused_plan_leaves_none(self) -> None:
        """After a plan that was refused there is none to run."""
        plan = bytearray(kernel_plan(KERNEL_CASES[0].layer)[0].data)
        plan[0] ^= 1
        with self.open_client() as client:
            self.expect(PlanError, lambda: client.load(bytes(plan)))
            self.expect(BoardProtocolError, lambda: client.run(step_count=1))

    def test_a_board_that_measures_holds_no_model(self) -> None:
        """Where the pool lies there is no model to load."""
        with self.open_client() as client:
            self.expect(BoardProtocolError, client.load_model)

    def test_a_reset_forgets_the_plan_and_tells_its_cause(self) -> None:
        """A reset by request starts the board afresh."""
        plan, _ = kernel_plan(KERNEL_CASES[0].layer)
        with self.open_client() as client:
            client.load(plan.data)
            info = client.reset()
            # QEMU's machines keep no cause.
            assert info.reset_cause in (ResetCause.SOFTWARE, ResetCause(0))
            self.expect(BoardProtocolError, lambda: client.run(step_count=1))

    def test_the_selftest_passes(self) -> None:
        """Whatever :func:`hwnas.selftest.run_selftest` checks holds."""
        with self.open_client() as client:
            checks = list(run_selftest(client, self.manifest, host_clock=self.host_clock))
        failed = [check for check in checks if check.state is CheckState.FAILED]
        assert not failed, failed

    @staticmethod
    def expect(kind: type[HwnasError], call: Callable[[], object]) -> None:
        """Asserts that a call raises; without pytest, so that the suite imports without it."""
        try:
            call()
        except kind:
            return
        raise AssertionError(f"no {kind.__name__} was raised")
