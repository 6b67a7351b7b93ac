"""Two of QEMU's machines in one pool, each behind its own pseudo-terminal."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from qemu import MACHINES, Qemu, needs_qemu

from hwnas.backend import BoardBackend
from hwnas.boards import load_board
from hwnas.device.pool import BoardPool, Retries, Slot, SlotState
from hwnas.firmware import find_image
from hwnas.kernel_cases import KERNEL_CASES, KernelCase, run_kernel
from hwnas.kernels import CMSIS_NN
from hwnas.opening import identity_of
from hwnas.target import Provenance

pytestmark = needs_qemu


@pytest.fixture
def machines() -> Iterator[dict[str, Qemu]]:
    running = {board: Qemu(find_image(board), pool=True) for board in MACHINES}
    yield running
    for machine in running.values():
        machine.kill()


def slot(board: str, machine: Qemu) -> Slot:
    """QEMU has no cycles: a pool takes its machines to compute, and nothing of it is stored."""
    spec, image = load_board(board), find_image(board)
    target = identity_of(spec, image, CMSIS_NN, Provenance.ESTIMATED, "")
    made = partial(BoardBackend, spec, image, machine.connect, target)
    return Slot(board, board, machine.port, made)


def compute(backend: BoardBackend, case: KernelCase) -> bool:
    return case.accepts(run_kernel(backend.open(), case.layer))


def test_both_compute_the_same_and_one_goes_on_alone(
    machines: dict[str, Qemu], tmp_path: Path
) -> None:
    slots = [slot(board, machine) for board, machine in machines.items()]
    retries = Retries(failures=2, attempts=4, backoff_s=0.01)
    with BoardPool(slots, retries=retries, lease_folder=tmp_path / "leases") as pool:
        outcomes = list(pool.run(KERNEL_CASES, compute))
        assert {o.slot for o in outcomes} == set(MACHINES)
        assert all(o.error is None and o.result for o in outcomes)

        killed, survivor = MACHINES
        begun = pool.run(KERNEL_CASES * 3, compute)
        outcomes = [next(begun)]
        machines[killed].kill()
        outcomes += begun
        assert len(outcomes) == 3 * len(KERNEL_CASES)
        assert all(o.error is None and o.result for o in outcomes)
        assert outcomes[-1].slot == survivor
        dead = {s.name: s for s in pool.status()}[killed]
        assert dead.state is SlotState.QUARANTINED or dead.failures > 0
        assert "port" in dead.reason
